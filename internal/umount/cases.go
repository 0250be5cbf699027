// SPDX-License-Identifier: GPL-2.0-only

// Package umount is what a guest tries with umount2(2), how it is tried, and how what
// was seen is judged: the cases are data, the judgement is a pure function of them.
package umount

import (
	"context"
	"maps"
	"slices"

	"golang.org/x/sys/unix"
)

// Gate says whether the kernel lets the acting process force an umount at all.
type Gate int

const (
	// Open: root in a container, which an unpatched kernel lets force.
	Open Gate = iota
	// Closed: root in a container with a user namespace, which it answers EPERM.
	Closed
	// VE: root in a VE of 2.6.18 or 2.6.32, which an unpatched kernel lets force, too.
	VE
	// Host: no container is in play.
	Host
)

// Want is what one kind of kernel must show in a case. Host, Held and Peer are errnos
// of reads afterwards; "" where there is nobody to read.
type Want struct {
	Errno    string // several, by "|", where kernels may differ in good faith
	Forced   int    // calls of umount_begin
	Inactive int    // INACTIVE lines
	Messages int    // override messages, at least
	Limit    int    // override messages, at most, of a short act; 0 means as many as Messages
	Host     string
	Held     string
	Peer     string
	Mounted  bool
}

// Wants is what the two kinds of kernel must show; they are equal in a control.
type Wants struct{ Patched, Unpatched Want }

// Case is one thing that is tried.
type Case struct {
	Name string
	Text string // what is done, in one sentence
	Type string // filesystem type
	Hold bool   // a file is held open on the mount under test
	Peer bool   // a second container has the same superblock mounted
	// Compat says that a 32-bit program acts on a 64-bit kernel.
	Compat bool
	// Command says that the command umount acts, which the container must have.
	Command bool
	// Uncounted is a case on a filesystem that counts no umount_begin and may swallow its
	// INACTIVE lines, as Lustre limits them: there must be none where none is wanted.
	Uncounted bool
	// Wants has one entry for every Gate the case makes sense behind.
	Wants map[Gate]Wants

	act func(context.Context, *scene) (errno string, err error)
}

// both is the expectation of a control.
func both(w Want) Wants { return Wants{Patched: w, Unpatched: w} }

// inside gives the expectations of a case that only containers can try.
func inside(patched, open, closed Want) map[Gate]Wants {
	return map[Gate]Wants{
		Open:   {Patched: patched, Unpatched: open},
		VE:     {Patched: patched, Unpatched: open},
		Closed: {Patched: patched, Unpatched: closed},
	}
}

// everywhere gives one expectation behind whatever gate a container has.
func everywhere(w Want) map[Gate]Wants {
	return map[Gate]Wants{Open: both(w), VE: both(w), Closed: both(w)}
}

// only leaves out all gates but these.
func only(w map[Gate]Wants, gates ...Gate) map[Gate]Wants {
	maps.DeleteFunc(w, func(g Gate, _ Wants) bool { return !slices.Contains(gates, g) })
	return w
}

// notInVE leaves out the kernels that have VEs by ioctl, for they lack what is tried.
func notInVE(w map[Gate]Wants) map[Gate]Wants {
	delete(w, VE)
	return w
}

const down = "ESHUTDOWN"

// floods is how often the flood forces, floodLimit how many messages of it the host's
// log may get: two full windows of the kernel's default rate limit.
const (
	floods     = 1000
	floodLimit = 2 * burst
)

// Cases gives all cases in the order they are listed in.
func Cases() []Case {
	return []Case{
		{
			Name: "force-idle", Type: "lustre",
			Text: "umount2(MNT_FORCE) on an idle mount",
			act:  umount(unix.MNT_FORCE),
			Wants: inside(
				Want{Errno: "0", Messages: 1, Host: "0"},
				Want{Errno: "0", Forced: 1, Inactive: 1, Host: down},
				Want{Errno: "EPERM", Host: "0", Mounted: true}),
		},
		{
			Name: "force-two-containers", Type: "lustre", Hold: true, Peer: true,
			Text: "umount2(MNT_FORCE) on a busy mount whose superblock a second container uses",
			act:  umount(unix.MNT_FORCE),
			Wants: inside(
				Want{Errno: "EBUSY", Messages: 1, Host: "0", Held: "0", Peer: "0", Mounted: true},
				Want{Errno: "EBUSY", Forced: 1, Inactive: 1, Host: down, Held: down, Peer: down, Mounted: true},
				Want{Errno: "EPERM", Host: "0", Held: "0", Peer: "0", Mounted: true}),
		},
		{
			Name: "force-detach-busy", Type: "lustre", Hold: true,
			Text: "umount2(MNT_FORCE|MNT_DETACH) on a busy mount; the held descriptor goes on working",
			act:  umount(unix.MNT_FORCE | unix.MNT_DETACH),
			Wants: inside(
				Want{Errno: "0", Messages: 1, Host: "0", Held: "0"},
				Want{Errno: "0", Forced: 1, Inactive: 1, Host: down, Held: down},
				Want{Errno: "EPERM", Host: "0", Held: "0", Mounted: true}),
		},
		{
			Name: "force-nofollow", Type: "lustre",
			Text: "umount2(MNT_FORCE|UMOUNT_NOFOLLOW) on an idle mount",
			act:  umount(unix.MNT_FORCE | unix.UMOUNT_NOFOLLOW),
			Wants: inside(
				Want{Errno: "0", Messages: 1, Host: "0"},
				Want{Errno: "0", Forced: 1, Inactive: 1, Host: down},
				Want{Errno: "EPERM", Host: "0", Mounted: true}),
		},
		{
			Name: "force-nested", Type: "lustre",
			Text: "umount2(MNT_FORCE) from a container within the container",
			act:  umountNested(unix.MNT_FORCE),
			// A VE makes no containers.
			Wants: notInVE(inside(
				Want{Errno: "0", Messages: 1, Host: "0", Mounted: true},
				Want{Errno: "0", Forced: 1, Inactive: 1, Host: down, Mounted: true},
				Want{Errno: "EPERM", Host: "0", Mounted: true})),
		},
		{
			Name: "force-unshare", Type: "lustre",
			Text: "unshare(CLONE_NEWNS), then umount2(MNT_FORCE)",
			act:  umountUnshared(unix.MNT_FORCE),
			Wants: inside(
				Want{Errno: "0", Messages: 1, Host: "0", Mounted: true},
				Want{Errno: "0", Forced: 1, Inactive: 1, Host: down, Mounted: true},
				Want{Errno: "EPERM", Host: "0", Mounted: true}),
		},
		{
			Name: "force-entered", Type: "lustre",
			Text: "umount2(MNT_FORCE) by a process of the host that entered the container",
			act:  umountEntered(unix.MNT_FORCE),
			// With the host's credentials no gate is closed to it.
			Wants: inside(
				Want{Errno: "0", Messages: 1, Host: "0"},
				Want{Errno: "0", Forced: 1, Inactive: 1, Host: down},
				Want{Errno: "0", Forced: 1, Inactive: 1, Host: down}),
		},
		{
			Name: "command-umount-f", Type: "lustre", Command: true,
			Text: "the command `umount -f` on an idle mount",
			act:  commandUmount,
			Wants: inside(
				Want{Errno: "0", Messages: 1, Host: "0"},
				Want{Errno: "0", Forced: 1, Inactive: 1, Host: down},
				Want{Errno: "EPERM", Host: "0", Mounted: true}),
		},
		{
			Name: "force-32-bit", Type: "lustre", Compat: true,
			Text: "umount2(MNT_FORCE) by a 32-bit program on a 64-bit kernel",
			act:  umountCompat(unix.MNT_FORCE),
			// Not behind the closed gate: with the flood there the messages of one backend
			// would be more than a window of the rate limit has room for.
			Wants: only(inside(
				Want{Errno: "0", Messages: 1, Host: "0"},
				Want{Errno: "0", Forced: 1, Inactive: 1, Host: down},
				Want{}), Open, VE),
		},
		{
			Name: "shutdown", Type: "lustre", Hold: true,
			Text: "`umount -a -f -r` over the mount table, then the container's init exits with a file held",
			act:  shutdown,
			Wants: inside(
				Want{Errno: "EBUSY", Messages: 1, Host: "0"},
				Want{Errno: "EBUSY", Forced: 1, Inactive: 1, Host: down},
				Want{Errno: "EPERM", Host: "0"}),
		},
		{
			Name: "force-flood", Type: "lustre", Hold: true,
			Text: "a thousand umount2(MNT_FORCE) in a row on a busy mount",
			act:  umountTimes(floods, unix.MNT_FORCE),
			// A superblock is set inactive once, however often that is asked for. For the open
			// gate there is force-32-bit in its place.
			Wants: only(inside(
				Want{Errno: "EBUSY", Messages: 1, Limit: floodLimit, Host: "0", Held: "0", Mounted: true},
				Want{Errno: "EBUSY", Forced: floods, Inactive: 1, Host: down, Held: down, Mounted: true},
				Want{Errno: "EPERM", Host: "0", Held: "0", Mounted: true}), VE, Closed),
		},
		{
			Name: "expire-force", Type: "lustre",
			Text: "umount2(MNT_EXPIRE|MNT_FORCE), which contradicts itself",
			act:  umount(unix.MNT_EXPIRE | unix.MNT_FORCE),
			Wants: map[Gate]Wants{
				Open: both(Want{Errno: "EINVAL", Host: "0", Mounted: true}),
				VE:   both(Want{Errno: "EINVAL", Host: "0", Mounted: true}),
				// The gate stands before the check of the flags, and may stay there.
				Closed: {
					Patched:   Want{Errno: "EPERM|EINVAL", Host: "0", Mounted: true},
					Unpatched: Want{Errno: "EPERM", Host: "0", Mounted: true},
				},
			},
		},
		{
			Name: "plain", Type: "lustre",
			Text:  "umount2 without flags on an idle mount",
			act:   umount(0),
			Wants: everywhere(Want{Errno: "0", Host: "0"}),
		},
		{
			Name: "detach-busy", Type: "lustre", Hold: true,
			Text:  "umount2(MNT_DETACH) on a busy mount",
			act:   umount(unix.MNT_DETACH),
			Wants: everywhere(Want{Errno: "0", Host: "0", Held: "0"}),
		},
		{
			Name: "force-uid-1000", Type: "lustre",
			Text:  "umount2(MNT_FORCE) by an ordinary user, who may not umount",
			act:   umountAs(1000, unix.MNT_FORCE),
			Wants: everywhere(Want{Errno: "EPERM", Host: "0", Mounted: true}),
		},
		{
			Name: "force-without-admin", Type: "lustre",
			Text:  "umount2(MNT_FORCE) by root of a container without CAP_SYS_ADMIN and CAP_VE_ADMIN",
			act:   umountWithoutAdmin(unix.MNT_FORCE),
			Wants: everywhere(Want{Errno: "EPERM", Host: "0", Mounted: true}),
		},
		{
			Name: "force-not-a-mount", Type: "lustre",
			Text:  "umount2(MNT_FORCE) on a directory of the filesystem that is no mount point",
			act:   umountBelow(dirName, unix.MNT_FORCE),
			Wants: everywhere(Want{Errno: "EINVAL", Host: "0", Mounted: true}),
		},
		{
			Name: "force-nofollow-symlink", Type: "lustre",
			Text: "umount2(MNT_FORCE|UMOUNT_NOFOLLOW) on a symbolic link to the mount",
			act:  umountSymlink(unix.MNT_FORCE | unix.UMOUNT_NOFOLLOW),
			// 2.6.18 knows no UMOUNT_NOFOLLOW, and follows.
			Wants: notInVE(everywhere(Want{Errno: "EINVAL", Host: "0", Mounted: true})),
		},
		{
			Name: "force-other-type", Type: "notlustre",
			Text: "umount2(MNT_FORCE) on a filesystem that is not lustre",
			act:  umount(unix.MNT_FORCE),
			Wants: map[Gate]Wants{
				Open:   both(Want{Errno: "0", Forced: 1, Host: down}),
				VE:     both(Want{Errno: "0", Forced: 1, Host: down}),
				Closed: both(Want{Errno: "EPERM", Host: "0", Mounted: true}),
			},
		},
		{
			Name: "killed", Type: "lustre", Hold: true,
			Text:  "the container is killed with the mount and a file on it held",
			act:   kill,
			Wants: everywhere(Want{Errno: "0", Host: "0"}),
		},
		{
			Name: "host-force-container-mounts", Type: "lustre",
			Text: "umount2(MNT_FORCE) by the host in the container's mount namespace",
			act:  umountContainerMounts(unix.MNT_FORCE),
			// It takes setns.
			Wants: notInVE(everywhere(Want{Errno: "0", Forced: 1, Inactive: 1, Host: down})),
		},
		{
			Name: "host-force-bind-path", Type: "lustre",
			Text:  "umount2(MNT_FORCE) by the host on its bind mount that a VE was started with",
			act:   umountBindPath(unix.MNT_FORCE),
			Wants: map[Gate]Wants{VE: both(Want{Errno: "0", Forced: 1, Inactive: 1, Host: down, Mounted: true})},
		},
		{
			Name: "host-force-proc-root", Type: "lustre",
			Text:  "umount2(MNT_FORCE) by the host on /proc/PID/root, which is no mount of its own",
			act:   umountProcRoot(unix.MNT_FORCE),
			Wants: everywhere(Want{Errno: "EINVAL", Host: "0", Mounted: true}),
		},
		{
			Name: "host-force", Type: "lustre",
			Text:  "umount2(MNT_FORCE) by the host on a bind mount of its own",
			act:   umountHost(unix.MNT_FORCE),
			Wants: map[Gate]Wants{Host: both(Want{Errno: "0", Forced: 1, Inactive: 1, Host: down})},
		},
		{
			Name: "host-force-busy", Type: "lustre", Hold: true,
			Text:  "umount2(MNT_FORCE) by the host on a busy bind mount of its own",
			act:   umountHost(unix.MNT_FORCE),
			Wants: map[Gate]Wants{Host: both(Want{Errno: "EBUSY", Forced: 1, Inactive: 1, Host: down, Held: down, Mounted: true})},
		},
	}
}
