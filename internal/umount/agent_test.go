// SPDX-License-Identifier: Apache-2.0

package umount

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// What the agent does to mounts is tried in the guest; here it is what it answers.
func TestAgentAnswers(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, dataFile)
	if err := os.WriteFile(file, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	shut := t.TempDir()
	if err := os.WriteFile(filepath.Join(shut, "other"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		ask  request
		want reply
		err  string
	}{
		{ask: request{Op: "read", Path: dir}, want: reply{Errno: "0"}},
		{ask: request{Op: "read", Path: dir + "/none"}, want: reply{Errno: "ENOENT"}},
		{ask: request{Op: "hold", Path: shut}, err: "no such file"},
		{ask: request{Op: "hold", Path: dir}},
		{ask: request{Op: "look", Path: "/proc"}, want: reply{Errno: "0", Mounted: true}},
		{ask: request{Op: "look", Path: dir}, want: reply{Errno: "0"}},
		{ask: request{Op: "release", Path: dir}},
		{ask: request{Op: "dance"}, err: `no operation "dance"`},
	} {
		var in, out bytes.Buffer
		json.NewEncoder(&in).Encode(request{Op: "hold", Path: dir})
		json.NewEncoder(&in).Encode(c.ask)
		if err := Agent("/no/such/program", &in, &out); err != nil {
			t.Fatal(err)
		}
		dec := json.NewDecoder(&out)
		var got reply
		dec.Decode(&got)
		if got != (reply{}) {
			t.Fatalf("hold: %+v", got)
		}
		if err := dec.Decode(&got); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(got.Err, c.err) || (got.Err == "") != (c.err == "") {
			t.Errorf("%+v: error %q, want %q", c.ask, got.Err, c.err)
		}
		got.Err = ""
		if got != c.want {
			t.Errorf("%+v: got %+v, want %+v", c.ask, got, c.want)
		}
	}
}

func TestAgentRefusesNoise(t *testing.T) {
	if err := Agent("", strings.NewReader("noise"), &bytes.Buffer{}); err == nil {
		t.Error("no error")
	}
}

func TestErrnoName(t *testing.T) {
	for want, err := range map[string]error{
		"0": nil, "EBUSY": syscall.EBUSY, "ENOENT": &os.PathError{Err: syscall.ENOENT}, "invalid argument": os.ErrInvalid,
	} {
		if got := errnoName(err); got != want {
			t.Errorf("%v: got %q, want %q", err, got, want)
		}
	}
}

func TestCommandErrno(t *testing.T) {
	for out, want := range map[string]string{
		`2026/11/20 22:50:00 umount "/mnt" flags 9: operation not permitted`: "EPERM",
		`umount "/mnt" flags 9: device or resource busy`:                     "EBUSY",
		"umount: can't unmount /mnt: Invalid argument\n":                     "EINVAL",
		"umount: /mnt: target is busy.\n":                                    "EBUSY",
		"umount: /mnt: must be superuser to unmount.\n":                      "EPERM",
		"umount: /mnt: not mounted.\n":                                       "EINVAL",
		"something new\n":                                                    "something new",
	} {
		if got := commandErrno(out); got != want {
			t.Errorf("%q: got %q, want %q", out, got, want)
		}
	}
}

func TestParseMounts(t *testing.T) {
	table := "none / rootfs rw 0 0\nnone /a\\040b\\134c lustre rw 0 0\n\nshort\nproc /proc proc rw"
	if got, want := parseMounts(table), []string{"/", `/a b\c`, "/proc"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// An old kernel refuses a pid namespace of its own to a process of several threads as every
// kernel refuses memory of its own.
func TestUnshareForTakesARefusal(t *testing.T) {
	if err := unshareFor(unix.CLONE_VM); err != nil {
		t.Error(err)
	}
}

// Before 3.17 a thread finds its mount namespace by not being where the others are.
func TestOwnMountNamespace(t *testing.T) {
	lay := func(links map[string]string) string {
		proc := t.TempDir()
		for path, ns := range links {
			path = filepath.Join(proc, path, "ns/mnt")
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(filepath.Dir(path), ns), nil, 0o644); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(ns, path); err != nil {
				t.Fatal(err)
			}
		}
		return proc
	}
	for _, c := range []struct {
		links map[string]string
		want  string // where the namespace is found, "" for an error
	}{
		{map[string]string{"self": "mnt:1", "self/task/7": "mnt:1", "self/task/8": "mnt:2", "thread-self": "mnt:2"}, "thread-self/ns/mnt"},
		{map[string]string{"self": "mnt:1", "self/task/7": "mnt:1", "self/task/8": "mnt:2"}, "self/task/8/ns/mnt"},
		{map[string]string{"self": "mnt:1", "self/task/7": "mnt:1"}, ""},
		{nil, ""},
	} {
		proc := lay(c.links)
		f, err := ownMountNamespace(proc)
		if (err == nil) != (c.want != "") {
			t.Errorf("%v: %v", c.links, err)
		}
		if err == nil && f.Name() != filepath.Join(proc, c.want) {
			t.Errorf("%v: %s", c.links, f.Name())
		}
		f.Close()
	}
}
