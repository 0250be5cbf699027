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

// Filesystem is what the cases are tried on.
type Filesystem interface {
	// Mount mounts a superblock of its own at dir, with dataFile and dirName in it.
	Mount(ctx context.Context, fstype, dir string) error
	// Forced is how often umount_begin was called for a type since it was registered,
	// always 0 where that is not counted (Case.Uncounted).
	Forced(fstype string) (int, error)
	// Live is how many superblocks there are, always 0 where that is not counted.
	Live() (int, error)
}

// Probe is the filesystem of our own module, which stands in for Lustre.
type Probe struct{}

// Mount needs no helper: each mount is a superblock of its own.
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

// HasNFS says whether the probe could register a type nfs.
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

// Lustre is the real one: a client's mount of Source, for example 10.0.0.1@tcp:/lustre.
// Every mount of a client is a superblock of its own, with imports of its own, so that
// the next case finds a whole one when the last one was forced.
type Lustre struct{ Source string }

// mountHelpers are where packages put what mount(8) runs for the type.
var mountHelpers = []string{"/sbin/mount.lustre", "/usr/sbin/mount.lustre"}

// Mount mounts with Lustre's helper; where there is none, with the one option that the
// helper would give the kernel for such a source (device=).
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

// noServers says what a mount that nobody answered lacks. The helper ends with mount(2)'s errno.
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

// Forced is 0: Lustre counts no calls.
func (Lustre) Forced(string) (int, error) { return 0, nil }

// Live is 0: Lustre does not say.
func (Lustre) Live() (int, error) { return 0, nil }

// populate makes what the cases use, where it is not there already.
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

// ForLustre returns the cases as they are tried on real Lustre, which does not count, and
// the names of those that cannot be: another type than lustre takes the probe, and in a
// flood every umount that is not refused lasts ten seconds.
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
