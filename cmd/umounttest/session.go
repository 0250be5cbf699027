// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"ovzpatch/internal/container"
	"ovzpatch/internal/guest"
	"ovzpatch/internal/kmsg"
	"ovzpatch/internal/umount"
)

// caseLimit is for one case, in the guest's time. It is far more than a case takes on
// an emulated processor.
const caseLimit = 3 * time.Minute

// lustreLimit is for one case on real Lustre, where a forced umount takes ten seconds.
const lustreLimit = 5 * time.Minute

// session is one run over cases and backends.
type session struct {
	args     []string // what was asked for, for the hello
	cases    string   // regular expression over names; "" is all
	backends []string // names; none means all that the kernel offers
	dir      string   // an empty directory for the mounts
	notes    []string // told after the hello
	compat   bool     // there is a program for the cases of 32-bit programs
	stop     bool     // at the first case that is faulty or vulnerable
	skip     string   // BACKEND/NAME of a case to leave out
	unload   bool     // the probe's module may be unloaded in the end
	lustre   *lustre  // what the cases are tried on; nil is the probe
	// livepatch is on trial: all cases run where it is loaded, and few in its other states. nil for none.
	livepatch *livepatch
	emit      func(guest.Event) error
}

// run tries what was asked for. Its events always end in a done, unless emit fails or
// ctx ends; what keeps cases from being tried is a note, and the verdict inconclusive.
func (s session) run(ctx context.Context) error {
	backends, names, missing := s.offer()
	cases, lacks := s.choose(ctx)
	missing = append(missing, lacks...)
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return fmt.Errorf("ask for the kernel's release: %w", err)
	}
	release := unix.ByteSliceToString(u.Release[:])
	if err := s.findGates(ctx, backends, release); err != nil {
		missing = append(missing, err.Error())
	}
	trials := slices.DeleteFunc(umount.Plan(cases, backends), func(t umount.Trial) bool {
		return s.skip == t.Backend.Name+"/"+t.Case.Name
	})
	states := s.states(trials)
	err := s.emit(guest.Event{Hello: &guest.Hello{
		Release:  release,
		Machine:  unix.ByteSliceToString(u.Machine[:]),
		Args:     s.args,
		Backends: names,
		Cases:    count(states),
	}})
	if err != nil {
		return err
	}
	for _, text := range s.notes {
		if err := s.emit(guest.Event{Note: &guest.Note{Text: text}}); err != nil {
			return err
		}
	}
	if s.lustre != nil {
		if err := s.lustre.bringUp(ctx, s.dir+"/first"); err != nil {
			return s.emit(guest.Event{Done: &guest.Done{Verdict: guest.Inconclusive, Failed: err.Error()}})
		}
	}
	done, err := s.tryStates(ctx, release, states, missing)
	if err != nil {
		return err
	}
	return s.emit(guest.Event{Done: done})
}

// tryStates tries the cases of each state, one after the other, and sums the verdicts up.
func (s session) tryStates(ctx context.Context, release string, states []state, missing []string) (*guest.Done, error) {
	done := &guest.Done{Verdict: guest.Protected}
	for _, st := range states {
		ms, unreached := st.reached(ctx)
		told := guest.State{Name: st.name, Verdict: guest.Faulty, Millis: ms}
		if unreached == nil {
			var err error
			if told.Cases, told.Verdict, err = s.tryAll(ctx, release, st.trials, missing); err != nil {
				return nil, err
			}
			done.Cases += told.Cases
		} else {
			told.Failed = unreached.Error()
		}
		if st.name == "" {
			done.Verdict = told.Verdict
			break
		}
		if err := s.emit(guest.Event{State: &told}); err != nil {
			return nil, err
		}
		switch {
		case told.Verdict == guest.Inconclusive && done.Verdict == guest.Protected:
			done.Verdict = guest.Inconclusive
		case told.Verdict != guest.Inconclusive && told.Verdict != st.want:
			done.Verdict = guest.Faulty
		}
		if unreached != nil {
			break
		}
	}
	return done, nil
}

// tryAll tries the cases of one state, and judges all of them together. missing is what was
// asked for and cannot be tried.
func (s session) tryAll(ctx context.Context, release string, trials []umount.Trial, missing []string) (int, guest.Verdict, error) {
	results, err := s.try(ctx, release, trials)
	if err != nil {
		if ctx.Err() != nil {
			return 0, "", err
		}
		missing = append(missing, err.Error())
	}
	gates := map[string]umount.Gate{}
	for _, t := range trials {
		gates[t.Backend.Name] = t.Backend.Gate
	}
	verdict := umount.Overall(results, gates)
	for _, text := range missing {
		if err := s.emit(guest.Event{Note: &guest.Note{Text: text}}); err != nil {
			return 0, "", err
		}
		// What was asked for and not tried cannot have been fine.
		if verdict != guest.Faulty {
			verdict = guest.Inconclusive
		}
	}
	return len(results), verdict, nil
}

// findGates corrects what backends says of user namespaces on vz7, whose first kernels have
// no gate, and whose later ones have Red Hat's. Elsewhere the gate is known to be there, and
// a kernel that lost it must not pass for one that never had it.
func (s session) findGates(ctx context.Context, offered []umount.Backend, release string) error {
	if !strings.HasPrefix(release, "3.10.") {
		return nil
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, caseLimit)
	defer cancel()
	for i, b := range offered {
		if b.VE && b.Gate == umount.Closed {
			if offered[i].Gate, err = umount.FindGate(ctx, b, self, s.dir); err != nil {
				return err
			}
		}
	}
	return nil
}

// errEnough ends a run that has found a fault.
var errEnough = errors.New("a fault was found")

func (s session) try(ctx context.Context, release string, trials []umount.Trial) ([]guest.Result, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	log, err := kmsg.Open()
	if err != nil {
		return nil, err
	}
	defer log.Close()
	r := umount.Runner{Self: self, Dir: s.dir, Log: log, Limit: caseLimit, Filesystem: umount.Probe{}, Compat: s.compat, Bucket: strings.HasPrefix(release, "2.6.18")}
	if s.unload {
		r.Unload = func() error { return unloadModule("lustreprobe") }
	}
	if r.Leaks, err = umount.OpenLeaks(s.dir + "-debug"); err != nil {
		return nil, err
	}
	if s.lustre != nil {
		r.Limit, r.Filesystem = lustreLimit, s.lustre.filesystem()
	}
	r.Start = func(t umount.Trial) error {
		return s.emit(guest.Event{Try: &guest.Try{Name: t.Case.Name, Backend: t.Backend.Name}})
	}
	results, err := r.Run(ctx, trials, func(res guest.Result) error {
		if err := s.emit(guest.Event{Case: &res}); err != nil {
			return err
		}
		if s.stop && (res.Verdict == guest.Faulty || res.Verdict == guest.Vulnerable) {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return results, err
}

// runs32bit returns a note where the kernel, or this machine, has nothing to try the cases
// of 32-bit programs with. An error is a kernel that has, and yet does not run one.
func runs32bit(ctx context.Context) (note string, err error) {
	ctx, cancel := context.WithTimeout(ctx, caseLimit)
	defer cancel()
	const not = "cases of 32-bit programs do not apply and are not tried: "
	err = exec.CommandContext(ctx, guest.CompatProgram, "list").Run()
	switch {
	case errors.Is(err, os.ErrNotExist):
		return not + "there is no " + guest.CompatProgram, nil
	case errors.Is(err, unix.ENOEXEC):
		return not + "the kernel runs no such programs (CONFIG_IA32_EMULATION)", nil
	case err != nil:
		return "", fmt.Errorf("run a 32-bit program: %w", err)
	}
	return "", nil
}

// backends says what the cases must know of each backend's containers.
var backends = map[string]umount.Backend{
	"ve":         {Gate: umount.VE, VE: true},
	"ve-cgroup":  {Gate: umount.Open, VE: true},
	"ve-userns":  {Gate: umount.Closed, VE: true},
	"namespaces": {Gate: umount.Open},
	"userns":     {Gate: umount.Closed},
}

// offer returns the backends to use, and what was asked for and is not to be had.
func (s session) offer() (offered []umount.Backend, names, missing []string) {
	var unavailable []string
	asked := slices.Clone(s.backends)
	for _, b := range container.Backends() {
		if len(s.backends) > 0 && !slices.Contains(asked, b.Name()) {
			continue
		}
		asked = slices.DeleteFunc(asked, func(name string) bool { return name == b.Name() })
		u := backends[b.Name()]
		// Where there are VEs, namespaces alone are no container: the host may use them.
		if len(s.backends) == 0 && !u.VE && len(offered) > 0 && offered[0].VE {
			continue
		}
		if err := b.Available(); err != nil {
			unavailable = append(unavailable, err.Error())
			continue
		}
		u.Name, u.Start = b.Name(), starter(b)
		names = append(names, u.Name)
		offered = append(offered, u)
	}
	if len(s.backends) > 0 || len(offered) == 0 {
		missing = unavailable
	}
	for _, name := range asked {
		missing = append(missing, fmt.Sprintf("make %s container: no such backend", name))
	}
	return offered, names, missing
}

func starter(b container.Backend) func(context.Context, umount.Start) (umount.Container, error) {
	return func(ctx context.Context, s umount.Start) (umount.Container, error) {
		c, err := b.Start(ctx, container.Spec{Args: s.Args, Files: s.Files, Stderr: os.Stderr, Source: s.Source, Target: s.Target, ID: s.ID, Init: s.Init, Bare: s.Bare, Programs: s.Programs})
		if err != nil {
			return nil, err
		}
		return c, nil
	}
}

// splitNames reads NAME,NAME; "" is none.
func splitNames(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' })
}
