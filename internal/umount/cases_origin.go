// SPDX-License-Identifier: Apache-2.0

package umount

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// originCases vary where the mount comes from. In all other cases it is a bind mount of a subdirectory.
//
//nolint:funlen // a table: one case after another
func originCases() []Case {
	// Umounting one's own root without MNT_DETACH remounts its superblock read-only (do_umount), if one may do
	// that.
	chrooted := inside(
		Want{Errno: "0", Messages: 1, Host: "0", Mounted: true},
		Want{Errno: "0", Forced: 1, Inactive: 1, Host: down, Mounted: true},
		Want{Errno: "EPERM", Host: "0", Mounted: true})
	for _, gate := range []Gate{Open, VE} {
		w := chrooted[gate]
		// Lustre does not remount what it has just shut everybody out of. The probe does.
		w.Unpatched.Errno = "0|EPERM|EACCES|" + down
		w.Patched.Errno = "EPERM|EACCES"
		w.Finding = &Want{Errno: "0", Messages: 1, Host: "EROFS", Mounted: true}
		chrooted[gate] = w
	}
	closed := chrooted[Closed]
	closed.Patched.Errno = "EPERM"
	chrooted[Closed] = closed

	// The map stays mounted when its key is umounted.
	automounted := only(forced("0", true), Open)

	return []Case{
		{
			Name: "force-root-bound", act: umount(force), origin: "root", Wants: forced("0", false),
			Text: "umount2(MNT_FORCE) on a bind of the filesystem's root",
			For:  "protects subdirectories alone",
		},
		{
			Name: "force-file", act: umount(force), origin: "file", Wants: forced("0", false),
			Text: "umount2(MNT_FORCE) on a bind of a single file",
			For:  "protects directories alone",
		},
		{
			Name: "force-bind-of-bind", act: umount(force), origin: "again", Wants: forced("0", false),
			Text: "umount2(MNT_FORCE) on a bind of a bind",
			For:  "protects the first bind alone",
		},
		{
			Name: "force-moved", act: umount(force), origin: "moved", Wants: forced("0", false),
			Text: "umount2(MNT_FORCE) on a mount that was moved",
			For:  "knows mounts by where they were made",
		},
		{
			Name: "force-shared", act: umount(force), origin: "shared", Wants: forced("0", false),
			Text: "umount2(MNT_FORCE) on a mount with shared propagation",
			For:  "looks at the propagation",
		},
		{
			Name: "force-private", act: umount(force), origin: "private", Wants: forced("0", false),
			Text: "umount2(MNT_FORCE) on a mount with private propagation",
			For:  "looks at the propagation; those of the other cases are slaves",
		},
		{
			Name: "force-peer", act: umount(force), origin: "peer", Wants: forced("0", false),
			Text: "umount2(MNT_FORCE) on a mount that shares its propagation with another",
			For:  "looks at the propagation",
		},
		{
			Name: "force-nosuid", act: umount(force), origin: "nosuid", Wants: only(forced("0", false), VE),
			Text: "umount2(MNT_FORCE) on a mount with nosuid, nodev and noexec, as VEs are given them",
			For:  "looks at the mount's own options",
		},
		{
			Name: "force-read-only-mount", act: umount(force), origin: "read-only",
			Text: "umount2(MNT_FORCE) on a bind mount with ro, nosuid, nodev and noexec, on a filesystem that is writable",
			For:  "looks at the mount's own options, or takes what cannot be written to for harmless",
			// 2.6.18 has no such mounts: there it would be a remount of the filesystem.
			Wants: notInVE(forced("0", false)),
		},
		{
			Name: "force-read-only", act: umountReadOnly(force), Wants: forced("0", false),
			Text: "umount2(MNT_FORCE) while the host has the filesystem read-only",
			For:  "takes what cannot be written to for harmless",
		},
		{
			Name: "force-after-expire", act: umountAfter(expire, force), Wants: forced("0", false),
			Text: "umount2(MNT_EXPIRE), which marks the mount, then umount2(MNT_FORCE)",
			For:  "lets a mount pass that is marked",
		},
		{
			Name: "force-on-top", act: umount(force), origin: "on top", Wants: forced("0", true),
			Text: "umount2(MNT_FORCE) on a mount on top of another of the same filesystem",
			For:  "looks at where the mount hangs",
		},
		{
			Name: "force-parent", act: umount(force), origin: "parent", Wants: forced("EBUSY", true),
			Text: "umount2(MNT_FORCE) on a mount with a tmpfs mounted below it",
			For:  "lets a mount with others on it pass",
		},
		{
			Name: "force-detach-parent", act: umount(force | detach), origin: "parent", Wants: forced("0", false),
			Text: "umount2(MNT_FORCE|MNT_DETACH) on a mount with a tmpfs mounted below it",
			For:  "lets a mount with others on it pass",
		},
		{
			Name: "force-inherited", act: umountHostsMount(force),
			Text: "umount2(MNT_FORCE) on the mount that the host made and the container sees",
			For:  "protects what the container mounted itself",
			Wants: inside(
				Want{Errno: "0", Messages: 1, Host: "0", Mounted: true},
				Want{Errno: "0", Forced: 1, Inactive: 1, Host: down, Mounted: true},
				Want{Errno: "EPERM", Host: "0", Mounted: true}),
		},
		{
			Name: "force-locked", act: umountHostsMount(force), Fresh: true,
			Text: "umount2(MNT_FORCE) on a mount that came with the user namespace, which locks it",
			For:  "acts before the test for locked mounts",
			// 3.10 does not lock mounts.
			Wants: only(everywhere(Want{Errno: "EINVAL", Host: "0", Mounted: true}), Closed),
		},
		{
			Name: "force-chroot", act: umountBy("chroot", force), Wants: chrooted,
			Text: "umount2(MNT_FORCE) on / by a process that is chrooted onto the mount",
			For:  "protects what is below the caller's root",
		},
		{
			Name: "force-detach-chroot", act: umountBy("chroot", force|detach), Wants: forced("0", false),
			Text: "umount2(MNT_FORCE|MNT_DETACH) on / by a process that is chrooted onto the mount",
			For:  "protects what is below the caller's root",
		},
		{
			Name: "force-pivoted", act: umountBy("pivot", force), Wants: notInVE(keepsMount(forced("0", false))),
			Text: "umount2(MNT_FORCE) after pivot_root in a mount namespace of the caller's own",
			For:  "knows mounts by their path",
		},
		{
			Name: "force-symlink", act: umountSymlink(force), Wants: forced("0", false),
			Text: "umount2(MNT_FORCE) on a symbolic link to the mount",
			For:  "knows mounts by their path",
		},
		{
			Name: "force-odd-name", act: umountOddName(force), Wants: forced("0", false),
			Text: "umount2(MNT_FORCE) on a name of a thousand letters that begins with /proc/self/root and ends in a slash",
			For:  "looks at the name",
		},
		{
			Name: "force-relative", act: umountBy("relative", force), Wants: forced("0", false),
			Text: "umount2(MNT_FORCE) on a name without a slash, in the caller's directory",
			For:  "looks at the name",
		},
		{
			Name: "force-nofollow-symlink", act: umountSymlink(force | nofollow),
			Text: "umount2(MNT_FORCE|UMOUNT_NOFOLLOW) on a symbolic link to the mount",
			For:  "drops UMOUNT_NOFOLLOW, too",
			// 2.6.18 knows no UMOUNT_NOFOLLOW, and follows.
			Wants: notInVE(everywhere(Want{Errno: "EINVAL", Host: "0", Mounted: true})),
		},
		{
			Name: "force-automount", act: umountAutomount(force), origin: "none", Needs: "autofs", Wants: automounted,
			Text: "umount2(MNT_FORCE) on a key of an autofs map that is not mounted, which the call has mounted first",
			For:  "decides before the path is resolved",
		},
		{
			Name: "force-overlay", act: umount(force), origin: "overlay", Needs: "overlay",
			Text:  "umount2(MNT_FORCE) on an overlay above a directory of the filesystem, which that does not reach",
			For:   "looks through other filesystems",
			Wants: only(everywhere(Want{Errno: "0", Host: "0"}), Open),
		},
		{
			Name: "force-not-a-mount", act: umountBelow(dirName, force),
			Text:  "umount2(MNT_FORCE) on a directory of the filesystem that is no mount point",
			For:   "tells of an umount that was refused anyway",
			Wants: everywhere(Want{Errno: "EINVAL", Host: "0", Mounted: true}),
		},
		{
			Name: "force-foreign-mount", act: umountForeign(force),
			Text: "umount2(MNT_FORCE) on the host's mount by way of /proc/1/root, where that leads there",
			For:  "tells of a mount that is not the caller's",
			// /proc in a VE shows the VE's own process 1.
			Wants: notInVE(everywhere(Want{Errno: "EINVAL|EACCES|EPERM|ENOENT", Host: "0", Mounted: true})),
		},
	}
}

// keepsMount is for acts in another mount namespace: where the test looks, the mount stays.
func keepsMount(wants map[Gate]Wants) map[Gate]Wants {
	for g, w := range wants {
		w.Patched.Mounted, w.Unpatched.Mounted = true, true
		wants[g] = w
	}
	return wants
}

// umountReadOnly umounts while the host has the filesystem read-only.
func umountReadOnly(flags int) act {
	return func(ctx context.Context, s *scene) (string, error) {
		if err := unix.Mount("", s.host, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
			return "", fmt.Errorf("make the filesystem read-only: %w", err)
		}
		errno, err := umount(flags)(ctx, s)
		// Nor does it where everybody is shut out, as no later case uses this superblock.
		if e := unix.Mount("", s.host, "", unix.MS_REMOUNT, ""); e != nil && !(s.c.Uncounted && shutOut[errnoName(e)]) {
			err = errors.Join(err, fmt.Errorf("make the filesystem writable again: %w", e))
		}
		return errno, err
	}
}

// umountAfter umounts twice, with the flags first and then with flags.
func umountAfter(first, flags int) act {
	return func(ctx context.Context, s *scene) (string, error) {
		if _, err := umount(first)(ctx, s); err != nil {
			return "", err
		}
		return umount(flags)(ctx, s)
	}
}

func umountOddName(flags int) act {
	return func(ctx context.Context, s *scene) (string, error) {
		name := "/proc/self/root" + strings.Repeat("/.", 500) + s.path + "/"
		return s.ask(ctx, request{Op: "umount", Path: name, Flags: flags, Times: 1})
	}
}

func umountBelow(name string, flags int) act {
	return func(ctx context.Context, s *scene) (string, error) {
		return s.ask(ctx, request{Op: "umount", Path: s.path + "/" + name, Flags: flags, Times: 1})
	}
}

func umountHostsMount(flags int) act {
	return func(ctx context.Context, s *scene) (string, error) {
		return s.ask(ctx, request{Op: "umount", Path: s.host, Flags: flags, Times: 1})
	}
}

func umountForeign(flags int) act {
	return func(ctx context.Context, s *scene) (string, error) {
		return s.ask(ctx, request{Op: "umount", Path: "/proc/1/root" + s.host, Flags: flags, Times: 1})
	}
}

func umountAutomount(flags int) act {
	return func(ctx context.Context, s *scene) (string, error) {
		return s.ask(ctx, request{Op: "automount", Source: s.host, Path: s.path, Flags: flags})
	}
}

const linkName = "link"

func umountSymlink(flags int) act {
	return func(ctx context.Context, s *scene) (string, error) {
		link := s.dir + "/" + linkName
		// If the container has its own root, the link must be in there.
		if err := os.Symlink(s.path, s.root()+link); err != nil {
			return "", fmt.Errorf("link to the mount: %w", err)
		}
		defer os.Remove(s.root() + link)
		return s.ask(ctx, request{Op: "umount", Path: link, Flags: flags, Times: 1})
	}
}
