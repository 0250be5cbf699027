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

// kernelObjects is how many objects of each kind the kernel has, none where it does not say
// (a kernel without CONFIG_SLUB_DEBUG).
func kernelObjects() (map[string]int, error) {
	b, err := os.ReadFile("/proc/slabinfo")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("count the kernel's objects: %w", err)
	}
	return parseObjects(string(b)), nil
}

// parseObjects reads the first two columns of /proc/slabinfo: the name, and how many are in use.
func parseObjects(slabinfo string) map[string]int {
	objects := map[string]int{}
	for line := range strings.Lines(slabinfo) {
		f := strings.Fields(line)
		if len(f) < 3 || strings.HasPrefix(line, "#") {
			continue
		}
		if n, err := strconv.Atoi(f[1]); err == nil {
			objects[f[0]] = n
		}
	}
	return objects
}

// reclaimable are kinds that the kernel keeps for later at will: names and files of /proc.
var reclaimable = []string{"dentry", "dentry_cache", "proc_inode_cache", "inode_cache", "shmem_inode_cache"}

// keptObjects names the kinds of which there is about one more for each call, "" for none. The
// kernel counts what lies ready for the next as in use, so that it may be some more or less.
func keptObjects(before, after map[string]int, calls int) string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if n := after[name] - before[name]; n > calls*3/4 && !slices.Contains(reclaimable, name) {
			out = append(out, fmt.Sprintf("%d %s", n, name))
		}
	}
	return strings.Join(out, ", ")
}
