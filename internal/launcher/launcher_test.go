// SPDX-License-Identifier: Apache-2.0

package launcher

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestCompilers(t *testing.T) {
	dir := t.TempDir()
	first, second := filepath.Join(dir, "first"), filepath.Join(dir, "second")
	for _, d := range []string{first, second} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{
		"gcc", "gcc-12", "x86_64-linux-gnu-gcc-12", "g++", "cc", "clang-19", "ccache",
		"gcc-ar", "gcc-ar-12", "c89-gcc", "gccgo", "ccmake", "x86_64-linux-gnu-gcc-ranlib",
	} {
		if err := os.WriteFile(filepath.Join(second, name), nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(first, "c++"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	// As Fedora has it: the compiler cache stands first for everybody.
	if err := os.Symlink(filepath.Join(second, "ccache"), filepath.Join(first, "gcc")); err != nil {
		t.Fatal(err)
	}
	got := compilers(first + ":" + second + ":relative:" + filepath.Join(dir, "none"))
	want := []string{"cc", "clang-19", "g++", "gcc", "gcc-12", "x86_64-linux-gnu-gcc-12"}
	if names := slices.Sorted(maps.Keys(got)); !slices.Equal(names, want) {
		t.Errorf("got %q, want %q", names, want)
	}
	if got["gcc"] != filepath.Join(second, "gcc") {
		t.Errorf("gcc is %s", got["gcc"])
	}
}

// What the user has set for a launcher is not touched.
func TestEnv(t *testing.T) {
	for name, want := range map[string]string{
		Ccache:  "PATH=/d/bin:/usr/bin CCACHE_STATSLOG=/d/log",
		Distcc:  "PATH=/d/bin:/usr/bin DISTCC_LOG=/d/log DISTCC_VERBOSE=1 DISTCC_NO_REWRITE_CROSS=1",
		Icecc:   "PATH=/d/bin:/usr/bin ICECC_LOGFILE=/d/log ICECC_DEBUG=debug",
		Sccache: "PATH=/d/bin:/usr/bin",
	} {
		l := Launcher{name: name, dir: "/d", path: "/usr/bin"}
		if got := strings.Join(l.Env(), " "); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}
