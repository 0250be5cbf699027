// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"errors"
	"os"
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
		list, err := CheckClients(t.Context(), names, profiles, f.said, open)
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

// What cannot be in a datastore is a file that is not there, and no datastore is asked for.
func TestCheckWhatIsNotThere(t *testing.T) {
	for name, kept := range map[string]bool{"/no/such": false, "./no/such": false, "../no": false, "no.rpm": false, "no": false, "kernel/no.x86_64": true} {
		asked := false
		_, err := CheckClients(t.Context(), []string{name}, nil, job.Quiet{}, func() (*datastore.Store, error) {
			asked = true
			return nil, job.BadRequest(errors.New("no datastore"))
		})
		if asked != kept || !errors.Is(err, job.ErrRequest) || !kept && !strings.Contains(err.Error(), "no such file or directory") {
			t.Errorf("%s: asked for a datastore: %t, %v", name, asked, err)
		}
	}
}

// Of a repository those packages are looked at that clients find now, by whatever path it is named; not those that lie there for
// clients that read older metadata.
func TestCheckOnlyWhatTheMetadataHold(t *testing.T) {
	slow(t)
	f := newFixture(t)
	f.keep("x86_64", "1", nil)
	f.o.Profiles = []string{"rhel6", "modern"}
	first := f.publish()
	f.keep("x86_64", "2", nil)
	f.o.Latest = 1
	f.publish()
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(f.o.To, link); err != nil {
		t.Fatal(err)
	}
	t.Chdir(filepath.Dir(f.o.To))
	for _, name := range []string{
		f.o.To, f.o.To + "/", link, link + "/", link + "/current", f.o.To + "/current", f.o.To + "/current/", f.o.To + "/generations/000002", f.o.To + "/current/modern",
		f.o.To + "/current/modern/packages", "repo", "repo/current/",
	} {
		f.said.b.Reset()
		list, err := CheckClients(t.Context(), []string{name}, nil, f.said, nil)
		if err != nil || len(list) != 3 || !strings.Contains(list[0].Package, "-2.lustre1") {
			t.Errorf("%s: %v: %+v", name, err, list)
		}
		if said := f.said.b.String(); !strings.Contains(said, "3 packages are not in the metadata of their repository") && !strings.Contains(said, "6 packages are not in the metadata") {
			t.Errorf("%s: it said %q", name, said)
		}
	}
	old := filepath.Join("repo/current/modern", first.Generation.Packages[0].Path)
	if list, err := CheckClients(t.Context(), []string{old}, nil, f.said, nil); err != nil || len(list) != 1 {
		t.Errorf("a package by itself: %v: %+v", err, list)
	}
	if _, err := CheckClients(t.Context(), []string{filepath.Dir(old)}, nil, f.said, nil); err == nil || !strings.Contains(err.Error(), "hold no package of this directory") {
		t.Error(err)
	}
}

// A link to a package is one, as createrepo_c has it; and what the metadata name and nobody gets is told.
func TestCheckLinksAndWhatIsMissing(t *testing.T) {
	slow(t)
	dir, from := t.TempDir(), packages(t, "x86_64", "1")
	for _, name := range []string{"kernel-ovz-6.1.1-1.lustre1.x86_64.rpm", "kernel-ovz-devel-6.1.1-1.lustre1.x86_64.rpm"} {
		if err := os.Symlink(filepath.Join(from, name), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "directory.rpm"), 0o755); err != nil {
		t.Fatal(err)
	}
	check := func() ([]Checked, error) { return CheckClients(t.Context(), []string{dir}, nil, job.Quiet{}, nil) }
	if list, err := check(); err != nil || len(list) != 2 {
		t.Errorf("links: %v: %+v", err, list)
	}
	run(t, nil, "createrepo_c", "--quiet", dir)
	if list, err := check(); err != nil || len(list) != 2 {
		t.Errorf("links in a repository: %v: %+v", err, list)
	}
	gone := filepath.Join(dir, "kernel-ovz-devel-6.1.1-1.lustre1.x86_64.rpm")
	if err := os.Remove(gone); err != nil {
		t.Fatal(err)
	}
	if _, err := check(); err == nil || !strings.Contains(err.Error(), "name packages that clients do not get:\n  stat "+gone) {
		t.Errorf("a package that is missing: %v", err)
	}
	if err := os.Symlink("nowhere", gone); err != nil {
		t.Fatal(err)
	}
	if _, err := check(); err == nil || !strings.Contains(err.Error(), "follow the link "+gone) {
		t.Errorf("a link to nowhere: %v", err)
	}
	// Packages that lie at another address are not looked for here.
	if err := os.Remove(gone); err != nil {
		t.Fatal(err)
	}
	run(t, nil, "createrepo_c", "--quiet", "--baseurl", "https://example.org/", dir)
	if list, err := check(); err == nil {
		t.Errorf("packages elsewhere: %+v", list)
	} else if strings.Contains(err.Error(), "do not get") {
		t.Error(err)
	}
}
