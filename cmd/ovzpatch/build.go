// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ovzpatch/internal/cache"
	"ovzpatch/internal/rpmbuild"
	"ovzpatch/internal/rpmfile"
	"ovzpatch/internal/srpm"
)

// buildFlags say how a kernel is built.
type buildFlags struct {
	spec    string
	config  string
	target  string
	tag     string
	defines []string
	compat  bool
	nodeps  bool
	// misplaced builds a patch that the gate check refuses.
	misplaced bool
	noCache   bool
	jobs      int
	limit     time.Duration
}

// What --spec takes.
const (
	specInject  = "inject"
	specReplace = "replace"
)

func (f *buildFlags) register(c *cobra.Command) {
	f.registerRecipe(c)
	c.Flags().BoolVar(&f.nodeps, "nodeps", false, "do not check the spec's BuildRequires (said and done by itself where the host has no RPM database)")
	c.Flags().BoolVar(&f.noCache, "no-cache", false, "build anew, whatever is in the cache")
	c.Flags().IntVarP(&f.jobs, "jobs", "j", runtime.NumCPU()+1, "compile jobs at one time")
	c.Flags().DurationVar(&f.limit, "build-timeout", 3*time.Hour, "time limit of one build")
}

// registerRecipe is for what goes into a source RPM, too.
func (f *buildFlags) registerRecipe(c *cobra.Command) {
	c.Flags().StringVar(&f.spec, "spec", specInject, "for a source RPM: inject the patch into its own spec, or replace that by ours")
	c.Flags().StringVar(&f.config, "config", "", "kernel configuration: a whole .config, or a fragment on top of allnoconfig (default: a small one for guests)")
	c.Flags().StringVar(&f.target, "target", "x86_64", "what to build for: x86_64 or i686")
	c.Flags().StringVar(&f.tag, "release-tag", srpm.DefaultTag, "what a foreign spec's Release is marked with")
	c.Flags().StringArrayVar(&f.defines, "define", nil, "a macro for rpmbuild, as 'NAME VALUE'")
	c.Flags().BoolVar(&f.compat, "compat", false, "also apply what the line's old sources need to build with this machine's compiler; for tests, not for production")
	c.Flags().BoolVar(&f.misplaced, "misplaced", false, "go on with a patch whose hook the gate check finds in the wrong place, to see in a guest what it does")
	c.RegisterFlagCompletionFunc("target", cobra.FixedCompletions([]string{"x86_64", "i686"}, cobra.ShellCompDirectiveNoFileComp))
	c.RegisterFlagCompletionFunc("spec", cobra.FixedCompletions([]string{specInject, specReplace}, cobra.ShellCompDirectiveNoFileComp))
}

// check refuses values that no build can take.
func (f *buildFlags) check() error {
	if f.spec != specInject && f.spec != specReplace {
		return usage(fmt.Errorf("--spec=%s: it is %s or %s", f.spec, specInject, specReplace))
	}
	for _, d := range f.defines {
		if name, _, ok := strings.Cut(d, " "); !ok || name == "" {
			return usage(fmt.Errorf("--define %q: it is a name, a space, and a value", d))
		}
	}
	_, err := karch(f.target)
	return err
}

// karch is the kernel's name for a target.
func karch(target string) (string, error) {
	switch target {
	case "x86_64":
		return "x86_64", nil
	case "i386", "i486", "i586", "i686":
		return "i386", nil
	}
	return "", usage(fmt.Errorf("no kernel for --target=%s: x86_64 and i686 there are", target))
}

// kernelBuild is one finished build. It is kept beside the packages as build.json.
type kernelBuild struct {
	Dir      string   `json:"-"`
	Patched  bool     `json:"patched"`
	Packages []string `json:"packages"` // file names in Dir
	Source   string   `json:"source"`
	Compiled int      `json:"compiled"`
	Warnings int      `json:"warnings"`
	Seconds  float64  `json:"seconds"`
}

// kernel finds the package with the kernel image, and its -devel package.
func (b *kernelBuild) kernel(ctx context.Context) (kernel, devel string, err error) {
	for _, name := range b.Packages {
		path := filepath.Join(b.Dir, name)
		pkg, err := rpmfile.Open(ctx, path)
		if err != nil {
			return "", "", err
		}
		pkg.Close()
		if strings.Contains(pkg.Name(), "debug") || !slices.ContainsFunc(pkg.Files, isImage) {
			continue
		}
		devel, err := findDevel(ctx, path)
		return path, devel, err
	}
	return "", "", fmt.Errorf("no package holds a kernel image: %s", strings.Join(b.Packages, ", "))
}

// isImage tells the kernel image among a package's files.
func isImage(e rpmfile.Entry) bool {
	return strings.HasPrefix(e.Name, "/boot/vmlinuz-") ||
		strings.HasPrefix(e.Name, "/lib/modules/") && strings.HasSuffix(e.Name, "/vmlinuz")
}

// log is where the build's full output is.
func (b *kernelBuild) log() string { return filepath.Join(b.Dir, "build.log") }

const buildManifest = "build.json"

// buildKernel gives the packages of a recipe, from the cache or from rpmbuild. Recipes
// that differ in nothing but the text of the patch share one directory of compiled objects.
func (a *app) buildKernel(ctx context.Context, u *ui, r *recipe, f buildFlags) (*kernelBuild, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, f.limit, fmt.Errorf("time limit of %v reached; see --build-timeout", f.limit))
	defer cancel()
	objects, packages, err := r.keys(ctx)
	if err != nil {
		return nil, err
	}
	store := cache.Cache{Dir: a.cacheDir}
	cached := func() (*kernelBuild, bool) {
		dir, ok := store.Get("packages", packages)
		if !ok {
			return nil, false
		}
		b, err := readBuild(dir)
		if err != nil {
			return nil, false
		}
		u.Say("kernel %s the patch: from the cache (%s)", r.label(), dir)
		return b, true
	}
	if b, ok := cached(); ok {
		return b, nil
	}
	work, release, err := store.Work(ctx, "objects", objects, func() {
		u.Say("another ovzpatch compiles the same kernel; waiting for it")
	})
	if err != nil {
		return nil, err
	}
	defer release()
	// The one waited for may have built just this.
	if b, ok := cached(); ok {
		return b, nil
	}
	if err := store.Remove("packages", packages); err != nil {
		return nil, err
	}
	b, err := a.build(ctx, u, r, work, f)
	if err != nil {
		return nil, err
	}
	dir, err := store.Put("packages", packages, func(dir string) error { return b.moveTo(dir) })
	if err != nil {
		return nil, err
	}
	b.Dir = dir
	u.Say("kernel %s the patch: built in %.0f s, %d files compiled, %d warnings (log: %s)", r.label(), b.Seconds, b.Compiled, b.Warnings, b.log())
	return b, os.RemoveAll(filepath.Join(work, "top"))
}

// forget removes what the cache has of both kernels, so that they are built anew.
func (a *app) forget(ctx context.Context, u *ui, s *sides) error {
	store := cache.Cache{Dir: a.cacheDir}
	for _, r := range []*recipe{s.with, s.without} {
		objects, packages, err := r.keys(ctx)
		if err != nil {
			return err
		}
		work, release, err := store.Work(ctx, "objects", objects, func() {
			u.Say("another ovzpatch compiles the same kernel; waiting for it")
		})
		if err != nil {
			return err
		}
		err = errors.Join(os.RemoveAll(work), store.Remove("packages", packages))
		release()
		if err != nil {
			return fmt.Errorf("forget cached build: %w", err)
		}
	}
	return nil
}

// build runs rpmbuild in a topdir below the work directory.
func (a *app) build(ctx context.Context, u *ui, r *recipe, work string, f buildFlags) (*kernelBuild, error) {
	top := filepath.Join(work, "top")
	// What a killed build left is of no use; its compiled objects are.
	if err := os.RemoveAll(top); err != nil {
		return nil, err
	}
	job := rpmbuild.Job{
		Spec: filepath.Join(top, "SPECS", r.SpecName), Topdir: top, BuildDir: filepath.Join(work, "BUILD"),
		Target: r.Target, Without: r.without, NoDeps: f.nodeps, Jobs: f.jobs,
		Epoch: r.Date.Unix(), Log: filepath.Join(top, "build.log"),
	}
	for _, d := range r.Defines {
		name, value, _ := strings.Cut(d, " ")
		job.Defines = append(job.Defines, rpmbuild.Define{Name: name, Value: value})
	}
	if r.FileDigest != 0 {
		n := strconv.Itoa(r.FileDigest)
		job.Defines = append(job.Defines, rpmbuild.Define{Name: "_binary_filedigest_algorithm", Value: n}, rpmbuild.Define{Name: "_source_filedigest_algorithm", Value: n})
	}
	if !job.NoDeps && noDatabase(ctx) {
		u.Say("this host has no RPM database, so BuildRequires are not checked (--nodeps)")
		job.NoDeps = true
	}
	// A whole build compiles as many files as the last whole one of this configuration.
	counts := filepath.Join(a.cacheDir, "compiled-"+r.configKey())
	_, err := os.Stat(job.BuildDir)
	whole := errors.Is(err, fs.ErrNotExist)
	if whole {
		job.Expected = readCount(counts)
		u.Say("building the kernel %s the patch from nothing", r.label())
	} else {
		u.Say("building the kernel %s the patch, going on from files compiled earlier", r.label())
	}
	if err := job.Dirs(); err != nil {
		return nil, err
	}
	if err := r.layOut(top); err != nil {
		return nil, err
	}
	res, err := rpmbuild.Run(ctx, job, func(p rpmbuild.Progress) { u.Live("%s", buildLine(p)) })
	u.Done()
	if err != nil {
		// The log is all that a failed build leaves.
		if kept := filepath.Join(work, "failed.log"); os.Rename(job.Log, kept) == nil {
			var be *rpmbuild.Error
			if errors.As(err, &be) {
				be.Log = kept
			}
		}
		return nil, errors.Join(err, os.RemoveAll(top))
	}
	if whole {
		// Only an estimate hangs on it.
		os.WriteFile(counts, []byte(strconv.Itoa(res.Compiled)), 0o644)
	}
	return &kernelBuild{Dir: top, Patched: r.patched, Source: res.Source, Packages: res.Packages,
		Compiled: res.Compiled, Warnings: res.Warnings, Seconds: res.Duration.Seconds()}, nil
}

// moveTo takes the packages and the log out of the topdir and notes what they are.
func (b *kernelBuild) moveTo(dir string) error {
	move := func(path string) (string, error) {
		name := filepath.Base(path)
		return name, os.Rename(path, filepath.Join(dir, name))
	}
	var err error
	for i, p := range b.Packages {
		if b.Packages[i], err = move(p); err != nil {
			return fmt.Errorf("keep package: %w", err)
		}
	}
	if b.Source, err = move(b.Source); err != nil {
		return fmt.Errorf("keep source package: %w", err)
	}
	if _, err := move(filepath.Join(b.Dir, "build.log")); err != nil {
		return fmt.Errorf("keep log: %w", err)
	}
	note, err := json.MarshalIndent(b, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, buildManifest), append(note, '\n'), 0o644)
}

func readBuild(dir string) (*kernelBuild, error) {
	data, err := os.ReadFile(filepath.Join(dir, buildManifest))
	if err != nil {
		return nil, err
	}
	b := &kernelBuild{Dir: dir}
	return b, json.Unmarshal(data, b)
}

// readCount is how many files a whole build compiled, 0 where none was seen.
func readCount(path string) int {
	data, _ := os.ReadFile(path)
	n, _ := strconv.Atoi(string(data))
	return n
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

// copyOut puts a build's packages and log where the user wants them.
func (b *kernelBuild) copyOut(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("write packages: %w", err)
	}
	for _, name := range append(slices.Clone(b.Packages), b.Source) {
		if err := copyFile(filepath.Join(b.Dir, name), filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("write packages: %w", err)
		}
	}
	return nil
}

// copyFile writes a copy that is there whole or not at all.
func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	tmp, err := os.CreateTemp(filepath.Dir(to), ".new-")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	defer tmp.Close()
	if _, err := io.Copy(tmp, in); err != nil {
		return err
	}
	if err := tmp.Chmod(0o644); err != nil {
		return err
	}
	if err := tmp.Sync(); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), to)
}

func newBuild(a *app) *cobra.Command {
	var (
		port  portFlags
		build buildFlags
		out   string
		plain bool
	)
	c := &cobra.Command{
		Use:   "build SOURCE",
		Short: "Build ready-to-install kernel RPMs with the patch",
		Long: `build checks that the patch fits SOURCE, and drives rpmbuild -ba in a private
directory. A tarball or an unpacked tree gets our own spec; a source RPM keeps its own,
into which the patch is put (--spec=inject), or gets ours (--spec=replace). The
packages are listed on standard output; with -o they are copied there, else they stay
in the cache.
` + exitLongText,
		Example: `  ovzpatch build linux-6.1.tar.xz --config my.config -o rpms
  ovzpatch build ovzkernel-2.6.18-92.1.18.el5.028stab060.2.src.rpm --target=i686 -o rpms`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			ctx, u := c.Context(), newUI(c.ErrOrStderr())
			if err := needTools(buildTools); err != nil {
				return err
			}
			_, s, done, err := a.prepare(ctx, u, args[0], port, build)
			if err != nil {
				return err
			}
			defer done()
			r := s.with
			if plain {
				r = s.without
			}
			b, err := a.buildKernel(ctx, u, r, build)
			if err != nil {
				return err
			}
			dir := b.Dir
			if out != "" {
				if err := b.copyOut(out); err != nil {
					return err
				}
				dir = out
			}
			for _, name := range append(slices.Clone(b.Packages), b.Source) {
				fmt.Fprintln(c.OutOrStdout(), filepath.Join(dir, name))
			}
			return nil
		},
	}
	port.register(c)
	build.register(c)
	c.Flags().StringVarP(&out, "output", "o", "", "copy the packages into this directory")
	c.Flags().BoolVar(&plain, "without-patch", false, "build the same kernel without the patch, to compare with")
	return c
}
