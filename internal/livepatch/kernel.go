// SPDX-License-Identifier: Apache-2.0

package livepatch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"ovzpatch/internal/gate"
	"ovzpatch/internal/job"
	"ovzpatch/internal/kernel"
	"ovzpatch/internal/plainfile"
)

// remains is what to do where no livepatch is possible.
const remains = "what remains is a kernel with the patch and a reboot: ovzpatch build"

// targets are the kernel's functions that the module replaces. The first is there since Linux
// 5.9, the second with CONFIG_SECURITY.
var targets = []string{"path_umount", "security_sb_umount"}

// everyType is a type that the type information of each kernel has.
const everyType = "task_struct"

// config is a kernel's configuration.
type config string

func (c config) has(option string) bool {
	return strings.Contains("\n"+string(c), "\nCONFIG_"+option+"=y\n")
}

// compiler is what compiled the kernel, as its configuration says, "" where it does not.
func (c config) compiler() string {
	m := regexp.MustCompile(`(?m)^CONFIG_CC_VERSION_TEXT="(.*)"$`).FindStringSubmatch(string(c))
	if m == nil {
		return ""
	}
	return m[1]
}

// check refuses a kernel that takes no livepatch, or not this one.
func (c config) check() error {
	switch {
	case !c.has("X86_64"):
		return job.BadRequest(errors.New("the kernel is not for x86_64; only there does Linux have livepatches that this module fits; " + remains))
	case !c.has("LIVEPATCH"):
		return job.BadRequest(errors.New("the kernel takes no livepatch (CONFIG_LIVEPATCH is not set); " + remains))
	case !c.has("HAVE_FENTRY"), !c.has("DYNAMIC_FTRACE_WITH_ARGS") && !c.has("DYNAMIC_FTRACE_WITH_REGS"):
		return job.BadRequest(errors.New("the kernel's functions do not begin with a call of ftrace that can change where they go on (CONFIG_HAVE_FENTRY and CONFIG_DYNAMIC_FTRACE_WITH_ARGS or _WITH_REGS); " + remains))
	case !c.has("HAVE_RELIABLE_STACKTRACE"):
		return job.BadRequest(errors.New("the kernel cannot tell which functions a task is in (CONFIG_HAVE_RELIABLE_STACKTRACE is not set; CONFIG_UNWINDER_ORC selects it), so a livepatch would never finish; " + remains))
	case !c.has("SECURITY"):
		return job.BadRequest(errors.New("the kernel asks no security module before an umount (CONFIG_SECURITY is not set), and that is where this module writes its message; " + remains))
	case c.has("VE"):
		return job.BadRequest(errors.New("the kernel has OpenVZ's VEs (CONFIG_VE), and this module knows only namespaces as containers; " + remains))
	}
	return nil
}

// checkCompiler compares what compiled the module with what compiled the kernel.
func (c config) checkCompiler(module []byte) error {
	want := c.compiler()
	if want == "" {
		return job.BadRequest(errors.New("the configuration does not say what compiled the kernel (CONFIG_CC_VERSION_TEXT), so it is unknown whether this compiler fits; " + remains))
	}
	used, err := compilers(module)
	if err != nil {
		return err
	}
	if len(used) == 0 {
		return errors.New("the module does not say what compiled it (section .comment)")
	}
	for _, name := range used {
		// gcc writes "GCC: (Debian 12.2.0) 12.2.0", and of itself it says "gcc-12 (Debian 12.2.0) 12.2.0".
		_, version, _ := strings.Cut(want, " ")
		if name != want && name != "GCC: "+version {
			return job.BadRequest(fmt.Errorf("another compiler built the kernel: %q, but the module was compiled by %q: use the same one", want, name))
		}
	}
	return nil
}

// maxMap is far more than a System.map has: Debian's of 6.1 has 6 MiB.
const maxMap = 256 << 20

// readMap reads the first of the System.map files that is one, "" where none is. Debian's
// only says where the real one is.
func readMap(files []string) (string, error) {
	for _, file := range files {
		st, err := os.Stat(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil && st.Size() > maxMap {
			err = fmt.Errorf("it has %d MiB", st.Size()>>20)
		}
		if err != nil {
			return "", fmt.Errorf("read %s: %w", file, err)
		}
		b, err := plainfile.Read(file)
		if err != nil {
			return "", err
		}
		if strings.Contains(string(b), " T ") {
			return string(b), nil
		}
	}
	return "", nil
}

// checkImage refuses a kernel image that holds the port, or not the functions. It returns a
// sentence where that stays open.
func checkImage(ctx context.Context, c config, image []byte, maps []string) (note string, err error) {
	text, err := readMap(maps)
	if err != nil {
		return "", err
	}
	// To unpack a kernel takes long enough to do it once.
	sought := []string{gate.MessageHead}
	if text == "" && c.has("DEBUG_INFO_BTF") {
		for _, name := range append([]string{everyType}, targets...) {
			sought = append(sought, "\x00"+name+"\x00")
		}
	}
	held, err := kernel.ImageHolds(ctx, image, sought...)
	if err != nil {
		return "", err
	}
	if held[0] {
		return "", job.BadRequest(errors.New("the kernel has the port already and needs no livepatch: nothing was done"))
	}
	from, held := "type information (BTF)", held[1:]
	switch {
	case text != "":
		from = "System.map"
		for _, name := range targets {
			held = append(held, strings.Contains(text, " T "+name+"\n"))
		}
	case len(held) > 0 && !held[0]:
		return "", job.BadRequest(errors.New("the image has no type information (BTF), though the configuration beside the headers has CONFIG_DEBUG_INFO_BTF: it is not whole, no kernel, or another one's"))
	case len(held) > 0:
		held = held[1:]
	default:
		return fmt.Sprintf("whether the kernel has %s is not known here: it has no System.map and no type information. Where it lacks one, it refuses the module", strings.Join(targets, " and ")), nil
	}
	for i, name := range targets {
		if !held[i] {
			return "", job.BadRequest(fmt.Errorf("the kernel has no function %s, by its %s (Linux has path_umount since 5.9); %s", name, from, remains))
		}
	}
	return "", nil
}

// systemMaps are the places of a kernel's System.map.
func systemMaps(tree, image, modules, release string) []string {
	return []string{
		filepath.Join(tree, "System.map"),
		filepath.Join(modules, "System.map"),
		filepath.Join(filepath.Dir(image), "System.map-"+release),
	}
}
