// SPDX-License-Identifier: Apache-2.0

package rpmfile

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
)

const (
	cpioHeaderLength = 110
	cpioTrailer      = "TRAILER!!!"
	maxNameLength    = 4096
)

var (
	magicNewc     = []byte("070701") // SVR4 without checksums
	magicStripped = []byte("07070X") // rpm's own format: a file number and the content
)

// archive reads the cpio archive in a payload. It trusts the header: the archive only says which
// of the header's files comes next.
type archive struct {
	f     *File
	r     *bufio.Reader
	body  int64 // bytes of the current member not yet read
	pad   int   // bytes up to the next member
	seen  []bool
	links map[fileID][]int // files that are hard links to each other
}

type fileID struct{ device, inode uint64 }

// next goes to the next member. io.EOF means the archive's regular end, with all files seen.
func (a *archive) next() (int, io.Reader, error) {
	if err := a.skip(); err != nil {
		return 0, nil, err
	}
	magic, err := a.r.Peek(len(magicNewc))
	if err != nil {
		return 0, nil, noEOF(err)
	}
	switch {
	case bytes.Equal(magic, magicNewc):
		return a.newc()
	case bytes.Equal(magic, magicStripped):
		return a.stripped()
	}
	return 0, nil, fmt.Errorf("member starts with %q: this is not a cpio archive as rpm makes it", magic)
}

// skip goes to the end of the current member.
func (a *archive) skip() error {
	// Discard takes an int, which is 32 bits on some machines.
	for a.body > 0 {
		n, err := a.r.Discard(int(min(a.body, 1<<30)))
		if a.body -= int64(n); err != nil {
			return noEOF(err)
		}
	}
	if _, err := a.r.Discard(a.pad); err != nil {
		return noEOF(err)
	}
	a.pad = 0
	return nil
}

// newc reads a member with a full header. The other fields repeat what the package's header says.
func (a *archive) newc() (int, io.Reader, error) {
	var b [cpioHeaderLength]byte
	if _, err := io.ReadFull(a.r, b[:]); err != nil {
		return 0, nil, noEOF(err)
	}
	var field [13]uint64
	for i := range field {
		n, err := strconv.ParseUint(string(b[6+8*i:14+8*i]), 16, 32)
		if err != nil {
			return 0, nil, fmt.Errorf("cpio header: %w", err)
		}
		field[i] = n
	}
	mode, size, nameLength := field[1], int64(field[6]), int(field[11])
	if nameLength < 1 || nameLength > maxNameLength {
		return 0, nil, fmt.Errorf("cpio header has a name of %d bytes", nameLength)
	}
	name := make([]byte, nameLength+padding(cpioHeaderLength+nameLength))
	if _, err := io.ReadFull(a.r, name); err != nil {
		return 0, nil, noEOF(err)
	}
	if i := bytes.IndexByte(name, 0); i != nameLength-1 {
		return 0, nil, errors.New("cpio header has a name with a wrong end")
	}
	name = name[:nameLength-1]
	if string(name) == cpioTrailer {
		return 0, nil, a.end(size)
	}
	path, err := safePath(string(name), a.f.Source)
	if err != nil {
		return 0, nil, fmt.Errorf("member %q: %w", name, err)
	}
	i, ok := a.f.index[path]
	if !ok {
		return 0, nil, fmt.Errorf("member %q is not in the package's list of files", name)
	}
	if kind := fileMode(mode).Type(); kind != a.f.Files[i].Mode.Type() {
		return 0, nil, fmt.Errorf("member %q is a %s here and a %s in the list of files", name, kindOf(kind), kindOf(a.f.Files[i].Mode))
	}
	return a.member(i, size)
}

// stripped reads a member that is only a number in the package's list of files.
func (a *archive) stripped() (int, io.Reader, error) {
	var b [16]byte // 14 and two of padding
	if _, err := io.ReadFull(a.r, b[:]); err != nil {
		return 0, nil, noEOF(err)
	}
	n, err := strconv.ParseUint(string(b[6:14]), 16, 32)
	if err != nil {
		return 0, nil, fmt.Errorf("cpio header: %w", err)
	}
	if n >= uint64(len(a.f.Files)) {
		return 0, nil, fmt.Errorf("member is file %d of %d", n, len(a.f.Files))
	}
	i := int(n)
	e := &a.f.Files[i]
	var size int64
	switch {
	case e.Mode.IsRegular():
		// Only the last link to a file carries its content.
		if set := a.hardLinks(i); len(set) == 0 || set[len(set)-1] == i {
			size = e.Size
		}
	case e.Mode.Type() == fs.ModeSymlink:
		size = int64(len(e.Link))
	}
	return a.member(i, size)
}

// member checks a member against the list of files, and returns its content.
func (a *archive) member(i int, size int64) (int, io.Reader, error) {
	e := &a.f.Files[i]
	if a.seen[i] {
		return 0, nil, fmt.Errorf("file %q comes twice", e.Name)
	}
	a.seen[i] = true
	a.body, a.pad = size, padding(int(size&3))
	content := io.Reader(&body{a})
	switch {
	case e.Mode.IsRegular():
		if size == e.Size {
			return i, content, nil
		}
		if size == 0 && len(a.hardLinks(i)) > 0 {
			return i, nil, nil
		}
		return 0, nil, fmt.Errorf("file %q has %d bytes here and %d in the list of files", e.Name, size, e.Size)
	case size == 0:
		return i, content, nil
	case size == int64(len(e.Link)):
		target, err := io.ReadAll(content)
		if err != nil {
			return 0, nil, err
		}
		if string(target) == e.Link {
			return i, content, nil
		}
	}
	return 0, nil, fmt.Errorf("file %q, a %s, differs in content from the list of files", e.Name, kindOf(e.Mode))
}

// end handles the archive's end: nothing may be missing.
func (a *archive) end(size int64) error {
	if size != 0 {
		return errors.New("cpio trailer has content")
	}
	for i := range a.seen {
		if !a.seen[i] && a.f.Files[i].Flags&FileGhost == 0 {
			return fmt.Errorf("file %q is in the list of files but not in the archive", a.f.Files[i].Name)
		}
	}
	return io.EOF
}

// hardLinks returns the numbers of all files that are hard links to file i, itself included, in
// order; nil if there is no other.
func (a *archive) hardLinks(i int) []int {
	if a.links == nil {
		a.links = a.f.hardLinks()
	}
	e := &a.f.Files[i]
	return a.links[fileID{e.device, e.inode}]
}

// hardLinks groups the files that share device and inode.
func (f *File) hardLinks() map[fileID][]int {
	sets := make(map[fileID][]int)
	for i, e := range f.Files {
		if e.Mode.IsRegular() && e.Flags&FileGhost == 0 && e.inode != 0 {
			id := fileID{e.device, e.inode}
			sets[id] = append(sets[id], i)
		}
	}
	for id, set := range sets {
		if len(set) == 1 {
			delete(sets, id)
		}
	}
	return sets
}

// padding is the number of bytes from n to the next multiple of four.
func padding(n int) int { return -n & 3 }

// body is the content of the current member.
type body struct{ a *archive }

func (b *body) Read(p []byte) (int, error) {
	if b.a.body == 0 {
		return 0, io.EOF
	}
	if int64(len(p)) > b.a.body {
		p = p[:b.a.body]
	}
	n, err := b.a.r.Read(p)
	b.a.body -= int64(n)
	return n, noEOF(err)
}

// WriteTo passes on the reader's own buffer without copying it.
func (b *body) WriteTo(w io.Writer) (int64, error) {
	var total int64
	for b.a.body > 0 {
		if _, err := b.a.r.Peek(1); err != nil {
			return total, noEOF(err)
		}
		p, _ := b.a.r.Peek(int(min(b.a.body, int64(b.a.r.Buffered()))))
		n, err := w.Write(p)
		total += int64(n)
		if err != nil {
			return total, err
		}
		b.a.body -= int64(n)
		b.a.r.Discard(n)
	}
	return total, nil
}
