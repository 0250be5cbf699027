// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"ovzpatch/internal/cache"
	"ovzpatch/internal/source"
	"ovzpatch/internal/terminal"
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
		Short: "Check this machine: tools, accelerator, space",
		Long: `doctor looks for every program that ovzpatch drives, boots a boot sector to find
which accelerator works, and checks the space for builds. The exit code is 0 if
everything is there and 1 if something is missing.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			d := &doctor{w: c.OutOrStdout(), healthy: true, colours: colours(c, c.OutOrStdout())}
			d.tools()
			d.guests(a.home)
			d.accelerator(c.Context(), trial.Options{Cache: cache.Cache{Dir: a.cacheDir}, Report: newUI(c)})
			if err := d.space(a.cacheDir); err != nil {
				return err
			}
			if line, err := cacheLine(c.Context(), a.cacheDir); err != nil {
				d.say(false, "cache", err.Error())
			} else {
				d.say(true, "cache", line)
			}
			d.source()
			if !d.healthy {
				return errors.New("something is missing on this machine: see the lines that say MISSING")
			}
			return nil
		},
	}
}

// doctor writes a line for each thing that it looks at.
type doctor struct {
	w       io.Writer
	healthy bool // nothing is missing so far
	colours bool
}

func (d *doctor) say(ok bool, what, how string) {
	mark := terminal.Painted{Text: "ok      ", Colour: terminal.Green}
	if !ok {
		mark, d.healthy = terminal.Painted{Text: "MISSING ", Colour: terminal.Red}, false
	}
	text := mark.Text
	if d.colours {
		text = mark.String()
	}
	fmt.Fprintf(d.w, "%s%-22s %s\n", text, what, how)
}

func (d *doctor) tools() {
	for _, set := range [][]tool.Tool{tool.Build, tool.Signatures, tool.Guest} {
		for _, t := range set {
			path, err := tool.Find(t.Name)
			if err != nil {
				path = fmt.Sprintf("apt-get install %s, or dnf install %s", t.Apt, t.Dnf)
			}
			d.say(err == nil, t.Name, path)
		}
	}
	for _, t := range tool.Launchers {
		if path, err := tool.Find(t.Name); err == nil {
			d.say(true, t.Name, path+", for --launcher="+t.Name)
		}
	}
}

func (d *doctor) guests(home string) {
	for _, arch := range []string{"x86_64", "i386"} {
		p, err := trial.FindPrograms(home, arch)
		how := "run `make`, or `make install`"
		if err == nil {
			how = filepath.Dir(p.Init)
		}
		d.say(err == nil, "guest for "+arch, how)
	}
}

// accelerator boots a boot sector, where there is QEMU.
func (d *doctor) accelerator(ctx context.Context, o trial.Options) {
	if tool.Need(tool.Guest) != nil {
		return
	}
	if err := o.Accelerate(ctx); err != nil {
		d.say(false, "accelerator", err.Error())
		return
	}
	d.say(true, "accelerator", fmt.Sprintf("%s, %.1f times the reference's time", o.Accel.Name, o.Accel.Slowdown))
}

func (d *doctor) space(dir string) error {
	free, err := freeSpace(dir)
	if err == nil {
		d.say(free >= spaceNeeded, "space for builds", fmt.Sprintf("%.1f GiB free below %s, a build needs %d", float64(free)/(1<<30), dir, spaceNeeded>>30))
	}
	return err
}

// source looks for what run takes without a SOURCE; nothing is missing without it.
func (d *doctor) source() {
	if path := source.Newest(source.Debian); path != "" {
		d.say(true, "default source", path)
		return
	}
	fmt.Fprintf(d.w, "note    %-22s apt-get install linux-source, or name a SOURCE of your own\n", "default source")
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
