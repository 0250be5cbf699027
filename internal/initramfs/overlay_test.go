// SPDX-License-Identifier: Apache-2.0

package initramfs

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/u-root/u-root/pkg/cpio"
)

// overlayDir makes a tree of what the table says: a name ending in / is a directory,
// "-> x" a link.
func overlayDir(t *testing.T, entries map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range entries {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if to, link := strings.CutPrefix(content, "-> "); link {
			err = os.Symlink(to, p)
		} else {
			err = os.WriteFile(p, []byte(content), 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func contents(t *testing.T, b []byte) map[string]string {
	t.Helper()
	records, err := readArchive(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, r := range records {
		data, err := io.ReadAll(io.NewSectionReader(r, 0, int64(r.FileSize)))
		if err != nil {
			t.Fatal(err)
		}
		out[r.Name] = fmt.Sprintf("%o %s", r.Mode, data)
	}
	return out
}

func TestWriteOverlay(t *testing.T) {
	dir := overlayDir(t, map[string]string{
		"usr/sbin/mount.lustre": "helper", "usr/bin/lctl": "lctl", "bin": "-> usr/bin", "lib64": "-> usr/lib64",
		"usr/lib64/libc.so.6": "libc", "lib/modules/1/a.ko": "module", "etc/passwd": "-> /etc/shadow",
	})
	if err := exec.Command("mkfifo", filepath.Join(dir, "pipe")).Run(); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	err := WriteOverlay(&b, dir, func(name string) bool { return name == "lib/modules" },
		map[string]Content{"/etc/umounttest/setup": {Data: []byte("true"), Executable: true}})
	if err != nil {
		t.Fatal(err)
	}
	got := contents(t, b.Bytes())
	for name, want := range map[string]string{
		"usr/sbin/mount.lustre": "100755 helper", "bin/lctl": "120777 /usr/bin/lctl", "bin": "40755 ", "lib64": "120777 usr/lib64",
		"etc/passwd": "120777 /etc/shadow", "etc/umounttest/setup": "100755 true", "lib": "40755 ",
	} {
		if got[name] != want {
			t.Errorf("%s: %q, want %q", name, got[name], want)
		}
	}
	for _, name := range []string{"pipe", "lib/modules", "lib/modules/1/a.ko"} {
		if _, there := got[name]; there {
			t.Errorf("%s is in the archive", name)
		}
	}
}

// A tree that leads out of itself must not bring files of this machine in.
func TestWriteOverlayStaysInside(t *testing.T) {
	for _, to := range []string{"../../../../usr/bin", "/no/such"} {
		var b bytes.Buffer
		err := WriteOverlay(&b, overlayDir(t, map[string]string{"bin": "-> " + to}), func(string) bool { return false }, nil)
		if err == nil || !strings.Contains(err.Error(), "follow /bin") {
			t.Errorf("%s: %v", to, err)
		}
	}
}

func TestJoin(t *testing.T) {
	first, more := archive(t), archive(t, cpio.StaticFile("more", "abc", 0o644))
	joined := filepath.Join(t.TempDir(), "joined")
	if err := Join(joined, first, more, more); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(joined)
	if err != nil {
		t.Fatal(err)
	}
	tail, err := os.ReadFile(more)
	if err != nil {
		t.Fatal(err)
	}
	if i := bytes.Index(b, tail); i <= 0 || i%4 != 0 || !bytes.HasSuffix(b, tail) || bytes.Count(b, tail) != 2 {
		t.Errorf("the joined archive lies at %d", i)
	}
	if err := Join(joined, file(t, "x")); err == nil || !strings.Contains(err.Error(), "not a newc archive") {
		t.Errorf("no archive: %v", err)
	}
}
