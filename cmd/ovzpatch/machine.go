// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"ovzpatch/internal/guest"
	"ovzpatch/internal/qemu"
	"ovzpatch/internal/trial"
)

// machineFlags say what the virtual machine of a shell or a command is like.
type machineFlags struct {
	memory string
	cpus   int
	args   []string
	gdb    int
	mib    int // memory, once it is checked
	// livepatch is a module that is laid into the guest.
	livepatch string
	share     string // directory of this machine
	write     bool   // the guest may write there
}

// What a machine may have. The least memory is what the small guests boot with; QEMU's machine
// type pc takes no more processors.
const (
	minMemory, maxMemory = 128, 1 << 20 // MiB
	maxCPUs              = 255
)

func (f *machineFlags) register(c *cobra.Command) {
	c.Flags().StringVar(&f.memory, "memory", "512M", "memory of the guest: a number of MiB, or with M or G")
	c.Flags().IntVar(&f.cpus, "cpus", 1, "processors of the guest")
	c.Flags().StringArrayVar(&f.args, "qemu-arg", nil, "one more argument for QEMU, as it is; repeat it for each: --qemu-arg=-device --qemu-arg=e1000")
	c.Flags().StringVar(&f.livepatch, "livepatch", "", "lay this module of ovzpatch livepatch into the guest, at /lib/modules/RELEASE/extra/")
	c.Flags().StringVar(&f.share, "share", "", "the guest has this directory at "+guest.ShareDir+", and may not write to it")
	c.Flags().BoolVar(&f.write, "rw", false, "the guest may write to the directory of --share, as you; its kernel needs 9p")
	c.Flags().IntVar(&f.gdb, "gdb", 0, "wait for gdb on this port of 127.0.0.1 before the kernel starts, which then has no KASLR; in gdb: target remote :PORT")
}

// check refuses what no machine can have.
func (f *machineFlags) check(c *cobra.Command) error {
	number, unit := strings.TrimRight(f.memory, "MG"), 1
	suffix := strings.TrimPrefix(f.memory, number)
	if suffix == "G" {
		unit = 1 << 10
	}
	n, err := strconv.ParseUint(number, 10, 31)
	if err != nil || len(suffix) > 1 || int(n)*unit < minMemory || int(n)*unit > maxMemory {
		return usage(fmt.Errorf("--memory=%s: it must be from %dM to %dG, as 512M or 2G", f.memory, minMemory, maxMemory>>10))
	}
	f.mib = int(n) * unit
	if err := needFile("livepatch", f.livepatch, false); err != nil {
		return err
	}
	if err := needFile("share", f.share, true); err != nil {
		return err
	}
	if f.write && f.share == "" {
		return usage(errors.New("--rw is about the directory of --share: add --share=DIR"))
	}
	if f.cpus < 1 || f.cpus > maxCPUs {
		return usage(fmt.Errorf("--cpus=%d: it must be from 1 to %d", f.cpus, maxCPUs))
	}
	if c.Flags().Changed("gdb") && (f.gdb < 1 || f.gdb > 65535) {
		return usage(fmt.Errorf("--gdb=%d: it must be a port, from 1 to 65535, as 1234", f.gdb))
	}
	return nil
}

// shared is the directory that the guest has, nil for none. A copy for a guest goes into scratch.
func (f *machineFlags) shared(scratch string) *trial.Share {
	if f.share == "" {
		return nil
	}
	return &trial.Share{Dir: f.share, Write: f.write, Scratch: scratch}
}

// apply makes the machine so.
func (f *machineFlags) apply(m *qemu.Machine) {
	m.MemoryMiB, m.CPUs = f.mib, f.cpus
	m.Extra = append(m.Extra, f.args...)
	if f.gdb > 0 {
		m.Extra = append(m.Extra, "-gdb", fmt.Sprintf("tcp:127.0.0.1:%d", f.gdb), "-S")
		m.Append = append(m.Append, "nokaslr")
	}
}
