// SPDX-License-Identifier: Apache-2.0

package extmod

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ovzpatch/internal/job"
)

// module assembles a file with the .modinfo of a module.
func module(t *testing.T, file string, words ...string) {
	t.Helper()
	text := ".section .modinfo,\"a\"\n"
	for _, w := range words {
		text += ".asciz \"" + w + "\"\n"
	}
	as := exec.CommandContext(t.Context(), "as", "-o", file)
	as.Stdin = strings.NewReader(text)
	if out, err := as.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// The name that the kernel knows a livepatch by does not depend on its file's.
func TestLivepatch(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a copy.ko")
	module(t, file, "livepatch=Y", "name=ovzlivepatch_1", "vermagic=6.1.0-1 SMP ")
	if name, err := Livepatch(file); name != "ovzlivepatch_1" || err != nil {
		t.Errorf("%q, %v", name, err)
	}
}

func TestNoLivepatch(t *testing.T) {
	dir := t.TempDir()
	whole := filepath.Join(dir, "whole.ko")
	module(t, whole, "livepatch=Y", "name=a", "vermagic=6.1.0-1 SMP ")
	image, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(dir, "9pnet.ko")
	module(t, other, "name=9pnet", "vermagic=6.1.0-1 SMP ")
	for want, path := range map[string]string{
		"is a kernel module, but no livepatch": other,
		"RPM package; name the module in it":   put(t, dir, "a.rpm", "\xed\xab\xee\xdb\x03"),
		"EOF; name the module of a livepatch":  put(t, dir, "cut.ko", string(image[:len(image)/2])),
		"bad magic number":                     put(t, dir, "packed.ko.xz", "\xfd7zXZ\x00, and more"),
		"a .ko file, whole":                    put(t, dir, "empty.ko", ""),
	} {
		if name, err := Livepatch(path); !errors.Is(err, job.ErrRequest) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %q, %v, want %q", path, name, err, want)
		}
	}
}

func put(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
