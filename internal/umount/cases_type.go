// SPDX-License-Identifier: Apache-2.0

package umount

import (
	"context"
	"slices"
)

// typeCases vary the filesystem type.
//
//nolint:funlen // a table: one case after another
func typeCases() []Case {
	lustres := []Case{{
		Name: "force-lustre-tgt", Type: "lustre_tgt", act: umount(force), Wants: forced("0", false),
		Text: "umount2(MNT_FORCE) on lustre_tgt, the type of Lustre's servers",
		For:  "knows the client's type alone",
	}, {
		Name: "force-lustre-tgt-busy", Type: "lustre_tgt", act: umount(force), Hold: true, Wants: forced("EBUSY", true),
		Text: "umount2(MNT_FORCE) on a busy mount of lustre_tgt",
		For:  "knows the client's type alone",
	}}
	cases := slices.Clone(lustres)
	for _, t := range []struct{ name, fstype, wrong string }{
		{"force-other-type", "notlustre", "protects every type, or looks for lustre anywhere in its name"},
		{"force-type-lustrex", "lustrex", "compares the first six letters"},
		{"force-type-lustr", "lustr", "compares too few letters"},
		{"force-type-capital", "Lustre", "does not tell small letters from capitals"},
		{"force-type-capital-tgt", "Lustre_tgt", "does not tell small letters from capitals"},
		{"force-type-tgtx", "lustre_tgtx", "compares the first ten letters"},
		{"force-type-tg", "lustre_tg", "compares too few letters"},
		{nfsCase, "nfs", "protects network filesystems at large"},
	} {
		cases = append(cases, Case{
			Name: t.name, Type: t.fstype, act: umount(force),
			Text: "umount2(MNT_FORCE) on " + t.fstype + ", which is not Lustre",
			For:  t.wrong,
			Wants: map[Gate]Wants{
				Open:   both(Want{Errno: "0", Forced: 1, Host: down}),
				VE:     both(Want{Errno: "0", Forced: 1, Host: down}),
				Closed: both(Want{Errno: "EPERM", Host: "0", Mounted: true}),
			},
		})
	}
	busy := cases[len(lustres)]
	busy.Name, busy.Hold = "force-busy-other-type", true
	busy.Text = "umount2(MNT_FORCE) on a busy mount of " + busy.Type + ", which is not Lustre"
	busy.For = "changes what others are answered"
	busy.Wants = map[Gate]Wants{
		Open:   both(Want{Errno: "EBUSY", Forced: 1, Host: down, Mounted: true}),
		VE:     both(Want{Errno: "EBUSY", Forced: 1, Host: down, Mounted: true}),
		Closed: both(Want{Errno: "EPERM", Host: "0", Mounted: true}),
	}
	cases = append(cases, busy, Case{
		Name: "force-tmpfs", act: umountTmpfs(force), origin: "beside tmpfs",
		Text: "umount2(MNT_FORCE) on a tmpfs of the container's own, which has nothing to force",
		For:  "refuses others what they may",
		Wants: map[Gate]Wants{
			Open: both(Want{Errno: "0", Host: "0", Mounted: true}),
			VE:   both(Want{Errno: "0", Host: "0", Mounted: true}),
			// The gate of some kernels is open for a filesystem that the user namespace mounted itself.
			Closed: both(Want{Errno: "0|EPERM", Host: "0", Mounted: true}),
		},
	})
	for _, f := range []struct {
		name, words string
		flags       int
	}{
		{"force-detach-other-type", "MNT_FORCE|MNT_DETACH", force | detach},
		{"force-nofollow-other-type", "MNT_FORCE|UMOUNT_NOFOLLOW", force | nofollow},
	} {
		c := cases[len(lustres)]
		c.Name, c.act = f.name, umount(f.flags)
		c.Text = "umount2(" + f.words + ") on " + c.Type + ", which is not Lustre"
		c.For = "takes MNT_FORCE from whoever gives another flag with it"
		cases = append(cases, c)
	}
	return cases
}

// umountTmpfs umounts a filesystem beside the mount under test.
func umountTmpfs(flags int) act {
	return func(ctx context.Context, s *scene) (string, error) {
		return s.ask(ctx, request{Op: "umount", Path: s.other, Flags: flags, Times: 1})
	}
}

// nfsCase needs a kernel without NFS, so that the probe can register that name.
const nfsCase = "force-type-nfs"

// WithoutNFS removes the case that uses the name of NFS.
func WithoutNFS(cases []Case) []Case {
	return slices.DeleteFunc(cases, func(c Case) bool { return c.Name == nfsCase })
}
