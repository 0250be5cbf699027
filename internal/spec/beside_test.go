// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// besideSpec has the ways in which kernel specs make their packages.
const besideSpec = `Name: ovzkernel
Version: 1
Release: 1
Summary: A kernel
License: GPLv2
BuildArch: noarch
Provides: kernel = %{version}
Provides: ovz-drm = 4.3.0, other
%define kernel_reqprovconf \
Provides: kernel = %{version}-%{release}\
Provides: kernel-uname-r = %{version}\
%{nil}
%define devel_package() \
%package %{1}-devel\
Summary: For %{1}\
Provides: ovzkernel-devel = %{version}\
Provides: kernel-devel = %{version}\
%description %{1}-devel\
x\
%{nil}
%define last_line() \
%package %{1}\
Summary: Its Provides end the macro\
Provides: kernel-devel-%{1}
%description
x
%package PAE
Summary: A flavour
%kernel_reqprovconf
%description PAE
x
%devel_package PAE
%package new
Summary: It has one of them already
%if 1
Provides:	installonlypkg(kernel)
%endif
%description new
x
%package headers
Summary: No kernel
Provides: kernel-headers = %{version}
%description headers
Provides: kernel
%last_line late
%description late
x
%files
%files PAE
%files PAE-devel
%files new
%files headers
%files late
`

func TestKeepBeside(t *testing.T) {
	for name, text := range map[string]string{"": besideSpec, "of DOS": strings.ReplaceAll(besideSpec, "\n", "\r\n")} {
		edited, n, err := Read("kernel.spec", []byte(text)).KeepBeside()
		if err != nil {
			t.Fatal(err)
		}
		if n != 5 {
			t.Errorf("%s: %d places, want 5:\n%s", name, n, edited.Diff)
		}
		if again, n, err := edited.Spec.KeepBeside(); err != nil || n != 0 || string(again.Spec.Text()) != string(edited.Spec.Text()) {
			t.Errorf("%s: a second time changes %d places, %v:\n%s", name, n, err, again.Diff)
		}
		if name != "" {
			continue
		}
		// What rpm makes of it.
		path := filepath.Join(t.TempDir(), "kernel.spec")
		if err := os.WriteFile(path, edited.Spec.Text(), 0o644); err != nil {
			t.Fatal(err)
		}
		out, err := exec.CommandContext(t.Context(), "rpmspec", "-q", "--qf", "[%{=NAME} %{PROVIDES}\n]", path).CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s\n%s", err, out, edited.Spec.Text())
		}
		lines := strings.Split(string(out), "\n")
		for pkg, want := range map[string]bool{"ovzkernel": true, "ovzkernel-PAE": true, "ovzkernel-PAE-devel": true, "ovzkernel-new": true, "ovzkernel-late": true, "ovzkernel-headers": false} {
			for _, name := range besideNames {
				if slices.Contains(lines, pkg+" "+name) != want {
					t.Errorf("%s provides %s: %t\n%s", pkg, name, !want, out)
				}
			}
		}
	}
	var fails *Error
	if _, _, err := Read("kernel.spec", []byte("Name: kernel-lt\nVersion: 1\n%description\nProvides: kernel\n")).KeepBeside(); !errors.As(err, &fails) || !strings.Contains(err.Error(), "by hand") {
		t.Errorf("got %v", err)
	}
}
