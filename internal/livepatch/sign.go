// SPDX-License-Identifier: Apache-2.0

package livepatch

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"ovzpatch/internal/command"
	"ovzpatch/internal/job"
	"ovzpatch/internal/plainfile"
	"ovzpatch/internal/preflight"
)

// Signing is what a module is signed with.
type Signing struct {
	Key  string // file with the private key, or a PKCS#11 URI; "" for a module without signature
	Cert string // file with the certificate of that key
	PIN  bool   // KBUILD_SIGN_PIN is set, from where sign-file has the key's passphrase
}

// Check tells which of the files that are named is missing, or cannot be what it is named as.
func (s Signing) Check() error {
	var err error
	for _, path := range s.files() {
		err = errors.Join(err, preflight.File("", path))
	}
	if err != nil || s.Key == "" {
		return err
	}
	if err := s.pair(); err != nil {
		return job.BadRequest(err)
	}
	return nil
}

// pair refuses a key and a certificate that sign-file would refuse, whose words are OpenSSL's. What only OpenSSL can read is left
// to it.
func (s Signing) pair() error {
	cert, err := s.certificate()
	if err != nil || strings.HasPrefix(s.Key, "pkcs11:") {
		return err
	}
	b, err := plainfile.Read(s.Key)
	if err != nil {
		return err
	}
	block := findPEM(b, "PRIVATE KEY")
	if block == nil {
		return fmt.Errorf("--sign-key=%s: it holds no private key in PEM", s.Key)
	}
	if block.Type == "ENCRYPTED PRIVATE KEY" || strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED") {
		if !s.PIN {
			return fmt.Errorf("--sign-key=%s: it is encrypted: put its passphrase into the variable KBUILD_SIGN_PIN", s.Key)
		}
		return nil
	}
	if key := publicOf(block.Bytes); cert != nil && key != nil && !key.Equal(cert.PublicKey) {
		return fmt.Errorf("--sign-key=%s is not the private key of --sign-cert=%s", s.Key, s.Cert)
	}
	return nil
}

// certificate reads the certificate, nil where only OpenSSL can.
func (s Signing) certificate() (*x509.Certificate, error) {
	b, err := plainfile.Read(s.Cert)
	if err != nil {
		return nil, err
	}
	der := b
	if block := findPEM(b, "CERTIFICATE"); block != nil {
		der = block.Bytes
	} else if len(b) == 0 || b[0] != 0x30 { // as DER begins
		return nil, fmt.Errorf("--sign-cert=%s: it holds no certificate in PEM or DER", s.Cert)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, nil // OpenSSL may know better
	}
	return cert, nil
}

// findPEM returns the first block whose type ends so.
func findPEM(b []byte, kind string) *pem.Block {
	for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
		if strings.HasSuffix(block.Type, kind) {
			return block
		}
	}
	return nil
}

// publicKey is what all public keys of Go's library can do.
type publicKey interface{ Equal(x crypto.PublicKey) bool }

// publicOf returns the public part of a private key, nil where Go cannot read it.
func publicOf(der []byte) publicKey {
	var key any
	var err error
	for _, parse := range []func([]byte) (any, error){
		x509.ParsePKCS8PrivateKey,
		func(b []byte) (any, error) { return x509.ParsePKCS1PrivateKey(b) },
		func(b []byte) (any, error) { return x509.ParseECPrivateKey(b) },
	} {
		if key, err = parse(der); err == nil {
			break
		}
	}
	private, ok := key.(crypto.Signer)
	if err != nil || !ok {
		return nil
	}
	public, _ := private.Public().(publicKey)
	return public
}

// unverifiable is what is to be known of a kernel that cannot check signatures by such a key, "" for none.
func (s Signing) unverifiable(c config) string {
	if s.Key == "" {
		return ""
	}
	cert, err := s.certificate()
	if err != nil || cert == nil || cert.PublicKeyAlgorithm != x509.ECDSA || c.has("CRYPTO_ECDSA") || strings.Contains(string(c), "\nCONFIG_CRYPTO_ECDSA=m\n") {
		return ""
	}
	return "the key is one of elliptic curves, and the kernel has not what checks their signatures (CONFIG_CRYPTO_ECDSA), so it takes the module for one of an unknown key: sign with an RSA key"
}

// files are those that must be there.
func (s Signing) files() []string {
	if strings.HasPrefix(s.Key, "pkcs11:") {
		return []string{s.Cert}
	}
	return []string{s.Key, s.Cert}
}

// signed returns the module with its signature, if one is wanted; path is a file for that.
func (o Options) signed(ctx context.Context, c config, tree string, module []byte, path string) ([]byte, error) {
	if o.Sign.Key == "" {
		return module, nil
	}
	if err := os.WriteFile(path, module, 0o644); err != nil {
		return nil, err
	}
	if err := o.Sign.sign(ctx, c, tree, path); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
}

// sign signs the module at path by the kernel's own program, which a kernel's build tree has where the
// kernel knows signatures.
func (s Signing) sign(ctx context.Context, c config, tree, path string) error {
	program := filepath.Join(tree, "scripts", "sign-file")
	if _, err := os.Stat(program); err != nil {
		return job.BadRequest(fmt.Errorf("sign the module: %w: a kernel without CONFIG_MODULE_SIG has no such program, and takes modules as they are", err))
	}
	for _, file := range []*string{&s.Key, &s.Cert} {
		if strings.HasPrefix(*file, "pkcs11:") {
			continue
		}
		var err error
		if *file, err = filepath.Abs(*file); err != nil {
			return err
		}
	}
	// What the kernel's own modules are signed with is what the kernel can check.
	hash := "sha256"
	if m := regexp.MustCompile(`(?m)^CONFIG_MODULE_SIG_HASH="([a-z0-9-]+)"$`).FindStringSubmatch(string(c)); m != nil {
		hash = m[1]
	}
	if err := command.Run(ctx, command.Cmd{Args: []string{program, hash, s.Key, s.Cert, path}}); err != nil {
		return fmt.Errorf("sign the module with %s and %s: %w", s.Key, s.Cert, err)
	}
	return nil
}
