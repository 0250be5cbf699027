// SPDX-License-Identifier: Apache-2.0

package livepatch

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ovzpatch/internal/job"
)

// stock is what the configuration of a kernel that takes the module has, among other things.
const stock = `CONFIG_CC_VERSION_TEXT="x86_64-linux-gnu-gcc-12 (Debian 12.2.0-14+deb12u1) 12.2.0"
CONFIG_X86_64=y
CONFIG_LIVEPATCH=y
CONFIG_HAVE_FENTRY=y
CONFIG_DYNAMIC_FTRACE_WITH_ARGS=y
CONFIG_HAVE_RELIABLE_STACKTRACE=y
CONFIG_SECURITY=y
`

func TestConfigs(t *testing.T) {
	if err := config(stock).check(); err != nil {
		t.Error(err)
	}
	if err := config(stock + "CONFIG_DEBUG_VE=y\n# CONFIG_VE is not set\n").check(); err != nil {
		t.Error(err)
	}
	for option, word := range map[string]string{
		"X86_64": "x86_64", "LIVEPATCH": "CONFIG_LIVEPATCH", "HAVE_FENTRY": "ftrace", "DYNAMIC_FTRACE_WITH_ARGS": "ftrace",
		"HAVE_RELIABLE_STACKTRACE": "CONFIG_UNWINDER_ORC", "SECURITY": "CONFIG_SECURITY",
	} {
		err := config(strings.Replace(stock, "CONFIG_"+option+"=y", "# CONFIG_"+option+" is not set", 1)).check()
		if !errors.Is(err, job.ErrRequest) || !strings.Contains(err.Error(), word) || !strings.Contains(err.Error(), "reboot") {
			t.Errorf("without %s: %v", option, err)
		}
	}
	if err := config(stock + "CONFIG_VE=y\n").check(); !errors.Is(err, job.ErrRequest) || !strings.Contains(err.Error(), "CONFIG_VE") {
		t.Errorf("with VEs: %v", err)
	}
}

// assembled returns a relocatable file.
func assembled(t *testing.T, source string) []byte {
	t.Helper()
	dir := t.TempDir()
	in, out := filepath.Join(dir, "a.s"), filepath.Join(dir, "a.o")
	if err := os.WriteFile(in, []byte(source), 0o644); err != nil {
		t.Fatal(err)
	}
	if b, err := exec.Command("as", "--64", "-o", out, in).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const way = `	.text
	call	other
	.section .ovz.klp.rela.vmlinux.old, "ax"
	jmp	".klp.sym.vmlinux.path_umount,0" + 9
`

func TestMark(t *testing.T) {
	module := assembled(t, way)
	if err := mark(module); err != nil {
		t.Fatal(err)
	}
	f, err := elf.NewFile(bytes.NewReader(module))
	if err != nil {
		t.Fatal(err)
	}
	s := f.Section(".klp.rela.vmlinux.old")
	if s == nil || s.Flags&shfRelaLive == 0 || s.Flags&elf.SHF_ALLOC == 0 || s.Type != elf.SHT_RELA {
		t.Errorf("the section is %+v", s)
	}
	if s := f.Section(".rela.text"); s == nil || s.Flags&shfRelaLive != 0 {
		t.Errorf("an ordinary section is %+v", s)
	}
	symbols, err := f.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]elf.SectionIndex{}
	for _, s := range symbols {
		got[s.Name] = s.Section
	}
	if got[".klp.sym.vmlinux.path_umount,0"] != shnLivepatch || got["other"] != elf.SHN_UNDEF {
		t.Errorf("the symbols are in %v", got)
	}
}

// What the kernel would relocate against address 0 must not come out.
func TestMarkRefuses(t *testing.T) {
	for name, module := range map[string][]byte{
		"an ordinary section with such a symbol": assembled(t, way+"\t.text\n\tcall \".klp.sym.vmlinux.path_umount,0\"\n"),
		"such a section with another symbol":     assembled(t, way+"\tcall other\n"),
		"nothing of the kind":                    assembled(t, "\t.text\n\tcall other\n"),
		"no module":                              []byte("text"),
		"cut off":                                assembled(t, way)[:200],
		"a program's kind":                       asType(assembled(t, way), elf.ET_EXEC),
	} {
		if err := mark(module); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func asType(file []byte, kind elf.Type) []byte {
	binary.LittleEndian.PutUint16(file[16:], uint16(kind))
	return file
}

func TestCompilers(t *testing.T) {
	by := func(names ...string) []byte {
		return assembled(t, "\t.section .comment\n\t.ascii \"\\0"+strings.Join(names, "\\0")+"\\0\"\n")
	}
	const gcc = "GCC: (Debian 12.2.0-14+deb12u1) 12.2.0"
	clang := config(`CONFIG_CC_VERSION_TEXT="Debian clang version 14.0.6"` + "\n")
	for _, c := range []struct {
		config config
		module []byte
		want   string // "" for no error
	}{
		{stock, by(gcc, gcc), ""},
		{clang, by("Debian clang version 14.0.6"), ""},
		{stock, by(gcc, "GCC: (Debian 13.2.0-1) 13.2.0"), "13.2.0"},
		{clang, by(gcc), "clang"},
		{stock, assembled(t, way), ".comment"},
		{"", by(gcc), "CONFIG_CC_VERSION_TEXT"},
	} {
		err := c.config.checkCompiler(c.module)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("want an error with %q, got %v", c.want, err)
		}
	}
}

func TestImages(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	real := file("real", "ffffffff81000000 T path_umount\nffffffff81000010 T security_sb_umount\n")
	inlined := file("inlined", "ffffffff81000000 T security_sb_umount\nffffffff81000010 t path_umount.part.0\n")
	debian := file("debian", "ffffffffffffffff B The real System.map is in the linux-image-<version>-dbg package\n")
	nowhere := filepath.Join(dir, "nowhere")
	const types = "\x7fELF\x00task_struct\x00path_umount\x00security_sb_umount\x00"
	btf := config("CONFIG_DEBUG_INFO_BTF=y\n")
	for name, c := range map[string]struct {
		config config
		image  string
		maps   []string
		err    string // "" for none
		note   bool
	}{
		"by its System.map":                {"", "\x7fELF", []string{nowhere, debian, real, inlined}, "", false},
		"by its types":                     {btf, types, []string{nowhere, debian}, "", false},
		"unknown":                          {"", types, []string{debian}, "", true},
		"without the function, by the map": {btf, types, []string{inlined, real}, "path_umount, by its System.map", false},
		"without it, by its types":         {btf, "\x7fELF\x00task_struct\x00path_umount_x\x00security_sb_umount\x00", nil, "path_umount, by its type", false},
		"without the second":               {btf, "\x7fELF\x00task_struct\x00path_umount\x00", nil, "security_sb_umount, by its type", false},
		"a part of a kernel":               {btf, "\x7fELF\x00path_umount\x00security_sb_umount\x00", nil, "no type information (BTF), though", false},
		"with the port":                    {btf, types + "Forced umount of lustre fs is not allowed inside container (%u)", []string{real}, "has the port already", false},
		"no kernel":                        {btf, "text", []string{real}, "unknown", false},
	} {
		note, err := checkImage(t.Context(), c.config, []byte(c.image), c.maps)
		if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) || (note != "") != c.note {
			t.Errorf("%s: %q, %v", name, note, err)
		}
	}
}
