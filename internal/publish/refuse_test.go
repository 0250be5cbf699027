// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ovzpatch/internal/datastore"
	"ovzpatch/internal/job"
)

// Nothing that is not proved goes out, whatever the manifest lacks.
func TestOnlyWhatWasProved(t *testing.T) {
	name := "kernel-ovz-6.1.1-1.lustre1.x86_64.rpm"
	file := datastore.File{Name: name, SHA256: strings.Repeat("11", 32)}
	plain := "kernel-ovz-6.1.1-1.x86_64.rpm"
	good := datastore.Verdict{Time: firstDay, File: name, SHA256: file.SHA256, Verdict: "protected"}
	control := datastore.Verdict{Time: firstDay, File: plain, Control: true, Verdict: "vulnerable"}
	with := func(v datastore.Verdict, change func(*datastore.Verdict)) datastore.Verdict { change(&v); return v }
	for _, tt := range []struct {
		what     string
		verdicts []datastore.Verdict
		control  bool
		want     string // "" is proved
	}{
		{"both", []datastore.Verdict{good, control}, true, ""},
		{"without control", []datastore.Verdict{good}, false, ""},
		{"inconclusive later", []datastore.Verdict{good, control, with(good, func(v *datastore.Verdict) { v.Verdict = "inconclusive" })}, true, ""},
		{"nothing", nil, true, "it has no verdict"},
		{"no control", []datastore.Verdict{good}, true, "nothing is known of the same kernel without the patch"},
		{"protected control", []datastore.Verdict{good, with(control, func(v *datastore.Verdict) { v.Verdict = "protected" })}, true, "was protected and not vulnerable"},
		{"control of another kernel", []datastore.Verdict{good, with(control, func(v *datastore.Verdict) { v.File = "kernel-ovz-PAE-6.1.1-1.x86_64.rpm" })}, true, "nothing is known of the same kernel"},
		{"control of another architecture", []datastore.Verdict{good, with(control, func(v *datastore.Verdict) { v.File = "kernel-ovz-6.1.1-1.i686.rpm" })}, true, "nothing is known of the same kernel"},
		{"vulnerable later", []datastore.Verdict{good, control, with(good, func(v *datastore.Verdict) { v.Verdict = "vulnerable" })}, true, "is vulnerable"},
		{"another file", []datastore.Verdict{with(good, func(v *datastore.Verdict) { v.File = "x-1-1.x86_64.rpm" }), control}, true, "it has no verdict"},
		{"another digest", []datastore.Verdict{with(good, func(v *datastore.Verdict) { v.SHA256 = strings.Repeat("22", 32) }), control}, true, "it has no verdict"},
		{"inconclusive only", []datastore.Verdict{with(good, func(v *datastore.Verdict) { v.Verdict = "inconclusive" }), control}, true, "is inconclusive: ovzpatch test"},
		{"no control says the verdict", []datastore.Verdict{good}, true, "is protected, but nothing is known"},
		{"no digest", []datastore.Verdict{with(good, func(v *datastore.Verdict) { v.SHA256 = "" }), control}, true, "is too old to say which file was tested"},
		{"the control alone", []datastore.Verdict{with(good, func(v *datastore.Verdict) { v.Control = true })}, true, "it has no verdict"},
	} {
		got := proof(&datastore.Manifest{Verdicts: tt.verdicts}, file, tt.control)
		if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
			t.Errorf("%s: got %q, want %q", tt.what, got, tt.want)
		}
	}
}

// A group is published without those that are not proved; one that is named must be.
func TestUnproved(t *testing.T) {
	slow(t)
	f := newFixture(t)
	f.keep("x86_64", "1", nil)
	bad := f.keep("x86_64", "2", func(m *datastore.Manifest) { m.Verdicts = nil })
	res := f.publish()
	if len(res.Generation.Kernels()) != 1 || len(res.LeftOut) != 1 || !strings.Contains(f.said.b.String(), "NOT published: "+bad.String()) {
		t.Errorf("%+v", res)
	}
	f.o.Names = []string{bad.String()}
	f.refused("it has no verdict")
	f.o.AllowUnproved = true
	if res := f.publish(); !res.Generation.Unproved || !strings.Contains(f.said.b.String(), "WARNING: published UNPROVED") {
		t.Errorf("%+v", res.Generation)
	}
	vulnerable := f.keep("x86_64", "3", func(m *datastore.Manifest) { m.Verdicts[0].Verdict = "vulnerable" })
	f.o.Names = append(f.o.Names, vulnerable.String())
	f.publish()
	mark, err := os.ReadFile(filepath.Join(f.o.To, "current/UNPROVED"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"\nkernel-ovz-6.1.1-2.lustre1.x86_64: it has no verdict", "\nkernel-ovz-6.1.1-3.lustre1.x86_64: its last verdict, of 2026-11-01, is vulnerable\n"} {
		if !strings.Contains(string(mark), want) {
			t.Errorf("it lacks %q:\n%s", want, mark)
		}
	}
}

// What is wrong is told, and nothing is changed: neither before the first generation nor after.
func TestRefused(t *testing.T) {
	slow(t)
	f := newFixture(t)
	ref := f.keep("x86_64", "1", nil)
	good := f.o
	again := func(want string, change func()) {
		t.Helper()
		change()
		f.refused(want)
		f.o = good
	}
	for _, first := range []bool{true, false} {
		if !first {
			f.publish()
			f.keep("x86_64", "2", nil)
		}
		again("has no such key", func() { f.o.Key = "nobody@example.org" })
		again("has no such key", func() { f.o.GPGHome = t.TempDir() })
		again("it is not a directory", func() { f.o.GPGHome = "/dev/null" })
		again("group kernel/none: it has no snapshot", func() { f.o.Names = []string{"kernel/none"} })
		again("no such snapshot", func() { f.o.Names = []string{"kernel/none/2022-05-02T08:11:33Z"} })
		again("namespace other: it has no snapshot", func() { f.o.Namespaces = []string{"other"} })
		again("it holds no kernel for --arch i486", func() { f.o.Archs = []string{"i486"} })
		again("--arch=sparc: kernels are for x86_64, ", func() { f.o.Archs = []string{"x86_64", "sparc"} })
		again("it must be one of rhel5, rhel6, modern", func() { f.o.Profiles = []string{"rhel4"} })
		again("--keep=1", func() { f.o.Keep = 1 })
		again("--keep=0", func() { f.o.Keep = 0 })
	}
	if err := os.Chmod(f.o.To, 0o777); err != nil {
		t.Fatal(err)
	}
	f.refused("others can write to " + f.o.To)
	if err := os.Chmod(f.o.To, 0o755); err != nil {
		t.Fatal(err)
	}
	// A manifest that lies: the file has other bytes.
	r, err := f.store.OpenSnapshot(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	path := r.Path("kernel-ovz-6.1.1-1.lustre1.x86_64.rpm")
	r.Close()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	bent := append([]byte(nil), b...)
	bent[len(bent)-1] ^= 1
	if err := os.WriteFile(path, bent, 0o444); err != nil {
		t.Fatal(err)
	}
	// Into a new directory: in the old one it is signed already, and good.
	f.o.To, f.o.Names = filepath.Join(filepath.Dir(f.o.To), "other"), []string{ref.String()}
	f.refused("it is not what the manifest says")
	f.o.Names = good.Names
	if err := os.WriteFile(path, b, 0o444); err != nil {
		t.Fatal(err)
	}
	f.o.To = filepath.Dir(f.o.To)
	f.refused("is within the directory, which a web server exports")
	f.o.To = t.TempDir()
	if err := os.WriteFile(filepath.Join(f.o.To, "file"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	f.refused("not empty and no repository of ovzpatch")
	f.o.To = filepath.Join(f.o.To, "file")
	f.refused("is not a directory")
}

func TestKeysThatClientsRefuse(t *testing.T) {
	slow(t)
	f := newFixture(t)
	f.keep("x86_64", "1", nil)
	home := f.o.GPGHome
	for _, tt := range []struct{ algorithm, expires, profile, want string }{
		{"rsa1024", "never", "modern", "an RSA key of 1024 bits"},
		{"ed25519", "never", "rhel6", "take RSA only"},
		{"rsa2048", "seconds=1", "modern", "it has expired on"},
	} {
		f.o.GPGHome = keyHome(t, tt.algorithm, tt.expires)
		f.o.Profiles = []string{tt.profile}
		if tt.expires != "never" {
			run(t, nil, "sleep", "2")
		}
		f.refused(tt.want)
	}
	// Two keys of one name.
	run(t, nil, "gpg", "--homedir", home, "--batch", "--quiet", "--passphrase", "", "--quick-gen-key", "Other <release@example.org>", "rsa2048", "sign", "never")
	f.o.GPGHome, f.o.Profiles = home, nil
	f.refused("2 keys have that name")
	// The public part alone.
	public := t.TempDir()
	run(t, nil, "sh", "-c", "gpg --homedir "+keyHome(t, "rsa2048", "never")+" --export | gpg --homedir "+public+" --batch --quiet --import")
	f.o.GPGHome = public
	f.refused("only its public part")
	// Who cannot look does not say that there is none.
	broken := t.TempDir()
	if err := os.WriteFile(filepath.Join(broken, "pubring.kbx"), []byte(strings.Repeat("not a keyring\n", 50)), 0o600); err != nil {
		t.Fatal(err)
	}
	f.o.GPGHome = broken
	f.refused("cannot look for it: ")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := (&signer{program: "/usr/bin/gpg", home: home}).find(ctx, "other@example.org", nil); !errors.Is(err, context.Canceled) || errors.Is(err, job.ErrRequest) {
		t.Errorf("stopped: %v", err)
	}
}

// A package with somebody's signature is not signed over by the way.
func TestForeignSignature(t *testing.T) {
	slow(t)
	f := newFixture(t)
	name := "kernel-ovz-6.1.1-3.lustre1.x86_64.rpm"
	dir := packages(t, "x86_64", "3")
	theirs := &signer{program: "/usr/bin/gpg", home: keyHome(t, "rsa2048", "never"), fingerprint: "release@example.org"}
	args := append([]string{"rpmsign", "--define", "_gpg_path " + theirs.home, "--define", "__gpg /usr/bin/gpg", "--define", "_gpg_name release@example.org", "--addsign"}, filepath.Join(dir, name))
	run(t, nil, args...)
	f.keep("x86_64", "3", nil)
	f.refused(name + " is signed already")
	f.o.Resign = true
	res := f.publish()
	for _, p := range res.Generation.Packages {
		if out := f.signature(filepath.Join(f.o.To, "current/modern", p.Path)); p.File == name && !strings.Contains(out, "key ID "+strings.ToLower(res.Generation.Key[32:])+": OK") {
			t.Errorf("%s", out)
		}
	}
}

// dnf and addresses read some characters otherwise than as a part of a path.
func TestOddPath(t *testing.T) {
	slow(t)
	f := newFixture(t)
	f.keep("x86_64", "1", nil)
	f.o.To += "\nx"
	f.refused("a line break or another control character")
	f.o.To = filepath.Join(filepath.Dir(f.o.To), ` a,b;c [d] #1%20%{name}$releasever?x=1&"y' ö`, "r ")
	f.publish()
	f.whole(1)
	f.keep("x86_64", "2", nil)
	f.publish()
	f.whole(2)
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "a b"))
	if err := os.Mkdir(os.Getenv("TMPDIR"), 0o755); err != nil {
		t.Fatal(err)
	}
	f.refused("set TMPDIR to one without spaces")
}

// Who can write to the datastore can make up verdicts, so nothing of it is signed.
func TestOpenDatastore(t *testing.T) {
	slow(t)
	f := newFixture(t)
	f.keep("x86_64", "1", nil)
	for _, dir := range []string{f.store.Dir(), filepath.Join(f.store.Dir(), "kernel")} {
		if err := os.Chmod(dir, 0o777); err != nil {
			t.Fatal(err)
		}
		f.refused("others can write to " + dir + " (mode 0777), so they could change builds and verdicts; take that right from them (chmod go-w " + dir + ")")
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	f.publish()
}

// rpm reads the directory of keys as a macro.
func TestKeysInAMacro(t *testing.T) {
	slow(t)
	f := newFixture(t)
	f.keep("x86_64", "1", nil)
	home := filepath.Join(filepath.Dir(f.o.GPGHome), "k %{dist} 100%25 %% %(touch x)")
	if err := os.Rename(f.o.GPGHome, home); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { exec.Command("gpgconf", "--homedir", home, "--kill", "gpg-agent").Run() })
	f.o.GPGHome = home
	res := f.publish()
	if out := f.signature(filepath.Join(f.o.To, "current/modern", res.Generation.Packages[0].Path)); !strings.Contains(out, "RSA/SHA256 Signature") {
		t.Error(out)
	}
	f.o.Key = "100% nobody"
	f.refused("has no such key")
}
