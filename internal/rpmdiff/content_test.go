// SPDX-License-Identifier: GPL-2.0-only

package rpmdiff

import (
	"bytes"
	"debug/elf"
	"os"
	"strings"
	"testing"
)

func TestFirstDifference(t *testing.T) {
	long := strings.Repeat("x", 1<<17)
	for _, tt := range []struct {
		a, b string
		want int64
	}{
		{"abc", "abd", 2}, {"abc", "abcd", 3}, {"", "a", 0}, {"abc", "abc", 3},
		{long + "a", long + "b", 1 << 17},
	} {
		if got, err := firstDifference(strings.NewReader(tt.a), strings.NewReader(tt.b)); got != tt.want || err != nil {
			t.Errorf("%.10q and %.10q: %d, %v", tt.a, tt.b, got, err)
		}
	}
}

func TestSection(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(self)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	e, err := elf.NewFile(f)
	if err != nil {
		t.Fatal(err)
	}
	text := e.Section(".text")
	if got := section(f, int64(text.Offset)+16); got != "section .text at 0x10" {
		t.Errorf("got %q", got)
	}
	if got := section(f, 0); !strings.Contains(got, "headers of the ELF file") {
		t.Errorf("got %q", got)
	}
	if got := section(strings.NewReader("no ELF file"), 3); got != "" {
		t.Errorf("got %q", got)
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
