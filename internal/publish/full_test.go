// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"ovzpatch/internal/testutil"
)

// A full disk is told, at whatever step it is met, and leaves the old generation as it was; with
// room again all is well.
func TestFullDisk(t *testing.T) {
	slow(t)
	testutil.RunAlone(t, fullDisk)
}

// Programs that find no room for temporary files fail in ways of their own.
func TestNoRoomForTemporaryFiles(t *testing.T) {
	slow(t)
	testutil.RunAlone(t, func(t *testing.T, dir string) {
		if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=200k,mode=755"); err != nil {
			t.Fatal(err)
		}
		f := newFixture(t)
		f.keep("x86_64", "1", nil)
		t.Setenv("TMPDIR", dir)
		f.refused("bytes are left for " + dir)
		f.refused("; $TMPDIR can name another place")
	})
}

func fullDisk(t *testing.T, dir string) {
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=4m,mode=755"); err != nil {
		t.Fatal(err)
	}
	f := newFixture(t)
	f.o.To = filepath.Join(dir, "repo")
	f.keep("x86_64", "1", nil)
	f.publish()
	f.keep("x86_64", "2", nil)
	room := func() int64 {
		var st syscall.Statfs_t
		if err := syscall.Statfs(dir, &st); err != nil {
			t.Fatal(err)
		}
		return int64(st.Bavail) * st.Bsize
	}
	filler := filepath.Join(dir, "filler")
	// Enough for nothing; for copies and no metadata; no signature; no record.
	for _, left := range []int64{0, 52 << 10, 64 << 10, 76 << 10} {
		if err := os.WriteFile(filler, make([]byte, room()-left), 0o644); err != nil {
			t.Fatal(err)
		}
		before := f.tree()
		_, err := Publish(t.Context(), f.store, f.o)
		if err == nil || !strings.Contains(err.Error(), "the disk is full") {
			t.Errorf("with %d bytes: %v", left, err)
		}
		if after := f.tree(); after != before {
			t.Errorf("with %d bytes it changed:\n%s\nwas:\n%s", left, after, before)
		}
		f.whole(1)
		if err := os.Remove(filler); err != nil {
			t.Fatal(err)
		}
	}
	if res := f.publish(); res.Generation.Number != 2 {
		t.Errorf("%+v", res.Generation)
	}
	f.whole(2)
}
