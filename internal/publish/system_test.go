// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A user's own macros, and settings of another language, change nothing of what is signed and verified.
func TestHostileMacros(t *testing.T) {
	slow(t)
	f := newFixture(t)
	f.keep("x86_64", "1", nil)
	home := t.TempDir()
	macros := "%__gpg /bin/false\n%__gpg_sign_cmd /bin/false\n%_gpg_sign_cmd_extra_args --no-such\n%_gpg_digest_algo md5\n%_pkgverify_level none\n" +
		"%_dbpath /nowhere\n%_keyringpath /nowhere\n%_keyring fs\n%__rpmkeys /bin/false\n%_install_langs none\n%_topdir /nowhere\n%_tmppath /nowhere\n"
	for _, path := range []string{".rpmmacros", ".config/rpm/macros"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(home, path)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(home, path), []byte(macros), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	quiet := os.Getenv("HOME")
	t.Setenv("HOME", home)
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(home, ".config"))
	// Once with a directory of keys that is named, once with the user's own.
	f.publish()
	f.keep("x86_64", "2", nil)
	f.o.OwnGPGHome, f.o.GPGHome = f.o.GPGHome, ""
	t.Setenv("GNUPGHOME", f.o.OwnGPGHome)
	res := f.publish()
	t.Setenv("HOME", quiet)
	t.Setenv("XDG_CONFIG_HOME", "")
	for _, p := range res.Generation.Packages {
		if out := f.signature(filepath.Join(f.o.To, "current/modern", p.Path)); !strings.Contains(out, "RSA/SHA256 Signature") {
			t.Errorf("%s", out)
		}
	}
}

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
