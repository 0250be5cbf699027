// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"encoding/hex"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ovzpatch/internal/datastore"
	"ovzpatch/internal/job"
)

// A namespace is published with all below it, and an architecture without the others.
func TestNamespaceAndArch(t *testing.T) {
	slow(t)
	f := newFixture(t)
	for arch, ns := range map[string]datastore.Namespace{"x86_64": "rhel6/release", "i686": "rhel6"} {
		if _, err := f.store.Copy(t.Context(), f.keep(arch, "1", nil), f.store, ns); err != nil {
			t.Fatal(err)
		}
	}
	f.keep("x86_64", "2", nil) // in no namespace
	files := func(want ...string) {
		t.Helper()
		res := f.publish()
		var got []string
		for _, p := range res.Generation.Packages {
			got = append(got, strings.TrimSuffix(strings.Replace(p.File, "-6.1.1-1.lustre1", "", 1), ".rpm"))
		}
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	f.o.Names, f.o.Namespaces = nil, []string{"rhel6"}
	files("kernel-ovz.i686", "kernel-ovz.src", "kernel-ovz.x86_64", "kernel-ovz-devel.i686", "kernel-ovz-devel.x86_64")
	f.o.Archs = []string{"x86_64"}
	files("kernel-ovz.src", "kernel-ovz.x86_64", "kernel-ovz-devel.x86_64")
	f.o.Archs, f.o.Names = nil, []string{"kernel/kernel-ovz.x86_64", "kernel/kernel-ovz.x86_64"}
	f.o.Namespaces = []string{"rhel6", "rhel6/release"}
	f.o.Archs = []string{"i686"}
	before := f.said.b.Len()
	files("kernel-ovz.i686", "kernel-ovz.src", "kernel-ovz-devel.i686")
	if said := f.said.b.String()[before:]; strings.Count(said, "NOT published: kernel/kernel-ovz.x86_64/2026-11-03") != 1 {
		t.Errorf("a group that is named twice is told so: %s", said)
	}
	f.o.Names, f.o.Namespaces, f.o.Archs = nil, []string{"rhel6/release", "rhel6"}, nil
	files("kernel-ovz.i686", "kernel-ovz.src", "kernel-ovz.x86_64", "kernel-ovz-devel.i686", "kernel-ovz-devel.x86_64")
	f.o.Namespaces = []string{"rhel6/release"}
	files("kernel-ovz.src", "kernel-ovz.x86_64", "kernel-ovz-devel.x86_64")
}

// A kernel without its source package is not published, though it was proved.
func TestNoSourcePackage(t *testing.T) {
	slow(t)
	f := newFixture(t)
	whole := f.keep("x86_64", "1", nil)
	r, err := f.store.OpenSnapshot(t.Context(), whole)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	w, err := f.store.Create(t.Context(), whole.Group, firstDay.AddDate(0, 1, 0))
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	for _, file := range r.Manifest.Files {
		if strings.HasSuffix(file.Name, ".src.rpm") {
			continue
		}
		if _, err := w.AddPath(t.Context(), r.Path(file.Name)); err != nil {
			t.Fatal(err)
		}
	}
	w.Manifest.Verdicts, w.Manifest.Source, w.Manifest.Port = r.Manifest.Verdicts, r.Manifest.Source, r.Manifest.Port
	if err := w.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.o.Names = []string{w.Ref().String()}
	f.refused(`the source RPM of kernel-ovz-6.1.1-1.lustre1.x86_64.rpm is not in the snapshot: "kernel-ovz-6.1.1-1.lustre1.src.rpm"`)
}

func TestRevokedKey(t *testing.T) {
	slow(t)
	f := newFixture(t)
	f.keep("x86_64", "1", nil)
	revocation, err := filepath.Glob(filepath.Join(f.o.GPGHome, "openpgp-revocs.d/*.rev"))
	if err != nil || len(revocation) != 1 {
		t.Fatalf("%q, %v", revocation, err)
	}
	text, err := os.ReadFile(revocation[0])
	if err != nil {
		t.Fatal(err)
	}
	// A colon keeps it from being used by mistake.
	if err := os.WriteFile(revocation[0], []byte(strings.Replace(string(text), ":-----BEGIN", "-----BEGIN", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, nil, "gpg", "--homedir", f.o.GPGHome, "--batch", "--quiet", "--import", revocation[0])
	f.refused("its owner has revoked it")
}

// The passphrase is the agent's matter. Where it has none and nobody can be asked, that is told
// before anything is done.
func TestPassphrase(t *testing.T) {
	slow(t)
	f := newFixture(t)
	f.keep("x86_64", "1", nil)
	home, err := os.MkdirTemp(testRoot, "k")
	if err != nil {
		t.Fatal(err)
	}
	const passphrase = "correct horse"
	agent := "allow-preset-passphrase\npinentry-program /bin/false\n"
	if err := os.WriteFile(filepath.Join(home, "gpg-agent.conf"), []byte(agent), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { exec.Command("gpgconf", "--homedir", home, "--kill", "gpg-agent").Run() })
	run(t, nil, "gpg", "--homedir", home, "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", passphrase, "--quick-gen-key", "Release <release@example.org>", "rsa2048", "sign", "never")
	run(t, nil, "gpgconf", "--homedir", home, "--kill", "gpg-agent") // it remembers
	f.o.GPGHome = home
	f.refused("has gpg-agent its passphrase, and GPG_TTY the terminal to ask on?")

	keys := run(t, nil, "gpg", "--homedir", home, "--batch", "--with-colons", "--with-keygrip", "--list-secret-keys")
	_, grip, _ := strings.Cut(keys, "\ngrp:::::::::")
	grip, _, _ = strings.Cut(grip, ":")
	preset := "PRESET_PASSPHRASE " + grip + " -1 " + hex.EncodeToString([]byte(passphrase))
	if out := run(t, nil, "gpg-connect-agent", "--homedir", home, preset, "/bye"); !strings.Contains(out, "OK") {
		t.Fatal(out)
	}
	res := f.publish()
	for _, p := range res.Generation.Packages {
		if out := f.signature(filepath.Join(f.o.To, "current/modern", p.Path)); !strings.Contains(out, "RSA/SHA256 Signature, key ID "+strings.ToLower(res.Generation.Key[32:])+": OK") {
			t.Errorf("%s", out)
		}
	}
}

// An address goes into .repo files, with more behind it.
func TestAddresses(t *testing.T) {
	for _, good := range []string{"", "https://example.org/k", "http://example.org:8080/k/", "ftp://example.org/k", "file:///srv/k", "https://[::1]/k", "https://example.org/%41", "https://example.org/$releasever"} {
		if err := checkURL(good); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []string{
		"example.org/k", "/srv/k", "https://", "https:k", "file:k", "s3://bucket/k", "https://example.org/k#f", "https://example.org/k#", "https://example.org/k?x=1", "https://example.org/k?",
		"https://example.org/a,b", "https://example.org/a b", "https://example.org/a\nb", "https://me:secret@example.org/k", "https://example.org/%zz",
	} {
		if err := checkURL(bad); !errors.Is(err, job.ErrRequest) || !strings.Contains(err.Error(), "it must be the address of the directory") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
