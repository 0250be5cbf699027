// SPDX-License-Identifier: Apache-2.0

package umount

import (
	"context"
	"runtime"
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

// umountHostUnshared umounts on a thread of its own, which then ends.
func umountHostUnshared(what []int, flags int) act {
	return func(_ context.Context, s *scene) (string, error) {
		type result struct {
			errno string
			err   error
		}
		done := make(chan result, 1)
		go func() {
			runtime.LockOSThread()
			for _, namespace := range what {
				if err := unshareFor(namespace); err != nil {
					done <- result{"", err}
					return
				}
			}
			done <- result{errnoName(unix.Unmount(s.path, flags)), nil}
		}()
		r := <-done
		return r.errno, r.err
	}
}
