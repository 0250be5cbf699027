// SPDX-License-Identifier: Apache-2.0

package umount

import (
	"context"
	"strconv"

	"golang.org/x/sys/unix"
)

// hostCases act on the host, for which nothing may change.
//
//nolint:funlen // a table: one case after another
func hostCases() []Case {
	harmed := Want{Errno: "0", Forced: 1, Inactive: 1, Host: down}
	busy := Want{Errno: "EBUSY", Forced: 1, Inactive: 1, Host: down, Mounted: true}
	return []Case{
		{
			Name: "host-force", act: umountHost(force), Wants: onHost(harmed),
			Text: "umount2(MNT_FORCE) by the host on a bind mount of its own",
			For:  "takes the host for a container",
		},
		{
			Name: "host-force-busy", act: umountHost(force), Hold: true, Wants: onHost(busy),
			Text: "umount2(MNT_FORCE) by the host on a busy bind mount of its own",
			For:  "takes the host for a container",
		},
		{
			Name: "host-force-detach", act: umountHost(force | detach), Wants: onHost(harmed),
			Text: "umount2(MNT_FORCE|MNT_DETACH) by the host on a bind mount of its own",
			For:  "takes MNT_FORCE from whoever detaches",
		},
		{
			Name: "host-force-nofollow", act: umountHost(force | nofollow), Wants: onHost(harmed),
			Text: "umount2(MNT_FORCE|UMOUNT_NOFOLLOW) by the host on a bind mount of its own",
			For:  "takes MNT_FORCE from whoever does not follow",
		},
		{
			Name: "host-flood", act: floodHost, Hold: true,
			Text:  "five hundred umount2(MNT_FORCE), and as many without a flag, by the host on a busy bind mount of its own",
			For:   "does harm to whoever is in no container: sleeps, keeps memory",
			Wants: onHost(Want{Errno: "EBUSY", Forced: hostFloods + sample, Inactive: 1, Host: down, Mounted: true}),
		},
		{
			Name: "host-flood-threads", act: floodHostThreads, Hold: true,
			Text:  "umount2(MNT_FORCE) by four hundred threads of the host that end, each with credentials of its own",
			For:   "keeps a reference to the host's callers, or to what those may do",
			Wants: onHost(Want{Errno: "EBUSY", Forced: 2 * threads, Inactive: 1, Host: down, Mounted: true}),
		},
		{
			Name: "host-expire", act: umountHost(expire), Wants: onHost(Want{Errno: "EAGAIN", Host: "0", Mounted: true}),
			Text: "umount2(MNT_EXPIRE) by the host on a bind mount of its own",
			For:  "takes one flag for another",
		},
		{
			Name: "host-force-lustre-tgt", Type: "lustre_tgt", act: umountHost(force), Wants: onHost(harmed),
			Text: "umount2(MNT_FORCE) by the host on lustre_tgt",
			For:  "protects the servers' type on the host, too",
		},
		{
			Name: "host-force-unshare", act: umountHostUnshared([]int{unix.CLONE_NEWNS}, force), Wants: onHost(harmed),
			Text: "umount2(MNT_FORCE) by a process of the host in a mount namespace of its own, as services have",
			For:  "takes any mount namespace for a container",
		},
		{
			Name: "host-force-unshare-all", act: umountHostUnshared([]int{unix.CLONE_NEWNS, unix.CLONE_NEWUTS, unix.CLONE_NEWIPC, unix.CLONE_NEWNET}, force), Wants: onHost(harmed),
			Text: "umount2(MNT_FORCE) by a process of the host with a hostname, network and queues of its own, as services have",
			For:  "takes any namespace for a container",
		},
		{
			Name: "host-force-unshare-pid", act: umountHostUnshared([]int{unix.CLONE_NEWPID}, force), Wants: onHost(harmed),
			Text: "unshare(CLONE_NEWPID) by a process of the host, then umount2(MNT_FORCE)",
			For:  "takes the namespace of children to come for the caller's",
		},
		{
			Name: "host-force-bare-user", act: umount(force), Bare: true,
			Text: "umount2(MNT_FORCE) by a process of the host in a user and a mount namespace of its own, as sandboxes have",
			For:  "takes a user namespace for a container",
			// The kernel refuses it, without a line, as it did.
			Wants: map[Gate]Wants{Closed: both(Want{Errno: "EPERM", Host: "0", Mounted: true})},
		},
		{
			Name: "host-force-uid", act: umountHostUser(force), Wants: onHost(harmed),
			Text: "umount2(MNT_FORCE) by user 100000 of the host with CAP_SYS_ADMIN",
			For:  "takes the users whom containers are given for containers",
		},
		{
			Name: "host-force-session", act: umountHostSession(force), Wants: onHost(harmed),
			Text: "umount2(MNT_FORCE) by a process of the host that leads a session of its own",
			For:  "knows a container, or the host, by the caller's session",
		},
		{
			Name: "host-force-container-mounts", act: umountContainerMounts(force),
			Text: "umount2(MNT_FORCE) by the host in the container's mount namespace",
			For:  "knows a container by its mount namespace",
			// It needs setns(2).
			Wants: notInVE(everywhere(harmed)),
		},
		{
			Name: "host-force-bind-path", act: umountBindPath(force),
			Text:  "umount2(MNT_FORCE) by the host on its bind mount that a VE sees",
			For:   "knows a container by its mounts",
			Wants: map[Gate]Wants{VE: both(harmed)},
		},
		{
			Name: "host-force-proc-root", act: umountProcRoot(force),
			Text:  "umount2(MNT_FORCE) by the host on /proc/PID/root, which is no mount of its own",
			For:   "tells of a mount that is not the caller's",
			Wants: everywhere(Want{Errno: "EINVAL", Host: "0", Mounted: true}),
		},
	}
}

func umountContainerMounts(flags int) act {
	return func(ctx context.Context, s *scene) (string, error) {
		return once(s.container.EnterMounts(ctx, []string{s.self, UmountWord, strconv.Itoa(flags), s.path}))
	}
}

func umountProcRoot(flags int) act {
	return func(_ context.Context, s *scene) (string, error) {
		return errnoName(unix.Unmount("/proc/"+strconv.Itoa(s.container.PID())+"/root"+s.path, flags)), nil
	}
}

// umountBindPath umounts the host's mount of which the container's is a copy.
func umountBindPath(flags int) act {
	return func(_ context.Context, s *scene) (string, error) {
		return errnoName(unix.Unmount(s.root()+s.path, flags)), nil
	}
}

func umountHost(flags int) act {
	return func(_ context.Context, s *scene) (string, error) {
		return errnoName(unix.Unmount(s.path, flags)), nil
	}
}

// umountHostUnshared umounts from namespaces of its own.
func umountHostUnshared(what []int, flags int) act {
	return umountHostBy(flags, func() error {
		for _, namespace := range what {
			if err := unshareFor(namespace); err != nil {
				return err
			}
		}
		return nil
	})
}

func umountHostUser(flags int) act {
	return umountHostBy(flags, becomeAdmin)
}

// umountHostBy umounts on a thread that was spoilt for anything else.
func umountHostBy(flags int, spoil func() error) act {
	return func(_ context.Context, s *scene) (string, error) {
		r, err := onSpoiltThread(request{Path: s.path, Flags: flags}, spoil)
		return r.Errno, err
	}
}

func umountHostSession(flags int) act {
	return func(_ context.Context, s *scene) (string, error) {
		r, err := onceIn(inSession(s.self, request{Path: s.path, Flags: flags}))
		return r.Errno, err
	}
}
