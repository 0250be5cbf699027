// SPDX-License-Identifier: Apache-2.0

// Package compress decompresses a stream; the stream's first bytes say how it is compressed.
//
// xz, lzma and bzip2 use the machine's own programs if they are installed: liblzma is several
// times faster than Go's decoders and uses all processors for streams of many blocks. If a
// program is missing, Go's decoder takes over.
package compress

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/ulikunitz/xz"
	"github.com/ulikunitz/xz/lzma"
)

// Format is how a stream is compressed.
type Format string

// The formats that kernel sources, RPM payloads and initramfs images come in.
const (
	None  Format = "none"
	Gzip  Format = "gzip"
	Bzip2 Format = "bzip2"
	XZ    Format = "xz"
	LZMA  Format = "lzma"
	Zstd  Format = "zstd"
	LZ4   Format = "lz4"
	LZO   Format = "lzo"
)

// ErrNoProgram means that a stream needs a program that this machine does not have.
var ErrNoProgram = errors.New("the program that unpacks it is missing")

// maxWindow is how many bytes of memory a stream may make a decoder use for its dictionary. xz -9
// uses 64 MiB, zstd --ultra -22 uses 128 MiB.
const maxWindow = 256 << 20

const (
	readBuffer  = 256 << 10
	magicLength = 6
)

var magics = []struct {
	format Format
	magic  []byte
}{
	{Gzip, []byte{0x1f, 0x8b, 0x08}},
	{Bzip2, []byte("BZh")},
	{XZ, []byte{0xfd, '7', 'z', 'X', 'Z', 0}},
	// The properties byte every lzma encoder writes by default, and a dictionary
	// size that is a multiple of 64 KiB: lzma has no magic of its own.
	{LZMA, []byte{0x5d, 0, 0}},
	{Zstd, []byte{0x28, 0xb5, 0x2f, 0xfd}},
	{LZ4, []byte{0x04, 0x22, 0x4d, 0x18}},
	{LZ4, []byte{0x02, 0x21, 0x4c, 0x18}}, // the older format, which kernels use
	{LZO, []byte{0x89, 'L', 'Z', 'O', 0, '\r'}},
}

// Detect returns the format of a stream by its first bytes; six are enough. An unknown format is
// None.
func Detect(head []byte) Format {
	for _, m := range magics {
		if bytes.HasPrefix(head, m.magic) {
			return m.format
		}
	}
	return None
}

// NewReader returns the uncompressed bytes of r. Close the reader, at its end or before. Close
// ends a child program that still runs, waits for it, and leaves r where the decoder stopped
// reading. Cancelling ctx ends the child, too.
//
// The output is unlimited; see Limit.
func NewReader(ctx context.Context, r io.Reader) (io.ReadCloser, Format, error) {
	br := bufio.NewReaderSize(r, readBuffer)
	head, err := br.Peek(magicLength)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, None, fmt.Errorf("read first bytes of stream: %w", err)
	}
	format := Detect(head)
	rc, err := open(ctx, format, br)
	if err != nil {
		return nil, format, fmt.Errorf("open %s stream: %w", format, err)
	}
	return rc, format, nil
}

func open(ctx context.Context, format Format, r io.Reader) (io.ReadCloser, error) {
	switch format {
	case Gzip:
		zr, err := gzip.NewReader(r)
		if err != nil {
			return nil, err
		}
		return readAhead(decoder{format, zr, zr.Close}), nil
	case Zstd:
		zr, err := zstd.NewReader(r, zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, err
		}
		return decoder{format, zr, func() error { zr.Close(); return nil }}, nil
	case LZ4:
		return decoder{format, lz4.NewReader(r), func() error { return nil }}, nil
	case XZ, LZMA, Bzip2, LZO:
		args := programs[format]
		if _, err := exec.LookPath(args[0]); err == nil {
			return startProgram(ctx, format, args, r)
		}
		return openNative(format, r)
	}
	return io.NopCloser(r), nil
}

// openNative decodes in Go the formats that usually go through a program.
func openNative(format Format, r io.Reader) (io.ReadCloser, error) {
	var zr io.Reader
	var err error
	switch format {
	case XZ:
		zr, err = xz.ReaderConfig{DictCap: maxWindow}.NewReader(r)
	case LZMA:
		zr, err = lzma.ReaderConfig{DictCap: maxWindow}.NewReader(r)
	case Bzip2:
		zr = bzip2.NewReader(r)
	case LZO:
		return nil, fmt.Errorf("%w: install lzop", ErrNoProgram)
	}
	if err != nil {
		return nil, err
	}
	return decoder{format, zr, func() error { return nil }}, nil
}

// decoder adds the format's name to the errors of a decoder.
type decoder struct {
	format Format
	r      io.Reader
	close  func() error
}

func (d decoder) Read(p []byte) (int, error) {
	n, err := d.r.Read(p)
	if err != nil && err != io.EOF {
		err = fmt.Errorf("decompress %s stream: %w", d.format, err)
	}
	return n, err
}

func (d decoder) Close() error { return d.close() }

// readAhead decodes in its own goroutine: while the reader works on one block, it decodes the
// next.
func readAhead(d decoder) io.ReadCloser {
	pr, pw := io.Pipe()
	a := &ahead{PipeReader: pr, done: make(chan struct{})}
	go func() {
		defer close(a.done)
		defer d.Close()
		_, err := io.CopyBuffer(struct{ io.Writer }{pw}, struct{ io.Reader }{d}, make([]byte, readBuffer))
		pw.CloseWithError(err)
	}()
	return a
}

type ahead struct {
	*io.PipeReader
	done chan struct{}
}

// Close stops the decoding and waits until it has stopped.
func (a *ahead) Close() error {
	err := a.PipeReader.Close()
	<-a.done
	return err
}
