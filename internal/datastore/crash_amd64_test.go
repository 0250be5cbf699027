// SPDX-License-Identifier: Apache-2.0

package datastore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// What the operations under test work on. The bystander is nobody's target, and shares
// a file with the target.
var (
	bystander = kernel.At(day)
	target    = kernel.At(day.Add(time.Hour))
	pruned    = kernel.At(day.Add(-time.Hour))
	elsewhere = Group{"other", "kernel", "b"}.At(day)
)

// An operation as another process does it, and what the store must have after it was
// done to its end.
type operation struct {
	prepare []Ref // made beforehand, with the bystander
	run     func(context.Context, *Store) error
	after   []Ref
	short   bool // also tried under -short
	version int  // of the store beforehand, 0 for today's
}

var operations = map[string]operation{
	"create": {
		run:   func(ctx context.Context, s *Store) error { return fill(ctx, s, target) },
		after: []Ref{bystander, target},
		short: true,
	},
	// The first writer makes a store of today's out of it.
	"create in a store of version 1": {
		run:     func(ctx context.Context, s *Store) error { return fill(ctx, s, target) },
		after:   []Ref{bystander, target},
		short:   true,
		version: 1,
	},
	"create in a new namespace": {
		run:   func(ctx context.Context, s *Store) error { return fill(ctx, s, elsewhere) },
		after: []Ref{elsewhere, bystander},
	},
	"abort": {
		run: func(ctx context.Context, s *Store) error {
			w, err := s.Create(ctx, elsewhere.Group, elsewhere.Time)
			if err != nil {
				return err
			}
			if _, err := w.AddFile(ctx, "a", strings.NewReader("a")); err != nil {
				return errors.Join(err, w.Abort())
			}
			return w.Abort()
		},
		after: []Ref{bystander},
	},
	"verify": {
		prepare: []Ref{target},
		run: func(ctx context.Context, s *Store) error {
			got, err := s.Verify(ctx, []Ref{target}, true, nil)
			if err == nil {
				err = got[0].Err
			}
			if err == nil && !got[0].Verification.OK {
				err = fmt.Errorf("verify: %v", got[0].Verification.Problems)
			}
			return err
		},
		after: []Ref{bystander, target},
	},
	"notes": {
		prepare: []Ref{target},
		run:     func(ctx context.Context, s *Store) error { return s.SetNotes(ctx, target, "new") },
		after:   []Ref{bystander, target},
		short:   true,
	},
	"remove": {
		prepare: []Ref{target},
		run:     func(ctx context.Context, s *Store) error { return unlessGone(s.Remove(ctx, target)) },
		after:   []Ref{bystander},
		short:   true,
	},
	"remove the last of a group": {
		prepare: []Ref{elsewhere},
		run:     func(ctx context.Context, s *Store) error { return unlessGone(s.Remove(ctx, elsewhere)) },
		after:   []Ref{bystander},
	},
	"remove group": {
		prepare: []Ref{elsewhere},
		run:     func(ctx context.Context, s *Store) error { return unlessGone(s.RemoveGroup(ctx, elsewhere.Group)) },
		after:   []Ref{bystander},
	},
	"prune": {
		prepare: []Ref{pruned, target},
		run: func(ctx context.Context, s *Store) error {
			_, err := s.Prune(ctx, []Group{kernel}, Keep{Last: 2}, false)
			return err
		},
		after: []Ref{bystander, target},
	},
	"copy": {
		run: func(ctx context.Context, s *Store) error {
			_, err := s.Copy(ctx, bystander, s, "copy")
			return unlessThere(err)
		},
		after: []Ref{copied, bystander},
	},
	"clean up": {
		run:   func(ctx context.Context, s *Store) error { return s.Cleanup(ctx) },
		after: []Ref{bystander},
	},
}

var copied = Group{"copy", kernel.Type, kernel.ID}.At(day)

func unlessGone(err error) error {
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

func unlessThere(err error) error {
	if errors.Is(err, ErrExists) {
		return nil
	}
	return err
}

// fill makes a snapshot, one of whose files every other snapshot has as well.
func fill(ctx context.Context, s *Store, ref Ref) error {
	w, err := s.Create(ctx, ref.Group, ref.Time)
	if err != nil {
		return unlessThere(err)
	}
	for name, content := range map[string]string{"shared.rpm": "in all of them", "own.rpm": ref.String()} {
		if _, err := w.AddFile(ctx, name, strings.NewReader(content)); err != nil {
			return errors.Join(err, w.Abort())
		}
	}
	return w.Commit(ctx)
}

func init() { children["operation"] = runOperation }

// runOperation is the other process.
func runOperation(args []string) {
	dir, name := args[0], args[1]
	s, err := Open(filepath.Join(dir, "store"), place(dir))
	if err == nil {
		unix.RawSyscall(unix.SYS_GETSID, 0, 0, 0)
		err = operations[name].run(context.Background(), s)
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// make makes a store in dir/store as the operation finds it.
func (o operation) make(t *testing.T, dir string, old bool) *Store {
	t.Helper()
	if old {
		marker := place(dir).OldMarker
		if err := os.MkdirAll(filepath.Dir(marker), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(marker, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s, err := Init(filepath.Join(dir, "store"), "", place(dir))
	if err != nil {
		t.Fatal(err)
	}
	for _, ref := range append([]Ref{bystander}, o.prepare...) {
		if err := fill(t.Context(), s, ref); err != nil {
			t.Fatal(err)
		}
	}
	if o.version == 1 {
		oldForm(t, s)
	}
	return s
}

// check looks at a store after an operation was disturbed, and does it again.
func (o operation) check(t *testing.T, s *Store, how string) {
	t.Helper()
	fresh, err := Open(s.dir, place(filepath.Dir(s.dir)))
	if err != nil {
		t.Fatalf("%s: %v", how, err)
	}
	found := checkWhole(t, fresh, how)
	before := append([]Ref{bystander}, o.prepare...)
	for _, ref := range before {
		if slices.Contains(o.after, ref) && !slices.Contains(found, ref) {
			t.Fatalf("%s: %s is lost", how, ref)
		}
	}
	for _, ref := range found {
		if !slices.Contains(o.after, ref) && !slices.Contains(before, ref) {
			t.Fatalf("%s: where does %s come from?", how, ref)
		}
	}
	if err := o.run(t.Context(), fresh); err != nil {
		t.Fatalf("%s: once more: %v", how, err)
	}
	if err := fresh.Cleanup(t.Context()); err != nil {
		t.Fatalf("%s: %v", how, err)
	}
	if found = checkWhole(t, fresh, how); !slices.Equal(found, o.after) {
		t.Fatalf("%s: in the end there is %v, want %v", how, found, o.after)
	}
	checkTidy(t, fresh, how)
}

// Each operation is killed before each of its system calls in turn. Whatever is left,
// the store opens, has only whole snapshots, and the next one at work clears it away.
func TestKilledAtEverySystemCall(t *testing.T) {
	step, ways := 1, []bool{false, true}
	if testing.Short() {
		step, ways = 41, ways[:1]
	}
	for _, old := range ways {
		for name, o := range operations {
			if testing.Short() && !o.short {
				continue
			}
			t.Run(fmt.Sprintf("%s old=%v", name, old), func(t *testing.T) {
				base := memoryDir(t)
				for n := 1; ; n += step {
					dir := filepath.Join(base, fmt.Sprint(n))
					s := o.make(t, dir, old)
					res := runFaulty(t, fault{n: n, counts: everyCall}, "operation", dir, name)
					how := fmt.Sprintf("killed at system call %d (number %d)", n, res.what)
					if !res.hit {
						if res.ws.ExitStatus() != 0 {
							t.Fatalf("undisturbed: %v", res)
						}
						how = "undisturbed"
					}
					o.check(t, s, how)
					os.RemoveAll(dir)
					if !res.hit {
						t.Logf("%d system calls", n-1)
						if n < 20 {
							t.Errorf("only %d system calls were counted", n)
						}
						return
					}
				}
			})
		}
	}
}

// A disk that is full, read-only or broken at any moment: the error says so, nothing
// finished is lost, and afterwards the operation can be done again.
func TestFaultyDisk(t *testing.T) {
	step, errnos := 1, []unix.Errno{unix.ENOSPC, unix.EROFS, unix.EIO}
	if testing.Short() {
		step, errnos = 17, errnos[:1]
	}
	for _, errno := range errnos {
		for name, o := range operations {
			if testing.Short() && !o.short {
				continue
			}
			t.Run(errno.Error()+" "+name, func(t *testing.T) {
				base := memoryDir(t)
				for n := 1; ; n += step {
					dir := filepath.Join(base, fmt.Sprint(n))
					s := o.make(t, dir, false)
					res := runFaulty(t, fault{n: n, errno: errno, counts: takesSpace}, "operation", dir, name)
					if !res.hit {
						if res.ws.ExitStatus() != 0 {
							t.Fatalf("undisturbed: %v", res)
						}
						return
					}
					// Removing needs no space: it finds another way, or says why not.
					found := errno == unix.ENOSPC && strings.Contains(name, "remove") && res.ws.ExitStatus() == 0
					found = found || errno == unix.ENOSPC && name == "prune" && res.ws.ExitStatus() == 0
					// Where a store cannot be made one of today's it goes on as it is.
					found = found || o.version == 1 && res.ws.ExitStatus() == 0
					if !found && (res.ws.ExitStatus() != 1 || !strings.Contains(res.out, errno.Error())) {
						t.Errorf("call %d: %v", n, res)
					}
					o.check(t, s, fmt.Sprintf("%s at call %d (number %d)", errno, n, res.what))
					os.RemoveAll(dir)
				}
			})
		}
	}
}
