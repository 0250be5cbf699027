// SPDX-License-Identifier: GPL-2.0-only

package umount

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"ovzpatch/internal/guest"
	"ovzpatch/internal/kmsg"
)

// The words that make this program an agent, or one umount, when it runs itself.
const (
	AgentWord  = "agent"
	UmountWord = "umount2"
)

// request is one thing the agent is to do; Op is a key of agentOps.
type request struct {
	Op     string
	Path   string
	Source string
	Flags  int
	UID    int
	Times  int
}

// reply is what came of it. Err is a fault of the machinery, not of the umount.
type reply struct {
	Errno   string `json:",omitempty"`
	ID      string `json:",omitempty"` // pid namespace of the process that acted, where not the agent's
	Mounted bool   `json:",omitempty"`
	// Messages are the override messages in the log that the agent gets to see.
	Messages int    `json:",omitempty"`
	Err      string `json:",omitempty"`
}

// agent is the state of a container's first process.
type agent struct {
	self string // this program, to run itself
	held *os.File
}

// Agent serves requests, one JSON value each, until they end. It is a container's first
// process; with its end the container ends. The main thread must be locked to the main
// goroutine, for some operations spoil the thread they run on.
func Agent(self string, requests io.Reader, replies io.Writer) error {
	a := &agent{self: self}
	in, out := json.NewDecoder(requests), json.NewEncoder(replies)
	for {
		var q request
		if err := in.Decode(&q); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read request: %w", err)
		}
		r, err := a.serve(q)
		if err != nil {
			r.Err = err.Error()
		}
		if err := out.Encode(r); err != nil {
			return fmt.Errorf("write reply to %s: %w", q.Op, err)
		}
	}
}

var agentOps = map[string]func(*agent, request) (reply, error){
	"bind":      (*agent).bind,
	"hold":      (*agent).hold,
	"held":      (*agent).readHeld,
	"read":      (*agent).read,
	"mounted":   (*agent).mounted,
	"umount":    (*agent).umount,
	"umount-as": (*agent).umountAs,
	"unshare":   (*agent).umountUnshared,
	"nested":    (*agent).umountNested,
	"command":   (*agent).command,
	"sweep":     (*agent).sweep,
	"own-log":   (*agent).readOwnLog,

	"without-admin": (*agent).umountWithoutAdmin,
	"compat":        (*agent).umountCompat,
}

func (a *agent) serve(q request) (reply, error) {
	op, ok := agentOps[q.Op]
	if !ok {
		return reply{}, fmt.Errorf("no operation %q", q.Op)
	}
	return op(a, q)
}

// bind makes Path a mount of the container's own and lets go of the one it came from:
// a container does not see the host's paths. In a user namespace that one is locked,
// and stays.
func (a *agent) bind(q request) (reply, error) {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return reply{}, fmt.Errorf("make mounts private: %w", err)
	}
	if err := unix.Mount(q.Source, q.Path, "", unix.MS_BIND, ""); err != nil {
		return reply{}, fmt.Errorf("bind %s to %s: %w", q.Source, q.Path, err)
	}
	if err := unix.Unmount(q.Source, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) {
		return reply{}, fmt.Errorf("detach %s: %w", q.Source, err)
	}
	return reply{}, nil
}

func (a *agent) hold(q request) (r reply, err error) {
	a.held, err = os.Open(q.Path)
	return reply{}, err
}

func (a *agent) readHeld(request) (reply, error) {
	_, err := a.held.ReadAt(make([]byte, 1), 0)
	return reply{Errno: errnoName(err)}, nil
}

func (a *agent) read(q request) (reply, error) { return reply{Errno: errnoName(use(q.Path))}, nil }

func (a *agent) mounted(q request) (reply, error) {
	paths, err := mountPaths()
	return reply{Mounted: slices.Contains(paths, q.Path)}, err
}

func (a *agent) umount(q request) (reply, error) {
	var err error
	for range q.Times {
		err = unix.Unmount(q.Path, q.Flags)
	}
	return reply{Errno: errnoName(err)}, nil
}

func (a *agent) umountAs(q request) (reply, error) {
	return onSpoiltThread(func() (reply, error) {
		// The raw calls change this thread alone; the C library's would change all.
		for _, call := range []uintptr{sysSetresgid, sysSetresuid} {
			id := uintptr(q.UID)
			if _, _, e := unix.RawSyscall(call, id, id, id); e != 0 {
				return reply{}, fmt.Errorf("become user %d: %w", q.UID, e)
			}
		}
		return reply{Errno: errnoName(unix.Unmount(q.Path, q.Flags))}, nil
	})
}

func (a *agent) umountUnshared(q request) (reply, error) {
	return onSpoiltThread(func() (reply, error) {
		if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
			return reply{}, fmt.Errorf("unshare mount namespace: %w", err)
		}
		return reply{Errno: errnoName(unix.Unmount(q.Path, q.Flags))}, nil
	})
}

// onSpoiltThread runs f on a thread that nothing else will run on.
func onSpoiltThread(f func() (reply, error)) (reply, error) {
	type result struct {
		r   reply
		err error
	}
	done := make(chan result, 1)
	go func() {
		runtime.LockOSThread()
		r, err := f()
		done <- result{r, err}
	}()
	res := <-done
	return res.r, res.err
}

func (a *agent) umountWithoutAdmin(q request) (reply, error) {
	return onSpoiltThread(func() (reply, error) {
		if err := dropAdmin(); err != nil {
			return reply{}, err
		}
		return reply{Errno: errnoName(unix.Unmount(q.Path, q.Flags))}, nil
	})
}

// umountCompat umounts by the kernel's entry for 32-bit programs.
func (a *agent) umountCompat(q request) (reply, error) {
	b, err := exec.Command(guest.CompatProgram, UmountWord, strconv.Itoa(q.Flags), q.Path).Output()
	if err != nil {
		return reply{}, fmt.Errorf("run the 32-bit program: %w", err)
	}
	return parseOnce(b)
}

func (a *agent) umountNested(q request) (reply, error) {
	cmd := exec.Command(a.self, UmountWord, strconv.Itoa(q.Flags), q.Path)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS}
	b, err := cmd.Output()
	if err != nil {
		return reply{}, fmt.Errorf("umount in a container within: %w", err)
	}
	return parseOnce(b)
}

// Once does one umount and writes what came of it for the process that started this
// one. Arguments: the flags as a number, the path.
func Once(args []string, w io.Writer) error {
	if len(args) != 2 {
		return fmt.Errorf("umount once: %d arguments, want flags and path", len(args))
	}
	flags, err := strconv.Atoi(args[0])
	if err != nil {
		return fmt.Errorf("umount once: flags: %w", err)
	}
	r := reply{Errno: errnoName(unix.Unmount(args[1], flags))}
	// Kernels before 3.8 have no such file; there the id is not a namespace's.
	if ns, err := os.Readlink("/proc/self/ns/pid"); err == nil {
		r.ID = strings.Trim(strings.TrimPrefix(ns, "pid:"), "[]")
	}
	return json.NewEncoder(w).Encode(r)
}

// parseOnce reads what Once wrote.
func parseOnce(b []byte) (reply, error) {
	var r reply
	if err := json.Unmarshal(b, &r); err != nil {
		return r, fmt.Errorf("read what the umount said: %w", err)
	}
	return r, nil
}

func (a *agent) readOwnLog(request) (reply, error) {
	records, err := kmsg.All()
	if err != nil {
		return reply{}, err
	}
	var seen guest.Seen
	evidence(records, &seen)
	return reply{Messages: seen.Messages}, nil
}
