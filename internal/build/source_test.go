// SPDX-License-Identifier: Apache-2.0

package build

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ovzpatch/internal/cache"
	"ovzpatch/internal/job"
	"ovzpatch/internal/recipe"
	"ovzpatch/internal/spec"
	"ovzpatch/internal/srpm"
)

// tiny is the recipe of a small package whose %build is a line.
func tiny(build string) *recipe.Recipe {
	return &recipe.Recipe{Foreign: true, Inputs: srpm.Inputs{Date: time.Unix(1_700_000_000, 0), Spec: spec.Read("tiny.spec", []byte(`Name: tiny
Version: 1
Release: 1
Summary: tiny
License: GPL-2.0-only
BuildArch: noarch
%description
tiny
%prep
%build
`+build+`
%install
mkdir -p %{buildroot}/usr/share
echo hi > %{buildroot}/usr/share/tiny
%files
/usr/share/tiny
`))}}
}

// A source package is made when somebody asks for it, and nothing is built again for it.
func TestSourcePackageIsMadeWhenAskedFor(t *testing.T) {
	built := filepath.Join(t.TempDir(), "built")
	r := tiny("echo built >>" + built)
	o := Options{Cache: cache.Cache{Dir: filepath.Join(t.TempDir(), "cache")}, NoDeps: true, Limit: time.Minute, Report: job.Quiet{}}
	for _, c := range []struct {
		trial bool
		files string
	}{
		{true, "tiny-1-1.noarch.rpm"},
		{false, "tiny-1-1.noarch.rpm tiny-1-1.src.rpm"},
		{true, "tiny-1-1.noarch.rpm tiny-1-1.src.rpm"},
	} {
		o.Trial = c.trial
		res, err := newBuilder(r, o).packages(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(res.Files(), " "); got != c.files {
			t.Errorf("for a trial: %v: got %s, want %s", c.trial, got, c.files)
		}
		for _, name := range res.Files() {
			if _, err := os.Stat(filepath.Join(res.Dir, name)); err != nil {
				t.Error(err)
			}
		}
	}
	if text, err := os.ReadFile(built); string(text) != "built\n" {
		t.Errorf("built: %q, %v; want once", text, err)
	}
}

// A build for a trial of our own spec has an archive in place of the -devel package. Packages that
// are there already serve a trial, but not the other way round.
func TestTrialHasNoDevelPackage(t *testing.T) {
	built := filepath.Join(t.TempDir(), "built")
	r := &recipe.Recipe{Inputs: srpm.Inputs{Date: time.Unix(1_700_000_000, 0), Spec: spec.Read("tiny.spec", []byte(`Name: tiny
Version: 1
Release: 1
Summary: tiny
License: GPL-2.0-only
BuildArch: noarch
%description
tiny
%package devel
Summary: tiny
%description devel
tiny
%prep
%build
echo built >>`+built+`
%install
mkdir -p %{buildroot}/usr/share
echo hi > %{buildroot}/usr/share/tiny
%if 0%{?ktrial}
echo hi > %{_topdir}/devel.tar
%else
echo hi > %{buildroot}/usr/share/tiny-devel
%endif
%files
/usr/share/tiny
%if !0%{?ktrial}
%files devel
/usr/share/tiny-devel
%endif
`))}}
	o := Options{Cache: cache.Cache{Dir: filepath.Join(t.TempDir(), "cache")}, NoDeps: true, Limit: time.Minute, Report: job.Quiet{}}
	times := 0
	for i, c := range []struct {
		trial bool
		files string
		devel string
		built bool
	}{
		{true, "tiny-1-1.noarch.rpm", "devel.tar", true},
		{true, "tiny-1-1.noarch.rpm", "devel.tar", false},
		{false, "tiny-1-1.noarch.rpm tiny-1-1.src.rpm tiny-devel-1-1.noarch.rpm", "", true},
		{true, "tiny-1-1.noarch.rpm tiny-1-1.src.rpm tiny-devel-1-1.noarch.rpm", "", false},
	} {
		o.Trial = c.trial
		res, err := newBuilder(r, o).packages(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		// rpmbuild packs several at a time.
		if got := strings.Join(slices.Sorted(slices.Values(res.Files())), " "); got != c.files || res.Devel != c.devel {
			t.Errorf("%d: got %s and %q, want %s and %q", i, got, res.Devel, c.files, c.devel)
		}
		if _, err := os.Stat(filepath.Join(res.Dir, res.Devel)); err != nil {
			t.Error(err)
		}
		if c.built {
			times++
		}
		if text, err := os.ReadFile(built); strings.Count(string(text), "\n") != times {
			t.Errorf("%d: built: %q, %v; want %d times", i, text, err, times)
		}
	}
	// What is built anew is not taken from the cache, whoever it was made for.
	if err := Forget(t.Context(), &recipe.Sides{With: r, Without: r}, o); err != nil {
		t.Fatal(err)
	}
	if _, err := newBuilder(r, o).packages(t.Context()); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(built); strings.Count(string(text), "\n") != times+1 {
		t.Errorf("after Forget: built: %q, %v; want %d times", text, err, times+1)
	}
}
