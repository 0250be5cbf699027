// SPDX-License-Identifier: Apache-2.0

// Package doctor looks at a machine for what the main job needs there: programs, an accelerator,
// space.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"

	"ovzpatch/internal/cache"
	"ovzpatch/internal/preflight"
	"ovzpatch/internal/source"
	"ovzpatch/internal/tool"
	"ovzpatch/internal/trial"
)

// spaceNeeded is what one kernel with a small configuration takes below the cache while
// it is built, measured, and some room.
const spaceNeeded = 5 << 30

// State is what was found of one thing.
type State int

const (
	Missing State = iota
	There
	Optional // it is not there, and nothing is missing without it
)

// Say is told of each thing as it is found: what it is, and where, or how to get it.
type Say func(s State, what, how string)

// Look looks at this machine. The options say where the cache and the programs of guests are.
func Look(ctx context.Context, o trial.Options, say Say) error {
	tools(say)
	guests(o.Home, say)
	accelerator(ctx, o, say)
	free, err := freeSpace(o.Cache.Dir)
	if err != nil {
		return err
	}
	say(state(free >= spaceNeeded), "space for builds", fmt.Sprintf("%.1f GiB free below %s, a build needs %d", float64(free)/(1<<30), o.Cache.Dir, spaceNeeded>>30))
	kinds, err := o.Cache.Kinds(ctx)
	if err == nil {
		err = preflight.Output("cache-dir", o.Cache.Dir) // as a build would find out
	}
	if err != nil {
		say(Missing, "cache", err.Error())
	} else {
		all := kinds[len(kinds)-1]
		say(There, "cache", fmt.Sprintf("%s in %d results; builds keep it to %s and %d days", cache.Size(all.Size), all.Entries, cache.Size(cache.Standard.Size), cache.Standard.Days()))
	}
	// What run takes without a SOURCE.
	if path := source.Newest(source.Debian); path != "" {
		say(There, "default source", path)
	} else {
		say(Optional, "default source", "apt-get install linux-source, or name a SOURCE of your own")
	}
	return nil
}

func state(there bool) State {
	if there {
		return There
	}
	return Missing
}

func tools(say Say) {
	for _, set := range [][]tool.Tool{tool.Build, tool.Signatures, tool.Guest} {
		for _, t := range set {
			path, err := tool.Find(t.Name)
			if err != nil {
				path = fmt.Sprintf("apt-get install %s, or dnf install %s", t.Apt, t.Dnf)
			}
			say(state(err == nil), t.Name, path)
		}
	}
	for _, t := range tool.Launchers {
		if path, err := tool.Find(t.Name); err == nil {
			say(There, t.Name, path+", for --launcher="+t.Name)
		}
	}
}

func guests(home string, say Say) {
	for _, arch := range trial.Archs {
		p, err := trial.FindPrograms(home, arch)
		how := "run `make`, or `make install`"
		if err == nil {
			how = filepath.Dir(p.Init)
		}
		say(state(err == nil), "guest for "+arch, how)
	}
}

// accelerator boots a boot sector, where there is QEMU.
func accelerator(ctx context.Context, o trial.Options, say Say) {
	if tool.Need(tool.Guest) != nil {
		return
	}
	if err := o.Accelerate(ctx); err != nil {
		say(Missing, "accelerator", err.Error())
		return
	}
	say(There, "accelerator", fmt.Sprintf("%s, %.1f times the reference's time", o.Accel.Name, o.Accel.Slowdown))
}

// freeSpace is how many bytes are free where dir is, or will be made.
func freeSpace(dir string) (uint64, error) {
	for {
		var st unix.Statfs_t
		err := unix.Statfs(dir, &st)
		if err == nil {
			return st.Bavail * uint64(st.Bsize), nil
		}
		if parent := filepath.Dir(dir); errors.Is(err, unix.ENOENT) && parent != dir {
			dir = parent
			continue
		}
		return 0, fmt.Errorf("look for space in %s: %w", dir, err)
	}
}
