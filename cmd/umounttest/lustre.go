// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"ovzpatch/internal/umount"
)

// Where the host puts the user's script, if there is one, and the list of the user's
// modules. They are loaded when the network is up: ptlrpc starts LNet, which ends without
// an interface.
const (
	setupScript   = "/etc/umounttest/setup"
	lustreModules = "/etc/umounttest/lustre-modules"
)

const (
	setupLimit = 10 * time.Minute
	// A client whose servers do not answer gives up after 160 s.
	mountLimit = 5 * time.Minute
)

// lustre is a user's own Lustre in place of the probe.
type lustre struct {
	source string // what is mounted
	setup  string // the script that makes it mountable, "" for none
}

func (l *lustre) filesystem() umount.Filesystem { return umount.Lustre{Source: l.source} }

// bringUp runs the user's script and mounts once, at dir: what does not come up is no
// fault of the kernel on trial.
func (l *lustre) bringUp(ctx context.Context, dir string) error {
	if l.setup != "" {
		if err := runSetup(ctx, l.setup); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make mount point: %w", err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, mountLimit, fmt.Errorf("not done within %v", mountLimit))
	defer cancel()
	if err := l.filesystem().Mount(ctx, "lustre", dir); err != nil {
		return err
	}
	return errors.Join(unix.Unmount(dir, 0), os.Remove(dir))
}

// runSetup runs the user's script, if there is one, and shows on the console what it says.
func runSetup(ctx context.Context, path string) error {
	args, err := interpreter(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("run setup script: %w", err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, setupLimit, fmt.Errorf("not done within %v", setupLimit))
	defer cancel()
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Stdout = io.MultiWriter(os.Stdout, &said)
	cmd.Stderr = cmd.Stdout
	// What it left running may hold its output open.
	cmd.WaitDelay = time.Second
	err = cmd.Run()
	if err == nil || errors.Is(err, exec.ErrWaitDelay) {
		return nil
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return fmt.Errorf("run setup script: %w; it said last: %s", err, lastLines(said.String(), 5))
}

// interpreter returns the program for a script: the one it names, or the guest's shell.
func interpreter(path string) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var head [2]byte
	if _, err := io.ReadFull(f, head[:]); err == nil && string(head[:]) == "#!" {
		return []string{path}, nil
	}
	shell, err := findShell()
	return []string{shell, path}, err
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], " | ")
}
