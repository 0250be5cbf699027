// SPDX-License-Identifier: Apache-2.0

package matrix

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"ovzpatch/internal/build"
)

// sourceCells returns the cells of one table of sources.
func (m *Matrix) sourceCells(ctx context.Context, o Options, name string, s Source) ([]*Cell, error) {
	if s.Store != "" {
		return m.snapshotCells(ctx, o, name, s)
	}
	paths, err := m.paths(name, s)
	if err != nil {
		return nil, err
	}
	axes := m.File.Axes
	axis := func(own, all, standard []string) []string {
		if own != nil {
			return own
		}
		if all != nil {
			return all
		}
		return standard
	}
	var cells []*Cell
	for _, path := range paths {
		kernel := name
		if s.Glob != "" {
			kernel += ":" + filepath.Base(path)
		}
		for _, target := range axis(s.Targets, axes.Targets, []string{"x86_64"}) {
			for i, flavour := range axis(s.Flavours, axes.Flavours, []string{""}) {
				for _, variant := range axis(s.Variants, axes.Variants, []string{With, Without}) {
					c := &Cell{Kernel: kernel + "/" + target, Source: path, Target: target, Flavour: flavour, Variant: variant, table: name}
					if variant == Check {
						// A check is of a source, not of a flavour.
						if c.Flavour = ""; i > 0 {
							continue
						}
					}
					if c.Flavour != "" {
						c.Kernel += "/" + c.Flavour
					}
					c.Name = c.Kernel + "/" + variant
					cells = append(cells, c)
				}
			}
		}
	}
	if len(cells) == 0 {
		return nil, m.File.at(errors.New("an empty list of targets, flavours or variants leaves no cell"), "source", name)
	}
	return cells, nil
}

// paths returns the files and trees that a table names.
func (m *Matrix) paths(name string, s Source) ([]string, error) {
	if s.Path != "" {
		path := m.File.beside(s.Path)
		st, err := os.Stat(path)
		if err == nil {
			err = readable(path, st)
		}
		if err != nil {
			return nil, m.File.at(err, "source", name, "path")
		}
		return []string{path}, nil
	}
	paths, err := filepath.Glob(m.File.beside(s.Glob))
	if err != nil {
		err = fmt.Errorf("%q is no pattern: a [ wants its ], and a \\ something behind it", s.Glob)
	}
	if err == nil && len(paths) == 0 {
		err = fmt.Errorf("nothing matches %s", m.File.beside(s.Glob))
	}
	if err != nil {
		return nil, m.File.at(err, "source", name, "glob")
	}
	for _, path := range paths {
		st, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, m.File.at(fmt.Errorf("%s leads nowhere", path), "source", name, "glob")
		}
		if err == nil {
			err = readable(path, st)
		}
		if err != nil {
			return nil, m.File.at(err, "source", name, "glob")
		}
	}
	return paths, nil
}

// snapshotCells returns the cells of finished kernels. The snapshots are locked until the matrix is closed.
func (m *Matrix) snapshotCells(ctx context.Context, o Options, name string, s Source) ([]*Cell, error) {
	dir := m.File.beside(s.Store)
	fail := func(err error, key string) error { return m.File.at(err, "source", name, key) }
	store := m.stores[dir]
	if store == nil {
		var err error
		if store, err = o.OpenStore(dir); err != nil {
			return nil, fail(err, "store")
		}
		m.stores[dir] = store
	}
	refs, err := store.All()
	if err != nil {
		return nil, fail(err, "store")
	}
	var cells []*Cell
	for _, ref := range refs {
		if !matches(s.Snapshots, ref.String()) {
			continue
		}
		snap, err := store.OpenSnapshot(ctx, ref)
		if err != nil {
			return nil, fail(err, "snapshots")
		}
		m.readers = append(m.readers, snap)
		if err := snap.Whole(); err != nil {
			return nil, fail(err, "snapshots")
		}
		kernels, err := build.FromSnapshot(snap).Kernels(ctx)
		if err != nil {
			return nil, fail(fmt.Errorf("%s: %w", ref, err), "snapshots")
		}
		for _, k := range kernels {
			c := &Cell{Kernel: name + ":" + ref.String(), Source: k.Kernel, Variant: Kept, table: name, ref: &ref}
			for _, file := range snap.Manifest.Files {
				if file.Name == filepath.Base(k.Kernel) {
					c.sha256 = file.SHA256
				}
			}
			if len(kernels) > 1 {
				c.Flavour = strings.TrimSuffix(filepath.Base(k.Kernel), ".rpm")
				c.Kernel += "/" + c.Flavour
			}
			c.Name = c.Kernel + "/" + Kept
			c.Args = []string{"--expect=vulnerable"}
			if snap.Manifest.Port.Name != "" {
				c.Args = []string{"--expect=protected"}
			}
			if k.Devel != "" {
				c.Args = append(c.Args, "--devel="+k.Devel)
			}
			cells = append(cells, c)
		}
	}
	if len(cells) == 0 {
		return nil, fail(fmt.Errorf("no snapshot of %s matches %q", dir, s.Snapshots), "snapshots")
	}
	return cells, nil
}
