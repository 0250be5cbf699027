// SPDX-License-Identifier: Apache-2.0

package umount

import (
	"context"
	"strconv"
)

// callerCases vary the caller. In all other cases it is root: process 1 of a container of namespaces, or a child of
// process 1 of a VE.
//
//nolint:funlen // a table: one case after another
func callerCases() []Case {
	refused := everywhere(Want{Errno: "EPERM", Host: "0", Mounted: true})
	return []Case{
		{
			Name: "force-child", act: umountBy("child", force), Wants: forced("0", false),
			Text: "umount2(MNT_FORCE) by a process that is not process 1 of the container",
			For:  "acts on process 1 alone",
		},
		{
			Name: "force-process-1", act: umount(force), Init: true, Wants: notInVE(forced("0", false)),
			Text: "umount2(MNT_FORCE) by process 1 of the container",
			For:  "acts on other processes alone, as init umounts what is left",
		},
		{
			Name: "force-process-1-unshared-pid", act: umountBy("own-pid", force), Init: true, Wants: notInVE(forced("0", false)),
			Text: "unshare(CLONE_NEWPID) by process 1 of the container, then umount2(MNT_FORCE)",
			For:  "takes the id from the namespace of children to come of process 1",
		},
		{
			Name: "force-thread", act: umountBy("thread", force), Wants: forced("0", false),
			Text: "umount2(MNT_FORCE) by a thread that is not its process' first",
			For:  "looks at the thread's number",
		},
		{
			Name: "force-uid-with-admin", act: umountBy("uid-admin", force), Wants: forced("0", false),
			Text: "umount2(MNT_FORCE) by user 100000 with CAP_SYS_ADMIN",
			For:  "acts on user 0 alone, or on the host's own users",
		},
		{
			Name: "force-uid-1000", act: umountBy("uid", force), Wants: refused,
			Text: "umount2(MNT_FORCE) by an ordinary user, who may not umount",
			For:  "tells of callers who may not umount, and lets them flood the host's log",
		},
		{
			Name: "force-without-admin", act: umountBy("without-admin", force), Wants: refused,
			Text: "umount2(MNT_FORCE) by root of a container without CAP_SYS_ADMIN and CAP_VE_ADMIN",
			For:  "tells of callers who may not umount",
		},
		{
			Name: "force-unshare", act: umountBy("unshare", force), Wants: keepsMount(forced("0", false)),
			Text: "unshare(CLONE_NEWNS), then umount2(MNT_FORCE)",
			For:  "knows a container by its mount namespace",
		},
		{
			Name: "force-setns", act: umountBy("setns", force), Wants: notInVE(keepsMount(forced("0", false))),
			Text: "umount2(MNT_FORCE) by a thread that entered the mount namespace of another",
			For:  "knows a container by its mount namespace",
		},
		{
			Name: "force-unshare-pid", act: umountBy("unshare-pid", force), Wants: notInVE(forced("0", false)),
			Text: "unshare(CLONE_NEWPID), which is for children, then umount2(MNT_FORCE)",
			For:  "takes the id from the namespace of children to come",
		},
		{
			Name: "force-nested", act: umountNested(force),
			Text: "umount2(MNT_FORCE) from a container within the container",
			For:  "names the outer container, or protects from the first level alone",
			// No container can be made in a VE.
			Wants: notInVE(keepsMount(forced("0", false))),
		},
		{
			Name: "force-nested-twice", act: umountNestedTwice(force),
			Text:  "umount2(MNT_FORCE) from a container within a container within the container",
			For:   "protects from the first levels alone",
			Wants: notInVE(keepsMount(forced("0", false))),
		},
		{
			Name: "force-bare-pid", act: umount(force), Bare: true, Wants: only(forced("0", false), Open),
			Text: "umount2(MNT_FORCE) by a process with a pid namespace of its own, and the host's mounts, hostname and queues",
			For:  "asks for more than the pid namespace",
		},
		{
			Name: "force-session", act: umountBy("session", force), Wants: forced("0", false),
			Text: "umount2(MNT_FORCE) by a process that leads a session of its own",
			For:  "knows a container, or the host, by the caller's session",
		},
		{
			Name: "force-no-new-privileges", act: umountBy("no-new-privileges", force), Wants: forced("0", false),
			Text: "umount2(MNT_FORCE) by a thread that set PR_SET_NO_NEW_PRIVS, as services and containers do",
			For:  "trusts callers that have given something up",
		},
		{
			Name: "force-entered", act: umountEntered(force),
			Text: "umount2(MNT_FORCE) by a process of the host that entered the container",
			For:  "looks at credentials",
			// With the host's credentials every gate is open.
			Wants: inside(
				Want{Errno: "0", Messages: 1, Host: "0"},
				Want{Errno: "0", Forced: 1, Inactive: 1, Host: down},
				Want{Errno: "0", Forced: 1, Inactive: 1, Host: down}),
		},
		{
			Name: "command-umount-f", act: commandUmount, Command: true, Wants: forced("0", false),
			Text: "the command `umount -f` on an idle mount",
			For:  "knows umount2 alone, as tools do not call it",
		},
		{
			Name: "force-32-bit", act: umountBy("compat", force), Compat: true, Wants: only(forced("0", false), Open, VE),
			Text: "umount2(MNT_FORCE) by a 32-bit program on a 64-bit kernel",
			For:  "stands in the entry for 64-bit programs",
		},
	}
}

func umount(flags int) act { return umountTimes(1, flags) }

// umountTimes umounts several times and returns the last errno.
func umountTimes(times, flags int) act {
	return func(ctx context.Context, s *scene) (string, error) {
		r, err := s.container.call(ctx, request{Op: "umount", Path: s.path, Flags: flags, Times: times})
		s.changed = r.Changed
		return r.Errno, err
	}
}

// umountBy has one of the callers umount.
func umountBy(caller string, flags int) act {
	return func(ctx context.Context, s *scene) (string, error) {
		return s.ask(ctx, request{Op: caller, Path: s.path, Other: s.other, Source: s.host, Flags: flags})
	}
}

func umountNested(flags int) act {
	return func(ctx context.Context, s *scene) (string, error) {
		r, err := s.container.call(ctx, request{Op: "nested", Path: s.path, Flags: flags})
		if !s.ve {
			s.id = r.ID
		}
		return r.Errno, err
	}
}

// umountNestedTwice umounts in a container within a nested container.
func umountNestedTwice(flags int) act {
	return func(ctx context.Context, s *scene) (string, error) {
		r, err := s.container.call(ctx, request{Op: "nested-twice", Path: s.path, Flags: flags})
		if !s.ve {
			s.id = r.ID
		}
		return r.Errno, err
	}
}

func commandUmount(ctx context.Context, s *scene) (string, error) {
	return s.ask(ctx, request{Op: "command", Path: s.path})
}

func umountEntered(flags int) act {
	return func(ctx context.Context, s *scene) (string, error) {
		return once(s.container.Enter(ctx, []string{s.self, UmountWord, strconv.Itoa(flags), s.path}))
	}
}

func once(out []byte, err error) (string, error) {
	if err != nil {
		return "", err
	}
	r, err := parseOnce(out)
	return r.Errno, err
}
