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
	last *guest.Try // the case that had begun where the boot did not come to its end

	cases, tried int
}

// run boots the kernel once.
func (b *boot) run(ctx context.Context) (*report.Kernel, error) {
	m, err := b.machine(ctx)
	if err != nil {
		return nil, err
	}
	b.o.Report.Say("booting %s", b.t.Kernel.Release)
	m.Event = b.event
	done, err := m.Run(ctx)
	b.o.Report.Done()
	if err != nil {
		return nil, err
	}
	b.last = nil
	k, failed := b.result(m, done)
	if why := unloaded(k.Notes); why != "" && b.t.Kernel.Lustre == nil {
		return nil, job.NoVerdict(fmt.Errorf("try the cases in the guest: %s (this says nothing of the kernel's patch; the console is in %s)", why, k.Console))
	}
	if failed != "" {
		for _, note := range k.Notes {
			b.o.Report.Say("%s", note)
		}
		return nil, fmt.Errorf("bring Lustre up in the guest: %s (this says nothing about the kernel; the console is in %s)", failed, k.Console)
	}
	if k.Release != b.t.Kernel.Release {
		return nil, fmt.Errorf("the guest runs %s, not the kernel under test, %s: do image and modules belong together?", k.Release, b.t.Kernel.Release)
	}
	b.o.Report.Say("%s: %s, by %d cases in %.0f s (console: %s)", k.Release, k.Verdict, len(k.Results), k.Seconds, k.Console)
	return k, nil
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
	m.Append = append(m.Append, words...)
	if m.ConsoleLog, err = b.consoleLog(); err != nil {
		return qemu.Machine{}, err
	}
	m.Limits = qemu.LimitsFor(b.o.Accel.Slowdown)
	if b.t.Kernel.Lustre != nil {
		m.Limits = m.Limits.ForLustre()
	}
	if b.o.Limit > 0 {
		m.Limits.Total = b.o.Limit
	}
	return m, nil
}

// event follows what the guest says while it runs.
func (b *boot) event(e guest.Event) {
	switch {
	case e.Hello != nil:
		b.cases = e.Hello.Cases
	case e.Try != nil:
		b.last = e.Try
	case e.Case != nil:
		b.tried++
		b.last = nil
		b.o.Report.Live("case %d of %d: %s in %s: %s", b.tried, b.cases, e.Case.Name, e.Case.Backend, report.Seen(e.Case.Got))
	}
}

// result puts together what the guest said; failed is why Lustre did not come up, "" where it
// did.
func (b *boot) result(m qemu.Machine, done qemu.Boot) (k *report.Kernel, failed string) {
	k = &report.Kernel{
		Label: b.t.Label, Package: b.t.Package, SHA256: b.t.SHA256, Expect: b.t.Expect,
		Console: m.ConsoleLog, Seconds: done.Elapsed.Seconds(),
	}
	for _, e := range done.Events {
		switch {
		case e.Hello != nil:
			k.Release = e.Hello.Release
		case e.Note != nil:
			k.Notes = append(k.Notes, e.Note.Text)
		case e.Case != nil:
			k.Results = append(k.Results, *e.Case)
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

// consoleLog names the file for a guest's console. One that is there goes first, as it may be
// another run's, whose guest still writes.
func (b *boot) consoleLog() (string, error) {
	dir := b.o.LogDir
	if dir == "" {
		dir = filepath.Join(b.o.Cache.Dir, "consoles")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("keep console: %w", err)
	}
	log := filepath.Join(dir, "console-"+b.t.Kernel.Release+".log")
	if err := os.Remove(log); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("keep console: %w", err)
	}
	return log, nil
}
