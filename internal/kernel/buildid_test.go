// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

const testBuildID = "0123456789abcdef0123456789abcdef01234567"

// linked returns a program of which the linker says what is wanted of its build id.
func linked(t *testing.T, flag string) []byte {
	t.Helper()
	dir := t.TempDir()
	source, program := filepath.Join(dir, "a.c"), filepath.Join(dir, "a")
	if err := os.WriteFile(source, []byte("void _start(void) {}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("gcc", "-m64", "-nostdlib", "-static", "-Wl,"+flag, "-o", program, source).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	b, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBuildID(t *testing.T) {
	program := linked(t, "--build-id=0x"+testBuildID)
	for _, packer := range []string{"xz", "zstd", "lz4", "gzip"} {
		got, err := BuildID(t.Context(), bzImage(0x20f, packed(t, packer, program)))
		if err != nil || hex.EncodeToString(got) != testBuildID {
			t.Errorf("%s: %x, %v", packer, got, err)
		}
	}
	if got, err := BuildID(t.Context(), program); err != nil || hex.EncodeToString(got) != testBuildID {
		t.Errorf("not packed: %x, %v", got, err)
	}
}

func TestNoBuildID(t *testing.T) {
	if got, err := BuildID(t.Context(), linked(t, "--build-id=none")); !errors.Is(err, ErrNoBuildID) {
		t.Errorf("got %x, %v", got, err)
	}
	whole := linked(t, "--build-id=0x"+testBuildID)
	for name, change := range map[string]func([]byte) []byte{
		"text":             func([]byte) []byte { return []byte("no kernel") },
		"32 bits":          func(b []byte) []byte { b[4] = 1; return b },
		"headers far away": func(b []byte) []byte { binary.LittleEndian.PutUint64(b[32:], 1<<62); return b },
		"headers too many": func(b []byte) []byte { binary.LittleEndian.PutUint16(b[56:], 65535); return b },
		"cut off":          func(b []byte) []byte { return b[:100] },
	} {
		if got, err := BuildID(t.Context(), change(bytes.Clone(whole))); err == nil {
			t.Errorf("%s: got %x", name, got)
		}
	}
}

func TestNoteBuildID(t *testing.T) {
	note := func(name string, kind uint32, desc []byte) []byte {
		var b []byte
		b = binary.LittleEndian.AppendUint32(b, uint32(len(name)))
		b = binary.LittleEndian.AppendUint32(b, uint32(len(desc)))
		b = binary.LittleEndian.AppendUint32(b, kind)
		pad := func(b []byte) []byte { return append(b, make([]byte, -len(b)&3)...) }
		return append(append(b, pad([]byte(name))...), pad(desc)...)
	}
	xen, linux := note("Xen\x00", 3, []byte("xx")), note("Linux\x00", 0x101, []byte{1})
	id := note("GNU\x00", 3, []byte("abcde"))
	if got := noteBuildID(append(append(xen, linux...), id...)); string(got) != "abcde" {
		t.Errorf("got %q", got)
	}
	for i := range id {
		if got := noteBuildID(id[:i]); got != nil {
			t.Errorf("cut off after %d bytes: %q", i, got)
		}
	}
	huge := bytes.Clone(id)
	binary.LittleEndian.PutUint32(huge, 0xffffffff)
	if got := noteBuildID(huge); got != nil {
		t.Errorf("a name beyond the end: %q", got)
	}
}
