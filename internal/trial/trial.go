// SPDX-License-Identifier: Apache-2.0

// Package trial boots one kernel in a guest, lets umounttest try it there, and returns what it
// found: with our probe, or with a Lustre of the user's.
package trial

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"ovzpatch/internal/cache"
	"ovzpatch/internal/container"
	"ovzpatch/internal/guest"
	"ovzpatch/internal/job"
	"ovzpatch/internal/kernelrpm"
	"ovzpatch/internal/qemu"
	"ovzpatch/internal/report"
	"ovzpatch/internal/scratch"
	"ovzpatch/internal/umount"
)

// Options say what guests are to try, and how they run.
type Options struct {
	Cases      string        // a regular expression; "" for all
	Containers []string      // backends; nil for all that the kernel offers, and VEs alone where it has them
	Limit      time.Duration // of one guest; 0 for what suits the measured speed of this machine
	Debug      bool          // kernels watch themselves, and are slow
	Words      []string      // more words for the kernel's command line
	Cache      cache.Cache
	Home       string     // where this program lies, with the guest's programs beside it
	LogDir     string     // where consoles' logs go; "" is the cache
	Accel      qemu.Accel // see Accelerate
	Report     job.Reporter
}

// Backends are the containers there can be in a guest.
func Backends() []string {
	var names []string
	for _, b := range container.Backends() {
		names = append(names, b.Name())
	}
	slices.Sort(names)
	return names
}

// Check refuses what no guest can try.
func (o *Options) Check() error {
	if o.Limit < 0 {
		return job.BadRequest(fmt.Errorf("--boot-timeout=%v: it must be a time above 0, for example 20m", o.Limit))
	}
	for _, name := range o.Containers {
		if all := Backends(); !slices.Contains(all, name) {
			return job.BadRequest(fmt.Errorf("--container=%s: it must be one of %s", name, strings.Join(all, ", ")))
		}
	}
	match, err := regexp.Compile(o.Cases)
	if err != nil {
		return job.BadRequest(fmt.Errorf("--cases=%s: %w", o.Cases, err))
	}
	var names []string
	for _, c := range umount.Cases() {
		names = append(names, c.Name)
	}
	if !slices.ContainsFunc(names, match.MatchString) {
		return job.BadRequest(fmt.Errorf("--cases=%s: no case has such a name; the cases are %s", o.Cases, strings.Join(names, ", ")))
	}
	_, err = o.args()
	return err
}

// args are the words of the kernel command line that umounttest reads.
func (o *Options) args() ([]string, error) {
	words := slices.Clone(o.Words)
	if o.Cases != "" {
		words = append(words, "umounttest.cases="+o.Cases)
	}
	if len(o.Containers) > 0 {
		words = append(words, "umounttest.container="+strings.Join(o.Containers, ","))
	}
	for _, w := range words {
		if strings.ContainsAny(w, " \t\n\"") {
			return nil, job.BadRequest(fmt.Errorf("%q: a kernel command line cannot hold a space or a quote; write \\s or a dot", w))
		}
	}
	return words, nil
}

// Accelerate finds out how guests run here, and says so.
func (o *Options) Accelerate(ctx context.Context) (err error) {
	if o.Accel, err = qemu.ChooseAccel(ctx, o.Cache); err == nil {
		o.Report.Say("guests run under %s: %s", strings.ToUpper(o.Accel.Name), o.Accel.Reason)
	}
	return err
}

// Trial is one kernel to boot.
type Trial struct {
	Label   string
	Kernel  *Kernel
	Package string // file name of the kernel package, "" for a bare kernel
	SHA256  string // of the package
	Expect  guest.Verdict
}

// Of makes it the trial of the kernel package at path.
func (t *Trial) Of(path string) (err error) {
	var d *cache.Digests
	t.Package = filepath.Base(path)
	if t.SHA256, err = d.Of(path); err != nil {
		return fmt.Errorf("read kernel package: %w", err)
	}
	return nil
}

// Packages is Run for a kernel package, with the probe built against its -devel package.
func Packages(ctx context.Context, pair kernelrpm.Pair, t Trial, o Options) (*report.Kernel, error) {
	dir, remove, err := scratch.New("", "kernel")
	if err != nil {
		return nil, fmt.Errorf("unpack kernel: %w", err)
	}
	defer remove()
	if err := t.Of(pair.Kernel); err != nil {
		return nil, err
	}
	if t.Kernel, err = (Choice{Package: pair.Kernel, Devel: pair.Devel}).kernel(ctx, dir, o); err != nil {
		return nil, err
	}
	return Run(ctx, t, o)
}

// Run boots a kernel and returns what umounttest found. Where a guest does not come to its first
// word, it is booted once more on a machine that has everything. Where the kernel does not live to the
// end of a case, that case is faulty, and the others are tried without it. Where a guest does not
// come to its end, there is an error, and what was found until then is returned with it.
func Run(ctx context.Context, t Trial, o Options) (*report.Kernel, error) {
	first := &boot{t: t, o: o}
	k, err := first.run(ctx)
	if first.wantsMore(err) {
		o.Report.Say("without ACPI and PCI: %v", err)
		o.Report.Say("booting once more with them")
		first = &boot{t: t, o: o, full: true}
		k, err = first.run(ctx)
	}
	var be *qemu.BootError
	if !errors.As(err, &be) || !be.KernelBad || first.last == nil {
		return k, err
	}
	last := first.last
	o.Report.Say("in case %s/%s: %v", last.Backend, last.Name, err)
	o.Report.Say("booting once more without that case")
	died := *first.unended(be)
	second := &boot{t: t, o: o, full: first.full, skip: last.Backend + "/" + last.Name}
	k, err = second.run(ctx)
	if k != nil {
		k.Results = append(k.Results, died)
		k.Verdict = guest.Faulty
	}
	if again := second.last; errors.As(err, &be) && be.KernelBad && again != nil {
		return k, job.Misbehaved(fmt.Errorf("in case %s, and without it in case %s/%s: %w", second.skip, again.Backend, again.Name, err))
	}
	return k, err
}
