// SPDX-License-Identifier: Apache-2.0

// Package matrix tries many kernels in one call. A file names the sources and what to try of each;
// every combination is a cell, and a cell is one call of ovzpatch run, check or test. The result of a
// cell is one file. It is written last, whole, and under the digest of everything that went in, so no cell
// is done twice, and a matrix that was stopped goes on where it was.
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

// Commands are the program's own commands, which know what options there are.
type Commands interface {
	// Has reports whether a command has a flag.
	Has(command, flag string) bool
	// Check returns the error with which a command would refuse these arguments. It does not run the
	// command. An error about the value of a flag begins with that flag.
	Check(command string, args []string) error
}

// Options say how a file is read.
type Options struct {
	Commands  Commands
	OpenStore func(dir string) (*datastore.Store, error)
	Program   string // the file of this program, which does the cells
	Home      string // where it lies, with the guest's programs beside it
	Work      string // directory for results; "" is beside the file
	Only      string // cells whose names match; "" for all
	Shard     Shard
	// Settings are flags that are set for all calls; the file's options win over them.
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

// of reports whether the i-th group of cells, counted from 0, is in this part.
func (h Shard) of(i int) bool { return h.N == 0 || i%h.N == h.K-1 }

// Matrix is a file and its cells.
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

// Close unlocks the snapshots.
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

// Open reads a file and works out its cells. It reports all mistakes that can be found before a cell begins.
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

// choose drops the cells that --only or --shard leave out.
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
	// Cells of one source stay together: they share a tree, or are the same work under two names.
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

// matches reports whether a name matches a pattern: * is any text, ? any character.
func matches(pattern, name string) bool {
	expr := regexp.QuoteMeta(pattern)
	expr = strings.ReplaceAll(strings.ReplaceAll(expr, `\*`, ".*"), `\?`, ".")
	ok, err := regexp.MatchString("^(?s:"+expr+")$", name)
	return err == nil && ok
}
