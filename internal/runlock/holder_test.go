// SPDX-License-Identifier: Apache-2.0

package runlock

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A reader must not shut out readers: once its lock became exclusive unnoticed.
func TestReadersStayShared(t *testing.T) {
	l := testLocks(t)
	for range 20 {
		lock, err := l.SnapshotShared(t.Context(), snapshot)
		if err != nil {
			t.Fatal(err)
		}
		defer lock.Unlock()
	}
	list, err := l.List([]string{"store"}, nil)
	if err != nil || len(list) != 1 || len(list[0].Holders) != 20 {
		t.Fatalf("got %+v, %v", list, err)
	}
	for _, h := range list[0].Holders {
		if !h.Shared || h.PID != os.Getpid() {
			t.Errorf("got %+v", h)
		}
	}
	if list[0].Locked != "ns/vm/100/2022-05-02T08:11:33Z" {
		t.Errorf("got %q", list[0].Locked)
	}
}

func TestKilledHolderLeavesNoLock(t *testing.T) {
	l := testLocks(t)
	line, p := startHolder(t, l, "snapshot")
	if line != "held" {
		t.Fatal(line)
	}
	p.Kill()
	p.Wait()
	lock, err := l.Snapshot(t.Context(), snapshot)
	if err != nil {
		t.Fatal(err)
	}
	lock.Unlock()
}

func TestLockOutlivesExec(t *testing.T) {
	l := testLocks(t)
	line, p := startHolder(t, l, "exec")
	if line != "held" {
		t.Fatal(line)
	}
	for range 100 { // until sh has become sleep
		_, err := l.Snapshot(t.Context(), snapshot)
		if !errors.Is(err, ErrLocked) {
			t.Fatalf("got %v", err)
		}
		if strings.Contains(err.Error(), fmt.Sprintf("held by pid %d (sleep 1000)", p.Pid)) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("sleep never showed up as the holder")
}

func TestParseLock(t *testing.T) {
	for line, want := range map[string]string{
		"1: FLOCK  ADVISORY  WRITE 4711 00:17:1234 0 EOF":    "4711 0:23:1234 false",
		"12: FLOCK  ADVISORY  READ 0 fe:00:99 0 EOF":         "0 254:0:99 true",
		"1: -> FLOCK  ADVISORY  WRITE 4712 00:17:1234 0 EOF": "",
		"2: POSIX  ADVISORY  WRITE 1 00:17:1 0 EOF":          "",
		"3: FLOCK ADVISORY WRITE x 00:17:1 0 EOF":            "",
		"nonsense": "",
		"":         "",
	} {
		got := ""
		if id, h, ok := parseLock(line); ok {
			got = strconv.Itoa(h.PID) + fmt.Sprintf(" %d:%d:%d %v", id.major, id.minor, id.ino, h.Shared)
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", line, got, want)
		}
	}
}

// The kernel's table has the process that took the lock; who has it now is another.
func TestInheritedLock(t *testing.T) {
	l := testLocks(t)
	line, p := startHolder(t, l, "orphan")
	var child int
	if _, err := fmt.Sscanf(line, "held %d", &child); err != nil {
		t.Fatal(line)
	}
	defer unix.Kill(child, unix.SIGKILL)
	p.Wait()
	want := fmt.Sprintf("held by pid %d (sleep 1001)", child)
	for range 100 { // until the child has become sleep
		_, err := l.Snapshot(t.Context(), snapshot)
		if !errors.Is(err, ErrLocked) {
			t.Fatalf("got %v", err)
		}
		list, listErr := l.List([]string{"store"}, nil)
		if listErr != nil || len(list) != 1 || len(list[0].Holders) != 1 || list[0].Holders[0].PID != child {
			t.Fatalf("got %+v, %v", list, listErr)
		}
		if strings.Contains(err.Error(), want) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("never %q", want)
}

// unseenEnv names the directory of locks that somebody outside of a pid namespace holds.
const unseenEnv = "RUNLOCK_TEST_HELD"

// In a pid namespace of one's own a holder outside cannot be named, but must be told of; what
// is free must not be taken for held, nor one who waits for a holder.
func TestHolderInAnotherPIDNamespace(t *testing.T) {
	if root := os.Getenv(unseenEnv); root != "" {
		seeUnseen(t, root)
		return
	}
	if os.Geteuid() != 0 {
		t.Skip("only root can make a pid namespace")
	}
	for _, held := range []string{"snapshot", "shared"} {
		l := testLocks(t)
		lock, err := take(t.Context(), l, held)
		if err != nil {
			t.Fatal(err)
		}
		free, err := l.Group(t.Context(), group)
		if err != nil {
			t.Fatal(err)
		}
		free.Unlock()
		cmd := exec.Command(os.Args[0], "-test.run=^TestHolderInAnotherPIDNamespace$")
		cmd.Env = append(os.Environ(), unseenEnv+"="+filepath.Dir(l.roots[0]))
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", held, err, out)
		}
		if err := lock.Unlock(); err != nil {
			t.Fatal(err)
		}
	}
	// From outside every process is seen.
	l := testLocks(t)
	cmd := holder(l, "snapshot")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID}
	line, p := start(t, cmd)
	if line != "held" {
		t.Fatal(line)
	}
	if _, err := l.Snapshot(t.Context(), snapshot); !strings.Contains(fmt.Sprint(err), fmt.Sprintf("held by pid %d (runlock.test hold", p.Pid)) {
		t.Errorf("from outside: %v", err)
	}
}

// seeUnseen runs in the pid namespace.
func seeUnseen(t *testing.T, root string) {
	// Not /, which may be no mount point in a chroot.
	if err := unix.Mount("", "/proc", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		t.Fatal(err)
	}
	l, err := New(Place{Root: root, OldMarker: filepath.Join(filepath.Dir(root), "old-locking")}, oneKey)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Snapshot(t.Context(), snapshot); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), "held by "+unseen) {
		t.Errorf("got %v", err)
	}
	list, err := l.List([]string{"store"}, nil)
	if err != nil || len(list) != 1 || list[0].Locked != "ns/vm/100/2022-05-02T08:11:33Z" || len(list[0].Holders) != 1 || list[0].Holders[0].PID != 0 {
		t.Errorf("got %+v, %v", list, err)
	}
}
