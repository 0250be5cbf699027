// SPDX-License-Identifier: GPL-2.0-only

package patch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
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

// dyingContext ends, by what die does, when it is asked for the n-th time.
type dyingContext struct {
	context.Context
	left *atomic.Int64
	die  func() error
}

func (c dyingContext) Err() error {
	if c.left.Add(-1) < 0 {
		return c.die()
	}
	return nil
}

// TestMain serves the tests that kill a program in the middle of Apply.
func TestMain(m *testing.M) {
	if dir := os.Getenv("PATCH_TEST_TREE"); dir != "" {
		left, err := strconv.Atoi(os.Getenv("PATCH_TEST_STEPS"))
		if err != nil {
			left = 1 << 30
		}
		text, err := os.ReadFile(os.Getenv("PATCH_TEST_PATCH"))
		if err == nil {
			var countdown atomic.Int64
			countdown.Store(int64(left))
			err = applyText(dyingContext{context.Background(), &countdown, func() error {
				syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {}
			}}, dir, string(text), Options{Strip: -1})
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child is a program that applies the patch in file to dir and, when steps is not
// negative, kills itself after so many steps.
func child(t *testing.T, dir, file string, steps int) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), "PATCH_TEST_TREE="+dir, "PATCH_TEST_PATCH="+file)
	if steps >= 0 {
		cmd.Env = append(cmd.Env, "PATCH_TEST_STEPS="+strconv.Itoa(steps))
	}
	cmd.Stderr = os.Stderr
	return cmd
}

// reopen recovers the tree.
func reopen(t *testing.T, dir string) (recovered bool) {
	t.Helper()
	tree, err := OpenTree(dir)
	if err != nil {
		t.Fatalf("open the tree after the kill: %v", err)
	}
	defer tree.Close()
	return tree.Recovered()
}

// A program killed before each of its steps leaves a tree that the next one restores to
// the very inodes.
func TestKilledAtEveryStep(t *testing.T) {
	file := filepath.Join(t.TempDir(), "p")
	if err := os.WriteFile(file, []byte(everything), 0o666); err != nil {
		t.Fatal(err)
	}
	halfway := 0
	for steps := 0; ; steps++ {
		dir := everythingTree(t)
		before := shape(t, dir)
		err := child(t, dir, file, steps).Run()
		if err == nil {
			if steps < 15 || halfway == 0 {
				t.Errorf("the patch went in after %d steps, %d of them in the middle of the tree's change: too few to be a test", steps, halfway)
			}
			return
		}
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != -1 {
			t.Fatalf("step %d: the program was not killed, but failed: %v", steps, err)
		}
		if got := shape(t, dir); !maps.Equal(withoutJournal(got), before) {
			halfway++
		}
		if !reopen(t, dir) {
			t.Errorf("killed at step %d: nothing was found to be undone", steps)
		}
		if got := shape(t, dir); !maps.Equal(got, before) {
			t.Errorf("killed at step %d the tree became\n%v\nwant\n%v", steps, got, before)
		}
	}
}

func withoutJournal(s map[string]string) map[string]string {
	s = maps.Clone(s)
	maps.DeleteFunc(s, func(name, _ string) bool { return name == journalDir || strings.HasPrefix(name, journalDir+"/") })
	for name, what := range s {
		// The journal's own link to a file that is not changed yet.
		s[name] = strings.Replace(what, "links 2", "links 1", 1)
	}
	return s
}

// A program killed at any moment leaves a tree that is as before or as after.
func TestKilledAtAnyMoment(t *testing.T) {
	rounds := 150
	if testing.Short() {
		rounds = 10
	}
	r := rand.New(rand.NewPCG(7, 7))
	files := map[string]string{}
	var text strings.Builder
	for n := range 40 {
		name := fmt.Sprintf("d%d/f%d", n%5, n)
		files[name] = fmt.Sprintf("one\ntwo %d\nthree\n", n)
		fmt.Fprintf(&text, "--- a/%s\n+++ b/%s\n@@ -1,3 +1,3 @@\n one\n-two %d\n+zwei %d\n three\n", name, name, n, n)
	}
	file := filepath.Join(t.TempDir(), "p")
	if err := os.WriteFile(file, []byte(text.String()), 0o666); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	writeTree(t, dir, files)
	begin := time.Now()
	if err := child(t, dir, file, -1).Run(); err != nil {
		t.Fatal(err)
	}
	whole := time.Since(begin)
	patched := readTree(t, dir)
	undone := 0
	for round := range rounds {
		dir := t.TempDir()
		writeTree(t, dir, files)
		before := shape(t, dir)
		cmd := child(t, dir, file, -1)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(r.Int64N(int64(whole))))
		cmd.Process.Kill()
		cmd.Wait()
		if reopen(t, dir) {
			undone++
		}
		got := shape(t, dir)
		if !maps.Equal(got, before) && !maps.Equal(readTree(t, dir), patched) {
			t.Fatalf("round %d: the tree is neither as before nor as after: %v", round, got)
		}
		if _, left := got[journalDir]; left {
			t.Fatalf("round %d: the journal is left", round)
		}
	}
	t.Logf("%d of %d kills met the program at work", undone, rounds)
	if !testing.Short() && undone == 0 {
		t.Error("no kill met the program at work: the test tests nothing")
	}
}

// An error at any step leaves the tree as it was, without another run.
func TestErrorAtEveryStep(t *testing.T) {
	for steps := 0; ; steps++ {
		dir := everythingTree(t)
		before := shape(t, dir)
		var left atomic.Int64
		left.Store(int64(steps))
		boom := errors.New("boom")
		err := applyText(dyingContext{t.Context(), &left, func() error { return boom }}, dir, everything, Options{Strip: -1})
		if err == nil {
			if steps < 15 {
				t.Errorf("the patch went in after %d steps: too few to be a test", steps)
			}
			return
		}
		if !errors.Is(err, boom) {
			t.Fatalf("step %d: %v", steps, err)
		}
		if got := shape(t, dir); !maps.Equal(got, before) {
			t.Errorf("error at step %d: the tree became\n%v\nwant\n%v", steps, got, before)
		}
	}
}

// Whatever a patch says and a tree's links lead to, nothing outside is touched.
func TestNothingOutsideTheTree(t *testing.T) {
	change := func(name string) string {
		return fmt.Sprintf("--- a/%s\n+++ b/%s\n@@ -1 +1 @@\n-secret\n+changed\n", name, name)
	}
	create := func(name string) string {
		return fmt.Sprintf("diff --git a/%s b/%s\nnew file mode 100644\n--- /dev/null\n+++ b/%s\n@@ -0,0 +1 @@\n+planted\n", name, name, name)
	}
	for _, test := range []struct {
		name  string
		patch string
		opt   Options
	}{
		{"parent directory", change("../outside/secret"), Options{Strip: 1}},
		{"parent directory further down", change("d/../../outside/secret"), Options{Strip: 1}},
		{"absolute name", strings.ReplaceAll(change("OUTSIDE/secret"), "a/OUTSIDE", "OUTSIDE"), Options{Strip: 0}},
		{"link to a file", change("filelink"), Options{Strip: 1}},
		{"through a link to a directory", change("dirlink/secret"), Options{Strip: 1}},
		{"create through a link to a directory", create("dirlink/planted"), Options{Strip: 1}},
		{"create in the parent", create("../outside/planted"), Options{Strip: 1}},
		{"rename out", "diff --git a/d/f b/../outside/planted\nsimilarity index 100%\nrename from d/f\nrename to ../outside/planted\n", Options{Strip: 1}},
		{"a link that the patch makes itself", "diff --git a/l b/l\nnew file mode 120000\n--- /dev/null\n+++ b/l\n@@ -0,0 +1 @@\n+../outside\n\\ No newline at end of file\n" + create("l/planted"), Options{Strip: 1}},
		{"the journal", create(".ovzpatch/journal"), Options{Strip: 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			top := t.TempDir()
			outside := filepath.Join(top, "outside")
			dir := filepath.Join(top, "tree")
			writeTree(t, top, map[string]string{"outside/secret": "secret\n", "tree/d/f": "secret\n"})
			for link, to := range map[string]string{"filelink": "../outside/secret", "dirlink": outside} {
				if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
					t.Fatal(err)
				}
			}
			before := shape(t, top)
			err := applyText(t.Context(), dir, strings.ReplaceAll(test.patch, "OUTSIDE", outside), test.opt)
			if err == nil {
				t.Error("the patch went in")
			}
			if got := shape(t, top); !maps.Equal(got, before) {
				t.Errorf("something changed:\n%v\nwant\n%v", got, before)
			}
		})
	}
}

// A link that stays in the tree is a way like any other.
func TestDirectoryLinkInsideTheTree(t *testing.T) {
	dir := t.TempDir()
	writeTree(t, dir, map[string]string{"real/f": "one\n"})
	if err := os.Symlink("real", filepath.Join(dir, "alias")); err != nil {
		t.Fatal(err)
	}
	if err := applyText(t.Context(), dir, "--- a/alias/f\n+++ b/alias/f\n@@ -1 +1 @@\n-one\n+ONE\n", Options{Strip: -1}); err != nil {
		t.Fatal(err)
	}
	if got := readTree(t, dir)["real/f"]; got != "ONE\n" {
		t.Errorf("the file is %q", got)
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
