// SPDX-License-Identifier: Apache-2.0

package launcher

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A build has a home directory of its own, and ccache still has its user's settings.
func TestTheUsersOwnSettingsHold(t *testing.T) {
	program, err := exec.LookPath(Ccache)
	if err != nil {
		t.Fatal(err)
	}
	write := func(path, text string) string {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return filepath.Dir(path)
	}
	for name, tt := range map[string]struct{ file, cache string }{
		"since 4":     {".config/ccache/ccache.conf", ".cache/ccache"},
		"before that": {".ccache/ccache.conf", ".ccache"},
	} {
		t.Run(name, func(t *testing.T) {
			home := t.TempDir()
			write(filepath.Join(home, tt.file), "max_size = 123M\n")
			write(filepath.Join(home, ".config/rpm/macros"), "%dist .mine\n")
			env := map[string]string{"HOME": home, "PATH": os.Getenv("PATH")}
			l, err := Setup(t.Context(), Ccache, func(name string) string { return env[name] }, filepath.Join(t.TempDir(), "launcher"))
			if err != nil {
				t.Fatal(err)
			}
			for key, want := range map[string]string{"max_size": "123", "cache_dir": filepath.Join(home, tt.cache)} {
				c := exec.Command(program, "--get-config", key)
				c.Env = append([]string{"HOME=/dev/null"}, l.Env()...)
				if out, err := c.Output(); err != nil || !strings.HasPrefix(string(out), want) {
					t.Errorf("%s is %q, %v; want %s", key, out, err, want)
				}
			}
			for _, v := range l.Env() {
				if dir, ok := strings.CutPrefix(v, "XDG_CONFIG_HOME="); ok {
					if _, err := os.Stat(filepath.Join(dir, "rpm")); err == nil {
						t.Errorf("rpm's macros of the user are in %s", dir)
					}
				}
			}
		})
	}
}
