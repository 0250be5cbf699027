// SPDX-License-Identifier: Apache-2.0

package datastore

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// remote are the filesystems that two hosts may write to at once. Locks under /run bind
// one host only, so a store on one of these would be open to the other's mistakes.
var remote = map[int64]string{
	unix.NFS_SUPER_MAGIC:   "NFS",
	unix.SMB_SUPER_MAGIC:   "SMB",
	unix.SMB2_SUPER_MAGIC:  "SMB",
	unix.CIFS_SUPER_MAGIC:  "CIFS",
	unix.AFS_SUPER_MAGIC:   "AFS",
	unix.AFS_FS_MAGIC:      "AFS",
	unix.CEPH_SUPER_MAGIC:  "Ceph",
	unix.CODA_SUPER_MAGIC:  "Coda",
	unix.NCP_SUPER_MAGIC:   "NCP",
	unix.V9FS_MAGIC:        "9P",
	unix.OCFS2_SUPER_MAGIC: "OCFS2",
	0x0bd00bd0:             "Lustre",
	0x01161970:             "GFS2",
	0x47504653:             "GPFS",
	0x19830326:             "BeeGFS",
	0xaad7aaea:             "PanFS",
	0x786f4256:             "VirtualBox shared folder",
	0xbacbacbc:             "VMware shared folder",
}

// localFUSE are the user space filesystems known to be of one host; of the others
// nothing is known.
var localFUSE = []string{"fuseblk", "fuse.fuse-overlayfs", "fuse.ntfs-3g", "fuse.bindfs"}

// statfs is a variable so that a test can stand on a filesystem nobody has at hand.
var statfs = unix.Statfs

// checkLocal refuses directories that another host may be writing to.
func checkLocal(dir string) error {
	var st unix.Statfs_t
	if err := statfs(dir, &st); err != nil {
		return fmt.Errorf("find out the filesystem: %w", err)
	}
	name := remote[int64(st.Type)]
	if int64(st.Type) == unix.FUSE_SUPER_MAGIC {
		kind, err := mountedAs(dir)
		if err != nil {
			return fmt.Errorf("find out the filesystem: %w", err)
		}
		name = kind
		for _, l := range localFUSE {
			if kind == l {
				name = ""
			}
		}
	}
	if name != "" {
		return fmt.Errorf("it is on a network filesystem (%s): locks hold on one host only, so two hosts could spoil it; use a local filesystem, and 'ovzpatch store copy' or publish to share", name)
	}
	return nil
}

// mountedAs returns the filesystem type that /proc/self/mountinfo has for dir's device.
func mountedAs(dir string) (string, error) {
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		return "", err
	}
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return "", err
	}
	defer f.Close()
	device := fmt.Sprintf("%d:%d", unix.Major(st.Dev), unix.Minor(st.Dev))
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		before, after, _ := strings.Cut(lines.Text(), " - ")
		if f := strings.Fields(before); len(f) > 2 && f[2] == device {
			kind, _, _ := strings.Cut(after, " ")
			return kind, nil
		}
	}
	return "fuse", lines.Err()
}
