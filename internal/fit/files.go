// SPDX-License-Identifier: Apache-2.0

package fit

import (
	"context"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"ovzpatch/internal/patch"
	"ovzpatch/internal/source"
)

// read gets the files that the patch names, as far as they are not read already.
func (f *Fit) read(ctx context.Context, from *source.Source, p *patch.Patch) error {
	known := func() bool {
		return !slices.ContainsFunc(p.Files, func(of *patch.File) bool { return !f.knows(of.OldName) || !f.knows(of.NewName) })
	}
	if known() {
		return nil
	}
	if _, err := f.names(); err != nil {
		return err
	}
	if known() {
		return nil
	}
	files, err := from.ReadFiles(ctx, candidates(p))
	if err != nil {
		return err
	}
	maps.Copy(f.Files.Files, files.Files)
	return nil
}

// candidates are the names in a source that a patch may mean: its own, with any number of
// leading directories taken off.
func candidates(p *patch.Patch) []string {
	var names []string
	for _, f := range p.Files {
		for _, name := range []string{f.OldName, f.NewName} {
			for more := name != "/dev/null"; more; _, name, more = strings.Cut(name, "/") {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// knows tells whether a file that a patch names is read already.
func (f *Fit) knows(name string) bool {
	for more := true; more; _, name, more = strings.Cut(name, "/") {
		if _, ok := f.Files.Files[name]; ok {
			return true
		}
	}
	return name == "/dev/null"
}

// Touched are the files of the tree that the patch changes, or has changed; none where it
// does not fit.
func (f *Fit) Touched() []string {
	var names []string
	if f.Plan == nil {
		return nil
	}
	for _, c := range f.Plan.Changes {
		names = append(names, c.Name)
	}
	if f.Plan.Applied {
		for _, p := range f.Plan.Placements {
			names = append(names, p.File)
		}
	}
	return slices.Compact(names)
}

// file returns a file of the source, for the planner.
func (f *Fit) file(name string) (patch.Content, error) { return contents(f.Files.Files)(name) }

// contents returns files, for the planner.
func contents(files map[string]source.File) patch.Files {
	return func(name string) (patch.Content, error) {
		file, ok := files[name]
		if !ok {
			return patch.Content{}, fs.ErrNotExist
		}
		return patch.Content{Data: file.Data, Mode: file.Mode}, nil
	}
}
