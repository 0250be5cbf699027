// SPDX-License-Identifier: Apache-2.0

package container

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// findVEHierarchy returns where a mount table has the `ve` cgroup. Every kernel that has it has
// it as version 1 (its files are legacy_cftypes), also beside version 2.
func findVEHierarchy(table string) (string, error) {
	b, err := os.ReadFile(table)
	if err != nil {
		return "", fmt.Errorf("read mount table: %w", err)
	}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) >= 4 && f[2] == "cgroup" && slices.Contains(strings.Split(f[3], ","), "ve") {
			return f[1], nil
		}
	}
	return "", errors.New("no ve cgroup is mounted (on an OpenVZ kernel of vz7 to vz9, run mount -t cgroup -o ve ve DIR)")
}

// pseudosuper is the file that lets a VE's processes do what only the host's processes may do.
const pseudosuper = "ve.pseudosuper"

// veGroup is a VE's directory in the hierarchy.
type veGroup struct {
	dir string
	id  int
}

// newVEGroup makes the directory for a VE and sets what must be set before a process enters: its
// number, and pseudosuper if the kernel has it (the first vz7 has not), which the VE's process 1
// resets. ve.features keeps the kernel's default, as libvzctl leaves it without a configuration.
func newVEGroup(hierarchy string, id int) (veGroup, error) {
	g := veGroup{filepath.Join(hierarchy, strconv.Itoa(id)), id}
	if err := os.Mkdir(g.dir, 0o755); err != nil {
		return g, err
	}
	if err := g.set(); err != nil {
		return g, errors.Join(err, g.remove())
	}
	return g, nil
}

func (g veGroup) set() error {
	for _, s := range []struct{ file, text string }{
		{"ve.veid", strconv.Itoa(g.id)},
		{pseudosuper, "1"},
	} {
		err := writeFile(filepath.Join(g.dir, s.file), s.text)
		if err != nil && !(s.file == pseudosuper && errors.Is(err, os.ErrNotExist)) {
			return err
		}
	}
	return nil
}

func (g veGroup) open(name string) (*os.File, error) {
	return os.OpenFile(filepath.Join(g.dir, name), os.O_WRONLY, 0)
}

// remove waits until the kernel says that the VE has stopped, and removes its directory, which
// may stay busy a little longer.
func (g veGroup) remove() error {
	limit := time.Now().Add(KillLimit)
	for {
		state, err := os.ReadFile(filepath.Join(g.dir, "ve.state"))
		if err == nil && string(bytes.TrimSpace(state)) == "STOPPED" {
			err = os.Remove(g.dir)
			if !errors.Is(err, unix.EBUSY) {
				return err
			}
		}
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if time.Now().After(limit) {
			return errors.Join(fmt.Errorf("remove VE %d, state %q: %w", g.id, state, ErrStuck), err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
