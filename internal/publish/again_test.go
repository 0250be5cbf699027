// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ovzpatch/internal/datastore"
)

func TestRollbackAndRetire(t *testing.T) {
	slow(t)
	f := newFixture(t)
	f.keep("x86_64", "1", nil)
	f.o.URL = "https://example.org/k"
	first := f.publish()
	f.keep("x86_64", "2", nil)
	second := f.publish()
	o := f.o
	o.Names, o.Key, o.Profiles, o.URL = nil, "", nil, ""

	// Back to the first, with newer metadata: yum would not take older.
	back, err := Rollback(t.Context(), o, 0)
	if err != nil {
		t.Fatal(err)
	}
	g := back.Generation
	if g.Number != 3 || len(g.Kernels()) != 1 || g.Kernels()[0].File != first.Generation.Kernels()[0].File || g.Revision <= second.Generation.Revision || g.URL != "https://example.org/k" {
		t.Errorf("%+v", g)
	}
	f.whole(3)
	for _, p := range second.Generation.Packages {
		if _, err := os.Stat(filepath.Join(f.o.To, "current/modern", p.Path)); err != nil {
			t.Errorf("clients of generation 2 miss a package: %v", err)
		}
	}
	if _, err := Rollback(t.Context(), o, 7); err == nil || !strings.Contains(err.Error(), "there is no generation 7; these are: 1, 2, 3") {
		t.Error(err)
	}
	if _, err := Rollback(t.Context(), o, 2); err != nil {
		t.Error(err)
	}
	f.whole(4)

	kernel := "kernel-ovz-6.1.1-2.lustre1.x86_64"
	for want, args := range map[string][2]string{
		"say why in one line with --reason":                                                    {kernel, "\n"},
		"as plain text of at most 65536 bytes":                                                 {kernel, "a\u009bb"},
		"it is not published; these kernels are: kernel-ovz-6.1.1-1.lustre1.x86_64, " + kernel: {"kernel-none", "x"},
	} {
		if _, err := Retire(t.Context(), o, args[0], args[1]); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	gone, err := Retire(t.Context(), o, kernel+".rpm", "CVE-2026-1")
	if err != nil {
		t.Fatal(err)
	}
	if g := gone.Generation; len(g.Packages) != 3 || len(g.Retired) != 1 || g.Retired[0].Kernel != kernel || g.Retired[0].Reason != "CVE-2026-1" {
		t.Errorf("%+v", g)
	}
	f.whole(5)
	// It does not come back, and whoever names it is told why.
	if res := f.publish(); res.Changed || len(res.LeftOut) != 1 || !strings.Contains(res.LeftOut[0].Why, "was retired on") {
		t.Errorf("%+v", res)
	}
	f.o.Names = []string{gone.Generation.Retired[0].Snapshot.String()}
	f.refused("was retired on")
}

// A file that went bad after it was published is not published again: it is signed anew, and has another path.
func TestDamageIsFound(t *testing.T) {
	slow(t)
	f := newFixture(t)
	f.keep("x86_64", "1", nil)
	res := f.publish()
	path := filepath.Join(f.o.To, "current/modern", res.Generation.Kernels()[0].Path)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-1] ^= 1
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	// As rot does: neither size nor time tell it.
	if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	f.keep("x86_64", "2", nil)
	next := f.publish()
	f.whole(2)
	if now := pathIn(next, "6.1.1-1.lustre1"); now == res.Generation.Kernels()[0].Path {
		t.Error("a path has other content than before")
	}
	if said := f.said.b.String(); !strings.Contains(said, "WARNING: kernel-ovz-6.1.1-1.lustre1.x86_64.rpm is missing or damaged in the generations that held it") {
		t.Errorf("it said %q", said)
	}
}

// A key that was extended is new to clients, though nothing else is.
func TestExtendedKey(t *testing.T) {
	slow(t)
	f := newFixture(t)
	f.keep("x86_64", "1", nil)
	first := f.publish()
	run(t, nil, "gpg", "--homedir", f.o.GPGHome, "--batch", "--quiet", "--quick-set-expire", first.Generation.Key, "2y")
	second := f.publish()
	if !second.Changed || second.Generation.KeySHA256 == first.Generation.KeySHA256 {
		t.Fatalf("%+v", second.Generation)
	}
	key := func(n int) string {
		b, err := os.ReadFile(filepath.Join(f.o.To, generationsDir, generationName(n), keyFile))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	if key(1) == key(2) {
		t.Error("clients get the old key")
	}
	if first.Generation.Kernels()[0].Path != second.Generation.Kernels()[0].Path {
		t.Error("the packages were signed anew")
	}
}

// --keep takes effect also where nothing else changes.
func TestKeepAlone(t *testing.T) {
	slow(t)
	f := newFixture(t)
	for _, release := range []string{"1", "2", "4"} { // another test signs the third
		f.keep("x86_64", release, nil)
		f.publish()
	}
	f.o.Keep = 2
	if res := f.publish(); res.Changed {
		t.Errorf("%+v", res)
	}
	entries, err := os.ReadDir(filepath.Join(f.o.To, generationsDir))
	if err != nil || len(entries) != 2 || entries[0].Name() != generationName(2) {
		t.Errorf("%v, %v", entries, err)
	}
	f.whole(3)
}

// Two architectures of one release have one source package and one noarch package in the repository, of whichever snapshot. They stay
// as long as one of the kernels does.
func TestRetireOneArchitecture(t *testing.T) {
	kernel := func(name, arch string) Package {
		return Package{Name: name, Arch: arch, Version: "1-1", File: name + "-1-1." + arch + ".rpm", Origin: "k-1-1.src.rpm", Kernel: true, Snapshot: ref(t, arch)}
	}
	beside := func(name, arch, from string) Package {
		p := kernel(name, arch)
		p.Kernel, p.Snapshot = false, ref(t, from)
		return p
	}
	source := beside("k", "src", "i686")
	source.Arch, source.Source, source.Origin = "i686", true, ""
	all := []Package{kernel("k", "i686"), source, kernel("k", "x86_64"), beside("k-devel", "i686", "i686"), beside("k-devel", "x86_64", "x86_64"), beside("k-doc", "noarch", "i686")}
	for name, tt := range map[string]struct {
		all  []Package
		gone int
		want string
	}{
		"the one with the source":   {all, 0, "k-1-1.src.rpm k-1-1.x86_64.rpm k-devel-1-1.x86_64.rpm k-doc-1-1.noarch.rpm"},
		"the other":                 {all, 2, "k-1-1.i686.rpm k-1-1.src.rpm k-devel-1-1.i686.rpm k-doc-1-1.noarch.rpm"},
		"the only one":              {append(slices.Clone(all[:2]), all[3], all[5]), 0, ""},
		"another in the snapshot":   {append(slices.Clone(all), kernel("k-debug", "i686")), 0, "k-1-1.src.rpm k-1-1.x86_64.rpm k-devel-1-1.x86_64.rpm k-doc-1-1.noarch.rpm k-debug-1-1.i686.rpm"},
		"and it goes itself, alone": {append(slices.Clone(all), kernel("k-debug", "i686")), 6, "k-1-1.i686.rpm k-1-1.src.rpm k-1-1.x86_64.rpm k-devel-1-1.i686.rpm k-devel-1-1.x86_64.rpm k-doc-1-1.noarch.rpm"},
	} {
		kernels := (&Record{Packages: tt.all}).Kernels()
		var got []string
		for _, p := range slices.DeleteFunc(slices.Clone(tt.all), leaves(kernels, tt.all[tt.gone])) {
			got = append(got, p.File)
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s: left are %q, want %q", name, got, tt.want)
		}
	}
}

func ref(t *testing.T, arch string) datastore.Ref {
	t.Helper()
	r, err := datastore.ParseRef("kernel/k." + arch + "/2026-11-01T00:00:00Z")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Clients must get another key before they take what it signed.
func TestAnotherKey(t *testing.T) {
	slow(t)
	f := newFixture(t)
	f.keep("x86_64", "1", nil)
	first := f.publish().Generation
	if said := f.said.b.String(); strings.Contains(said, "another key") {
		t.Errorf("the first: it said %q", said)
	}
	o := f.o
	if _, err := Rollback(t.Context(), o, 0); err == nil || !strings.Contains(err.Error(), "there is no generation before 1, which is current") {
		t.Error(err)
	}
	f.o.GPGHome = keyHome(t, "rsa2048", "never")
	f.publish()
	if said := f.said.b.String(); !strings.Contains(said, "WARNING: generation 1 was signed with another key, "+first.Key) {
		t.Errorf("it said %q", said)
	}
	f.whole(2)
}
