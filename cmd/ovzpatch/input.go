// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"ovzpatch/internal/gate"
	"ovzpatch/internal/job"
	"ovzpatch/internal/kernel"
	"ovzpatch/internal/patch"
	"ovzpatch/internal/source"
	"ovzpatch/patches"
)

// debianSources are where Debian's package linux-source puts the kernel source of its
// release: linux-source-6.1.tar.xz on Debian 12, 6.12 on 13.
const debianSources = "/usr/src/linux-source-*.tar.*"

// newestSource is the file of the highest version that a pattern matches, "" for none. A
// machine that went from one release to the next has the older source, too.
func newestSource(pattern string) string {
	found, _ := filepath.Glob(pattern) // patterns of ours only
	if len(found) == 0 {
		return ""
	}
	return slices.MaxFunc(found, func(a, b string) int { return slices.Compare(versionOf(a), versionOf(b)) })
}

// versionOf gives the numbers in the name of a file.
func versionOf(path string) []int {
	var numbers []int
	for _, digits := range digitsInName.FindAllString(filepath.Base(path), -1) {
		n, _ := strconv.Atoi(digits) // digits
		numbers = append(numbers, n)
	}
	return numbers
}

var digitsInName = regexp.MustCompile(`[0-9]{1,9}`)

// makefileName is the file that tells which kernel a source is.
const makefileName = "Makefile"

// portFlags choose the patch.
type portFlags struct {
	line string
	file string
}

func (f *portFlags) register(c *cobra.Command) {
	c.Flags().StringVar(&f.line, "line", "", "take the port for this line instead of the one found out")
	c.Flags().StringVar(&f.file, "patch", "", "take this patch file instead of a port of ours")
	c.MarkFlagsMutuallyExclusive("line", "patch")
	c.RegisterFlagCompletionFunc("line", cobra.FixedCompletions(patches.Lines(), cobra.ShellCompDirectiveNoFileComp))
}

// input is a source whose kernel is known, and the patch for it.
type input struct {
	source *source.Source
	kernel kernel.Kernel
	line   string // the kernel's own, or --line; "" where --patch goes on an unknown kernel
	files  *source.Files
	port   []byte
	name   string   // file name of the patch
	tried  []string // what the port's header says it was tried on
	plan   *patch.Plan
	pkg    *source.Package // a source RPM, unpacked; nil for other sources
	// declared is what the rest of the source declares, for the gate check.
	declared *gate.Names
	// tarball is the file name of what a tree was packed into, "" before that.
	tarball string
	own     *ownPatches // of a source RPM that keeps its spec; nil for other sources
}

func (in *input) choosePort(f portFlags) error {
	line, lineErr := in.kernel.Line()
	in.line = string(line)
	if f.line != "" {
		in.line = f.line
	}
	if f.file != "" {
		data, err := os.ReadFile(f.file)
		if err != nil {
			return job.BadRequest(fmt.Errorf("read patch: %w", err))
		}
		in.port, in.name = data, filepath.Base(f.file)
		return nil
	}
	if in.line == "" {
		return fmt.Errorf("choose port: %w; give --line (one of %s) or --patch FILE", lineErr, strings.Join(patches.Lines(), ", "))
	}
	p, err := patches.ForLine(in.line)
	if err != nil {
		if f.line != "" {
			return job.BadRequest(err)
		}
		return job.Misfit(fmt.Errorf("choose port: %w", err))
	}
	in.port, in.tried = p.Data, p.Tried
	return nil
}

// takeHeld puts in the place of our patch the one of that name which a source RPM has
// already: it is what a build of the package takes.
func (in *input) takeHeld() error {
	if in.own == nil || in.own.prepared.Held == nil {
		return nil
	}
	data, err := os.ReadFile(filepath.Join(in.own.pkg.Dir, in.name))
	if err != nil {
		return fmt.Errorf("read patch: %w", err)
	}
	in.port = data
	return nil
}

// read gets the files that the patch names, as far as they are not read already.
func (in *input) read(ctx context.Context, from *source.Source, p *patch.Patch) error {
	known := true
	for _, f := range p.Files {
		known = known && in.knows(f.OldName) && in.knows(f.NewName)
	}
	if known {
		return nil
	}
	files, err := from.ReadFiles(ctx, candidates(p))
	if err != nil {
		return err
	}
	maps.Copy(in.files.Files, files.Files)
	return nil
}

// candidates are the names in a source that a patch may mean: its own, with any number of
// leading directories taken off.
func candidates(p *patch.Patch) []string {
	var names []string
	for _, f := range p.Files {
		for _, name := range []string{f.OldName, f.NewName} {
			for more := name != "/dev/null"; more; _, name, more = strings.Cut(name, "/") {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// knows tells whether a file that a patch names is read already.
func (in *input) knows(name string) bool {
	for more := true; more; _, name, more = strings.Cut(name, "/") {
		if _, ok := in.files.Files[name]; ok {
			return true
		}
	}
	return name == "/dev/null"
}

// touched are the files of the tree that the patch changes, or has changed; none where it
// does not fit.
func (in *input) touched() []string {
	var names []string
	if in.plan == nil {
		return nil
	}
	for _, c := range in.plan.Changes {
		names = append(names, c.Name)
	}
	if in.plan.Applied {
		for _, p := range in.plan.Placements {
			names = append(names, p.File)
		}
	}
	return slices.Compact(names)
}

// placementLine says where one hunk went.
func placementLine(p patch.Placement) string {
	s := fmt.Sprintf("%s:%d hunk %d, offset %d, fuzz %d", p.File, p.Line, p.Hunk, p.Offset, p.Fuzz)
	if len(p.Functions) > 0 {
		s += ", in " + strings.Join(p.Functions, "(), ") + "()"
	}
	return s
}
