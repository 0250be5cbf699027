// SPDX-License-Identifier: Apache-2.0

package patch

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"ovzpatch/internal/testutil"
)

// The error of a disk that is full or cannot be written to names the user's file, not one of ours, and
// nothing is left of the attempt.
func TestErrorsOfADiskNameTheUsersFile(t *testing.T) { testutil.RunAlone(t, diskErrors) }

func diskErrors(t *testing.T, dir string) {
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k,mode=755"); err != nil {
		t.Fatal(err)
	}
	writeTree(t, dir, map[string]string{"fs/a.c": "one\ntwo\nthree\n"})
	const text = "--- a/fs/a.c\n+++ b/fs/a.c\n@@ -1,3 +1,3 @@\n one\n-two\n+TWO\n three\n"
	rejects := []Reject{{"fs/a.c.rej", []byte("text")}}
	if err := WriteRejects(t.Context(), dir, rejects[:0]); err != nil {
		t.Fatal(err)
	}
	os.WriteFile(filepath.Join(dir, "filler"), make([]byte, 1<<20), 0o644) // as much as there is room for
	before := shape(t, dir)
	for name, tt := range map[string]struct {
		err  error
		want string
	}{
		"apply":   {applyText(t.Context(), dir, text, Options{Strip: -1}), "write fs/a.c anew: write " + dir + "/fs/a.c: no space left on device"},
		"rejects": {WriteRejects(t.Context(), dir, rejects), "write reject fs/a.c.rej: write " + dir + "/fs/a.c.rej: no space left on device"},
	} {
		if tt.err == nil || !strings.HasSuffix(tt.err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s", name, tt.err, tt.want)
		}
	}
	if after := shape(t, dir); len(after) != len(before) {
		t.Errorf("there is now\n%v\nwas\n%v", after, before)
	}
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		err  error
		want string
	}{
		"apply":   {applyText(t.Context(), dir, text, Options{Strip: -1}), "write " + dir + ": read-only file system"},
		"rejects": {WriteRejects(t.Context(), dir, rejects), "write reject fs/a.c.rej: write fs/a.c.rej: read-only file system"},
	} {
		if tt.err == nil || !strings.HasSuffix(tt.err.Error(), tt.want) || strings.Contains(tt.err.Error(), "\n") {
			t.Errorf("%s: %v, want %s", name, tt.err, tt.want)
		}
	}
}
