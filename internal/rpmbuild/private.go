// SPDX-License-Identifier: Apache-2.0

package rpmbuild

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"ovzpatch/internal/command"
)

// repeatable makes packages that do not tell when and where they were built.
var repeatable = []Define{
	{"_buildhost", "ovzpatch"},
	{"use_source_date_epoch_as_buildtime", "1"},
	{"clamp_mtime_to_source_date_epoch", "1"},
	// rpm since 6 would write format 6, which no rpm of RHEL 5 to 9 takes.
	{"_rpmformat", "4"},
}

// Macros keep one run of rpmbuild within its topdir, and its result the same every time.
func Macros(top string) []Define {
	macros := []Define{
		{"_topdir", top},
		{"_tmppath", filepath.Join(top, "tmp")},
		// Kernel specs use pushd and [[, which Debian's /bin/sh does not know.
		{"_buildshell", "/bin/bash"},
	}
	// Each by name, as a system's macro files may set them on their own.
	for _, dir := range []Define{
		{"_specdir", "SPECS"},
		{"_sourcedir", "SOURCES"},
		{"_srcrpmdir", "SRPMS"},
		{"_builddir", "BUILD"},
		{"_rpmdir", "RPMS"},
		{"_buildrootdir", "BUILDROOT"},
	} {
		macros = append(macros, Define{dir.Name, filepath.Join(top, dir.Value)})
	}
	return append(macros, repeatable...)
}

// Historic are macros that the rpm of RHEL 5 set itself, and that its kernels call their
// files and directories after.
var Historic = []Define{{"PACKAGE_VERSION", "%{version}"}, {"PACKAGE_RELEASE", "%{release}"}}

// Environment is what every run of rpm's programs gets, besides what command.Cmd.Clean
// hands on. rpm reads the macros and settings of a user in his home directory, whatever
// ~/.rpmmacros, ~/.config/rpm and ~/.rpmrc say: the home directory here is one of nobody.
// dirs are those that hold trees.
func Environment(home string, dirs ...string) []string {
	return []string{"HOME=" + home, "LC_ALL=C", "GIT_CEILING_DIRECTORIES=" + ceilings(append(dirs, home))}
}

// ceilings are where git stops to look for a repository above a tree. One above the topdir
// is not the package's: there, `git apply` passes over files of the tree without a word.
// git looks at a ceiling's own parent where it begins in the ceiling, so that is one, too.
func ceilings(dirs []string) string {
	var list []string
	for _, dir := range dirs {
		for _, d := range []string{dir, filepath.Dir(dir)} {
			if !slices.Contains(list, d) {
				list = append(list, d)
			}
		}
	}
	return strings.Join(list, ":")
}

// queryLimit is for a list of all packages of a system, too.
const queryLimit = 2 * time.Minute

// nobodysHome is for programs that only answer: nothing can be in it.
const nobodysHome = "/dev/null"

// Query returns what one of rpm's programs answers in Root, from the system's settings.
func (r Root) Query(ctx context.Context, args ...string) ([]byte, error) {
	return command.Output(ctx, command.Cmd{
		Args: r.Args(args...), Env: append(r.Env(), Environment(nobodysHome)...), Clean: true, Limit: queryLimit,
	})
}

// Settings are all settings and macros of the system in Root, which go into what is built there.
func (r Root) Settings(ctx context.Context) (string, error) {
	out, err := r.Query(ctx, "rpmbuild", "--showrc")
	if err != nil {
		return "", fmt.Errorf("ask rpmbuild for its settings: %w", err)
	}
	return string(out), nil
}

// EmptiesBuildDir tells whether rpm makes a directory for each build, and empties it before %prep,
// as it does since 4.20. One that cannot be asked is taken for an older one: it will say more
// when it is to build.
func (r Root) EmptiesBuildDir(ctx context.Context) bool {
	out, err := r.Query(ctx, "rpmbuild", "--eval", "%{?__spec_builddir_template:yes}")
	return err == nil && strings.TrimSpace(string(out)) == "yes"
}
