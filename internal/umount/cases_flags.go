// SPDX-License-Identifier: Apache-2.0

package umount

// flagCases are every sum of MNT_FORCE with the other flags, and the plain ones.
//
//nolint:funlen // a table: one case after another
func flagCases() []Case {
	return []Case{
		{
			Name: "force-idle", act: umount(force), Wants: forced("0", false),
			Text: "umount2(MNT_FORCE) on an idle mount",
			For:  "keeps MNT_FORCE, or is silent, or names another container",
		},
		{
			Name: "force-busy", act: umount(force), Hold: true, Wants: forced("EBUSY", true),
			Text: "umount2(MNT_FORCE) on a busy mount",
			For:  "acts on idle mounts alone, or detaches what is busy",
		},
		{
			Name: "force-detach-idle", act: umount(force | detach), Wants: forced("0", false),
			Text: "umount2(MNT_FORCE|MNT_DETACH) on an idle mount",
			For:  "looks for MNT_FORCE alone",
		},
		{
			Name: "force-detach-busy", act: umount(force | detach), Hold: true, Wants: forced("0", false),
			Text: "umount2(MNT_FORCE|MNT_DETACH) on a busy mount; what is held goes on working",
			For:  "drops MNT_DETACH, too",
		},
		{
			Name: "force-nofollow", act: umount(force | nofollow), Wants: forced("0", false),
			Text: "umount2(MNT_FORCE|UMOUNT_NOFOLLOW) on an idle mount",
			For:  "looks for MNT_FORCE alone",
		},
		{
			Name: "force-nofollow-busy", act: umount(force | nofollow), Hold: true, Wants: forced("EBUSY", true),
			Text: "umount2(MNT_FORCE|UMOUNT_NOFOLLOW) on a busy mount",
			For:  "looks for MNT_FORCE alone",
		},
		{
			Name: "force-detach-nofollow-idle", act: umount(force | detach | nofollow), Wants: forced("0", false),
			Text: "umount2(MNT_FORCE|MNT_DETACH|UMOUNT_NOFOLLOW) on an idle mount",
			For:  "looks for certain sums of flags",
		},
		{
			Name: "force-detach-nofollow-busy", act: umount(force | detach | nofollow), Hold: true, Wants: forced("0", false),
			Text: "umount2(MNT_FORCE|MNT_DETACH|UMOUNT_NOFOLLOW) on a busy mount",
			For:  "looks for certain sums of flags",
		},
		contradiction("expire-force", "MNT_EXPIRE|MNT_FORCE", expire|force, false),
		contradiction("expire-force-busy", "MNT_EXPIRE|MNT_FORCE", expire|force, true),
		contradiction("expire-force-detach", "MNT_EXPIRE|MNT_FORCE|MNT_DETACH", expire|force|detach, false),
		contradiction("expire-force-detach-busy", "MNT_EXPIRE|MNT_FORCE|MNT_DETACH", expire|force|detach, true),
		contradiction("expire-force-nofollow", "MNT_EXPIRE|MNT_FORCE|UMOUNT_NOFOLLOW", expire|force|nofollow, false),
		contradiction("expire-force-nofollow-busy", "MNT_EXPIRE|MNT_FORCE|UMOUNT_NOFOLLOW", expire|force|nofollow, true),
		contradiction("expire-force-detach-nofollow", "all four flags", expire|force|detach|nofollow, false),
		contradiction("expire-force-detach-nofollow-busy", "all four flags", expire|force|detach|nofollow, true),
		{
			Name: "force-unknown-flag", act: umount(force | 1<<20),
			Text: "umount2(MNT_FORCE and a flag that nobody knows)",
			For:  "acts before the flags are looked at",
			// 2.6.18 accepts any flag.
			Wants: notInVE(everywhere(Want{Errno: "EINVAL", Host: "0", Mounted: true})),
		},
		{
			Name: "expire-twice", act: umountTimes(2, expire), Wants: everywhere(Want{Errno: "0", Host: "0"}),
			Text: "umount2(MNT_EXPIRE) twice on an idle mount, which marks it and then umounts it",
			For:  "changes what MNT_EXPIRE does",
		},
		{
			Name: "plain", act: umount(0), Wants: everywhere(Want{Errno: "0", Host: "0"}),
			Text: "umount2 without flags on an idle mount",
			For:  "writes the message whatever is asked for",
		},
		{
			Name: "plain-busy", act: umount(0), Hold: true, Wants: everywhere(Want{Errno: "EBUSY", Host: "0", Mounted: true}),
			Text: "umount2 without flags on a busy mount",
			For:  "detaches what is busy",
		},
		{
			Name: "detach-busy", act: umount(detach), Hold: true, Wants: everywhere(Want{Errno: "0", Host: "0"}),
			Text: "umount2(MNT_DETACH) on a busy mount",
			For:  "takes one flag for another",
		},
		{
			Name: "nofollow", act: umount(nofollow), Wants: everywhere(Want{Errno: "0", Host: "0"}),
			Text: "umount2(UMOUNT_NOFOLLOW) on an idle mount",
			For:  "takes one flag for another",
		},
		{
			Name: "oldumount", act: umountBy("oldumount", 0), Compat: true, Wants: only(everywhere(Want{Errno: "0", Host: "0"}), Open, VE),
			Text: "umount(2), the call without flags that 32-bit programs have",
			For:  "reads flags that were never given",
		},
	}
}

// contradiction is MNT_EXPIRE with MNT_FORCE, which the kernel refuses.
func contradiction(name, words string, flags int, busy bool) Case {
	refused := both(Want{Errno: "EINVAL", Host: "0", Mounted: true})
	on := " on an idle mount, which contradicts itself"
	if busy {
		on = " on a busy mount, which contradicts itself"
	}
	return Case{
		Name: name, Hold: busy, act: umount(flags),
		Text: "umount2(" + words + ")" + on,
		For:  "lets MNT_EXPIRE pass without MNT_FORCE, or tells of what was refused anyway",
		Wants: map[Gate]Wants{
			Open: refused, VE: refused,
			// A gate may come before the check of the flags.
			Closed: {
				Patched:   Want{Errno: "EPERM|EINVAL", Host: "0", Mounted: true},
				Unpatched: Want{Errno: "EPERM", Host: "0", Mounted: true},
			},
		},
	}
}
