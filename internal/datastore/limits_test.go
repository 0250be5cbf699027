// SPDX-License-Identifier: Apache-2.0

package datastore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func init() {
	children["read-only"] = readOnlyOperations
	children["limited"] = limitedOperations
	children["few descriptors"] = fewDescriptors
}

// nobody is the uid that a read-only store binds; root is bound by no mode.
const nobody = 65534

// asUser runs this test binary with the arguments, as nobody when we are root.
func asUser(t *testing.T, dir string, args ...string) string {
	t.Helper()
	// The binary's own place is its builder's alone.
	program := filepath.Join(dir, "program")
	b, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(program, b, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}

// give makes dir and all in it nobody's when we are root.
func give(t *testing.T, dir string) {
	t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Lchown(path, nobody, nobody))
	})
	if err != nil {
		t.Fatal(err)
	}
}

// readOnlyOperations is what the child tries on a store it may not write to; each line
// of its output is one outcome.
func readOnlyOperations(args []string) {
	dir := args[0]
	s, err := Open(filepath.Join(dir, "store"), place(dir))
	if err != nil {
		fmt.Println("open:", err)
		return
	}
	ctx := context.Background()
	ref := kernel.At(day)
	r, err := s.OpenSnapshot(ctx, ref)
	if err != nil {
		fmt.Println("read:", err)
		return
	}
	f, err := r.Open("a")
	if err == nil {
		var b []byte
		b, err = io.ReadAll(f)
		fmt.Println("read:", string(b), err)
	}
	r.Close()
	_, err = s.Create(ctx, kernel, day.AddDate(0, 0, 1))
	fmt.Println("create:", err)
	fmt.Println("ready:", s.Ready())
	fmt.Println("remove:", s.Remove(ctx, ref))
	fmt.Println("remove group:", s.RemoveGroup(ctx, kernel))
	fmt.Println("notes:", s.SetNotes(ctx, ref, "x"))
	got, err := s.Verify(ctx, []Ref{ref}, true, nil)
	fmt.Println("verify:", err, got[0].Verification.OK, got[0].Err)
}

func TestReadOnlyStore(t *testing.T) {
	dir, err := os.MkdirTemp("/dev/shm", "ovzpatch")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		filepath.WalkDir(dir, func(path string, _ fs.DirEntry, _ error) error { os.Chmod(path, 0o700); return nil })
		os.RemoveAll(dir)
	}()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	s, err := Init(filepath.Join(dir, "store"), "", place(dir))
	if err != nil {
		t.Fatal(err)
	}
	ref := put(t, s, kernel, day, "a", "content")
	give(t, s.dir)
	give(t, filepath.Join(dir, "run"))
	err = filepath.WalkDir(s.dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			err = os.Chmod(path, 0o555)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	out := asUser(t, dir, "read-only", dir)
	for _, want := range []string{
		"read: content <nil>\n",
		"create: create snapshot " + kernel.At(day.AddDate(0, 0, 1)).String() + ": mkdir ",
		"ready: write to datastore " + s.dir + ": write to ",
		"remove: remove snapshot " + ref.String() + ": write to ",
		"remove group: remove snapshot " + ref.String() + ": write to ",
		"notes: update snapshot " + ref.String() + ": mkdir ",
		"verify: <nil> true verify snapshot " + ref.String() + ": mkdir ",
	} {
		i := strings.Index(out, want)
		line, _, _ := strings.Cut(out[max(i, 0):], "\n")
		if i < 0 || !strings.HasPrefix(want, "read") && !strings.HasSuffix(line, "permission denied") {
			t.Errorf("no %q, permission denied, in:\n%s", want, out)
		}
	}
	if strings.Contains(out, "panic") {
		t.Error(out)
	}
	if f, err := os.ReadFile(s.path(ref.dir(), "a")); err != nil || string(f) != "content" {
		t.Errorf("lost: %q %v", f, err)
	}
}

// limitedOperations runs in a process that may write no file of more than 64 KiB, which
// is a disk that is full in the middle of a file.
func limitedOperations(args []string) {
	dir := args[0]
	limit := unix.Rlimit{Cur: 64 << 10, Max: 64 << 10}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
		fmt.Println(err)
		return
	}
	s, err := Open(filepath.Join(dir, "store"), place(dir))
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	w, err := s.Create(ctx, kernel, day.AddDate(0, 0, 1))
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = w.AddFile(ctx, "small", strings.NewReader("fits"))
	fmt.Println("small:", err)
	_, err = w.AddFile(ctx, "big", strings.NewReader(strings.Repeat("x", 1<<20)))
	fmt.Println("big:", err)
	w.Manifest.Notes = strings.Repeat("x", 1<<20)
	fmt.Println("commit:", w.Commit(ctx))
	fmt.Println("notes:", s.SetNotes(ctx, kernel.At(day), w.Manifest.Notes))
}

func TestFullDisk(t *testing.T) {
	s := newStore(t)
	ref := put(t, s, kernel, day, "a", "content")
	before := strings.Join(tree(t, s.dir), "\n")
	out, err := exec.Command(os.Args[0], "limited", filepath.Dir(s.dir)).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	next := kernel.At(day.AddDate(0, 0, 1)).String()
	for _, want := range []string{
		"small: <nil>\n",
		"big: add big to snapshot " + next + ": write ",
		"commit: commit snapshot " + next + ": write ",
		"notes: update snapshot " + ref.String() + ": write ",
	} {
		i := strings.Index(string(out), want)
		line, _, _ := strings.Cut(string(out[max(i, 0):]), "\n")
		if i < 0 || !strings.HasPrefix(want, "small") && !strings.HasSuffix(line, "file too large") {
			t.Errorf("no %q, file too large, in:\n%s", want, out)
		}
	}
	if after := strings.Join(tree(t, s.dir), "\n"); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
	if got, err := s.Verify(t.Context(), []Ref{ref}, true, nil); err != nil || !got[0].Verification.OK {
		t.Errorf("%+v %v", got, err)
	}
}

// fewDescriptors runs in a process that may have no more open files than this, less than
// the snapshots that it works on.
func fewDescriptors(args []string) {
	dir := args[0]
	limit := unix.Rlimit{Cur: 90, Max: 90}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		fmt.Println(err)
		return
	}
	s, err := Open(filepath.Join(dir, "store"), place(dir))
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	refs, err := s.All()
	fmt.Println("all:", len(refs), err)
	list, err := s.List(ctx, refs)
	fmt.Println("list:", len(list), err)
	got, err := s.Verify(ctx, refs, true, nil)
	good := 0
	for _, r := range got {
		if r.Err == nil && r.Verification.OK {
			good++
		}
	}
	fmt.Println("verify:", good, err)
	plan, err := s.Prune(ctx, nil, Keep{Last: 1}, true)
	fmt.Println("dry run:", len(plan), err)
	removed, err := s.RemoveAll(ctx, refs[:40], nil, false)
	fmt.Println("remove:", len(removed), err)
	plan, err = s.Prune(ctx, nil, Keep{Last: 60}, false)
	fmt.Println("prune:", len(plan), err)
	fmt.Println("cleanup:", s.Cleanup(ctx))
	fmt.Println("remove group:", s.RemoveGroup(ctx, kernel))
}

func TestManySnapshotsTakeFewDescriptors(t *testing.T) {
	s := newStore(t)
	for i := range 150 {
		put(t, s, kernel, day.Add(time.Duration(i)*time.Hour), "a", fmt.Sprint(i), "same", "same")
	}
	// Lock files that a killed process left are more than can be open, too.
	for i := range 100 {
		lock, err := s.locks.Snapshot(t.Context(), s.lockName(kernel.At(day.AddDate(1, 0, i)), ""))
		if err != nil {
			t.Fatal(err)
		}
		lock.Unlock()
	}
	out, err := exec.Command(os.Args[0], "few descriptors", filepath.Dir(s.dir)).CombinedOutput()
	want := "all: 150 <nil>\nlist: 150 <nil>\nverify: 150 <nil>\ndry run: 150 <nil>\nremove: 40 <nil>\nprune: 110 <nil>\ncleanup: <nil>\nremove group: <nil>\n"
	if err != nil || string(out) != want {
		t.Errorf("%v, got:\n%swant:\n%s", err, out, want)
	}
	checkTidy(t, s, "in the end")
}
