// SPDX-License-Identifier: Apache-2.0

package rpmfile

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"hash"
	"io"

	"ovzpatch/internal/compress"
)

// errEnough ends a walk early, without an error.
var errEnough = errors.New("no more files are needed")

const copyBuffer = 256 << 10

// walk goes through the payload once. It calls visit for each member of the archive, with the
// number of its file and its content, or with nil if another link to the same file carries the
// content. It skips what visit leaves unread.
//
// It computes the digests while it reads the payload, so that no byte can change between check
// and use. It compares them before it returns nil: trust what visit got only then.
func (f *File) walk(ctx context.Context, visit func(i int, content io.Reader) error) error {
	raw, unpacked, err := f.payloadDigests()
	if err != nil {
		return err
	}
	limit, err := f.archiveLimit()
	if err != nil {
		return err
	}
	sums := newDigests(raw, f.Header.raw)
	file := io.NewSectionReader(f.file, f.payloadStart, f.PayloadSize())
	physical := io.TeeReader(file, sums)
	err = f.walkArchive(ctx, physical, newDigests(unpacked, nil), limit, visit)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	// The digest comes before the error of a decoder that failed on damaged bytes: it is the
	// better explanation.
	if _, e := io.CopyBuffer(io.Discard, physical, make([]byte, copyBuffer)); e != nil {
		return fmt.Errorf("read payload: %w", e)
	}
	if e := sums.check(); e != nil {
		return e
	}
	return err
}

// archiveLimit returns how long the unpacked payload can be at most, according to the header.
func (f *File) archiveLimit() (int64, error) {
	limit := int64(4096)
	for i := range f.Files {
		limit += f.Files[i].Size + int64(len(f.Files[i].Name)) + 2*cpioHeaderLength
	}
	payload := f.PayloadSize()
	if limit > ratioFloor && limit/f.limits.Ratio > payload {
		return 0, fmt.Errorf("payload of %d bytes claims to unpack to %d: more than %d times as much, the limit", payload, limit, f.limits.Ratio)
	}
	return limit, nil
}

// walkArchive is the part of walk after the decoder.
func (f *File) walkArchive(ctx context.Context, physical io.Reader, sums *digests, limit int64, visit func(int, io.Reader) error) error {
	rc, _, err := compress.NewReader(ctx, physical)
	if err != nil {
		return fmt.Errorf("unpack payload: %w", err)
	}
	defer rc.Close()
	stream := &counter{r: io.TeeReader(compress.Limit(rc, limit), sums)}
	a := &archive{f: f, r: bufio.NewReaderSize(stream, copyBuffer), seen: make([]bool, len(f.Files))}
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		i, content, err := a.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("unpack payload: %w", err)
		}
		if err := visit(i, content); err == errEnough {
			return nil
		} else if err != nil {
			return err
		}
	}
	// Reading to the end verifies the decoder's own checksums.
	if _, err := io.Copy(zeros{}, a.r); err != nil {
		return fmt.Errorf("unpack payload: %w", err)
	}
	for _, tag := range []Tag{sigPayloadSize, sigLongArchiveSize} {
		if n, ok := f.signature.Int(tag); ok && n != uint64(stream.n) {
			return fmt.Errorf("payload unpacks to %d bytes, but the package says %d", stream.n, n)
		}
	}
	return sums.check()
}

// copyContent copies a file's content to w, and compares its digest.
func (f *File) copyContent(w io.Writer, e *Entry, content io.Reader) error {
	var h hash.Hash
	if e.Digest != "" {
		h = f.DigestAlgorithm.New()
		w = io.MultiWriter(h, w)
	}
	if _, err := io.Copy(w, content); err != nil {
		return fmt.Errorf("unpack %s: %w", e.Name, err)
	}
	if h != nil {
		return compare(fmt.Sprintf("file %q", e.Name), f.DigestAlgorithm, h, e.Digest)
	}
	return nil
}

type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}
