// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"io"
	"strings"
)

// TAP writes the report as one flat stream of TAP version 13: readers do not agree on nested ones.
func (r *Report) TAP(w io.Writer) error {
	list := r.suites()
	total := 0
	for _, s := range list {
		total += len(s.tests)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "TAP version 13\n1..%d\n", total)
	n := 0
	for _, s := range list {
		for _, t := range s.tests {
			n++
			t.tap(&b, "", n, t.class+"."+t.name)
		}
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write TAP: %w", err)
	}
	return nil
}

// KTAP writes the report as the kernel's tools read it: KTAP version 1, one test for each suite. The
// line of a suite fails where one of its tests failed.
func (r *Report) KTAP(w io.Writer) error {
	list := r.suites()
	var b strings.Builder
	fmt.Fprintf(&b, "KTAP version 1\n1..%d\n", len(list))
	for i, s := range list {
		const indent = "    "
		fmt.Fprintf(&b, "%sKTAP version 1\n%s# Subtest: %s\n%s1..%d\n", indent, indent, tapName(s.name), indent, len(s.tests))
		whole := test{status: skipped, message: "none of its tests was tried"}
		for n, t := range s.tests {
			t.tap(&b, indent, n+1, t.name)
			switch {
			case t.status == failed || t.status == errored:
				whole.status, whole.message = failed, "a test of it failed"
			case t.status == passed && whole.status == skipped:
				whole.status = passed
			}
		}
		whole.tap(&b, "", i+1, s.name)
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write KTAP: %w", err)
	}
	return nil
}

// tap writes the line of a test, after what there is to say of it. The lines of a guest must not be
// taken for results, so all have a mark.
func (t test) tap(b *strings.Builder, indent string, n int, name string) {
	if t.status == failed || t.status == errored {
		for line := range strings.SplitSeq(strings.TrimRight(t.message+"\n"+t.text, "\n"), "\n") {
			fmt.Fprintf(b, "%s# | %s\n", indent, line)
		}
		b.WriteString(indent + "not ")
	} else {
		b.WriteString(indent)
	}
	fmt.Fprintf(b, "ok %d - %s", n, tapName(name))
	if t.status == skipped {
		fmt.Fprintf(b, " # SKIP %s", tapName(t.message))
	}
	b.WriteByte('\n')
}

// tapName is a text in which no reader finds a directive.
func tapName(s string) string { return strings.NewReplacer("#", "_", `\`, "_").Replace(s) }
