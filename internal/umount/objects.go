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

// objects is how many of the kernel's objects of one kind are in use, and how many fit in a slab.
type objects struct{ used, slab int }

// kernelObjects counts the kernel's objects of each kind. It returns none if the kernel does not tell (without
// CONFIG_SLUB_DEBUG).
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

// parseObjects reads /proc/slabinfo: the name, the number in use, and in the fifth column the number in a slab.
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

// reclaimable are kinds that the kernel keeps for later, such as names and files of /proc. OpenVZ's 2.6.18 also has a
// page_beancounter for each page of a program in a VE, as this one is.
var reclaimable = []string{"dentry", "dentry_cache", "proc_inode_cache", "inode_cache", "shmem_inode_cache", "page_beancounter"}

// keptObjects names the kinds of which each call left about one, "" for none. The kernel counts objects that it keeps
// ready as in use, so the number may be off by a whole slab. Of kinds with about as many in a slab as there were calls,
// such as kmalloc-cg-16, it tells nothing.
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
