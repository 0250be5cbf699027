// SPDX-License-Identifier: Apache-2.0

package rpmfile

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// keyring makes a key and returns its home and the armoured public key.
func keyring(t *testing.T, owner string) (home, public string) {
	t.Helper()
	home, err := os.MkdirTemp("", "gpg-*") // short, as gpg-agent's socket lies in it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run()
		os.RemoveAll(home)
	})
	gpg(t, home, nil, "--quick-generate-key", owner, "rsa2048", "sign", "never")
	public = filepath.Join(t.TempDir(), "RPM-GPG-KEY")
	if err := os.WriteFile(public, gpg(t, home, nil, "--armor", "--export"), 0o644); err != nil {
		t.Fatal(err)
	}
	return home, public
}

func gpg(t *testing.T, home string, stdin []byte, args ...string) []byte {
	t.Helper()
	cmd := exec.Command("gpg", append([]string{"--homedir", home, "--batch", "--quiet", "--passphrase", "", "--pinentry-mode", "loopback"}, args...)...)
	cmd.Stdin = bytes.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("gpg: %v\n%s", err, stderr.Bytes())
	}
	return out
}

func TestSignatures(t *testing.T) {
	if testing.Short() {
		t.Skip("makes keys")
	}
	home, public := keyring(t, "Kernel Signer <signer@example.com>")
	_, other := keyring(t, "Somebody Else <else@example.com>")
	both := filepath.Join(t.TempDir(), "both")
	a, _ := os.ReadFile(other)
	b, _ := os.ReadFile(public)
	if err := os.WriteFile(both, append(a, b...), 0o644); err != nil {
		t.Fatal(err)
	}
	base := packet{format: 4, members: []member{{name: "/a", mode: 0o100644, content: "x"}}}
	plain := open(t, base.write(t))
	signed := bytes.Clone(plain.Header.raw)
	sign := func(data []byte) []byte { return gpg(t, home, data, "--detach-sign") }
	whole, err := os.ReadFile(plain.path)
	if err != nil {
		t.Fatal(err)
	}
	withTags := func(tags ...tag) *File {
		p := base
		p.signature = tags
		return open(t, p.write(t))
	}
	header := withTags(tag{sigRSA, typeBin, sign(signed)})
	payload := withTags(tag{sigPGP, typeBin, sign(whole[plain.headerStart:])})
	six := withTags(tag{sigOpenPGP, typeStringArray, []string{base64.StdEncoding.EncodeToString(sign(signed))}})
	wrong := withTags(tag{sigRSA, typeBin, sign([]byte("another header"))})
	for name, c := range map[string]struct {
		f        *File
		keys     string
		verified string // in Report.Verified
		missing  string // in Report.Unverified
		fails    string
	}{
		"header":                  {f: header, keys: public, verified: "Kernel Signer"},
		"header and payload":      {f: payload, keys: public, verified: "header and payload is good, by key"},
		"format 6":                {f: six, keys: public, verified: "Kernel Signer"},
		"keyring of two":          {f: header, keys: both, verified: "Kernel Signer"},
		"no keyring":              {f: header, missing: "no keyring was given"},
		"unsigned":                {f: plain, missing: "not signed"},
		"unsigned with keyring":   {f: plain, keys: public, fails: "not signed"},
		"another's key":           {f: header, keys: other, fails: "not in the keyring"},
		"signature of other data": {f: wrong, keys: public, fails: "it is BAD"},
		"no keys at all":          {f: header, keys: filepath.Join(t.TempDir(), "none"), fails: "read keyring"},
	} {
		r, err := c.f.Verify(t.Context(), c.keys)
		switch {
		case c.fails != "":
			if err == nil || !strings.Contains(err.Error(), c.fails) {
				t.Errorf("%s: got %v, want %q", name, err, c.fails)
			}
		case err != nil:
			t.Errorf("%s: %v", name, err)
		case !strings.Contains(fmt.Sprint(r.Verified), c.verified) || !strings.Contains(fmt.Sprint(r.Unverified), c.missing):
			t.Errorf("%s: %q %q", name, r.Verified, r.Unverified)
		}
	}
}

// A package that rpmsign itself has signed.
func TestRpmsign(t *testing.T) {
	if testing.Short() {
		t.Skip("makes a key")
	}
	home, public := keyring(t, "Kernel Signer <signer@example.com>")
	_, binary := rpmbuild(t, "w3.zstdio")
	program, err := exec.LookPath("gpg")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("rpmsign", "--addsign", "--define", "__gpg "+program, "--define", "_gpg_name Kernel Signer", "--define", "_gpg_path "+home, binary)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("rpmsign: %v\n%s", err, out)
	}
	r, err := open(t, binary).Verify(t.Context(), public)
	if err != nil || !strings.Contains(fmt.Sprint(r.Verified), "Kernel Signer") {
		t.Errorf("got %v, %q", err, r.Verified)
	}
}
