// SPDX-License-Identifier: Apache-2.0

package srpm

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"ovzpatch/internal/command"
	"ovzpatch/internal/spec"
)

// mark makes what the spec comes to the package's identity, where that is the original's
// with the tag.
func (in *Inputs) mark(ctx context.Context, original Inputs, tag string) error {
	origin := *original.origin
	got, err := in.ask(ctx)
	var ce *command.Error
	if errors.As(err, &ce) && ce.ExitCode > 0 {
		// It was read without the tag.
		first, _, _ := strings.Cut(strings.TrimSpace(ce.Tail), "\n")
		return in.fail(fmt.Sprintf("with the tag %s rpm cannot read it: %s", tag, first), spec.AdviceNoMark)
	}
	if err != nil {
		return fmt.Errorf("read spec %s: %w", in.Spec.Name(), err)
	}
	want := origin
	want.release = got.release
	if got.identity != want || !marks(origin.release, got.release, tag) {
		return in.fail(fmt.Sprintf("with the tag %s rpm makes %s of it; expected is %s with the tag once in its release", tag, got.identity, origin),
			"choose another --release-tag, as .lustre1")
	}
	newer, err := isNewer(ctx, got.release, origin.release)
	if err != nil {
		return err
	}
	if !newer {
		return in.fail(fmt.Sprintf("to rpm the release %s is not newer than %s, the original's", got.release, origin.release), "choose another --release-tag, as .lustre1")
	}
	if err := in.follows(ctx, original, got); err != nil {
		return err
	}
	in.origin = &got.identity
	return nil
}

// marks tells whether a release is the original with the tag in it, once, as a word of its own.
func marks(original, release, tag string) bool {
	if words(release, tag) != 1 || len(release) != len(original)+len(tag) {
		return false
	}
	for at := range release {
		if isWord(release, at, tag) && release[:at]+release[at+len(tag):] == original {
			return true
		}
	}
	return false
}

func words(release, tag string) (n int) {
	for at := range release {
		if isWord(release, at, tag) {
			n++
		}
	}
	return n
}

var (
	wordEnd = regexp.MustCompile(`^($|[^A-Za-z0-9])`)
	// endsInDigit is for a tag that would become a part of the number before it.
	endsInDigit = regexp.MustCompile(`[0-9][0-9]$`)
)

func isWord(release string, at int, tag string) bool {
	rest, ok := strings.CutPrefix(release[at:], tag)
	return ok && wordEnd.MatchString(rest) && !endsInDigit.MatchString(release[:at]+tag[:1])
}

// isNewer asks rpm how two releases sort.
func isNewer(ctx context.Context, a, b string) (bool, error) {
	if spec.CheckTag(a) != nil || spec.CheckTag(b) != nil {
		return false, errors.New("compare releases: " + a + " or " + b + " has a character that no release may have")
	}
	out, err := command.Output(ctx, command.Cmd{Args: []string{"rpm", "--eval", fmt.Sprintf(`%%{lua:print(rpm.vercmp("%s", "%s"))}`, a, b)}})
	if err != nil {
		return false, fmt.Errorf("compare releases: %w", err)
	}
	return strings.TrimSpace(string(out)) == "1", nil
}
