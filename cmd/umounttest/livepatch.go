// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"ovzpatch/internal/guest"
	"ovzpatch/internal/kmsg"
	"ovzpatch/internal/umount"
)

// transitionLimit is for a livepatch to come into effect, or to go, in the guest's time. The
// kernel itself pokes tasks that keep it from that every 15 s.
const transitionLimit = time.Minute

// livepatch is a module on trial.
type livepatch struct{ path, name, dir string }

func newLivepatch(path string) *livepatch {
	name := strings.ReplaceAll(strings.TrimSuffix(filepath.Base(path), ".ko"), "-", "_")
	return &livepatch{path: path, name: name, dir: "/sys/kernel/livepatch/" + name}
}

// state is one in which the cases run.
type state struct {
	name   string // "" where no livepatch is on trial
	want   guest.Verdict
	reach  func(context.Context) error // nil where nothing is to be done for it
	trials []umount.Trial
}

// reached brings the kernel into the state, and returns how long it took.
func (st state) reached(ctx context.Context) (ms int64, err error) {
	if st.reach == nil {
		return 0, nil
	}
	start := time.Now()
	err = st.reach(ctx)
	return time.Since(start).Milliseconds(), err
}

// states returns the states in which the trials run: all of them where the livepatch is loaded, and in
// the others those that tell kernels apart. What is tried when all is over is tried in the last one.
func (s session) states(trials []umount.Trial) []state {
	if s.livepatch == nil {
		return []state{{trials: trials}}
	}
	early := slices.DeleteFunc(slices.Clone(trials), func(t umount.Trial) bool { return t.Case.Last })
	few := umount.Telling(early)
	last := slices.Concat(few, slices.DeleteFunc(slices.Clone(trials), func(t umount.Trial) bool { return !t.Case.Last }))
	l := s.livepatch
	return []state{
		{name: guest.NotLoaded, want: guest.Vulnerable, trials: few},
		{name: guest.Loaded, want: guest.Protected, trials: early, reach: l.load},
		{name: guest.Disabled, want: guest.Vulnerable, trials: few, reach: l.disable},
		{name: guest.LoadedAgain, want: guest.Protected, trials: last, reach: func(ctx context.Context) error {
			return errors.Join(l.remove(ctx), l.load(ctx))
		}},
	}
}

func count(states []state) (n int) {
	for _, st := range states {
		n += len(st.trials)
	}
	return n
}

// load loads the module and waits until every task is in its reach.
func (l *livepatch) load(ctx context.Context) error {
	log, err := kmsg.Open()
	if err == nil {
		defer log.Close()
	}
	image, err := os.ReadFile(l.path)
	if err != nil {
		return fmt.Errorf("load the livepatch: %w", err)
	}
	if err := unix.InitModule(image, ""); err != nil {
		return fmt.Errorf("load the livepatch: %w%s", err, said(log))
	}
	if _, err := os.Stat(l.dir); err != nil {
		return fmt.Errorf("load the livepatch: the module is loaded, but enabled no livepatch: %w", err)
	}
	return l.wait(ctx, "load the livepatch", "1", func() bool { return l.read("transition") == "0" && l.read("enabled") == "1" })
}

// disable takes the livepatch out of effect and waits until no task is in its reach. The
// kernel then takes its directory away.
func (l *livepatch) disable(ctx context.Context) error {
	if err := os.WriteFile(l.dir+"/enabled", []byte("0"), 0); err != nil {
		return fmt.Errorf("disable the livepatch: %w", err)
	}
	return l.wait(ctx, "disable the livepatch", "0", func() bool {
		_, err := os.Stat(l.dir)
		return errors.Is(err, os.ErrNotExist)
	})
}

// remove takes a disabled module away. The kernel lets go of it a little after its directory.
func (l *livepatch) remove(ctx context.Context) error {
	var err error
	for until := time.Now().Add(10 * time.Second); time.Now().Before(until); pause(ctx) {
		if err = unix.DeleteModule(l.name, unix.O_NONBLOCK); err == nil {
			return nil
		}
	}
	return fmt.Errorf("remove the livepatch's module: %w", err)
}

func (l *livepatch) read(file string) string {
	b, err := os.ReadFile(filepath.Join(l.dir, file))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// wait waits until done. patched is what /proc/PID/patch_state says of a task that is.
func (l *livepatch) wait(ctx context.Context, what, patched string, done func() bool) error {
	for until := time.Now().Add(transitionLimit); time.Now().Before(until); pause(ctx) {
		if done() {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return fmt.Errorf("%s: its transition is not over after %v%s", what, transitionLimit, behind(patched))
}

func pause(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(50 * time.Millisecond):
	}
}

// behind names tasks that keep a transition from its end.
func behind(patched string) string {
	files, _ := filepath.Glob("/proc/[0-9]*/task/[0-9]*/patch_state")
	var names []string
	for _, f := range files {
		b, err := os.ReadFile(f)
		st := strings.TrimSpace(string(b))
		if err != nil || st == patched || st == "-1" {
			continue
		}
		comm, _ := os.ReadFile(filepath.Join(filepath.Dir(f), "comm"))
		if names = append(names, fmt.Sprintf("%s (%s)", filepath.Base(filepath.Dir(f)), strings.TrimSpace(string(comm)))); len(names) == 5 {
			break
		}
	}
	if names == nil {
		return ""
	}
	return "; it waits for " + strings.Join(names, ", ")
}
