// SPDX-License-Identifier: Apache-2.0

package patch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// everything is a patch of every kind of change there is.
const everything = `diff --git a/changed b/changed
--- a/changed
+++ b/changed
@@ -1,3 +1,3 @@
 one
-two
+TWO
 three
diff --git a/sub/gone b/sub/gone
deleted file mode 100644
--- a/sub/gone
+++ /dev/null
@@ -1 +0,0 @@
-all there is
diff --git a/new/deep/file b/new/deep/file
new file mode 100755
--- /dev/null
+++ b/new/deep/file
@@ -0,0 +1 @@
+fresh
diff --git a/old-name b/new-name
similarity index 50%
rename from old-name
rename to new-name
--- a/old-name
+++ b/new-name
@@ -1,2 +1,2 @@
 first
-second
+SECOND
diff --git a/script b/script
old mode 100644
new mode 100755
diff --git a/place b/place
deleted file mode 100644
--- a/place
+++ /dev/null
@@ -1 +0,0 @@
-makes room for a directory
diff --git a/place/inside b/place/inside
new file mode 100644
--- /dev/null
+++ b/place/inside
@@ -0,0 +1 @@
+moved in
diff --git a/link b/link
new file mode 120000
--- /dev/null
+++ b/link
@@ -0,0 +1 @@
+changed
\ No newline at end of file
`

func everythingTree(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	writeTree(t, dir, map[string]string{
		"changed": "one\ntwo\nthree\n", "sub/gone": "all there is\n", "old-name": "first\nsecond\n",
		"script": "#!/bin/sh\n", "place": "makes room for a directory\n", "untouched": "x\n",
	})
	if err := os.Chmod(filepath.Join(dir, "changed"), 0o640); err != nil {
		t.Fatal(err)
	}
	return dir
}

// shape is everything about a tree that must survive a failure: names, types, modes,
// contents, owners, and which inode each file is.
func shape(t testing.TB, dir string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	err := filepath.WalkDir(dir, func(full string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		st := info.Sys().(*syscall.Stat_t)
		s := fmt.Sprintf("%v %d:%d", info.Mode(), st.Uid, st.Gid)
		switch {
		case info.Mode().IsRegular():
			data, err := os.ReadFile(full)
			if err != nil {
				return err
			}
			s += fmt.Sprintf(" inode %d links %d time %v %q", st.Ino, st.Nlink, info.ModTime(), data)
		case info.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(full)
			if err != nil {
				return err
			}
			s += " to " + target
		}
		name, _ := filepath.Rel(dir, full)
		all[name] = s
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func link(t testing.TB, to, name string) {
	t.Helper()
	if err := os.Symlink(to, name); err != nil {
		t.Fatal(err)
	}
}

func sameShape(t testing.TB, what string, got, want map[string]string) {
	t.Helper()
	if !maps.Equal(got, want) {
		t.Errorf("%s: the tree is\n%v\nwant\n%v", what, got, want)
	}
}

// applyText puts a patch into a tree in the way the command does.
func applyText(ctx context.Context, dir, text string, opt Options) error {
	p, err := Parse("test.patch", []byte(text))
	if err != nil {
		return err
	}
	tree, err := OpenTree(dir)
	if err != nil {
		return err
	}
	defer tree.Close()
	plan, err := NewPlan(p, tree.File, opt)
	if err != nil {
		return err
	}
	return tree.Apply(ctx, plan)
}

func TestApplyEverythingAndBack(t *testing.T) {
	dir := everythingTree(t)
	before := readTree(t, dir)
	if err := applyText(t.Context(), dir, everything, Options{Strip: -1}); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"changed": "one\nTWO\nthree\n", "new/deep/file": "fresh\n", "new-name": "first\nSECOND\n",
		"script": "#!/bin/sh\n", "place/inside": "moved in\n", "untouched": "x\n",
	}
	if got := readTree(t, dir); !maps.Equal(got, want) {
		t.Errorf("the tree is %q, want %q", got, want)
	}
	after := shape(t, dir)
	for name, mode := range map[string]string{"changed": "-rw-r-----", "script": "-rwxr-xr-x", "new/deep/file": "-rwxr-xr-x", "link": "Lrwxrwxrwx"} {
		if !strings.HasPrefix(after[name], mode) {
			t.Errorf("%s is %s, want mode %s", name, after[name], mode)
		}
	}
	for _, name := range []string{"sub", ".ovzpatch"} {
		if _, ok := after[name]; ok {
			t.Errorf("directory %s is left", name)
		}
	}
	// Back again, but for the directory where a file was: no file replaces that.
	full := shape(t, dir)
	if err := applyText(t.Context(), dir, everything, Options{Strip: -1, Reverse: true}); err == nil {
		t.Error("a file was put in place of a directory")
	}
	if got := shape(t, dir); !maps.Equal(got, full) {
		t.Errorf("a reverse that does not go in leaves %v", got)
	}
	if err := os.RemoveAll(filepath.Join(dir, "place")); err != nil {
		t.Fatal(err)
	}
	delete(before, "place")
	from, to := strings.Index(everything, "diff --git a/place"), strings.Index(everything, "diff --git a/link")
	if err := applyText(t.Context(), dir, everything[:from]+everything[to:], Options{Strip: -1, Reverse: true}); err != nil {
		t.Fatal(err)
	}
	if got := readTree(t, dir); !maps.Equal(got, before) {
		t.Errorf("the reverse leaves %q, want %q", got, before)
	}
}

// A tree copied by cp -al shares its inodes: the copy must keep the old content.
func TestApplySparesHardLinks(t *testing.T) {
	dir := everythingTree(t)
	other := t.TempDir()
	for _, name := range []string{"changed", "old-name", "script", "place"} {
		if err := os.Link(filepath.Join(dir, name), filepath.Join(other, name)); err != nil {
			t.Fatal(err)
		}
	}
	before := readTree(t, other)
	if err := applyText(t.Context(), dir, everything, Options{Strip: -1}); err != nil {
		t.Fatal(err)
	}
	if got := readTree(t, other); !maps.Equal(got, before) {
		t.Errorf("the hard-linked copy became %q", got)
	}
	if info, err := os.Stat(filepath.Join(other, "script")); err != nil || info.Mode().Perm()&0o111 != 0 {
		t.Errorf("the hard-linked script became %v, %v", info.Mode(), err)
	}
}

func TestApplyKeepsOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("only root can give files away; the rest of the test is for root")
		return
	}
	dir := everythingTree(t)
	for _, name := range []string{"changed", "old-name"} {
		if err := os.Chown(filepath.Join(dir, name), 1234, 2345); err != nil {
			t.Fatal(err)
		}
	}
	if err := applyText(t.Context(), dir, everything, Options{Strip: -1}); err != nil {
		t.Fatal(err)
	}
	after := shape(t, dir)
	for _, name := range []string{"changed", "new-name"} {
		if !strings.Contains(after[name], " 1234:2345 ") {
			t.Errorf("%s now is %s", name, after[name])
		}
	}
}

func TestPipeIsNoTree(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o644); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := OpenTree(pipe)
		done <- err
	}()
	select {
	case err := <-done:
		if !errors.Is(err, syscall.ENOTDIR) {
			t.Errorf("error is %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("it waits for a writer")
	}
}

func TestTreeIsHeld(t *testing.T) {
	dir := everythingTree(t)
	reader, err := OpenTree(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := applyText(t.Context(), dir, everything, Options{Strip: -1}); !errors.Is(err, ErrBusy) {
		t.Errorf("applying while another reads: %v", err)
	}
	reader.Close()
	if err := applyText(t.Context(), dir, everything, Options{Strip: -1}); err != nil {
		t.Errorf("applying afterwards: %v", err)
	}
}

// A plan is for what it was made for.
func TestApplyRefusesWhatChangedSince(t *testing.T) {
	dir := everythingTree(t)
	p, err := Parse("p", []byte(everything))
	if err != nil {
		t.Fatal(err)
	}
	tree, err := OpenTree(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	plan, err := NewPlan(p, tree.File, Options{Strip: -1})
	if err != nil {
		t.Fatal(err)
	}
	writeTree(t, dir, map[string]string{"changed": "one\ntwo\nthree\nand more\n"})
	before := shape(t, dir)
	if err := tree.Apply(t.Context(), plan); err == nil || !strings.Contains(err.Error(), "run again") {
		t.Errorf("applied all the same: %v", err)
	}
	if got := shape(t, dir); !maps.Equal(got, before) {
		t.Errorf("the tree became %v", got)
	}
}
