// SPDX-License-Identifier: Apache-2.0

// Package licences finds out under which licences the modules are that a Go program
// links, by the text of their licence files.
package licences

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/google/licensecheck"
)

// Fit lists the licences that a program under Apache-2.0 may link. No others were weighed.
var Fit = []string{"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "MIT"}

// Program is what `go build` makes a program of.
type Program struct {
	Packages []string // import paths
	Tags     string
	Arch     string // GOARCH
}

// Module is one module that a program links.
type Module struct {
	Path    string
	Version string
	Files   []string // licence files of the packages linked, absolute paths
	Notices []string // their NOTICE files, which Apache-2.0 wants handed on
	// Licences are the SPDX identifiers of what the files say, sorted.
	Licences []string
}

type goPackage struct {
	Standard   bool
	ImportPath string
	Dir        string
	Root       string
	Module     *struct {
		Path, Version, Dir string
		Main               bool
	}
}

// Linked lists the modules that programs link, the standard library among them and the
// main module left out, sorted by path. dir is a directory of the main module. The
// modules must be in the module cache, as they are after a build.
func Linked(ctx context.Context, dir string, programs ...Program) ([]Module, error) {
	found := map[string]*Module{}
	for _, program := range programs {
		packages, err := list(ctx, dir, program)
		if err != nil {
			return nil, err
		}
		for _, p := range packages {
			if err := add(found, p); err != nil {
				return nil, err
			}
		}
	}
	var modules []Module
	for _, m := range found {
		slices.Sort(m.Files)
		slices.Sort(m.Notices)
		for _, file := range m.Files {
			text, err := os.ReadFile(file)
			if err != nil {
				return nil, fmt.Errorf("read licence of %s: %w", m.Path, err)
			}
			ids, err := Recognize(text)
			if err != nil {
				return nil, fmt.Errorf("recognize licence of %s: %s: %w", m.Path, file, err)
			}
			m.Licences = append(m.Licences, ids...)
		}
		if len(m.Files) == 0 {
			return nil, fmt.Errorf("find licence of %s %s: the module has no licence file: do not link it", m.Path, m.Version)
		}
		slices.Sort(m.Licences)
		m.Licences = slices.Compact(m.Licences)
		modules = append(modules, *m)
	}
	slices.SortFunc(modules, func(a, b Module) int { return strings.Compare(a.Path, b.Path) })
	return modules, nil
}

// list asks the go command, which alone knows what tags and architecture leave in.
func list(ctx context.Context, dir string, p Program) ([]goPackage, error) {
	args := append([]string{"list", "-deps", "-json=Standard,ImportPath,Dir,Root,Module", "-tags", p.Tags}, p.Packages...)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(cmd.Environ(), "GOOS=linux", "GOARCH="+p.Arch)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("list packages of %s: %w: %s", strings.Join(p.Packages, " "), err, stderr.String())
	}
	var packages []goPackage
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return packages, nil
		} else if err != nil {
			return nil, fmt.Errorf("read go list's answer: %w", err)
		}
		packages = append(packages, p)
	}
}

// add enters the module of p, with the licence files from p's directory up to the module's
// top: a package taken from elsewhere may lie below with a licence of its own.
func add(found map[string]*Module, p goPackage) error {
	path, version, top := "the Go standard library", "", p.Root
	if !p.Standard {
		if p.Module == nil {
			return fmt.Errorf("find licence of %s: it belongs to no module", p.ImportPath)
		}
		if p.Module.Main {
			return nil
		}
		path, version, top = p.Module.Path, p.Module.Version, p.Module.Dir
	}
	m := found[path]
	if m == nil {
		m = &Module{Path: path, Version: version}
		found[path] = m
	}
	dir := p.Dir
	if p.Standard {
		// One licence for all of it. The other one that lies there, crypto/internal/boring's, is for
		// BoringSSL's objects, which only GOEXPERIMENT=boringcrypto links.
		dir = top
	}
	for ; ; dir = filepath.Dir(dir) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return fmt.Errorf("find licence of %s: %w", p.ImportPath, err)
		}
		for _, e := range entries {
			file := filepath.Join(dir, e.Name())
			switch {
			case !e.Type().IsRegular() || slices.Contains(m.Files, file) || slices.Contains(m.Notices, file):
			case licenceFile.MatchString(e.Name()):
				m.Files = append(m.Files, file)
			case noticeFile.MatchString(e.Name()):
				m.Notices = append(m.Notices, file)
			}
		}
		if dir == top || !strings.HasPrefix(dir, top) {
			return nil
		}
	}
}

// licenceFile matches LICENSE, LICENSE.txt, LICENCE-MIT, COPYING.md and the like, and no source.
var licenceFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying)([-.][a-z0-9-]+)?(\.(txt|md))?$`)

var noticeFile = regexp.MustCompile(`(?i)^notice(\.(txt|md))?$`)

// enough is how much of a file the recognized texts must make up, in per cent of its words.
// The rest are copyright lines, headings, and words on which licence covers which files; a
// further licence's text would be more than that.
const enough = 75

// Recognize returns the SPDX identifiers of the licences whose text is in a licence file.
// A file that has much text besides is an error.
func Recognize(text []byte) ([]string, error) {
	coverage := licensecheck.Scan(text)
	var ids []string
	for _, match := range coverage.Match {
		ids = append(ids, match.ID)
	}
	if len(ids) == 0 || coverage.Percent < enough {
		return nil, fmt.Errorf("only %.0f%% of the text is that of a known licence (%s)", coverage.Percent, strings.Join(ids, ", "))
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}
