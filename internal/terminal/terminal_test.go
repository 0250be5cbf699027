// SPDX-License-Identifier: Apache-2.0

package terminal

import (
	"strings"
	"testing"
)

func TestText(t *testing.T) {
	for in, want := range map[string]string{
		"plain\n\ttext": "plain\n\ttext",
		"\x1b[2Jx":      "\uFFFD[2Jx",
		"a\rb\x7f":      "a\uFFFDb\uFFFD",
		"\u009b1m":      "\uFFFD1m",
		"abc\u202Edcb":  "abc\uFFFDdcb", // turns the text round
		"\xff":          "\uFFFD",
		"Grüße, 内核":     "Grüße, 内核",
	} {
		if got := Text(in); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
	if got := Line("a\nb\tc\x1b"); got != "a b c\uFFFD" {
		t.Errorf("got %q", got)
	}
}

func TestTable(t *testing.T) {
	var b strings.Builder
	table := NewTable(&b)
	table.Row("NAME", "SIZE", "")
	table.Row("a\tlong\nname", 7)
	if err := table.Flush(); err != nil || b.String() != "NAME         SIZE\na long name  7\n" {
		t.Errorf("got %q, %v", b.String(), err)
	}
}

// Colours move no column, and text in one cannot end it.
func TestTableInColours(t *testing.T) {
	var b strings.Builder
	table := NewTable(&b)
	table.Row("A", Painted{"VERDICT", Plain}, "B")
	table.Row("1", Painted{"protected", Green}, "x")
	table.Row("2", Painted{"odd\x1b[0m", Red}, "y")
	want := "A  \x1b[39mVERDICT\x1b[0m    B\n" + "1  \x1b[32mprotected\x1b[0m  x\n" + "2  \x1b[31modd\uFFFD[0m\x1b[0m    y\n"
	if err := table.Flush(); err != nil || b.String() != want {
		t.Errorf("got %q, want %q, %v", b.String(), want, err)
	}
}

type counter struct{ writes int }

func (c *counter) Write(p []byte) (int, error) {
	c.writes++
	return len(p), nil
}

// A list of thousands of rows takes few system calls.
func TestTableIsWrittenInPieces(t *testing.T) {
	var c counter
	table := NewTable(&c)
	for i := range 1000 {
		table.Row("a", i, "b", "c")
	}
	if err := table.Flush(); err != nil || c.writes == 0 || c.writes > 20 {
		t.Errorf("%d writes, %v", c.writes, err)
	}
}
