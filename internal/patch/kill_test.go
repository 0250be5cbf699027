// SPDX-License-Identifier: Apache-2.0

package patch

import (
	"context"
	"errors"
	"fmt"
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
func reopen(t *testing.T, dir string) Recovery {
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
		if got := reopen(t, dir); got != Undone && got != Cleared {
			t.Errorf("killed at step %d: recovery %d", steps, got)
		}
		if got := shape(t, dir); !maps.Equal(got, before) {
			t.Errorf("killed at step %d the tree became\n%v\nwant\n%v", steps, got, before)
		}
	}
}

// A run that was killed while it cleaned up had changed all files.
func TestKilledAtTheEnd(t *testing.T) {
	dir := t.TempDir()
	writeTree(t, dir, map[string]string{doneFile: "{}", "a": "new\n"})
	if got := reopen(t, dir); got != Completed {
		t.Errorf("recovery %d", got)
	}
	if got := reopen(t, dir); got != NotNeeded {
		t.Errorf("then %d", got)
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
		recovery := reopen(t, dir)
		if recovery != NotNeeded {
			undone++
		}
		got := shape(t, dir)
		if maps.Equal(got, before) && recovery == Completed || !maps.Equal(got, before) && recovery == Undone {
			t.Errorf("round %d: the tree is said to be what it is not: recovery %d, %v", round, recovery, got)
		}
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
