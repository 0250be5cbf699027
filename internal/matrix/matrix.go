// SPDX-License-Identifier: Apache-2.0

// Package matrix does many kernels at once: a file says which sources are to be checked, built and
// booted for what, and each combination is a cell. A cell is one call of ovzpatch run, check or
// test. What became of it is one file, which is written last, whole, and under the digest of all that went
// in: so a cell that was done is never done again, and the verdict on a matrix is the number of
// those files against the number of its cells.
package matrix

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"ovzpatch/internal/datastore"
	"ovzpatch/internal/job"
	"ovzpatch/internal/rpmbuild"
)

// Commands is what the file's options are checked against: the program's own commands.
type Commands interface {
	// Has tells whether a command has a flag.
	Has(command, flag string) bool
	// Check refuses arguments and flags that a command would refuse, without running it. An error
	// about the value of a flag begins with that flag.
	Check(command string, args []string) error
}

// Options say how a matrix is made of its file.
type Options struct {
	Commands  Commands
	OpenStore func(dir string) (*datastore.Store, error)
	Program   string // the file of this program, which does the cells
	Home      string // where it lies, with the guest's programs beside it
	Work      string // directory for results; "" is beside the file
	Only      string // cells whose names match; "" for all
	Shard     Shard
	// Settings are flags that are set for all calls, where the file does not say otherwise.
	Settings map[string][]string
	Report   job.Reporter
}

// Shard is the part of a matrix that one of several workers does; the zero value is the whole.
type Shard struct{ K, N int }

// ParseShard reads k/n.
func ParseShard(s string) (Shard, error) {
	var h Shard
	var rest string
	if n, _ := fmt.Sscanf(s+" .", "%d/%d %s", &h.K, &h.N, &rest); n != 3 || rest != "." || h.K < 1 || h.K > h.N {
		return Shard{}, fmt.Errorf("%q: write k/n, as 1/3 for the first of three parts", s)
	}
	return h, nil
}

// of tells whether the i-th group of cells, from 0, is in this part.
func (h Shard) of(i int) bool { return h.N == 0 || i%h.N == h.K-1 }

// Matrix is a file with its cells.
type Matrix struct {
	File  *File
	Cells []*Cell
	Work  *Work

	program string
	files   []string // of the program
	digests *digests
	readers []*datastore.Reader
	stores  map[string]*datastore.Store

	toolchains map[rpmbuild.Root]map[string]string
}

// Close lets go of the snapshots.
func (m *Matrix) Close() {
	for _, r := range m.readers {
		r.Close()
	}
}

// Sources are the paths that the cells read.
func (m *Matrix) Sources() []string {
	var all []string
	for _, c := range m.Cells {
		all = append(all, c.Source)
	}
	return all
}

// Open reads a file, and finds all that can be wrong with it before the first cell is begun.
func Open(ctx context.Context, path string, o Options) (*Matrix, error) {
	f, err := Read(path)
	if err != nil {
		return nil, err
	}
	m := &Matrix{File: f, program: o.Program, Work: &Work{o.Work}, stores: map[string]*datastore.Store{}, toolchains: map[rpmbuild.Root]map[string]string{}}
	if o.Work == "" {
		m.Work.Dir = strings.TrimSuffix(f.Path, ".toml") + ".results"
	}
	if err = m.expand(ctx, o); err == nil {
		err = m.choose(o)
	}
	if err != nil {
		m.Close()
		return nil, err
	}
	m.digests = m.Work.digests()
	m.files = programFiles(o.Program, o.Home)
	return m, nil
}

// choose leaves the cells that are asked for.
func (m *Matrix) choose(o Options) error {
	var cells []*Cell
	for _, c := range m.Cells {
		if o.Only == "" || matches(o.Only, c.Name) {
			cells = append(cells, c)
		}
	}
	if len(cells) == 0 {
		return job.BadRequest(fmt.Errorf("--only=%s: no cell has such a name; ovzpatch matrix plan shows all", o.Only))
	}
	m.Cells = nil
	// Those of one source stay together: they work in one tree, or are the same work under two names.
	groups := map[string]int{}
	for _, c := range cells {
		group := c.tree()
		if _, ok := groups[group]; !ok {
			groups[group] = len(groups)
		}
		if o.Shard.of(groups[group]) {
			m.Cells = append(m.Cells, c)
		}
	}
	return nil
}

// matches tells whether a name fits a pattern: * is any text, ? any character.
func matches(pattern, name string) bool {
	expr := regexp.QuoteMeta(pattern)
	expr = strings.ReplaceAll(strings.ReplaceAll(expr, `\*`, ".*"), `\?`, ".")
	ok, err := regexp.MatchString("^(?s:"+expr+")$", name)
	return err == nil && ok
}
