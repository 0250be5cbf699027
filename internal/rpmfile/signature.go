// SPDX-License-Identifier: Apache-2.0

package rpmfile

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"ovzpatch/internal/scratch"
)

// signature is one OpenPGP signature of a package.
type signature struct {
	tag     Tag
	what    string // what it covers
	payload bool   // it covers the payload too
	data    []byte
}

func (f *File) signatures() ([]signature, error) {
	var list []signature
	for _, s := range []struct {
		tag     Tag
		payload bool
	}{{sigRSA, false}, {sigDSA, false}, {sigPGP, true}, {sigGPG, true}, {sigPGP5, true}} {
		if !f.signature.Has(s.tag) {
			continue
		}
		what := "the header"
		if s.payload {
			what = "header and payload"
		}
		list = append(list, signature{s.tag, what, s.payload, f.signature.Bytes(s.tag)})
	}
	for _, text := range f.signature.Strings(sigOpenPGP) {
		data, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
		if err != nil {
			return nil, fmt.Errorf("read signature: %w", err)
		}
		list = append(list, signature{sigOpenPGP, "the header", false, data})
	}
	for _, s := range list {
		if !isSignaturePacket(s.data) {
			return nil, fmt.Errorf("signature over %s is not an OpenPGP signature", s.what)
		}
	}
	return list, nil
}

// Signed reports whether the package carries a signature, good or bad.
func (f *File) Signed() (bool, error) {
	list, err := f.signatures()
	return len(list) > 0, err
}

// isSignaturePacket reports whether the data starts like an OpenPGP packet with tag 2.
func isSignaturePacket(b []byte) bool {
	return len(b) > 8 && (b[0]&0xfc == 0x88 || b[0] == 0xc2)
}

// verifySignatures lets gpgv verify every signature. Unlike Go's libraries, gpgv also reads the
// version 3 signatures of packages from 2009. If gpgv cannot read a signature, such as one of
// OpenPGP version 6, it is reported as not verified. At least one must be good, and none bad.
func (f *File) verifySignatures(ctx context.Context, keyring string, r *Report) error {
	list, err := f.signatures()
	if err != nil {
		return err
	}
	if keyring == "" {
		for _, s := range list {
			r.Unverified = append(r.Unverified, fmt.Sprintf("the signature over %s was not verified: no keyring was given", s.what))
		}
		if len(list) == 0 {
			r.Unverified = append(r.Unverified, "the package is not signed: its digests show damage, not who made it")
		}
		return nil
	}
	keys, err := readKeyring(keyring)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return errors.New("the package is not signed, but a keyring was given; get the package from a place that you trust, or leave out --keyring")
	}
	dir, remove, err := scratch.New("", "signature")
	if err != nil {
		return err
	}
	defer remove()
	ring := filepath.Join(dir, "keyring.gpg")
	if err := os.WriteFile(ring, keys, 0o600); err != nil {
		return err
	}
	checked := 0
	var unreadable error
	for _, s := range list {
		by, err := f.gpgv(ctx, dir, ring, s)
		var no *uncheckedError
		switch {
		case errors.As(err, &no):
			unreadable = no
			r.Unverified = append(r.Unverified, fmt.Sprintf("a signature over %s was not verified: %v", s.what, no))
		case err != nil:
			return fmt.Errorf("verify signature over %s: %w; get the package, and the keys of its signers, from a place that you trust", s.what, err)
		default:
			checked++
			r.Verified = append(r.Verified, fmt.Sprintf("the signature over %s is good, by key %s", s.what, by))
		}
	}
	if checked == 0 {
		return fmt.Errorf("verify signature: none of the package's %d signatures could be checked: %w; use a newer gpgv, or a package that is signed in an older form", len(list), unreadable)
	}
	return nil
}

// readKeyring reads a file of public keys.
func readKeyring(keyring string) ([]byte, error) {
	const advice = "--keyring takes a file of OpenPGP public keys, such as RPM-GPG-KEY-*, or what gpg --export writes"
	keys, err := os.ReadFile(keyring)
	if err != nil {
		return nil, fmt.Errorf("read keyring: %w; %s", err, advice)
	}
	if keys, err = dearmour(keys); err != nil {
		return nil, fmt.Errorf("read keyring %s: %w; %s", keyring, err, advice)
	}
	if !holdsKeys(keys) {
		return nil, fmt.Errorf("read keyring %s: %w; %s", keyring, ErrNoKeys, advice)
	}
	return readableKeys(keys), nil
}

// dearmour returns the binary form of OpenPGP keys in any number of blocks.
func dearmour(keys []byte) ([]byte, error) {
	const begin, end = "-----BEGIN PGP PUBLIC KEY BLOCK-----", "-----END PGP PUBLIC KEY BLOCK-----"
	if !bytes.Contains(keys, []byte(begin)) {
		return keys, nil
	}
	var binary []byte
	rest := strings.ReplaceAll(string(keys), "\r", "")
	for {
		_, block, ok := strings.Cut(rest, begin)
		if !ok {
			return binary, nil
		}
		if block, rest, ok = strings.Cut(block, end); !ok {
			return nil, errors.New("a key block does not end")
		}
		// Armour headers end with an empty line; the checksum line starts with "=".
		_, text, ok := strings.Cut(strings.TrimPrefix(block, "\n"), "\n\n")
		if !ok {
			text = block
		}
		text, _, _ = strings.Cut(text, "\n=")
		data, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
		if err != nil {
			return nil, fmt.Errorf("a key block is damaged: %w", err)
		}
		binary = append(binary, data...)
	}
}
