// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// An answer is found once for each key. What find does not want kept, an error, and what was
// damaged is found anew; without a cache everything is.
func TestAnswer(t *testing.T) {
	if program() == "" {
		t.Fatal("no build id was found in this program: no answer would ever be kept")
	}
	type lines struct{ Lines []string }
	c := Cache{Dir: filepath.Join(t.TempDir(), "cache")}
	found := 0
	ask := func(c Cache, value string, keep bool, fails error) int {
		t.Helper()
		before := found
		a, err := Answer(c, "answers", NewKey("answers").Add("value", value), func() (lines, bool, error) {
			found++
			return lines{[]string{value}}, keep, fails
		})
		if !errors.Is(err, fails) || len(a.Lines) != 1 || a.Lines[0] != value {
			t.Fatalf("%s: got %v, %v", value, a, err)
		}
		return found - before
	}
	for i, tt := range []struct {
		value string
		keep  bool
		fails error
		finds int
	}{
		{"a", true, nil, 1},
		{"a", true, nil, 0},
		{"b", true, nil, 1},
		{"a", true, nil, 0},
		{"c", false, nil, 1},
		{"c", false, nil, 1},
		{"d", true, os.ErrClosed, 1},
		{"d", true, os.ErrClosed, 1},
	} {
		if n := ask(c, tt.value, tt.keep, tt.fails); n != tt.finds {
			t.Errorf("%d, %s: found %d times, want %d", i, tt.value, n, tt.finds)
		}
	}
	all, err := filepath.Glob(filepath.Join(c.Dir, "answers", "*", answerName))
	if err != nil || len(all) != 2 {
		t.Fatalf("kept %v, %v", all, err)
	}
	other, err := os.ReadFile(all[1])
	if err != nil {
		t.Fatal(err)
	}
	mine, err := os.ReadFile(all[0])
	if err != nil {
		t.Fatal(err)
	}
	key, _, _ := bytes.Cut(mine, []byte(","))
	// Cut off, the answer to something else, and no answer.
	for _, damage := range [][]byte{other[:len(other)/2], nil, other, append(key, '}')} {
		if err := os.WriteFile(all[0], damage, 0o600); err != nil {
			t.Fatal(err)
		}
		if n := ask(c, "a", true, nil) + ask(c, "b", true, nil); n != 1 {
			t.Errorf("after damage %q: found %d times", damage, n)
		}
		if n := ask(c, "a", true, nil) + ask(c, "b", true, nil); n != 0 {
			t.Errorf("after damage %q it was not kept again", damage)
		}
	}
	if ask(Cache{}, "a", true, nil) != 1 {
		t.Error("without a cache it came from one")
	}
}
