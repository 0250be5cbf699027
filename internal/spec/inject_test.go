// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Specs that cannot be edited safely are refused with the place and what to do.
func TestInjectRefuses(t *testing.T) {
	const plain = "%setup -q -n linux-5.14.0\n"
	for name, c := range map[string]struct {
		spec string
		want string
	}{
		"nothing":              {"", "empty"},
		"no prep":              {"Name: kernel\nRelease: 1\n%build\n", "no %prep"},
		"no release":           {"Name: kernel\n%prep\n" + plain, "no Release"},
		"open condition":       {specOfParts("1", "%if 1", plain), "no %endif"},
		"stray endif":          {specOfParts("1", "%endif", plain), "%endif without %if"},
		"stray else":           {specOfParts("1", "%else", plain), "%else without %if"},
		"numbers by macro":     {specOfParts("1", "Patch%{n}: a.patch", plain), "is a macro"},
		"carries it":           {specOfParts("1", "Patch1: "+patchName, plain), "carries"},
		"carries it in a list": {specOfParts("1", "", "%autosetup -p1\n") + "%patchlist\n" + patchName + "\n", "carries"},
		"list not applied":     {specOfParts("1", "", plain) + "%patchlist\na.patch\n", "nothing applies"},
		"strip level":          {specOfParts("1", "Patch1: a.patch", "%autosetup -p0 -n linux-5.14.0"), "-p1"},
		"no strip level":       {specOfParts("1", "Patch1: a.patch", "%autosetup -n linux-5.14.0"), "-p1"},
		"range of macros":      {specOfParts("1", "Patch1: a.patch", plain+"%autopatch -p1 -m %{low}"), "bounds are macros"},
		"only for one machine": {specOfParts("1", "Patch1: a.patch", "%ifarch x86_64\n%autosetup -p1\n%endif"), "only under"},
		"tree of the other branch": {
			specOfParts("1", "Patch1: a.patch", "%ifarch x86_64\n%autosetup -p1\n%else\n%autosetup -p1\n%endif"),
			"only under",
		},
		"in a loop":                 {specOfParts("1", "Patch1: a.patch", "%setup -q -c -n x\nfor d in a b; do\ncd $d\n%patch1 -p1\ncd ..\ndone"), "the text does not show whether"},
		"never in a tree":           {specOfParts("1", "", "%setup -q -c -n x"), "no place"},
		"somewhere":                 {specOfParts("1", "", "%setup -q -c -n x\ncd $WHERE"), "no place"},
		"either directory":          {specOfParts("1", "", "%setup -q -c -n x\nif [ -d a ]; then\ncd a\nfi"), "no place"},
		"source follows release":    {specOfParts("1", "Source1: config-%{release}", plain), "name of a source"},
		"source follows by a macro": {specOfParts("1", "%define full %{version}-%{release}\nSource1: config-%{full}", plain), "name of a source"},
		"directory follows release": {specOfParts("1", "", "%setup -q -n linux-%{release}"), "directory in the tarball"},
		"release with a comment":    {specOfParts("1 # one", "", plain), "comment"},
		"ends quietly":              {specOfParts("1", "Patch1: a.patch", plain+"exit 0\n%patch1 -p1"), "may end"},
		"ends in a list":            {specOfParts("1", "Patch1: a.patch", plain+"%patch1 -p1\ntrue && exit 0"), "may end"},
		"ends for some builds":      {specOfParts("1", "Patch1: a.patch", plain+"%ifarch x86_64\nexit 0\n%endif\n%patch1 -p1"), "may end"},
		"ends for some":             {specOfParts("1", "Patch1: a.patch", plain+"if [ -e x ]; then\n  exit\nfi\n%patch1 -p1"), "may end"},
		"ends by exec":              {specOfParts("1", "", plain+"exec true"), "may end"},
		"another tree later":        {specOfParts("1", "Source1: b.tar.gz\nPatch1: a.patch", plain+"%setup -q -T -D -b 1 -n other-1\n%patch1 -p1"), "unpacks again"},
		"unpacked again":            {specOfParts("1", "", plain+"sed -i s/a/b/ Makefile\n%setup -q -n linux-5.14.0"), "unpacks again"},
		"include":                   {specOfParts("1", "%include %{SOURCE2}", plain), "%include %{SOURCE2}"},
		"include in prep":           {specOfParts("1", "", plain+"%include x.inc"), "%include x.inc"},
		"loaded macros":             {specOfParts("1", "%{load:%{SOURCE2}}", plain), "%{load:"},
		"lua":                       {specOfParts("1", "", plain+"%{lua: print('x')}"), "Lua"},
		"lua of many lines":         {specOfParts("1", "", plain+"%{lua:\nprint('x')\n}"), "Lua"},
		"comment":                   {specOfParts("1", "Patch1: a.patch", plain+"# %autopatch -p1"), "comments"},
		"comment behind":            {specOfParts("1", "Patch1: a.patch", plain+"true # %{autopatch -p1}"), "comments"},
		"expand":                    {specOfParts("1", "Patch1: a.patch", plain+"%{expand:%patch1 -p1}"), "not in the text"},
		"eval":                      {specOfParts("1", "", plain+"eval $WHERE"), "not in the text"},
		"source":                    {specOfParts("1", "", plain+"if true; then . ./env.sh; fi"), "not in the text"},
		"macro of distribution":     {specOfParts("1", "Patch1: a.patch", plain+"%apply_patches"), "not in the text"},
		"beside the tree":           {specOfParts("1", "", "%setup -q -c -n x\ncd $X"), "no place"},
		"loop of level 0":           {specOfParts("1", "Patch1: a.patch", plain+"for p in %{patches}; do patch -p0 < $p; done"), "not certain"},
		"all, as arguments":         {specOfParts("1", "Patch1: a.patch", plain+"set -- %{patches}\nfor p in \"$@\"; do patch -p1 < $p; done"), "is not followed"},
		"all, in an array":          {specOfParts("1", "Patch1: a.patch", plain+"all=(%{patches})\nfor p in \"${all[@]}\"; do patch -p1 < $p; done"), "is not followed"},
		"all, for a function":       {specOfParts("1", "Patch1: a.patch", plain+"apply() {\n  for p in \"$@\"; do patch -p1 < $p; done\n}\napply %{patches}"), "not certain"},
		"loop that undoes":          {specOfParts("1", "Patch1: a.patch", plain+"for p in %{patches}; do\n  patch -p1 -R < $p\ndone"), "not certain"},
		"loop that chooses":         {specOfParts("1", "Patch1: a.patch", plain+"for p in %{patches}; do\n  case $p in *.diff) continue;; esac\n  patch -p1 < $p\ndone"), "not certain"},
	} {
		_, err := Read("kernel.spec", []byte(c.spec)).Inject(injection())
		var se *Error
		if !errors.As(err, &se) || !strings.Contains(err.Error(), c.want) || se.Advice == "" {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
	for name, change := range map[string]func(*Injection){
		"tag":  func(in *Injection) { in.Tag = ".lustre-1" },
		"name": func(in *Injection) { in.PatchFile = "../a.patch" },
	} {
		in := injection()
		change(&in)
		if _, err := Read("kernel.spec", []byte(specOfParts("1", "", plain))).Inject(in); err == nil {
			t.Errorf("a bad %s passed", name)
		}
	}
}

// What is not the patch's business stays as it is.
func TestInjectWithout(t *testing.T) {
	in := injection()
	in.Tag, in.Changes = "", nil
	text := strings.TrimSuffix(specOfParts("1", "", "%autosetup -p1 -n linux-5.14.0"), "\n") // no newline at its end
	e, err := Read("kernel.spec", []byte(text)).Inject(in)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Replace(text, ".tar.gz\n", ".tar.gz\nPatch1: "+patchName+"\n", 1)
	if string(e.Spec.Text()) != want {
		t.Errorf("got\n%s", e.Spec.Text())
	}
	checkDiff(t, []byte(text), e)
	// With an entry at the end, the last line gets its newline.
	e, err = Read("kernel.spec", []byte(text)).Inject(injection())
	if err != nil {
		t.Fatal(err)
	}
	checkDiff(t, []byte(text), e)
}

// rpm refuses a changelog whose entries are not newest first.
func TestChangelogStaysInOrder(t *testing.T) {
	in := injection()
	in.Date = time.Date(2001, 2, 3, 0, 0, 0, 0, time.UTC)
	in.Changes = []string{"100% sure"}
	text := specOfParts("1", "", "%autosetup -p1") + "%changelog\n* Thu Jun  3 2021 A Builder <a@example.com>\n- one\n"
	e, err := Read("kernel.spec", []byte(text)).Inject(in)
	if err != nil {
		t.Fatal(err)
	}
	if want := "%changelog\n* Thu Jun 03 2021 A Tester <tester@example.com>\n- 100%% sure\n\n* Thu Jun  3"; !strings.Contains(string(e.Spec.Text()), want) {
		t.Errorf("got\n%s", e.Spec.Text())
	}
}

func TestReleaseMarks(t *testing.T) {
	for name, c := range map[string]struct{ release, preamble, want string }{
		"plain":          {"1", "", "Release: 1.lustre1"},
		"dist":           {"1%{?dist}", "", "Release: 1%{?dist}.lustre1"},
		"unknown macro":  {"%{number}", "", "Release: %{number}.lustre1"},
		"macro":          {"%{number}", "%define number 5", "%define number 5.lustre1"},
		"two steps":      {"%{a}", "%global a %{b}\n%global b 7%{?dist}", "%global b 7%{?dist}.lustre1"},
		"by condition":   {"%{a}", "%if 1\n%define a 1\n%else\n%define a 2\n%endif", "%if 1\n%define a 1.lustre1\n%else\n%define a 2.lustre1\n%endif"},
		"build id":       {"1%{?buildid}", "# define buildid .local", "%define buildid .lustre1"},
		"build id set":   {"1%{?buildid}", "%define buildid .9", "%define buildid .9.lustre1"},
		"no build id":    {"%{a}", "%define a 1%{?buildid}", "%define a 1%{?buildid}.lustre1"},
		"without braces": {"%number", "%define number 5", "%define number 5.lustre1"},
		"two releases":   {"1\n%else\nrelease:\t2%dist", "%endif", "Release: 1.lustre1\n%else\nrelease:\t2%dist.lustre1"},
		"arguments":      {"%autorelease -b 3", "%define autorelease(b:) %{lua:\nprint(7)\n}%{?dist}", "Release: %{autorelease -b 3}.lustre1"},
		"lines":          {"%{lua:\nprint(7)\n}", "", "Release: %{lua:\nprint(7)\n}.lustre1"},
	} {
		text := specOfParts(c.release, c.preamble, "%autosetup -p1")
		if strings.Contains(c.release, "%else") {
			text = "%if 1\n" + strings.Replace(strings.Replace(text, "%endif\n", "", 1), "\nSummary", "\n%endif\nSummary", 1)
		}
		e, err := Read("kernel.spec", []byte(text)).Inject(injection())
		if err != nil || !strings.Contains(string(e.Spec.Text()), c.want+"\n") || strings.Count(string(e.Spec.Text()), ".lustre1") != strings.Count(c.want, ".lustre1") {
			t.Errorf("%s: %v\n%s", name, err, e.Diff)
		}
	}
}

// Whatever a spec is, it is edited as its diff says, or refused.
func FuzzInject(f *testing.F) {
	list, _ := filepath.Glob("testdata/shapes/*/kernel.spec")
	for _, name := range list {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		e, err := Read("kernel.spec", text).Inject(injection())
		if err != nil {
			return
		}
		if !bytes.Contains(e.Spec.Text(), []byte(patchName)) {
			t.Error("the patch is not in the spec")
		}
		// Every line of the original that the diff does not remove is still there.
		removed := 0
		for line := range strings.Lines(e.Diff) {
			if strings.HasPrefix(line, "-") && !strings.HasPrefix(line, "---") {
				removed++
			}
		}
		if e.Spec.err != nil {
			t.Fatalf("the edited spec does not parse: %v", e.Spec.err)
		}
		if before := Read("kernel.spec", text); len(e.Spec.lines) < len(before.lines)-removed {
			t.Errorf("%d lines became %d", len(before.lines), len(e.Spec.lines))
		}
	})
}

// The patch goes in where the directory is the kernel tree's for certain, in the form that
// every rpm takes.
func TestInjectPlaces(t *testing.T) {
	const plain = "%setup -q -n linux-5.14.0 -b 1\n%patch0 -p1\n"
	for name, c := range map[string]struct{ prep, after string }{
		"sibling by pushd":    {plain + "pushd ../other-1\n%patch1 -p1\npopd\nmake x", "popd"},
		"sibling for good":    {plain + "cd ../other-1\n%patch1 -p1", "%patch0 -p1"},
		"there and back":      {plain + "cd ../other-1\n%patch1 -p1\ncd ../linux-5.14.0", "cd ../linux-5.14.0"},
		"subshell":            {plain + "(cd ../other-1; patch -p1 < x)\n%patch1 -p1", "%patch1 -p1"},
		"subshell of lines":   {plain + "(\n  cd ../other-1\n  patch -p1 < x\n)\n%patch1 -p1", "%patch1 -p1"},
		"perhaps elsewhere":   {plain + "test -d x && cd x\n%patch1 -p1", "%patch0 -p1"},
		"or elsewhere":        {plain + "cd x || cd y\n%patch1 -p1", "%patch0 -p1"},
		"in a pipe's shell":   {plain + "true | cd x\n%patch1 -p1", "%patch0 -p1"},
		"two levels":          {plain + "pushd fs\npushd ../mm\n%patch1 -p2\npopd\npopd\n%patch2 -p1", "%patch2 -p1"},
		"whichever matches":   {plain + "cd ../linux-*\n%patch1 -p1", "%patch0 -p1"},
		"before the end":      {plain + "%patch1 -p1\nexit 0\n# the end", "%patch1 -p1"},
		"before a bare end":   {"%setup -q -c -n x\ncd linux-5.14.0\nexit\n\n", "cd linux-5.14.0"},
		"a failure":           {plain + "[ -e Makefile ] || exit 1\n%patch1 -p1", "%patch1 -p1"},
		"same tree, no files": {plain + "%setup -q -T -D -n linux-5.14.0\n%patch1 -p1", "%patch1 -p1"},
		"commented":           {plain + "# %%autopatch -p1\n%patch1 -p1", "%patch1 -p1"},
		"a name by a macro":   {"%setup -q -c -n x\ncd linux%{?dist}\n%patch0 -p1", "%patch0 -p1"},
		"behind a series":     {plain + "while read p; do\n  patch -p1 < %{_sourcedir}/$p\ndone < %{_sourcedir}/series", "series"},
		"behind a program":    {plain + "xzcat %{PATCH1} | %{__patch} -p1", "-p1"},
		"behind quilt":        {plain + "QUILT_PATCHES=p quilt push -a", "-a"},
		"command and change":  {"%setup -q -c -n x\nmv a linux && cd linux\n%patch0 -p1", ""},
	} {
		e, err := Read("kernel.spec", []byte(specOfParts("1", "Source1: b.tar.gz\nPatch0: a.patch\nPatch1: b.patch\nPatch2: c.patch", c.prep))).Inject(injection())
		switch {
		case c.after == "" && err == nil:
			t.Errorf("%s: passed\n%s", name, e.Diff)
		case c.after != "" && (err != nil || !strings.Contains(string(e.Spec.Text()), c.after+"\n%patch -P 3 -p1\n")):
			t.Errorf("%s: %v\n%s", name, err, e.Diff)
		}
	}
	// Whatever applies all of them by git am gets a mail.
	for _, prep := range []string{"%autosetup -S git_am -n linux-5.14.0 -p1\nexit 0", "%autosetup -S git_am -N -n linux-5.14.0\n%autopatch -p1", plain + "%{__git} am %{patches}", plain + "for p in %{patches}; do\n  git am $p\ndone"} {
		e, err := Read("kernel.spec", []byte(specOfParts("1", "Patch0: a.patch", prep))).Inject(injection())
		if err != nil || !e.Mail {
			t.Errorf("%s: %v, mail: %v", prep, err, e.Mail)
		}
	}
	// A loop over all patches ends where it ends, not at the end of the spec.
	e, err := Read("kernel.spec", []byte(specOfParts("1", "Patch0: a.patch", plain[:len(plain)-len("%patch0 -p1\n")]+"for p in %{patches}; do\n  patch -p1 < $p\ndone\nchmod -R u+w ."))).Inject(injection())
	if err != nil || strings.Contains(string(e.Spec.Text()), "%patch -P") {
		t.Errorf("loop: %v\n%s", err, e.Diff)
	}
}
