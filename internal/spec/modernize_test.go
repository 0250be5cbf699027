// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Exactly the lines that rpm since 4.20 refuses are rewritten.
func TestModernize(t *testing.T) {
	const before = `%define rpmversion 2.6.32
%define pkg %{rpmversion}-%{?rpmversion}%{!?rpmversion:x} %rpmversion
Name: k
Version: %{rpmversion}
Release: 1
Summary: s
License: GPL
Patch0: a.patch
Patch1: b.patch
%description
%prep
%setup -q -c -T
# %patch1 -p1 as a remark
%patch1 -p1
  %patch0 -p1 -b .x
%{?with_x:%patch1 -p1}
%patch -p1
%patch
%patch -p 1
%patch 1 -p1
%patch -P 1 -p1
%patch -P1 -p1
%patch -p1 %{n}
cp %{PATCH1} .
%build
# %patch1 is no more than text here
%changelog
* Thu Jan 01 2009 a <a@b> - 1
- use %%patch1 and %{rpmversion}
`
	const after = `%define specrpmversion 2.6.32
%define pkg %{specrpmversion}-%{?specrpmversion}%{!?specrpmversion:x} %specrpmversion
Name: k
Version: %{specrpmversion}
Release: 1
Summary: s
License: GPL
Patch0: a.patch
Patch1: b.patch
%description
%prep
%setup -q -c -T
# %patch1 -p1 as a remark
%patch -P 1 -p1
  %patch -P 0 -p1 -b .x
%{?with_x:%patch -P 1 -p1}
%patch -P 0 -p1
%patch -P 0
%patch -P 0 -p 1
%patch 1 -p1
%patch -P 1 -p1
%patch -P1 -p1
%patch -p1 %{n}
cp %{PATCH1} .
%build
# %patch1 is no more than text here
%changelog
* Thu Jan 01 2009 a <a@b> - 1
- use %%patch1 and %{rpmversion}
`
	e, err := Read("k.spec", []byte(before)).Modernize()
	if err != nil || string(e.Spec.Text()) != after {
		t.Errorf("%v\n%s", err, e.Spec.Text())
	}
	refused, err := Read("k.spec", []byte(before)).RefusedSince420()
	if err != nil || len(refused) != 7 || refused[0].Line != 1 || refused[1].Text != "%patch1 -p1" {
		t.Errorf("%v %+v", err, refused)
	}
	if refused, err := e.Spec.RefusedSince420(); err != nil || refused != nil {
		t.Errorf("what was rewritten is refused again: %v %+v", err, refused)
	}
	if e, err := Read("k.spec", []byte(after)).Modernize(); err != nil || e.Diff != "" {
		t.Errorf("%v\n%s", err, e.Diff)
	}
}

// Of a call of depmod go exactly the options that did nothing, and that kmod 34 refuses.
func TestModernizeDepmod(t *testing.T) {
	const head = "Name: k\nVersion: 1\nRelease: 1\n%description\n%prep\n/sbin/depmod -r\n%install\n"
	for before, after := range map[string]string{
		"depmod -r":                            "depmod",
		"/sbin/depmod -ae -F m -b $R -r $K":    "/sbin/depmod -ae -F m -b $R $K",
		"  depmod -aer -b \"$R\" 1":            "  depmod -ae -b \"$R\" 1",
		"depmod -qru --root --quiet -a || :":   "depmod -a || :",
		"[ -x d ] && /usr/sbin/depmod -ra $K":  "[ -x d ] && /usr/sbin/depmod -a $K",
		"if true; then depmod -r -a; fi":       "if true; then depmod -a; fi",
		"depmod -b r -Fru -o -r -brq 1":        "",
		"depmod -r -b \"a -r b\"":              "",
		"depmod -a - --rootless -e 1; rm -r x": "",
		"echo depmod -r":                       "",
		"# depmod -r":                          "",
		"mydepmod -r":                          "",
		"make DEPMOD=depmod -r":                "",
		"depmod -a -m dir 1":                   "",
	} {
		if after == "" {
			after = before
		}
		s := Read("k.spec", []byte(head+before+"\n%post\ndepmod -r\n"))
		e, err := s.Modernize()
		if want := head + after + "\n%post\ndepmod -r\n"; err != nil || string(e.Spec.Text()) != want {
			t.Errorf("%q: %v\n%s", before, err, e.Diff)
		}
		refused, err := s.RefusedByDepmod()
		if err != nil || (len(refused) == 1) != (after != before) || len(refused) == 1 && (refused[0].Line != 8 || refused[0].Text != before) {
			t.Errorf("%q: %v %+v", before, err, refused)
		}
		if refused, err := s.RefusedSince420(); err != nil || len(refused) != 0 {
			t.Errorf("%q: rpm refuses nothing of it: %v %+v", before, err, refused)
		}
	}
}

// Where the spec has the kernel's own makefile install the modules, that calls depmod.
func TestInstallsModules(t *testing.T) {
	const head = "Name: k\n%description\nmake modules_install\n%prep\n%build\n"
	for text, want := range map[string]int{
		"make -s ARCH=$Arch INSTALL_MOD_PATH=$R modules_install KERNELRELEASE=$K": 6,
		"%install\n%{kmake} modules_install":                                      7,
		"make \\\n INSTALL_MOD_PATH=x \\\n modules_install":                       6,
		"make modules_install \\\n DEPMOD=true":                                   0,
		"make depmod_opts=\"-b x\" modules_install":                               0,
		"# make modules_install\nmake modules":                                    0,
		"make xmodules_install\n%post\nmake modules_install":                      0,
	} {
		if got, err := Read("k.spec", []byte(head+text+"\n")).InstallsModules(); err != nil || got != want {
			t.Errorf("%q: %d, %v, want %d", text, got, err, want)
		}
	}
}

// Where nothing defines it, %rpmversion is rpm's own and stays.
func TestModernizeKeepsRpmsOwnVersion(t *testing.T) {
	const text = "Name: k\nVersion: 1\nRelease: 1\n%description\nmade by %{rpmversion}\n"
	if e, err := Read("k.spec", []byte(text)).Modernize(); err != nil || string(e.Spec.Text()) != text {
		t.Errorf("%v\n%s", err, e.Spec.Text())
	}
}

// The rpm that is here reads the modernized specs of every shape, and where it reads the
// original, too, it makes the same of it.
func TestRpmReadsModernized(t *testing.T) {
	shapes, err := filepath.Glob("testdata/shapes/*/kernel.spec")
	if err != nil || len(shapes) == 0 {
		t.Fatal(shapes, err)
	}
	for _, shape := range shapes {
		text, err := os.ReadFile(shape)
		if err != nil {
			t.Fatal(err)
		}
		e, err := Read(shape, text).Modernize()
		if err != nil {
			t.Fatal(err)
		}
		read := func(text []byte) (string, error) {
			top := t.TempDir()
			files, _ := os.ReadDir(filepath.Dir(shape))
			for _, f := range files {
				data, err := os.ReadFile(filepath.Join(filepath.Dir(shape), f.Name()))
				if err == nil {
					os.WriteFile(filepath.Join(top, f.Name()), data, 0o644)
				}
			}
			path := filepath.Join(top, "kernel.spec")
			if err := os.WriteFile(path, text, 0o644); err != nil {
				t.Fatal(err)
			}
			out, err := exec.CommandContext(t.Context(), "rpmspec", "-q", "--qf", "%{NEVRA}\n", "--define", "_sourcedir "+top, path).CombinedOutput()
			return strings.ReplaceAll(string(out), top, ""), err
		}
		was, wasErr := read(text)
		is, isErr := read(e.Spec.Text())
		if isErr != nil && strings.Contains(is, "obsolete") || strings.Contains(is, "built-in") || wasErr == nil && is != was {
			t.Errorf("%s: %v\n%s\nwas %v\n%s", shape, isErr, is, wasErr, was)
		}
	}
}
