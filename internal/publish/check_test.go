// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"ovzpatch/internal/datastore"
	"ovzpatch/internal/job"
	"ovzpatch/internal/repoclient"
)

// The packages of these tests lack multiversion(kernel), and their file digests are SHA-256.
func TestCheckClients(t *testing.T) {
	slow(t)
	f := newFixture(t)
	f.keep("x86_64", "1", nil)
	f.keep("x86_64", "2", nil)
	open := func() (*datastore.Store, error) { return f.store, nil }
	check := func(names, profiles []string) []Checked {
		t.Helper()
		list, err := CheckClients(t.Context(), names, profiles, open)
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	answers := func(c Checked) string {
		var s []string
		for _, j := range c.Clients {
			s = append(s, j.Client+" "+string(j.Answer))
		}
		return strings.Join(s, ", ")
	}
	dir := packages(t, "x86_64", "1")
	for name, list := range map[string][]Checked{
		"a group":     check([]string{"kernel/kernel-ovz.x86_64"}, nil),
		"a directory": check([]string{dir}, nil),
		"a package":   check([]string{filepath.Join(dir, "kernel-ovz-6.1.1-1.lustre1.x86_64.rpm")}, nil),
	} {
		want := map[string]int{"a group": 6, "a directory": 3, "a package": 1}[name]
		if len(list) != want {
			t.Errorf("%s: %d packages, want %d", name, len(list), want)
		}
		kernels := 0
		for _, c := range list {
			if c.Kind == repoclient.Kernel {
				kernels++
				if got := answers(c); got != "rhel5 refuses, rhel6 keeps, dnf keeps, zypper removes" {
					t.Errorf("%s: %s: %s", name, c.Package, got)
				}
			}
		}
		if kernels == 0 {
			t.Errorf("%s: no kernel among %+v", name, list)
		}
		if err := Harmed(list, false); !errors.Is(err, job.ErrMisfit) || err.Error() != "zypper would remove kernels that are installed, also the one that runs" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := Harmed(check([]string{dir}, []string{"rhel6"}), true); err != nil {
		t.Errorf("rhel6: %v", err)
	}
	if err := Harmed(check([]string{dir}, []string{"rhel5"}), true); !errors.Is(err, job.ErrMisfit) || !strings.Contains(err.Error(), "rhel5 refuses packages that are meant for it") {
		t.Errorf("rhel5: %v", err)
	}
	var b strings.Builder
	if err := WriteChecked(&b, check([]string{filepath.Join(dir, "kernel-ovz-6.1.1-1.lustre1.x86_64.rpm")}, nil)); err != nil {
		t.Fatal(err)
	}
	want := `PACKAGE                              RHEL5    RHEL6             DNF               ZYPPER
kernel-ovz-6.1.1-1.lustre1.x86_64    REFUSES  keeps older ones  keeps older ones  REMOVES KERNELS
kernel-ovz-6.1.1-1.lustre1.x86_64: rhel5: REFUSES: it does not know file digests by SHA-256
kernel-ovz-6.1.1-1.lustre1.x86_64: zypper: REMOVES KERNELS: it puts it in place of the older one, also if that runs; it must provide multiversion(kernel)
1 of 1 packages are not signed, or only where rpm 6 looks: clients refuse them where gpgcheck=1 is set. ovzpatch publish signs.
`
	if got := strings.Join(strings.Fields(b.String()), " "); got != strings.Join(strings.Fields(want), " ") {
		t.Errorf("it says\n%s", b.String())
	}

	// What is published is signed, and each package is one, in however many profiles.
	f.publish()
	list := check([]string{filepath.Join(f.o.To, currentLink)}, nil)
	for _, c := range list {
		for _, j := range c.Clients {
			if j.Client != "rhel5" && j.Unsigned {
				t.Errorf("%s: %s takes it for unsigned", c.Package, j.Client)
			}
		}
	}
	if len(list) != 6 {
		t.Errorf("%d packages, want 6", len(list))
	}
	if said := f.said.b.String(); !strings.Contains(said, "WARNING: kernel-ovz-6.1.1-1.lustre1.x86_64: zypper: REMOVES KERNELS") || strings.Contains(said, "rhel5") {
		t.Errorf("publish said %q", said)
	}
}
