// SPDX-License-Identifier: Apache-2.0

package licences

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

var (
	uRootCommands = regexp.MustCompile(`(?m)^UROOT_COMMANDS := (.+)$`)
	uRootTags     = regexp.MustCompile(`-go-build-tags=(\S+)`)
)

// Shipped lists the programs that the Makefile builds and installs: ovzpatch, and for each
// architecture of guests umounttest and u-root's commands.
func Shipped(makefile []byte) ([]Program, error) {
	names, tags := uRootCommands.FindSubmatch(makefile), uRootTags.FindSubmatch(makefile)
	if names == nil || tags == nil {
		return nil, fmt.Errorf("read Makefile: no line with UROOT_COMMANDS, or none with -go-build-tags: internal/licences must follow it")
	}
	var commands []string
	for name := range strings.FieldsSeq(string(names[1])) {
		commands = append(commands, "github.com/u-root/u-root/cmds/core/"+name)
	}
	programs := []Program{{Packages: []string{"ovzpatch/cmd/ovzpatch"}, Arch: "amd64"}}
	for _, arch := range []string{"amd64", "386"} {
		programs = append(programs,
			Program{Packages: []string{"ovzpatch/cmd/umounttest"}, Arch: arch},
			Program{Packages: commands, Tags: string(tags[1]), Arch: arch})
	}
	return programs, nil
}

// Ours are the licences of what this repository holds: the Go programs', and that of the
// patches, the probe and the configurations that ovzpatch carries as data.
var Ours = []string{"Apache-2.0", "GPL-2.0-only"}

// Expression joins our licences and those of modules to an SPDX expression, as packages
// state it.
func Expression(modules []Module) string {
	all := slices.Clone(Ours)
	for _, m := range modules {
		all = append(all, m.Licences...)
	}
	slices.Sort(all)
	return strings.Join(slices.Compact(all), " AND ")
}
