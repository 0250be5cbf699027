// SPDX-License-Identifier: Apache-2.0

package umount

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Filesystem is the filesystem under test.
type Filesystem interface {
	// Mount mounts a new superblock at dir, with dataFile and dirName in it.
	Mount(ctx context.Context, fstype, dir string) error
	// Forced returns how often umount_begin was called for a type since it was registered, always 0
	// for a filesystem that does not count (Case.Uncounted).
	Forced(fstype string) (int, error)
	// Live returns the number of superblocks, always 0 for a filesystem that does not count.
	Live() (int, error)
}

// Probe is the filesystem of our own module, which stands in for Lustre.
type Probe struct{}

// Mount mounts without a helper. Each mount is a superblock of its own.
func (Probe) Mount(_ context.Context, fstype, dir string) error {
	if err := unix.Mount("none", dir, fstype, 0, ""); err != nil {
		return fmt.Errorf("mount %s at %s: %w", fstype, dir, err)
	}
	return nil
}

// Forced reads the module's count.
func (p Probe) Forced(fstype string) (int, error) { return p.parameter(fstype + "_umount_begin") }

// Live reads the module's count.
func (p Probe) Live() (int, error) { return p.parameter("superblocks") }

// HasNFS reports whether the probe could register the type nfs.
func (p Probe) HasNFS() (bool, error) {
	n, err := p.parameter("nfs_registered")
	return n != 0, err
}

func (Probe) parameter(name string) (int, error) {
	path := "/sys/module/lustreprobe/parameters/" + name
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, fmt.Errorf("read the probe's count: %w (load lustreprobe.ko)", err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return 0, fmt.Errorf("read the probe's count in %s: %w", path, err)
	}
	return n, nil
}

// Lustre is real Lustre: a client's mount of Source, for example 10.0.0.1@tcp:/lustre. Each mount has its own
// superblock and imports, so a forced umount does not harm the next case.
type Lustre struct{ Source string }

// mountHelpers are the usual paths of the helper that mount(8) runs for the type.
var mountHelpers = []string{"/sbin/mount.lustre", "/usr/sbin/mount.lustre"}

// Mount mounts with Lustre's helper. If there is none, it passes the kernel the one option that the helper would
// (device=).
func (l Lustre) Mount(ctx context.Context, fstype, dir string) error {
	helper, err := mountHelper()
	switch {
	case err != nil:
		return err
	case helper == "":
		err = unix.Mount(l.Source, dir, fstype, 0, "device="+l.Source)
	default:
		var out []byte
		if out, err = exec.CommandContext(ctx, helper, l.Source, dir).CombinedOutput(); err != nil {
			err = fmt.Errorf("%w: %s%s", err, strings.Join(strings.Fields(string(out)), " "), noServers(err))
		}
	}
	if err != nil {
		return fmt.Errorf("mount %s at %s (helper: %s): %w", l.Source, dir, orNone(helper), err)
	}
	return populate(dir)
}

// noServers explains a mount that no server answered. The helper's exit code is the errno of mount(2).
func noServers(err error) string {
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == int(unix.ETIMEDOUT) {
		return "; no server answers there: a setup script can start some in the guest"
	}
	return ""
}

func mountHelper() (string, error) {
	for _, path := range mountHelpers {
		if _, err := os.Stat(path); err == nil {
			return path, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("find mount helper: %w", err)
		}
	}
	return "", nil
}

// Forced returns 0, because Lustre does not count calls.
func (Lustre) Forced(string) (int, error) { return 0, nil }

// Live returns 0, because Lustre does not count superblocks.
func (Lustre) Live() (int, error) { return 0, nil }

// populate makes the files that the cases use, if they are missing.
func populate(dir string) error {
	for _, d := range []string{dir, dir + "/" + dirName} {
		if err := os.Mkdir(d+"/"+dirName, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("fill %s: %w", d, err)
		}
		_, err := os.Stat(d + "/" + dataFile)
		if errors.Is(err, fs.ErrNotExist) {
			err = os.WriteFile(d+"/"+dataFile, []byte("alive\n"), 0o644)
		}
		if err != nil {
			return fmt.Errorf("fill %s: %w", d, err)
		}
	}
	return nil
}

// ForLustre returns the cases for real Lustre, which does not count, and the names of those that it cannot try: other
// filesystem types need the probe, and in a flood every umount that is not refused takes ten seconds.
func ForLustre(cases []Case) (kept []Case, left []string) {
	for _, c := range cases {
		if c.Type != "lustre" || c.floods() || c.Last {
			left = append(left, c.Name)
			continue
		}
		c.Uncounted = true
		kept = append(kept, c)
	}
	return kept, left
}

// shutOut are the answers with which Lustre shuts its users out. The first is the probe's and 2.17's for every use. Of 2.8,
// statfs asks the OSTs, too, and is answered EIO; a read of what is held open finds no layout, and ends.
var shutOut = map[string]bool{down: true, "EIO": true, "EOF": true}

// lustres matches what Lustre itself tells of its troubles, which say nothing of the port.
var lustres = regexp.MustCompile(`^(Lustre|LNet)(Error)?: `)

func (c Case) floods() bool {
	for _, w := range c.Wants {
		if w.Patched.Flood || w.Unpatched.Forced > 2 {
			return true
		}
	}
	return false
}
