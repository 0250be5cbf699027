// SPDX-License-Identifier: Apache-2.0

package srpm

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"ovzpatch/internal/spec"
)

// releases are the original's and the one with the mark.
type releases struct{ original, marked string }

// continues is what follows where a release is only the beginning of a longer one.
var continues = regexp.MustCompile(`^(\.?[0-9]|[A-Za-z_~^])`)

// spelled tells whether a text names the original's release where the marked one would stand
// if it followed that.
func (r releases) spelled(text string) bool {
	if r.original == "" || r.original == r.marked {
		return false
	}
	text = strings.ReplaceAll(text, r.marked, "")
	for {
		at := strings.Index(text, r.original)
		if at < 0 {
			return false
		}
		rest := text[at+len(r.original):]
		if (at == 0 || !isPart(text[at-1])) && !continues.MatchString(rest) {
			return true
		}
		text = rest
	}
}

// isPart tells a byte before a release with which that is part of a longer word.
func isPart(b byte) bool {
	return b == '.' || b == '_' || '0' <= b && b <= '9' || 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z'
}

var (
	relation = regexp.MustCompile(`(?i)^(Requires|Provides|Recommends|Suggests|Supplements|Enhances)(\([^)]*\))?\s*:`)
	// kernelName is what a kernel's own name, as `uname -r` says it, is made by.
	kernelName = regexp.MustCompile(`EXTRAVERSION|LOCALVERSION|localversion|KERNELRELEASE`)
	// namesRelease is a line that may keep a release, without a version before it.
	namesRelease = regexp.MustCompile(`(?i)rel|ver|uname`)
	distinctive  = regexp.MustCompile(`[0-9].*[A-Za-z]|[A-Za-z].*[0-9]`)
	// passive are sections in which an older release may be told of.
	passive = map[string]bool{"changelog": true, "description": true, "sourcelist": true, "patchlist": true}
)

// follows makes sure that all of a spec that names its release names the marked one: else a
// -devel package asks for a kernel that is not there, or the patched kernel's modules lie in
// the directory of the original's.
func (in *Inputs) follows(ctx context.Context, original Inputs, got asked) error {
	origin := *original.origin
	if err := in.Spec.Err(); err != nil {
		return err
	}
	read := *in
	read.Spec = in.Spec.NoteBuild(rowMark + "build") // rpm 4.18 leaves out the line that begins %build
	out, err := read.rpmspec(ctx, nil, "-P")
	if err != nil {
		return fmt.Errorf("read spec %s: %w", in.Spec.Name(), err)
	}
	bare := releases{origin.release, got.release}
	full := releases{origin.version + "-" + origin.release, got.version + "-" + got.release}
	section := ""
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSpace(line)
		if begun, ok := spec.SectionStart(line); ok {
			section = begun
		} else if name, ok := strings.CutPrefix(line, rowMark); ok {
			section = name
		}
		if passive[section] || strings.HasPrefix(line, "#") {
			continue
		}
		text := line
		for _, source := range got.sources {
			text = strings.ReplaceAll(text, source, "")
		}
		var stays bool
		switch section {
		case "", "package":
			stays = relation.MatchString(text) && full.spelled(text)
		case "prep":
			// A tarball's directory is the original's, whatever this release is.
			stays = kernelName.MatchString(text) && bare.spelled(text)
		default:
			stays = full.spelled(text) || bare.spelled(text) &&
				(kernelName.MatchString(text) || namesRelease.MatchString(text) && distinctive.MatchString(origin.release))
		}
		if stays {
			return &spec.Error{
				Spec: in.Spec.Name(), Line: in.spelledAt(bare, original), Reason: fmt.Sprintf("it repeats the release outside of Release, so %q keeps the original's", line),
				Advice: "write %{release} there, or build with an empty release tag",
			}
		}
	}
	return nil
}

// spelledAt is the line of the original spec that spells the original's release, 0 without.
func (in *Inputs) spelledAt(r releases, original Inputs) int {
	for section, text := range in.Spec.Lines() {
		if !passive[section] && !strings.HasPrefix(strings.TrimSpace(text), "#") && !sourceLine.MatchString(text) && r.spelled(text) {
			return 1 + slices.Index(strings.Split(string(original.Spec.Text()), "\n"), text)
		}
	}
	return 0
}

// sourceLine is one whose file is called as it is, whatever this release is.
var sourceLine = regexp.MustCompile(`(?i)^\s*(Source|Patch)\d*\s*:`)
