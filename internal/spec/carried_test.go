// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// brief writes an application as the tables below do: 5:a.patch -p1 F2, with a mark for
// what is not known.
func brief(c Carried) string {
	s := fmt.Sprintf("%d:%s -p%d F%d", c.Number, c.File, c.Strip, c.Fuzz)
	if c.Reverse {
		s += " -R"
	}
	if c.Optional {
		s += " optional"
	}
	if c.Unknown != "" {
		s += " ? " + c.Unknown
	}
	return s
}

// What is applied before ours, in the ways that specs have for it.
func TestBefore(t *testing.T) {
	const setup = "%setup -q -n linux-5.14.0\n"
	const two = "Patch1: a.patch\nPatch2: b.patch"
	for name, c := range map[string]struct{ preamble, prep, want string }{
		"macros":            {two, setup + "%patch1 -p1\n%patch -P 2 -p0 -F3\n", "1:a.patch -p1 F0; 2:b.patch -p0 F3"},
		"more forms":        {two, setup + "%patch 1 -p1 -b .old\n%patch -P2 -p1 -R\n", "1:a.patch -p1 F0; 2:b.patch -p1 F0 -R"},
		"two at once":       {two, setup + "%patch -p1 -P 1 -P 2\n", "1:a.patch -p1 F0; 2:b.patch -p1 F0"},
		"number 0":          {"Patch: a.patch", setup + "%patch -p1\n", "0:a.patch -p1 F0"},
		"counted on":        {"Patch3: a.patch\nPatch: b.patch", setup + "%patch4 -p1\n", "4:b.patch -p1 F0"},
		"not declared":      {two, setup + "%patch7 -p1\n", "7: -p1 F0 ? Patch7, which no line that is read declares"},
		"fuzz of the spec":  {two + "\n%define _default_patch_fuzz 2", setup + "%patch1 -p1\n", "1:a.patch -p1 F2"},
		"a comment":         {two, setup + "#%%patch1 -p1\n%patch2 -p1 # the second\n", "2:b.patch -p1 F0"},
		"autosetup":         {"Patch9: z.patch\n" + two, "%autosetup -p1 -n linux-5.14.0\n", "9:z.patch -p1 F0; 1:a.patch -p1 F0; 2:b.patch -p1 F0"},
		"autopatch, some":   {"Patch9: z.patch\n" + two, setup + "%autopatch -p1 -m 2 -M 9\n", "9:z.patch -p1 F0; 2:b.patch -p1 F0"},
		"autopatch, by no.": {"Patch9: z.patch\n" + two, setup + "%autopatch -p1 2 9\n", "2:b.patch -p1 F0; 9:z.patch -p1 F0"},
		"by the shell":      {two, setup + "patch_command='patch -p1 -F1 -s'\nApplyPatch a.patch\nApplyOptionalPatch %{PATCH2} -R\n", "1:a.patch -p1 F1; 2:b.patch -p1 F1 -R optional"},
		"in a line of others": {
			two, setup + "ApplyPatch() { patch -p1 < $1; }\npatch_command='patch -p1'\nif true; then ApplyPatch a.patch; fi\nfor p in b.patch; do ApplyPatch $p; done\nApplyPatch\n%patch2 -p1\n",
			"1:a.patch -p1 F2 ? the shell's if true; then ApplyPatch a.patch; fi; -1: -p1 F2 ? the shell's for p in b.patch; do ApplyPatch $p; done; -1: -p0 F0 ? ApplyPatch; 2:b.patch -p1 F0",
		},
		"by git":            {two, setup + "patch_command='git --work-tree=. apply'\nApplyPatch a.patch\n", "1:a.patch -p1 F0"},
		"bare":              {two, setup + "patch -p1 < %{PATCH1}\ncat $RPM_SOURCE_DIR/b.patch | patch -p1 --fuzz=0\n%patch1 -p1 -R\n", "1:a.patch -p1 F2; 2:b.patch -p1 F0; 1:a.patch -p1 F0 -R"},
		"of a source":       {"Source5: s.patch\n" + two, setup + "patch -p1 < %{SOURCE5}\n%patch1 -p1\n", "-1:s.patch -p1 F2; 1:a.patch -p1 F0"},
		"no level":          {two, setup + "patch -s < %{PATCH1}\n%patch2 -p1\n", "1:a.patch -p0 F2 ? a patch command without -p; 2:b.patch -p1 F0"},
		"alone":             {two, setup + "patch -p1 < %{PATCH1}\n", "1:a.patch -p1 F2"},
		"never":             {two, setup + "%if 0\n%patch1 -p1\n%else\n%patch2 -p1\n%endif\n", "2:b.patch -p1 F0"},
		"by machine":        {two, setup + "%ifarch ppc64\n%patch1 -p1\n%endif\n%ifarch x86_64\n%patch2 -p1\n%endif\n", "2:b.patch -p1 F0"},
		"not declared here": {"%if 0\n" + two + "\n%endif\nPatch3: c.patch", "%autosetup -p1 -n linux-5.14.0\n", "3:c.patch -p1 F0"},
		"by distribution":   {two, setup + "%if 0%{?rhel} > 7\n%patch1 -p1\n%else\n%patch2 -p1\n%endif\n", "1:a.patch -p1 F0 ? %if 0%{?rhel} > 7; 2:b.patch -p1 F0 ? the %else of %if 0%{?rhel} > 7"},
		"elif":              {two, setup + "%if 1\n%patch1 -p1\n%elif 1\n%patch2 -p1\n%endif\n", "1:a.patch -p1 F0"},
		"by option":         {two + "\n%bcond_with new", setup + "%if %{with new}\n%patch1 -p1\n%else\n%patch2 -p1\n%endif\n", "2:b.patch -p1 F0"},
		"perhaps defined":   {two, "%if 0%{?rhel}\n%{!?old: %define old 1}\n%endif\n" + setup + "%if 0%{?old}\n%patch1 -p1\n%endif\n%patch2 -p1\n", "1:a.patch -p1 F0 ? %if 0%{?old}; 2:b.patch -p1 F0"},
		"perhaps declared":  {"%if 0%{?rhel}\n" + two + "\n%else\nPatch2: c.patch\n%endif\nPatch3: z.patch", setup + "patch -p1 < %{PATCH1}\npatch -p1 < %{PATCH2}\n%patch3 -p1\n", "1:a.patch -p1 F2; -1: -p0 F0 ? patch -p1 < %{PATCH2}; 3:z.patch -p1 F0"},
		"by the shell's if": {two, setup + "if [ -e x ]; then\n%patch1 -p1\nfi\n%patch2 -p1\n", "1:a.patch -p1 F0 ? the shell's if [ -e x ]; then; 2:b.patch -p1 F0"},
		"below":             {two, setup + "cd drivers\n%patch1 -p1\ncd ..\n%patch2 -p1\n", "1:a.patch -p1 F0 ? the directory, which is not the kernel tree's own,; 2:b.patch -p1 F0"},
		"in each tree":      {two, "%setup -q -c -n k\nfor f in up smp; do\ncp -r linux-5.14.0 $f\ncd $f\n%patch1 -p1\n%patch2 -p1\ncd ..\ndone\n", "1:a.patch -p1 F0; 2:b.patch -p1 F0"},
		"from above":        {two, setup + "cd ..\n%patch1 -p1 -d linux-5.14.0\n%patch2 -p1 -d linux-5.14.0\n", "1:a.patch -p1 F0; 2:b.patch -p1 F0"},
		"elsewhere":         {two, setup + "%patch1 -p1\n%patch2 -p1 -d drivers\n", "1:a.patch -p1 F0; 2:b.patch -p1 F0 ? the directory, which is not the kernel tree's own,"},
		"name by macros":    {"%define v 5.14\nPatch1: p-%{v}-%{release}.patch", setup + "%patch1 -p1\n", "1:p-5.14-1.patch -p1 F0"},
		"name half known":   {"Patch1: p-%(date).diff", setup + "%patch1 -p1\n", "1:p-2026.diff -p1 F0"},
		"address":           {"Patch1: https://example.com/dir/a.patch", setup + "%patch1 -p1\n", "1:a.patch -p1 F0"},
		"in a function":     {two, setup + "Apply()\n{\n  patch -p1 < %{PATCH1}\n}\n%patch2 -p1\n", "2:b.patch -p1 F0"},
	} {
		files := []string{"a.patch", "b.patch", "c.patch", "s.patch", "z.patch", "p-2026.diff", "linux-5.14.0.tar.gz"}
		got, err := Read("kernel.spec", []byte(specOfParts("1", c.preamble, c.prep))).Before(patchName, files, Options{Target: "x86_64"})
		if err != nil || got.NoPlace != nil {
			t.Errorf("%s: %v, %v", name, err, got.NoPlace)
			continue
		}
		var list []string
		for _, a := range got.Patches {
			list = append(list, brief(a))
			if a.File != "" && a.Line == 0 {
				t.Errorf("%s: no line for %s", name, a.File)
			}
		}
		if have := strings.Join(list, "; "); have != c.want {
			t.Errorf("%s: got %q, want %q", name, have, c.want)
		}
	}
}

// What is told by --with and --define, and what surely is not defined, decides.
func TestBeforeWithOptions(t *testing.T) {
	text := specOfParts("1", "Patch1: a.patch\nPatch2: b.patch\n%bcond_with new", "%setup -q -n linux-5.14.0\n%if %{with new} || 0%{?rhel} > 7\n%patch1 -p1\n%else\n%patch2 -p1\n%endif\n")
	for _, c := range []struct {
		o    Options
		want string
	}{
		{Options{With: []string{"new"}}, "1:a.patch -p1 F0"},
		{Options{Defines: []string{"rhel 8"}}, "1:a.patch -p1 F0"},
		{Options{Undefined: []string{"rhel"}}, "2:b.patch -p1 F0"},
	} {
		got, err := Read("kernel.spec", []byte(text)).Before(patchName, []string{"a.patch", "b.patch"}, c.o)
		if err != nil || len(got.Patches) != 1 || brief(got.Patches[0]) != c.want {
			t.Errorf("%+v: %+v, %v, want %s", c.o, got, err, c.want)
		}
	}
}

// Lines are those of the package's own spec, and what the package has is held.
func TestBeforeHeldAndLines(t *testing.T) {
	text := specOfParts("1", "Patch1: a.patch\nPatch2: "+patchName, "%setup -q -n linux-5.14.0\nsed -i s/x/y/ Makefile\n%patch1 -p1\n%patch2 -p1\n%patch3 -p1")
	files, o := []string{"a.patch", patchName}, Options{Target: "i686"}
	got, err := Read("kernel.spec", []byte(text)).Before(patchName, files, o)
	if err != nil || got.Held == nil || got.Held.Number != 2 || len(got.Patches) != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
	lines := strings.Split(text, "\n")
	if at := lines[got.Patches[0].Line-1]; at != "%patch1 -p1" {
		t.Errorf("line %d is %q", got.Patches[0].Line, at)
	}
	text = strings.ReplaceAll(text, "Patch2: "+patchName+"\n", "")
	if got, err = Read("kernel.spec", []byte(text)).Before(patchName, files, o); err != nil || got.Held != nil || len(got.Commands) != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
	lines = strings.Split(text, "\n")
	if at := lines[got.Commands[0].Line-1]; !strings.HasPrefix(at, "sed") {
		t.Errorf("line %d is %q", got.Commands[0].Line, at)
	}
	if got, err = Read("kernel.spec", []byte("%if 1\n")).Before(patchName, files, o); err != nil || got.NoPlace == nil {
		t.Errorf("%+v, %v", got, err)
	}
}

// A script of the package may apply patches, which are then not counted: it is told apart.
func TestBeforeScript(t *testing.T) {
	text := specOfParts("1", "Source10: apply.sh\nPatch1: a.patch", "%setup -q -n linux-5.14.0\nsed -i s/x/y/ Makefile\nsh %{S:10} %_sourcedir\n%{SOURCE10}")
	got, err := Read("kernel.spec", []byte(text)).Before(patchName, []string{"a.patch", "apply.sh"}, Options{})
	var scripts []bool
	for _, c := range got.Commands {
		scripts = append(scripts, c.Script)
	}
	if err != nil || len(got.Patches) != 0 || !slices.Equal(scripts, []bool{false, true, true}) {
		t.Errorf("%+v, %v", got, err)
	}
}

// No text of a spec makes the reading fail in other ways than by an error.
func FuzzBefore(f *testing.F) {
	for _, file := range []string{"rhel5-ovz", "rhel6-vz", "rhel9", "fedora-gitam", "patchlist"} {
		text, err := os.ReadFile("testdata/shapes/" + file + "/kernel.spec")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte("%define a %{a}%{b\n%if %{?a:%{!?b:(1 + \"}}\n%else\n%endif\n%prep\n%patch -P\n%{?x: %define\n%patch1 -p -F\nApplyPatch a\npatch -p1 <\n%patch\n%autopatch -m -M\n"))
	f.Add([]byte("Release: 1\nSource0: \xab\xf3-%{v\nPatch1: \xab%{v}\n%prep\n%autosetup -p1\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		Read("kernel.spec", text).Before(patchName, []string{"a.patch"}, Options{Target: "x86_64"})
	})
}
