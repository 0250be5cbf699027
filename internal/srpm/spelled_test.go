// SPDX-License-Identifier: Apache-2.0

package srpm

import (
	"errors"
	"strings"
	"testing"

	"ovzpatch/internal/spec"
)

func TestSpelled(t *testing.T) {
	for _, c := range []struct {
		original, marked, text string
		want                   bool
	}{
		{"1.el9", "1.el9.lustre1", "kernel = 5.14-1.el9", true},
		{"1.el9", "1.el9.lustre1", "kernel = 5.14-1.el9.lustre1", false},
		{"1.el9", "1.el9.lustre1", "5.14-1.el9.lustre1 5.14-1.el9.x86_64", true},
		{"1.el9", "1.el9.lustre1", "5.14-1.el9_4", false},
		{"1.el9", "1.el9.lustre1", "5.14-1.el90", false},
		{"1.el9", "1.el9.lustre1", "5.14-11.el9", false},
		{"1.el9", "1.lustre1.el9", "5.14-1.el9", true},
		{"1.el9", "1.lustre1.el9", "5.14-1.lustre1.el9", false},
		{"1", "1.lustre1", "-1", true},
		{"1", "1.lustre1", "-1.x86_64", true},
		{"1", "1.lustre1", "-10 -1.2 2.1 v1", false},
		{"1", "1", "-1", false},
		{"", "", "-1", false},
	} {
		if got := (releases{c.original, c.marked}).spelled(c.text); got != c.want {
			t.Errorf("%q in %q of %q: %v", c.original, c.text, c.marked, got)
		}
	}
}

// A spec that names its release a second time, by whatever way, is refused where what it
// names stays the original's.
func TestReleaseIsNamedAgain(t *testing.T) {
	const devel = "%package devel\nSummary: s\n"
	for name, c := range map[string]struct{ preamble, rest, want string }{
		"all follow":             {devel + "Requires: kernel = %{version}-%{release}\nProvides: kernel-uname-r = %{version}-%{release}.%{_target_cpu}\n%description devel\nd\n", "make EXTRAVERSION=-%{release}\n%files\n/lib/modules/%{version}-%{release}\n", ""},
		"a -devel's Requires":    {devel + "Requires: kernel = 5.14.0-1.el9\n%description devel\nd\n", "", `:9: it repeats the release outside of Release, so "Requires: kernel = 5.14.0-1.el9" keeps`},
		"with an epoch":          {devel + "Requires(post): kernel = 1:%{version}-1%{?dist}\n%description devel\nd\n", "", `"Requires(post): kernel = 1:5.14.0-1.el9"`},
		"what it provides":       {"%define rel 1.el9\nProvides: kernel-uname-r = %{version}-%{rel}.x86_64\n", "", `"Provides: kernel-uname-r`},
		"KVERREL":                {"%define KVERREL %{version}-1.el9.%{_target_cpu}\n", "make\n%install\nmkdir -p $RPM_BUILD_ROOT/lib/modules/%{KVERREL}\n", ":7: "},
		"files":                  {"%define KVERREL 5.14.0-1.el9\n", "%files\n/lib/modules/%{KVERREL}\n", `"/lib/modules/5.14.0-1.el9"`},
		"a script":               {"", "%files\n%post\n/sbin/new-kernel-pkg --install 5.14.0-1.el9.x86_64\n", `new-kernel-pkg`},
		"EXTRAVERSION":           {"%define extra -1.el9\n", "make EXTRAVERSION=%{extra}\n", `"make EXTRAVERSION=-1.el9"`},
		"EXTRAVERSION of a text": {"", "sed -i 's/^EXTRAVERSION.*/EXTRAVERSION = -1.el9/' Makefile\n", `EXTRAVERSION = -1.el9`},
		"a shell's variable":     {"", "uname_r=1.el9\nmake EXTRAVERSION=-$uname_r\n", `"uname_r=1.el9"`},
		"a macro's program":      {"%define uname %(echo 5.14.0-1.el9)\n", "%files\n/lib/modules/%{uname}\n", `"/lib/modules/5.14.0-1.el9"`},

		// What is no kernel of this package's.
		"a source's name": {"%define tarrel 1.el9\nSource1: kabi-5.14.0-%{tarrel}.tar.bz2\n", "tar xf %{SOURCE1}\n", ""},
		"older ones":      {"Obsoletes: kernel-old < 5.14.0-1.el9\nConflicts: drivers < 5.14.0-1.el9\n", "", ""},
		"a comment":       {"", "# as in 5.14.0-1.el9\nmake\n", ""},
		"a changelog":     {"", "%changelog\n* Mon Jan 05 2009 A <a@b.c> - 5.14.0-1.el9\n- 5.14.0-1.el9\n", ""},
		"a description":   {devel + "%description devel\n5.14.0-1.el9\n", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := strings.Replace(specOfParts("1%{?dist}", c.preamble, "%setup -q -n linux-5.14.0\n"), "%build\n", "%build\n"+c.rest, 1)
			in := Inputs{Spec: spec.Read("kernel.spec", []byte(text)), Date: shapeDate, Defines: []string{"dist .el9"}, origin: &identity{name: "kernel", version: "5.14.0", release: "1.el9"}}
			in.Texts = map[string][]byte{"linux-5.14.0.tar.gz": nil, "kabi-5.14.0-1.el9.tar.bz2": nil}
			made, _, err := in.Carry(t.Context(), Change{PatchFile: patchName, Patch: []byte(patchText), Tag: DefaultTag})
			var se *spec.Error
			switch {
			case c.want == "" && err != nil:
				t.Errorf("got %v\n%s", err, made.Spec.Text())
			case c.want != "" && (!errors.As(err, &se) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "write %{release} there")):
				t.Errorf("got %v\n%s", err, text)
			}
		})
	}
}
