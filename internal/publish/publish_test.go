// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"ovzpatch/internal/datastore"
)

func TestPublish(t *testing.T) {
	f := newFixture(t)
	ref := f.keep("x86_64", "1", nil)
	f.o.URL = "http://example.org/kernels/"
	res := f.publish()
	if !res.Changed || res.Generation.Number != 1 || len(res.Generation.Packages) != 3 || len(res.Generation.Kernels()) != 1 {
		t.Fatalf("%+v", res.Generation)
	}
	if want := "/bin/sh, /sbin/depmod, coreutils >= 8"; strings.Join(res.Outside, ", ") != want {
		t.Errorf("outside %q, want %q", res.Outside, want)
	}
	current := filepath.Join(f.o.To, "current")
	for _, p := range res.Generation.Packages {
		path := filepath.Join(current, "modern", p.Path)
		out := f.signature(path)
		if !strings.Contains(out, "V4 RSA/SHA256 Signature, key ID "+strings.ToLower(res.Generation.Key[32:])+": OK") {
			t.Errorf("%s: %s", path, out)
		}
		// rpmsign must not have reached the datastore's file.
		r, err := f.store.OpenSnapshot(t.Context(), ref)
		if err != nil {
			t.Fatal(err)
		}
		mine, err1 := os.Stat(path)
		kept, err2 := os.Stat(r.Path(p.File))
		if err1 != nil || err2 != nil || os.SameFile(mine, kept) {
			t.Errorf("%v %v: the datastore's file is published itself", err1, err2)
		}
		r.Close()
	}
	verified, err := f.store.Verify(t.Context(), []datastore.Ref{ref}, false, nil)
	if err != nil || !verified[0].Verification.OK {
		t.Errorf("the datastore was spoiled: %+v, %v", verified, err)
	}
	repo, err := os.ReadFile(filepath.Join(current, "ovzpatch-modern.repo"))
	if err != nil || !strings.Contains(string(repo), "mirrorlist=http://example.org/kernels/current/ovzpatch-modern.mirrorlist\n") {
		t.Errorf("%s, %v", repo, err)
	}
	// Nothing is new, so nothing is made.
	before := f.tree()
	if again := f.publish(); again.Changed || again.Generation.Number != 1 || f.tree() != before {
		t.Errorf("published the same again: %+v", again.Generation)
	}
	// A second kernel; the first one is signed already.
	f.keep("x86_64", "2", nil)
	path := filepath.Join(current, "modern", res.Generation.Packages[0].Path)
	first, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	next := f.publish()
	second, err := os.Stat(path)
	if err != nil || !os.SameFile(first, second) {
		t.Errorf("%v: a package was signed again", err)
	}
	if next.Generation.Number != 2 || len(next.Generation.Packages) != 6 || next.Generation.Revision <= res.Generation.Revision {
		t.Errorf("%+v", next.Generation)
	}
	// What the older metadata names is there still, also what only it names.
	f.o.Latest = 1
	if only := f.publish(); len(only.Generation.Packages) != 3 {
		t.Errorf("%+v", only.Generation)
	}
	for _, p := range next.Generation.Packages {
		if _, err := os.Stat(filepath.Join(current, "modern", p.Path)); err != nil {
			t.Error(err)
		}
	}
	for _, n := range []int{1, 2} {
		md, err := readRepomd(filepath.Join(f.o.To, "generations", generationName(n), "modern"))
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range md.Data {
			if _, err := os.Stat(filepath.Join(current, "modern", d.Location.Href)); err != nil {
				t.Error(err)
			}
		}
	}
}

// All generations of clients at once: every package has signatures in the form that all take.
func TestProfiles(t *testing.T) {
	slow(t)
	f := newFixture(t)
	f.keep("x86_64", "1", nil)
	old := oldKeyHome(t, f.o.GPGHome)
	f.o.Profiles = []string{"modern", "rhel6", "rhel5"}
	f.refused("gpg1 in " + f.o.GPGHome + " has no such key; profile rhel5 needs signatures in V3 form")
	f.o.GPGHome = old
	res := f.publish()
	if !res.Generation.V3 {
		t.Errorf("%+v", res.Generation)
	}
	for profile, want := range map[string][]string{
		"rhel5": {`<checksum type="sha">`, "primary.xml.gz"}, "rhel6": {`<checksum type="sha256">`, "primary.xml.gz"}, "modern": {`<checksum type="sha256">`, "primary.xml.xz"},
	} {
		repomd, err := os.ReadFile(filepath.Join(f.o.To, "current", profile, "repodata/repomd.xml"))
		if err != nil {
			t.Fatal(err)
		}
		if profile != "modern" {
			want = append(want, `-comps.xml"`) // not packed
		}
		for _, w := range append(want, "<revision>") {
			if !strings.Contains(string(repomd), w) {
				t.Errorf("%s lacks %s:\n%s", profile, w, repomd)
			}
		}
		out := f.signature(filepath.Join(f.o.To, "current", profile, res.Generation.Packages[0].Path))
		if !strings.Contains(out, "V3 RSA/SHA256 Signature") {
			t.Errorf("%s: %s", profile, out)
		}
	}
	if again := f.publish(); again.Changed {
		t.Errorf("it is taken for damaged: %s", f.said.b.String())
	}
}

// A publish that does not say --url and --profile again goes on with them: clients that came through
// the .repo file, or have a profile's address, would get errors.
func TestSaidOnce(t *testing.T) {
	slow(t)
	f := newFixture(t)
	f.keep("x86_64", "1", nil)
	f.o.URL, f.o.Profiles = "https://example.org/k", []string{"rhel6", "modern"}
	f.publish()
	f.keep("x86_64", "2", nil)
	f.o.URL, f.o.Profiles = "", nil
	res := f.publish()
	if len(res.Generation.Profiles) != 2 || res.Generation.URL != "https://example.org/k" {
		t.Errorf("%+v", res.Generation)
	}
	for _, name := range []string{"rhel6/repodata/repomd.xml", mirrorList(Modern), repoFileName(RHEL6)} {
		if _, err := os.Stat(filepath.Join(f.o.To, currentLink, name)); err != nil {
			t.Error(err)
		}
	}
	f.o.Profiles = []string{"modern"}
	if res := f.publish(); len(res.Generation.Profiles) != 1 || !strings.Contains(f.said.b.String(), "WARNING: generation 2 has a repository for profile rhel6") {
		t.Errorf("%+v\n%s", res.Generation.Profiles, f.said.b.String())
	}
}

// Damage that somebody did is told with what to do, and doing that helps.
func TestDamagedRepository(t *testing.T) {
	slow(t)
	f := newFixture(t)
	f.keep("x86_64", "1", nil)
	to := f.o.To
	f.o.To = filepath.Join(f.store.Dir(), "repo")
	f.refused("is within the datastore")
	f.o.To = filepath.Join(f.o.GPGHome, "pubring.kbx", "repo")
	f.refused("what is above it is not a directory")
	f.o.To = to
	f.publish()
	f.keep("x86_64", "2", nil)
	f.publish()
	current := filepath.Join(to, currentLink)
	record := filepath.Join(to, generationsDir, generationName(2), recordFile)
	if err := os.Truncate(record, 100); err != nil {
		t.Fatal(err)
	}
	f.refused("make an earlier one current, and the next publish takes this one away: ln -sfn generations/NNNNNN " + current)
	lead := func(to string) {
		t.Helper()
		if err := os.Remove(current); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(to, current); err != nil {
			t.Fatal(err)
		}
	}
	lead("/etc")
	f.refused("Make it lead to one again: ln -sfn generations/NNNNNN " + current)
	lead("generations/000001")
	// Clients may have the path of the one that was taken away.
	if res := f.publish(); res.Generation.Number != 3 || len(res.Generation.Kernels()) != 2 {
		t.Errorf("%+v", res.Generation)
	}
	f.whole(3)
	if err := os.RemoveAll(filepath.Join(to, generationsDir, generationName(3))); err != nil {
		t.Fatal(err)
	}
	f.refused("generation 3, which is current, is not there: " + filepath.Join(to, generationsDir, generationName(3)) + "; make an earlier one current, and publish again: ln -sfn generations/NNNNNN " + current)
	lead("generations/000001")
	if res := f.publish(); res.Generation.Number != 4 {
		t.Errorf("%+v", res.Generation)
	}
	f.whole(4)
	mark := filepath.Join(to, markFile)
	for what, change := range map[string]func() error{
		"a link": func() error { return os.Symlink("/etc/passwd", mark) },
		"a pipe": func() error { return syscall.Mkfifo(mark, 0o644) },
	} {
		if err := errors.Join(os.Remove(mark), change()); err != nil {
			t.Fatal(what, err)
		}
		f.refused(markFile + " is no plain file")
	}
	if err := os.Remove(mark); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(mark, []byte("garbage\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	f.refused("remove the file's content")
	if err := os.Truncate(mark, 0); err != nil {
		t.Fatal(err)
	}
	if res := f.publish(); res.Changed {
		t.Errorf("%+v", res.Generation)
	}
}

// Web servers can read what is published, whatever the umask is.
func TestUmask(t *testing.T) {
	slow(t)
	f := newFixture(t)
	f.keep("x86_64", "1", nil)
	f.o.To = filepath.Join(f.o.To, "below")
	defer unix.Umask(unix.Umask(0o077))
	f.publish()
	for _, dir := range []string{filepath.Dir(f.o.To), f.o.To, filepath.Join(f.o.To, generationsDir), filepath.Join(f.o.To, currentLink), filepath.Join(f.o.To, currentLink, "modern")} {
		if st, err := os.Stat(dir); err != nil || st.Mode().Perm() != 0o755 {
			t.Errorf("%s: %v, %v", dir, st.Mode(), err)
		}
	}
}
