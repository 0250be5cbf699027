// SPDX-License-Identifier: Apache-2.0

package rpmfile

import (
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// onDay are gpg's arguments to believe that it is another day.
func onDay(day string) []string {
	return []string{"--faked-system-time", day + "T000000!", "--ignore-time-conflict"}
}

// Signatures around the end of a key's life, with real keys and gpg's clock turned.
func TestSignaturesInTime(t *testing.T) {
	if testing.Short() {
		t.Skip("makes keys")
	}
	home, err := os.MkdirTemp("", "gpg-*")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run()
		os.RemoveAll(home)
	})
	dir := t.TempDir()
	export := func(name string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, gpg(t, home, nil, "--export"), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	gpg(t, home, nil, append(onDay("20200101"), "--quick-generate-key", "Old <old@example.com>", "rsa2048", "sign", "1y")...)
	expired := export("expired")
	fingerprint := ""
	for line := range strings.Lines(string(gpg(t, home, nil, "--list-keys", "--with-colons"))) {
		if f := strings.Split(line, ":"); f[0] == "fpr" && fingerprint == "" {
			fingerprint = f[9]
		}
	}
	// The signer goes on for ever, with what everybody else has for an expired key.
	gpg(t, home, nil, append(onDay("20200102"), "--quick-set-expire", fingerprint, "0")...)
	good := export("good")

	base := packet{format: 4, members: []member{{name: "/a", mode: 0o100644, content: "x"}}}
	header := open(t, base.write(t)).Header.raw
	sign := func(args ...string) tag {
		return tag{sigRSA, typeBin, gpg(t, home, header, append(args, "--detach-sign")...)}
	}
	rsa := sign(onDay("20200601")...)
	cases := map[string]struct {
		signature []tag
		keys      string
		verified  string // in Report.Verified
		missing   string // in Report.Unverified
		fails     string
	}{
		"before it expired":          {signature: []tag{rsa}, keys: expired, verified: "expired since"},
		"after it expired":           {signature: []tag{sign(onDay("20210601")...)}, keys: expired, fails: "after its key had expired on 2020-12-31"},
		"the key lives on":           {signature: []tag{sign(onDay("20210601")...)}, keys: good, verified: "Old <old@example.com>"},
		"in the future":              {signature: []tag{sign(onDay("20990601")...)}, keys: good, fails: "in the future"},
		"it expired itself":          {signature: []tag{sign(append(onDay("20200601"), "--default-sig-expire", "1d")...)}, keys: good, fails: "was valid for a limited time"},
		"SHA-1":                      {signature: []tag{sign(append(onDay("20200601"), "--digest-algo", "SHA1")...)}, keys: good, verified: "with SHA-1"},
		"MD5":                        {signature: []tag{sign(append(onDay("20200601"), "--digest-algo", "MD5", "--allow-weak-digest-algos")...)}, keys: good, fails: "too weak"},
		"beside one of version 6":    {signature: []tag{rsa, version6(t)}, keys: good, verified: "Old <old@example.com>", missing: "OpenPGP version 6"},
		"version 6 alone":            {signature: []tag{version6(t)}, keys: good, fails: "none of the package's 1 signatures could be checked"},
		"of a kind nobody knows":     {signature: []tag{rsa, {sigOpenPGP, typeStringArray, []string{unknownAlgorithm(rsa.data.([]byte))}}}, keys: good, verified: "Old <old@example.com>", missing: "a signature over the header was not verified"},
		"a bad one beside version 6": {signature: []tag{{sigRSA, typeBin, gpg(t, home, []byte("other"), append(onDay("20200601"), "--detach-sign")...)}, version6(t)}, keys: good, fails: "it is BAD"},
	}
	revocation, err := os.ReadFile(filepath.Join(home, "openpgp-revocs.d", fingerprint+".rev"))
	if err != nil {
		t.Fatal(err)
	}
	gpg(t, home, []byte(strings.ReplaceAll(string(revocation), "\n:-----", "\n-----")), "--import")
	revoked := cases["before it expired"]
	revoked.keys, revoked.verified, revoked.fails = export("revoked"), "", "has revoked it"
	cases["revoked afterwards"] = revoked
	// The keys of the next years lie in one file with those of today.
	mixed := filepath.Join(dir, "mixed")
	now, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	next := append([]byte{0xc6, 42, 6, 0, 0, 0, 0, 27, 0, 0, 0, 32}, make([]byte, 32)...)
	if err := os.WriteFile(mixed, append(append(next, 0xcd, 1, 'x'), now...), 0o644); err != nil {
		t.Fatal(err)
	}
	beside := cases["the key lives on"]
	beside.keys = mixed
	cases["a keyring with a key of version 6"] = beside
	for name, c := range cases {
		p := base
		p.signature = c.signature
		r, err := open(t, p.write(t)).Verify(t.Context(), c.keys)
		switch {
		case err != nil && strings.Contains(err.Error(), "gpgv:"):
			t.Errorf("%s: gpgv's own words: %v", name, err)
		case c.fails != "":
			if err == nil || !strings.Contains(err.Error(), c.fails) {
				t.Errorf("%s: got %v, want %q", name, err, c.fails)
			}
		case err != nil:
			t.Errorf("%s: %v", name, err)
		case !strings.Contains(strings.Join(r.Verified, "\n"), c.verified) || !strings.Contains(strings.Join(r.Unverified, "\n"), c.missing):
			t.Errorf("%s: %q %q", name, r.Verified, r.Unverified)
		}
	}
}

// version6 starts as a signature packet of OpenPGP version 6 does.
func version6(t *testing.T) tag {
	t.Helper()
	packet := append([]byte{0xc2, 40, 6, 0, 27, 10}, make([]byte, 36)...)
	return tag{sigOpenPGP, typeStringArray, []string{base64.StdEncoding.EncodeToString(packet)}}
}

// unknownAlgorithm makes a signature say that it is of a public key algorithm to come.
func unknownAlgorithm(signature []byte) string {
	s := append([]byte(nil), signature...)
	s[[]int{2, 3, 5, 1}[s[0]&3]+2] = 99
	return base64.StdEncoding.EncodeToString(s)
}

func TestPacketVersion(t *testing.T) {
	for want, packets := range map[int][][]byte{
		4: {{0x88, 9, 4, 0, 0, 0, 0, 0}, {0x89, 0, 9, 4, 0, 0, 0, 0}, {0xc2, 9, 4, 0, 0, 0, 0, 0}, {0xc2, 200, 1, 4, 0, 0, 0, 0}},
		6: {{0x8a, 0, 0, 0, 9, 6, 0, 0}, {0xc2, 255, 0, 0, 0, 9, 6, 0}},
		0: {{}, {0x88, 1}, {0x89, 0}, {0xc2, 200}, {0xc2, 255, 0, 0}, {6, 1, 6}},
	} {
		for _, p := range packets {
			if got := packetVersion(p); got != want {
				t.Errorf("% x: version %d, want %d", p, got, want)
			}
		}
	}
}
