// SPDX-License-Identifier: Apache-2.0

package rpmbuild

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestReason(t *testing.T) {
	noise := strings.Split(strings.TrimSpace(strings.Repeat("+ echo\nquiet\n", keepLines)), "\n")
	const (
		end  = "error: Bad exit status from /t/rpm-tmp.x (%build)"
		tool = "/t/rpm-tmp.x: line 118: /t/SOURCES/kabitool: cannot execute: required file not found"
	)
	for name, c := range map[string]struct{ log, want []string }{
		"no error's words": {[]string{"Executing(%build): sh", "one", "two", end, "three"}, []string{"Executing(%build): sh", "one", "two"}},
		"the first": {
			[]string{"Executing(%build): sh", "a.c:1:2: error: no", "a.c:3:4: error: no", end},
			[]string{"a.c:1:2: error: no", "a.c:3:4: error: no"},
		},
		"a warning before": {[]string{"depmod: WARNING: could not open modules.order: No such file or directory", tool, end}, []string{tool}},
		"a complaint long before": {
			slices.Concat([]string{"cp: x: No such file or directory"}, noise, []string{"fatal: the end", end}),
			slices.Concat([]string{"cp: x: No such file or directory"}, noise[:keepLines-1], []string{"...", "quiet", "quiet", "fatal: the end"}),
		},
		"of another phase": {[]string{"Executing(%prep): sh", "a: error: no", "Executing(%build): sh", tool, end}, []string{tool}},
	} {
		w := newWatch(time.Now(), func(Progress) {})
		for _, l := range c.log {
			w.line(l)
		}
		if got := w.reason(); !slices.Equal(got, c.want) {
			t.Errorf("%s: got\n%s\nwant\n%s", name, strings.Join(got, "\n"), strings.Join(c.want, "\n"))
		}
	}
}
