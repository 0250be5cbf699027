// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ovzpatch/internal/cache"
	"ovzpatch/internal/compress"
	"ovzpatch/internal/container"
	"ovzpatch/internal/guest"
	"ovzpatch/internal/initramfs"
	"ovzpatch/internal/job"
	"ovzpatch/internal/probe"
	"ovzpatch/internal/qemu"
	"ovzpatch/internal/report"
	"ovzpatch/internal/umount"
)

// testFlags say what a guest is to try.
type testFlags struct {
	cases      string
	containers []string
	limit      time.Duration
}

func (f *testFlags) register(c *cobra.Command) {
	c.Flags().StringVar(&f.cases, "cases", "", "try only the cases whose name matches this regular expression")
	c.Flags().StringSliceVar(&f.containers, "container", nil, "try only these container backends: ve, ve-cgroup, ve-userns, namespaces, userns (default: all that the kernel offers, and VEs alone where it has them)")
	c.Flags().DurationVar(&f.limit, "boot-timeout", 0, "time limit of one guest (default: by the measured speed of this machine)")
}

// backends are the containers there can be in a guest.
func backends() []string {
	var names []string
	for _, b := range container.Backends() {
		names = append(names, b.Name())
	}
	slices.Sort(names)
	return names
}

// check refuses what no guest can try.
func (f testFlags) check() error {
	if f.limit < 0 {
		return job.BadRequest(fmt.Errorf("--boot-timeout=%v: it is a time above 0, as 20m", f.limit))
	}
	for _, name := range f.containers {
		if all := backends(); !slices.Contains(all, name) {
			return job.BadRequest(fmt.Errorf("--container=%s: it is one of %s", name, strings.Join(all, ", ")))
		}
	}
	match, err := regexp.Compile(f.cases)
	if err != nil {
		return job.BadRequest(fmt.Errorf("--cases=%s: %w", f.cases, err))
	}
	var names []string
	for _, c := range umount.Cases() {
		names = append(names, c.Name)
	}
	if !slices.ContainsFunc(names, match.MatchString) {
		return job.BadRequest(fmt.Errorf("--cases=%s: no case is called like that; there are %s", f.cases, strings.Join(names, ", ")))
	}
	_, err = f.args()
	return err
}

// args are the words of the kernel command line that umounttest reads.
func (f testFlags) args() ([]string, error) {
	var words []string
	if f.cases != "" {
		words = append(words, "umounttest.cases="+f.cases)
	}
	if len(f.containers) > 0 {
		words = append(words, "umounttest.container="+strings.Join(f.containers, ","))
	}
	for _, w := range words {
		if strings.ContainsAny(w, " \t\n\"") {
			return nil, job.BadRequest(fmt.Errorf("%q: a space or a quote cannot stand on a kernel command line; write \\s or a dot", w))
		}
	}
	return words, nil
}

// accelerator finds out how guests run here, and says so.
func (a *app) accelerator(ctx context.Context, u job.Reporter) (qemu.Accel, error) {
	accel, err := qemu.ChooseAccel(ctx, cache.Cache{Dir: a.cacheDir})
	if err == nil {
		u.Say("guests run under %s: %s", strings.ToUpper(accel.Name), accel.Reason)
	}
	return accel, err
}

// trial is one kernel to boot.
type trial struct {
	label  string
	parts  *kernelParts
	pkg    string // file name of the kernel package, "" for a bare kernel
	expect guest.Verdict
	accel  qemu.Accel
	flags  testFlags
	skip   string // BACKEND/CASE to leave out, "" for none
	logDir string // where the console's log goes; "" is the cache
}

// try boots a kernel with its probe and returns what umounttest found. Where the kernel does
// not live to the end of a case, that case is faulty, and the others are tried without it.
func (a *app) try(ctx context.Context, u job.Reporter, t trial) (*report.Kernel, error) {
	k, last, err := a.tryOnce(ctx, u, t)
	var be *qemu.BootError
	if !errors.As(err, &be) || !be.KernelBad || last == nil {
		return k, err
	}
	u.Say("in case %s/%s: %v", last.Backend, last.Name, err)
	u.Say("booting once more without that case")
	died := guest.Result{Name: last.Name, Backend: last.Backend, Verdict: guest.Faulty,
		Why: fmt.Sprintf("the kernel did not live to its end: %s: %s", be.Outcome, be.Line)}
	t.skip = last.Backend + "/" + last.Name
	k, again, err := a.tryOnce(ctx, u, t)
	if errors.As(err, &be) && be.KernelBad && again != nil {
		return nil, job.Misbehaved(fmt.Errorf("in case %s, and without it in case %s/%s: %w", t.skip, again.Backend, again.Name, err))
	}
	if err != nil {
		return nil, err
	}
	k.Results = append(k.Results, died)
	k.Verdict = guest.Faulty
	return k, nil
}

// tryOnce is one boot. Where it did not come to its end, last is the case that had begun.
func (a *app) tryOnce(ctx context.Context, u job.Reporter, t trial) (k *report.Kernel, last *guest.Try, err error) {
	words, err := t.flags.args()
	if err != nil {
		return nil, nil, err
	}
	if t.skip != "" {
		words = append(words, "umounttest.skip="+t.skip)
	}
	m, err := a.machine(ctx, t.parts, t.accel)
	if err != nil {
		return nil, nil, err
	}
	m.Append = append(m.Append, words...)
	if m.ConsoleLog, err = t.consoleLog(a.cacheDir); err != nil {
		return nil, nil, err
	}
	m.Limits = qemu.LimitsFor(t.accel.Slowdown)
	if t.parts.Lustre != nil {
		m.Limits = m.Limits.ForLustre()
	}
	if t.flags.limit > 0 {
		m.Limits.Total = t.flags.limit
	}
	u.Say("booting %s", t.parts.Release)
	cases, tried := 0, 0
	m.Event = func(e guest.Event) {
		switch {
		case e.Hello != nil:
			cases = e.Hello.Cases
		case e.Try != nil:
			last = e.Try
		case e.Case != nil:
			tried++
			last = nil
			u.Live("case %d of %d: %s in %s: %s", tried, cases, e.Case.Name, e.Case.Backend, report.Seen(e.Case.Got))
		}
	}
	boot, err := m.Run(ctx)
	u.Done()
	if err != nil {
		return nil, last, err
	}
	var failed string
	k = &report.Kernel{Label: t.label, Package: t.pkg, Expect: t.expect,
		Console: m.ConsoleLog, Seconds: boot.Elapsed.Seconds()}
	for _, e := range boot.Events {
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
	if why := unloaded(k.Notes); why != "" && t.parts.Lustre == nil {
		return nil, nil, job.NoVerdict(fmt.Errorf("try the cases in the guest: %s (this says nothing of the kernel's patch; the console is in %s)", why, k.Console))
	}
	if failed != "" {
		for _, note := range k.Notes {
			u.Say("%s", note)
		}
		return nil, nil, fmt.Errorf("bring Lustre up in the guest: %s (this says nothing of the kernel; the console is in %s)", failed, k.Console)
	}
	if k.Release != t.parts.Release {
		return nil, nil, fmt.Errorf("the guest runs %s, not the kernel on trial, %s: do image and modules belong together?", k.Release, t.parts.Release)
	}
	u.Say("%s: %s, by %d cases in %.0f s (console: %s)", k.Release, k.Verdict, len(k.Results), k.Seconds, k.Console)
	return k, nil, nil
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

// machine describes the guest that boots a kernel, with its initramfs.
func (a *app) machine(ctx context.Context, parts *kernelParts, accel qemu.Accel) (qemu.Machine, error) {
	progs, err := findGuestPrograms(a.home, parts.Arch)
	if err != nil {
		return qemu.Machine{}, err
	}
	progs = progs.forKernel(parts.Release)
	im := initramfs.Image{Base: progs.base, Init: progs.umounttest, Modules: map[string]initramfs.Content{}}
	if err := parts.addOwnModules(ctx, &im); err != nil {
		return qemu.Machine{}, err
	}
	if parts.Lustre != nil {
		err = parts.addModules(ctx, &im, parts.Lustre.order.Own)
	} else {
		extra := path.Join("/lib/modules", parts.Release, "extra", probe.File)
		im.Modules[extra] = initramfs.Content{Path: parts.Probe}
		im.Load = append(im.Load, extra)
	}
	if err != nil {
		return qemu.Machine{}, err
	}
	im.Files = map[string]initramfs.Content{}
	if _, err := os.Stat(progs.compat); err == nil {
		im.Files[guest.CompatProgram] = initramfs.Content{Path: progs.compat, Executable: true}
	}
	if parts.Script != nil {
		im.Files[guest.ShellScript] = initramfs.Content{Data: parts.Script}
	}
	archive, err := initramfs.Build(cache.Cache{Dir: a.cacheDir}, im)
	if err != nil {
		return qemu.Machine{}, err
	}
	m := qemu.Machine{Arch: parts.Arch, Accel: accel, Kernel: parts.Image, Initrd: archive.Path}
	if parts.Lustre != nil {
		err = parts.Lustre.join(&m)
	}
	return m, err
}

// ownModules are modules of the kernel under test that the guest loads where there are
// such: that its own modules load at all is part of the trial.
var ownModules = []string{"dummy"}

// addOwnModules puts ownModules, and what they need, into a guest.
func (k *kernelParts) addOwnModules(ctx context.Context, im *initramfs.Image) error {
	files, err := initramfs.SelectModules(os.DirFS(k.Modules), ownModules)
	if errors.Is(err, initramfs.ErrNoModule) {
		return nil
	}
	if err != nil {
		return err
	}
	return k.addModules(ctx, im, files)
}

// addModules puts files of the kernel's module tree into a guest, in load order.
func (k *kernelParts) addModules(ctx context.Context, im *initramfs.Image, files []string) error {
	for _, f := range files {
		plain, _, _ := strings.Cut(f, ".ko")
		name := path.Join("/lib/modules", k.Release, plain+".ko")
		if _, there := im.Modules[name]; there {
			continue
		}
		image, err := readPlain(ctx, os.DirFS(k.Modules), f)
		if err != nil {
			return err
		}
		im.Modules[name] = initramfs.Content{Data: image}
		im.Load = append(im.Load, name)
	}
	return nil
}

// maxModule is the size in bytes up to which a file is taken for a module.
const maxModule = 512 << 20

// readPlain reads a module, which may be compressed; the guest's may not.
func readPlain(ctx context.Context, tree fs.FS, name string) ([]byte, error) {
	f, err := tree.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r, _, err := compress.NewReader(ctx, f)
	if err != nil {
		return nil, fmt.Errorf("read module %s: %w", name, err)
	}
	defer r.Close()
	image, err := io.ReadAll(compress.Limit(r, maxModule))
	if err != nil {
		return nil, fmt.Errorf("read module %s: %w", name, err)
	}
	return image, nil
}

// consoleLog names the file for a guest's console. One that is there goes first, as it may be
// another run's, whose guest still writes.
func (t trial) consoleLog(cacheDir string) (string, error) {
	dir := t.logDir
	if dir == "" {
		dir = filepath.Join(cacheDir, "consoles")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("keep console: %w", err)
	}
	log := filepath.Join(dir, "console-"+t.parts.Release+".log")
	if err := os.Remove(log); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("keep console: %w", err)
	}
	return log, nil
}

// guestPrograms are what `make` built beforehand for the guest.
type guestPrograms struct {
	umounttest string // becomes /init
	base       string // archive of u-root's commands
	compat     string // a 32-bit umounttest for an x86_64 guest, "" for others
}

// findGuestPrograms looks beside this program, which lies in home: in guest/ of a build
// tree, in ../lib/ovzpatch/guest/ where it is installed.
func findGuestPrograms(home, arch string) (*guestPrograms, error) {
	goarch := map[string]string{"x86_64": "amd64", "i386": "386"}[arch]
	dirs := []string{
		filepath.Join(home, "guest", goarch),
		filepath.Join(home, "..", "lib", "ovzpatch", "guest", goarch),
	}
	for _, dir := range dirs {
		p := &guestPrograms{umounttest: filepath.Join(dir, "umounttest"), base: filepath.Join(dir, "uroot.cpio")}
		if goarch == "amd64" {
			p.compat = filepath.Join(dir, "..", "386", "umounttest")
		}
		missing := func(f string) bool { _, err := os.Stat(f); return err != nil }
		if !slices.ContainsFunc([]string{p.umounttest, p.base}, missing) {
			return p, nil
		}
	}
	return nil, fmt.Errorf("find guest programs: no umounttest and uroot.cpio in %s; run `make` or `make install`", strings.Join(dirs, " or "))
}

// forKernel gives the programs for a kernel's release: those before 2.6.27 lack system
// calls that Go's own runtime makes, and get programs built with internal/gooverlay.
func (p *guestPrograms) forKernel(release string) *guestPrograms {
	var patch int
	if n, _ := fmt.Sscanf(release, "2.6.%d", &patch); n == 0 || patch >= 27 {
		return p
	}
	old := &guestPrograms{umounttest: p.umounttest + "-old", base: strings.TrimSuffix(p.base, ".cpio") + "-old.cpio"}
	if p.compat != "" {
		old.compat = p.compat + "-old"
	}
	return old
}
