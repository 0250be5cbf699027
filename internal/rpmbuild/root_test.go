// SPDX-License-Identifier: Apache-2.0

package rpmbuild_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"ovzpatch/internal/rpmbuild"
)

func TestParseRoot(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	for s, want := range map[string]rpmbuild.Root{
		"":                     {},
		"chroot:/":             {},
		"chroot:" + dir:        {Chroot: dir},
		"chroot:" + link + "/": {Chroot: dir},
		"mock:centos-6-i386":   {Mock: "centos-6-i386"},
		"mock:/etc/my.cfg":     {Mock: "/etc/my.cfg"},
	} {
		if got, err := rpmbuild.ParseRoot(s); err != nil || got != want {
			t.Errorf("%q: got %+v, %v, want %+v", s, got, err, want)
		}
	}
	for _, s := range []string{"mock", "mock:", "chroot:", dir, "podman:x", "chroot:" + dir + "/no"} {
		if got, err := rpmbuild.ParseRoot(s); err == nil {
			t.Errorf("%q: got %+v, want an error", s, got)
		}
	}
}

func TestArgsInAChroot(t *testing.T) {
	got := rpmbuild.Job{
		Root: rpmbuild.Root{Chroot: "/r"}, Spec: "/r/w/top/SPECS/k.spec", Topdir: "/r/w/top", BuildDir: "/r/w/BUILD", Target: "i686",
	}.Args()
	want := []string{
		"chroot", "/r", "rpmbuild", "-bb",
		"--define", "_topdir /w/top",
		"--define", "_tmppath /w/top/tmp",
		"--define", "_buildshell /bin/bash",
		"--define", "_specdir /w/top/SPECS",
		"--define", "_sourcedir /w/top/SOURCES",
		"--define", "_srcrpmdir /w/top/SRPMS",
		"--define", "_builddir /w/top/BUILD",
		"--define", "_rpmdir /w/top/RPMS",
		"--define", "_buildrootdir /w/top/BUILDROOT",
		"--define", "_buildhost ovzpatch",
		"--define", "use_source_date_epoch_as_buildtime 1",
		"--define", "clamp_mtime_to_source_date_epoch 1", "--define", "_rpmformat 4",
		"--define", "_builddir /w/BUILD",
		"--define", "PACKAGE_VERSION %{version}",
		"--define", "PACKAGE_RELEASE %{release}",
		"--define", "_build_id_links none",
		"--define", "__spec_install_pre %{___build_pre}\\\nmkdir -p \"$RPM_BUILD_ROOT\"",
		"--target", "i686", "/w/top/SPECS/k.spec",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestArgsForMock(t *testing.T) {
	got := rpmbuild.Job{
		Root: rpmbuild.Root{Mock: "centos-6-i386"}, Spec: "/c/0123/top/SRPMS/k.src.rpm", Topdir: "/c/0123/top", Target: "i686",
		Without: []string{"ovzpatch"}, Defines: []rpmbuild.Define{{Name: "dist", Value: ".el6"}}, Jobs: 3, NoDeps: true,
	}.Args()
	want := []string{
		"mock", "-r", "centos-6-i386", "--uniqueext", "0123",
		"--resultdir", "/c/0123/top/RPMS",
		"--config-opts", "print_main_output=True",
		"--define", "source_date_epoch_from_changelog 1",
		"--define", "_buildhost ovzpatch",
		"--define", "use_source_date_epoch_as_buildtime 1",
		"--define", "clamp_mtime_to_source_date_epoch 1", "--define", "_rpmformat 4",
		"--define", "PACKAGE_VERSION %{version}",
		"--define", "PACKAGE_RELEASE %{release}",
		"--define", "_build_id_links none",
		"--define", "__spec_install_pre %{___build_pre}\\\nmkdir -p \"$RPM_BUILD_ROOT\"",
		"--define", "_smp_mflags -j3",
		"--define", "dist .el6",
		"--target", "i686", "--without", "ovzpatch",
		"--rebuild", "/c/0123/top/SRPMS/k.src.rpm",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
