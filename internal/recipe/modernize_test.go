// SPDX-License-Identifier: Apache-2.0

package recipe

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ovzpatch/internal/job"
	"ovzpatch/internal/rpmbuild"
	"ovzpatch/internal/spec"
	"ovzpatch/internal/srpm"
)

// What the rpm at hand refuses is told before the build, with every way out; it depends on
// that rpm alone. With --modernize-spec just these lines are other.
func TestForThisRpm(t *testing.T) {
	const text = "%define rpmversion 1\nName: k\nVersion: %{rpmversion}\nRelease: 1\nPatch1: a\n%prep\n%setup -q\n%patch1 -p1\n%build\n"
	bin := t.TempDir()
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	for version, refuses := range map[string]bool{"4.4.2.3": false, "4.18.0": false, "4.20.1": true, "6.1.0": true, "10.0": true} {
		// The one thing that is faked: no machine has every rpm.
		if err := os.WriteFile(filepath.Join(bin, "rpmbuild"), []byte("#!/bin/sh\necho RPM version "+version+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		r := &Recipe{Root: rpmbuild.Root{}, Inputs: srpm.Inputs{Spec: spec.Read("k.spec", []byte(text))}}
		var said saying
		err := r.forThisRpm(t.Context(), &said, false)
		if (err != nil) != refuses {
			t.Errorf("rpm %s: %v", version, err)
		}
		if refuses {
			for _, want := range []string{version, "line 8: %patch1 -p1", "line 1: %define rpmversion 1", "--modernize-spec", "--root", "--spec=replace"} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("rpm %s: %v lacks %q", version, err, want)
				}
			}
			if !errors.Is(err, job.ErrMisfit) {
				t.Errorf("rpm %s: %v is no misfit", version, err)
			}
		}
		if err := r.forThisRpm(t.Context(), &said, true); err != nil || !strings.Contains(string(r.Spec.Text()), "\n%patch -P 1 -p1\n") || !strings.Contains(said.String(), "+%patch -P 1 -p1") {
			t.Errorf("rpm %s: %v\n%s\n%s", version, err, r.Spec.Text(), said.String())
		}
	}
}

// saying keeps what is said.
type saying struct {
	job.Quiet
	strings.Builder
}

func (s *saying) Say(format string, args ...any) { fmt.Fprintf(s, format+"\n", args...) }
