// SPDX-License-Identifier: Apache-2.0

package srpm

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ovzpatch/internal/command"
	"ovzpatch/internal/patch"
	"ovzpatch/internal/spec"
)

// applyPatch is what the patch makes of a tree's files.
func applyPatch(files map[string][]byte) (map[string][]byte, error) {
	p, err := patch.Parse(patchName, []byte(patchText))
	if err != nil {
		return nil, err
	}
	plan, err := patch.NewPlan(p, func(name string) (patch.Content, error) {
		text, ok := files[name]
		if !ok {
			return patch.Content{}, fs.ErrNotExist
		}
		return patch.Content{Data: text, Mode: 0o644}, nil
	}, patch.Options{Strip: 1, Nearest: true})
	if err != nil {
		return nil, err
	}
	for _, c := range plan.Changes {
		files[c.Name] = c.After.Data
	}
	return files, nil
}

// provable is a package of two kernels and another program, before and after With.
func provable(t *testing.T, preamble, prep, build string) (original, made Inputs, err error) {
	t.Helper()
	text := strings.Replace(specOfParts("1.el9", "Source1: other-1.tar.gz\nSource2: second-5.tar.gz\nPatch0: a.patch\nPatch1: b.patch\nPatch2: c.patch\n"+preamble, prep), "%build\n", "%build\n"+build, 1)
	original = Inputs{Spec: spec.Read("kernel.spec", forThisRpm(t, []byte(text))), Date: shapeDate, Texts: map[string][]byte{}}
	original.origin = &identity{name: "kernel", version: "5.14.0", release: "1.el9"}
	for _, top := range []string{"linux-5.14.0", "second-5"} {
		original.Texts[top+".tar.gz"] = tarball(t, top)
	}
	original.Texts["other-1.tar.gz"] = tarballOf(t, "other-1", [][2]string{{"Makefile", "all:\n\t:\n"}, {"Documentation/Changes", "none\n"}})
	for _, name := range []string{"a", "b", "c"} {
		original.Texts[name+".patch"] = []byte("--- /dev/null\n+++ b/" + name + ".mark\n@@ -0,0 +1 @@\n+x\n")
	}
	original.Texts["series"] = []byte("a.patch\nb.patch\n")
	made, _, err = original.Carry(t.Context(), Change{PatchFile: patchName, Patch: []byte(patchText), Tag: DefaultTag, Author: "A Tester <tester@example.com>"})
	return original, made, err
}

// replaced is a spec with other words.
func replaced(by *strings.Replacer, s *spec.Spec) *spec.Spec {
	return spec.Read(s.Name(), []byte(by.Replace(string(s.Text()))))
}

func prove(t *testing.T, original, made Inputs) (Proven, error) {
	t.Helper()
	dir := t.TempDir()
	found, err := made.Prove(t.Context(), Proof{
		Original: original, PatchFile: patchName, Files: []string{"fs/namespace.c"}, Apply: applyPatch, Dir: dir,
	})
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("it left %v", left)
	}
	return found, err
}

// Every shape either holds the change in the tree that %build works in, by rpmbuild itself,
// or is refused by its text, or by the proof.
func TestProve(t *testing.T) {
	if testing.Short() {
		t.Skip("runs rpmbuild for every shape")
	}
	const kernel = "%setup -q -n linux-5.14.0 -b 1 -b 2\n"
	for name, c := range map[string]struct{ prep, build, want string }{
		"sibling by pushd":         {kernel + "%patch0 -p1\npushd ../other-1\n%patch1 -p1\npopd\n", "", "unseen in linux-5.14.0"},
		"sibling by pushd, ours":   {kernel + "%patch0 -p1\npushd ../other-1\n%patch1 -p1\npopd\n%patch2 -p1\n", "make\n", "linux-5.14.0"},
		"another kernel, left":     {kernel + "%patch0 -p1\ncd ../second-5\n%patch1 -p1\n", "make\n", "linux-5.14.0"},
		"another kernel is built":  {kernel + "cd ../second-5\n%patch1 -p1\n", "cd ../second-5\nmake\n", "text: not known to be the kernel's tree"},
		"subshell":                 {kernel + "(cd ../second-5; patch -p1 < %{PATCH0})\n%patch1 -p1\n", "", "unseen in linux-5.14.0"},
		"subshell of lines":        {kernel + "(\n  cd ../second-5\n  patch -p1 < %{PATCH0}\n)\n%patch1 -p1\n", "", "unseen in linux-5.14.0"},
		"two levels of pushd":      {kernel + "pushd fs\npushd ../Documentation\npopd\npopd\n%patch1 -p1\n", "", "unseen in linux-5.14.0"},
		"tree in a directory":      {"%setup -q -c -T -a 0 -n x\ncd linux-5.14.0\n%patch0 -p1\n", "cd linux-5.14.0\nmake\n", "x/linux-5.14.0"},
		"make -C":                  {"%setup -q -c -T -a 0 -n x\ncd linux-5.14.0\n%patch0 -p1\n", "make -C linux-5.14.0\n", "x/linux-5.14.0"},
		"renamed before":           {"%setup -q -c -n x\nmv linux-5.14.0 linux\ncd linux\n%patch0 -p1\n", "cd linux\nmake\n", "x/linux"},
		"renamed after":            {"%setup -q -c -n x\ncd linux-5.14.0\n%patch0 -p1\ncd ..\nmv linux-5.14.0 linux\n", "cd linux\nmake\n", "x/linux"},
		"unpacked again after":     {kernel + "%patch0 -p1\ncd ..\nrm -rf linux-5.14.0\ntar xzf %{SOURCE0}\n", "make\n", "text: is removed there"},
		"copied back after":        {kernel + "cp fs/namespace.c fs/kept\n%patch0 -p1\nsed -i /lustre/d fs/namespace.c\n", "make\n", "proof: still the original's"},
		"series file":              {kernel + "while read p; do\n  patch -p1 < %{_sourcedir}/$p\ndone < %{_sourcedir}/series\n", "make\n", "linux-5.14.0"},
		"series and all by glob":   {kernel + "for p in %{_sourcedir}/*.patch; do patch -p1 < $p; done\n", "make\n", "text: a pattern"},
		"git apply of a pattern":   {kernel + "git apply -p1 %{_sourcedir}/*.patch\n", "make\n", "text: a pattern"},
		"found and piped":          {kernel + "find %{_sourcedir} -name '*.patch' | xargs -n1 patch -p1 -i\n", "make\n", "text: a pattern"},
		"loop and a command":       {kernel + "for p in %{patches}; do\n  patch -p1 < $p\ndone\nchmod -R u+w .\n", "", "unseen in linux-5.14.0"},
		"xargs":                    {kernel + "echo %{patches} | xargs -n1 patch -p1 -i\n", "", "unseen in linux-5.14.0"},
		"patch -i":                 {kernel + "patch -p1 -i %{PATCH0}\n%{__patch} -p1 -s < %{PATCH1}\ncat %{PATCH2} | patch -p1\n", "", "unseen in linux-5.14.0"},
		"patch -d":                 {kernel + "patch -d ../second-5 -p1 < %{PATCH0}\n%patch1 -p1\n", "", "unseen in linux-5.14.0"},
		"env -C":                   {kernel + "env -C ../second-5 patch -p1 -i %{PATCH0}\n", "", "unseen in linux-5.14.0"},
		"here document":            {kernel + "cat > x <<EOF\ncd ../second-5\necho %%patch1\nEOF\n%patch1 -p1\n", "", "unseen in linux-5.14.0"},
		"a function of its own":    {kernel + "apply() {\n  patch -p1 < $1\n}\napply %{PATCH0}\n%patch1 -p1\n", "", "unseen in linux-5.14.0"},
		"test and cd":              {kernel + "%patch0 -p1\ntest -d ../second-5 && cd ../second-5\n%patch1 -p1\n", "make\n", "linux-5.14.0"},
		"in a condition":           {kernel + "%if 0%{?rhel}\n%patch0 -p1\n%else\n%patch1 -p1\n%endif\n", "", "unseen in linux-5.14.0"},
		"a macro of lines":         {kernel + "%{!?nope:\n%patch0 -p1\n}\n", "", "unseen in linux-5.14.0"},
		"functions before make":    {kernel + "%patch0 -p1\n", "Build() {\n  cd ../second-5\n  make\n}\nmkdir -p $RPM_BUILD_ROOT\nBuild\n", "text: not known to get the patch"},
		"range in the tree":        {"%autosetup -N -n linux-5.14.0\n%autopatch -p1 -M 1\n", "", "unseen in linux-5.14.0"},
		"no patches of autosetup":  {"%autosetup -N -n linux-5.14.0\n%autopatch -p1\n", "", "unseen in linux-5.14.0"},
		"Lua":                      {kernel + "%{lua: for i, p in ipairs(patches) do print(rpm.expand('%patch -P '..(i-1)..' -p1\\n')) end}\n", "", "text: Lua"},
		"a comment":                {kernel + "# %autopatch -p1\n", "", "text: comments"},
		"ends":                     {kernel + "%patch0 -p1\nexit 0\n%patch1 -p1\n", "", "text: may end"},
		"second setup":             {kernel + "%patch0 -p1\n%setup -q -T -D -n second-5\n%patch1 -p1\n", "", "text: unpacks again"},
		"prep that fails":          {kernel + "%patch0 -p1\nfalse\n", "", "run: %prep of the original fails here"},
		"by git":                   {"%autosetup -S git -n linux-5.14.0 -p1\n", "make\n", "linux-5.14.0"},
		"built outside":            {kernel + "%patch0 -p1\n", "cd /\nmake\n", "unseen in linux-5.14.0"},
		"not the kernel's program": {"%setup -q -T -n other-1 -b 1 -b 0\n%patch0 -p1\ncd ../linux-5.14.0\n", "cd ../linux-5.14.0\nmake\n", "text: not known to get the patch"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			original, made, err := provable(t, "", c.prep, c.build)
			var se *spec.Error
			if want, ok := strings.CutPrefix(c.want, "text: "); ok {
				if !errors.As(err, &se) || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			found, err := prove(t, original, made)
			var not *NotProven
			kind, want, refused := strings.Cut(c.want, ": ")
			tree, unseen := strings.CutPrefix(c.want, "unseen in ")
			switch {
			case !refused && (err != nil || !slices.Equal(found.Trees, []string{tree}) || found.Compiled == unseen || (len(found.Unseen) > 0) != unseen || found.Duration <= 0):
				t.Errorf("got %+v, %v\n%s", found, err, made.Spec.Text())
			case refused && (err == nil || errors.As(err, &not) != (kind == "proof") || !strings.Contains(err.Error(), want)):
				t.Errorf("got %+v, %v", found, err)
			}
		})
	}
}

// What the text hides from With, the proof sees: these commands are put into %prep and %build
// of both packages when the patch is in.
func TestProveHidden(t *testing.T) {
	if testing.Short() {
		t.Skip("runs rpmbuild for every shape")
	}
	for name, c := range map[string]struct{ before, after, build, want string }{
		"as it is":                    {"", "", "make\n", "linux-5.14.0"},
		"asks for its release":        {"%if \"%{release}\" == \"1.el9\"\npatch -p1 < %{PATCH0}\n%endif\n", "", "make\n", "does not change: linux-5.14.0/a.mark"},
		"counts patches":              {"n=$(echo %{patches} | wc -w)\nif [ $n = 3 ]; then patch -p1 < %{PATCH0}; fi\n", "", "make\n", "a.mark"},
		"greps its spec":              {"grep -q '^Patch[3]' %{_specdir}/kernel.spec || patch -p1 < %{PATCH0}\n", "", "make\n", "a.mark"},
		"last patch by number":        {"", "for p in %{patches}; do last=$p; done\n[ $last != %{PATCH2} ] || patch -p1 < %{PATCH2}\n", "make\n", "c.mark"},
		"alters the patch's lines":    {"", "sed -i s/~1/~0/ fs/namespace.c\n", "make\n", "is not the original's with the patch applied once"},
		"has it twice":                {"", "sed -i /lustre/p fs/namespace.c\n", "make\n", "is not the original's with the patch applied once"},
		"follows the release":         {"", "sed -i 's/^EXTRAVERSION.*/EXTRAVERSION = -%{release}/' Makefile\necho %{release} > %{name}-%{release}.txt\nln -s %{release} link\n", "make\n", "linux-5.14.0"},
		"directory of the release":    {"", "cd ..\ncp -r linux-5.14.0 linux-%{release}\n", "cd ../linux-%{release}\nmake\n", "linux-1.el9.lustre1"},
		"lists its patches":           {"", "echo %{patches} > list\nfor p in %{patches}; do echo $p >> series; done\ncp %{patches} fs\n", "make\n", "linux-5.14.0"},
		"keeps files as they were":    {"cp fs/namespace.c fs/kept\n", "mv fs/kept fs/namespace.c.orig\n", "make\n", "linux-5.14.0"},
		"another each time":           {"", "mktemp -u > stamp\n", "make\n", "linux-5.14.0"},
		"another each time, and less": {"%if \"%{release}\" == \"1.el9\"\npatch -p1 < %{PATCH0}\n%endif\n", "mktemp -u > stamp\n", "make\n", "does not change: linux-5.14.0/a.mark."},
		"mode of a file":              {"%if \"%{release}\" == \"1.el9\"\nchmod +x Documentation/Changes\n%endif\n", "", "make\n", "does not change: linux-5.14.0/Documentation/Changes."},

		"loop over trees":         {"", "", "for t in linux-5.14.0 second-5; do\n  cd ../$t\n  make\ndone\n", "\"make\" in second-5"},
		"goes on after failing":   {"", "", "make bzImage\ncp arch/bzImage . || :\nmake -C ../second-5 modules || :\n", "\"make -C ../second-5 modules\" in second-5"},
		"make -C of another":      {"", "", "make oldconfig\nmake -sC ../second-5 -j 4 bzImage\n", "in second-5"},
		"unpacked in %build":      {"", "", "cd ..\nrm -rf linux-5.14.0\ntar xzf %{SOURCE0}\ncd linux-5.14.0\n%{make_build} all\n", "in linux-5.14.0, where fs/namespace.c is not"},
		"restored in %build":      {"cp fs/namespace.c fs/kept\n", "", "make oldconfig\ncp fs/kept fs/namespace.c\n%{__make} vmlinux\n", "in linux-5.14.0"},
		"copied in %build":        {"", "", "cp -r . ../copy\ncd ../copy\nmake\n", "copy"},
		"copied before ours":      {"cp -r . ../copy\n", "", "cd ../copy\nmake\n", "in copy"},
		"absolute path":           {"", "", "cd ../second-5\n/usr/bin/make all\n", "in second-5"},
		"variable":                {"", "", "cd ../second-5\n$MAKE all\n", "in second-5"},
		"path of its own":         {"", "", "export PATH=/usr/bin:/bin\ncd ../second-5\nmake\n", "in second-5"},
		"by a program":            {"", "", "cd ../second-5\nnice /usr/bin/make\n", "in second-5"},
		"by a script":             {"", "", "printf '#!/bin/sh\\ncd ../second-5\\nmake\\n' > run\nsh run\n", "in second-5"},
		"another output":          {"", "", "cd ../second-5\nmake O=../obj defconfig\nmake -C ../obj\n", "in second-5"},
		"only configured":         {"", "", "make -C ../second-5 defconfig\n", "in second-5"},
		"other trees are no harm": {"", "", "make --version\nmake -C ../second-5 mrproper headers_install\nmake -C ../other-1\nmake -C ../second-5 M=$PWD/fs modules\nmake -C fs\nmake all\n", "linux-5.14.0"},
		"a compiler of its own":   {"", "", "echo 'int main(void) { return 0; }' > x.c\ngcc -o x x.c\n./x\nmake\n", "linux-5.14.0"},
		"stops after":             {"", "", "make\ncp arch/bzImage .\nfor d in ../second*; do make -C $d; done\n", "stopped in linux-5.14.0"},
		"stops before":            {"", "", "no-such-program\nmake\n", "unseen in linux-5.14.0"},
		"ends elsewhere":          {"", "", "cd ../second-5\n", "at its end"},
		"its own Makefile by -f":  {"", "", "make -f Makefile\n", "linux-5.14.0"},
		"names its release":       {"", "", "e=1\nmake EXTRAVERSION=-$e.el9\n", "by the original's release"},

		"fails by their number":   {"", "", "[ $(ls %{_sourcedir}/*.patch | wc -l) = 3 ] || { echo too many >&2; exit 3; }\nmake\n", "stops: too many, and with the original it ends well"},
		"edits by their number":   {"", "", "[ $(find %{_sourcedir} -name '*.patch' | wc -l) = 3 ] || echo x > Documentation/Changes\nmake\n", "makes linux-5.14.0/Documentation/Changes differently"},
		"makes by their number":   {"", "", "set -- %{patches}\nmake V=$#\n", `does not call "make V=3" in linux-5.14.0`},
		"makes by its release":    {"", "", "case %{release} in *lustre*) make bzImage;; esac\nmake\n", `calls "make bzImage" in linux-5.14.0, which it does not`},
		"copied in %build, twice": {"", "", "cp fs/namespace.c fs/kept.c\nmake\n", "linux-5.14.0"},

		"makes of its text":   {"", "", "sha256sum fs/namespace.c > sums\ngrep -c lustre fs/namespace.c > count || :\nmake\n", "linux-5.14.0"},
		"needs its text":      {"", "", "grep -q lustre fs/namespace.c\nmake\n", "linux-5.14.0"},
		"links of it, before": {"cp -rl . ../vanilla\n", "", "grep -q lustre ../vanilla/fs/namespace.c && exit 1\nmake\n", "linux-5.14.0"},

		"restored in %conf":   {"cp fs/namespace.c fs/kept\n", "", "make\n%conf\ncp fs/kept fs/namespace.c\n", "in linux-5.14.0, where fs/namespace.c is not"},
		"named in %conf":      {"", "", "make EXTRAVERSION=-$(cat release)\n%conf\necho 1.el9 > release\n", "by the original's release"},
		"configured in %conf": {"", "", ": none\n%conf\nmake -C ../second-5 defconfig\n", "in second-5"},
		"stops in %conf":      {"", "", "make\n%conf\nno-such-program\n", "unseen in linux-5.14.0"},

		// Since rpm 4.20 this is not below what the spec knows as its build directory.
		"in BUILD itself":       {"", "cp -r . %{_topdir}/BUILD/copy\n", "make -C %{_topdir}/BUILD/copy\n", "copy"},
		"in BUILD, before ours": {"cp -r . %{_topdir}/BUILD/copy\n", "", "make -C %{_topdir}/BUILD/copy\n", "copy, where fs/namespace.c is not"},
		"ends in BUILD":         {"cp -r . %{_topdir}/BUILD/copy\n", "", "cd %{_topdir}/BUILD/copy/fs\n", "copy/fs at its end"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			original, made, err := provable(t, "", "%setup -q -n linux-5.14.0 -b 1 -b 2\n: before\n%patch1 -p1\n: after\n", ": build\n")
			if err != nil {
				t.Fatal(err)
			}
			hide := strings.NewReplacer(": before\n", c.before, ": after\n", c.after, ": build\n", c.build)
			original.Spec, made.Spec = replaced(hide, original.Spec), replaced(hide, made.Spec)
			found, err := prove(t, original, made)
			for i, name := range found.Trees {
				found.Trees[i] = strings.TrimPrefix(name, "../")
			}
			var not *NotProven
			want, stopped := strings.CutPrefix(c.want, "stopped in ")
			tree, unseen := strings.CutPrefix(want, "unseen in ")
			switch {
			case err == nil && strings.Contains(strings.Join(found.Unseen, "; "), "after it stopped") != stopped:
				t.Errorf("not seen: %q\n%s", found.Unseen, made.Spec.Text())
			case err == nil && (!slices.Equal(found.Trees, []string{tree}) || found.Compiled == unseen || unseen && !strings.Contains(strings.Join(found.Unseen, "; "), "as it stops before: line ")):
				t.Errorf("got %+v\n%s", found, made.Spec.Text())
			case err == nil && strings.Contains(c.after, "mktemp") != slices.Equal(found.Unsteady, []string{"linux-5.14.0/stamp"}):
				t.Errorf("not compared: %v", found.Unsteady)
			case err != nil && (!errors.As(err, &not) || !strings.Contains(err.Error(), c.want)):
				t.Errorf("got %v", err)
			}
		})
	}
}

// What the proof cannot see it names: then nobody is told that the package is proven.
func TestProveUnseen(t *testing.T) {
	if testing.Short() {
		t.Skip("runs rpmbuild for every shape")
	}
	for name, c := range map[string]struct{ build, install, before, after, want string }{
		"nothing":               {"make\n", "make modules_install\n# make all\n", "", "", ""},
		"%install compiles":     {"make\n", "make -C ../second-5 bzImage\n", "", "", `what %install makes by "make -C ../second-5 bzImage"`},
		"%install, by a macro":  {"make\n", "%{make_build} -C ../second-5\n", "", "", `what %install makes by "%{make_build} -C ../second-5"`},
		"a Makefile by -f":      {"printf 'all:\\n\\t:\\n' > Build.mk\nmake\nmake -f Build.mk all\n", "", "", "", `what "make -f Build.mk all" in linux-5.14.0 comes to, by a Makefile that is not a kernel's`},
		"a Makefile by --file":  {"cd ..\nmake --file=linux-5.14.0/fs/Makefile\ncd linux-5.14.0\nmake\n", "", "", "", `what "make --file=linux-5.14.0/fs/Makefile" in the build directory comes to, by a Makefile that is not a kernel's`},
		"another program":       {"make -C ../other-1\nmake\n", "", "", "", `what "make -C ../other-1" in other-1 comes to, by a Makefile that is not a kernel's`},
		"copied before ours":    {"make\n", "", "cp fs/namespace.c fs/old.c\n", "", "whether fs/old.c in linux-5.14.0 is compiled: the patch would go into it, too, and is not in it"},
		"copied behind ours":    {"make\n", "", "", "cp fs/namespace.c fs/new.c\n", ""},
		"another tree in it":    {"make\n", "", "cp -r ../second-5 vanilla\n", "", ""},
		"a directory of it":     {"make\n", "", "mkdir old\ncp -r fs old\n", "", "whether old/fs/namespace.c in linux-5.14.0 is compiled"},
		"no object of that":     {"make\n", "", "", "echo obj-y := open.o > fs/Makefile\n", "whether fs/namespace.c in linux-5.14.0 is compiled: the Makefile there does not name namespace.o"},
		"objects in lines":      {"make\n", "", "", "printf 'obj-y := open.o \\\n\tnamespace.o\n' > fs/Makefile\n", ""},
		"another in its place":  {"make\n", "", "cp fs/namespace.c fs/ns.c\n", "echo obj-y := ns.o > fs/Makefile\n", "%build compiles fs/ns.c in linux-5.14.0, into which the patch would go, too, in the place of fs/namespace.c, which has it"},
		"never the same":        {"make KBUILD_BUILD_TIMESTAMP=$(mktemp -u)\n", "", "", "", "whether %build does the same as with the original, as it is never the same"},
		"a stamp":               {"mktemp -u > stamp\nmake\n", "", "", "", ""},
		"stops after compiling": {"make\nno-such-program\n", "", "", "", "what %build would do after it stopped: line "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			original, made, err := provable(t, "", "%setup -q -n linux-5.14.0 -b 1 -b 2\n: before\n%patch1 -p1\n: after\n", ": build\n%install\n: install\n")
			if err != nil {
				t.Fatal(err)
			}
			hide := strings.NewReplacer(": before\n", c.before, ": after\n", c.after, ": build\n", c.build, ": install\n", c.install)
			original.Spec, made.Spec = replaced(hide, original.Spec), replaced(hide, made.Spec)
			found, err := prove(t, original, made)
			if strings.HasPrefix(c.want, "%") {
				if _, ok := errors.AsType[*NotProven](err); !ok || !strings.Contains(err.Error(), c.want) {
					t.Errorf("got %+v, %v, want %q", found, err, c.want)
				}
				return
			}
			if err != nil || !found.Compiled || len(found.Unseen) != min(1, len(c.want)) || !strings.HasPrefix(strings.Join(found.Unseen, ""), c.want) {
				t.Errorf("got %+v, %v, want %q", found, err, c.want)
			}
		})
	}
}

// Trees are named from what the spec knows as its build directory, whichever rpm made it.
func TestProveNames(t *testing.T) {
	for name, c := range map[string]struct{ made, tree, want string }{
		"before 4.20":             {"k-1/fs", "k-1", "k-1"},
		"since":                   {"k-1-build/SPECPARTS", "k-1-build/linux", "linux"},
		"since, the directory":    {"k-1-build/SPECPARTS", "k-1-build", "the build directory"},
		"since, beside":           {"k-1-build/SPECPARTS", "copy", "../copy"},
		"a tarball's is so named": {"k-1-build/fs", "k-1-build", "k-1-build"},
		"of rpm 4.19":             {"k-1-build-SPECPARTS", "k-1-build", "k-1-build"},
		"outside":                 {"k-1/fs", "../x", ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := proof{top: t.TempDir()}
			if err := os.MkdirAll(filepath.Join(p.builds(), c.made), 0o755); err != nil {
				t.Fatal(err)
			}
			own, err := p.ownBuild()
			if err != nil {
				t.Fatal(err)
			}
			p.own = own
			tree := filepath.Join(p.builds(), c.tree)
			if c.want == "" {
				c.want = tree
			}
			if got := p.called(tree); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// An rpm that knows no %conf has none to run; any other failure of it is one.
func TestProveNoConf(t *testing.T) {
	say := func(text string) error {
		return command.Run(t.Context(), command.Cmd{Args: []string{"sh", "-c", "echo '" + text + "' >&2; exit 1"}})
	}
	if !noConf(say("rpmbuild: -bf: unknown option")) {
		t.Error("the answer of rpm 4.16 is not known")
	}
	if noConf(say("error: Bad exit status from /var/tmp/rpm-tmp.x (%conf)")) || noConf(errors.New("no rpmbuild")) {
		t.Error("another failure is passed over")
	}
}
