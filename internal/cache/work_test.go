// SPDX-License-Identifier: Apache-2.0

package cache_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"ovzpatch/internal/cache"
)

func open(t *testing.T, c cache.Cache) *cache.Work {
	t.Helper()
	w, err := c.Work(t.Context(), "kbuild", "k", func() { t.Error("waited for nobody") })
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestWorkIsExclusive(t *testing.T) {
	c := cache.Cache{Dir: t.TempDir()}
	w := open(t, c)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	waited := false
	if _, err := c.Work(ctx, "kbuild", "k", func() { waited = true }); !errors.Is(err, context.DeadlineExceeded) || !waited {
		t.Errorf("second lock: %v, waited %v", err, waited)
	}
	w.Release()
	open(t, c).Release()
}

// sleeper runs a program that inherits the lock, as those of a build do. One that is not
// polite takes no notice of SIGTERM.
func sleeper(t *testing.T, hold *os.File, polite bool) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("sh", "-c", "trap '' TERM; while :; do sleep 1; done")
	if polite {
		cmd = exec.Command("sleep", "600")
	}
	cmd.ExtraFiles = []*os.File{hold}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	return cmd
}

func TestWorkEndsWhatAKilledProcessLeft(t *testing.T) {
	for _, polite := range []bool{true, false} {
		testWorkEnds(t, polite)
	}
}

func testWorkEnds(t *testing.T, polite bool) {
	c := cache.Cache{Dir: t.TempDir()}
	w := open(t, c)
	left := sleeper(t, w.Hold, polite)
	// What a SIGKILL does to the process that has both locks.
	hold := w.Hold
	w.Hold = nil
	w.Release()
	hold.Close()
	next := open(t, c)
	defer next.Release()
	if !slices.Contains(next.Ended, left.Process.Pid) {
		t.Errorf("ended %v, want %d", next.Ended, left.Process.Pid)
	}
	if err := left.Wait(); err == nil || left.ProcessState.ExitCode() != -1 {
		t.Errorf("the program ended by itself: %v", err)
	}
}

// A daemon that outlives a build which ended well is nobody's leftover.
func TestWorkLeavesDaemonsAlone(t *testing.T) {
	c := cache.Cache{Dir: t.TempDir()}
	w := open(t, c)
	daemon := sleeper(t, w.Hold, true)
	w.Release()
	w = open(t, c)
	left := sleeper(t, w.Hold, true)
	hold := w.Hold
	w.Hold = nil
	w.Release()
	hold.Close()
	w = open(t, c)
	defer w.Release()
	if slices.Contains(w.Ended, daemon.Process.Pid) || !slices.Contains(w.Ended, left.Process.Pid) {
		t.Errorf("ended %v; the daemon is %d, the leftover %d", w.Ended, daemon.Process.Pid, left.Process.Pid)
	}
}
