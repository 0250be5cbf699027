// SPDX-License-Identifier: Apache-2.0

package rpmfile

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var fuzzMembers = []member{
	{name: "/boot", mode: 0o040755},
	{name: "/boot/one", mode: 0o100644, content: "1", inode: 4, cpioOther: true},
	{name: "/boot/two", mode: 0o100644, content: "1", inode: 4},
	{name: "/lib/link", mode: 0o120777, content: "/boot"},
}

// What is read of a header never goes beyond it, whatever its bytes are.
func FuzzHeader(f *testing.F) {
	for _, format := range []int{3, 4, 6} {
		whole := packet{format: format, members: fuzzMembers}.bytes(f)
		f.Add(whole[leadLength:])
		if i := bytes.LastIndex(whole, headerMagic); i > 0 {
			f.Add(whole[i:])
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, region := range []Tag{tagHeaderSignatures, tagHeaderImmutable} {
			h, err := readHeader(bytes.NewReader(data), region, int64(len(data)))
			if err != nil {
				continue
			}
			for tag := range h.entries {
				h.Strings(tag)
				h.Ints(tag)
				h.Bytes(tag)
			}
			checkSignatureHeader(h)
			files, _, err := parseFiles(h, false, DefaultLimits)
			for _, e := range files {
				if err == nil && (strings.HasPrefix(e.path, "/") || strings.Contains("/"+e.path+"/", "/../")) {
					t.Errorf("%q passed as a path", e.path)
				}
			}
		}
	})
}

// The archive in a payload with right digests may still hold anything.
func FuzzPayload(f *testing.F) {
	f.Add(packet{members: fuzzMembers}.archive(), false)
	f.Add(packet{members: fuzzMembers, stripped: true}.archive(), true)
	f.Fuzz(func(t *testing.T, archive []byte, source bool) {
		p := packet{format: 4, members: fuzzMembers, source: source}
		if source {
			p.members = []member{{name: "one", mode: 0o100644, content: "1"}, {name: "two", mode: 0o100644, content: "22"}}
		}
		outer := t.TempDir()
		name := filepath.Join(outer, "fuzz.rpm")
		if err := os.WriteFile(name, p.bytesAround(t, archive), 0o644); err != nil {
			t.Fatal(err)
		}
		file, err := Open(t.Context(), name)
		if err != nil {
			t.Skip() // an archive that another compression's magic opens
		}
		defer file.Close()
		dir := filepath.Join(outer, "dir")
		if err := file.Extract(t.Context(), dir, nil); err != nil && exists(dir) {
			t.Errorf("left %q after %v", snapshot(t, dir), err)
		}
		if list, _ := os.ReadDir(outer); len(list) > 2 {
			t.Errorf("files got out: %v", list)
		}
	})
}
