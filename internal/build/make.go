// SPDX-License-Identifier: Apache-2.0

package build

import (
	"context"
	"fmt"
	"io"
	"path/filepath"

	"ovzpatch/internal/datastore"
	"ovzpatch/internal/kernelrpm"
	"ovzpatch/internal/launcher"
	"ovzpatch/internal/recipe"
)

// Request says what is built of a source, and what becomes of it.
type Request struct {
	Recipe  recipe.Options
	Build   Options
	Plain   bool // build the kernel without the patch
	Place   bool // prove first where the patch lies
	Afresh  bool // whatever is in the cache
	Twice   bool // build from nothing, twice, and compare
	Out     string
	Store   *datastore.Store // gets a snapshot; nil for none
	Options []string         // the words that it was asked for with, for the snapshot
	// Built is told what is in the packages as soon as they are there.
	Built func([]*kernelrpm.Contents) error
}

// Made is a finished build, and where it is.
type Made struct {
	Snapshot  string                `json:"snapshot,omitempty"` // in the datastore
	Directory string                `json:"directory"`
	Packages  []*kernelrpm.Contents `json:"packages"` // the source package is the last
	Compiled  int                   `json:"compiled"` // files
	Warnings  int                   `json:"warnings"`
	Seconds   float64               `json:"seconds"`
	// Launcher is what the compiler launcher did, nil without one.
	Launcher *launcher.Report `json:"launcher,omitempty"`
}

// Make builds the packages of one kernel from a source, and its source package.
func Make(ctx context.Context, source string, q Request) (*Made, error) {
	s, err := recipe.Make(ctx, source, q.Recipe)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	if q.Afresh || q.Twice {
		if err := Forget(ctx, s, q.Build); err != nil {
			return nil, err
		}
	}
	r := s.With
	if q.Plain {
		r = s.Without
	} else if err := s.ProvePlace(ctx, q.Build.Report, q.Place); err != nil {
		return nil, err
	}
	res, packages, err := Build(ctx, r, q.Build)
	if err != nil {
		return nil, err
	}
	if err := q.Built(packages); err != nil {
		return nil, err
	}
	if q.Twice {
		if err := VerifyReproducible(ctx, r, res, q.Build); err != nil {
			return nil, err
		}
	}
	made := &Made{Directory: res.Dir, Packages: packages, Compiled: res.Compiled, Warnings: res.Warnings, Seconds: res.Seconds, Launcher: res.Launcher}
	if q.Out != "" {
		if err := res.CopyOut(q.Out); err != nil {
			return nil, err
		}
		made.Directory = q.Out
	}
	if q.Store != nil {
		ref, err := res.Keep(ctx, q.Store, s.Fit, r, q.Options)
		if err != nil {
			return nil, err
		}
		made.Snapshot = ref.String()
	}
	return made, nil
}

// Text writes where the packages are: the snapshot, or a line for each file.
func (m *Made) Text(w io.Writer) error {
	if m.Snapshot != "" {
		_, err := fmt.Fprintln(w, m.Snapshot)
		return err
	}
	for _, p := range m.Packages {
		if _, err := fmt.Fprintln(w, filepath.Join(m.Directory, p.File)); err != nil {
			return err
		}
	}
	return nil
}
