// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"ovzpatch/internal/gate"
	"ovzpatch/internal/job"
	"ovzpatch/internal/kernel"
	"ovzpatch/internal/patch"
	"ovzpatch/internal/scratch"
	"ovzpatch/internal/source"
	"ovzpatch/patches"
)

// placeFlags say how a patch is placed.
type placeFlags struct {
	strip int
	fuzz  int
}

func (f *placeFlags) register(c *cobra.Command) {
	c.Flags().IntVarP(&f.strip, "strip", "p", -1, "leading directories to take off the patch's names (default: found out)")
	c.Flags().IntVarP(&f.fuzz, "fuzz", "F", 0, "context lines at either end of a hunk that may differ; 0 is what rpmbuild allows, so that what fits here fits there")
	c.Flags().Lookup("strip").DefValue = "0" // which is not shown
}

func (f *placeFlags) options() (patch.Options, error) {
	if f.strip < -1 {
		return patch.Options{}, job.BadRequest(fmt.Errorf("--strip=%d: it counts directories, from 0 on", f.strip))
	}
	if f.fuzz < 0 {
		return patch.Options{}, job.BadRequest(fmt.Errorf("--fuzz is %d; it counts lines", f.fuzz))
	}
	return patch.Options{Strip: f.strip, Fuzz: f.fuzz}, nil
}

func newCheck(a *app) *cobra.Command {
	var (
		port    portFlags
		key     keyFlags
		place   placeFlags
		compile compileFlags
		asJSON  bool
	)
	c := &cobra.Command{
		Use:   "check SOURCE",
		Short: "Say whether the patch fits a source, hunk by hunk, and whether its hook is reached",
		Long: `check places the patch in SOURCE (a source RPM, a tarball or an unpacked tree)
without changing it, says where every hunk goes, and reads the patched
fs/namespace.c: what comes on the way from the umount system call, in order. Its
verdict on the hook is one of
  hook found and reached  the patched source does what the one without the patch
                          does, but in a container on Lustre what that does without
                          MNT_FORCE, and writes the message (exit code 0)
  unsure                  the text does not tell, and why (exit code 3);
                          --compile, and then a guest, tell more
  misplaced               it does not, with the lines that show it (exit code 3)
Where there is perl, the tree's own checkpatch.pl looks at the patch.

In a source RPM the patch goes upon the package's own patches, as in %prep. The spec is
read for that, not run; what only rpmbuild knows is told as unsure, and --define and
--target say it.
` + exitLongText,
		Example: `  ovzpatch check linux-6.1.tar.xz
  ovzpatch check kernel-2.6.32-042stab141.3.src.rpm --json
  ovzpatch check ~/src/linux --patch my.patch --compile`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			ctx, u := c.Context(), newUI(c.ErrOrStderr())
			opt, err := place.options()
			if err == nil {
				err = compile.build.check()
			}
			if err != nil {
				return err
			}
			if err := key.verifySource(ctx, u, args[0]); err != nil {
				return err
			}
			dir, remove, err := scratch.New("", "source")
			if err != nil {
				return fmt.Errorf("unpack source: %w", err)
			}
			defer remove()
			in, findings, err := checkSource(ctx, args[0], dir, port, compile.build, opt, checkpatchFiles...)
			if in == nil {
				return err
			}
			findings.Fits = err == nil
			if err == nil {
				findings.Checkpatch, err = in.checkpatch(ctx)
			}
			if err == nil && compile.wanted {
				if findings.Compiled, err = in.compile(ctx, u, a.cacheDir, compile); err != nil {
					findings.Compiled = notCompiled
				}
			}
			write := findings.text
			if asJSON {
				write = findings.json
			}
			return errors.Join(err, write(c.OutOrStdout()))
		},
	}
	port.register(c)
	key.register(c)
	place.register(c)
	compile.register(c)
	c.Flags().BoolVar(&asJSON, "json", false, "write what was found as JSON")
	return c
}

// findings are what check says on standard output.
type findings struct {
	Source     string            `json:"source"`
	Kind       source.Kind       `json:"kind"`
	Kernel     string            `json:"kernel"`
	Line       string            `json:"line"`
	Patch      string            `json:"patch"`
	Tried      []string          `json:"tried"` // what the port was tried on, and how far
	Strip      int               `json:"strip"`
	Applied    bool              `json:"applied"` // the patch is in already
	Placements []patch.Placement `json:"placements"`
	Problems   []string          `json:"problems"`
	Own        *ownFindings      `json:"own"`  // of a source RPM's own patches; null for other sources
	Gate       *gate.Gate        `json:"gate"` // null where the patch leaves fs/namespace.c alone
	Checkpatch []string          `json:"checkpatch"`
	Compiled   string            `json:"compiled"` // "" where not asked for
	Fits       bool              `json:"fits"`

	rejects []patch.Reject
}

// checkSource places the patch in a source, in a source RPM on top of the package's own
// patches. Once the source is known the findings are there, also with an error that says
// why the patch does not fit. Files named in also are read along. A source RPM is
// unpacked in dir, where it stays.
func checkSource(ctx context.Context, path, dir string, port portFlags, build buildFlags, opt patch.Options, also ...string) (*input, *findings, error) {
	src, err := source.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, job.BadRequest(err)
	}
	if err != nil {
		return nil, nil, err
	}
	in := &input{source: src, files: &source.Files{}, name: patches.Name}
	if port.file != "" {
		in.name = filepath.Base(port.file)
	}
	archive, release := src, ""
	switch src.Kind {
	case source.Tree:
		// Held so that nobody patches the tree meanwhile; what was interrupted is undone.
		tree, err := patch.OpenTree(src.Path)
		if err != nil {
			return nil, nil, err
		}
		defer tree.Close()
	case source.RPM:
		if in.pkg, err = src.Unpack(ctx, dir); err != nil {
			return nil, nil, err
		}
		archive, release = in.pkg.Tarball, in.pkg.RPM.Release()
		if build.spec == specInject {
			if in.own, err = readOwnPatches(in.pkg, in.name, build); err != nil {
				return nil, nil, err
			}
		}
	}
	// All in one pass: a compressed tarball is read from its start every time.
	want := append([]string{makefileName, gate.File}, also...)
	// Behind the headers, which the gate check looks into: so that they are all read.
	want = append(want, behindHeaders)
	if in.files, err = archive.ReadFiles(ctx, want, append(gate.HeaderPatterns, rhelverFile)...); err != nil {
		return nil, nil, err
	}
	headers := map[string][]byte{}
	for name, file := range in.files.Files {
		headers[name] = file.Data
	}
	in.declared = gate.NewNames(headers)
	if err := in.own.layMakefile(ctx, in.files); err != nil {
		return nil, nil, err
	}
	makefile, ok := in.files.Files[makefileName]
	if !ok && port.file == "" {
		return nil, nil, job.BadRequest(fmt.Errorf("%s: it has no Makefile at its top; name the top directory of a kernel, or give --patch FILE for other sources", path))
	}
	if err := in.identify(path, makefile.Data, in.files.Files[rhelverFile].Data, release, port); err != nil {
		return nil, nil, err
	}
	if err := in.takeHeld(); err != nil {
		return nil, nil, err
	}
	p, err := patch.Parse(in.name, in.port)
	if err != nil {
		return nil, nil, err
	}
	if err := in.read(ctx, archive, p); err != nil {
		return nil, nil, err
	}
	f := &findings{Source: path, Kind: src.Kind, Line: in.line, Patch: in.name, Tried: in.tried}
	if in.kernel != (kernel.Kernel{}) {
		f.Kernel = in.kernel.String()
	}
	if err := in.own.layFiles(ctx, in.files, candidates(p)); err != nil {
		return nil, nil, err
	}
	err = f.place(in, p, opt)
	if in.own != nil {
		f.Own = in.own.findings(in.touched(), func(files patch.Files) error {
			plan, err := patch.NewPlan(p, files, opt)
			if err == nil {
				_, err = readGate(p, plan, files, in.declared)
			}
			return err
		})
		err = errors.Join(f.Own.err(), err)
	}
	return in, f, err
}

// behindHeaders is a file that every kernel has, in whose tarball it comes behind include/.
const behindHeaders = "init/main.c"

// rhelverFile is what Red Hat's Makefile includes; few other kernels have it.
const rhelverFile = "Makefile.rhelver"

// identify finds the kernel and its patch, from its Makefiles and from the release of the
// source RPM that it came in. Sources that are no kernel's take the patch the user names.
func (in *input) identify(path string, makefile, rhelver []byte, release string, port portFlags) error {
	var err error
	if in.kernel, err = kernel.Identify(makefile, rhelver); err != nil && port.file == "" {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err == nil {
		in.kernel.InPackage(release)
	}
	return in.choosePort(port)
}

// place fills in where the hunks go and what the gate check says.
func (f *findings) place(in *input, p *patch.Patch, opt patch.Options) error {
	var err error
	in.plan, err = patch.NewPlan(p, in.file, opt)
	var no *patch.NotApplicable
	if errors.As(err, &no) {
		for _, problem := range no.Problems {
			f.Problems = append(f.Problems, problem.Error())
		}
		f.rejects = no.Rejects()
	}
	if err != nil {
		return err
	}
	f.Strip, f.Applied, f.Placements = in.plan.Strip, in.plan.Applied, in.plan.Placements
	f.Gate, err = readGate(p, in.plan, in.file, in.declared)
	return err
}

// readGate checks the gate's file as a plan leaves it; nil where the plan leaves it alone.
func readGate(p *patch.Patch, plan *patch.Plan, files patch.Files, names *gate.Names) (*gate.Gate, error) {
	content, err := files(gate.File)
	if err != nil {
		return nil, nil
	}
	after, changed := plan.After(gate.File)
	if !changed && plan.Applied {
		undone, err := patch.NewPlan(p, files, patch.Options{Strip: plan.Strip, Reverse: true})
		if err != nil {
			return nil, err
		}
		if before, had := undone.After(gate.File); had && before != nil {
			return gate.Check(before.Data, content.Data, names)
		}
		return nil, nil
	}
	if !changed || after == nil {
		return nil, nil
	}
	return gate.Check(content.Data, after.Data, names)
}

// file gives a file of the source to the planner.
func (in *input) file(name string) (patch.Content, error) {
	file, ok := in.files.Files[name]
	if !ok {
		return patch.Content{}, fs.ErrNotExist
	}
	return patch.Content{Data: file.Data, Mode: file.Mode}, nil
}

func (f *findings) json(w io.Writer) error {
	return printJSON(w, f)
}

func (f *findings) text(w io.Writer) error {
	var b strings.Builder
	row := func(what, format string, args ...any) {
		fmt.Fprintf(&b, "%-11s%s\n", what, fmt.Sprintf(format, args...))
	}
	row("source", "%s %s: %s", f.Kind, f.Source, describeKernel(f.Kernel, f.Line))
	if len(f.Problems) == 0 {
		row("patch", "%s, -p%d", f.Patch, f.Strip)
	} else {
		row("patch", "%s", f.Patch)
	}
	for _, t := range f.Tried {
		row("tried on", "%s", t)
	}
	if len(f.Tried) == 0 {
		row("tried on", "nothing: nobody has said so in its header")
	}
	if f.Own != nil {
		f.Own.rows(row)
	}
	for _, p := range f.Placements {
		row("place", "%s", placementLine(p))
	}
	for _, p := range f.Problems {
		row("problem", "%s", p)
	}
	for _, r := range f.rejects {
		for l := range strings.Lines(string(r.Data)) {
			if text, ok := strings.CutPrefix(l, "#   "); ok {
				row("", "%s", strings.TrimSuffix(text, "\n"))
			}
		}
	}
	if f.Applied {
		row("applied", "it is in already; there is nothing to do")
	}
	if f.Gate != nil {
		for _, s := range f.Gate.Steps {
			row("gate", "%s:%d %s(): %s: %s", gate.File, s.Line, s.Function, s.Kind, s.Text)
		}
		if f.Gate.Message != "" {
			row("message", "%q", f.Gate.Message)
		}
		for _, fault := range f.Gate.Faults {
			row("MISPLACED", "%s", fault)
		}
		for _, doubt := range f.Gate.Doubts {
			row("UNSURE", "%s", doubt)
		}
	}
	for _, l := range f.Checkpatch {
		row("checkpatch", "%s", l)
	}
	if f.Compiled != "" {
		row("compiled", "%s", f.Compiled)
	}
	switch {
	case f.Gate != nil && f.Gate.Verdict == gate.Misplaced:
		row("verdict", "FITS, BUT IS MISPLACED")
	case f.Gate != nil && f.Gate.Verdict == gate.Unsure:
		row("verdict", "FITS, BUT IT IS UNSURE WHETHER THE HOOK DOES WHAT IT IS FOR")
	case f.Own != nil && len(f.Own.Problems) > 0:
		row("verdict", "THE PACKAGE CANNOT BE BUILT WITH IT: see the problem")
	case !f.Fits:
		row("verdict", "DOES NOT FIT")
	case f.Compiled == notCompiled:
		row("verdict", "FITS, BUT DOES NOT COMPILE: see the error")
	case f.Applied && f.Gate != nil:
		row("verdict", "is in already; hook found and reached")
	case f.Gate == nil:
		row("verdict", "fits; the patch leaves %s alone, so that nothing is said of the gate", gate.File)
	case f.Own != nil && len(f.Own.Unsure) > 0:
		row("verdict", "fits; hook found and reached, but see what is unsure")
	default:
		row("verdict", "fits; hook found and reached")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func describeKernel(name, line string) string {
	switch {
	case name == "":
		return "no kernel"
	case line == "":
		return "kernel " + name + ", of no line"
	}
	return "kernel " + name + ", line " + line
}
