// SPDX-License-Identifier: Apache-2.0

package rpmfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

const leadLength = 96

// lead is the first 96 bytes. rpm reads only its magic. The rest repeats what the header says,
// and we use it to notice damage, because no digest covers it.
type lead struct {
	major, minor byte
	kind         uint16 // 0 binary, 1 source
	arch         uint16
	name         string
	os           uint16
	reserved     []byte
}

func readLead(r io.Reader) (lead, error) {
	b := make([]byte, leadLength)
	if _, err := io.ReadFull(r, b); err != nil {
		return lead{}, fmt.Errorf("%w: shorter than %d bytes", ErrNotRPM, leadLength)
	}
	if !bytes.Equal(b[:4], []byte{0xed, 0xab, 0xee, 0xdb}) {
		return lead{}, ErrNotRPM
	}
	name, rest, ok := bytes.Cut(b[10:76], []byte{0})
	if !ok || !allZero(rest) {
		return lead{}, errors.New("lead: its name does not end")
	}
	l := lead{
		major: b[4], minor: b[5], kind: binary.BigEndian.Uint16(b[6:]),
		arch: binary.BigEndian.Uint16(b[8:]), name: string(name),
		os: binary.BigEndian.Uint16(b[76:]), reserved: b[80:],
	}
	if signature := binary.BigEndian.Uint16(b[78:]); signature != 5 {
		return lead{}, fmt.Errorf("lead: signature type %d instead of 5", signature)
	}
	if l.major != 3 && l.major != 4 {
		return lead{}, fmt.Errorf("lead: format %d.%d is unsupported, only 3 and 4 are", l.major, l.minor)
	}
	return l, nil
}

// check compares the lead with the header. It does not check what rpm itself leaves open: an
// architecture's number outside the x86 family, and reserved bytes before rpm 4.
func (l lead) check(f *File) error {
	if l.minor != 0 || l.kind > 1 || (l.kind == 1) != f.Source {
		return fmt.Errorf("format %d.%d, type %d, which does not agree with the header", l.major, l.minor, l.kind)
	}
	nevr := strings.TrimSuffix(f.NEVRA(), "."+f.arch())
	nvr := fmt.Sprintf("%s-%s-%s", f.Name(), f.Version(), f.Release())
	if l.name != "" && l.name != nevr[:min(len(nevr), 65)] && l.name != nvr[:min(len(nvr), 65)] {
		return fmt.Errorf("name %q, but the header says %q", l.name, nevr)
	}
	// Since 2024 rpm writes 0 for both, into packages of every format.
	x86 := slices.Contains([]string{"i386", "i486", "i586", "i686", "athlon", "geode", "x86_64"}, f.Arch())
	if x86 && l.arch > 1 {
		return fmt.Errorf("architecture number %d for %s", l.arch, f.Arch())
	}
	if strings.EqualFold(f.Header.String(TagOS), "linux") && l.os > 1 {
		return fmt.Errorf("system number %d for linux", l.os)
	}
	if f.Header.region && !allZero(l.reserved) {
		return errors.New("its reserved bytes are not zero")
	}
	return nil
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
