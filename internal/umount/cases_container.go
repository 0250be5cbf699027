// SPDX-License-Identifier: Apache-2.0

package umount

import (
	"context"
	"errors"
)

// containerCases vary the container. The kernel chooses the number of a pid namespace; only that of a VE can be chosen
// here.
func containerCases() []Case {
	both := forced("EBUSY", true)
	for g, w := range both {
		w.Patched.Messages = 2
		w.Unpatched.Forced *= 2
		both[g] = w
	}
	return []Case{
		{
			Name: "force-two-containers", act: umountBoth(force), Hold: true, Both: true, Wants: both,
			Text: "umount2(MNT_FORCE) on busy mounts of one superblock in two containers, one after the other",
			For:  "keeps the first container's id",
		},
		{
			Name: "force-id-of-one-digit", act: umount(force), ID: 7, Wants: only(forced("0", false), VE),
			Text: "umount2(MNT_FORCE) in VE 7",
			For:  "takes small ids for the host's, or writes them with zeros",
		},
		{
			Name: "force-id-above-15-bits", act: umount(force), ID: 40000, Wants: only(forced("0", false), VE),
			Text: "umount2(MNT_FORCE) in VE 40000",
			For:  "keeps the id in a signed short",
		},
		{
			Name: "force-id-above-16-bits", act: umount(force), ID: 123456789, Wants: only(forced("0", false), VE),
			Text: "umount2(MNT_FORCE) in VE 123456789",
			For:  "keeps the id in a short",
		},
	}
}

// umountBoth has both containers umount, one after the other, each its own bind mount.
func umountBoth(flags int) act {
	return func(ctx context.Context, s *scene) (string, error) {
		first, err := s.ask(ctx, request{Op: "umount", Path: s.path, Flags: flags, Times: 1})
		if err != nil {
			return "", err
		}
		r, err := s.peer.call(ctx, request{Op: "umount", Path: s.path, Flags: flags, Times: 1})
		s.id += "," + s.peer.ID()
		if err == nil && r.Errno != first {
			err = errors.New("the other container is answered " + r.Errno)
		}
		return first, err
	}
}
