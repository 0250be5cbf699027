// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"ovzpatch/internal/guest"
	"ovzpatch/internal/job"
	"ovzpatch/internal/probe"
	"ovzpatch/internal/qemu"
	"ovzpatch/internal/report"
)

// boot is one boot of a trial.
type boot struct {
	t    Trial
	o    Options
	skip string     // BACKEND/CASE to leave out, "" for none
	full bool       // not on a spare machine
	last *guest.Try // the case that had begun where the boot did not come to its end

	cases, tried int

	started, ready time.Time
	ended          []float64     // when each result came, in seconds
	states         []guest.State // of a livepatch on trial
}

// run boots the kernel once. Of a guest that did not come to its end it returns what came before.
func (b *boot) run(ctx context.Context) (*report.Kernel, error) {
	m, err := b.machine(ctx)
	if err != nil {
		return nil, err
	}
	b.o.Report.Say("booting %s", b.t.Kernel.Release)
	m.Event = b.event
	b.started = time.Now()
	done, err := m.Run(ctx)
	b.o.Report.Done()
	k, failed := b.result(m, done)
	if err != nil {
		b.broken(k, err)
		return k, err
	}
	b.last = nil
	if why := unloaded(k.Notes); why != "" && b.t.Kernel.Lustre == nil {
		return k, job.NoVerdict(fmt.Errorf("try the cases in the guest: %s (this says nothing of the kernel's patch; the console is in %s)", why, k.Console))
	}
	if failed != "" {
		for _, note := range k.Notes {
			b.o.Report.Say("%s", note)
		}
		k.Broken = "bring Lustre up in the guest: " + failed
		return k, fmt.Errorf("bring Lustre up in the guest: %s (this says nothing about the kernel; the console is in %s)", failed, k.Console)
	}
	if k.Release != b.t.Kernel.Release {
		return nil, fmt.Errorf("the guest runs %s, not the kernel under test, %s: do image and modules belong together?", k.Release, b.t.Kernel.Release)
	}
	b.o.Report.Say("%s: %s, by %d cases in %.0f s (console: %s)", k.Release, k.Verdict, len(k.Results), k.Seconds, k.Console)
	return k, nil
}

// broken adds to a result how the guest ended before its time.
func (b *boot) broken(k *report.Kernel, err error) {
	k.Verdict, k.Broken = guest.Inconclusive, err.Error()
	if k.Release == "" {
		k.Release = b.t.Kernel.Release
	}
	var be *qemu.BootError
	if !errors.As(err, &be) {
		return
	}
	k.Broken = fmt.Sprintf("%s after %.1f s", be.Outcome, be.After.Seconds())
	if be.Line != "" {
		k.Broken += ": " + be.Line
	}
	if k.AtFault = be.KernelBad; k.AtFault {
		k.Verdict = guest.Faulty
	}
	if b.last != nil {
		k.Results = append(k.Results, *b.unended(be))
		k.Ended = append(k.Ended, k.Seconds)
	}
}

// unended is the result of the case in which the guest ended; the kernel is to blame for it, or it
// is unknown who is.
func (b *boot) unended(be *qemu.BootError) *guest.Result {
	r := &guest.Result{
		Name: b.last.Name, Backend: b.last.Backend, Verdict: guest.Inconclusive,
		Why: fmt.Sprintf("the guest did not finish: %s", be.Outcome),
	}
	if be.KernelBad {
		r.Verdict, r.Why = guest.Faulty, fmt.Sprintf("the kernel failed before the end: %s: %s", be.Outcome, be.Line)
	}
	return r
}

// machine describes the guest of the trial.
func (b *boot) machine(ctx context.Context) (qemu.Machine, error) {
	words, err := b.o.args()
	if err != nil {
		return qemu.Machine{}, err
	}
	if b.skip != "" {
		words = append(words, "umounttest.skip="+b.skip)
	}
	m, err := Machine(ctx, b.t.Kernel, b.o)
	if err != nil {
		return qemu.Machine{}, err
	}
	if b.t.Kernel.Livepatch != "" {
		words = append(words, "umounttest.livepatch="+b.t.Kernel.livepatch())
	}
	m.Append = append(m.Append, words...)
	m.Spare = b.spare()
	if m.ConsoleLog, err = b.consoleLog(); err != nil {
		return qemu.Machine{}, err
	}
	m.Limits = qemu.LimitsFor(b.o.Accel.Slowdown)
	if b.t.Kernel.Lustre != nil {
		m.Limits = m.Limits.ForLustre()
	}
	if b.t.Kernel.Livepatch != "" {
		m.Limits.Total *= livepatchWork
	}
	if b.o.Debug {
		m.Limits = m.Limits.ForDebug()
	}
	if b.o.Limit > 0 {
		m.Limits.Total = b.o.Limit
	}
	return m, nil
}

// spare is what the guest's machine may be without. Kernels since 5, 3.10 and 2.6.32 were seen to boot
// there; that another may not is nothing to say of its patch.
func (b *boot) spare() qemu.Spare {
	var major, minor, patch int
	n, _ := fmt.Sscanf(b.t.Kernel.Release, "%d.%d.%d", &major, &minor, &patch)
	if b.full || !b.o.Accel.Icount || b.t.Kernel.Lustre != nil || b.t.Kernel.Share != nil {
		return qemu.Whole
	}
	switch {
	case n > 0 && major >= 5:
		return qemu.WithoutACPI
	case n == 3 && (major == 3 && minor == 10 || major == 2 && minor == 6 && patch == 32):
		return qemu.WithoutPCI
	}
	return qemu.Whole
}

// wantsMore says whether a boot ended on a spare machine before the guest's first word, which another
// machine may have heard.
func (b *boot) wantsMore(err error) bool {
	var be *qemu.BootError
	return b.spare() != qemu.Whole && b.ready.IsZero() && errors.As(err, &be) && be.Outcome != qemu.NotStarted
}

// event follows what the guest says while it runs.
func (b *boot) event(e guest.Event) {
	switch {
	case e.Hello != nil:
		b.cases, b.ready = e.Hello.Cases, time.Now()
	case e.Try != nil:
		b.last = e.Try
	case e.State != nil:
		b.o.Report.Say("%s: %s", e.State.Name, told(*e.State))
	case e.Case != nil:
		b.tried++
		b.last = nil
		b.ended = append(b.ended, time.Since(b.started).Seconds())
		name := b.t.Label // two kernels may be on trial at once
		if name != "" {
			name += ": "
		}
		b.o.Report.Live("%scase %d of %d: %s in %s: %s", name, b.tried, b.cases, e.Case.Name, e.Case.Backend, report.Seen(e.Case.Got))
	}
}

// result puts together what the guest said; failed is why Lustre did not come up, "" where it
// did.
func (b *boot) result(m qemu.Machine, done qemu.Boot) (k *report.Kernel, failed string) {
	k = &report.Kernel{
		Label: b.t.Label, Package: b.t.Package, SHA256: b.t.SHA256, Expect: b.t.Expect,
		Console: m.ConsoleLog, ConsoleSHA256: done.ConsoleSHA256, Seconds: done.Elapsed.Seconds(), Ended: b.ended,
	}
	if !b.ready.IsZero() {
		k.Ready = b.ready.Sub(b.started).Seconds()
	}
	for _, e := range done.Events {
		switch {
		case e.Hello != nil:
			k.Release = e.Hello.Release
		case e.Note != nil:
			k.Notes = append(k.Notes, e.Note.Text)
		case e.Case != nil:
			k.Results = append(k.Results, *e.Case)
		case e.State != nil:
			b.states = append(b.states, *e.State)
		case e.Done != nil:
			k.Verdict = e.Done.Verdict
			failed = e.Done.Failed
		}
	}
	return k, failed
}

// unloaded returns the note that says why the probe could not be loaded, "" where it could.
func unloaded(notes []string) string {
	for _, note := range notes {
		if strings.HasPrefix(note, "load module ") && strings.Contains(note, "/"+probe.File+":") {
			return note
		}
	}
	return ""
}

// consoleLog makes the file for a guest's console. In the cache each boot has one of its own; in a
// directory of the caller's it is named by the kernel, and one that is there goes first, as it may
// be another run's, whose guest still writes.
func (b *boot) consoleLog() (string, error) {
	fail := func(err error) (string, error) { return "", fmt.Errorf("keep console: %w", err) }
	name := "console-" + b.t.Kernel.Release
	if b.t.Kernel.Livepatch != "" {
		name += "-livepatch"
	}
	if b.o.LogDir != "" {
		if err := os.MkdirAll(b.o.LogDir, 0o755); err != nil {
			return fail(err)
		}
		log := filepath.Join(b.o.LogDir, name+".log")
		if err := os.Remove(log); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fail(err)
		}
		return log, nil
	}
	dir := filepath.Join(b.o.Cache.Dir, "consoles")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fail(err)
	}
	log, err := os.CreateTemp(dir, name+time.Now().Format("-20060102-150405-*.log"))
	if err != nil {
		return fail(err)
	}
	return log.Name(), log.Close()
}
