// SPDX-License-Identifier: Apache-2.0

package rpmdiff

import (
	"bytes"
	"debug/elf"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFirstDifference(t *testing.T) {
	long := strings.Repeat("x", 1<<17)
	for _, tt := range []struct {
		a, b string
		want int64
	}{
		{"abc", "abd", 2},
		{"abc", "abcd", 3},
		{"", "a", 0},
		{"abc", "abc", 3},
		{long + "a", long + "b", 1 << 17},
	} {
		if got, err := firstDifference(strings.NewReader(tt.a), strings.NewReader(tt.b)); got != tt.want || err != nil {
			t.Errorf("%.10q and %.10q: %d, %v", tt.a, tt.b, got, err)
		}
	}
}

// changed is a copy of this program with one byte changed.
func changed(t *testing.T, offset int64) *os.File {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	if offset >= 0 {
		b[offset] ^= 1
	}
	path := filepath.Join(t.TempDir(), "copy")
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestFirstInELF(t *testing.T) {
	same := changed(t, -1)
	e, err := elf.NewFile(same)
	if err != nil {
		t.Fatal(err)
	}
	inText := int64(e.Section(".text").Offset) + 16
	for offset, want := range map[int64]string{
		inText: "section .text at 0x10",
		0x30:   "the headers of the ELF file", // its flags
	} {
		at, where, err := firstIn(same, changed(t, offset))
		if err != nil || at[0] != offset || at[1] != offset || where != want {
			t.Errorf("%d: got %v, %s, %v", offset, at, where, err)
		}
	}
}

func TestExcerpt(t *testing.T) {
	b := bytes.NewReader([]byte("0123456789abcdef/home/one/fs.c\x00"))
	if got := excerpt(b, 22); got != `"6789abcdef/home/one/fs.c\x00"` {
		t.Errorf("got %s", got)
	}
	if got := excerpt(b, 2); !strings.HasPrefix(got, `"0123`) {
		t.Errorf("got %s", got)
	}
}
