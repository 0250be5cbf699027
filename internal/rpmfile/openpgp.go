// SPDX-License-Identifier: Apache-2.0

package rpmfile

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// SignatureForm is what a signature says of itself. It says nothing on whether the signature is
// good: old programs refuse some forms before they look for the key.
type SignatureForm struct {
	Over      string // what it covers
	Version6  bool   // it lies where only rpm 6 looks
	Version   int    // of OpenPGP: 3, 4 or 6
	Algorithm string // "RSA", "DSA", "ECDSA", "EdDSA", or its number
	Hash      string // "SHA-256", or its number
	// Bits is the size of an RSA signature, which is about that of its key, and of the numbers of
	// a DSA one: 160 for the keys of 1024 bits. It is 0 for other algorithms.
	Bits int
}

// String returns the form in a few words: "RSA of 2048 bits in version 3 form over SHA-256".
func (s SignatureForm) String() string {
	switch {
	case s.Algorithm == "RSA":
		return fmt.Sprintf("RSA of %d bits in version %d form over %s", s.Bits, s.Version, s.Hash)
	case s.Algorithm == "DSA" && s.Bits <= 160:
		return "DSA of 1024 bits over " + s.Hash
	case s.Algorithm == "DSA":
		return "DSA of more than 1024 bits over " + s.Hash
	}
	return s.Algorithm + " over " + s.Hash
}

// SignatureForms returns the form of every signature of the package.
func (f *File) SignatureForms() ([]SignatureForm, error) {
	list, err := f.signatures()
	if err != nil {
		return nil, err
	}
	forms := make([]SignatureForm, len(list))
	for i, s := range list {
		form, err := signatureForm(s.data)
		if err != nil {
			return nil, fmt.Errorf("read signature over %s: %w", s.what, err)
		}
		form.Over, form.Version6 = s.what, s.tag == sigOpenPGP
		forms[i] = form
	}
	return forms, nil
}

var errShortSignature = errors.New("its OpenPGP packet is cut off")

// signatureForm reads a signature packet (RFC 4880, 5.2; RFC 9580, 5.2).
func signatureForm(packet []byte) (SignatureForm, error) {
	_, header, length, ok := packetHeader(packet)
	if !ok || length > len(packet)-header {
		return SignatureForm{}, errShortSignature
	}
	b := packet[header : header+length]
	if len(b) < 2 {
		return SignatureForm{}, errShortSignature
	}
	s := SignatureForm{Version: int(b[0])}
	var algorithm, hash byte
	var rest []byte // from the numbers on
	switch s.Version {
	case 3:
		// One length, type, time, key, algorithm, hash, the digest's first bytes.
		if len(b) < 19 {
			return s, errShortSignature
		}
		algorithm, hash, rest = b[15], b[16], b[19:]
	case 4, 6:
		if len(b) < 4 {
			return s, errShortSignature
		}
		algorithm, hash, rest = b[2], b[3], b[4:]
		for range 2 { // the subpackets that are signed, and those that are not
			if rest, ok = skipSubpackets(rest, s.Version); !ok {
				return s, errShortSignature
			}
		}
		if len(rest) < 2 {
			return s, errShortSignature
		}
		rest = rest[2:]
	default:
		return s, fmt.Errorf("it has version %d, which is unknown", s.Version)
	}
	s.Algorithm, s.Hash = nameOf(signatureAlgorithms, algorithm), nameOf(signatureHashes, hash)
	if s.Algorithm == "RSA" || s.Algorithm == "DSA" {
		// A number's first bits are 0 now and then, of one signature in 256 the whole first byte, and of none the first eight:
		// so of RSA eights of bytes count, of which the sizes of keys are multiples. DSA has two numbers, of 160, 224 or 256 bits.
		unit := 64
		if s.Algorithm == "DSA" {
			unit = 32
		}
		for len(rest) >= 2 {
			bits := int(binary.BigEndian.Uint16(rest))
			if s.Bits = max(s.Bits, (bits+unit-1)/unit*unit); len(rest) < 2+(bits+7)/8 {
				return s, errShortSignature
			}
			rest = rest[2+(bits+7)/8:]
		}
	}
	return s, nil
}

func skipSubpackets(b []byte, version int) ([]byte, bool) {
	size := 2
	if version == 6 {
		size = 4
	}
	if len(b) < size {
		return nil, false
	}
	var n [4]byte
	copy(n[4-size:], b[:size])
	length := uint64(binary.BigEndian.Uint32(n[:]))
	if length > uint64(len(b)-size) {
		return nil, false
	}
	return b[size+int(length):], true
}

var (
	signatureAlgorithms = map[byte]string{1: "RSA", 3: "RSA", 17: "DSA", 19: "ECDSA", 22: "EdDSA", 27: "EdDSA", 28: "EdDSA"}
	signatureHashes     = map[byte]string{1: "MD5", 2: "SHA-1", 3: "RIPEMD-160", 8: "SHA-256", 9: "SHA-384", 10: "SHA-512", 11: "SHA-224", 12: "SHA3-256", 14: "SHA3-512"}
)

func nameOf(names map[byte]string, n byte) string {
	if name, ok := names[n]; ok {
		return name
	}
	return fmt.Sprintf("algorithm %d", n)
}
