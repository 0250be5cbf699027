// SPDX-License-Identifier: Apache-2.0

package srpm

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ovzpatch/internal/command"
	"ovzpatch/internal/rpmfile"
	"ovzpatch/internal/scratch"
	"ovzpatch/internal/spec"
)

// identity is what a package calls itself. A package that is made from another one keeps
// it, but for the tag in its release.
type identity struct{ name, epoch, version, release string }

func (id identity) String() string {
	s := id.name + "-"
	if id.epoch != "" {
		s += id.epoch + ":"
	}
	return s + id.version + "-" + id.release
}

func identityOf(f *rpmfile.File) *identity {
	id := &identity{name: f.Name(), version: f.Version(), release: f.Release()}
	if epoch, ok := f.Header.Int(rpmfile.TagEpoch); ok {
		id.epoch = fmt.Sprint(epoch)
	}
	return id
}

// asked is what rpm makes of a spec here.
type asked struct {
	identity
	sources []string // and patches, by their bare names
}

// rowMark begins the rows of our query: what the spec prints besides does not count.
const rowMark = "ovzpatch-row "

// rpmspec lets rpm read the spec as rpmbuild will, with more macros defined.
func (in *Inputs) rpmspec(ctx context.Context, defines []string, args ...string) ([]byte, error) {
	top, remove, err := scratch.New("", "spec")
	if err != nil {
		return nil, err
	}
	defer remove()
	// A spec may read its sources; none of the large ones is copied for that.
	small := *in
	small.Files = nil
	small.Defines = append(slices.Clone(in.Defines), defines...)
	if err := small.layOut(ctx, top); err != nil {
		return nil, err
	}
	for name, from := range in.Files {
		if from, err = filepath.Abs(from); err != nil {
			return nil, err
		}
		if err := os.Symlink(from, filepath.Join(top, "SOURCES", name)); err != nil {
			return nil, err
		}
	}
	args = slices.Concat([]string{"rpmspec"}, args, small.options())
	return command.Output(ctx, command.Cmd{Args: args, Dir: top, Env: environment(top, in.Date), Clean: true})
}

// ask returns what the spec calls the package.
func (in *Inputs) ask(ctx context.Context, defines ...string) (asked, error) {
	row := func(tag string) string { return rowMark + tag + `\n` }
	out, err := in.rpmspec(ctx, defines, "-q", "--srpm", "--qf", row("%{NAME}")+row("%{EPOCH}")+row("%{VERSION}")+row("%{RELEASE}")+
		"["+row("%{SOURCE}")+"]["+row("%{PATCH}")+"]")
	if err != nil {
		return asked{}, err
	}
	var rows []string
	for line := range strings.Lines(string(out)) {
		if text, ok := strings.CutPrefix(line, rowMark); ok {
			rows = append(rows, strings.TrimSuffix(text, "\n"))
		}
	}
	if len(rows) < 4 {
		return asked{}, fmt.Errorf("rpmspec says %q of it", out)
	}
	a := asked{identity: identity{rows[0], rows[1], rows[2], rows[3]}}
	if a.epoch == "(none)" {
		a.epoch = ""
	}
	for _, r := range rows[4:] {
		if r != "(none)" {
			a.sources = append(a.sources, filepath.Base(r))
		}
	}
	return a, nil
}

// lacks returns the first source that the package does not hold, "" where it has all.
func (in *Inputs) lacks(sources []string) string {
	for _, name := range sources {
		if _, ok := in.Files[name]; !ok {
			if _, ok := in.Texts[name]; !ok {
				return name
			}
		}
	}
	return ""
}

// Settle finds the dist that a package which comes from a source RPM was made with, and
// makes sure that rpm reads the spec here as it did there: what is made of it has the
// original's name. Defines are the user's, who may know better. It runs the spec's macros.
// Where the dist cannot be told, or the name is another, the error is a *spec.Error.
func (in Inputs) Settle(ctx context.Context, defines []string) (Inputs, error) {
	found := in.Defines
	in.Defines = slices.Concat(found, defines)
	here, err := in.ask(ctx)
	if err != nil {
		return in, fmt.Errorf("read spec %s: %w", in.Spec.Name(), err)
	}
	given := slices.ContainsFunc(defines, func(d string) bool { return strings.HasPrefix(d, "dist ") })
	if same := here.identity == *in.origin; same && in.lacks(here.sources) == "" || given {
		return in, in.same(here.identity)
	}
	marked, err := in.ask(ctx, spec.DefineDist(spec.DistMark))
	if err != nil {
		return in, fmt.Errorf("read spec %s: %w", in.Spec.Name(), err)
	}
	dists := in.dists(marked)
	for _, dist := range dists {
		trial := in
		trial.Defines = append([]string{spec.DefineDist(dist)}, defines...)
		if got, err := trial.ask(ctx); err == nil && got.identity == *in.origin && in.lacks(got.sources) == "" {
			return trial, nil
		}
	}
	if lacks := in.lacks(here.sources); lacks != "" && in.lacks(marked.sources) != lacks {
		return in, in.fail(fmt.Sprintf("its dist is unknown; with a wrong one it wants %s, which the source RPM does not hold", lacks), adviceDist)
	}
	return in, in.same(here.identity)
}

// dists are the dists that would make the original's release, or the names of its sources,
// of those with the mark.
func (in *Inputs) dists(marked asked) []string {
	if dist, ok := spec.SolveDist(marked.release, in.origin.release); ok {
		return []string{dist}
	}
	if strings.Contains(marked.release, spec.DistMark) {
		return nil
	}
	var list []string
	for _, source := range marked.sources {
		for _, names := range []map[string]bool{keys(in.Files), keys(in.Texts)} {
			for name := range names {
				if dist, ok := spec.SolveDist(source, name); ok && !slices.Contains(list, dist) {
					list = append(list, dist)
				}
			}
		}
	}
	slices.Sort(list)
	return list
}

func keys[V any](m map[string]V) map[string]bool {
	set := map[string]bool{}
	for k := range m {
		set[k] = true
	}
	return set
}

const adviceDist = "use --define 'dist ...' as for the original package, and its other definitions too"

func (in *Inputs) fail(reason, advice string) error {
	return &spec.Error{Spec: in.Spec.Name(), Reason: reason, Advice: advice}
}

// same compares what rpm makes with what it must make.
func (in *Inputs) same(id identity) error {
	if in.origin == nil || id == *in.origin {
		return nil
	}
	return in.fail(fmt.Sprintf("rpm makes %s of it here, but %s is expected", id, *in.origin), adviceDist)
}

// Carry is With for a package that is to be built: rpm itself is asked what the places for
// the tag come to, and the first is taken that puts it into the release, once, leaves the
// rest of that as it is, and sorts above the original. It runs the spec's macros.
func (in Inputs) Carry(ctx context.Context, c Change) (Inputs, spec.Edited, error) {
	if in.origin == nil || c.Tag == "" {
		return in.With(c)
	}
	var last error
	for _, c.place = range spec.Places {
		with, edited, err := in.With(c)
		if err == nil {
			if err = with.mark(ctx, in, c.Tag); err == nil {
				return with, edited, nil
			}
		}
		if ctx.Err() != nil {
			return Inputs{}, spec.Edited{}, context.Cause(ctx)
		}
		last = err
	}
	return Inputs{}, spec.Edited{}, last
}

// readBack compares a package that was made with what it must be.
func (in *Inputs) readBack(ctx context.Context, path string) error {
	f, err := rpmfile.Open(ctx, path)
	if err != nil {
		return err
	}
	defer f.Close()
	return in.same(*identityOf(f))
}
