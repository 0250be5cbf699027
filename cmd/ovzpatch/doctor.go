// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"path/filepath"

	"ovzpatch/internal/cache"
	"ovzpatch/internal/tool"
	"ovzpatch/internal/trial"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// spaceNeeded is what one kernel with a small configuration takes below the cache while
// it is built, measured, and some room.
const spaceNeeded = 5 << 30

func newDoctor(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Say what this machine has and lacks: tools, accelerator, space",
		Long: `doctor looks for every program that ovzpatch drives, boots a boot sector to find
which accelerator works, and looks at the space for builds. It ends with 0 where all
is there and with 1 where something is missing.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			w, healthy := c.OutOrStdout(), true
			say := func(ok bool, what, how string) {
				mark := "ok      "
				if !ok {
					mark, healthy = "MISSING ", false
				}
				fmt.Fprintf(w, "%s%-22s %s\n", mark, what, how)
			}
			for _, set := range [][]tool.Tool{tool.Build, tool.Signatures, tool.Guest} {
				for _, t := range set {
					path, err := tool.Find(t.Name)
					if err != nil {
						path = fmt.Sprintf("apt-get install %s, or dnf install %s", t.Apt, t.Dnf)
					}
					say(err == nil, t.Name, path)
				}
			}
			for _, t := range tool.Launchers {
				if path, err := tool.Find(t.Name); err == nil {
					say(true, t.Name, path+", for --launcher="+t.Name)
				}
			}
			for _, arch := range []string{"x86_64", "i386"} {
				p, err := trial.FindPrograms(a.home, arch)
				how := "run `make`, or `make install`"
				if err == nil {
					how = filepath.Dir(p.Init)
				}
				say(err == nil, "guest for "+arch, how)
			}
			if err := tool.Need(tool.Guest); err == nil {
				o := trial.Options{Cache: cache.Cache{Dir: a.cacheDir}, Report: newUI(c.ErrOrStderr())}
				if err := o.Accelerate(c.Context()); err != nil {
					say(false, "accelerator", err.Error())
				} else {
					say(true, "accelerator", fmt.Sprintf("%s, %.1f times the reference's time", o.Accel.Name, o.Accel.Slowdown))
				}
			}
			free, err := freeSpace(a.cacheDir)
			if err != nil {
				return err
			}
			say(free >= spaceNeeded, "space for builds", fmt.Sprintf("%.1f GiB free below %s, a build wants %d", float64(free)/(1<<30), a.cacheDir, spaceNeeded>>30))
			if path := newestSource(debianSources); path != "" {
				say(true, "default source", path)
			} else {
				fmt.Fprintf(w, "note    %-22s apt-get install linux-source, or name a SOURCE of your own\n", "default source")
			}
			if !healthy {
				return errors.New("this machine lacks something: see the lines that say MISSING")
			}
			return nil
		},
	}
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
