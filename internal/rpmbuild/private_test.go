// SPDX-License-Identifier: Apache-2.0

package rpmbuild_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What a user has set for his own rpmbuild and make stays out of a build.
func TestTheUsersOwnMacrosStayOut(t *testing.T) {
	home := t.TempDir()
	macros := "%dist .mine\n%_default_patch_fuzz 9\n%_sourcedir /nope\n%vendor me\n"
	for _, file := range []string{".rpmmacros", ".config/rpm/macros"} {
		path := filepath.Join(home, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(macros), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("HOME", home)
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(home, ".config"))
	t.Setenv("LOCALVERSION", "-mine")
	said := filepath.Join(t.TempDir(), "said")
	_, _, err := run(t, t.Context(), `echo "[%{?dist}] [%{?_default_patch_fuzz}] [%{?vendor}] %{_sourcedir} $LOCALVERSION $HOME $XDG_CONFIG_HOME" >`+said)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(said)
	if err != nil || !strings.HasPrefix(string(b), "[] [0] ") {
		t.Errorf("%v, %q", err, b)
	}
	for _, not := range []string{"mine", "me]", "/nope", home} {
		if strings.Contains(string(b), not) {
			t.Errorf("%q got in: %q", not, b)
		}
	}
}
