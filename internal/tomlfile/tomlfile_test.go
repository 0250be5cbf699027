// SPDX-License-Identifier: Apache-2.0

package tomlfile

import (
	"testing"

	"github.com/BurntSushi/toml"
)

func TestLine(t *testing.T) {
	text := []byte("a = 1\n\n[b]\nc = [\n  1,\n]\n[b.d]\ne = 2\n")
	for _, tt := range []struct {
		key  []string
		want int
	}{
		{[]string{"a"}, 1}, {[]string{"b"}, 3}, {[]string{"b", "d", "e"}, 8}, {[]string{"b", "no"}, 3}, {[]string{"no"}, 0}, {nil, 0},
	} {
		if got := Line(text, tt.key...); got != tt.want {
			t.Errorf("%v: line %d, want %d", tt.key, got, tt.want)
		}
	}
	if got := Place("f", 0) + " " + Place("f", 3); got != "f f:3" {
		t.Error(got)
	}
}

func TestTold(t *testing.T) {
	for _, tt := range []struct {
		text, want string
		line       int
	}{
		{"\na = = 3\n", "a: expected value but found '=' instead", 2},
		{"a = 99999999999999999999", "a: the number is too large", 1},
		{"a = 1\na = 2\n", "a: Key 'a' has already been defined.", 2},
		{"n = \"x\"\n", "n: it is of type text, and must be of type whole number", 1},
		{"\nn = [1]\n", "n: it is of type list, and must be of type whole number", 2},
	} {
		var values struct {
			A any
			N int
		}
		_, err := toml.Decode(tt.text, &values)
		if err == nil {
			t.Fatalf("%q is right", tt.text)
		}
		if line, got := Told(err); line != tt.line || got != tt.want {
			t.Errorf("%q: line %d: %s; want line %d: %s", tt.text, line, got, tt.line, tt.want)
		}
	}
}
