// SPDX-License-Identifier: Apache-2.0

package datastore

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const privateEnv = "DATASTORE_TEST_MOUNTS"

// privateMounts runs the calling test once more where what it mounts is nobody else's, and
// tells it so there.
func privateMounts(t *testing.T) bool {
	t.Helper()
	if os.Getenv(privateEnv) != "" {
		// In a chroot / may be no mount point. Who made that sees to its mounts.
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil && !errors.Is(err, unix.EINVAL) {
			t.Fatal(err)
		}
		return true
	}
	if os.Geteuid() != 0 {
		t.Skip("only root can mount")
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), privateEnv+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	return false
}

// storeOn is a store on what is mounted at mnt, with its locks in memory.
func storeOn(t *testing.T, mnt string) *Store {
	t.Helper()
	s, err := Init(filepath.Join(mnt, "store"), "", place(memoryDir(t)))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A disk without a block to spare has no room for a directory to move a snapshot to.
func TestRemoveFromAFullExt4(t *testing.T) {
	if !privateMounts(t) {
		return
	}
	dir := t.TempDir()
	image, mnt := filepath.Join(dir, "image"), filepath.Join(dir, "mnt")
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, 4<<20); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(mnt, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"mkfs.ext4", "-q", image}, {"mount", "-o", "loop", image, mnt}} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%q: %v: %s", args, err, out)
		}
	}
	defer unix.Unmount(mnt, unix.MNT_DETACH)
	s := storeOn(t, mnt)
	var refs []Ref
	for i := range 4 {
		refs = append(refs, put(t, s, kernel, day.Add(time.Duration(i)*time.Hour), "a", string(rune('0'+i))))
	}
	alone := put(t, s, Group{"", "kernel", "alone"}, day, "a", "alone")
	fill, err := os.Create(filepath.Join(mnt, "fill"))
	if err != nil {
		t.Fatal(err)
	}
	block := bytes.Repeat([]byte("x"), 1024)
	for err == nil {
		_, err = fill.Write(block)
	}
	if fill.Close(); !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(mnt, "dir"), 0o755); !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("the disk is not full: %v", err)
	}
	if err := s.Remove(t.Context(), refs[0]); err != nil {
		t.Errorf("remove: %v", err)
	}
	if err := s.RemoveGroup(t.Context(), alone.Group); err != nil {
		t.Errorf("remove group: %v", err)
	}
	plan, err := s.Prune(t.Context(), nil, Keep{Last: 1}, false)
	if err != nil || len(plan) != 3 {
		t.Errorf("prune: %v, %v", plan, err)
	}
	if all, err := s.All(); err != nil || !slices.Equal(all, refs[3:]) {
		t.Errorf("there is %v, %v", all, err)
	}
	if got, err := s.Verify(t.Context(), refs[3:], false, nil); err != nil || !got[0].Verification.OK {
		t.Errorf("%+v, %v", got, err)
	}
}

// An overlay renames no directory of its lower layer. Half of the snapshots are there, half
// on the upper one.
func TestRemoveFromAnOverlay(t *testing.T) {
	if !privateMounts(t) {
		return
	}
	dir := memoryDir(t)
	lower, upper, work, mnt := filepath.Join(dir, "l"), filepath.Join(dir, "u"), filepath.Join(dir, "w"), filepath.Join(dir, "m")
	for _, d := range []string{lower, upper, work, mnt} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	below := storeOn(t, lower)
	var refs []Ref
	for i := range 4 {
		refs = append(refs, put(t, below, kernel, day.Add(time.Duration(i)*time.Hour), "a", "same", "b", string(rune('0'+i))))
	}
	before := tree(t, lower)
	if err := unix.Mount("overlay", mnt, "overlay", 0, "lowerdir="+lower+",upperdir="+upper+",workdir="+work); err != nil {
		t.Fatal(err)
	}
	defer unix.Unmount(mnt, unix.MNT_DETACH)
	s, err := Open(filepath.Join(mnt, "store"), place(memoryDir(t)))
	if err != nil {
		t.Fatal(err)
	}
	over := filepath.Join(mnt, "store", refs[0].dir())
	if err := os.Rename(over, over+"x"); !errors.Is(err, unix.EXDEV) {
		t.Fatalf("this overlay renames directories of its lower layer: %v", err)
	}
	refs = append(refs, put(t, s, kernel, day.Add(5*time.Hour), "a", "same"))
	if err := s.SetNotes(t.Context(), refs[1], "noted"); err != nil {
		t.Errorf("notes: %v", err)
	}
	if err := s.Remove(t.Context(), refs[0]); err != nil {
		t.Errorf("remove: %v", err)
	}
	plan, err := s.Prune(t.Context(), nil, Keep{Last: 2}, false)
	if err != nil || len(plan) != 4 {
		t.Errorf("prune: %v, %v", plan, err)
	}
	if all, err := s.All(); err != nil || !slices.Equal(all, refs[3:]) {
		t.Errorf("there is %v, %v", all, err)
	}
	if got, err := s.Verify(t.Context(), refs[3:], true, nil); err != nil || !got[0].Verification.OK || !got[1].Verification.OK {
		t.Errorf("%+v, %v", got, err)
	}
	if err := s.RemoveGroup(t.Context(), kernel); err != nil {
		t.Errorf("remove group: %v", err)
	}
	// The lower layer's objects take no space above it; how many links they have is not known.
	left := slices.DeleteFunc(tree(t, s.dir), func(path string) bool { return strings.HasPrefix(path, objectsDir+"/") })
	if !slices.Equal(left, []string{formatFile}) {
		t.Errorf("left: %q", left)
	}
	if after := tree(t, lower); !slices.Equal(after, before) {
		t.Errorf("the lower layer has %q, had %q", after, before)
	}
}

// What can only be read is told before long work, not after it.
func TestReadyOnAReadOnlyFilesystem(t *testing.T) {
	if !privateMounts(t) {
		return
	}
	mnt := memoryDir(t)
	if err := unix.Mount("tmpfs", mnt, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	defer unix.Unmount(mnt, unix.MNT_DETACH)
	s := storeOn(t, mnt)
	if err := s.Ready(); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("", mnt, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	if err := s.Ready(); !errors.Is(err, unix.EROFS) {
		t.Errorf("got %v", err)
	}
}

// A store that cannot be made leaves nothing, neither itself nor the directories above it.
func TestInitOnAFullDisk(t *testing.T) {
	if !privateMounts(t) {
		return
	}
	for options, dirs := range map[string][]string{
		"size=16k":             {"store", "a/b/store", "there"},
		"size=64k,nr_inodes=4": {"a/b/c/store", "a/b/store"}, // no room for a directory, for a file
	} {
		mnt := t.TempDir()
		if err := unix.Mount("tmpfs", mnt, "tmpfs", 0, options); err != nil {
			t.Fatal(err)
		}
		if slices.Contains(dirs, "there") {
			if err := os.Mkdir(filepath.Join(mnt, "there"), 0o755); err != nil {
				t.Fatal(err)
			}
			os.WriteFile(filepath.Join(mnt, "filler"), make([]byte, 1<<20), 0o644) // as much as there is room for
		}
		before := tree(t, mnt)
		for _, dir := range dirs {
			_, err := Init(filepath.Join(mnt, dir), "", place(memoryDir(t)))
			if !errors.Is(err, unix.ENOSPC) || !strings.Contains(err.Error(), "; make room there, or name a directory on another disk") {
				t.Errorf("%s, %s: %v", options, dir, err)
			}
			if after := tree(t, mnt); !slices.Equal(after, before) {
				t.Errorf("%s, %s: left %q, was %q", options, dir, after, before)
			}
		}
		if err := unix.Unmount(mnt, 0); err != nil {
			t.Error(err)
		}
	}
}
