// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"ovzpatch/internal/compress"
)

// ErrImage means that an image cannot be searched: it is unknown whether the kernel holds a text.
var ErrImage = errors.New("it cannot be unpacked here")

// maxKernel is how many bytes a kernel may unpack to; a kernel with all drivers built in takes 80
// MiB.
const maxKernel = 1 << 30

// Places in the setup header of a bzImage, see Documentation/x86/boot.rst of the kernel.
const (
	setupSectors  = 0x1f1 // of 512 bytes, without the boot sector
	setupMagic    = 0x202 // "HdrS"
	setupProtocol = 0x206 // 0x208 has the next two
	payloadOffset = 0x248 // from the end of the setup sectors
	payloadLength = 0x24c
	setupEnd      = 0x250
)

// ImageHolds reports of each text whether a kernel image holds it, such as the format of a message.
// It unpacks the kernel, once for all texts, which takes a second. The image is x86's bzImage, or, as on
// other machines, the kernel itself, compressed or not.
func ImageHolds(ctx context.Context, image []byte, texts ...string) ([]bool, error) {
	f := newFinder(texts)
	if err := unpackImage(ctx, image, f); err != nil {
		return nil, fmt.Errorf("look into kernel image: %w", err)
	}
	return f.found, nil
}

// search is what is looked for while a kernel is unpacked.
type search interface {
	io.Writer     // returns errFound when it has enough
	enough() bool // all was found
	read() int64  // bytes that were written
}

// unpackImage unpacks a kernel until the search has enough. Without an error the search has it,
// or the kernel was unpacked completely.
func unpackImage(ctx context.Context, image []byte, s search) error {
	if len(image) < setupEnd || string(image[setupMagic:setupMagic+4]) != "HdrS" {
		if compress.Detect(image) == compress.None && !isELF(image) {
			return fmt.Errorf("%w: the format of the image is unknown", ErrImage)
		}
		return unpackPayload(ctx, image, s, toTheEnd)
	}
	sectors := int(image[setupSectors])
	if sectors == 0 {
		sectors = 4
	}
	body := image[min((sectors+1)*512, len(image)):]
	if binary.LittleEndian.Uint16(image[setupProtocol:]) >= 0x208 {
		from := uint64(binary.LittleEndian.Uint32(image[payloadOffset:]))
		to := from + uint64(binary.LittleEndian.Uint32(image[payloadLength:]))
		if from > to || to > uint64(len(body)) {
			return fmt.Errorf("%w: its payload lies outside the file", ErrImage)
		}
		return unpackPayload(ctx, body[from:to], s, withSize)
	}
	// Before 2.6.26 there was only gzip, and the header did not say where it starts.
	at := bytes.Index(body, []byte{0x1f, 0x8b, 0x08, 0})
	if at < 0 {
		return fmt.Errorf("%w: it has no gzip stream", ErrImage)
	}
	return unpackPayload(ctx, body[at:], s, goesOn)
}

// rest is what may follow a compressed kernel.
type rest int

const (
	toTheEnd rest = iota // nothing
	withSize             // except for gzip, which has it itself, the unpacked size in four bytes
	goesOn               // code
)

func isELF(b []byte) bool { return bytes.HasPrefix(b, []byte("\x7fELF")) }

// unpackPayload is unpackImage for a compressed kernel.
func unpackPayload(ctx context.Context, payload []byte, s search, after rest) error {
	format := compress.Detect(payload)
	if format == compress.None && !isELF(payload) {
		return fmt.Errorf("%w: its compression is unknown", ErrImage)
	}
	size := int64(-1)
	if after == withSize && format != compress.Gzip && format != compress.None && len(payload) > 4 {
		end := len(payload) - 4
		size = int64(binary.LittleEndian.Uint32(payload[end:]))
		payload = payload[:end]
	}
	r, _, err := compress.NewReader(ctx, bytes.NewReader(payload))
	if errors.Is(err, compress.ErrNoProgram) {
		return fmt.Errorf("%w: %w", ErrImage, err)
	}
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = io.Copy(s, compress.Limit(r, maxKernel))
	switch {
	case s.enough():
		return nil
	case err != nil && !(after == goesOn && s.read() > int64(len(payload))):
		return fmt.Errorf("unpack it: %w", err)
	case size >= 0 && s.read() != size:
		return fmt.Errorf("%w: it unpacks to %d bytes, but its header says %d", ErrImage, s.read(), size)
	}
	return nil
}

// finder searches for texts in what is written to it.
type finder struct {
	texts   [][]byte
	found   []bool // of each text
	last    []byte // what the next bytes may go on from
	longest int
	seen    int64
}

func newFinder(texts []string) *finder {
	f := &finder{found: make([]bool, len(texts))}
	for _, text := range texts {
		f.texts = append(f.texts, []byte(text))
		f.longest = max(f.longest, len(text))
	}
	return f
}

// errFound ends the copying early.
var errFound = errors.New("found")

func (f *finder) enough() bool { return !slices.Contains(f.found, false) }
func (f *finder) read() int64  { return f.seen }

func (f *finder) Write(p []byte) (int, error) {
	f.seen += int64(len(p))
	window := append(f.last, p...)
	for i, text := range f.texts {
		f.found[i] = f.found[i] || bytes.Contains(window, text)
	}
	if f.enough() {
		return len(p), errFound
	}
	f.last = bytes.Clone(window[max(0, len(window)-f.longest):])
	return len(p), nil
}
