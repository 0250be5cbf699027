// SPDX-License-Identifier: Apache-2.0

package initramfs

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/u-root/u-root/pkg/cpio"
)

func TestWithCopy(t *testing.T) {
	// An archive whose length is no multiple of four, as of another writer.
	first := archive(t, cpio.StaticFile("init", "odd", 0o755))
	b, err := os.ReadFile(first)
	if err != nil {
		t.Fatal(err)
	}
	b = append(b, 0)
	if err := os.WriteFile(first, b, 0o644); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, err := range []error{
		os.MkdirAll(filepath.Join(dir, "sub/empty"), 0o755),
		os.WriteFile(filepath.Join(dir, "sub/script"), []byte("echo hello"), 0o755),
		os.Symlink("/etc/shadow", filepath.Join(dir, "link")),
		syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o644),
		os.Symlink(dir, dir+".link"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	a, err := Archive{Path: first}.WithCopy(filepath.Join(t.TempDir(), "both"), dir+".link", "/mnt/share")
	if err != nil {
		t.Fatal(err)
	}
	both, err := os.ReadFile(a.Path)
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(both)) != a.Size || !bytes.HasPrefix(both, b) {
		t.Fatalf("%d bytes, want %d with the %d of the first archive before", len(both), a.Size, len(b))
	}
	second := both[(len(b)+3)/4*4:]
	if !bytes.HasPrefix(second, []byte("070701")) {
		t.Fatalf("the second archive does not begin at a multiple of four: %.20q", second)
	}
	want := []string{"mnt/", "mnt/share/", "mnt/share/link /etc/shadow", "mnt/share/sub/", "mnt/share/sub/empty/", "mnt/share/sub/script echo hello executable"}
	got := records(t, file(t, string(second)))
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWithCopyRefuses(t *testing.T) {
	large := t.TempDir()
	f, err := os.Create(filepath.Join(large, "hole"))
	if err == nil {
		err = f.Truncate(MaxCopy + 1)
	}
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	for dir, want := range map[string]string{large: "more than 64 MiB", "/no/such": "no such file"} {
		_, err := Archive{Path: archive(t)}.WithCopy(filepath.Join(t.TempDir(), "both"), dir, "/mnt/share")
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: got %v, want %q", dir, err, want)
		}
	}
}
