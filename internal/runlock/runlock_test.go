// SPDX-License-Identifier: Apache-2.0

package runlock

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

var (
	group    = Group{Namespace: []string{"ns"}, Type: "vm", ID: "100"}
	snapshot = Snapshot{Group: group, Time: "2022-05-02T08:11:33Z"}
)

// The test binary is also the other process: it takes the lock that it is told to,
// says so, and holds it until its standard input ends.
func TestMain(m *testing.M) {
	if len(os.Args) == 5 && os.Args[1] == "hold" {
		hold(os.Args[2], os.Args[3], os.Args[4])
		return
	}
	os.Exit(m.Run())
}

func hold(root, marker, what string) {
	l, err := New(Place{Root: root, OldMarker: marker}, oneKey)
	if err == nil {
		s := snapshot
		s.Dir = filepath.Join(filepath.Dir(root), "data")
		s.Group.Dir = s.Dir
		switch what {
		case "group":
			_, err = l.Group(context.Background(), s.Group)
		case "snapshot":
			_, err = l.Snapshot(context.Background(), s)
		case "shared":
			_, err = l.SnapshotShared(context.Background(), s)
		case "manifest":
			_, err = l.Manifest(context.Background(), s)
		case "exec":
			err = holdAs(l, s, "echo held; exec sleep 1000")
		case "orphan":
			err = holdAs(l, s, "sleep 1001 >/dev/null & echo held $!")
		}
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("held")
	bufio.NewReader(os.Stdin).ReadByte()
}

// holdAs becomes a shell that has the lock.
func holdAs(l *Locks, s Snapshot, script string) error {
	lock, err := l.SnapshotShared(context.Background(), s)
	if err == nil {
		err = lock.KeepOnExec()
	}
	if err != nil {
		return err
	}
	return syscall.Exec("/bin/sh", []string{"sh", "-c", script}, nil)
}

func testLocks(t testing.TB) *Locks {
	t.Helper()
	dir := memoryDir(t)
	l, err := New(Place{Root: filepath.Join(dir, "run/locks"), OldMarker: filepath.Join(dir, "run/old-locking")}, oneKey)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.prepare(); err != nil {
		t.Fatal(err)
	}
	return l
}

func oneKey() ([]string, error) { return []string{"store"}, nil }

// memoryDir is a temporary directory on a tmpfs, as locks must be on.
func memoryDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "ovzpatch")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// startHolder starts another process that holds a lock; it returns its first line and the
// process.
func startHolder(t *testing.T, l *Locks, what string) (string, *os.Process) {
	t.Helper()
	return start(t, holder(l, what))
}

func holder(l *Locks, what string) *exec.Cmd {
	root := filepath.Dir(l.roots[0])
	return exec.Command(os.Args[0], "hold", root, filepath.Join(filepath.Dir(root), "old-locking"), what)
}

func start(t *testing.T, cmd *exec.Cmd) (string, *os.Process) {
	t.Helper()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		cmd.Process.Kill()
		cmd.Wait()
	})
	line, _ := bufio.NewReader(out).ReadString('\n')
	return strings.TrimSpace(line), cmd.Process
}

// take tries one kind of lock.
func take(ctx context.Context, l *Locks, what string) (interface{ Unlock() error }, error) {
	switch what {
	case "group":
		return l.Group(ctx, group)
	case "snapshot":
		return l.Snapshot(ctx, snapshot)
	case "manifest":
		return l.Manifest(ctx, snapshot)
	}
	return l.SnapshotShared(ctx, snapshot)
}

func TestWhatExcludesWhat(t *testing.T) {
	for _, tc := range []struct {
		held, wanted string
		ok           bool
	}{
		{"group", "group", false},
		{"group", "snapshot", true},
		{"group", "shared", true},
		{"snapshot", "snapshot", false},
		{"snapshot", "shared", false},
		{"snapshot", "manifest", true},
		{"shared", "shared", true},
		{"shared", "snapshot", false},
		{"shared", "group", true},
	} {
		t.Run(tc.held+" then "+tc.wanted, func(t *testing.T) {
			check := func(who, mark string, err error) {
				if tc.ok && err != nil || !tc.ok && !errors.Is(err, ErrLocked) {
					t.Errorf("%s: got %v", who, err)
				}
				if !tc.ok && !strings.Contains(fmt.Sprint(err), "held by "+mark) {
					t.Errorf("%s: %v does not name %q", who, err, mark)
				}
			}
			l := testLocks(t)
			first, err := take(t.Context(), l, tc.held)
			if err != nil {
				t.Fatal(err)
			}
			second, err := take(t.Context(), l, tc.wanted)
			check("same process", "this process itself", err)
			if err == nil {
				second.Unlock()
			}
			line, _ := startHolder(t, l, tc.wanted)
			if tc.ok != (line == "held") {
				t.Errorf("other process: %s", line)
			}
			if !tc.ok && !strings.Contains(line, fmt.Sprintf("held by pid %d (runlock.test", os.Getpid())) {
				t.Errorf("other process: %q does not name this one", line)
			}
			first.Unlock()

			l = testLocks(t)
			if line, p := startHolder(t, l, tc.held); line == "held" {
				_, err := take(t.Context(), l, tc.wanted)
				check("other process holds", fmt.Sprintf("pid %d (runlock.test hold", p.Pid), err)
			} else {
				t.Fatal(line)
			}
		})
	}
}

func TestOnlyManifestsWait(t *testing.T) {
	l := testLocks(t)
	for _, what := range []string{"group", "snapshot"} {
		first, _ := take(t.Context(), l, what)
		start := time.Now()
		if _, err := take(t.Context(), l, what); !errors.Is(err, ErrLocked) || time.Since(start) > time.Second {
			t.Errorf("%s: %v after %v", what, err, time.Since(start))
		}
		first.Unlock()
	}
	first, _ := take(t.Context(), l, "manifest")
	time.AfterFunc(200*time.Millisecond, func() { first.Unlock() })
	second, err := take(t.Context(), l, "manifest")
	if err != nil {
		t.Fatal(err)
	}
	defer second.Unlock()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := take(ctx, l, "manifest"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if testing.Short() {
		return
	}
	start := time.Now()
	_, err = take(t.Context(), l, "manifest")
	if d := time.Since(start); !errors.Is(err, ErrLocked) || d < ManifestWait || d > ManifestWait+time.Second {
		t.Errorf("got %v after %v", err, d)
	}
	if !strings.Contains(err.Error(), "waited 5s") {
		t.Errorf("got %v", err)
	}
}
