// SPDX-License-Identifier: Apache-2.0

package rpmfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
)

// headerMagic starts every header: three bytes of magic, version 1, four zero bytes.
var headerMagic = []byte{0x8e, 0xad, 0xe8, 1, 0, 0, 0, 0}

const (
	introLength = 16 // magic, number of entries, bytes of data
	entryLength = 16 // tag, type, offset, count
	maxEntries  = 0xffff
)

// Header is one of the two headers of an RPM file, and is checked: every entry lies within the
// data, has the size that its type says, and is aligned.
type Header struct {
	raw     []byte // as in the file, introduction included
	data    []byte // the part of raw to which entries point
	entries map[Tag]entry
	region  bool // the first entry says that all others belong together
}

type entry struct {
	kind   uint32
	offset int
	count  int
	length int // bytes of data
}

var typeSize = map[uint32]int{typeChar: 1, typeInt8: 1, typeInt16: 2, typeInt32: 4, typeInt64: 8, typeBin: 1}

// readHeader reads one header. It reads or holds in memory at most limit bytes.
func readHeader(r io.Reader, regionTag Tag, limit int64) (*Header, error) {
	intro := make([]byte, introLength)
	if _, err := io.ReadFull(r, intro); err != nil {
		return nil, fmt.Errorf("read its start: %w", noEOF(err))
	}
	if !bytes.Equal(intro[:8], headerMagic) {
		return nil, fmt.Errorf("starts with % x instead of % x", intro[:8], headerMagic)
	}
	entries := int64(binary.BigEndian.Uint32(intro[8:]))
	dataLength := int64(binary.BigEndian.Uint32(intro[12:]))
	body := entries*entryLength + dataLength
	if introLength+body > limit {
		return nil, fmt.Errorf("claims %d bytes, more than the %d that are possible or allowed", introLength+body, limit)
	}
	if entries == 0 || entries > maxEntries {
		return nil, fmt.Errorf("claims %d entries; 1 to %d are possible", entries, maxEntries)
	}
	raw := make([]byte, introLength+body)
	copy(raw, intro)
	if _, err := io.ReadFull(r, raw[introLength:]); err != nil {
		return nil, fmt.Errorf("read its %d bytes: %w", body, noEOF(err))
	}
	return parseHeader(raw, int(entries), regionTag)
}

func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// parseHeader checks and indexes a header of n entries.
func parseHeader(raw []byte, n int, regionTag Tag) (*Header, error) {
	h := &Header{
		raw:     raw,
		data:    raw[introLength+n*entryLength:],
		entries: make(map[Tag]entry, n),
	}
	used := 0
	for i := range n {
		b := raw[introLength+i*entryLength:]
		tag := Tag(binary.BigEndian.Uint32(b))
		e, err := h.parseEntry(b)
		if err != nil {
			return nil, fmt.Errorf("entry %d, tag %d: %w", i, tag, err)
		}
		// No real header has entries that share data, and they would make reading quadratic.
		if used += e.length; used > len(h.data) {
			return nil, fmt.Errorf("entry %d, tag %d: shares its data with another entry", i, tag)
		}
		if tag == regionTag {
			if i != 0 {
				return nil, fmt.Errorf("region entry is number %d, not the first", i)
			}
			if err := h.checkRegion(e, n, tag); err != nil {
				return nil, fmt.Errorf("region of tag %d: %w", tag, err)
			}
			h.region = true
		}
		if _, double := h.entries[tag]; double {
			return nil, fmt.Errorf("tag %d comes twice", tag)
		}
		h.entries[tag] = e
	}
	return h, nil
}

// parseEntry reads one entry of the index and measures its data.
func (h *Header) parseEntry(b []byte) (entry, error) {
	e := entry{
		kind:   binary.BigEndian.Uint32(b[4:]),
		offset: int(binary.BigEndian.Uint32(b[8:])),
		count:  int(binary.BigEndian.Uint32(b[12:])),
	}
	if e.offset > len(h.data) {
		return e, fmt.Errorf("data at %d, beyond the header's %d bytes", e.offset, len(h.data))
	}
	if e.count == 0 || e.count > len(h.data) {
		return e, fmt.Errorf("a count of %d values", e.count)
	}
	switch e.kind {
	case typeString, typeStringArray, typeI18NString:
		if e.kind == typeString && e.count != 1 {
			return e, fmt.Errorf("one string with a count of %d", e.count)
		}
		rest := h.data[e.offset:]
		for range e.count {
			i := bytes.IndexByte(rest, 0)
			if i < 0 {
				return e, errors.New("a string does not end")
			}
			rest = rest[i+1:]
		}
		e.length = len(h.data) - e.offset - len(rest)
		return e, nil
	}
	size, ok := typeSize[e.kind]
	if !ok {
		return e, fmt.Errorf("unknown type %d", e.kind)
	}
	if e.offset%size != 0 {
		return e, fmt.Errorf("a %d byte number at offset %d", size, e.offset)
	}
	e.length = e.count * size
	if e.offset+e.length > len(h.data) {
		return e, fmt.Errorf("data of %d bytes at %d, beyond the header's %d bytes", e.length, e.offset, len(h.data))
	}
	return e, nil
}

// checkRegion checks that the region covers the whole header: rpm's header digests do not cover
// what lies outside the region. The signature header never has a digest, and rpm lets programs
// add to it, so there the region may cover less.
func (h *Header) checkRegion(e entry, entries int, tag Tag) error {
	if e.kind != typeBin || e.count != entryLength {
		return fmt.Errorf("type %d, count %d instead of 16 bytes", e.kind, e.count)
	}
	b := h.data[e.offset : e.offset+entryLength]
	trailerTag := Tag(binary.BigEndian.Uint32(b))
	// rpm before 4.1 ended the signature header's region with a different tag.
	if trailerTag != tag && (tag != tagHeaderSignatures || trailerTag != tagHeaderImage) {
		return fmt.Errorf("its trailer has tag %d", trailerTag)
	}
	kind := binary.BigEndian.Uint32(b[4:])
	offset := int32(binary.BigEndian.Uint32(b[8:]))
	count := binary.BigEndian.Uint32(b[12:])
	covered := int(-offset)
	if tag == tagHeaderSignatures {
		if kind != typeBin || count != entryLength || covered <= 0 || covered%entryLength != 0 || covered > entries*entryLength {
			return fmt.Errorf("its trailer covers %d of %d bytes of entries", covered, entries*entryLength)
		}
		return nil
	}
	if kind != typeBin || count != entryLength || covered != entries*entryLength {
		return fmt.Errorf("its trailer covers %d of %d bytes of entries", covered, entries*entryLength)
	}
	if e.offset+entryLength != len(h.data) {
		return fmt.Errorf("its trailer ends at %d of %d bytes of data", e.offset+entryLength, len(h.data))
	}
	return nil
}

// Has reports whether the header has the tag.
func (h *Header) Has(tag Tag) bool {
	_, ok := h.entries[tag]
	return ok
}

// String returns the first string of the tag, or "".
func (h *Header) String(tag Tag) string {
	if s := h.Strings(tag); len(s) > 0 {
		return s[0]
	}
	return ""
}

// Strings returns the strings of the tag; nil if it is missing or holds no strings.
func (h *Header) Strings(tag Tag) []string {
	e, ok := h.entries[tag]
	if !ok || (e.kind != typeString && e.kind != typeStringArray && e.kind != typeI18NString) {
		return nil
	}
	// One conversion for all: the strings share its memory.
	all := string(h.data[e.offset : e.offset+e.length])
	list := make([]string, 0, e.count)
	for start, i := 0, 0; i < len(all); i++ {
		if all[i] == 0 {
			list = append(list, all[start:i])
			start = i + 1
		}
	}
	return list
}

// Ints returns the unsigned numbers of the tag, of any width; nil if it is missing or holds no
// numbers.
func (h *Header) Ints(tag Tag) []uint64 {
	e, ok := h.entries[tag]
	if !ok {
		return nil
	}
	b := h.data[e.offset : e.offset+e.length]
	list := make([]uint64, e.count)
	for i := range list {
		switch e.kind {
		case typeChar, typeInt8:
			list[i] = uint64(b[i])
		case typeInt16:
			list[i] = uint64(binary.BigEndian.Uint16(b[2*i:]))
		case typeInt32:
			list[i] = uint64(binary.BigEndian.Uint32(b[4*i:]))
		case typeInt64:
			list[i] = binary.BigEndian.Uint64(b[8*i:])
		default:
			return nil
		}
	}
	return list
}

// Int returns the first number of the tag, and whether it exists.
func (h *Header) Int(tag Tag) (uint64, bool) {
	if n := h.Ints(tag); len(n) > 0 {
		return n[0], true
	}
	return 0, false
}

// Bytes returns the data of a tag that holds bytes; nil if it is missing or holds something else.
func (h *Header) Bytes(tag Tag) []byte {
	e, ok := h.entries[tag]
	if !ok || e.kind != typeBin {
		return nil
	}
	return h.data[e.offset : e.offset+e.length]
}

// Differing returns the tags, in ascending order, whose values differ between two headers. It
// ignores the regions, which add no information.
func (h *Header) Differing(o *Header) []Tag {
	same := func(a, b entry) bool {
		return a.kind == b.kind && a.count == b.count &&
			bytes.Equal(h.data[a.offset:a.offset+a.length], o.data[b.offset:b.offset+b.length])
	}
	var tags []Tag
	for tag, a := range h.entries {
		if b, ok := o.entries[tag]; !ok || !same(a, b) {
			tags = append(tags, tag)
		}
	}
	for tag := range o.entries {
		if !h.Has(tag) {
			tags = append(tags, tag)
		}
	}
	tags = slices.DeleteFunc(tags, func(t Tag) bool { return t <= tagHeaderImmutable })
	slices.Sort(tags)
	return tags
}
