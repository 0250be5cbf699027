// SPDX-License-Identifier: Apache-2.0

package rpmfile

import (
	"bytes"
	"cmp"
	"context"
	"crypto"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"slices"
	"strings"
)

// Report says what is known about a package, in sentences for people.
type Report struct {
	Verified   []string
	Unverified []string
}

// signatureTags are the entries that a signature header may have. Any other means damage, or a
// format that is newer than this program.
var signatureTags = map[Tag]struct {
	kind  uint32
	count int // 0 for any
}{
	tagHeaderSignatures: {typeBin, 16},
	sigBadSHA1_1:        {typeString, 1}, sigBadSHA1_2: {typeString, 1},
	sigDSA: {typeBin, 0}, sigRSA: {typeBin, 0},
	sigSHA1: {typeString, 1}, sigSHA256: {typeString, 1}, sigSHA3_256: {typeString, 1},
	sigLongSize: {typeInt64, 1}, sigLongArchiveSize: {typeInt64, 1},
	sigFileSignatures: {typeStringArray, 0}, sigFileSigLength: {typeInt32, 1},
	sigVeritySigs: {typeStringArray, 0}, sigVerityAlgo: {typeInt32, 1},
	sigOpenPGP:  {typeStringArray, 0},
	sigReserved: {typeBin, 0}, sigReservedSpace: {typeBin, 0},
	sigSize: {typeInt32, 1}, sigPayloadSize: {typeInt32, 1},
	sigPGP: {typeBin, 0}, sigGPG: {typeBin, 0}, sigPGP5: {typeBin, 0},
	sigMD5: {typeBin, 16}, sigLEMD5_1: {typeBin, 16}, sigLEMD5_2: {typeBin, 16},
}

// headerDigests are the digests of only the header, over its bytes in the file.
var headerDigests = []struct {
	tag  Tag
	hash crypto.Hash
}{{sigSHA1, crypto.SHA1}, {sigSHA256, crypto.SHA256}, {sigSHA3_256, crypto.SHA3_256}}

// verifyHeader checks everything that can be checked without the payload.
func (f *File) verifyHeader() error {
	if err := checkSignatureHeader(f.signature); err != nil {
		return fmt.Errorf("signature header: %w", err)
	}
	for _, tag := range []Tag{sigSize, sigLongSize} {
		if n, ok := f.signature.Int(tag); ok && n != uint64(f.size-f.headerStart) {
			return fmt.Errorf("file has %d bytes but should have %d: it is truncated or damaged", f.size, f.headerStart+int64(n))
		}
	}
	for _, d := range headerDigests {
		if !f.signature.Has(d.tag) {
			continue
		}
		h := d.hash.New()
		h.Write(f.Header.raw)
		if err := compare("header", d.hash, h, f.signature.String(d.tag)); err != nil {
			return err
		}
		f.verified = append(f.verified, fmt.Sprintf("the header's %v digest is correct", d.hash))
	}
	if len(f.verified) == 0 && !f.signature.Has(sigMD5) {
		return errors.New("the header has no digest: nothing shows whether it is damaged")
	}
	return nil
}

// checkSignatureHeader checks the header that no digest covers: its entries must be known, have
// the right type and count, and lie side by side with only alignment between them.
func checkSignatureHeader(h *Header) error {
	tags := slices.SortedFunc(maps.Keys(h.entries), func(a, b Tag) int {
		return cmp.Compare(h.entries[a].offset, h.entries[b].offset)
	})
	end := 0
	for _, tag := range tags {
		e := h.entries[tag]
		want, known := signatureTags[tag]
		if !known {
			return fmt.Errorf("unknown tag %d: the package is damaged, or a newer rpm than this program knows made it", tag)
		}
		if e.kind != want.kind || want.count != 0 && e.count != want.count {
			return fmt.Errorf("tag %d has type %d and count %d", tag, e.kind, e.count)
		}
		if gap := e.offset - end; gap < 0 || gap >= max(1, typeSize[e.kind]) || !allZero(h.data[end:e.offset]) {
			return fmt.Errorf("tag %d does not follow the entry before it", tag)
		}
		end = e.offset + e.length
	}
	if end != len(h.data) {
		return errors.New("data that belongs to no entry")
	}
	for _, tag := range []Tag{sigReserved, sigReservedSpace} {
		if !allZero(h.Bytes(tag)) {
			return errors.New("its reserved space is not empty")
		}
	}
	return nil
}

// compare compares a digest with what the package says it is.
func compare(what string, algorithm crypto.Hash, h hash.Hash, want string) error {
	if got := hex.EncodeToString(h.Sum(nil)); !strings.EqualFold(got, want) {
		return fmt.Errorf("%s is damaged: its %v digest is %s, but the package says %s", what, algorithm, got, want)
	}
	return nil
}

// payloadDigest is one digest of the payload.
type payloadDigest struct {
	what   string
	hash   crypto.Hash
	want   string
	header bool // it covers the header before the payload too
}

// payloadDigests returns the digests of the payload as it is in the file, and of the archive to
// which it unpacks.
func (f *File) payloadDigests() (raw, unpacked []payloadDigest, err error) {
	if md5 := f.signature.Bytes(sigMD5); md5 != nil {
		raw = append(raw, payloadDigest{"header and payload", crypto.MD5, hex.EncodeToString(md5), true})
	}
	first := crypto.SHA256
	if n, ok := f.Header.Int(tagPayloadDigestAlgo); ok {
		if first, ok = hashes[n]; !ok {
			return nil, nil, fmt.Errorf("payload digest uses algorithm %d, which is unknown", n)
		}
	}
	for _, d := range []struct {
		tag, alt Tag
		hash     crypto.Hash
	}{
		{tagPayloadSHA256, tagPayloadSHA256Alt, first},
		{tagPayloadSHA512, tagPayloadSHA512Alt, crypto.SHA512},
		{tagPayloadSHA3_256, tagPayloadSHA3_256Alt, crypto.SHA3_256},
	} {
		if s := f.Header.String(d.tag); s != "" {
			raw = append(raw, payloadDigest{what: "payload", hash: d.hash, want: s})
		}
		if s := f.Header.String(d.alt); s != "" {
			unpacked = append(unpacked, payloadDigest{what: "unpacked payload", hash: d.hash, want: s})
		}
	}
	if len(raw) == 0 {
		return nil, nil, errors.New("the payload has no digest: nothing shows whether it is damaged")
	}
	return raw, unpacked, nil
}

// Verify reads the whole package, unless Extract has just done so for all files, and checks every
// digest in it: of the headers, the payload, the unpacked payload and each file. With a keyring,
// a file of OpenPGP public keys, armoured or not, the package must have a signature by one of
// them, and no bad one; that needs the program gpgv.
func (f *File) Verify(ctx context.Context, keyring string) (Report, error) {
	return f.verify(ctx, keyring, func(int) io.Writer { return io.Discard })
}

// VerifyReading is Verify that also returns the content of one file, as ReadFiles does: it reads
// the package once for both.
func (f *File) VerifyReading(ctx context.Context, keyring, name string) (Report, []byte, error) {
	i, err := f.member(name, f.hardLinks())
	if err != nil {
		return Report{}, nil, err
	}
	if f.Files[i].Size > maxInMemory {
		return Report{}, nil, tooLarge(name, f.path)
	}
	var content buffer
	f.whole = false
	r, err := f.verify(ctx, keyring, func(n int) io.Writer {
		if n == i {
			return &content
		}
		return io.Discard
	})
	return r, content, err
}

// verify is Verify; to says where the content of a file goes, by its number.
func (f *File) verify(ctx context.Context, keyring string, to func(i int) io.Writer) (Report, error) {
	r := Report{Verified: append([]string(nil), f.verified...)}
	raw, unpacked, err := f.payloadDigests()
	if err != nil {
		return r, fmt.Errorf("verify %s: %w", f.path, damaged(ctx, err))
	}
	if !f.whole {
		err := f.walk(ctx, func(i int, content io.Reader) error {
			if content == nil || !f.Files[i].Mode.IsRegular() {
				return nil
			}
			return f.copyContent(to(i), &f.Files[i], content)
		})
		if err != nil {
			return r, fmt.Errorf("verify %s: %w", f.path, damaged(ctx, err))
		}
		f.whole = true
	}
	files, without := 0, 0
	for _, e := range f.Files {
		if e.Mode.IsRegular() && e.Flags&FileGhost == 0 {
			if files++; e.Digest == "" {
				without++
			}
		}
	}
	for _, d := range append(raw, unpacked...) {
		r.Verified = append(r.Verified, fmt.Sprintf("the %v digest of the %s is correct", d.hash, d.what))
	}
	if files > without {
		r.Verified = append(r.Verified, fmt.Sprintf("the %v digests of %d files are correct", f.DigestAlgorithm, files-without))
	}
	if without > 0 {
		r.Unverified = append(r.Unverified, fmt.Sprintf("%d files have no digest of their own", without))
	}
	if len(f.verified) == 0 {
		r.Unverified = append(r.Unverified, "the header has no digest of its own, as before rpm 4.0; MD5 over header and payload takes its place")
	}
	if f.signature.Has(sigFileSignatures) || f.signature.Has(sigVeritySigs) {
		r.Unverified = append(r.Unverified, "the signatures of single files (IMA, fs-verity) were not verified; the kernel does that")
	}
	if err := f.verifySignatures(ctx, keyring, &r); err != nil {
		return r, fmt.Errorf("verify %s: %w", f.path, err)
	}
	return r, nil
}

// digests computes several digests of one stream.
type digests struct {
	of     []payloadDigest
	hashes []hash.Hash
}

func newDigests(of []payloadDigest, header []byte) *digests {
	d := &digests{of: of}
	for _, p := range of {
		h := p.hash.New()
		if p.header {
			h.Write(header)
		}
		d.hashes = append(d.hashes, h)
	}
	return d
}

func (d *digests) Write(p []byte) (int, error) {
	for _, h := range d.hashes {
		h.Write(p)
	}
	return len(p), nil
}

func (d *digests) check() error {
	for i, p := range d.of {
		if err := compare(p.what, p.hash, d.hashes[i], p.want); err != nil {
			return err
		}
	}
	return nil
}

// zeros reports data after the archive's end that is not padding.
type zeros struct{}

func (zeros) Write(p []byte) (int, error) {
	if len(bytes.TrimLeft(p, "\x00")) > 0 {
		return 0, errors.New("payload goes on after the end of its archive")
	}
	return len(p), nil
}
