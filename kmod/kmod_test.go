// SPDX-License-Identifier: Apache-2.0

package kmod

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// need is a function, variable or macro of the kernel's that the probe uses, in kernels from
// one version on and below another; zeros are no bound.
type need struct {
	name        string
	from, below [3]int
}

// needs is everything that the probe wants of a kernel. A kernel whose headers lack one of
// these cannot take the probe: this is where a newer kernel shows first.
var needs = []need{
	{name: "ARRAY_SIZE"},
	{name: "DEFINE_SPINLOCK"},
	{name: "KERNEL_VERSION"},
	{name: "MODULE_DESCRIPTION"},
	{name: "MODULE_LICENSE"},
	{name: "MODULE_PARM_DESC"},
	{name: "S_ISDIR"},
	{name: "THIS_MODULE"},
	{name: "container_of"},
	{name: "module_exit"},
	{name: "module_init"},
	{name: "module_param"},
	{name: "module_param_named"},
	{name: "msleep"},
	{name: "spin_lock"},
	{name: "spin_unlock"},
	{name: "strcmp"},
	{name: "d_alloc_name"},
	{name: "d_add"},
	{name: "dput"},
	{name: "iput"},
	{name: "new_inode"},
	{name: "dcache_dir_open"},
	{name: "dcache_dir_close"},
	{name: "dcache_dir_lseek"},
	{name: "dcache_readdir"},
	{name: "generic_read_dir"},
	{name: "simple_getattr"},
	{name: "simple_lookup"},
	{name: "simple_read_from_buffer"},
	{name: "simple_statfs"},
	{name: "register_filesystem"},
	{name: "unregister_filesystem"},
	{name: "pr_info"},
	{name: "kill_anon_super"},
	{name: "d_alloc_root", below: [3]int{3, 4, 0}},
	{name: "d_make_root", from: [3]int{3, 4, 0}},
	{name: "get_sb_nodev", below: [3]int{2, 6, 38}},
	{name: "mount_nodev", from: [3]int{2, 6, 38}, below: [3]int{5, 3, 0}},
	{name: "get_tree_nodev", from: [3]int{5, 3, 0}},
	// One of them, as Kbuild finds out: see TestKernelsHaveWhatTheProbeNeeds.
	{name: "kill_litter_super", below: [3]int{0, 0, 1}},
	{name: "d_make_persistent", below: [3]int{0, 0, 1}},
}

var (
	commentOrText = regexp.MustCompile(`(?s)/\*.*?\*/|"(?:\\.|[^"\\])*"`)
	called        = regexp.MustCompile(`\b([A-Za-z_]\w*)\s*\(`)
	member        = regexp.MustCompile(`\.\w+\s*=\s*(\w+)`)
	word          = regexp.MustCompile(`\b\w+\b`)
)

// TestNeedsAreComplete holds the table against the probe's source: what the probe calls or
// points to, and does not define itself, is in it, and what is in it the probe uses.
func TestNeedsAreComplete(t *testing.T) {
	data, err := fs.ReadFile(Lustreprobe(), "lustreprobe.c")
	if err != nil {
		t.Fatal(err)
	}
	src := commentOrText.ReplaceAllString(string(data), `""`)
	own := []string{"if", "for", "sizeof", "type"}
	inTable := func(name string) bool {
		return slices.ContainsFunc(needs, func(n need) bool { return n.name == name })
	}
	found := 0
	for _, re := range []*regexp.Regexp{called, member} {
		for _, m := range re.FindAllStringSubmatch(src, -1) {
			name := m[1]
			if strings.HasPrefix(strings.ToLower(name), "probe_") || slices.Contains(own, name) {
				continue
			}
			if found++; !inTable(name) {
				t.Errorf("the probe uses %s, which is not in the table", name)
			}
		}
	}
	if found < 30 {
		t.Errorf("only %d uses found", found)
	}
	words := word.FindAllString(src, -1)
	for _, n := range needs {
		if !slices.Contains(words, n.name) {
			t.Errorf("the probe does not use %s", n.name)
		}
	}
}

// TestKernelsHaveWhatTheProbeNeeds looks for the table's names in the headers of the trees that
// OVZPATCH_TEST_SOURCES names, a pattern each.
func TestKernelsHaveWhatTheProbeNeeds(t *testing.T) {
	patterns := filepath.SplitList(os.Getenv("OVZPATCH_TEST_SOURCES"))
	if len(patterns) == 0 {
		t.Skip("OVZPATCH_TEST_SOURCES names no kernel trees")
	}
	for _, p := range patterns {
		dirs, _ := filepath.Glob(p)
		if len(dirs) == 0 {
			t.Errorf("%s: nothing is there", p)
		}
		for _, dir := range dirs {
			version := versionOf(t, dir)
			words := headerWords(t, dir)
			for _, n := range needs {
				bound := n.below != [3]int{}
				if slices.Compare(version[:], n.from[:]) < 0 || bound && slices.Compare(version[:], n.below[:]) >= 0 {
					continue
				}
				if !words[n.name] {
					t.Errorf("%s, %v: nothing declares %s", dir, version, n.name)
				}
			}
			// As Kbuild has it.
			if !words["kill_litter_super"] && !words["d_make_persistent"] {
				t.Errorf("%s, %v: neither kill_litter_super nor d_make_persistent", dir, version)
			}
		}
	}
}

func versionOf(t *testing.T, dir string) (v [3]int) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"VERSION", "PATCHLEVEL", "SUBLEVEL"} {
		m := regexp.MustCompile(`(?m)^` + name + `\s*=\s*(\d+)`).FindSubmatch(data)
		if m == nil {
			t.Fatalf("%s: no %s", dir, name)
		}
		fmt.Sscan(string(m[1]), &v[i])
	}
	return v
}

// headerWords says which of the table's names stand in the headers of a tree.
func headerWords(t *testing.T, dir string) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	whole := map[string]*regexp.Regexp{}
	for _, n := range needs {
		whole[n.name] = regexp.MustCompile(`\b` + n.name + `\b`)
	}
	err := filepath.WalkDir(filepath.Join(dir, "include"), func(path string, e fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".h" || !e.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, n := range needs {
			if !all[n.name] && bytes.Contains(data, []byte(n.name)) {
				all[n.name] = whole[n.name].Match(data)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
