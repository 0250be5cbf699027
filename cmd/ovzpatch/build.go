// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ovzpatch/internal/cache"
	"ovzpatch/internal/command"
	"ovzpatch/internal/rpmbuild"
	"ovzpatch/patches"
	"ovzpatch/specs"
)

// buildFlags say how a kernel is built.
type buildFlags struct {
	config  string
	target  string
	compat  bool
	noCache bool
	jobs    int
	limit   time.Duration
}

func (f *buildFlags) register(c *cobra.Command) {
	c.Flags().StringVar(&f.config, "config", "", "kernel configuration: a whole .config, or a fragment on top of allnoconfig (default: a small one for guests)")
	c.Flags().StringVar(&f.target, "target", "x86_64", "what to build for: x86_64 or i686")
	c.Flags().BoolVar(&f.compat, "compat", false, "also apply what the line's old sources need to build with this machine's compiler; for tests, not for production")
	c.Flags().BoolVar(&f.noCache, "no-cache", false, "build anew, whatever is in the cache")
	c.Flags().IntVarP(&f.jobs, "jobs", "j", runtime.NumCPU()+1, "compile jobs at one time")
	c.Flags().DurationVar(&f.limit, "build-timeout", 3*time.Hour, "time limit of one build")
	c.RegisterFlagCompletionFunc("target", cobra.FixedCompletions([]string{"x86_64", "i686"}, cobra.ShellCompDirectiveNoFileComp))
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

// recipe is everything that one kernel's packages are made from: what a source RPM holds.
type recipe struct {
	spec    []byte
	sources map[string]any // file name to []byte, or string: a path
	port    string         // file name of the patch among them
	touched []string       // files of the tree that the patch touches
	target  string
	defines []rpmbuild.Define
}

// recipe puts together our own spec and its sources for a tarball.
func (in *input) recipe(f buildFlags, archive string) (*recipe, error) {
	arch, err := karch(f.target)
	if err != nil {
		return nil, err
	}
	configName, config, err := in.config(f, arch)
	if err != nil {
		return nil, err
	}
	r := &recipe{
		port:    in.name,
		touched: in.touched(),
		target:  f.target,
		sources: map[string]any{
			filepath.Base(archive): archive,
			configName:             config,
			in.name:                in.port,
		},
	}
	v := specs.Values{
		Base: in.kernel.Base(), Stable: in.kernel.Stable(), Release: "1",
		Archive: filepath.Base(archive), Top: in.files.Top, Port: in.name, Config: configName,
	}
	if own := in.kernel.Release(); own != "" {
		v.Release = own + ".1"
	}
	if f.compat {
		for _, p := range patches.Compat(in.line) {
			r.sources[p.Name] = p.Data
			v.Compat = append(v.Compat, p.Name)
		}
	}
	if r.spec, err = specs.Spec(v); err != nil {
		return nil, err
	}
	r.defines = payload(in)
	return r, nil
}

// config is the configuration the user gave, or the small one for the line.
func (in *input) config(f buildFlags, arch string) (string, []byte, error) {
	if f.config == "" {
		return specs.GuestConfig(in.line, arch)
	}
	data, err := os.ReadFile(f.config)
	if err != nil {
		return "", nil, fmt.Errorf("read configuration: %w", err)
	}
	return "kernel-" + arch + ".config", data, nil
}

// payload chooses what the packages are compressed with: what the rpm of the line's
// own distributions can read.
func payload(in *input) []rpmbuild.Define {
	how := "w3.zstdio"
	if !in.kernel.AtLeast(4, 18, 0) {
		how = "w6.gzdio"
	}
	// The source package holds a compressed tarball; compressing it again costs time only.
	return []rpmbuild.Define{{Name: "_binary_payload", Value: how}, {Name: "_source_payload", Value: "w.ufdio"}}
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

// file finds the package whose name starts so.
func (b *kernelBuild) file(prefix string) (string, error) {
	for _, p := range b.Packages {
		if rest, ok := strings.CutPrefix(p, prefix+"-"); ok && rest != "" && rest[0] >= '0' && rest[0] <= '9' {
			return filepath.Join(b.Dir, p), nil
		}
	}
	return "", fmt.Errorf("no package %s among %s", prefix, strings.Join(b.Packages, ", "))
}

// log is where the build's full output is.
func (b *kernelBuild) log() string { return filepath.Join(b.Dir, "build.log") }

const buildManifest = "build.json"

// buildKernel gives the packages of a recipe with or without its patch, from the cache
// or from rpmbuild. Both share one directory of compiled objects.
func (a *app) buildKernel(ctx context.Context, u *ui, r *recipe, f buildFlags, patched bool) (*kernelBuild, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, f.limit, fmt.Errorf("time limit of %v reached; see --build-timeout", f.limit))
	defer cancel()
	label := "with"
	if !patched {
		label = "without"
	}
	objects, packages, err := r.keys(ctx, patched)
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
		u.Say("kernel %s the patch: from the cache (%s)", label, dir)
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
	u.Say("building the kernel %s the patch", label)
	b, err := r.build(ctx, u, work, f, patched)
	if err != nil {
		return nil, err
	}
	dir, err := store.Put("packages", packages, func(dir string) error { return b.moveTo(dir) })
	if err != nil {
		return nil, err
	}
	b.Dir = dir
	u.Say("kernel %s the patch: built in %.0f s, %d files compiled, %d warnings (log: %s)", label, b.Seconds, b.Compiled, b.Warnings, b.log())
	return b, os.RemoveAll(filepath.Join(work, "top"))
}

// forget removes what the cache has of a recipe, so that it is built anew.
func (a *app) forget(ctx context.Context, u *ui, r *recipe) error {
	store := cache.Cache{Dir: a.cacheDir}
	for _, patched := range []bool{true, false} {
		objects, packages, err := r.keys(ctx, patched)
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

// keys are the digests of what the compiled objects depend on, and of what the
// packages do. The first leaves out the text of the patch, but not which files it
// touches: an object of a file that only another patch touched would be stale.
func (r *recipe) keys(ctx context.Context, patched bool) (objects, packages string, err error) {
	compiler, err := command.Output(ctx, command.Cmd{Args: []string{"gcc", "--version"}})
	if err != nil {
		return "", "", err
	}
	k := cache.NewKey("kernel").Add("compiler", string(compiler)).Add("target", r.target).
		Add("touched", strings.Join(r.touched, "\x00"))
	var names []string
	for name := range r.sources {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if name == r.port {
			continue
		}
		switch s := r.sources[name].(type) {
		case []byte:
			k.Add(name, string(s))
		case string:
			if err := k.AddFile(name, s); err != nil {
				return "", "", err
			}
		}
	}
	objects = k.String()
	k.Add("spec", string(r.spec)).Add("patched", strconv.FormatBool(patched))
	for _, d := range r.defines {
		k.Add("define "+d.Name, d.Value)
	}
	if patched {
		k.Add("port", string(r.sources[r.port].([]byte)))
	}
	return objects, k.String(), nil
}

// build runs rpmbuild in a topdir below the work directory.
func (r *recipe) build(ctx context.Context, u *ui, work string, f buildFlags, patched bool) (*kernelBuild, error) {
	top := filepath.Join(work, "top")
	// What a killed build left is of no use; its compiled objects are.
	if err := os.RemoveAll(top); err != nil {
		return nil, err
	}
	job := rpmbuild.Job{
		Spec: filepath.Join(top, "SPECS", specs.Name), Topdir: top, BuildDir: filepath.Join(work, "BUILD"),
		Target: r.target, Defines: r.defines, NoDeps: true, Jobs: f.jobs,
		Epoch: epoch, Log: filepath.Join(top, "build.log"), Expected: readCount(work),
	}
	if !patched {
		job.Without = []string{"ovzpatch"}
	}
	if err := job.Dirs(); err != nil {
		return nil, err
	}
	if err := r.write(top); err != nil {
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
	if res.Compiled > readCount(work) {
		os.WriteFile(filepath.Join(work, "compiled"), []byte(strconv.Itoa(res.Compiled)), 0o644)
	}
	b := &kernelBuild{Dir: top, Patched: patched, Source: res.Source, Packages: res.Packages,
		Compiled: res.Compiled, Warnings: res.Warnings, Seconds: res.Duration.Seconds()}
	return b, nil
}

// epoch is the one time in our packages: reproducible, and no claim about when.
const epoch = 1_700_000_000

// write lays the spec and its sources out as rpmbuild wants them.
func (r *recipe) write(top string) error {
	if err := os.WriteFile(filepath.Join(top, "SPECS", specs.Name), r.spec, 0o644); err != nil {
		return fmt.Errorf("write spec: %w", err)
	}
	for name, s := range r.sources {
		to := filepath.Join(top, "SOURCES", name)
		var err error
		switch s := s.(type) {
		case []byte:
			err = os.WriteFile(to, s, 0o644)
		case string:
			err = os.Symlink(s, to)
		}
		if err != nil {
			return fmt.Errorf("write source %s: %w", name, err)
		}
	}
	return nil
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

// readCount is how many files a whole build in this work directory compiles, as far as
// one was seen.
func readCount(work string) int {
	data, _ := os.ReadFile(filepath.Join(work, "compiled"))
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
		Long: `build checks that the patch fits SOURCE (a tarball or an unpacked tree), and drives
rpmbuild -ba in a private directory. The packages are listed on standard output; with
-o they are copied there, else they stay in the cache.
` + exitLongText,
		Example: `  ovzpatch build linux-6.1.tar.xz --config my.config -o rpms
  ovzpatch build ~/src/linux --target=i686 -o rpms`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			ctx, u := c.Context(), newUI(c.ErrOrStderr())
			if err := needTools(buildTools); err != nil {
				return err
			}
			_, r, done, err := a.prepare(ctx, u, args[0], port, build)
			if err != nil {
				return err
			}
			defer done()
			b, err := a.buildKernel(ctx, u, r, build, !plain)
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
