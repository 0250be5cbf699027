// SPDX-License-Identifier: Apache-2.0

package rpmdiff

import (
	"bufio"
	"context"
	"debug/elf"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"

	"ovzpatch/internal/rpmfile"
	"ovzpatch/internal/scratch"
)

// firstByte unpacks a file from both packages and says where they first differ.
func firstByte(ctx context.Context, a, b *rpmfile.File, name string) (string, error) {
	dir, remove, err := scratch.New("", "rpmdiff")
	if err != nil {
		return "", err
	}
	defer remove()
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
	at, where, err := firstIn(files[0], files[1])
	if err != nil {
		return "", err
	}
	var s strings.Builder
	s.WriteString(fmt.Sprintf("differs from byte %d (%#x) on", at[0], at[0]))
	if where != "" {
		s.WriteString(", in " + where)
	}
	for i, f := range files {
		s.WriteString(fmt.Sprintf("\n  %s: %s", []string{"first ", "second"}[i], excerpt(f, at[i])))
	}
	return s.String(), nil
}

// firstIn returns the offsets of the first difference in both files, and in an ELF file the
// section: there a longer section moves what follows it, and the sizes in the header differ first
// and explain nothing.
func firstIn(a, b *os.File) (at [2]int64, where string, err error) {
	ea, errA := elf.NewFile(a)
	eb, errB := elf.NewFile(b)
	if errA == nil && errB == nil {
		for i, s := range ea.Sections {
			if i >= len(eb.Sections) || s.Name != eb.Sections[i].Name {
				break
			}
			o := eb.Sections[i]
			if s.Type == elf.SHT_NULL || s.Type == elf.SHT_NOBITS {
				continue
			}
			n, err := firstDifference(s.Open(), o.Open())
			if err != nil {
				return at, "", err
			}
			if n < int64(s.FileSize) || s.FileSize != o.FileSize {
				return [2]int64{int64(s.Offset) + n, int64(o.Offset) + n}, fmt.Sprintf("section %s at %#x", s.Name, n), nil
			}
		}
		where = "the headers of the ELF file"
	}
	n, err := firstDifference(io.NewSectionReader(a, 0, math.MaxInt64), io.NewSectionReader(b, 0, math.MaxInt64))
	return [2]int64{n, n}, where, err
}

// firstDifference returns the offset in bytes of the first difference of two streams, or the
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

// excerpt shows what is around an offset: a path or a date explains the difference.
func excerpt(r io.ReaderAt, offset int64) string {
	const before, after = 16, 48
	start := max(0, offset-before)
	b := make([]byte, offset-start+after)
	n, _ := r.ReadAt(b, start)
	return fmt.Sprintf("%q", b[:n])
}
