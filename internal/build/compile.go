// SPDX-License-Identifier: Apache-2.0

package build

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"ovzpatch/internal/job"
	"ovzpatch/internal/rpmbuild"
	"ovzpatch/internal/srpm"
	"ovzpatch/specs"
)

// run runs rpmbuild in a topdir below the work directory. Its programs inherit hold.
func (b *builder) run(ctx context.Context, work string, hold *os.File) (*Result, error) {
	top := filepath.Join(work, "top")
	// What a killed build left is of no use; its compiled objects are.
	if err := os.RemoveAll(top); err != nil {
		return nil, err
	}
	j := b.job()
	j.Root, j.Spec, j.Topdir, j.BuildDir = b.Root, filepath.Join(top, "SPECS", b.Spec.Name()), top, filepath.Join(work, "BUILD")
	j.NoDeps, j.Nice, j.Log, j.Hold = b.o.NoDeps, b.o.Nice, filepath.Join(top, "build.log"), hold
	if err := b.checkMachine(ctx, &j); err != nil {
		return nil, err
	}
	if err := b.clearUnused(ctx, j.BuildDir); err != nil {
		return nil, err
	}
	recompiling, whole, err := startPoint(b.u, work, j.BuildDir)
	if err != nil {
		return nil, err
	}
	j.Whole = whole
	switch {
	case whole:
		b.u.Say("building the kernel %s the patch from nothing", b.Label())
	case b.Foreign:
		b.u.Say("building the kernel %s the patch, continuing from files compiled earlier as far as %s keeps them", b.Label(), b.Spec.Name())
	default:
		b.u.Say("building the kernel %s the patch, continuing from files compiled earlier", b.Label())
	}
	if err := j.Dirs(); err != nil {
		return nil, err
	}
	if b.Root.Mock != "" {
		if j.Spec, err = srpm.Build(ctx, b.Inputs, filepath.Join(top, "SRPMS")); err != nil {
			return nil, err
		}
	} else if err := b.LayOut(ctx, top, srpm.Link); err != nil {
		return nil, err
	}
	launched, err := b.launch(ctx, &j)
	if err != nil {
		return nil, err
	}
	res, err := rpmbuild.Run(ctx, j, func(p rpmbuild.Progress) { b.u.Live("%s", buildLine(p)) })
	b.u.Done()
	farm := launched()
	if err = errors.Join(err, os.RemoveAll(recompiling)); err != nil {
		return nil, errors.Join(keepLog(err, j.Log, work), os.RemoveAll(top))
	}
	devel := ""
	if b.lean {
		devel = filepath.Join(top, specs.DevelArchive)
	}
	return &Result{
		Dir: top, Patched: b.Patched, Source: res.Source, Packages: res.Packages, Devel: devel,
		Compiled: res.Compiled, Warnings: res.Warnings, Seconds: res.Duration.Seconds(), Launcher: farm,
	}, nil
}

// checkMachine looks for what the build requires where rpmbuild does not, and says what else
// is missing.
func (b *builder) checkMachine(ctx context.Context, j *rpmbuild.Job) error {
	if b.Root.Mock != "" {
		// mock makes the root directory anew, with what the BuildRequires name.
		j.BuildDir = ""
		return nil
	}
	if err := b.CheckDepmod(ctx); err != nil {
		return err
	}
	if !j.NoDeps && noDatabase(ctx, b.Root) {
		b.u.Say("%s has no RPM database, so rpmbuild does not check BuildRequires (--nodeps)", b.Root.Name())
		if err := b.CheckRequires(ctx, b.u); err != nil {
			return err
		}
		j.NoDeps = true
	}
	for _, s := range b.Lacks() {
		b.u.Say("%s", s)
	}
	return nil
}

// keepLog keeps the log of a failed build, which is all that it leaves, and has the error name
// where.
func keepLog(err error, log, work string) error {
	kept := filepath.Join(work, "failed.log")
	if os.Rename(log, kept) != nil {
		return err
	}
	if be, ok := errors.AsType[*rpmbuild.Error](err); ok {
		be.Log = kept
	}
	return err
}

// clearUnused removes a build directory whose files rpm would not leave to the next build: one
// since 4.20 empties a foreign spec's before %prep. Our own spec moves its objects out first.
func (b *builder) clearUnused(ctx context.Context, buildDir string) error {
	if !b.Foreign || buildDir == "" || !b.Root.EmptiesBuildDir(ctx) {
		return nil
	}
	if err := os.RemoveAll(buildDir); err != nil {
		return fmt.Errorf("clear build directory: %w", err)
	}
	return nil
}

// startPoint tells whether there is nothing in the build directory to go on from. Where
// there is, it leaves a mark that is to be removed when rpmbuild has ended.
//
// In a build from nothing make takes an object for whole when it has noted, last, the
// command that made it. When an object is compiled again the old note stands, and one
// that a SIGKILL of everything left half made would be taken for whole: then what the
// mark still stands in is not to be gone on from.
func startPoint(u job.Reporter, work, buildDir string) (mark string, whole bool, err error) {
	mark = filepath.Join(work, "recompiling")
	if _, err := os.Stat(mark); err == nil {
		u.Say("an earlier ovzpatch was killed while it compiled files again: starting from nothing")
		if err := errors.Join(os.RemoveAll(buildDir), os.Remove(mark)); err != nil {
			return "", false, fmt.Errorf("clear build directory: %w", err)
		}
	}
	if none, err := hasNoObjects(buildDir); err != nil || none {
		return mark, none, err
	}
	if err := os.WriteFile(mark, nil, 0o644); err != nil {
		return "", false, fmt.Errorf("mark build directory: %w", err)
	}
	return mark, false, nil
}

// hasNoObjects tells whether nothing was compiled below a build directory, as where a build
// ended before that.
func hasNoObjects(buildDir string) (bool, error) {
	found := errors.New("found")
	err := filepath.WalkDir(buildDir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && filepath.Ext(path) == ".o" {
			return found
		}
		return err
	})
	switch {
	case errors.Is(err, found):
		return false, nil
	case err == nil || errors.Is(err, fs.ErrNotExist):
		return true, nil
	}
	return false, fmt.Errorf("look into build directory: %w", err)
}

// compiledText says how many files were compiled; nothing where make did not say, as
// with -s in the specs of RHEL 5.
func compiledText(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%d files compiled, ", n)
}

// buildLine is the live line of a build.
func buildLine(p rpmbuild.Progress) string {
	s := p.Phase
	if p.Compiled > 0 {
		s += fmt.Sprintf("  %d", p.Compiled)
		if p.Expected > p.Compiled {
			s += fmt.Sprintf(" of about %d", p.Expected)
		}
		s += " files compiled"
	}
	if p.Warnings > 0 {
		s += fmt.Sprintf(", %d warnings", p.Warnings)
	}
	if left := p.Left(); left > 0 {
		s += fmt.Sprintf(", about %v left", left.Round(time.Second))
	}
	if p.Doing != "" {
		s += "  " + p.Doing
	}
	return s
}

// noDatabase tells whether there is no RPM database that could say what is installed, as
// on Debian.
func noDatabase(ctx context.Context, root rpmbuild.Root) bool {
	out, err := root.Query(ctx, "rpm", "-qa")
	return err != nil || len(bytes.TrimSpace(out)) == 0
}
