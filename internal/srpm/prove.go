// SPDX-License-Identifier: Apache-2.0

package srpm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"ovzpatch/internal/command"
	"ovzpatch/internal/rpmbuild"
)

// Proof is what shows that a package carries a patch, and is else what it was.
type Proof struct {
	Original  Inputs   // the package without the patch
	PatchFile string   // bare name of the patch, which applies with -p1
	Files     []string // that the patch changes, below the kernel's tree
	Tag       string   // that the release is marked with; "" for none
	// Apply returns what the patch makes of these files; one that is not in a map is not there.
	Apply         func(files map[string][]byte) (map[string][]byte, error)
	With, Without []string
	Root          rpmbuild.Root // where rpmbuild runs
	Dir           string        // where trees are unpacked to, and removed from; with Root.Chroot below that
}

// Proven is where the patch was found.
type Proven struct {
	Trees    []string      // the trees that hold the patch, below the build directory
	Compiled bool          // %build was seen to compile in these, and in no other kernel's
	Unseen   []string      // what of the build was not seen, and why; where not Compiled, at least one
	Unsteady []string      // files that %prep or %build make anew each time, and that are not compared
	Duration time.Duration // of it all
}

// NotProven tells that the package is not the original with the patch in the tree that is
// compiled.
type NotProven struct {
	Spec, Reason string
	Err          error // what rpmbuild said, where that is the reason
}

func (e *NotProven) Error() string {
	text := fmt.Sprintf("prove spec %s: %s; add the patch by hand, or use --spec=replace", e.Spec, e.Reason)
	if e.Err != nil {
		text += "\n" + e.Err.Error()
	}
	return text
}

// proof is one run of Prove.
type proof struct {
	Proof
	top     string // private
	made    Inputs
	anchors []anchor
	again   *repetition    // of the original, once it was run
	trees   []string       // that the patch changes, once they are known
	listed  *regexp.Regexp // PatchFile in a list
	own     string         // the package's own directory in BUILD; "" where that is BUILD itself
}

// work is the topdir of rpmbuild: the same for both packages, as files may name it.
func (p *proof) work() string { return filepath.Join(p.top, "work") }

// builds is where rpmbuild unpacks, and build is what the spec knows as its build directory.
func (p *proof) builds() string { return filepath.Join(p.work(), "BUILD") }
func (p *proof) build() string  { return filepath.Join(p.builds(), p.own) }

// ownBuild finds the directory that rpm since 4.20 makes in BUILD for each package. It is
// NAME-VERSION-build, as a tarball's may be called, too; only rpm's has this one in it.
func (p *proof) ownBuild() (string, error) {
	entries, err := os.ReadDir(p.builds())
	if err != nil {
		return "", err
	}
	for _, e := range entries {
		if !e.IsDir() || !strings.HasSuffix(e.Name(), "-build") {
			continue
		}
		if i, err := os.Lstat(filepath.Join(p.builds(), e.Name(), "SPECPARTS")); err == nil && i.IsDir() {
			return e.Name(), nil
		}
	}
	return "", nil
}

// Prove runs the %prep of the original and of in, which carries the patch, in a private
// directory, and compares what comes of them: nothing but the patch may differ. So it does
// with %conf and %build of both, with a make that compiles nothing and notes where it should.
// It runs what the package's author wrote, as any build does.
func (in Inputs) Prove(ctx context.Context, given Proof) (Proven, error) {
	begin := time.Now()
	fail := func(err error) (Proven, error) {
		if _, ok := errors.AsType[*NotProven](err); ok {
			return Proven{}, err
		}
		return Proven{}, fmt.Errorf("prove spec %s: %w", in.Spec.Name(), err)
	}
	p, err := in.newProof(given)
	if err != nil {
		return fail(err)
	}
	defer os.RemoveAll(p.top)
	before, err := p.prepared(ctx, p.Original)
	if err != nil {
		return fail(fmt.Errorf("%%prep of the original fails here: %w", err))
	}
	was, err := p.builtPatched(ctx, before)
	if err != nil {
		return fail(err)
	}
	after, err := p.prepared(ctx, in)
	var ce *command.Error
	switch {
	case errors.As(err, &ce) && ce.ExitCode > 0 && !strings.Contains(ce.Tail, "No space left"):
		return Proven{}, &NotProven{in.Spec.Name(), "%prep succeeds for the original, but fails with the patch", err}
	case err != nil:
		return fail(err)
	}
	found := Proven{}
	differ := p.differences(before, after)
	p.trees = differ.trees
	if found.Unsteady, err = p.leaveOutUnsteady(ctx, before, &differ); err != nil {
		return fail(err)
	}
	want, err := p.onlyThePatch(before, after, differ)
	if err != nil {
		return fail(err)
	}
	found.Trees = differ.trees
	is, err := p.built(ctx, in, after)
	if err != nil {
		return fail(err)
	}
	trees, err := p.compiled(is, want, &found)
	if err == nil {
		err = p.compiledInPlace(is.left, trees, p.filesOf(before, differ.trees[0]), &found)
	}
	if err == nil {
		err = p.sameBuild(ctx, before, after, was, is, &found)
	}
	if err != nil {
		return fail(err)
	}
	found.Duration = time.Since(begin)
	return found, nil
}

// leaveOutUnsteady takes those files out of the differences which another %prep of the original makes
// otherwise, too, and returns them.
func (p *proof) leaveOutUnsteady(ctx context.Context, before *outcome, d *differences) (unsteady []string, err error) {
	if len(d.other) == 0 {
		return nil, nil
	}
	again, err := p.repeated(ctx)
	if err != nil {
		return nil, err
	}
	unsteady = changed(before, again.prepared)
	d.other = slices.DeleteFunc(d.other, func(name string) bool { return slices.Contains(unsteady, name) })
	return unsteady, nil
}

// newProof makes the private directory of a proof.
func (in Inputs) newProof(given Proof) (*proof, error) {
	dir, err := filepath.Abs(given.Dir)
	if err == nil {
		dir, err = filepath.EvalSymlinks(dir)
	}
	if err != nil {
		return nil, err
	}
	p := &proof{Proof: given, made: in, listed: inLists(given.PatchFile), anchors: anchorsOf(in.Texts[given.PatchFile])}
	p.top, err = os.MkdirTemp(dir, "proof-")
	return p, err
}

// prepared runs %prep of a package and takes down what comes of it.
func (p *proof) prepared(ctx context.Context, in Inputs) (*outcome, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	if err := os.RemoveAll(p.work()); err != nil {
		return nil, err
	}
	if err := os.Mkdir(p.work(), 0o755); err != nil {
		return nil, err
	}
	if err := in.layOut(ctx, p.work()); err != nil {
		return nil, err
	}
	if err := p.rpmbuild(ctx, in, command.Cmd{Args: []string{"-bp"}}); err != nil {
		return nil, err
	}
	var err error
	if p.own, err = p.ownBuild(); err != nil {
		return nil, err
	}
	return p.read(ctx, nil)
}

// rpmbuild runs a stage of a package that was laid out.
func (p *proof) rpmbuild(ctx context.Context, in Inputs, c command.Cmd, defines ...string) error {
	top := p.Root.Inside(p.work())
	args := slices.Concat([]string{"rpmbuild"}, c.Args, []string{"--nodeps"})
	for _, d := range rpmbuild.Historic {
		defines = append(defines, d.Name+" "+d.Value)
	}
	for _, d := range slices.Concat(privateMacros(top), defines, in.Defines) {
		args = append(args, "--define", d)
	}
	if in.Target != "" {
		args = append(args, "--target", in.Target)
	}
	for _, w := range p.With {
		args = append(args, "--with", w)
	}
	for _, w := range p.Without {
		args = append(args, "--without", w)
	}
	c.Args = p.Root.Args(append(args, filepath.Join(top, "SPECS", in.Spec.Name()))...)
	c.Dir, c.Clean, c.Line = p.work(), true, in.Line
	c.Env = slices.Concat(p.Root.Env(), environment(top, in.Date), c.Env)
	return command.Run(ctx, c)
}

// repetition is what the original's %prep and %build do when they run once more.
type repetition struct {
	prepared *outcome
	built    *built
}

// repeated runs the original once more: what it does otherwise then depends on no patch.
func (p *proof) repeated(ctx context.Context) (*repetition, error) {
	if p.again != nil {
		return p.again, nil
	}
	aside := filepath.Join(p.top, "aside")
	if err := os.Rename(p.work(), aside); err != nil {
		return nil, err
	}
	prepared, err := p.prepared(ctx, p.Original)
	if err != nil {
		return nil, err
	}
	built, err := p.builtPatched(ctx, prepared)
	if err != nil {
		return nil, err
	}
	if err := os.RemoveAll(p.work()); err != nil {
		return nil, err
	}
	p.again = &repetition{prepared, built}
	return p.again, os.Rename(aside, p.work())
}
