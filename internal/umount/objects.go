// SPDX-License-Identifier: Apache-2.0

package umount

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
)

// objects says of a kind of the kernel's how many there are, and how many it makes at a time.
type objects struct{ used, slab int }

// kernelObjects counts the objects of each kind that the kernel has, none where it does not say
// (a kernel without CONFIG_SLUB_DEBUG).
func kernelObjects() (map[string]objects, error) {
	b, err := os.ReadFile("/proc/slabinfo")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("count the kernel's objects: %w", err)
	}
	return parseObjects(string(b)), nil
}

// parseObjects reads from /proc/slabinfo: the name, how many are in use, and in the fifth column
// how many are in one slab.
func parseObjects(slabinfo string) map[string]objects {
	all := map[string]objects{}
	for line := range strings.Lines(slabinfo) {
		f := strings.Fields(line)
		if len(f) < 5 || strings.HasPrefix(line, "#") {
			continue
		}
		used, err := strconv.Atoi(f[1])
		slab, err2 := strconv.Atoi(f[4])
		if err == nil && err2 == nil {
			all[f[0]] = objects{used, slab}
		}
	}
	return all
}

// reclaimable are kinds that the kernel keeps for later at will: names and files of /proc. And
// OpenVZ's 2.6.18 has a page_beancounter for each page that a program in a VE uses, this one too.
var reclaimable = []string{"dentry", "dentry_cache", "proc_inode_cache", "inode_cache", "shmem_inode_cache", "page_beancounter"}

// keptObjects names the kinds of which there is about one more for each call, "" for none. The
// kernel counts what lies ready for the next as in use, so that it may be some more or less: a
// whole slab. Of kinds with as many in one, such as kmalloc-cg-16, this tells nothing.
func keptObjects(before, after map[string]objects, calls int) string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(after)) {
		n, enough := after[name].used-before[name].used, calls*3/4
		if n > enough && after[name].slab < enough && !slices.Contains(reclaimable, name) {
			out = append(out, fmt.Sprintf("%d %s", n, name))
		}
	}
	return strings.Join(out, ", ")
}
