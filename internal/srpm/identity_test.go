// SPDX-License-Identifier: Apache-2.0

package srpm

import (
	"errors"
	"os"
	"strings"
	"testing"

	"ovzpatch/internal/rpmfile"
	"ovzpatch/internal/spec"
)

const autorelease = "%define autorelease(e:s:pb:n) %{?-p:0.}%{lua:\n    release_number = 7;\n    base = tonumber(rpm.expand(\"%{?-b*}%{!?-b:1}\"));\n" +
	"    print(release_number + base - 1);\n}%{?-e:.%{-e*}}%{?-s:.%{-s*}}%{!?-n:%{?dist}}\n"

const fedora16 = "%if 0%{?buildid:1}\n%global orig_buildid %{buildid}\n%undefine buildid\n%endif\n# % define buildid .local\n" +
	"%if 0%{?orig_buildid:1}\n%if 0%{?buildid:1}\n%global srpm_buildid %{buildid}\n%define buildid %{srpm_buildid}%{orig_buildid}\n%else\n%define buildid %{orig_buildid}\n%endif\n%endif\n"

// The releases of distributions, as rpmbuild makes them: the tag goes in once, all else
// stays as the original's header has it, and rpm takes the result for newer.
func TestReleasesOfDistributions(t *testing.T) {
	if testing.Short() {
		t.Skip("runs rpmbuild for every release")
	}
	for name, c := range map[string]struct{ before, release, dist, want string }{
		"Photon":            {"", "7%{?dist}", ".ph5", "7.ph5.lustre1"},
		"Azure Linux":       {"", "1%{?dist}", ".azl3", "1.azl3.lustre1"},
		"Mariner":           {"", "2%{?dist}", ".cm2", "2.cm2.lustre1"},
		"Mageia":            {"%define subrel 1\n", "%{subrel}%{?dist}", ".mga9", "1.lustre1.mga9|1.mga9.lustre1"},
		"Anolis":            {"%define anolis_release 19\n", "%{anolis_release}.1%{?dist}", ".an8", "19.1.an8.lustre1"},
		"Anolis 23":         {"", "16%{?dist}", ".an23", "16.an23.lustre1"},
		"TencentOS":         {"%global release_os %{?dist}\n", "0017%{release_os}", ".tl3", "0017.tl3.lustre1"},
		"Kylin":             {"", "52.22.v2207%{?dist}", ".ky10", "52.22.v2207.ky10.lustre1"},
		"UnionTech":         {"", "3%{?dist}", ".uelc20", "3.uelc20.lustre1"},
		"XCP-ng":            {"%define xsver 2.1\n", "%{?xsver}%{?dist}", ".xcpng8.3", "2.1.lustre1.xcpng8.3|2.1.xcpng8.3.lustre1"},
		"Leap":              {"", "150600.1%{?dist}", ".lp156", "150600.1.lp156.lustre1"},
		"openEuler":         {"%global pkg_release 61.0.0.1\n", "%{pkg_release}%{?dist}", ".oe2203sp3", "61.0.0.1.oe2203sp3.lustre1"},
		"CentOS 7":          {"%define pkg_release 1160%{?buildid}%{?dist}\n# % define buildid .local\n", "%{pkg_release}", ".el7.centos", "1160.lustre1.el7.centos"},
		"Rocky 8":           {"# define buildid .local\n%define pkgrelease 553\n%define specrelease 553%{?buildid}%{?dist}\n", "%{specrelease}", ".el8.rocky", "553.lustre1.el8.rocky"},
		"an old Rocky":      {"# define buildid .local\n%define specrelease 427%{?buildid}%{?dist}\n", "%{specrelease}", ".rocky9", "427.rocky9.lustre1"},
		"9.6 minor":         {"", "570.12.1%{?dist}", ".el9_6.0.1", "570.12.1.el9_6.0.1.lustre1"},
		"CloudLinux":        {"", "962.3.2.lve1.5.88%{?dist}", ".el6.cloudlinux", "962.3.2.lve1.5.88.el6.cloudlinux.lustre1"},
		"no dist":           {"", "7%{?dist}", "", "7.lustre1"},
		"dist in between":   {"", "92%{?dist}.028stab060", ".el5", "92.el5.028stab060.lustre1"},
		"dist twice":        {"", "1%{?dist}.2%{?dist}", ".fc40", "1.fc40.2.fc40.lustre1"},
		"dist in buildid":   {"%define buildid .own%{?dist}\n", "1%{?buildid}", ".fc40", "1.own.fc40.lustre1"},
		"Fedora 16":         {fedora16, "1%{?buildid}%{?dist}", ".fc16", "1.lustre1.fc16"},
		"buildid elsewhere": {"%if 0%{?fedora}\n%define buildid .fed\n%endif\n", "3%{?buildid}%{?dist}", ".fc41", "3.fc41.lustre1"},
		"buildid later":     {"", "3%{?buildid}%{?dist}\n%define buildid .own", ".fc41", "3.fc41.lustre1"},
		"buildid doubled":   {"%define buildid .a\n%global buildid %{buildid}.b\n", "3%{?buildid}%{?dist}", ".fc41", "3.a.b.fc41.lustre1"},
		"autorelease":       {autorelease, "%autorelease", ".fc42", "7.fc42.lustre1"},
		"its arguments":     {autorelease, "%autorelease -b 3 -e rt", ".fc42", "9.rt.fc42.lustre1"},
		"braces":            {autorelease, "%{autorelease -n}%{?dist}", ".fc42", "7.fc42.lustre1"},
		"expand":            {"%global base 4\n", "%{expand:%{base}%{?dist}}", ".fc40", "4.fc40.lustre1"},
		"program":           {"", "%(echo 12)%{?dist}", ".fc40", "12.fc40.lustre1"},
		"Lua in lines":      {"", "%{lua:\nprint(12)\n}%{?dist}", ".fc40", "12.fc40.lustre1"},
		"suffix":            {"", "12%{?dist}%{?release_suffix}", ".el8", "12.el8.lustre1"},
		"continued":         {"%define pkg_release %{lua:\nprint(5)\n}%{?dist}\n", "%{pkg_release}", ".el8", "5.el8.lustre1"},
		"two releases":      {"", "\n%if 0%{?rhel}\nRelease: 8%{?dist}\n%else\nrelease:\t9%dist\n%endif", ".fc40", "9.fc40.lustre1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			release := "Release: " + c.release
			if strings.HasPrefix(c.release, "\n") {
				release = c.release[1:]
			}
			text := c.before + "Name: kernel\nVersion: 6.1\n" + release + "\nSummary: k\nLicense: GPL\nSource0: linux-6.1.tar.gz\n" +
				"Source1: other%{?dist}.txt\n%description\nk\n%package devel\nSummary: k\nRelease: 99\n%description devel\nk\n%prep\n%setup -q -n linux-6.1\n%build\n"
			in := Inputs{
				Spec: spec.Read("kernel.spec", []byte(text)), Date: shapeDate, Defines: []string{spec.DefineDist(c.dist)},
				Texts: map[string][]byte{"linux-6.1.tar.gz": tarball(t, "linux-6.1"), "other" + c.dist + ".txt": []byte("x\n")},
			}
			source, err := Build(t.Context(), in, t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			was := identityOf(opened(t, source)).release
			made, _, err := rewrite(t.Context(), source, Change{PatchFile: patchName, Patch: []byte(patchText), Tag: DefaultTag}, t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			got := identityOf(opened(t, made)).release
			if ok := strings.Contains("|"+c.want+"|", "|"+got+"|"); !ok || strings.Replace(got, DefaultTag, "", 1) != was {
				t.Errorf("%s became %s, want %s", was, got, c.want)
			}
			if newer, err := isNewer(t.Context(), got, was); err != nil || !newer {
				t.Errorf("rpm does not take %s for newer than %s: %v", got, was, err)
			}
		})
	}
}

func opened(t *testing.T, path string) *rpmfile.File {
	t.Helper()
	f, err := rpmfile.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// What cannot be made as it was is refused, and nothing is written.
func TestOtherReleasesAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		release, source, sourceMade, dist, tag, want string
		defines                                      []string
	}{
		"dist that no text tells": {release: "7%(echo %{?dist} | tr a-z A-Z)", dist: ".azl3", tag: DefaultTag, want: "--define 'dist ...'"},
		"another dist":            {release: "7%{?dist}", dist: ".azl3", tag: DefaultTag, defines: []string{"dist .el9"}, want: "rpm makes kernel-6.1-7.el9 of it here, but kernel-6.1-7.azl3 is expected"},
		"another build number":    {release: "7%{?number}", defines: nil, dist: "", tag: DefaultTag, sourceMade: "number .5", want: "kernel-6.1-7.5 is expected"},
		"sorts below":             {release: "7", tag: "~site", want: "is not newer"},
		"tag is there":            {release: "7.lustre1", tag: DefaultTag, want: "once"},
		"takes the whole line":    {release: "%mk 5", tag: DefaultTag, want: "with the tag .lustre1 rpm cannot read it"},
		"two sources tell":        {release: "7", source: "a%{?dist}.txt", dist: ".x", tag: DefaultTag, want: ""},
	} {
		text := "%define mk() %{1}.x \\\n%{nil}\nName: kernel\nVersion: 6.1\nRelease: " + c.release + "\nSummary: k\nLicense: GPL\nSource0: linux-6.1.tar.gz\n"
		texts := map[string][]byte{"linux-6.1.tar.gz": tarball(t, "linux-6.1")}
		if c.source != "" {
			text += "Source1: " + c.source + "\n"
			texts[strings.ReplaceAll(c.source, "%{?dist}", c.dist)] = []byte("x\n")
		}
		text += "%description\nk\n%prep\n%setup -q -n linux-6.1\n%build\n"
		in := Inputs{Spec: spec.Read("kernel.spec", []byte(text)), Date: shapeDate, Texts: texts, Defines: []string{spec.DefineDist(c.dist)}}
		if c.sourceMade != "" {
			in.Defines = append(in.Defines, c.sourceMade)
		}
		source, err := Build(t.Context(), in, t.TempDir())
		if err != nil {
			t.Fatal(name, err)
		}
		f, dir, out := opened(t, source), t.TempDir(), t.TempDir()
		if err := f.Extract(t.Context(), dir, nil); err != nil {
			t.Fatal(err)
		}
		made, err := Unpacked(f, dir, spec.Read("kernel.spec", []byte(text)))
		if err == nil {
			made, err = made.Settle(t.Context(), c.defines)
		}
		if err == nil {
			made, _, err = made.Carry(t.Context(), Change{PatchFile: patchName, Patch: []byte(patchText), Tag: c.tag})
		}
		if err == nil {
			_, err = Build(t.Context(), made, out)
		}
		var se *spec.Error
		switch {
		case c.want == "" && err == nil:
		case c.want == "" || !errors.As(err, &se) || !strings.Contains(err.Error(), c.want):
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if list, _ := os.ReadDir(out); len(list) > 0 && c.want != "" {
			t.Errorf("%s: left %v", name, list)
		}
	}
}

// The header that rpmbuild writes is what counts.
func TestBuildReadsTheHeaderBack(t *testing.T) {
	in := Inputs{
		Spec: spec.Read("kernel.spec", []byte(specOfParts("1", "", "%autosetup -p1"))), Date: shapeDate,
		Texts: map[string][]byte{"linux-5.14.0.tar.gz": tarball(t, "linux-5.14.0")}, origin: &identity{"kernel", "", "5.14.0", "1.el9.lustre1"},
	}
	out := t.TempDir()
	_, err := Build(t.Context(), in, out)
	var se *spec.Error
	if !errors.As(err, &se) || !strings.Contains(err.Error(), "kernel-5.14.0-1 of it here, but kernel-5.14.0-1.el9.lustre1 is expected") {
		t.Errorf("got %v", err)
	}
	if list, _ := os.ReadDir(out); len(list) > 0 {
		t.Errorf("left %v", list)
	}
}

func TestATagDoesNotBecomePartOfANumber(t *testing.T) {
	for _, c := range []struct {
		original, release, tag string
		want                   bool
	}{
		{"7.el7", "7.el7.lustre1", ".lustre1", true},
		{"7", "71", "1", false},
		{"7.rc", "7.rc1", "1", true},
		{"7.el7", "7.lustre1.el7", ".lustre1", true},
		{"7.el7", "7.el7.lustre10", ".lustre1", false},
	} {
		if got := marks(c.original, c.release, c.tag); got != c.want {
			t.Errorf("%s made of %s with tag %s: %v", c.release, c.original, c.tag, got)
		}
	}
}

// A package that has the mark is told so.
func TestMarkedAlready(t *testing.T) {
	in := Inputs{
		Spec: spec.Read("kernel.spec", []byte(specOfParts("1.lustre1", "Patch1: a.patch", "%setup -q -n linux-5.14.0\n%patch1 -p1\n"))), Date: shapeDate,
		origin: &identity{name: "kernel", version: "5.14.0", release: "1.lustre1"},
	}
	_, _, err := in.With(Change{PatchFile: patchName, Patch: []byte(patchText), Tag: DefaultTag})
	if err == nil || !strings.Contains(err.Error(), "already carries the mark .lustre1") || strings.Contains(err.Error(), "as .lustre1") {
		t.Errorf("%v", err)
	}
}
