// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrNoBuildID means that the linker left no build id in a kernel.
var ErrNoBuildID = errors.New("it has no build id")

// Limits on what is read for a build id: the ELF header with the program headers behind it,
// and the notes, which have 512 bytes in Debian's kernels.
const (
	maxHeaders = 4 << 10
	maxNotes   = 64 << 10
)

// BuildID returns the build id of a kernel image, which the linker made from all that is in the
// kernel. A running kernel has it in /sys/kernel/notes.
func BuildID(ctx context.Context, image []byte) ([]byte, error) {
	id, err := buildID(ctx, image)
	if err != nil {
		return nil, fmt.Errorf("read the kernel image's build id: %w", err)
	}
	return id, nil
}

func buildID(ctx context.Context, image []byte) ([]byte, error) {
	head := &piece{to: maxHeaders}
	if err := unpackImage(ctx, image, head); err != nil {
		return nil, err
	}
	// elf.NewFile would read the section headers, which are at the kernel's other end.
	var h elf.Header64
	if err := binary.Read(bytes.NewReader(head.data), binary.LittleEndian, &h); err != nil ||
		!isELF(head.data) || elf.Class(h.Ident[elf.EI_CLASS]) != elf.ELFCLASS64 || elf.Data(h.Ident[elf.EI_DATA]) != elf.ELFDATA2LSB {
		return nil, fmt.Errorf("%w: it is not a 64-bit kernel", ErrImage)
	}
	size := uint64(binary.Size(elf.Prog64{}))
	if h.Phoff > maxHeaders || uint64(h.Phentsize) != size || h.Phoff+size*uint64(h.Phnum) > uint64(len(head.data)) {
		return nil, fmt.Errorf("%w: its program headers are not where they are expected", ErrImage)
	}
	programs := make([]elf.Prog64, h.Phnum)
	if err := binary.Read(bytes.NewReader(head.data[h.Phoff:]), binary.LittleEndian, programs); err != nil {
		return nil, err
	}
	for _, p := range programs {
		if elf.ProgType(p.Type) != elf.PT_NOTE || p.Filesz > maxNotes || p.Off > maxKernel {
			continue
		}
		notes := &piece{from: int64(p.Off), to: int64(p.Off + p.Filesz)}
		if err := unpackImage(ctx, image, notes); err != nil {
			return nil, err
		}
		if id := noteBuildID(notes.data); id != nil {
			return id, nil
		}
	}
	return nil, ErrNoBuildID
}

// noteBuildID finds the build id among ELF notes, nil where there is none.
func noteBuildID(notes []byte) []byte {
	const ntGNUBuildID = 3
	up4 := func(n uint32) uint64 { return (uint64(n) + 3) &^ 3 }
	for len(notes) >= 12 {
		name, desc := binary.LittleEndian.Uint32(notes), binary.LittleEndian.Uint32(notes[4:])
		kind := binary.LittleEndian.Uint32(notes[8:])
		body := notes[12:]
		end := up4(name) + up4(desc)
		if end > uint64(len(body)) {
			return nil
		}
		if kind == ntGNUBuildID && string(body[:name]) == "GNU\x00" && desc > 0 {
			return body[up4(name):][:desc]
		}
		notes = body[end:]
	}
	return nil
}

// piece keeps a part of what is written to it.
type piece struct {
	from, to int64
	data     []byte
	seen     int64
}

func (p *piece) enough() bool { return p.seen >= p.to }
func (p *piece) read() int64  { return p.seen }

func (p *piece) Write(b []byte) (int, error) {
	from, to := max(p.from-p.seen, 0), min(p.to-p.seen, int64(len(b)))
	if from < to {
		p.data = append(p.data, b[from:to]...)
	}
	p.seen += int64(len(b))
	if p.enough() {
		return len(b), errFound
	}
	return len(b), nil
}
