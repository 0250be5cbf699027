// SPDX-License-Identifier: GPL-2.0-only

// Package house holds the rules of the house to the code: which package may know which.
package house

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "ovzpatch"

// base packages are what domain packages stand on. The others below internal/ do not
// import each other: the commands hand plain values from one to the next.
var base = []string{"atomicfile", "cache", "command", "compress", "guest", "job", "kmsg", "rpmbuild", "rpmfile", "runlock", "scratch", "terminal"}

// guestPackages are all that the guest's program may be made of, besides x/sys and the
// standard library.
var guestPackages = []string{"guest", "umount", "container", "kmsg"}

type goPackage struct {
	ImportPath string
	Name       string
	Dir        string
	GoFiles    []string
	Imports    []string
	Deps       []string
}

func list(t *testing.T, patterns ...string) []goPackage {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", append([]string{"list", "-json"}, patterns...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []goPackage
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func TestDomainPackagesDoNotKnowEachOther(t *testing.T) {
	packages := list(t, "./internal/...")
	if len(packages) < 10 {
		t.Fatalf("only %d packages found", len(packages))
	}
	for _, p := range packages {
		name := strings.TrimPrefix(p.ImportPath, module+"/internal/")
		if p.Name == "main" {
			continue // a tool of the build, as a command it may join packages
		}
		for _, i := range p.Imports {
			other, ours := strings.CutPrefix(i, module+"/internal/")
			if ours && !slices.Contains(base, other) {
				t.Errorf("internal/%s imports internal/%s: only %s may be imported there", name, other, strings.Join(base, ", "))
			}
			if strings.HasPrefix(i, module+"/cmd") || strings.Contains(i, "spf13/cobra") {
				t.Errorf("internal/%s imports %s", name, i)
			}
		}
	}
}

func TestTheGuestProgramStaysSmall(t *testing.T) {
	for _, p := range list(t, "./cmd/umounttest") {
		for _, d := range p.Deps {
			name, ours := strings.CutPrefix(d, module+"/internal/")
			switch {
			case ours && !slices.Contains(guestPackages, name):
				t.Errorf("umounttest depends on internal/%s", name)
			case !ours && strings.Contains(strings.Split(d, "/")[0], ".") && !strings.HasPrefix(d, "golang.org/x/sys/"):
				t.Errorf("umounttest depends on %s", d)
			}
		}
	}
}

// Below cmd nobody prints, reads the environment or ends the program.
func TestOnlyCommandsTalkToTheProcess(t *testing.T) {
	forbidden := map[string][]string{
		"os":  {"Exit", "Getenv", "LookupEnv", "Stdout", "Stderr"},
		"fmt": {"Print", "Printf", "Println"},
	}
	for _, p := range list(t, "./internal/...") {
		for _, file := range p.GoFiles {
			path := filepath.Join(p.Dir, file)
			f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			if f.Name.Name == "main" {
				continue
			}
			ast.Inspect(f, func(n ast.Node) bool {
				if s, ok := n.(*ast.SelectorExpr); ok {
					if x, ok := s.X.(*ast.Ident); ok && slices.Contains(forbidden[x.Name], s.Sel.Name) {
						t.Errorf("%s uses %s.%s", path, x.Name, s.Sel.Name)
					}
				}
				return true
			})
		}
	}
}
