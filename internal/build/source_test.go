// SPDX-License-Identifier: Apache-2.0

package build

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ovzpatch/internal/cache"
	"ovzpatch/internal/job"
	"ovzpatch/internal/recipe"
	"ovzpatch/internal/spec"
	"ovzpatch/internal/srpm"
)

// A source package is made when somebody asks for it, and nothing is built again for it.
func TestSourcePackageIsMadeWhenAskedFor(t *testing.T) {
	built := filepath.Join(t.TempDir(), "built")
	r := &recipe.Recipe{Foreign: true, Inputs: srpm.Inputs{Date: time.Unix(1_700_000_000, 0), Spec: spec.Read("tiny.spec", []byte(`Name: tiny
Version: 1
Release: 1
Summary: tiny
License: GPL-2.0-only
BuildArch: noarch
%description
tiny
%prep
%build
echo built >>`+built+`
%install
mkdir -p %{buildroot}/usr/share
echo hi > %{buildroot}/usr/share/tiny
%files
/usr/share/tiny
`))}}
	o := Options{Cache: cache.Cache{Dir: filepath.Join(t.TempDir(), "cache")}, NoDeps: true, Limit: time.Minute, Report: job.Quiet{}}
	for _, c := range []struct {
		source bool
		files  string
	}{
		{false, "tiny-1-1.noarch.rpm"},
		{true, "tiny-1-1.noarch.rpm tiny-1-1.src.rpm"},
		{false, "tiny-1-1.noarch.rpm tiny-1-1.src.rpm"},
	} {
		o.Source = c.source
		res, err := (&builder{Recipe: r, o: o, u: o.Report}).packages(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(res.Files(), " "); got != c.files {
			t.Errorf("asked for the source package: %v: got %s, want %s", c.source, got, c.files)
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
