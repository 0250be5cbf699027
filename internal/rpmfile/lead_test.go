// SPDX-License-Identifier: Apache-2.0

package rpmfile

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
)

// Since 2024 rpm writes no architecture and no system into the lead, whatever the format.
func TestLeadOfNewerRPM(t *testing.T) {
	source, binary := rpmbuild(t, "w3.zstdio")
	for _, path := range []string{source, binary} {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			arch, os byte
			good     bool
		}{{0, 0, true}, {0, 1, true}, {1, 0, true}, {9, 1, false}, {1, 9, false}} {
			b[8], b[9], b[76], b[77] = 0, c.arch, 0, c.os
			name := filepath.Join(t.TempDir(), "newer.rpm")
			rewrite(t, name, b)
			if good := unpacks(t, name, filepath.Join(t.TempDir(), "dir")); good != c.good {
				t.Errorf("%s, architecture %d, system %d: %v", path, c.arch, c.os, good)
			}
		}
	}
}

// Programs that sign add to the signature header behind its region, and rpm lets them.
func TestRegionThatCoversLess(t *testing.T) {
	p := packet{format: 4, members: []member{{name: "/a", mode: 0o100644, content: "x"}}}
	whole := p.bytes(t)
	n := int(binary.BigEndian.Uint32(whole[leadLength+8:]))
	trailer := signatureTrailer(whole)
	for covered, good := range map[int]bool{n * 16: true, (n - 1) * 16: true, 16: true, 0: false, 8: false, (n + 1) * 16: false, -16: false} {
		b := bytes.Clone(whole)
		binary.BigEndian.PutUint32(b[trailer+8:], uint32(-covered))
		name := filepath.Join(t.TempDir(), "less.rpm")
		rewrite(t, name, b)
		if got := unpacks(t, name, filepath.Join(t.TempDir(), "dir")); got != good {
			t.Errorf("region that covers %d of %d bytes: %v", covered, n*16, got)
		}
	}
	// Not so in the main header, whose digests rpm computes over the region.
	h := encode([]tag{{TagName, typeString, "a"}, {TagVersion, typeString, "1"}}, tagHeaderImmutable)
	binary.BigEndian.PutUint32(h[len(h)-8:], ^uint32(2*16)+1)
	if _, err := parseHeader(h, 3, tagHeaderImmutable); err == nil {
		t.Error("the main header's region may cover less than the header")
	}
}

// signatureTrailer is where the entry stands that ends the signature header's region.
func signatureTrailer(whole []byte) int {
	entries, data := binary.BigEndian.Uint32(whole[leadLength+8:]), binary.BigEndian.Uint32(whole[leadLength+12:])
	return leadLength + introLength + int(entries)*entryLength + int(data) - entryLength
}
