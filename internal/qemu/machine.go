// SPDX-License-Identifier: Apache-2.0

// Package qemu boots a kernel in a virtual machine. It finds out which accelerator works here,
// describes the machine in one options struct, reads its console and the guest's events, and says
// how the boot ended. It tells a bad kernel from a broken harness.
package qemu

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"ovzpatch/internal/guest"
)

// Program is the emulator, looked up in PATH. It boots 32-bit kernels too.
const Program = "qemu-system-x86_64"

// Machine describes one boot, as exec.Cmd describes a command: fill it in, then call Run or
// Interact once. The hardware is such that every kernel since 2.6.18 has drivers for it.
type Machine struct {
	Arch      string // "x86_64" or "i386"
	Accel     Accel  // from ChooseAccel
	Kernel    string // bzImage
	Initrd    string // initramfs; "" boots without
	Append    []string
	MemoryMiB int      // 0 means 512
	CPUs      int      // 0 means 1
	Extra     []string // further arguments of QEMU, as they are
	// Spare saves processor time. It changes nothing where the guest has a second processor, or a
	// device of Extra.
	Spare Spare

	// ConsoleLog is the file that receives every byte of the console; it is overwritten. With "",
	// only the tail is kept.
	ConsoleLog string
	// Limits end a boot that makes no progress. The zero value means LimitsFor(Accel.Slowdown).
	Limits Limits
	// Event is called with each event of the guest when it arrives.
	Event func(guest.Event)
}

// kernelArgs come before Machine.Append. panic=-1 makes 2.6.18 hang on a panic, so we use 1 s.
// no_timer_check: on a loaded host that check fails and the kernel panics for no reason.
// earlyprintk makes a kernel that dies before its console driver print something. Kernels that do
// not know one of these ignore it.
var kernelArgs = []string{
	"console=ttyS0", "earlyprintk=serial,ttyS0,115200",
	"panic=1", "oops=panic", "no_timer_check", "printk.devkmsg=on",
}

// Spare is what a kernel is booted without.
type Spare int

// The spare machines. All that a trial uses is on the ISA bus, and to look for the rest takes a third of a boot.
const (
	Whole Spare = iota
	// WithoutPCI is for 2.6.32 and 3.10, which use the clock of a whole machine there. Without ACPI their clock
	// goes by jiffies at first, and Go's runtime stopped now and then ("nanotime returning zero").
	WithoutPCI
	// WithoutACPI has no PCI either, and is for kernels since 5.
	WithoutACPI
)

// spareArgs are more of them for a spare machine. Kernels calibrate the local APIC's timer in a loop that reads a clock, which
// under -icount can take longer than all the rest, and can do with another timer. Timers that go by the kernel's ticks wake
// Go's runtime less often. Without ACPI an i686 kernel checks its clock, the TSC, against the PIT, which QEMU's -icount
// does not keep exactly in step, and calls it unstable in the middle of a case. The self-tests of its ciphers are more than
// half of what a distribution's kernel does until its first process runs.
var spareArgs = map[Spare][]string{
	WithoutPCI:  {"pci=off", "noapictimer"},
	WithoutACPI: {"acpi=off", "pci=off", "tsc=reliable", "noapictimer", "highres=off", "cryptomgr.notests"},
}

// chardev arguments of the two serial ports. With Run, QEMU writes into pipes, which it inherits
// as descriptors 3 and 4, so that stderr has only QEMU's own messages.
const (
	consolePipe = "file,id=console,path=/dev/fd/3"
	resultsPipe = "file,id=results,path=/dev/fd/4"
	// mux provides QEMU's own keys: Ctrl-A X leaves, whatever the guest does.
	consoleStdio = "stdio,id=console,signal=off,mux=on"
	resultsNone  = "null,id=results"
)

// args returns the argument vector of QEMU, the program included.
func (m Machine) args(console, results string) ([]string, error) {
	cpu, ok := map[string]string{"x86_64": "qemu64", "i386": "qemu32"}[m.Arch]
	if !ok {
		return nil, fmt.Errorf("describe machine: architecture %q is unsupported; use x86_64 or i386", m.Arch)
	}
	memory, cpus := m.MemoryMiB, m.CPUs
	if memory == 0 {
		memory = 512
	}
	if cpus == 0 {
		cpus = 1
	}
	args, words := board(m.Accel.Name), slices.Clone(kernelArgs)
	if m.Accel.Icount && results == resultsPipe {
		// Waiting in the guest, for example for a rate limit, costs no time here then. Nobody could
		// type at such a guest.
		clock := icount
		if cpus == 1 && len(m.Extra) == 0 {
			words = append(words, spareArgs[m.Spare]...)
			if m.Spare == WithoutACPI {
				clock = spareIcount
			}
		}
		args = append(args, "-icount", clock)
	}
	args = append(args,
		"-cpu", cpu, "-m", strconv.Itoa(memory), "-smp", strconv.Itoa(cpus),
		"-chardev", console, "-serial", "chardev:console",
		"-chardev", results, "-serial", "chardev:results",
		"-kernel", m.Kernel,
	)
	if m.Initrd != "" {
		args = append(args, "-initrd", m.Initrd)
	}
	words = append(words, m.Append...)
	return append(append(args, "-append", strings.Join(words, " ")), m.Extra...), nil
}

// board is what every machine of this package has.
func board(accel string) []string {
	return []string{
		Program, "-accel", accel, "-M", "pc", "-nodefaults", "-no-user-config",
		"-no-reboot", "-display", "none", "-monitor", "none",
	}
}
