// SPDX-License-Identifier: Apache-2.0

package container

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

func TestFindVEHierarchy(t *testing.T) {
	for name, c := range map[string]struct{ table, want string }{
		"vz7":          {"cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\ncgroup /sys/fs/cgroup/ve cgroup rw,relatime,ve 0 0\n", "/sys/fs/cgroup/ve"},
		"beside v2":    {"cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\nve /run/ve cgroup rw,ve 0 0\n", "/run/ve"},
		"none":         {"cgroup /sys/fs/cgroup/cpu cgroup rw,cpu,cpuacct 0 0\n", ""},
		"another type": {"ve /ve tmpfs rw,ve 0 0\nshort\n", ""},
		"named so":     {"ve /sys/fs/cgroup/velocity cgroup rw,velocity,name=ve 0 0\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			table := filepath.Join(t.TempDir(), "mounts")
			if err := os.WriteFile(table, []byte(c.table), 0o644); err != nil {
				t.Fatal(err)
			}
			got, err := findVEHierarchy(table)
			if got != c.want || (err != nil) != (c.want == "") {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

// fakeVE is a directory of plain files in place of a VE's in the ve hierarchy, which no
// kernel that this is built on has. It shows what is written and in which order, and
// nothing of what a kernel makes of it.
func fakeVE(t *testing.T) (g veGroup, writes func() []string) {
	t.Helper()
	g = veGroup{filepath.Join(t.TempDir(), "999"), 999}
	if err := os.Mkdir(g.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"cgroup.procs", "ve.veid", "ve.features", "ve.pseudosuper", "ve.state"} {
		if err := os.WriteFile(filepath.Join(g.dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if _, err := unix.InotifyAddWatch(fd, g.dir, unix.IN_MODIFY); err != nil {
		t.Fatal(err)
	}
	return g, func() []string {
		buf := make([]byte, 4096)
		n, err := unix.Read(fd, buf)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for b := buf[:n]; len(b) > 0; {
			e := (*unix.InotifyEvent)(unsafe.Pointer(&b[0]))
			name := b[unix.SizeofInotifyEvent:][:e.Len]
			names = append(names, strings.TrimRight(string(name), "\x00"))
			b = b[unix.SizeofInotifyEvent+e.Len:]
		}
		return names
	}
}

// The processes are forked for real; that they make no namespaces here is all that the
// test leaves out of what this program does.
func TestWhatAVEIsMadeBy(t *testing.T) {
	g, writes := fakeVE(t)
	if err := g.set(); err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	held, hold, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer hold.Close()
	c, err := VECgroup{}.startIn(Spec{Args: []string{"/bin/sh", "-c", "echo started >&3; read x <&4"}, Files: []*os.File{w, held}}, g, 0)
	w.Close()
	held.Close()
	if err != nil {
		t.Fatal(err)
	}
	if said, err := r.Read(make([]byte, 16)); said == 0 || err != nil {
		t.Errorf("the program said nothing: %v", err)
	}
	want := []string{"ve.veid", "ve.pseudosuper", "cgroup.procs", "ve.state", "ve.pseudosuper"}
	if got := writes(); !slices.Equal(got, want) {
		t.Errorf("written in the order %q, want %q", got, want)
	}
	for name, want := range map[string]string{
		"ve.veid": "999", "cgroup.procs": "0", "ve.state": "START", "ve.features": "", "ve.pseudosuper": "0",
	} {
		if b, err := os.ReadFile(filepath.Join(g.dir, name)); err != nil || string(b) != want {
			t.Errorf("%s: %q, %v; want %q", name, b, err, want)
		}
	}
	if c.ID() != "999" || c.PID() <= 0 || c.Root() != "" {
		t.Errorf("id %s, process %d, root %q", c.ID(), c.PID(), c.Root())
	}
	if err := unix.Kill(c.PID(), 0); err != nil {
		t.Errorf("process %d: %v", c.PID(), err)
	}
	// A kernel's directory goes with its files in it, a plain one does not.
	if err := os.WriteFile(filepath.Join(g.dir, "ve.state"), []byte("STOPPED\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := c.Kill(); !errors.Is(err, unix.ENOTEMPTY) {
		t.Errorf("kill: %v", err)
	}
	if err := unix.Kill(c.PID(), 0); !errors.Is(err, unix.ESRCH) {
		t.Errorf("process %d is still there: %v", c.PID(), err)
	}
}

func TestVEIDsThatAreTaken(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"999", "1000"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	// The next one is made, and fails at the first file that no kernel made in it.
	_, err := VECgroup{}.start(Spec{Args: []string{"/bin/true"}}, dir, 0)
	if err == nil || !strings.Contains(err.Error(), filepath.Join(dir, "1001", "ve.veid")) {
		t.Errorf("got %v", err)
	}
}

func TestChildTellsWhatFailed(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		call call
		want string
	}{
		"a call":     {[]string{"/bin/true"}, call{what: "chroot nowhere", nr: unix.SYS_CHROOT}, "chroot nowhere: bad address"},
		"no program": {[]string{"/no/such/program"}, call{what: "get session", nr: unix.SYS_GETPID}, "run /no/such/program: no such file"},
		"may fail":   {[]string{"/no/such/program"}, call{what: "chroot nowhere", nr: unix.SYS_CHROOT, may: unix.EFAULT}, "run /no/such/program: no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			child, err := newChild(c.args, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			child.clone(0)
			child.last(c.call)
			forks := 0
			_, err = child.start(func(int, int) error { forks++; return nil })
			if err == nil || !strings.Contains(err.Error(), c.want) || forks == 0 {
				t.Errorf("%d forks, %v; want %q", forks, err, c.want)
			}
		})
	}
}

func TestOutputOfAChild(t *testing.T) {
	out, err := output(t.Context(), []string{"/bin/sh", "-c", "echo said; exit 3"}, func(c *child) error { c.clone(0); return nil })
	if string(out) != "said\n" || err == nil || !strings.Contains(err.Error(), "status 0x300") {
		t.Errorf("got %q, %v", out, err)
	}
	if size := binary.Size(told{}); size != int(unsafe.Sizeof(told{})) {
		t.Errorf("a record has %d bytes in Go, %d as read", unsafe.Sizeof(told{}), size)
	}
}
