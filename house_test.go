// SPDX-License-Identifier: Apache-2.0

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

// layer is one floor of the house: imports go down only. A package may import everything of
// the layers before its own.
type layer struct {
	name     string
	siblings siblings // which packages of its own layer it may import
	packages []room
}

type siblings int

const (
	noSibling      siblings = iota // those of the same layer do not know each other
	earlierSibling                 // those that stand before it in the table: the order of the data
	anySibling
)

type room struct{ name, holds string }

// layers are the whole of internal/, from the lowest floor up. On top of them are the
// programs in cmd, which alone know flags, the terminal, the environment and exit codes.
var layers = []layer{
	{"base", anySibling, []room{ // knows no kernels
		{"atomicfile", "files that are there whole or not at all"},
		{"cache", "expensive results by content, and work directories"},
		{"command", "programs: a process group, a log, a typed error"},
		{"compress", "streams of any compression"},
		{"ctext", "the few words of C that patch and gate both know"},
		{"guest", "what the guest tells the host"},
		{"job", "how a job reports, the kinds of its errors, and their exit codes"},
		{"kmsg", "kernel log lines, told from what user space wrote"},
		{"plainfile", "files that a pipe may be in the place of"},
		{"preflight", "whether named files are there and outputs can be written, before the work"},
		{"rpmbuild", "drives rpmbuild, and says how far it is"},
		{"rpmfile", "RPM files: header, digests, signatures, payload"},
		{"runlock", "the lock files below /run"},
		{"scratch", "temporary directories"},
		{"settings", "values of flags that are set for all calls"},
		{"terminal", "text, tables and progress that cannot command a terminal"},
		{"testutil", "what the tests of several packages need"},
		{"tomlfile", "what is wrong in a TOML file, in which line"},
		{"version", "which release and commit this program is"},
		{"tool", "which programs there are, and the packages that bring them"},
	}},
	{"domain", noSibling, []room{ // one noun of the field each
		{"container", "makes and enters containers in the guest"},
		{"datastore", "snapshots of finished builds"},
		{"evidence", "why a published kernel is believed: a report, a statement, a page"},
		{"gate", "reads what a patched kernel does with a forced umount"},
		{"gooverlay", "Go programs for Linux 2.6.18"},
		{"initramfs", "the guest's root"},
		{"kernel", "which kernel a source or an image is"},
		{"keyring", "verifies who signed a package"},
		{"launcher", "ccache, distcc, icecc, sccache"},
		{"mutant", "wrong ports, by rule"},
		{"licences", "under which licences the linked modules are"},
		{"patch", "places and applies unified diffs"},
		{"qemu", "boots a virtual machine"},
		{"repoclient", "what yum, dnf and zypper do with a package"},
		{"report", "verdicts as a table, JSON, and what CI systems read"},
		{"rpmdiff", "where two packages begin to differ"},
		{"slurm", "runs arrays of tasks on a cluster"},
		{"source", "a tree, a tarball or a source RPM"},
		{"spec", "reads, follows and edits RPM specs, as text"},
		{"umount", "the cases, and how they are judged"},
	}},
	{"job", earlierSibling, []room{ // one step of the main job each, in the order of the data
		{"kernelrpm", "opens kernel packages"},
		{"derive", "writes the port for a kernel without one: gate reads the source for it, and judges"},
		{"fit", "does the patch fit a source, and is its hook reached"},
		{"srpm", "makes source RPMs, and proves where the patch in one lies"},
		{"recipe", "the spec with the patch in it, and its sources"},
		{"build", "packages by rpmbuild, or from the cache; keeps them"},
		{"adopt", "keeps what was built elsewhere"},
		{"extmod", "compiles a module of ours for a kernel that is built already"},
		{"probe", "compiles the module that stands in for Lustre"},
		{"livepatch", "the port as a module for a kernel that runs"},
		{"trial", "boots one kernel, and what is found there"},
		{"prove", "the main job: all of these, for both kernels"},
		{"matrix", "many of them at once, cell by cell"},
		{"publish", "signed repositories of what was proved"},
		{"doctor", "what a machine lacks for all that"},
	}},
}

// floor returns the layer of a package below internal/, and its place in there; -1 where
// the table lacks it.
func floor(name string) (at, place int) {
	for at, l := range layers {
		if place := slices.IndexFunc(l.packages, func(r room) bool { return r.name == name }); place >= 0 {
			return at, place
		}
	}
	return -1, 0
}

// mayImport tells whether the table lets one package of internal/ import another.
func mayImport(name, other string) bool {
	at, place := floor(name)
	below, before := floor(other)
	if at != below {
		return at > below
	}
	return layers[at].siblings == anySibling || layers[at].siblings == earlierSibling && before < place
}

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

func TestImportsGoDownOnly(t *testing.T) {
	packages := list(t, "./internal/...")
	there := map[string]bool{}
	for _, p := range packages {
		name := strings.TrimPrefix(p.ImportPath, module+"/internal/")
		if p.Name == "main" {
			continue // a tool of the build, as a command it may join packages
		}
		there[name] = true
		if at, _ := floor(name); at < 0 {
			t.Errorf("internal/%s is in no layer: add it to the table in house_test.go", name)
			continue
		}
		for _, i := range p.Imports {
			if other, ours := strings.CutPrefix(i, module+"/internal/"); ours && !mayImport(name, other) {
				t.Errorf("internal/%s imports internal/%s: the table in house_test.go does not let it", name, other)
			}
			if strings.HasPrefix(i, module+"/cmd") || strings.Contains(i, "spf13/cobra") {
				t.Errorf("internal/%s imports %s", name, i)
			}
		}
	}
	for _, l := range layers {
		for _, r := range l.packages {
			if !there[r.name] {
				t.Errorf("the table names internal/%s, which is not there", r.name)
			}
		}
	}
}

// The table itself: down and never up, no siblings in the domain, jobs in their order.
func TestTheTableForbids(t *testing.T) {
	for _, tt := range []struct {
		name, other string
		may         bool
	}{
		{"patch", "cache", true},
		{"cache", "patch", false},
		{"cache", "atomicfile", true},
		{"patch", "gate", false},
		{"fit", "patch", true},
		{"patch", "fit", false},
		{"recipe", "fit", true},
		{"fit", "recipe", false},
		{"prove", "trial", true},
		{"trial", "prove", false},
	} {
		if mayImport(tt.name, tt.other) != tt.may {
			t.Errorf("%s may import %s: %t", tt.name, tt.other, !tt.may)
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

// Below cmd nobody prints, reads the environment or the arguments, or ends the program; only
// internal/command hands the environment on, to the programs it runs. internal/testutil is a part of tests.
func TestOnlyCommandsTalkToTheProcess(t *testing.T) {
	environment := []string{"Args", "Environ", "ExpandEnv", "Getenv", "LookupEnv", "UserCacheDir", "UserConfigDir", "UserHomeDir"}
	forbidden := map[string][]string{
		"os":  append([]string{"Exit", "Stdin", "Stdout", "Stderr"}, environment...),
		"fmt": {"Print", "Printf", "Println"},
	}
	for _, p := range list(t, "./internal/...") {
		for _, file := range p.GoFiles {
			path := filepath.Join(p.Dir, file)
			f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			if f.Name.Name == "main" || f.Name.Name == "testutil" {
				continue
			}
			ast.Inspect(f, func(n ast.Node) bool {
				if s, ok := n.(*ast.SelectorExpr); ok {
					x, ok := s.X.(*ast.Ident)
					handsOn := p.ImportPath == module+"/internal/command" && s.Sel.Name == "Environ"
					if ok && slices.Contains(forbidden[x.Name], s.Sel.Name) && !handsOn {
						t.Errorf("%s uses %s.%s", path, x.Name, s.Sel.Name)
					}
				}
				return true
			})
		}
	}
}
