// SPDX-License-Identifier: GPL-2.0-only

package rpmdiff

import (
	"bufio"
	"context"
	"debug/elf"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"ovzpatch/internal/rpmfile"
)

// firstByte unpacks a file from both packages and says where it begins to differ.
func firstByte(ctx context.Context, a, b *rpmfile.File, name string) (string, error) {
	dir, err := os.MkdirTemp("", "ovzpatch-rpmdiff-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	var files [2]*os.File
	for i, p := range []*rpmfile.File{a, b} {
		side := filepath.Join(dir, []string{"first", "second"}[i])
		if err := p.Extract(ctx, side, func(n string) bool { return n == name }); err != nil {
			return "", err
		}
		if files[i], err = os.Open(filepath.Join(side, name)); err != nil {
			return "", err
		}
		defer files[i].Close()
	}
	offset, err := firstDifference(files[0], files[1])
	if err != nil {
		return "", err
	}
	s := fmt.Sprintf("differs from byte %d (%#x) on", offset, offset)
	if where := section(files[0], offset); where != "" {
		s += ", in " + where
	}
	for i, f := range files {
		s += fmt.Sprintf("\n  %s: %s", []string{"first ", "second"}[i], excerpt(f, offset))
	}
	return s, nil
}

// firstDifference is the offset in bytes of the first difference of two streams, or the
// length of the shorter one.
func firstDifference(a, b io.Reader) (int64, error) {
	ra, rb := bufio.NewReaderSize(a, 1<<16), bufio.NewReaderSize(b, 1<<16)
	for n := int64(0); ; n++ {
		x, errA := ra.ReadByte()
		y, errB := rb.ReadByte()
		switch {
		case errA == io.EOF || errB == io.EOF:
			return n, nil
		case errA != nil:
			return n, errA
		case errB != nil:
			return n, errB
		case x != y:
			return n, nil
		}
	}
}

// section says in which section of an ELF file an offset lies; "" in other files.
func section(r io.ReaderAt, offset int64) string {
	f, err := elf.NewFile(r)
	if err != nil {
		return ""
	}
	for _, s := range f.Sections {
		in := uint64(offset) - s.Offset
		if s.Type != elf.SHT_NULL && s.Type != elf.SHT_NOBITS && uint64(offset) >= s.Offset && in < s.FileSize {
			return fmt.Sprintf("section %s at %#x", s.Name, in)
		}
	}
	return "no section: the headers of the ELF file"
}

// excerpt shows what is around an offset: a path or a date explains itself.
func excerpt(r io.ReaderAt, offset int64) string {
	const before, after = 16, 48
	start := max(0, offset-before)
	b := make([]byte, offset-start+after)
	n, _ := r.ReadAt(b, start)
	return fmt.Sprintf("%q", b[:n])
}
