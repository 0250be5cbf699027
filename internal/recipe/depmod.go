// SPDX-License-Identifier: Apache-2.0

package recipe

import (
	"bytes"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"ovzpatch/internal/command"
	"ovzpatch/internal/fit"
	"ovzpatch/internal/job"
	"ovzpatch/internal/rpmbuild"
	"ovzpatch/internal/spec"
	"ovzpatch/internal/tool"
	"ovzpatch/patches"
)

// oldDepmodOption is what the makefiles of old trees add to depmod's arguments when modules go below another root.
var oldDepmodOption = regexp.MustCompile(`-b \$\(INSTALL_MOD_PATH\)\s+-r\b`)

// depmodUse is how a source RPM's own spec, as it came, calls depmod in ways that kmod 34 refuses.
type depmodUse struct {
	spec  []spec.Refused
	makes int // the line at which it has a makefile do so, 0 for none
}

func (m maker) depmodUse(s *spec.Spec) (u depmodUse, err error) {
	if u.spec, err = s.RefusedByDepmod(); err == nil && m.makefileGivesOption() {
		u.makes, err = s.InstallsModules()
	}
	return u, err
}

// makefileGivesOption reports whether the tree's makefile calls depmod with an option that kmod 34 refuses.
func (m maker) makefileGivesOption() bool {
	if m.o.Compat && slices.ContainsFunc(patches.Compat(m.Line), takesOptionOut) {
		return false
	}
	return oldDepmodOption.Match(m.Files.Files[fit.MakefileName].Data)
}

// takesOptionOut reports whether a patch removes that option.
func takesOptionOut(p patches.Patch) bool {
	for line := range bytes.Lines(p.Data) {
		if line[0] == '-' && oldDepmodOption.Match(line) {
			return true
		}
	}
	return false
}

// CheckDepmod fails if the depmod of the system that builds refuses how the spec, or the tree's makefile, calls it.
// The build would end when all of the kernel is compiled.
func (r *Recipe) CheckDepmod(ctx context.Context) error {
	if len(r.depmod.spec) == 0 && r.depmod.makes == 0 || r.Root.Mock != "" {
		return nil
	}
	version := strictDepmod(ctx, r.Root)
	if version == "" {
		return nil
	}
	if len(r.depmod.spec) > 0 {
		return job.Misfit(fmt.Errorf("read spec: the depmod of %s (%s) refuses options of %s:\n%s\n"+
			"remove only these with --modernize-spec; or build with a kmod of their time (--root); or use our spec instead (--spec=replace)",
			r.Root.Name(), version, r.Spec.Name(), listRefused(r.depmod.spec)))
	}
	return job.Misfit(fmt.Errorf("read spec: %s installs modules by the kernel's own makefile (line %d), which calls depmod with -r, and the depmod of %s (%s) refuses that\n"+
		"build a test kernel without it (--compat); or build with a kmod of its time (--root); or use our spec instead (--spec=replace)",
		r.Spec.Name(), r.depmod.makes, r.Root.Name(), version))
}

// strictDepmod returns the version of a depmod that refuses options which older ones took without doing anything; ""
// is one that takes them, or none.
func strictDepmod(ctx context.Context, root rpmbuild.Root) string {
	ask := func(options ...string) ([]byte, error) {
		depmod := "depmod"
		if root.Chroot == "" {
			var err error
			if depmod, err = tool.Find(depmod); err != nil {
				return nil, err
			}
		}
		return command.Output(ctx, command.Cmd{Args: root.Args(append([]string{depmod}, options...)...), Env: root.Env()})
	}
	out, err := ask("--version")
	if err != nil {
		return ""
	}
	if _, err := ask("-r", "--version"); err == nil {
		return ""
	}
	version, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	return version
}
