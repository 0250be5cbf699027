// SPDX-License-Identifier: Apache-2.0

package srpm

import (
	"slices"
	"testing"
)

// What the walker finds is what rpmbuild does: shapes of %prep in use elsewhere, each with
// the tree in which %build finds the patch.
func TestWalkIsWhatRpmbuildDoes(t *testing.T) {
	if testing.Short() {
		t.Skip("runs rpmbuild for every shape")
	}
	const box = "%setup -q -c -n k\n"
	for name, c := range map[string]struct{ prep, build, tree string }{
		"ELRepo": {
			"%setup -q -n %{name}-%{version} -c\nmv linux-5.14.0 linux-%{version}-%{release}.%{_target_cpu}\npushd linux-%{version}-%{release}.%{_target_cpu} > /dev/null\n%patch0 -p1\nset -e\npopd > /dev/null\n",
			"pushd linux-%{version}-%{release}.%{_target_cpu} > /dev/null\nmake\n", "kernel-5.14.0/linux-5.14.0-1.el9.lustre1.x86_64",
		},
		"UEK": {
			"if [ ! -d kernel-%{version}/vanilla ]; then\n  rm -f pax_global_header\n%setup -q -n kernel-%{version} -c\n  mv linux-5.14.0 vanilla\nelse\n  cd kernel-%{version}\n  if [ -d linux-%{version} ]; then\n    rm -rf deleteme\n    mv linux-%{version} deleteme\n    rm -rf deleteme &\n  fi\nfi\ncp -rl vanilla linux-%{version}.%{_target_cpu}\ncd linux-%{version}.%{_target_cpu}\nApplyPatch() {\n  local patch=$1\n  shift\n  case \"$patch\" in\n  *.bz2) bunzip2 < \"$RPM_SOURCE_DIR/$patch\" | patch -p1 ${1+\"$@\"} ;;\n  *) patch -p1 ${1+\"$@\"} < \"$RPM_SOURCE_DIR/$patch\" ;;\n  esac\n}\nApplyPatch a.patch -s\nmkdir configs\nfor i in *.config; do\n  mv $i configs || :\ndone\nfind . -name \"*.orig\" -exec rm -fv {} \\;\ncd ..\n",
			"cd linux-%{version}.%{_target_cpu}\nmake\n", "kernel-5.14.0/linux-5.14.0.x86_64",
		},
		"Photon":        {"%setup -q -n linux-5.14.0 -b 1\n%autopatch -p1 -m 0 -M 1\nif [ -d ../other-1 ]; then\n  pushd ../other-1\n  patch -p1 < %{PATCH2}\n  popd\nfi\nmake -v > /dev/null\n", "make\n", "linux-5.14.0"},
		"Amazon":        {"%setup -q -n linux-5.14.0\nApply() {\n  patch -s -p1 -i $1\n}\nfor p in $(cat %{_sourcedir}/series); do\n  Apply %{_sourcedir}/$p\ndone\n", "make\n", "linux-5.14.0"},
		"openEuler":     {box + "mv linux-5.14.0 linux-%{version}-%{release}\ncd linux-%{version}-%{release}\n%patch0 -p1\nfind . -name '*.orig' -exec rm -f {} \\; >/dev/null\ncp -a ../linux-%{version}-%{release} ../linux-%{version}-Source\nrm -rf ../linux-%{version}-%{release}\nmv ../linux-%{version}-Source ../linux-%{version}-%{release}\ncd ..\n", "cd linux-%{version}-%{release}\nmake\n", "k/linux-5.14.0-1.el9.lustre1"},
		"SUSE":          {"%setup -q -c -T -a 0 -n %{name}-%{version}\ncd linux-%version\nsh %_sourcedir/make.sh\ncd %_builddir/%{name}-%{version}\nmkdir linux-obj\ncd linux-obj\nln -s ../linux-%version src\n", "cd linux-%version\nmake\n", "kernel-5.14.0/linux-5.14.0"},
		"Azure":         {"%define short_name linux\n%autosetup -p1 -n %{short_name}-%{version}\nmake -v >/dev/null\n%ifarch x86_64\ncp Makefile .config\n%endif\n", "make\n", "linux-5.14.0"},
		"Mageia":        {"%define top kernel-%{version}-%{release}\n%define src $RPM_BUILD_DIR/%{top}/linux-%{version}-%{release}\n%setup -q -n %top -c\ncd %top 2>/dev/null || :\nmv linux-5.14.0 linux-%{version}-%{release}\npushd %src\n%patch0 -p1\npopd\n", "cd $RPM_BUILD_DIR/%{top}/linux-%{version}-%{release}\nmake\n", "kernel-5.14.0-1.el9.lustre1/linux-5.14.0-1.el9.lustre1"},
		"two of them":   {box + "cd linux-5.14.0\n%patch0 -p1\ncd ..\nfor v in rt std; do\n  cp -r linux-5.14.0 linux-$v\ndone\ncd linux-rt\n%patch1 -p1\ncd ..\nrm -rf linux-5.14.0\n", "cd linux-std\nmake\n", "k/linux-std"},
		"by git":        {"%setup -q -n linux-5.14.0\ngit init -q .\ngit add .\ngit -c user.name=a -c user.email=a@example.com commit -q -m base\n%patch0 -p1\n%patch1 -p1\ngit reset -q --hard\ngit checkout -q -- fs\n", "make\n", "linux-5.14.0"},
		"a copy of all": {"%setup -q -n linux-5.14.0\n%patch0 -p1\nmkdir ../work\ncp -r ./. ../work\n%patch1 -p1\n", "cd ../work\nmake\n", "work"},
		"for machines":  {"%setup -q -n linux-5.14.0\n%ifarch %{ix86}\n%patch0 -p1\n%else\n%patch1 -p1\n%endif\n%if 0%{?rhel} > 7\n%patch2 -p1\n%endif\n", "make\n", "linux-5.14.0"},
		"by a function": {box + "enter() {\n  cd \"$RPM_BUILD_DIR/k/$1\" || exit 1\n}\nenter linux-5.14.0\n%patch0 -p1\nenter linux-5.14.0/fs\ntouch x\nenter .\n", "cd linux-5.14.0\nmake\n", "k/linux-5.14.0"},
		"in groups":     {"%autosetup -N -n linux-5.14.0\n%autopatch -p1 -M 0\ncd fs\n%{?nothing:%autopatch -p2 -m 1}\ncd ..\n%{!?nothing:%patch1 -p1}\n", "make\n", "linux-5.14.0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			original, made, err := provable(t, "", c.prep, c.build)
			if err != nil {
				t.Fatal(err)
			}
			original.Texts["make.sh"] = []byte("#!/bin/sh\npatch -s -p1 < $(dirname $0)/a.patch\n")
			made.Texts["make.sh"] = original.Texts["make.sh"]
			found, err := prove(t, original, made)
			if err != nil || !found.Compiled || !slices.Equal(found.Trees, []string{c.tree}) {
				t.Errorf("got %+v, %v\n%s", found, err, made.Spec.Text())
			}
		})
	}
}

// What %build goes through is followed as well, and rpmbuild agrees.
func TestLinksAreProved(t *testing.T) {
	for name, c := range map[string][2]string{
		"a link beside the tree":     {"%setup -q -n linux-5.14.0\ncd ..\nln -sfn linux-5.14.0 linux\ncd linux\n%patch0 -p1\n%patch1 -p1\n", "cd ../linux\nmake\n"},
		"a link into a directory":    {"%setup -q -n linux-5.14.0\n%patch0 -p1\ncd ..\nmkdir -p src\nln -sf ../linux-5.14.0 src\ncd src/linux-5.14.0\n%patch1 -p1\n", "make\n"},
		"one that is replaced":       {"%setup -q -n linux-5.14.0\ncd ..\nmkdir other\nln -s other linux\nln -sfn linux-5.14.0 linux\ncd linux\n%patch0 -p1\n%patch1 -p1\n", "make -C ../linux\n"},
		"the tree has another name":  {"%setup -q -n linux-5.14.0\n%patch0 -p1\ncd ..\nmv linux-5.14.0 tree\nln -s tree linux-5.14.0\ncd linux-5.14.0\n%patch1 -p1\n", "make\n"},
		"removed, and the tree kept": {"%setup -q -n linux-5.14.0\ncd ..\nln -s linux-5.14.0 linux\nrm -rf linux\ncd linux-5.14.0\n%patch0 -p1\n%patch1 -p1\n", "make\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			original, made, err := provable(t, "", c[0], c[1])
			if err != nil {
				t.Fatal(err)
			}
			found, err := prove(t, original, made)
			want := []string{"linux-5.14.0"}
			if name == "the tree has another name" {
				want = []string{"tree"}
			}
			if err != nil || !found.Compiled || !slices.Equal(found.Trees, want) {
				t.Errorf("got %+v, %v\n%s", found, err, made.Spec.Text())
			}
		})
	}
}
