// SPDX-License-Identifier: Apache-2.0

package umount

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// What the daemon of an indirect map needs of include/uapi/linux/auto_fs.h.
const (
	autofsIOCReady = 0x9360
	autofsIOCFail  = 0x9361
	// missingIndirect is autofs_ptype_missing_indirect, the packet of a key that is not mounted.
	missingIndirect = 3
	// Offsets in struct autofs_v5_packet, in bytes. They are the same for 32 and 64 bits.
	packetType, packetToken, packetLen, packetName = 4, 8, 40, 44
)

// keyName is the key of the map under test.
const keyName = "key"

// automountLimit is how long the daemon waits for the kernel to ask.
const automountLimit = 10 * time.Second

// umountAutomount mounts an autofs map at Path and has a child umount its one key, which is not mounted yet. So
// the kernel first asks the map's daemon, which is this program, to mount it.
func (a *agent) umountAutomount(q request) (r reply, err error) {
	out, in, err := os.Pipe()
	if err != nil {
		return reply{}, fmt.Errorf("make the map's pipe: %w", err)
	}
	defer out.Close()
	// Without pgrp= the daemon is the process group that mounts the map.
	options := fmt.Sprintf("fd=%d,minproto=5,maxproto=5,indirect", in.Fd())
	err = unix.Mount("map", q.Path, "autofs", 0, options)
	in.Close()
	if err != nil {
		return reply{}, fmt.Errorf("mount autofs at %s: %w", q.Path, err)
	}
	if err := out.SetReadDeadline(time.Now().Add(automountLimit)); err != nil {
		return reply{}, err
	}
	answered := make(chan error, 1)
	go func() { answered <- answer(out, q) }()
	cmd := exec.Command(a.self, UmountWord, strconv.Itoa(q.Flags), q.Path+"/"+keyName)
	// For the daemon's own process group the kernel would not ask.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	r, err = onceIn(cmd)
	return r, errors.Join(err, <-answered)
}

// answer waits for the kernel's question and mounts Source there.
func answer(questions *os.File, q request) error {
	packet := make([]byte, 512)
	n, err := questions.Read(packet)
	if err != nil {
		return fmt.Errorf("wait for the kernel to ask for %s: %w", keyName, err)
	}
	word := func(at int) uint32 { return binary.NativeEndian.Uint32(packet[at:]) }
	if end := packetName + int(word(packetLen)); n < packetName || end > n || word(packetType) != missingIndirect || string(packet[packetName:end]) != keyName {
		return fmt.Errorf("the kernel asks the map's daemon something else: %q", packet[:n])
	}
	root, err := os.Open(q.Path)
	if err != nil {
		return err
	}
	defer root.Close()
	verdict := uint(autofsIOCReady)
	path := q.Path + "/" + keyName
	err = os.Mkdir(path, 0o755)
	if err == nil {
		err = bind(q.Source+"/"+dirName, path)
	}
	if err != nil {
		verdict = autofsIOCFail
	}
	return errors.Join(err, unix.IoctlSetInt(int(root.Fd()), verdict, int(word(packetToken))))
}
