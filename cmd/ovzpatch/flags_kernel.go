// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"ovzpatch/internal/guest"
	"ovzpatch/internal/job"
	"ovzpatch/internal/trial"
)

// testFlags say what a guest is to try.
type testFlags struct{ trial.Options }

func (f *testFlags) register(c *cobra.Command) {
	c.Flags().StringVar(&f.Cases, "cases", "", "run only the cases whose name matches this regular expression")
	c.Flags().StringSliceVar(&f.Containers, "container", nil, "use only these container backends: ve, ve-cgroup, ve-userns, namespaces, userns (default: VEs if the kernel has them, otherwise all that it offers)")
	c.Flags().DurationVar(&f.Limit, "boot-timeout", 0, "time limit for one guest (default: from the measured speed of this machine)")
}

// check refuses what no guest can try, and completes the options. kept tells that a datastore gets
// the verdict.
func (f *testFlags) check(a *app, u job.Reporter, kept bool) error {
	f.Cache, f.Home, f.Report = a.cache(u), a.home, u
	err := f.Check()
	if kept {
		err = errors.Join(err, f.CheckWhole())
	}
	return err
}

// kernelFlags say which kernel a guest boots.
type kernelFlags struct {
	trial.Choice
	key keyFlags
}

func (f *kernelFlags) register(c *cobra.Command) {
	c.Flags().StringVar(&f.Devel, "devel", "", "the kernel's -devel package, against which the probe is built (default: the one beside RPM)")
	c.Flags().StringVar(&f.Image, "kernel", "", "boot this bare kernel image instead of a package; needs --modules")
	c.Flags().StringVar(&f.Modules, "modules", "", "the bare kernel's /lib/modules/RELEASE, whose build link leads to the directory where it was compiled")
	c.MarkFlagsRequiredTogether("kernel", "modules")
	f.key.register(c)
	c.Flags().StringArrayVar(&f.Lustre.From, "lustre", nil, "use your own Lustre instead of the probe: a directory to lay over the guest's root, or an RPM to unpack there; may be repeated")
	c.Flags().StringVar(&f.Lustre.Setup, "lustre-setup", "", "a script that the guest runs before it mounts (default: none)")
	c.Flags().StringVar(&f.Lustre.Mount, "mount", "", "what the guest mounts, for example 10.0.0.1@tcp:/lustre")
	c.Flags().StringVar(&f.Lustre.Listen, "lustre-listen", "", "wait at this ADDRESS:PORT of this machine for a second guest; in the network of the two, this guest is 10.0.0.1")
	c.Flags().StringVar(&f.Lustre.Connect, "lustre-connect", "", "join the guest that waits at this ADDRESS:PORT; in the network of the two, this guest is 10.0.0.2")
	c.MarkFlagsRequiredTogether("lustre", "mount")
	c.MarkFlagsMutuallyExclusive("lustre", "devel")
	c.MarkFlagsMutuallyExclusive("kernel", "devel")
	c.MarkFlagsMutuallyExclusive("kernel", "keyring")
}

// check tells whether the arguments and flags name exactly one kernel, and what belongs
// to a Lustre of the user's fits together.
func (f *kernelFlags) check(c *cobra.Command, args []string) error {
	if err := chooseKernel(c, &f.Choice, args); err != nil {
		return err
	}
	f.Keyring = f.key.keyring
	return f.Lustre.Check()
}

// chooseKernel takes the one kernel that arguments and flags name.
func chooseKernel(c *cobra.Command, kernel *trial.Choice, args []string) error {
	if (len(args) == 1) == (kernel.Image != "") {
		return usage(fmt.Errorf("name one kernel: a kernel package, or --kernel and --modules; see %s --help", c.CommandPath()))
	}
	if len(args) == 1 {
		kernel.Package = args[0]
	}
	return nil
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
	c.Flags().StringArrayVar(&f.Args, "qemu-arg", nil, "pass this argument to QEMU as it is; repeat the flag for each: --qemu-arg=-device --qemu-arg=e1000")
	c.Flags().StringVar(&f.Livepatch, "livepatch", "", "put this module of ovzpatch livepatch into the guest, at /lib/modules/RELEASE/extra/")
	c.Flags().StringVar(&f.Share, "share", "", "show the guest this directory at "+guest.ShareDir+"; the guest cannot write to it")
	c.Flags().BoolVar(&f.Write, "rw", false, "let the guest write to the directory of --share, as you; its kernel needs 9p")
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
