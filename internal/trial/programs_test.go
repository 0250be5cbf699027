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
	list, err := Installed(home)
	if err != nil || len(list) != 5 || !strings.HasPrefix(list[0].SHA256, "7692c3ad") {
		t.Errorf("%v, %+v", err, list)
	}
	if list, err := Installed(t.TempDir()); err != nil || len(list) != 0 || list == nil {
		t.Errorf("nothing is installed: %+v, %v", list, err)
	}
}
