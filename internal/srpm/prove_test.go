// SPDX-License-Identifier: Apache-2.0

package srpm

import (
	"errors"
	"os"
	"strings"
	"testing"
)

// provable is a package of two programs, one of which is a kernel, after Inject.
func provable(t *testing.T, prep, build string) (Inputs, error) {
	t.Helper()
	text := strings.Replace(specOfParts("1", "Source1: other-1.tar.gz\nSource2: second-5.tar.gz\nPatch0: a.patch\nPatch1: b.patch\nPatch2: c.patch", prep), "%build\n", "%build\n"+build, 1)
	in := Inputs{SpecName: "kernel.spec", Spec: []byte(text), Date: shapeDate, Texts: map[string][]byte{}}
	for _, top := range []string{"linux-5.14.0", "other-1", "second-5"} {
		in.Texts[top+".tar.gz"] = tarball(t, top)
	}
	for _, name := range []string{"a", "b", "c"} {
		in.Texts[name+".patch"] = []byte("--- /dev/null\n+++ b/" + name + ".mark\n@@ -0,0 +1 @@\n+x\n")
	}
	in.Texts["series"] = []byte("a.patch\nb.patch\n")
	made, _, err := in.With(Change{PatchFile: patchName, Patch: []byte(patchText), Tag: DefaultTag, Author: "A Tester <tester@example.com>"})
	return made, err
}

// Every shape either holds the change in the tree that %build works in, by rpmbuild itself,
// or is refused by its text, or by the proof.
func TestProve(t *testing.T) {
	if testing.Short() {
		t.Skip("runs rpmbuild for every shape")
	}
	const kernel = "%setup -q -n linux-5.14.0 -b 1 -b 2\n"
	for name, c := range map[string]struct{ prep, build, want string }{
		"sibling by pushd":         {kernel + "%patch0 -p1\npushd ../other-1\n%patch1 -p1\npopd\n", "", "linux-5.14.0"},
		"sibling by pushd, ours":   {kernel + "%patch0 -p1\npushd ../other-1\n%patch1 -p1\npopd\n%patch2 -p1\n", "make\n", "linux-5.14.0"},
		"another kernel, left":     {kernel + "%patch0 -p1\ncd ../second-5\n%patch1 -p1\n", "make\n", "linux-5.14.0"},
		"another kernel is built":  {kernel + "cd ../second-5\n%patch1 -p1\n", "cd ../second-5\nmake\n", "text: cannot be told"},
		"subshell":                 {kernel + "(cd ../second-5; patch -p1 < %{PATCH0})\n%patch1 -p1\n", "", "linux-5.14.0"},
		"subshell of lines":        {kernel + "(\n  cd ../second-5\n  patch -p1 < %{PATCH0}\n)\n%patch1 -p1\n", "", "linux-5.14.0"},
		"two levels of pushd":      {kernel + "pushd fs\npushd ../Documentation\npopd\npopd\n%patch1 -p1\n", "", "linux-5.14.0"},
		"tree in a directory":      {"%setup -q -c -T -a 0 -n x\ncd linux-5.14.0\n%patch0 -p1\n", "cd linux-5.14.0\nmake\n", "x/linux-5.14.0"},
		"make -C":                  {"%setup -q -c -T -a 0 -n x\ncd linux-5.14.0\n%patch0 -p1\n", "make -C linux-5.14.0\n", "x"},
		"renamed before":           {"%setup -q -c -n x\nmv linux-5.14.0 linux\ncd linux\n%patch0 -p1\n", "cd linux\nmake\n", "x/linux"},
		"renamed after":            {"%setup -q -c -n x\ncd linux-5.14.0\n%patch0 -p1\ncd ..\nmv linux-5.14.0 linux\n", "cd linux\nmake\n", "x/linux"},
		"unpacked again after":     {kernel + "%patch0 -p1\ncd ..\nrm -rf linux-5.14.0\ntar xzf %{SOURCE0}\n", "make\n", "text: is removed there"},
		"copied back after":        {kernel + "cp fs/namespace.c fs/kept\n%patch0 -p1\nsed -i /lustre/d fs/namespace.c\n", "make\n", "proof: 0 times"},
		"series file":              {kernel + "while read p; do\n  patch -p1 < %{_sourcedir}/$p\ndone < %{_sourcedir}/series\n", "make\n", "linux-5.14.0"},
		"series and all by glob":   {kernel + "for p in %{_sourcedir}/*.patch; do patch -p1 < $p; done\n", "make\n", "text: a pattern"},
		"git apply of a pattern":   {kernel + "git apply -p1 %{_sourcedir}/*.patch\n", "make\n", "text: a pattern"},
		"found and piped":          {kernel + "find %{_sourcedir} -name '*.patch' | xargs -n1 patch -p1 -i\n", "make\n", "text: a pattern"},
		"loop and a command":       {kernel + "for p in %{patches}; do\n  patch -p1 < $p\ndone\nchmod -R u+w .\n", "", "linux-5.14.0"},
		"xargs":                    {kernel + "echo %{patches} | xargs -n1 patch -p1 -i\n", "", "linux-5.14.0"},
		"patch -i":                 {kernel + "patch -p1 -i %{PATCH0}\n%{__patch} -p1 -s < %{PATCH1}\ncat %{PATCH2} | patch -p1\n", "", "linux-5.14.0"},
		"patch -d":                 {kernel + "patch -d ../second-5 -p1 < %{PATCH0}\n%patch1 -p1\n", "", "linux-5.14.0"},
		"env -C":                   {kernel + "env -C ../second-5 patch -p1 -i %{PATCH0}\n", "", "linux-5.14.0"},
		"here document":            {kernel + "cat > x <<EOF\ncd ../second-5\n%%patch1\nEOF\n%patch1 -p1\n", "", "linux-5.14.0"},
		"a function of its own":    {kernel + "apply() {\n  patch -p1 < $1\n}\napply %{PATCH0}\n%patch1 -p1\n", "", "linux-5.14.0"},
		"test and cd":              {kernel + "%patch0 -p1\ntest -d ../second-5 && cd ../second-5\n%patch1 -p1\n", "make\n", "linux-5.14.0"},
		"in a condition":           {kernel + "%if 0%{?rhel}\n%patch0 -p1\n%else\n%patch1 -p1\n%endif\n", "", "linux-5.14.0"},
		"a macro of lines":         {kernel + "%{!?nope:\n%patch0 -p1\n}\n", "", "linux-5.14.0"},
		"functions before make":    {kernel + "%patch0 -p1\n", "Build() {\n  cd ../second-5\n  make\n}\nmkdir -p $RPM_BUILD_ROOT\nBuild\n", "text: not known to get the patch"},
		"range in the tree":        {"%autosetup -N -n linux-5.14.0\n%autopatch -p1 -M 1\n", "", "linux-5.14.0"},
		"no patches of autosetup":  {"%autosetup -N -n linux-5.14.0\n%autopatch -p1\n", "", "linux-5.14.0"},
		"Lua":                      {kernel + "%{lua: for i, p in ipairs(patches) do print(rpm.expand('%patch -P '..(i-1)..' -p1\\n')) end}\n", "", "text: Lua"},
		"a comment":                {kernel + "# %autopatch -p1\n", "", "text: comments"},
		"ends":                     {kernel + "%patch0 -p1\nexit 0\n%patch1 -p1\n", "", "text: may end"},
		"second setup":             {kernel + "%patch0 -p1\n%setup -q -T -D -n second-5\n%patch1 -p1\n", "", "text: unpacks again"},
		"prep that fails":          {kernel + "%patch0 -p1\nfalse\n", "", "run: did not come to its end"},
		"built outside":            {kernel + "%patch0 -p1\n", "cd /\nmake\n", "proof: outside"},
		"not the kernel's program": {"%setup -q -T -n other-1 -b 1 -b 0\n%patch0 -p1\ncd ../linux-5.14.0\n", "cd ../linux-5.14.0\nmake\n", "text: not known to get the patch"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			made, err := provable(t, c.prep, c.build)
			var se *SpecError
			if want, ok := strings.CutPrefix(c.want, "text: "); ok {
				if !errors.As(err, &se) || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			found, err := made.Prove(t.Context(), Proof{PatchFile: patchName, Dir: dir})
			var not *NotProven
			kind, want, refused := strings.Cut(c.want, ": ")
			switch {
			case !refused && (err != nil || found.Tree != c.want || found.Duration <= 0):
				t.Errorf("got %+v, %v\n%s", found, err, made.Spec)
			case refused && (err == nil || errors.As(err, &not) != (kind == "proof") || !strings.Contains(err.Error(), want)):
				t.Errorf("got %+v, %v", found, err)
			}
			if left, _ := os.ReadDir(dir); len(left) > 0 {
				t.Errorf("it left %v", left)
			}
		})
	}
}
