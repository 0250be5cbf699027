// SPDX-License-Identifier: Apache-2.0

package rpmfile

import (
	"encoding/base64"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// gpg1 is the old GnuPG, which alone makes version 3 signatures.
func gpg1(t *testing.T, home string, stdin string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command("gpg1", append([]string{"--homedir", home, "--batch", "--quiet", "--no-tty"}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("gpg1: %v\n%s", err, stderr.String())
	}
	return out
}

// Signatures by real keys of every kind that repositories meet.
func TestSignatureForms(t *testing.T) {
	if testing.Short() {
		t.Skip("makes keys")
	}
	home := func() string {
		dir, err := os.MkdirTemp("", "gpg-*")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			exec.Command("gpgconf", "--homedir", dir, "--kill", "all").Run()
			os.RemoveAll(dir)
		})
		return dir
	}
	old := func(kind, length string) string {
		dir := home()
		gpg1(t, dir, "Key-Type: "+kind+"\nKey-Length: "+length+"\nName-Real: Old\n%commit\n", "--gen-key")
		return dir
	}
	oldRSA, oldDSA, dsa := old("RSA", "2048"), old("DSA", "1024"), old("DSA", "2048")
	now := home()
	gpg(t, now, nil, "--quick-generate-key", "Ed", "ed25519", "sign", "never")

	for name, tt := range map[string]struct {
		tag  Tag
		data []byte
		want string
	}{
		"RSA V3":   {sigRSA, gpg1(t, oldRSA, "x", "--force-v3-sigs", "--digest-algo", "SHA256", "--detach-sign"), "RSA of 2048 bits in version 3 form over SHA-256"},
		"RSA V4":   {sigPGP, gpg1(t, oldRSA, "x", "--digest-algo", "SHA1", "--detach-sign"), "RSA of 2048 bits in version 4 form over SHA-1"},
		"DSA 1024": {sigDSA, gpg1(t, oldDSA, "x", "--detach-sign"), "DSA of 1024 bits over SHA-1"},
		"DSA 2048": {sigGPG, gpg1(t, dsa, "x", "--digest-algo", "SHA256", "--detach-sign"), "DSA of more than 1024 bits over SHA-256"},
		"Ed25519":  {sigDSA, gpg(t, now, []byte("x"), "--digest-algo", "SHA512", "--detach-sign"), "EdDSA over SHA-512"},
		"rpm 6":    {sigOpenPGP, gpg(t, now, []byte("x"), "--digest-algo", "SHA512", "--detach-sign"), "EdDSA over SHA-512"},
	} {
		t.Run(name, func(t *testing.T) {
			p := packet{format: 4, signature: []tag{{tt.tag, typeBin, tt.data}}}
			if tt.tag == sigOpenPGP {
				p.signature[0] = tag{tt.tag, typeStringArray, []string{base64.StdEncoding.EncodeToString(tt.data)}}
			}
			forms, err := open(t, p.write(t)).SignatureForms()
			if err != nil || len(forms) != 1 || forms[0].String() != tt.want || forms[0].Version6 != (tt.tag == sigOpenPGP) {
				t.Errorf("got %+v (%v), %v, want %s", forms, forms, err, tt.want)
			}
			// Cut off anywhere it is an error, or no signature at all; never a crash.
			_, header, length, ok := packetHeader(tt.data)
			for n := header; ok && n < header+length; n++ {
				if _, err := signatureForm(tt.data[:n]); err == nil {
					t.Errorf("%d of %d bytes are taken for whole", n, len(tt.data))
				}
			}
		})
	}
}

// A signature is of numbers, whose first bits, and now and then whole bytes, are 0: the key is of the same size.
func TestSizeOfSignature(t *testing.T) {
	const rsa, dsa = 1, 17 // RFC 4880, 9.1
	for algorithm, sizes := range map[byte]map[int]int{
		rsa: {2048: 2048, 2041: 2048, 2040: 2048, 2030: 2048, 1984: 1984, 1024: 1024, 1010: 1024, 4090: 4096},
		dsa: {160: 160, 159: 160, 150: 160, 224: 224, 223: 224, 256: 256, 247: 256},
	} {
		for bits, want := range sizes {
			number := make([]byte, (bits+7)/8)
			body := append([]byte{4, 0, algorithm, 8, 0, 0, 0, 0, 1, 2, byte(bits >> 8), byte(bits)}, number...)
			form, err := signatureForm(append([]byte{0x89, byte(len(body) >> 8), byte(len(body))}, body...))
			if err != nil || form.Bits != want {
				t.Errorf("algorithm %d of %d bits: %+v, %v, want %d", algorithm, bits, form, err, want)
			}
		}
	}
}

// A packet whose lengths lie.
func FuzzSignatureForm(f *testing.F) {
	f.Add([]byte{0x88, 19, 3, 5, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 1, 8, 0, 0})
	f.Add([]byte{0x88, 12, 4, 0, 1, 8, 0, 0, 0, 0, 1, 2, 0xff, 0xff})
	f.Add([]byte{0x88, 14, 6, 0, 27, 8, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 1, 2})
	f.Fuzz(func(t *testing.T, data []byte) {
		if form, err := signatureForm(data); err == nil && form.Bits > 1<<16 {
			t.Errorf("%d bits", form.Bits)
		}
	})
}
