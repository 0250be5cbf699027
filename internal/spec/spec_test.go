// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"strings"
	"testing"
)

// A Spec is read once and used for everything that is done with it: no edit may change it.
func TestEditsLeaveTheSpec(t *testing.T) {
	text := specOfParts("1", "Provides: kernel\nPatch1: a.patch", "%setup -q -n linux-5.14.0\n%patch1 -p1")
	s := Read("dir/kernel.spec", []byte(strings.TrimSuffix(text, "\n"))) // the edits add a newline to the last line
	var diffs []string
	for range 2 {
		beside, _, err := s.KeepBeside()
		if err != nil {
			t.Fatal(err)
		}
		modern, err := s.Modernize()
		if err != nil {
			t.Fatal(err)
		}
		injected, err := s.Inject(injection())
		if err != nil {
			t.Fatal(err)
		}
		diffs = append(diffs, beside.Diff+modern.Diff+injected.Diff+string(s.NoteBuild("note").Text()))
	}
	if diffs[0] != diffs[1] {
		t.Errorf("the second time differs:\n%s\nfrom\n%s", diffs[1], diffs[0])
	}
	if s.Name() != "kernel.spec" || string(s.Text())+"\n" != text {
		t.Errorf("%s became\n%s", s.Name(), s.Text())
	}
}

// A spec that cannot be read may be replaced: only what needs to read it fails.
func TestUnreadable(t *testing.T) {
	s := Read("kernel.spec", []byte("%if 1\n"))
	if s.Err() == nil || string(s.Text()) != "%if 1\n" {
		t.Errorf("%v: %q", s.Err(), s.Text())
	}
	for range s.Lines() {
		t.Error("it has lines")
	}
	if _, err := s.Inject(injection()); err == nil {
		t.Error("the patch went in")
	}
	if _, err := s.BuildRequires(Options{}); err == nil {
		t.Error("it was read")
	}
	if list := s.Dist("1", Options{}); list != nil {
		t.Errorf("dist %q", list)
	}
}
