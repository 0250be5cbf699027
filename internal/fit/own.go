// SPDX-License-Identifier: Apache-2.0

package fit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ovzpatch/internal/gate"
	"ovzpatch/internal/job"
	"ovzpatch/internal/patch"
	"ovzpatch/internal/source"
	"ovzpatch/internal/spec"
)

// ownPatches are the patches of a source RPM's own, which its %prep applies before ours.
// A nil one stands for a source that has none.
type ownPatches struct {
	pkg      *source.Package
	spec     *spec.Spec
	prepared spec.Prepared
	texts    map[string]*patch.Text // by file: each is looked at more than once
	short    map[string]bool        // files that ApplyOptionalPatch leaves out
	makefile *layer                 // the top Makefile, which is needed before the others are known
	files    *layer                 // the files that our patch needs
	behind   *layer                 // the files that ours changes, with what comes behind it; nil for nothing
}

// layer is some files of a source with the package's patches on them.
type layer struct {
	stack    *patch.Stack
	changed  map[int][]string // by patch: the files it changed
	unknown  []string         // patches that depend on what only rpmbuild knows
	problems []string         // patches that do not go in
	other    *layer           // the same, decided the other way where something is unknown
	with     bool             // it is with the unknown patches
}

// readOwnPatches reads the spec of an unpacked source RPM.
func readOwnPatches(pkg *source.Package, name string, o Spec) (*ownPatches, error) {
	text, err := os.ReadFile(filepath.Join(pkg.Dir, pkg.Spec))
	if err != nil {
		return nil, fmt.Errorf("read spec: %w", err)
	}
	own := &ownPatches{pkg: pkg, spec: spec.Read(pkg.Spec, text), texts: map[string]*patch.Text{}, short: map[string]bool{}}
	options := spec.Options{Target: o.Target, With: o.With, Without: o.Without, Defines: o.Defines}
	options.Defines = append(own.spec.Dist(pkg.RPM.Release(), options), o.Defines...)
	own.prepared, err = own.spec.Before(name, pkg.Files, options)
	return own, err
}

// text returns a patch of the package.
func (o *ownPatches) text(file string) (*patch.Text, error) {
	if t, ok := o.texts[file]; ok {
		return t, nil
	}
	if !slices.Contains(o.pkg.Files, file) {
		return nil, errors.New("the package does not hold it")
	}
	data, err := os.ReadFile(filepath.Join(o.pkg.Dir, file))
	if err != nil {
		return nil, fmt.Errorf("read patch: %w", err)
	}
	t, err := patch.ReadText(file, data)
	if err == nil {
		o.texts[file], o.short[file] = t, bytes.Count(data, []byte("\n")) < 10
	}
	return t, err
}

// label names a patch as the spec does.
func label(c spec.Carried) string {
	switch {
	case c.File == "":
		return fmt.Sprintf("what line %d of the spec applies", c.Line)
	case c.Number < 0:
		return c.File
	}
	return fmt.Sprintf("Patch%d %s", c.Number, c.File)
}

// over puts patches of the package on some files; with those that depend on what only
// rpmbuild knows, or without. when is "before" ours or "behind" it.
func (o *ownPatches) over(ctx context.Context, base patch.Files, names []string, patches []spec.Carried, when string, with bool) (*layer, error) {
	l := &layer{stack: patch.NewStack(base, names), changed: map[int][]string{}, with: with}
	for i, c := range patches {
		if err := ctx.Err(); err != nil {
			return nil, context.Cause(ctx)
		}
		unknown := fmt.Sprintf("%s: %s is not known until rpmbuild runs", label(c), c.Unknown)
		if c.File == "" {
			l.unknown = append(l.unknown, unknown)
			continue
		}
		stack := l.stack
		if c.Unknown != "" && !with {
			stack = stack.Clone() // only to see whether it matters
		}
		text, err := o.text(c.File)
		if err == nil && c.Optional && o.short[c.File] {
			continue
		}
		var changed []string
		if err == nil {
			changed, err = stack.Apply(text, patch.Options{Strip: c.Strip, Fuzz: c.Fuzz, Reverse: c.Reverse})
		}
		switch {
		case err == nil && len(changed) == 0:
			continue
		case c.Unknown != "":
			l.unknown = append(l.unknown, unknown)
		}
		switch {
		case stack != l.stack:
		case err != nil:
			l.problems = append(l.problems, fmt.Sprintf("%s, applied %s ours in line %d of the spec: %s", label(c), when, c.Line, why(err)))
		default:
			l.changed[i] = changed
		}
	}
	return l, nil
}

// why returns the cause of an error of placing a patch that is named already, in one line.
func why(err error) string {
	var no *patch.NotApplicable
	if !errors.As(err, &no) {
		return err.Error()
	}
	var all []string
	for _, p := range no.Problems {
		all = append(all, p.Error())
	}
	return strings.Join(all, "; ")
}

// lay makes the named files what %prep makes of them. It does so without the patches that
// are not known to be applied, but for a case where the others go in only with them.
func (o *ownPatches) lay(ctx context.Context, files *source.Files, names []string) (*layer, error) {
	base := contents(maps.Clone(files.Files))
	l, err := o.over(ctx, base, names, o.prepared.Patches, "before", false)
	if err != nil {
		return nil, err
	}
	if len(l.unknown) > 0 {
		if l.other, err = o.over(ctx, base, names, o.prepared.Patches, "before", true); err != nil {
			return nil, err
		}
		if len(l.problems) > 0 && len(l.other.problems) == 0 {
			l.other.other, l, l.other = l, l.other, nil
		}
	}
	for _, name := range names {
		if c, err := l.stack.File(name); err == nil {
			files.Files[name] = source.File{Data: c.Data, Mode: c.Mode}
		} else {
			delete(files.Files, name)
		}
	}
	return l, nil
}

// makefiles tell which kernel a source is.
var makefiles = []string{MakefileName, RhelverFile}

// layMakefile makes the top Makefile, by which the kernel is told, what %prep makes of it.
func (o *ownPatches) layMakefile(ctx context.Context, files *source.Files) (err error) {
	if o != nil {
		o.makefile, err = o.lay(ctx, files, makefiles)
	}
	return err
}

// layFiles does the same for the files that our patch names, and for the gate's.
func (o *ownPatches) layFiles(ctx context.Context, files *source.Files, names []string) (err error) {
	if o == nil {
		return nil
	}
	names = slices.DeleteFunc(append(slices.Clone(names), gate.File), func(n string) bool { return slices.Contains(makefiles, n) })
	o.files, err = o.lay(ctx, files, names)
	return err
}

// follow puts those patches on the files that ours has changed which %prep applies behind it: what they need
// there may be gone.
func (o *ownPatches) follow(ctx context.Context, plan *patch.Plan, files patch.Files, names []string) (err error) {
	o.behind = nil
	if plan == nil || len(o.prepared.Behind) == 0 || len(o.files.problems) > 0 {
		return nil
	}
	patched := func(name string) (patch.Content, error) {
		switch after, changed := plan.After(name); {
		case !changed:
			return files(name)
		case after == nil:
			return patch.Content{}, fs.ErrNotExist
		default:
			return *after, nil
		}
	}
	o.behind, err = o.over(ctx, patched, names, o.prepared.Behind, "behind", false)
	return err
}

// OwnFindings are what is said of a source RPM's own patches.
type OwnFindings struct {
	Spec     string   `json:"spec"`
	Before   int      `json:"before"`   // patches that %prep applies before ours
	Behind   int      `json:"behind"`   // those that it applies behind ours
	Changing []string `json:"changing"` // those that change a file that ours changes, or the Makefile
	Unsure   []string `json:"unsure"`   // what was not known, and what was done about it
	Problems []string `json:"problems"` // why the package cannot be built with ours
	Held     string   `json:"held"`     // the package's patch of the name of ours; "" without
}

// findings says what was done. fits tells whether our patch goes into other files.
func (o *ownPatches) findings(names []string, fits func(patch.Files) error) *OwnFindings {
	f := &OwnFindings{Spec: o.pkg.Spec, Before: len(o.prepared.Patches)}
	if o.prepared.Held != nil {
		f.Held = label(*o.prepared.Held)
	}
	for i, c := range o.prepared.Patches {
		if changed := append(slices.Clone(o.makefile.changed[i]), o.files.changed[i]...); len(changed) > 0 {
			f.Changing = append(f.Changing, fmt.Sprintf("%s (%s)", label(c), strings.Join(changed, ", ")))
		}
	}
	for _, l := range []*layer{o.makefile, o.files} {
		with := map[bool]string{false: "without ", true: "with "}[l.with]
		for _, u := range l.unknown {
			if said := "checked " + with + u; !slices.Contains(f.Unsure, said) {
				f.Unsure = append(f.Unsure, said)
			}
		}
	}
	if o.files.other != nil {
		the := map[bool]string{false: "without those", true: "with those"}[o.files.other.with]
		if err := fits(o.files.other.stack.File); err == nil {
			f.Unsure = append(f.Unsure, the+" ours fits, too")
		} else {
			f.Unsure = append(f.Unsure, fmt.Sprintf("%s ours is not right: %s; --define 'NAME VALUE' decides it", the, why(err)))
		}
	}
	for _, p := range o.makefile.problems {
		f.Unsure = append(f.Unsure, "the kernel's version is read without "+p)
	}
	followed := true
	for _, c := range o.prepared.Commands {
		if c.Script {
			f.Unsure = append(f.Unsure, fmt.Sprintf("line %d of the spec runs a script, which may apply patches that are not counted: %s", c.Line, c.Text))
		}
		for _, name := range append([]string{gate.File}, names...) {
			if strings.Contains(name, "/") && strings.Contains(c.Text, name) {
				f.Unsure = append(f.Unsure, fmt.Sprintf("ovzpatch does not follow what line %d of the spec does to %s: %s", c.Line, name, c.Text))
				followed = false
				break
			}
		}
	}
	for _, p := range o.files.problems {
		if followed {
			f.Problems = append(f.Problems, p+"; rpmbuild would stop there, or %prep does more before it than its text shows")
		} else {
			f.Unsure = append(f.Unsure, "checked without "+p)
		}
	}
	f.noteBehind(o)
	if o.prepared.NoPlace != nil {
		f.Problems = append(f.Problems, o.prepared.NoPlace.Error())
	}
	return f
}

// noteBehind says what was seen of the patches behind ours.
func (f *OwnFindings) noteBehind(o *ownPatches) {
	f.Behind = len(o.prepared.Behind)
	if o.behind == nil {
		return
	}
	for i, c := range o.prepared.Behind {
		if changed := o.behind.changed[i]; len(changed) > 0 {
			f.Unsure = append(f.Unsure, fmt.Sprintf("%s changes %s behind ours, which is checked as it is before that", label(c), strings.Join(changed, ", ")))
		}
	}
	for _, u := range o.behind.unknown {
		f.Unsure = append(f.Unsure, "behind ours checked without "+u)
	}
	for _, p := range o.behind.problems {
		f.Problems = append(f.Problems, p+"; rpmbuild would stop there: have the spec apply it earlier, or rework it")
	}
}

// Err is that of a package which cannot be built with ours.
func (f *OwnFindings) Err() error {
	if len(f.Problems) == 0 {
		return nil
	}
	return job.Misfit(errors.New(strings.Join(f.Problems, "\n\t")))
}

// Rows returns them as text, line by line.
func (f *OwnFindings) Rows(row func(what, format string, args ...any)) {
	row("package", "%s applies patches of its own before ours: %d; of them change the same files or the Makefile: %d", f.Spec, f.Before, len(f.Changing))
	for _, c := range f.Changing {
		row("", "%s", c)
	}
	if f.Behind > 0 {
		row("", "patches that it applies behind ours: %d", f.Behind)
	}
	if f.Held != "" {
		row("carried", "the package already has this patch, as its own %s; that one was checked", f.Held)
	}
	for _, u := range f.Unsure {
		row("unsure", "%s", u)
	}
	for _, p := range f.Problems {
		row("problem", "%s", p)
	}
}
