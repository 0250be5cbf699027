// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"os"
	"path/filepath"
	"testing"
)

// A user's own macros do not reach the package that stands for a system.
func TestSystemIsNoUsers(t *testing.T) {
	home := t.TempDir()
	if err := os.WriteFile(filepath.Join(home, ".rpmmacros"), []byte("%__spec_install_pre exit 9\n%_build_name_fmt other.rpm\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOME", home)
	c := &client{dir: t.TempDir()}
	if err := c.system(t.Context(), []relation{{Name: "dracut"}}); err != nil {
		t.Fatal(err)
	}
	made, err := filepath.Glob(filepath.Join(c.dir, "system", "noarch", systemName+"-1-1.noarch.rpm"))
	if err != nil || len(made) != 1 {
		all, _ := filepath.Glob(filepath.Join(c.dir, "system", "*"))
		t.Errorf("%q %v", all, err)
	}
}
