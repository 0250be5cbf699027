// SPDX-License-Identifier: Apache-2.0

package rpmfile

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Every single damaged byte is noticed, and nothing is unpacked.
func TestEveryFlippedByteIsNoticed(t *testing.T) {
	members := []member{
		{name: "/boot/vmlinuz", mode: 0o100644, content: "kernel"},
		{name: "/boot/System.map", mode: 0o100600, content: strings.Repeat("map ", 30)},
		{name: "/lib/build", mode: 0o120777, content: "/usr/src"},
	}
	for _, p := range []packet{
		{format: 3, members: members},
		{format: 4, members: members, compress: true, signature: []tag{{sigReservedSpace, typeBin, make([]byte, 32)}}},
		{format: 6, members: members, stripped: true, compress: true},
	} {
		whole := p.bytes(t)
		dir := filepath.Join(t.TempDir(), "dir")
		name := filepath.Join(t.TempDir(), "flipped.rpm")
		masks := []byte{0x01, 0x80}
		if testing.Short() {
			masks = masks[:1]
		}
		for i := range whole {
			for _, mask := range masks {
				if harmless(p.format, i) {
					continue
				}
				flipped := bytes.Clone(whole)
				flipped[i] ^= mask
				rewrite(t, name, flipped)
				if unpacks(t, name, dir) {
					t.Errorf("format %d: byte %d of %d, flipped by %#x, goes unnoticed", p.format, i, len(whole), mask)
				}
				if exists(dir) {
					t.Fatalf("format %d: byte %d flipped, and %q is left", p.format, i, snapshot(t, dir))
				}
			}
		}
		for _, n := range []int{0, 4, 95, 96, 200, len(whole) / 2, len(whole) - 1} {
			rewrite(t, name, whole[:n])
			if unpacks(t, name, dir) {
				t.Errorf("format %d: the first %d of %d bytes pass for all", p.format, n, len(whole))
			}
		}
	}
}

// harmless are bytes of the lead that rpm neither reads nor always writes the same.
func harmless(format, i int) bool {
	// Machine and system: 0, or what rpm wrote before 2024. Before rpm 4 the end was left
	// uninitialized.
	return i == 9 || i == 77 || format == 3 && i >= 80 && i < leadLength
}

// rewrite makes the file anew: truncating one makes ext4 wait for the disk.
func rewrite(t *testing.T, name string, content []byte) {
	t.Helper()
	os.Remove(name)
	if err := os.WriteFile(name, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

// unpacks tells whether a package passes everything, signatures included.
func unpacks(t *testing.T, name, dir string) bool {
	f, err := Open(t.Context(), name)
	if err != nil {
		return false
	}
	defer f.Close()
	if err := f.Extract(t.Context(), dir, nil); err != nil {
		return false
	}
	_, err = f.Verify(t.Context(), "")
	os.RemoveAll(dir)
	return err == nil
}

// The same on a real package, at a sample of places, and each one of its lead and
// signature header.
func TestFlippedRealPackage(t *testing.T) {
	_, binary := rpmbuild(t, "w6.xzdio")
	whole, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	header := int(open(t, binary).headerStart)
	// The last byte of the region's size, which stands, negative, as the trailer's offset.
	size := signatureTrailer(whole) + 11
	name := filepath.Join(t.TempDir(), "flipped.rpm")
	step := 997
	if testing.Short() {
		step = 9973
	}
	for i := 0; i < len(whole); i++ {
		if i > header {
			i += step
		}
		if i >= len(whole) {
			break
		}
		flipped := bytes.Clone(whole)
		flipped[i] ^= 0x10
		if i == size && flipped[i] > whole[i] {
			continue // a smaller region is what programs that add a signature leave
		}
		rewrite(t, name, flipped)
		if unpacks(t, name, filepath.Join(t.TempDir(), "dir")) {
			t.Errorf("byte %d of %d flipped goes unnoticed", i, len(whole))
		}
	}
}
