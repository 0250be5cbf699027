// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestInstalled(t *testing.T) {
	home := t.TempDir()
	for _, name := range []string{"amd64/umounttest", "amd64/uroot.cpio", "386/umounttest", "386/uroot.cpio", "386/uroot-old.cpio"} {
		path := filepath.Join(home, "guest", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("one"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for release, want := range map[string]string{"6.1.192-1.x86_64": "", "2.6.32": "", "2.6.18-028stab": "umounttest-old: no such file or directory; run `make`"} {
		err := Ready(home, "i386", release)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", release, err, want)
		}
	}
	if err := Ready(t.TempDir(), "x86_64", "6.1"); err == nil || !strings.Contains(err.Error(), "run `make`") {
		t.Error(err)
	}
	list, err := Installed(home)
	if err != nil || len(list) != 5 || !strings.HasPrefix(list[0].SHA256, "7692c3ad") {
		t.Errorf("%v, %+v", err, list)
	}
	if list, err := Installed(t.TempDir()); err != nil || len(list) != 0 || list == nil {
		t.Errorf("nothing is installed: %+v, %v", list, err)
	}
}
