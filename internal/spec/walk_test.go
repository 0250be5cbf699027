// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"errors"
	"strings"
	"testing"
)

// inPrep puts our patch into a spec with two patches of its own. The result is the line of
// %prep or %build before ours, or why there is no place for it.
func inPrep(t *testing.T, preamble, prep, build string) string {
	t.Helper()
	text := specOfParts("1", "Source1: other.tar.gz\nPatch1: a.patch\nPatch2: b.patch\n"+preamble, prep) + build + "\n"
	e, err := Read("kernel.spec", []byte(text)).Inject(injection())
	if err != nil {
		var se *Error
		if !errors.As(err, &se) || se.Line == 0 || se.Advice == "" {
			t.Errorf("%v has no line or no advice", err)
		}
		return err.Error()
	}
	_, after, _ := strings.Cut(string(e.Spec.Text()), "%prep\n")
	before, _, found := strings.Cut(after, "\n"+e.How+"\n")
	if !found {
		return e.How
	}
	return before[strings.LastIndexByte(before, '\n')+1:]
}

const (
	inTree  = "%setup -q -n linux-5.14.0\n%patch1 -p1\n"
	inBox   = "%setup -q -c -n k\n"
	patches = "%patch1 -p1\n%patch2 -p1\n"
)

// Where the directory is known, and where not.
func TestWalkDirectories(t *testing.T) {
	for name, c := range map[string]struct{ prep, want string }{
		"perhaps there, then in by name":     {inBox + "cd nothere || :\npushd linux-5.14.0\n" + patches + "popd", "not known since line"},
		"perhaps there, by true":             {inBox + "cd nothere 2>/dev/null || true\npushd linux-5.14.0\n" + patches + "popd", "not known since line"},
		"perhaps there, by if":               {inBox + "if cd nothere; then :; fi\npushd linux-5.14.0\n" + patches + "popd", "not known since line"},
		"perhaps there, without set -e":      {inBox + "set +e\ncd nothere\nset -e\npushd linux-5.14.0\n" + patches + "popd", "not known since line"},
		"perhaps there, in a list":           {inBox + "test -d x && cd x\npushd linux-5.14.0\n" + patches + "popd", "not known since line"},
		"the tarball's own is surely there":  {inBox + "cd linux-5.14.0 || :\n" + patches + "cd ..", "%patch2 -p1"},
		"known again by the build directory": {inBox + "cd nothere || :\npushd $RPM_BUILD_DIR/k/linux-5.14.0\n" + patches + "popd", "%patch2 -p1"},
		"by a variable":                      {inBox + "pushd $RPM_BUILD_DIR/k/linux-5.14.0\n" + patches + "popd", "%patch2 -p1"},
		"by a variable in braces and quotes": {inBox + "cd \"${RPM_BUILD_DIR}/k/linux-5.14.0\"\n" + patches + "cd -", "%patch2 -p1"},
		"by a macro":                         {inBox + "cd %{_builddir}/k/linux-5.14.0\n" + patches + "cd -", "%patch2 -p1"},
		"by buildsubdir":                     {inBox + "cd /tmp\ncd %{_builddir}/%{buildsubdir}/linux-5.14.0\n" + patches, "%patch2 -p1"},
		"by what pwd said":                   {inBox + "top=$(pwd)\ncd /tmp\ncd $top/linux-5.14.0\n" + patches, "%patch2 -p1"},
		"by a variable of its own":           {inBox + "src=linux-%{version}\ncd $src\n" + patches, "%patch2 -p1"},
		"by a variable nobody knows":         {inBox + "cd $SRC\n" + patches, "not known since line"},
		"by what a program says":             {inBox + "cd $(ls -d linux-*)\n" + patches, "not known since line"},
		"another by the build directory":     {inTree + "cd %{_builddir}/other-1\n%patch2 -p1", "%patch1 -p1"},
		"out of the build directory":         {inTree + "cd ../..\n%patch2 -p1", "%patch1 -p1"},
		"a directory that was made":          {inBox + "mkdir configs\ncd configs\n" + patches, "not known to be the kernel's tree"},
		"a function that goes there":         {inBox + "enter() {\n  cd linux-5.14.0\n}\nenter\n" + patches, "%patch2 -p1"},
		"a function that goes to its word":   {inBox + "enter() {\n  cd $1\n}\nenter linux-5.14.0\n" + patches, "%patch2 -p1"},
		"a function that goes away":          {inTree + "away() { cd ..; }\naway\n%patch2 -p1", "%patch1 -p1"},
		"a function that may go away":        {inTree + "away() { test -e x && cd ..; }\naway\n%patch2 -p1", "%patch1 -p1"},
		"a function that comes back":         {inTree + "look() { pushd ../other-1; ls; popd; }\nlook\n%patch2 -p1", "%patch2 -p1"},
		"a function that calls itself":       {inTree + "f() { f; }\nf", "calls itself"},
		"a macro of lines that goes away":    {inTree + "%define away \\\ncd .. \\\nls\n%away\n%patch2 -p1", "%patch1 -p1"},
		"a macro of lines that stays":        {inTree + "%define look() \\\nls %1 \\\ntrue\n%look x\n%patch2 -p1", "%patch2 -p1"},
		"a macro of the distribution":        {inTree + "%do_things\n%patch2 -p1", "not in the text"},
		"a macro that there may be":          {inTree + "%{?_cov_prepare}\n%patch2 -p1", "%patch1 -p1"},
		"a macro of Python's":                {inTree + "%py3_shebang_fix scripts\n%patch2 -p1", "%patch2 -p1"},
		"a program of the package":           {inTree + "%{SOURCE1} x", "%{SOURCE1} x"},
		"a macro over lines":                 {inTree + "%{expand:\n%patch2 -p1\n}", "not in the text"},
		"a text for a shell":                 {inBox + "sh -c 'cd linux-5.14.0'\n" + patches, "not known to be the kernel's tree"},
		"a loop over known words":            {inBox + "for d in linux-5.14.0; do cd $d; done\n" + patches, "%patch2 -p1"},
		"a loop that may not run":            {inBox + "for d in $LIST; do cd linux-5.14.0; done\n" + patches, "not known since line"},
		"never unpacked":                     {"%if 0\n%setup -q -n other\n%endif\n" + inTree + "%patch2 -p1", "%patch2 -p1"},
		"not by what nobody defines":         {"%if 0%{?nothing}\n%setup -q -n other\n%endif\n" + inTree + "%patch2 -p1", "%patch2 -p1"},
		"dnl":                                {"%dnl %setup -q -n other\n" + inTree + "%patch2 -p1", "%patch2 -p1"},
		"unpacked by some":                   {"%if 0%{?fedora}\n%setup -q -n other\n%endif\n" + inTree + "%patch2 -p1", "unpacks again"},
		"one tree or another":                {inTree + "%ifarch x86_64\ncd ../linux-64\n%endif\n%patch2 -p1", "%patch1 -p1"},
		"a condition cuts a command":         {inTree + "%ifarch x86_64\nfor i in a; do\n%else\nfor i in b; do\n%endif\n  ls $i\ndone\n%patch2 -p1", "shell script is incomplete"},
		"a directory for each":               {inBox + "for a in kernel-*; do ( cd $a; patch -p1 < %{PATCH1} ); done", "within the loop"},
		"whatever is there":                  {inTree + "for p in %{_sourcedir}/*.patch; do patch -p1 < $p; done", "match a pattern"},
		"whatever a program lists":           {inTree + "ls %{_sourcedir} | while read p; do patch -p1 < %{_sourcedir}/$p; done", "match a pattern"},
		"a pattern that ours is not":         {inTree + "for p in %{_sourcedir}/site-*.patch; do patch -p1 < $p; done", "for p in %{_sourcedir}/site-*.patch; do patch -p1 < $p; done"},
		"how many there are":                 {inTree + "test $(echo %{patches} | wc -w) = 2 || rm b.txt\n%patch2 -p1", "how many patches"},
		"which release it is":                {inTree + "if [ \"%{release}\" = 1 ]; then\n%patch2 -p1\nfi", "depends on the release"},
		"behind a script of the package":     {inTree + "sh %{_sourcedir}/apply.sh", "sh %{_sourcedir}/apply.sh"},
		"a group of others":                  {"%setup -q -n linux-5.14.0\n%autopatch -p1 -M 99\ncd fs\n%autopatch -p2 -m 100", "%autopatch -p1 -M 99 applies it with all others"},
		"all, in another directory":          {"%setup -q -n linux-5.14.0\ncd fs\n%autopatch -p1", "another directory"},
		"all, above the tree":                {"%autosetup -c -p1 -n k", "another directory"},
		"all, perhaps":                       {"%setup -q -n linux-5.14.0\nif [ -e x ]; then\n%autopatch -p1\nfi", "only under the shell's"},
	} {
		if got := inPrep(t, "", c.prep, ""); !strings.Contains(got, c.want) {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

// A loop that surely runs once in each of several trees takes our patch into it, and so does a
// subshell; and from above the tree ours is told the same directory as the others.
func TestWalkLoops(t *testing.T) {
	const (
		each  = inBox + "for f in up smp; do\n  cp -a linux-5.14.0 $f\n  pushd $f\n"
		make2 = "for f in up smp; do make -C $f; done"
		apart = "does not surely run once in each of several trees"
	)
	for name, c := range map[string]struct{ prep, build, want string }{
		"pushd":                    {each + patches + "  popd\ndone", make2, "%patch2 -p1"},
		"do on a line of its own":  {inBox + "for f in up smp\ndo\n  cp -a linux-5.14.0 $f\n  cd $f\n" + patches + "  cd ..\ndone", "cd up\nmake\ncd ../smp\nmake", "%patch2 -p1"},
		"words of a variable":      {"%setup -q -c -n k\nall='up smp'\nfor f in $all; do\n  cp -a linux-5.14.0 $f\n  cd $f\n" + patches + "  cd ..\ndone", make2, "%patch2 -p1"},
		"words of a macro":         {"%define all up smp\n" + inBox + "for f in %{all}; do\n  cp -a linux-5.14.0 $f\n  cd $f\n" + patches + "  cd ..\ndone", make2, "%patch2 -p1"},
		"all patches":              {each + "%autopatch -p1\n  popd\ndone", make2, "%autopatch -p1 applies it with all others"},
		"the tree moved then":      {each + patches + "  popd\n  mv $f v-$f\ndone", "make -C v-up\nmake -C v-smp", "%patch2 -p1"},
		"left before its end":      {each + patches + "  popd\n  test $f = up && break\ndone", "make -C up", apart},
		"in a condition":           {"%setup -q -c -n k\nif [ -e x ]; then\nfor f in up smp; do\n  cp -a linux-5.14.0 $f\n  cd $f\n" + patches + "  cd ..\ndone\nfi", make2, apart},
		"the same tree each time":  {"%setup -q -n linux-5.14.0\nfor p in a b; do\n  patch -p1 < %{_sourcedir}/$p.patch\ndone", "make", "done"},
		"a tree that has it":       {inBox + "mv linux-5.14.0 up\nfor f in up smp; do\n  cp -a up $f\n  cd $f\n" + patches + "  cd ..\ndone", make2, "twice"},
		"another is built":         {each + patches + "  popd\ndone", "make -C linux-5.14.0", "does not get the patch"},
		"a subshell of lines":      {inBox + "(\n  cd linux-5.14.0\n" + patches + ")", "make -C linux-5.14.0", "%patch2 -p1"},
		"a subshell, perhaps":      {inBox + "test -e x && (\n  cd linux-5.14.0\n" + patches + ")", "", "under the shell's"},
		"a subshell of one line":   {inBox + "(cd linux-5.14.0; patch -p1 < %{PATCH1})", "", "which is left at its end"},
		"from above":               {inTree + "cd ..\n%patch2 -p1 -d linux-5.14.0", "", "%patch1 -p1"},
		"all from above":           {"%setup -q -n linux-5.14.0\ncd ..\n%patch1 -p1 -d linux-5.14.0", "", "%patch1 -p1 -d linux-5.14.0"},
		"by patch from above":      {inBox + "patch -d linux-5.14.0 -p1 < %{PATCH1}", "make -C linux-5.14.0", "patch -d linux-5.14.0 -p1 < %{PATCH1}"},
		"from above, nobody knows": {inBox + "patch -d $(ls -d linux-*) -p1 < %{PATCH1}", "", "a variable or a pattern tells the directory"},
		"trees one by one":         {inBox + "cp -r linux-5.14.0 xen\ncd linux-5.14.0\n%patch1 -p1\ncd ../xen\n%patch2 -p1", "cd linux-5.14.0\nmake\ncd ../xen\nmake", "works in k/linux-5.14.0 and in k/xen"},
	} {
		if got := inPrep(t, "", c.prep, c.build); !strings.Contains(got, c.want) {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
	e, err := Read("kernel.spec", []byte(specOfParts("1", "Patch1: a.patch\n", inBox+"patch -d linux-5.14.0 -p1 < %{PATCH1}"))).Inject(injection())
	if err != nil || e.How != "%patch -P 2 -p1 -d linux-5.14.0" {
		t.Errorf("from above ours is applied by %q, %v", e.How, err)
	}
}

// What is done to the tree after our place: ours goes behind it, or there is none.
func TestWalkKeepsThePatch(t *testing.T) {
	const behind = inTree + "%patch2 -p1\n"
	for name, c := range map[string]struct{ prep, build, want string }{
		"reset":                      {behind + "git reset --hard\nls", "", "git reset --hard"},
		"checkout":                   {behind + "git checkout -- .", "", "git checkout -- ."},
		"a branch":                   {behind + "git checkout -b work", "", "%patch2 -p1"},
		"stash":                      {behind + "git stash", "", "git stash"},
		"by git from outside":        {inTree + "cd ..\ngit -C linux-5.14.0 checkout -f\nls", "", "may be lost again: git checkout"},
		"unpacked again":             {behind + "tar -C .. -xf %{SOURCE0}", "", "tar -C .. -xf %{SOURCE0}"},
		"another archive":            {behind + "tar xf %{SOURCE1}", "", "%patch2 -p1"},
		"an archive of its own":      {behind + "cd ..\ntar xf x.tar", "", "may be lost again: what is unpacked"},
		"a file of it":               {behind + "cp %{SOURCE1} fs/namespace.c", "", "cp %{SOURCE1} fs/namespace.c"},
		"its directory":              {behind + "cp -r fs ../fs\nrm -rf fs\nmv ../fs fs\nls", "", "mv ../fs fs"},
		"written anew":               {behind + "cat x > fs/namespace.c", "", "cat x > fs/namespace.c"},
		"files of it":                {behind + "cp ../orig/fs/*.c fs/", "", "cp ../orig/fs/*.c fs/"},
		"files of it, from there":    {behind + "cd fs\nmv -f ../../orig/fs/n* .\ncd ..", "", "cd .."},
		"directories of it":          {behind + "cp -r ../orig/f* .", "", "cp -r ../orig/f* ."},
		"files of it, in braces":     {behind + "cp ../orig/fs/{namei.c,namespace.c} fs/", "", "cp ../orig/fs/{namei.c,namespace.c} fs/"},
		"each, in braces":            {behind + "for f in {fs/namespace.c,Makefile}; do cp ../orig/$f $f; done", "", "for f in {fs/namespace.c,Makefile}; do cp ../orig/$f $f; done"},
		"removed, in braces":         {behind + "rm -rf ../{linux-5.14.0,other-1}", "", "is removed there"},
		"moved, in braces":           {behind + "cd ..\nmv {linux-5.14.0,work}", "cd linux-5.14.0\nmake", "not known to get the patch"},
		"moved and built, in braces": {behind + "cd ..\nmv {linux-5.14.0,work}", "cd ../work\nmake", "%patch2 -p1"},
		"others, by a pattern":       {behind + "cp %{_sourcedir}/*.config configs/\ncp %{_sourcedir}/kernel-*.sh .\nrm -f fs/{a,b}.orig", "", "%patch2 -p1"},
		"a file of another name":     {behind + "cp %{SOURCE1} .config", "", "%patch2 -p1"},
		"removed":                    {behind + "cd ..\nrm -rf linux-5.14.0", "", "is removed there"},
		"removed by a pattern":       {behind + "cd ..\nrm -rf linux-*", "", "may be removed there"},
		"the root removed":           {behind + "cd ..\nrm -rf $RPM_BUILD_ROOT", "", "%patch2 -p1"},
		"another program built, too": {inTree, "cd ../other-1\nmake\ncd ../linux-5.14.0\nmake", "%patch1 -p1"},
		"others removed":             {behind + "cd ..\nrm -rf deleteme.*", "", "%patch2 -p1"},
		"moved":                      {behind + "cd ..\nmv linux-5.14.0 work", "cd ../work\nmake", "%patch2 -p1"},
		"moved, and built before":    {behind + "cd ..\nmv linux-5.14.0 work", "cd ../linux-5.14.0\nmake", "not known to get the patch"},
		"copied before":              {inTree + "cp -r . ../work\n%patch2 -p1", "cd ../work\nmake", "%patch1 -p1"},
		"copied before all":          {"%setup -q -n linux-5.14.0\ncp -r . ../work\n%patch1 -p1", "cd ../work\nmake", "%build works in work, which does not get the patch"},
		"copied by name":             {"%setup -q -n linux-5.14.0\ncp -r . ../work\n%patch1 -p1", "make", "%patch1 -p1"},
		"copies for each":            {inTree + "for v in rt std; do cp -r . ../linux-$v; done\n%patch2 -p1", "cd ../linux-std\nmake", "%patch1 -p1"},
		"make elsewhere":             {"%setup -q -n linux-5.14.0\ncp -r . ../work\n%patch1 -p1", "make -C ../work", "%build works in work"},
		"in a function":              {"%setup -q -n linux-5.14.0\ncp -r . ../work\n%patch1 -p1", "build() {\n  cd ../$1\n  make\n}\nbuild work", "%build works in work"},
		"brought back":               {"%setup -q -n linux-5.14.0\ncp -a fs fs.orig\n%patch1 -p1", "rm -rf fs; mv fs.orig fs\nmake", "may be lost by then"},
		"unpacked by build":          {"%setup -q -c -n k\ncd linux-5.14.0\n%patch1 -p1", "rm -rf linux-5.14.0\ntar xf %{SOURCE0}\ncd linux-5.14.0\nmake", "%build works in k/linux-5.14.0"},
		"whichever is there":         {"%setup -q -c -n k\ncp -r linux-5.14.0 linux-a\ncd linux-5.14.0\n%patch1 -p1", "cd $(ls -d linux-* | head -1)\nmake", "the text does not show in which tree"},
		"a tree of git":              {behind + "git clone . ../work", "cd ../work\nmake", "git puts a tree there"},
	} {
		if got := inPrep(t, "", c.prep, c.build); !strings.Contains(got, c.want) {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

// No text makes the walker panic, hang or fill the machine.
func TestWalkEndsAnyway(t *testing.T) {
	for _, prep := range []string{
		strings.Repeat("(", 5000), "cp {1..999999999} " + strings.Repeat("{a,b}", 5000) + "\neval x", strings.Repeat("if ", 40000), strings.Repeat("$(", 3000),
		strings.Repeat("%define a %{a}%{a}\n%a\n", 3000), "%define a %{b}%{b}\n%define b %{c}%{c}\n%define c %{a}%{a}\n%a", strings.Repeat("for i in 1 2 3 4 5 6 7 8; do\n", 12) + "ls\n" + strings.Repeat("done\n", 12),
		"\x00\xff\U000F0000 %{x\n<<EOF", "f() { g; }\ng() { f; }\nf", strings.Repeat("x", 300<<10),
	} {
		_, err := Read("kernel.spec", []byte(specOfParts("1", "", inTree+prep))).Inject(injection())
		if err == nil {
			t.Errorf("%.20q passed", prep)
		}
	}
}

// A directory that a program is told counts as if it were entered.
func TestBeforeByDirectory(t *testing.T) {
	text := specOfParts("1", "Patch1: a.patch\nPatch2: b.patch\nPatch3: c.patch", "%setup -q -n linux-5.14.0\nenv LC_ALL=C patch -p1 < %{PATCH1}\npatch -d ../other-1 -p1 < %{PATCH2}\npatch -d fs -p2 < %{PATCH3}\npatch -p1 <<EOF\n--- a/b.patch\nEOF")
	got, err := Read("kernel.spec", []byte(text)).Before(patchName, []string{"a.patch", "b.patch", "c.patch"}, Options{})
	if err != nil || got.NoPlace != nil {
		t.Fatalf("%v, %v", err, got.NoPlace)
	}
	var list []string
	for _, a := range got.Patches {
		list = append(list, brief(a))
	}
	const want = "1:a.patch -p1 F2; 3:c.patch -p2 F2 ? the directory, which is not the kernel tree's own,; -1: -p0 F0 ? patch -p1 <<EOF"
	if have := strings.Join(list, "; "); have != want {
		t.Errorf("got %q, want %q", have, want)
	}
}

// What is applied to another tree than ours, or to a copy, is not there before ours.
func TestBeforeInOtherTrees(t *testing.T) {
	text := specOfParts("1", "Patch1: a.patch\nPatch2: b.patch", "%setup -q -c -n k\ncd linux-5.14.0\n%patch1 -p1\ncp -r . ../linux-xen\npushd ../linux-xen\n%patch2 -p1\npopd") + "cd linux-5.14.0\nmake\n"
	got, err := Read("kernel.spec", []byte(text)).Before(patchName, []string{"a.patch", "b.patch"}, Options{})
	if err != nil || got.NoPlace != nil || len(got.Patches) != 1 || brief(got.Patches[0]) != "1:a.patch -p1 F0" {
		t.Errorf("%+v, %v", got, err)
	}
}
