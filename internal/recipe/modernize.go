// SPDX-License-Identifier: Apache-2.0

package recipe

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"ovzpatch/internal/command"
	"ovzpatch/internal/job"
	"ovzpatch/internal/rpmbuild"
	"ovzpatch/internal/spec"
)

// maxRefusedLines is how many lines of a spec an error shows.
const maxRefusedLines = 5

// forThisRpm finds the lines of a foreign spec that rpm refuses since 4.20. It rewrites them if that was asked
// for, with those that depmod of kmod 34 refuses, and else fails before anything is built. depmod is asked before the
// build only (CheckDepmod): a source RPM may be made for another system.
func (r *Recipe) forThisRpm(ctx context.Context, u job.Reporter, modernize bool) error {
	if modernize {
		edited, err := r.Spec.Modernize()
		if err != nil {
			return err
		}
		if edited.Diff == "" {
			u.Say("--modernize-spec: %s has no line that rpm since 4.20 refuses, or depmod of kmod 34", r.Spec.Name())
			return nil
		}
		u.Say("for today's rpm and kmod, in both kernels (--modernize-spec):\n%s", strings.TrimSuffix(edited.Diff, "\n"))
		r.Spec = edited.Spec
		return nil
	}
	version := rpmVersion(ctx, r.Root)
	if !sinceRpm420(version) {
		return nil
	}
	refused, err := r.Spec.RefusedSince420()
	if err != nil || len(refused) == 0 {
		return err
	}
	return job.Misfit(fmt.Errorf("read spec: the rpm of %s (%s) refuses lines of %s:\n%s\n"+
		"rewrite only these with --modernize-spec; or build with an rpm of their time (--root); or use our spec instead (--spec=replace)",
		rpmOwner(r.Root), version, r.Spec.Name(), listRefused(refused)))
}

// listRefused has a line for each of the first few.
func listRefused(refused []spec.Refused) string {
	lines := make([]string, 0, maxRefusedLines+1)
	for _, l := range refused[:min(len(refused), maxRefusedLines)] {
		lines = append(lines, fmt.Sprintf("  line %d: %s (%s)", l.Line, strings.TrimSpace(l.Text), l.Reason))
	}
	if more := len(refused) - maxRefusedLines; more > 0 {
		lines = append(lines, fmt.Sprintf("  and %d more", more))
	}
	return strings.Join(lines, "\n")
}

// rpmVersion returns the version of the rpmbuild that reads the spec, "" if it does not answer: the build then
// reports why. For mock, this machine's rpmbuild makes the source RPM.
func rpmVersion(ctx context.Context, root rpmbuild.Root) string {
	if root.Mock != "" {
		root = rpmbuild.Root{}
	}
	out, err := command.Output(ctx, command.Cmd{Args: root.Args("rpmbuild", "--version")})
	if err != nil {
		return ""
	}
	return numberOfRpm.FindString(string(out))
}

var numberOfRpm = regexp.MustCompile(`[0-9]+\.[0-9]+(\.[0-9]+)*`)

// rpmOwner names the system of that rpmbuild.
func rpmOwner(root rpmbuild.Root) string {
	if root.Mock != "" {
		root = rpmbuild.Root{}
	}
	return root.Name()
}

// sinceRpm420 reports whether rpm of this version refuses old syntax in specs.
func sinceRpm420(version string) bool {
	parts := strings.Split(version, ".")
	if len(parts) < 2 {
		return false
	}
	major, _ := strconv.Atoi(parts[0]) // of a match of numberOfRpm
	minor, _ := strconv.Atoi(parts[1])
	return major > 4 || major == 4 && minor >= 20
}
