// SPDX-License-Identifier: Apache-2.0

package rpmfile

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
)

// signingTags are the entries of a signature header that signing adds, takes away or changes.
var signingTags = []Tag{sigDSA, sigRSA, sigOpenPGP, sigPGP, sigGPG, sigPGP5, sigReserved, sigReservedSpace}

// comparedAtOnce is how many bytes of each package SignedFrom has in memory.
const comparedAtOnce = 256 << 10

// SignedFrom returns nil if the package is o but for signatures, and for the room that is reserved for them. What was found
// of the digests of o then holds for this package, too. It reads both once and takes no digest, which costs a tenth of
// what verifying does.
func (f *File) SignedFrom(ctx context.Context, o *File) error {
	for _, tag := range f.signature.Differing(o.signature) {
		if !slices.Contains(signingTags, tag) {
			return fmt.Errorf("%s differs from %s in tag %d of the signature header, which is no signature", f.path, o.path, tag)
		}
	}
	if err := sameBytes(ctx, io.NewSectionReader(f.file, 0, leadLength), io.NewSectionReader(o.file, 0, leadLength)); err != nil {
		return fmt.Errorf("compare the leads of %s and %s: %w", f.path, o.path, err)
	}
	err := sameBytes(ctx, io.NewSectionReader(f.file, f.headerStart, f.size-f.headerStart), io.NewSectionReader(o.file, o.headerStart, o.size-o.headerStart))
	if err != nil {
		return fmt.Errorf("compare header and payload of %s and %s: %w", f.path, o.path, err)
	}
	return nil
}

// sameBytes compares what two readers have left.
func sameBytes(ctx context.Context, a, b *io.SectionReader) error {
	if a.Size() != b.Size() {
		return fmt.Errorf("one has %d bytes, and the other %d", a.Size(), b.Size())
	}
	one, other := make([]byte, comparedAtOnce), make([]byte, comparedAtOnce)
	for at := int64(0); at < a.Size(); at += comparedAtOnce {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		n := min(comparedAtOnce, a.Size()-at)
		if _, err := io.ReadFull(a, one[:n]); err != nil {
			return noEOF(err)
		}
		if _, err := io.ReadFull(b, other[:n]); err != nil {
			return noEOF(err)
		}
		if !bytes.Equal(one[:n], other[:n]) {
			return fmt.Errorf("they differ in the %d bytes from %d on", n, at)
		}
	}
	return nil
}

// PayloadSigned reports whether a signature covers header and payload together, as it must where the header has no digest of
// the payload. Who verifies it reads the whole package.
func (f *File) PayloadSigned() (bool, error) {
	list, err := f.signatures()
	return slices.ContainsFunc(list, func(s signature) bool { return s.payload }), err
}
