// SPDX-License-Identifier: Apache-2.0

// Package rpmbuild drives rpmbuild: a Job in, packages and a log out, and in between
// the progress that make's own output tells.
package rpmbuild

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"ovzpatch/internal/command"
)

// Define is one --define of rpmbuild.
type Define struct{ Name, Value string }

// Job describes one rpmbuild -bb, or -bs.
type Job struct {
	// SourceOnly packs the spec and the sources, and builds nothing. (mock makes a source
	// package in any case.)
	SourceOnly bool
	Root       Root
	// Spec is the path of the spec, whose sources lie in Topdir/SOURCES; with Root.Mock
	// that of the source RPM.
	Spec string
	// Topdir is private to this job. Its layout is made where it is missing. With
	// Root.Chroot it, BuildDir and Spec lie below that; all paths are this machine's.
	Topdir string
	// BuildDir is _builddir. One that is kept from job to job makes the next build of
	// nearly the same tree short; "" is Topdir/BUILD. Not to be shared at one time.
	BuildDir string
	Target   string // --target, "" for the machine's own
	With     []string
	Without  []string
	Defines  []Define
	NoDeps   bool     // pass --nodeps: the host has no RPM database to ask
	Jobs     int      // make -j; 0 lets rpmbuild choose
	Nice     int      // added to the niceness of all that runs; 0 leaves it, and the disk's priority, alone
	Env      []string // added to what command.Cmd.Clean leaves of the environment, KEY=value
	// Hold is handed on to every program of the build. A lock that it holds stays held
	// until the last of them has ended, whatever becomes of this process.
	Hold *os.File
	// Epoch is SOURCE_DATE_EPOCH, in seconds: the only time that gets into the packages.
	Epoch int64
	Log   string // file for the full output
	// Whole tells that BuildDir is empty: all that the configuration has is compiled.
	Whole bool
}

// Result is a finished build.
type Result struct {
	Packages []string // paths of the binary RPMs, in the order rpmbuild wrote them
	Source   string   // path of the source RPM, "" where none was made
	Compiled int      // files compiled
	Warnings int      // compiler warnings
	Duration time.Duration
}

// Args is the whole command line.
func (j Job) Args() []string {
	var args []string
	if j.Nice > 0 {
		// -t: where the system does not let ionice do it, the build goes on.
		args = []string{"nice", "-n", strconv.Itoa(j.Nice), "ionice", "-t", "-c", "2", "-n", "7"}
	}
	if j.Root.Mock != "" {
		return append(args, j.mockArgs()...)
	}
	return append(args, j.Root.Args(j.rpmbuildArgs()...)...)
}

func (j Job) rpmbuildArgs() []string {
	args := []string{"rpmbuild", "-bb"}
	if j.SourceOnly {
		args[1] = "-bs"
	}
	for _, d := range Macros(j.Root.Inside(j.Topdir)) {
		args = append(args, "--define", d.Name+" "+d.Value)
	}
	if j.BuildDir != "" {
		args = append(args, "--define", "_builddir "+j.Root.Inside(j.BuildDir))
	}
	args = append(args, j.options()...)
	if j.NoDeps {
		args = append(args, "--nodeps")
	}
	return append(args, j.Root.Inside(j.Spec))
}

// options are those that rpmbuild and mock share.
func (j Job) options() []string {
	var args []string
	for _, d := range Historic {
		args = append(args, "--define", d.Name+" "+d.Value)
	}
	args = append(args,
		// The programs in two kernels' -devel packages are the same: their build ids would be
		// links of one name to two places, and the packages could not be installed together.
		"--define", "_build_id_links none",
		// RHEL 5's also install in %build. rpm since 4.6 would take that away where %install
		// begins; the build root of a topdir of its own is empty anyhow. The backslash is for
		// mock, which puts macros into a file.
		"--define", "__spec_install_pre %{___build_pre}\\\nmkdir -p \"$RPM_BUILD_ROOT\"",
	)
	if j.Jobs > 0 {
		args = append(args, "--define", "_smp_mflags -j"+strconv.Itoa(j.Jobs))
	}
	for _, d := range j.Defines {
		args = append(args, "--define", d.Name+" "+d.Value)
	}
	if j.Target != "" {
		args = append(args, "--target", j.Target)
	}
	for _, w := range j.With {
		args = append(args, "--with", w)
	}
	for _, w := range j.Without {
		args = append(args, "--without", w)
	}
	return args
}

// environment is what the programs of the build get.
func (j Job) environment() []string {
	if j.Root.Mock != "" {
		return []string{"LC_ALL=C"} // mock has its own settings in the user's home, and rpm another home in its root
	}
	dirs := []string{j.Root.Inside(j.Topdir)}
	if j.BuildDir != "" {
		dirs = append(dirs, j.Root.Inside(j.BuildDir))
	}
	return append(j.Root.Env(), Environment(filepath.Join(dirs[0], "tmp"), dirs...)...)
}

// Dirs makes the topdir's layout, and the build directory.
func (j Job) Dirs() error {
	dirs := []string{"SPECS", "SOURCES", "BUILD", "BUILDROOT", "RPMS", "SRPMS", "tmp"}
	for i, d := range dirs {
		dirs[i] = filepath.Join(j.Topdir, d)
	}
	if j.BuildDir != "" {
		dirs = append(dirs, j.BuildDir)
	}
	for _, d := range dirs {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return fmt.Errorf("make build directory: %w", err)
		}
	}
	return nil
}

// Error is a build that failed: in which of rpmbuild's phases, and the lines that say why.
type Error struct {
	Phase string   // "%prep", "%build", ..., or that of reading the spec
	Lines []string // the first real error and what follows it
	Log   string   // the full output
	Full  bool     // the disk was full
	// Missing are BuildRequires that the RPM database in Root does not have.
	Missing []string
	Root    Root
	Target  error // the *command.Error
}

func (e *Error) Error() string {
	if len(e.Missing) > 0 {
		// Without their versions, and quoted: a name may be perl(ExtUtils::Embed).
		var names []string
		for _, m := range e.Missing {
			name, _, _ := strings.Cut(m, " ")
			names = append(names, "'"+name+"'")
		}
		return "build packages: the spec requires these to be built, and they are missing: " + strings.Join(e.Missing, ", ") +
			"\n  as root: " + strings.Join(e.Root.Args(append([]string{"dnf", "install"}, names...)...), " ") + "\nfull log: " + e.Log
	}
	s := "build packages: rpmbuild stopped in " + e.Phase
	if e.Phase == reading {
		s = "build packages: rpmbuild cannot read the spec"
	}
	for _, l := range e.Lines {
		s += "\n  " + l
	}
	if e.Phase == reading {
		s += "\nif it is too old for this machine's rpm: fix the lines that it names, or build with an rpm of its time (--root)"
	}
	if e.Full {
		s += "\nthe disk is full: free some space, or use another place with --cache-dir and TMPDIR"
	}
	return s + "\nfull log: " + e.Log
}

// Unwrap returns what the run of rpmbuild itself said.
func (e *Error) Unwrap() error { return e.Target }

// Run builds. Progress is told whenever it moves, one call at a time.
func Run(ctx context.Context, j Job, report func(Progress)) (*Result, error) {
	if err := j.Dirs(); err != nil {
		return nil, err
	}
	start := time.Now()
	w := newWatch(start, report)
	followed := func() {}
	if j.BuildDir != "" {
		followed = w.follow(ctx, &objects{job: j, since: start}, j.Whole)
	}
	var held []*os.File
	if j.Hold != nil {
		held = append(held, j.Hold)
	}
	err := command.Run(ctx, command.Cmd{
		Args:       j.Args(),
		Dir:        j.Topdir,
		Env:        slices.Concat(j.environment(), []string{"SOURCE_DATE_EPOCH=" + strconv.FormatInt(j.Epoch, 10)}, j.Env),
		Clean:      true,
		ExtraFiles: held,
		Hangup:     j.Root.Mock != "", // mock becomes root
		Log:        j.Log,
		Line:       w.line,
	})
	followed()
	if err != nil {
		if ctx.Err() != nil {
			// What make says while it is being stopped explains nothing.
			return nil, fmt.Errorf("build packages: stopped in %s: %w", w.progress.Phase, context.Cause(ctx))
		}
		var ce *command.Error
		if !errors.As(err, &ce) || ce.ExitCode < 0 {
			return nil, fmt.Errorf("build packages: %w", err)
		}
		return nil, &Error{Phase: w.progress.Phase, Lines: w.reason(), Log: j.Log, Full: w.full, Missing: w.missing, Root: j.Root, Target: err}
	}
	if len(w.packages) == 0 && !(j.SourceOnly && w.source != "") {
		return nil, fmt.Errorf("build packages: rpmbuild made none; see %s", j.Log)
	}
	for i, p := range w.packages {
		w.packages[i] = j.outside(p)
	}
	source := w.source
	if source != "" {
		source = j.outside(source)
	}
	return &Result{
		Packages: w.packages,
		Source:   source,
		Compiled: w.progress.Compiled,
		Warnings: w.progress.Warnings,
		Duration: time.Since(start),
	}, nil
}
