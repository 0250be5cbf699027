// SPDX-License-Identifier: Apache-2.0

package datastore

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ovzpatch/internal/runlock"
)

var stressTime = flag.Duration("stress", time.Minute, "how long the processes of TestStress are at it")

func init() { children["stress"] = stressWorker }

// Many processes create, read, verify, change, prune and remove the same groups and
// snapshots, and are killed at random. What is checked does not rest on the locks under
// test: see witness, and the journal of what was finished.
func TestStress(t *testing.T) {
	duration, least := *stressTime, 100
	if testing.Short() {
		// On a machine with much other work it is a few.
		duration, least = 2*time.Second, 1
	}
	bothWays(t, func(t *testing.T, s *Store) {
		violations, done := stress(t, s, duration/2, func(int) string { return place(filepath.Dir(s.dir)).Root })
		for _, v := range violations {
			t.Error(v)
		}
		t.Logf("%d operations", done)
		if done < least {
			t.Errorf("only %d operations were done", done)
		}
		if err := s.Cleanup(t.Context()); err != nil {
			t.Fatal(err)
		}
		there := map[string]bool{}
		for _, ref := range checkWhole(t, s, "after all") {
			there[ref.String()] = true
		}
		kept := 0
		for ref, events := range readJournal(t, s) {
			if events == "made" {
				kept++
				if !there[ref] {
					t.Errorf("%s was finished, nobody removed it, and it is lost", ref)
				}
			}
		}
		if kept == 0 {
			t.Error("nothing was there to be lost")
		}
		checkTidy(t, s, "after all")
	})
}

// The checker must be able to find what it looks for: here half of the processes have
// their locks in another place.
func TestStressFindsTwoWaysOfLocking(t *testing.T) {
	s := newStore(t)
	roots := []string{place(filepath.Dir(s.dir)).Root, filepath.Join(memoryDir(t), "run/locks")}
	for range 60 { // the first is enough where the machine is not busy
		violations, _ := stress(t, s, 2*time.Second, func(i int) string { return roots[i%2] })
		for _, v := range violations {
			if strings.Contains(v, "two hold its lock") {
				t.Log(v)
				return
			}
		}
	}
	t.Error("processes that do not see each other's locks were not found out")
}

// stress lets processes loose on the store. It returns what they found to be wrong, and
// how many operations they did.
func stress(t *testing.T, s *Store, duration time.Duration, root func(worker int) string) (violations []string, done int) {
	t.Helper()
	const workers = 8
	ctx, cancel := context.WithTimeout(t.Context(), duration)
	defer cancel()
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() {
			for ctx.Err() == nil {
				cmd := exec.Command(os.Args[0], "stress", filepath.Dir(s.dir), root(i))
				cmd.Stderr = os.Stderr
				out, err := cmd.StdoutPipe()
				if err == nil {
					err = cmd.Start()
				}
				if err != nil {
					t.Error(err)
					return
				}
				// One dies in the midst of its work every now and then; the rest goes on for a while.
				timer := time.AfterFunc(time.Duration(rand.IntN(800)+50)*time.Millisecond, func() { cmd.Process.Kill() })
				stop := context.AfterFunc(ctx, func() { cmd.Process.Signal(unix.SIGTERM) })
				lines := bufio.NewScanner(out)
				mu.Lock()
				n := 0
				mu.Unlock()
				for lines.Scan() {
					if lines.Text() == "." {
						n++
						continue
					}
					mu.Lock()
					violations = append(violations, lines.Text())
					mu.Unlock()
				}
				mu.Lock()
				done += n
				mu.Unlock()
				cmd.Wait()
				timer.Stop()
				stop()
			}
		})
	}
	wg.Wait()
	return violations, done
}

// readJournal returns for each snapshot of the kind that only its journal's writer removes
// what happened to it, in order.
func readJournal(t *testing.T, s *Store) map[string]string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(filepath.Dir(s.dir), "journal"))
	if err != nil {
		t.Fatal(err)
	}
	events := map[string]string{}
	for line := range strings.Lines(string(b)) {
		what, ref, _ := strings.Cut(strings.TrimSpace(line), " ")
		events[ref] = strings.TrimSpace(events[ref] + " " + what)
	}
	return events
}

// worker is one of the processes.
type worker struct {
	dir   string
	store *Store
	ctx   context.Context
}

func stressWorker(args []string) {
	p := place(args[0])
	p.Root = args[1]
	s, err := Open(filepath.Join(args[0], "store"), p)
	if err != nil {
		fmt.Println(err)
		return
	}
	w := &worker{args[0], s, context.Background()}
	groups := []Group{kernel, {"", "kernel", "a"}, {"x", "kernel", "b"}}
	for {
		g := groups[rand.IntN(len(groups))]
		ref := g.At(day.Add(time.Duration(rand.IntN(4)) * time.Hour))
		var err error
		switch rand.IntN(14) {
		case 0, 1, 2:
			err = w.create(ref)
		case 3, 4, 5:
			err = w.read(ref)
		case 6:
			err = w.remove(ref)
		case 7:
			err = w.hold(ref)
		case 8:
			err = w.verify(ref)
		case 9:
			err = w.note(ref)
		case 10:
			_, err = s.Prune(w.ctx, []Group{g}, Keep{Last: 2}, false)
		case 11:
			err = s.RemoveGroup(w.ctx, g)
		case 12:
			err = w.keep()
		case 13:
			err = w.unkeep()
		}
		if err == nil || errors.Is(err, ErrLocked) || errors.Is(err, ErrNotFound) || errors.Is(err, ErrNoGroup) || errors.Is(err, ErrExists) {
			fmt.Println(".")
		} else {
			fmt.Println(err)
		}
	}
}

func (w *worker) create(ref Ref) error {
	out, err := w.store.Create(w.ctx, ref.Group, ref.Time)
	if err != nil {
		return err
	}
	defer out.Abort()
	err = w.witness(ref.String(), unix.LOCK_EX, func() error {
		for i := range 3 {
			content := fmt.Sprint(rand.IntN(5))
			if _, err := out.AddFile(w.ctx, "file"+strconv.Itoa(i), strings.NewReader(strings.Repeat(content, 10_000))); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil || rand.IntN(5) == 0 {
		return err
	}
	return out.Commit(w.ctx)
}

// read sees a snapshot whole, twice, with time for others to take it away in between.
func (w *worker) read(ref Ref) error {
	r, err := w.store.OpenSnapshot(w.ctx, ref)
	if err != nil {
		return err
	}
	defer r.Close()
	return w.witness(ref.String(), unix.LOCK_SH, func() error {
		for range 2 {
			for _, f := range r.Manifest.Files {
				if sum, _, err := w.store.digest(w.ctx, filepath.Join(ref.dir(), f.Name)); err != nil || sum != f.SHA256 {
					return fmt.Errorf("a reader of %s sees %s half removed: %v", ref, f.Name, err)
				}
			}
			pause()
		}
		return nil
	})
}

func (w *worker) remove(ref Ref) error {
	return w.store.removeOne(w.ctx, ref, false, func(*Manifest, []Problem, error) error {
		return w.witness(ref.String(), unix.LOCK_EX, func() error { return nil })
	})
}

func (w *worker) hold(ref Ref) error {
	lock, err := w.store.LockExclusive(w.ctx, ref)
	if err != nil {
		return err
	}
	defer lock.Unlock()
	return w.witness(ref.String(), unix.LOCK_EX, func() error { pause(); return nil })
}

func (w *worker) verify(ref Ref) error {
	got, err := w.store.Verify(w.ctx, []Ref{ref}, true, nil)
	if err == nil && len(got) > 0 {
		if err = got[0].Err; err == nil && !got[0].Verification.OK {
			err = fmt.Errorf("%s is damaged: %v", ref, got[0].Verification.Problems)
		}
	}
	return err
}

func (w *worker) note(ref Ref) error {
	return w.store.UpdateManifest(w.ctx, ref, func(m *Manifest) error {
		return w.witness(ref.String()+".manifest", unix.LOCK_EX, func() error {
			m.Notes += "."
			pause()
			return nil
		})
	})
}

// keep makes a snapshot that nobody removes without having said so before.
func (w *worker) keep() error {
	g := Group{"", "keep", strconv.Itoa(rand.IntN(2))}
	ref := g.At(day.Add(time.Duration(rand.IntN(1_000_000)) * time.Second))
	out, err := w.store.Create(w.ctx, g, ref.Time)
	if err != nil {
		return err
	}
	defer out.Abort()
	if _, err := out.AddFile(w.ctx, "a", strings.NewReader(ref.String())); err != nil {
		return err
	}
	if err := out.Commit(w.ctx); err != nil {
		return err
	}
	return w.journal("made", ref)
}

func (w *worker) unkeep() error {
	refs, err := w.store.Snapshots(Group{"", "keep", strconv.Itoa(rand.IntN(2))})
	if err != nil || len(refs) < 5 {
		return err
	}
	ref := refs[rand.IntN(len(refs))]
	if err := w.journal("removing", ref); err != nil {
		return err
	}
	return w.store.Remove(w.ctx, ref)
}

func (w *worker) journal(what string, ref Ref) error {
	f, err := os.OpenFile(filepath.Join(w.dir, "journal"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = fmt.Fprintf(f, "%s %s\n", what, ref)
	return err
}

func pause() { time.Sleep(time.Duration(rand.IntN(5000)) * time.Microsecond) }

// witness does something that needs a lock which the caller has, while it holds a flock
// of the same kind on a file that is never removed. That needs no second stat and no
// trust in runlock: two who both believe to have the lock meet there.
func (w *worker) witness(name string, how int, do func() error) error {
	dir := filepath.Join(w.dir, "witnesses")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(dir, strings.ReplaceAll(name, "/", "_")), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	for {
		err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
		if err == nil {
			break
		}
		if err != unix.EWOULDBLOCK {
			return err
		}
		// A killed process gives its locks back one after the other, so who stands in the
		// way may be as good as dead. One that is alive afterwards was alive then.
		for _, h := range runlock.HoldersOf(int(f.Fd())) {
			if alive(h.PID) {
				return fmt.Errorf("%s: two hold its lock, pid %d and pid %d", name, os.Getpid(), h.PID)
			}
		}
	}
	err = do()
	return errors.Join(err, unix.Flock(int(f.Fd()), unix.LOCK_UN))
}

// alive tells whether a process goes on: it is not dying, nor is SIGKILL waiting for it.
func alive(pid int) bool {
	for range 2 { // between the one and the other is a moment in which neither is seen
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return false
		}
		_, after, _ := strings.Cut(string(stat), ") ")
		fields := strings.Fields(after)
		if len(fields) < 7 || fields[0] == "Z" || fields[0] == "X" {
			return false
		}
		const exiting = 4 // PF_EXITING
		if flags, err := strconv.Atoi(fields[6]); err != nil || flags&exiting != 0 {
			return false
		}
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			return false
		}
		for line := range strings.Lines(string(status)) {
			key, value, _ := strings.Cut(line, ":")
			if key == "SigPnd" || key == "ShdPnd" {
				pending, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
				if err != nil || pending&(1<<(unix.SIGKILL-1)) != 0 {
					return false
				}
			}
		}
		time.Sleep(5 * time.Millisecond)
	}
	return true
}
