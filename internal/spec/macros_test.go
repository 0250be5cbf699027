// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"os/exec"
	"strings"
	"testing"
)

// What is known of a condition is what rpm says; what depends on a distribution's macros
// is not known.
func TestConditions(t *testing.T) {
	defines := []string{"one 1", "zero 0", "word abc", "dist .el6", "loop %{loop}"}
	for _, c := range []struct {
		text string
		want truth
	}{
		{"1", yes},
		{"0", no},
		{"!0", yes},
		{"%{one}", yes},
		{"%zero", no},
		{"0%{?one}", yes},
		{"0%{?nobody}", no},
		{"0%{!?nobody:1}", yes},
		{"0%{?nobody:1}", no},
		{"%{one} && %{zero}", no},
		{"%{one} || %{zero}", yes},
		{"%{zero} || %{one} && %{zero}", no},
		{"1 || 0 && 0", no},
		{"2 + 3 * 2 == 8", yes},
		{"-2 + 6 / 3", no},
		{"!%{zero} && (%{one} == 1)", yes},
		{"2 > 1", yes},
		{"2 + 3 == 5", yes},
		{"5 - 3 - 2", no},
		{"3 <= 2", no},
		{`"%{word}" == "abc"`, yes},
		{`"%{word}" != "abc"`, no},
		{`"%{?nobody}" == ""`, yes},
		{`"%{dist}" == ".el6"`, yes},
		{"%{with debug}", no},
		{"%{without debug}", yes},
		{"0%{?_with_debug:1}", no},
		{"%{defined one}", yes},
		{"%{undefined one}", no},
		{"0%{?rhel}", cannotTell},
		{"0%{?rhel} > 7 && %{zero}", no},
		{"0%{?rhel} > 7 || %{one}", yes},
		{"0%{?fedora} >= 20", cannotTell},
		{"%(test -e x && echo 1 || echo 0)", cannotTell},
		{"%{lua:print(1)}", cannotTell},
		{"%[1 + 1]", cannotTell},
		{"%{loop}", cannotTell},
		{"1 / 0", cannotTell},
		{"", cannotTell},
		{"1 +", cannotTell},
		{"(1", cannotTell},
		{"bare", cannotTell},
		{`1 == "1"`, cannotTell},
		{"%{open", cannotTell},
	} {
		m := Options{Target: "x86_64", Defines: defines}.macros()
		if got := m.condition("%if " + c.text); got != c.want {
			t.Errorf("%%if %s: got %v, want %v", c.text, got, c.want)
		}
		text := m.expand(c.text)
		if c.want == cannotTell || !known(text) || testing.Short() {
			continue
		}
		args := []string{"--eval", "%{expr:" + text + "}"}
		out, err := exec.CommandContext(t.Context(), "rpm", args...).Output()
		says := strings.TrimSpace(string(out))
		if err != nil || (says == "0" || says == "") != (c.want == no) {
			t.Errorf("%%if %s: rpm says %q, %v", c.text, says, err)
		}
	}
	for _, c := range []struct {
		keyword, args, cpu string
		want               truth
	}{
		{"ifarch", "x86_64 ppc", "x86_64", yes},
		{"ifarch", "ppc", "x86_64", no},
		{"ifnarch", "noarch", "x86_64", yes},
		{"ifarch", "%{ix86}", "i686", yes},
		{"ifarch", "%{all_x86}", "i686", cannotTell},
		{"ifos", "linux", "i686", yes},
		{"ifarch", "%{_odd} x86_64", "x86_64", yes},
	} {
		m := Options{Target: c.cpu}.macros()
		m.set("all_x86", unknownText)
		if got := m.condition("%" + c.keyword + " " + c.args); got != c.want {
			t.Errorf("%%%s %s on %s: got %v, want %v", c.keyword, c.args, c.cpu, got, c.want)
		}
	}
}

func TestExpand(t *testing.T) {
	o := Options{Target: "i686", Defines: []string{"a 1", "loop %{loop}", "b %{a}%%"}, With: []string{"x"}, Undefined: []string{"rhel", "_with_x"}}
	m := o.macros()
	for text, want := range map[string]string{
		"%a%{a}%{?a}%{!?a}%{?z}": "111", "%{b}": "1%", "%{?z:no}%{!?z:yes}": "yes", "%{?_with_x:{1}}": "{1}",
		"%{?a:%{?z}x}": "x", "100%%": "100%", "100% x%": "100% x%", "%{expand:%%{a}}": "1", "%{z}%z%{z}": "%{z}%z%{z}",
		"0%{?rhel}": "0", "%{?_with_fedora}": "", "%{!?fedora}": "",
	} {
		if got := m.expand(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	for _, text := range []string{"%(id)", "%{lua:x}", "%{loop}", "%{a", "%[1+1]", "%{-n:x}", "%1", "%{a b}", "%{?fedora}", "%{?fedora:1}", "%{_x}"} {
		if got := m.expand(text); known(got) {
			t.Errorf("%q: %q", text, got)
		}
	}
}

func TestDefinitions(t *testing.T) {
	for name, c := range map[string]struct{ lines, want string }{
		"lazy":            {"%define a %{b}\n%define b 1", "1"},
		"at once":         {"%define b 1\n%global a %{b}\n%define b 2", "1"},
		"only where none": {"%define a 1\n%{!?a: %define a 2}", "1"},
		"where none":      {"%{!?a: %define a 2}", "2"},
		"in a comment":    {"# %define a 3", "3"},
		"doubled":         {"%define a 1\n# %%define a 3", "1"},
		"undefined again": {"%define a 1\n%undefine a", "%{a}"},
		"arguments":       {"%define a() x", unknownText},
		"lines":           {"%define a x \\", unknownText},
		"of a shell":      {"%global a %(uname -r)", unknownText},
		"by distribution": {"%{?rhel: %define a 1}", unknownText},
		"bcond":           {"%bcond_without x\n%define a %{with x}", "1"},
		"of itself":       {"%define a %{?a: %global c %{a}}\n%{a}", " "},
		"grows":           {"%define a %{b}%{b}%{b}%{b}\n%define b %{c}%{c}%{c}%{c}\n%define c %{d}%{d}%{d}%{d}\n%define d %{e}%{e}%{e}%{e}\n%define e %{f}%{f}%{f}%{f}\n%define f %{g}%{g}%{g}%{g}\n%define g %{h}%{h}%{h}%{h}", unknownText},
	} {
		m := Options{Target: "x86_64"}.macros()
		for line := range strings.Lines(c.lines) {
			m.expand(strings.TrimSuffix(line, "\n"))
		}
		if got := m.expand("%{a}"); got != c.want && (c.want != unknownText || known(got)) {
			t.Errorf("%s: got %.80q, want %q", name, got, c.want)
		}
	}
}
