// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"ovzpatch/internal/datastore"
	"ovzpatch/internal/job"
	"ovzpatch/internal/runlock"
)

// child publishes in a process of its own, which the tests kill.
func child(f *fixture) *exec.Cmd {
	cmd := exec.Command(os.Args[0], "-test.run=TestChild$")
	cmd.Env = append(os.Environ(), "PUBLISH_CHILD="+filepath.Dir(f.o.To), "PUBLISH_KEYS="+f.o.GPGHome)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

func TestChild(t *testing.T) {
	dir := os.Getenv("PUBLISH_CHILD")
	if dir == "" {
		t.Skip("it is the program of other tests")
	}
	s, err := datastore.Open(filepath.Join(dir, "store"), runlock.Place{Root: filepath.Join(dir, "run/locks")})
	if err != nil {
		t.Fatal(err)
	}
	_, err = Publish(t.Context(), s, Options{
		Keep: DefaultKeep,
		To:   filepath.Join(dir, "repo"), Names: []string{"kernel/kernel-ovz.x86_64"}, Report: job.Quiet{},
		Key: "release@example.org", GPGHome: os.Getenv("PUBLISH_KEYS"),
	})
	if err != nil {
		t.Fatal(err)
	}
}

// whole fails where the current generation lacks anything that its metadata names.
func (f *fixture) whole(number int) {
	f.t.Helper()
	link, err := os.Readlink(filepath.Join(f.o.To, currentLink))
	if err != nil || link != filepath.Join(generationsDir, generationName(number)) {
		f.t.Errorf("current is %q, %v, want generation %d", link, err, number)
	}
	dir := filepath.Join(f.o.To, currentLink)
	r, err := readRecord(dir, number)
	if err != nil {
		f.t.Fatal(err)
	}
	for _, profile := range r.Profiles {
		prim, err := readPrimary(f.t.Context(), filepath.Join(dir, string(profile)))
		if err != nil {
			f.t.Fatal(err)
		}
		s := &stage{rec: r, t: &target{}}
		if err := s.compare(profile, prim); err != nil {
			f.t.Error(err)
		}
		for _, p := range r.Packages {
			if err := s.t.whole(f.t.Context(), filepath.Join(dir, string(profile), p.Path), p.Checksums); err != nil {
				f.t.Errorf("%s: %v", p.Path, err)
			}
		}
	}
}

// Killed at whatever moment, a publisher leaves the generation that was current, and the next one
// succeeds and clears away what is left.
func TestKilled(t *testing.T) {
	slow(t)
	f := newFixture(t)
	f.keep("x86_64", "1", nil)
	f.publish()
	f.keep("x86_64", "2", nil)
	const kills = 8
	took := 4 * time.Second // or what a whole run takes, once one came through
	for i := range kills {
		cmd := child(f)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(took * time.Duration(i+1) / time.Duration(kills+1))
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		cmd.Wait()
		if link, _ := os.Readlink(filepath.Join(f.o.To, currentLink)); filepath.Base(link) == generationName(2) {
			f.whole(2)
			return // it had switched before it was killed
		}
		f.whole(1)
	}
	if res := f.publish(); res.Generation.Number != 2 || len(res.Generation.Kernels()) != 2 {
		t.Errorf("%+v", res.Generation)
	}
	f.whole(2)
	if left, err := filepath.Glob(filepath.Join(f.o.To, generationsDir, ".*")); err != nil || len(left) > 0 {
		t.Errorf("left: %q, %v", left, err)
	}
}

// The moments of the switch, which no kill meets by chance.
func TestKilledInTheSwitch(t *testing.T) {
	slow(t)
	f := newFixture(t)
	f.keep("x86_64", "1", nil)
	f.publish()
	for name, leave := range map[string]func(dir string) error{
		"before the number": func(dir string) error { return os.CopyFS(dir+"/generations/.new", os.DirFS(dir+"/generations/000001")) },
		"before the link": func(dir string) error {
			return os.CopyFS(dir+"/generations/000002", os.DirFS(dir+"/generations/000001"))
		},
		"before the rename": func(dir string) error { return os.Symlink("generations/000002", dir+"/.current.new") },
		"while pruning":     func(dir string) error { return os.MkdirAll(dir+"/generations/000000/modern", 0o755) },
	} {
		if err := leave(f.o.To); err != nil {
			t.Fatal(err)
		}
		f.whole(1)
		if res := f.publish(); res.Changed || res.Generation.Number != 1 {
			t.Errorf("%s: %+v", name, res.Generation)
		}
		if tree := f.tree(); strings.Contains(tree, "00002") || strings.Contains(tree, ".new") || strings.Contains(tree, "000000") {
			t.Errorf("%s: left\n%s", name, tree)
		}
	}
	// A link that somebody removed is no reason to remove all generations.
	f.keep("x86_64", "2", nil)
	f.publish()
	if err := os.Remove(filepath.Join(f.o.To, currentLink)); err != nil {
		t.Fatal(err)
	}
	f.refused("is missing, and there are generations below")
}

// Two publishers wait for each other; what they read is locked, and seen to be.
func TestTwoPublishers(t *testing.T) {
	slow(t)
	f := newFixture(t)
	ref := f.keep("x86_64", "1", nil)
	var wg sync.WaitGroup
	errs := make([]error, 2)
	seen := false
	for i := range errs {
		wg.Go(func() {
			o := f.o
			o.Latest = i + 1
			_, errs[i] = Publish(t.Context(), f.store, o)
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	for ended := false; !ended; {
		select {
		case <-done:
			ended = true
		case <-time.After(5 * time.Millisecond):
			locks, err := f.store.Locks()
			if err != nil {
				t.Error(err)
			}
			for _, l := range locks {
				seen = seen || strings.Contains(l.Locked, ref.String()) && l.Holders[0].Shared
			}
		}
	}
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if !seen {
		t.Error("store locks did not show that the snapshot is read")
	}
	if said := f.said.b.String(); !strings.Contains(said, "another publish works on "+f.o.To) {
		t.Errorf("nobody waited:\n%s", said)
	}
	f.whole(1)
}

// What is stopped while it signs or looks leaves nothing, in the repository and among the temporary files.
func TestStopped(t *testing.T) {
	slow(t)
	f := newFixture(t)
	f.keep("x86_64", "1", nil)
	f.publish()
	f.keep("x86_64", "2", nil)
	tmp, err := os.MkdirTemp(testRoot, "t")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", tmp)
	before := f.tree()
	for wait := time.Duration(0); wait < 2*time.Second; wait += 80 * time.Millisecond {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond+wait)
		_, err := Publish(ctx, f.store, f.o)
		cancel()
		if err == nil {
			break // it was done before
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after %v: %v", wait, err)
		}
		if after := f.tree(); after != before {
			t.Errorf("after %v it changed:\n%s\nwas:\n%s", wait, after, before)
		}
		if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
			t.Errorf("after %v these are left: %v, %v", wait, left, err)
		}
	}
}
