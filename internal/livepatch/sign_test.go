// SPDX-License-Identifier: Apache-2.0

package livepatch

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ovzpatch/internal/job"
)

// The kernel's own program signs, with the hash that the kernel's own modules have.
func TestSign(t *testing.T) {
	tree := t.TempDir()
	module := filepath.Join(t.TempDir(), "m.ko")
	s := Signing{Key: "pkcs11:object=key", Cert: "/etc/cert.pem"}
	if files := s.files(); len(files) != 1 || files[0] != "/etc/cert.pem" {
		t.Errorf("the files are %q", files)
	}
	if err := s.sign(t.Context(), stock, tree, module); !errors.Is(err, job.ErrRequest) || !strings.Contains(err.Error(), "CONFIG_MODULE_SIG") {
		t.Errorf("without sign-file: %v", err)
	}
	if err := os.Mkdir(filepath.Join(tree, "scripts"), 0o755); err != nil {
		t.Fatal(err)
	}
	// It appends its arguments to the module, as the real one does a signature.
	if err := os.WriteFile(filepath.Join(tree, "scripts/sign-file"), []byte("#!/bin/sh\necho \"$1 $2 $3\" >>\"$4\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for c, hash := range map[config]string{stock: "sha256", stock + "CONFIG_MODULE_SIG_HASH=\"sha512\"\n": "sha512", stock + "CONFIG_MODULE_SIG_HASH=\"a b\"\n": "sha256"} {
		got, err := Options{Sign: s}.signed(t.Context(), c, tree, []byte("module "), module)
		if want := "module " + hash + " pkcs11:object=key /etc/cert.pem\n"; err != nil || string(got) != want {
			t.Errorf("got %q (%v), want %q", got, err, want)
		}
	}
	if got, err := (Options{}).signed(t.Context(), stock, tree, []byte("module"), module); err != nil || string(got) != "module" {
		t.Errorf("without a key: %q, %v", got, err)
	}
}

// What sign-file would refuse is told before the module is compiled, in words that are not OpenSSL's.
func TestSigningPair(t *testing.T) {
	dir := t.TempDir()
	write := func(name, kind string, der []byte) string {
		t.Helper()
		path := filepath.Join(dir, name)
		b := der
		if kind != "" {
			b = pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	pair := func(name string, key crypto.Signer) (s Signing, der []byte) {
		t.Helper()
		private, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		c := &x509.Certificate{SerialNumber: big.NewInt(1)}
		if der, err = x509.CreateCertificate(rand.Reader, c, c, key.Public(), key); err != nil {
			t.Fatal(err)
		}
		return Signing{write(name+".key", "PRIVATE KEY", private), write(name+".pem", "CERTIFICATE", der), false}, der
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ours, der := pair("ours", key)
	ec, _ := pair("ec", curve)
	old, err := x509.MarshalECPrivateKey(curve)
	if err != nil {
		t.Fatal(err)
	}
	encrypted := write("encrypted", "ENCRYPTED PRIVATE KEY", []byte("x"))
	for name, c := range map[string]struct {
		sign Signing
		want string
	}{
		"no key":                  {Signing{}, ""},
		"RSA":                     {ours, ""},
		"a certificate in DER":    {Signing{ours.Key, write("der", "", der), false}, ""},
		"EC":                      {ec, ""},
		"RSA in its old form":     {Signing{write("pkcs1", "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key)), ours.Cert, false}, ""},
		"EC in its old form":      {Signing{write("sec1", "EC PRIVATE KEY", old), ec.Cert, false}, ""},
		"another's certificate":   {Signing{ours.Key, ec.Cert, false}, "is not the private key of --sign-cert"},
		"another's, the old form": {Signing{write("sec1", "EC PRIVATE KEY", old), ours.Cert, false}, "is not the private key of --sign-cert"},
		"taken for each other":    {Signing{ours.Cert, ours.Key, false}, "holds no certificate"},
		"no private key":          {Signing{ours.Cert, ours.Cert, false}, "holds no private key in PEM"},
		"an encrypted key":        {Signing{encrypted, ours.Cert, false}, "it is encrypted: put its passphrase into the variable KBUILD_SIGN_PIN"},
		"a token":                 {Signing{"pkcs11:object=x", ours.Cert, false}, ""},
		"a token, no certificate": {Signing{"pkcs11:object=x", ours.Key, false}, "holds no certificate"},
		"what Go cannot read":     {Signing{write("odd", "PRIVATE KEY", []byte("x")), ours.Cert, false}, ""},
		"a certificate likewise":  {Signing{ours.Key, write("oddcert", "CERTIFICATE", []byte("x")), false}, ""},
		"an empty certificate":    {Signing{ours.Key, write("empty", "", nil), false}, "holds no certificate"},
	} {
		err := c.sign.Check()
		if (err == nil) != (c.want == "") || err != nil && (!errors.Is(err, job.ErrRequest) || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if err := (Signing{encrypted, ours.Cert, true}).Check(); err != nil {
		t.Errorf("an encrypted key, with its passphrase: %v", err)
	}

	for name, c := range map[string]struct {
		sign   Signing
		config config
		want   bool
	}{
		"RSA": {ours, stock, false}, "EC": {ec, stock, true}, "no key": {Signing{}, stock, false},
		"EC, and the kernel knows": {ec, stock + "CONFIG_CRYPTO_ECDSA=y\n", false}, "or may learn": {ec, stock + "CONFIG_CRYPTO_ECDSA=m\n", false},
	} {
		if got := c.sign.unverifiable(c.config); (got != "") != c.want {
			t.Errorf("%s: %q", name, got)
		}
	}
}
