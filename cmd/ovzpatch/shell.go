// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"os"

	"github.com/spf13/cobra"

	"ovzpatch/internal/guest"
	"ovzpatch/internal/trial"
)

func newShell(a *app) *cobra.Command {
	var f guestFlags
	c := &cobra.Command{
		Use:   "shell RPM",
		Short: "Open a shell in a guest that runs the kernel",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := f.check(c, args); err != nil {
				return err
			}
			in, ok := c.InOrStdin().(*os.File)
			if !ok {
				return errors.New("a guest's console needs a file as standard input")
			}
			return f.shell().Talk(c.Context(), in, c.OutOrStdout(), a.trial(newUI(c)))
		},
	}
	f.register(c)
	return c
}

// guestFlags say which kernel runs a shell or a command, and in what virtual machine.
type guestFlags struct {
	kernel kernelFlags
	trial.Hardware
}

func (f *guestFlags) register(c *cobra.Command) {
	f.kernel.register(c)
	c.Flags().StringVar(&f.Memory, "memory", "512M", "memory of the guest: a number of MiB, or with M or G")
	c.Flags().IntVar(&f.CPUs, "cpus", 1, "processors of the guest")
	c.Flags().StringArrayVar(&f.Args, "qemu-arg", nil, "one more argument for QEMU, as it is; repeat it for each: --qemu-arg=-device --qemu-arg=e1000")
	c.Flags().StringVar(&f.Livepatch, "livepatch", "", "lay this module of ovzpatch livepatch into the guest, at /lib/modules/RELEASE/extra/")
	c.Flags().StringVar(&f.Share, "share", "", "the guest has this directory at "+guest.ShareDir+", and may not write to it")
	c.Flags().BoolVar(&f.Write, "rw", false, "the guest may write to the directory of --share, as you; its kernel needs 9p")
	c.Flags().IntVar(&f.GDB, "gdb", 0, "wait for gdb on this port of 127.0.0.1 before the kernel starts, which then has no KASLR; in gdb: target remote :PORT")
}

// check refuses what cannot be booted, before anything slow.
func (f *guestFlags) check(c *cobra.Command, args []string) error {
	if err := f.kernel.check(c, args); err != nil {
		return err
	}
	if err := f.Check(); err != nil {
		return err
	}
	if c.Flags().Changed("gdb") {
		if err := trial.CheckGDB(f.GDB); err != nil {
			return err
		}
	}
	return f.kernel.Ready(false)
}

// shell is the guest that they choose.
func (f *guestFlags) shell() *trial.Shell {
	return &trial.Shell{Kernel: f.kernel.Choice, Machine: f.Hardware}
}
