// SPDX-License-Identifier: Apache-2.0

package fit

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"ovzpatch/internal/cache"
	"ovzpatch/internal/gate"
	"ovzpatch/internal/source"
)

// The answer of the gate check is kept for the same texts of the same tarball, with its doubts; anything
// else is asked anew.
func TestTheGatesAnswerIsKept(t *testing.T) {
	c := cache.Cache{Dir: filepath.Join(t.TempDir(), "cache")}
	unread := errors.New("the headers were read")
	check := func(digest string, headers func() (*source.Files, error), before, after string) (*gate.Gate, error) {
		files := &source.Files{Files: map[string]source.File{}}
		f := &Fit{cache: c, Files: files, reading: &reading{files, headers, digest}}
		return f.checkGate(t.Context(), []byte(before), []byte(after))
	}
	none := func() (*source.Files, error) { return &source.Files{}, nil }
	refuse := func() (*source.Files, error) { return nil, unread }
	first, err := check("d", none, "int a;", "int b;")
	wrong, ok := errors.AsType[*gate.Error](err)
	if !ok || first == nil || wrong.Gate != first {
		t.Fatalf("got %v, %v", first, err)
	}
	again, errAgain := check("d", refuse, "int a;", "int b;")
	if !reflect.DeepEqual(first, again) || errAgain == nil || errAgain.Error() != err.Error() {
		t.Errorf("first %+v, %v, then %+v, %v", first, err, again, errAgain)
	}
	for _, other := range [][]string{{"e", "int a;", "int b;"}, {"d", "int c;", "int b;"}, {"d", "int a;", "int c;"}, {"", "int a;", "int b;"}} {
		if _, err := check(other[0], refuse, other[1], other[2]); !errors.Is(err, unread) {
			t.Errorf("%q: got %v", other, err)
		}
	}
}

// checkpatch.pl runs once for the same script, patch and perl. What a user's .checkpatch.conf says counts neither
// way: the answer would depend on who asks.
func TestCheckpatchsAnswerIsKept(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	if err := os.WriteFile(filepath.Join(home, ".checkpatch.conf"), []byte("--quiet\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ran := filepath.Join(t.TempDir(), "ran")
	c := cache.Cache{Dir: filepath.Join(t.TempDir(), "cache")}
	ask := func(patch, more string) (says []string, times int) {
		t.Helper()
		os.Remove(ran)
		script := `open(F, ">>", "` + ran + `"); print F "x"; close F; -e "$ENV{HOME}/.checkpatch.conf" and die; ` +
			`open(P, "<", $ARGV[-1]); print "says: ", <P>; exit ($ARGV[-1] eq "bad" ? 9 : 1)` + more
		f := &Fit{cache: c, Files: &source.Files{Files: map[string]source.File{checkpatchFiles[0]: {Data: []byte(script)}}}}
		f.Name, f.Port = "p", []byte(patch)
		if patch == "bad" {
			f.Name = patch
		}
		says, err := f.checkStyle(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		data, _ := os.ReadFile(ran)
		return says, len(data)
	}
	for i, tt := range []struct {
		patch, more, says string
		times             int
	}{
		{"one", "", "says: one", 1},
		{"one", "", "says: one", 0},
		{"two", "", "says: two", 1},
		{"one", "\n# another", "says: one", 1},
		// What does not run may run with another machine's perl.
		{"bad", "", "not run: ", 1},
		{"bad", "", "not run: ", 1},
	} {
		if says, times := ask(tt.patch, tt.more); times != tt.times || len(says) != 1 || !strings.HasPrefix(says[0], tt.says) {
			t.Errorf("%d: %q, ran %d times, want %d", i, says, times, tt.times)
		}
	}
}
