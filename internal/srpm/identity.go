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

// mark makes what the spec comes to the package's identity, where that is the original's
// with the tag.
func (in *Inputs) mark(ctx context.Context, original Inputs, tag string) error {
	origin := *original.origin
	got, err := in.ask(ctx)
	var ce *command.Error
	if errors.As(err, &ce) && ce.ExitCode > 0 {
		// It was read without the tag.
		first, _, _ := strings.Cut(strings.TrimSpace(ce.Tail), "\n")
		return in.fail(fmt.Sprintf("with the tag %s rpm cannot read it: %s", tag, first), spec.AdviceNoMark)
	}
	if err != nil {
		return fmt.Errorf("read spec %s: %w", in.Spec.Name(), err)
	}
	want := origin
	want.release = got.release
	if got.identity != want || !marks(origin.release, got.release, tag) {
		return in.fail(fmt.Sprintf("with the tag %s rpm makes %s of it; expected is %s with the tag once in its release", tag, got.identity, origin),
			"give another --release-tag, as .lustre1")
	}
	newer, err := isNewer(ctx, got.release, origin.release)
	if err != nil {
		return err
	}
	if !newer {
		return in.fail(fmt.Sprintf("to rpm the release %s is not newer than %s, the original's", got.release, origin.release), "give another --release-tag, as .lustre1")
	}
	if err := in.follows(ctx, original, got); err != nil {
		return err
	}
	in.origin = &got.identity
	return nil
}

// marks tells whether a release is the original with the tag in it, once, as a word of its own.
func marks(original, release, tag string) bool {
	if words(release, tag) != 1 || len(release) != len(original)+len(tag) {
		return false
	}
	for at := range release {
		if isWord(release, at, tag) && release[:at]+release[at+len(tag):] == original {
			return true
		}
	}
	return false
}

func words(release, tag string) (n int) {
	for at := range release {
		if isWord(release, at, tag) {
			n++
		}
	}
	return n
}

var (
	wordEnd = regexp.MustCompile(`^($|[^A-Za-z0-9])`)
	// endsInDigit is for a tag that would become a part of the number before it.
	endsInDigit = regexp.MustCompile(`[0-9][0-9]$`)
)

func isWord(release string, at int, tag string) bool {
	rest, ok := strings.CutPrefix(release[at:], tag)
	return ok && wordEnd.MatchString(rest) && !endsInDigit.MatchString(release[:at]+tag[:1])
}

// isNewer asks rpm how two releases sort.
func isNewer(ctx context.Context, a, b string) (bool, error) {
	if spec.CheckTag(a) != nil || spec.CheckTag(b) != nil {
		return false, errors.New("compare releases: " + a + " or " + b + " has a character that no release may have")
	}
	out, err := command.Output(ctx, command.Cmd{Args: []string{"rpm", "--eval", fmt.Sprintf(`%%{lua:print(rpm.vercmp("%s", "%s"))}`, a, b)}})
	if err != nil {
		return false, fmt.Errorf("compare releases: %w", err)
	}
	return strings.TrimSpace(string(out)) == "1", nil
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
