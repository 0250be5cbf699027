// SPDX-License-Identifier: Apache-2.0

package matrix

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"ovzpatch/internal/datastore"
	"ovzpatch/internal/job"
)

// Cell is one thing to do.
type Cell struct {
	Name    string   `json:"name"`
	Kernel  string   `json:"kernel"` // its row in the table: the source, target and flavour
	Source  string   `json:"source"` // absolute path
	Target  string   `json:"target,omitempty"`
	Flavour string   `json:"flavour,omitempty"`
	Variant string   `json:"variant"`
	Expect  string   `json:"expect,omitempty"` // "" for exit code 0
	Args    []string `json:"args"`             // of ovzpatch
	Limits  Limits   `json:"limits"`
	// Key is the digest of everything that goes in; "" until Digest computes it.
	Key string `json:"key,omitempty"`

	options map[string]any
	table   string         // its source's name in the file
	real    string         // the source without links
	ref     *datastore.Ref // of a snapshot
	sha256  string         // of the source, if that is known without reading it
}

// commandOf returns the command of ovzpatch that does a variant.
func commandOf(variant string) string {
	switch variant {
	case Check:
		return "check"
	case Kept:
		return "test"
	}
	return "run"
}

// expand makes the cells.
func (m *Matrix) expand(ctx context.Context, o Options) error {
	f := m.File
	wrong := []error{m.checkOptions(o, f.Options, "options")}
	names := map[string]string{}
	for _, name := range f.order {
		s := f.Sources[name]
		options := m.checkOptions(o, s.Options, "source", name, "options")
		cells, err := m.sourceCells(ctx, o, name, s)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		// All sources are checked, so that one call reports the mistakes in each.
		if wrong = append(wrong, options, err); errors.Join(wrong...) != nil {
			continue
		}
		for _, c := range cells {
			if other, twice := names[c.Name]; twice {
				return f.at(fmt.Errorf("two cells have the name %s: the other is of %s", c.Name, other), "source", name)
			}
			names[c.Name] = "source." + name
			if c.real, err = filepath.EvalSymlinks(c.Source); err != nil {
				return f.at(err, "source", name)
			}
			if err := m.complete(o, c, s); err != nil {
				wrong = append(wrong, err)
				break
			}
			m.Cells = append(m.Cells, c)
		}
	}
	if err := errors.Join(wrong...); err != nil {
		return err
	}
	if err := m.exclude(); err != nil {
		return err
	}
	for _, c := range m.Cells {
		if c.Variant == Livepatch && c.Target != "x86_64" {
			return m.File.at(fmt.Errorf("%s: there are livepatches for x86_64 only; exclude = [%q] leaves it out", c.Name, c.Name), "source", c.table)
		}
	}
	return m.expect()
}

// beside resolves a path in the file, which is relative to the file's directory.
func (f *File) beside(path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(filepath.Dir(f.Path), path)
}

// complete works out the arguments and limits of a cell.
func (m *Matrix) complete(o Options, c *Cell, s Source) error {
	c.Limits = m.File.Limits.of(c.Variant)
	command := commandOf(c.Variant)
	args := append(c.Args, c.ownArgs()...)
	c.options = map[string]any{}
	for flag, values := range o.Settings {
		if !slices.Contains(reserved, flag) {
			c.options[flag] = values
		}
	}
	maps.Copy(c.options, m.File.Options)
	maps.Copy(c.options, s.Options)
	for _, flag := range slices.Sorted(maps.Keys(c.options)) {
		if !o.Commands.Has(command, flag) {
			delete(c.options, flag)
			continue
		}
		values, err := flagValues(c.options[flag])
		if err != nil {
			return job.BadRequest(fmt.Errorf("--%s: %w", flag, err))
		}
		args = append(args, flagArgs(flag, values)...)
	}
	// publish takes a verdict in a datastore as a proof; trial.Options.CheckWhole says the same to test --store.
	for _, some := range []string{"cases", "container"} {
		if c.Variant == Kept && c.options[some] != nil {
			return m.File.at(fmt.Errorf("cell %s: --%s is not possible: the verdict goes into the datastore, so it must come from all cases in all containers; set %s in the options of the other sources", c.Name, some, some), "source", c.table)
		}
	}
	c.Args = append(append([]string{command}, args...), "--", c.Source)
	if err := o.Commands.Check(command, c.Args[1:]); err != nil {
		return m.refuse(err, c)
	}
	return nil
}

// of returns the limits of a cell: the file's, or the standard ones.
func (l Limits) of(variant string) Limits {
	l.Time = cmp.Or(l.Time, standardTime)
	if variant == Check { // it compiles and boots nothing
		l.Memory, l.Disk = 0, 0
		return l
	}
	l.Memory, l.Disk = cmp.Or(l.Memory, standardMemory), cmp.Or(l.Disk, standardDisk)
	return l
}

// ownArgs are the flags that make the cell the one it is.
func (c *Cell) ownArgs() []string {
	var args []string
	switch c.Variant {
	case With, Without:
		args = append(args, "--only="+c.Variant)
	case Livepatch:
		args = append(args, "--only="+Without, "--livepatch")
	}
	if c.Target != "" {
		args = append(args, "--target="+c.Target)
	}
	if c.Flavour != "" && c.Variant != Kept {
		args = append(args, "--flavour="+c.Flavour)
	}
	return args
}

// exclude removes the cells that the file excludes.
func (m *Matrix) exclude() error {
	for _, pattern := range m.File.Exclude {
		before := len(m.Cells)
		m.Cells = slices.DeleteFunc(m.Cells, func(c *Cell) bool { return matches(pattern, c.Name) })
		if len(m.Cells) == before {
			return m.File.at(fmt.Errorf("%q names no cell", pattern), "exclude")
		}
	}
	if len(m.Cells) == 0 {
		return m.File.at(errors.New("it leaves no cell"), "exclude")
	}
	return nil
}

// expect notes what the file expects of each cell.
func (m *Matrix) expect() error {
	from := map[*Cell]string{}
	for _, pattern := range slices.Sorted(maps.Keys(m.File.Expect)) {
		found, want := false, m.File.Expect[pattern]
		for _, c := range m.Cells {
			if !matches(pattern, c.Name) {
				continue
			}
			found = true
			if other, twice := from[c]; twice && c.Expect != want {
				return m.File.at(fmt.Errorf("of %s %q expects %s already", c.Name, other, c.Expect), "expect", pattern)
			}
			if c.Variant == Livepatch && want != Misfit {
				return m.File.at(fmt.Errorf("%s boots one kernel in four states, each with an answer of its own, so it cannot be %s; of a livepatch only %s can be expected", c.Name, want, Misfit), "expect", pattern)
			}
			if c.Variant == Check && want != Misfit {
				return m.File.at(fmt.Errorf("%s boots no kernel, so it cannot be %s; of a check only %s can be expected", c.Name, want, Misfit), "expect", pattern)
			}
			c.Expect, from[c] = want, pattern
		}
		if !found {
			return m.File.at(errors.New("it names no cell; ovzpatch matrix plan shows all"), "expect", pattern)
		}
	}
	return nil
}

// tree identifies what a cell reads, whatever name it has, and the target.
func (c *Cell) tree() string { return c.real + "\x00" + c.Target }

// shares identifies the tree in which a cell compiles, "" if it compiles nothing. Cells of one source and
// target share a tree and compile again only what the patch changes.
func (c *Cell) shares() string {
	if c.Variant != Check && c.Variant != Kept {
		return c.tree()
	}
	return ""
}
