// SPDX-License-Identifier: Apache-2.0

// Package qemu boots a kernel in a virtual machine: which accelerator works here, the
// machine as one options struct, its console, the guest's events, and what became of
// the boot. A bad kernel is kept apart from a broken harness.
package qemu

import (
	"fmt"
	"strconv"
	"strings"

	"ovzpatch/internal/guest"
)

// Program is the emulator that is run, looked up in PATH. It boots 32 bit kernels too.
const Program = "qemu-system-x86_64"

// Machine describes one boot, in the manner of exec.Cmd: fill it in, then Run or
// Interact once. The hardware is what every kernel since 2.6.18 has drivers for.
type Machine struct {
	Arch      string // "x86_64" or "i386"
	Accel     Accel  // from ChooseAccel
	Kernel    string // bzImage
	Initrd    string // initramfs; "" boots without
	Append    []string
	MemoryMiB int // 0 is 512
	CPUs      int // 0 is 1

	// ConsoleLog is the file that receives every byte of the console; what was in it
	// is overwritten. "" keeps the tail only.
	ConsoleLog string
	// Limits end a boot that goes nowhere. The zero value is LimitsFor(Accel.Slowdown).
	Limits Limits
	// Event is called with each event of the guest as it comes.
	Event func(guest.Event)
}

// kernelArgs come before Machine.Append. panic=-1 hangs 2.6.18 on a panic, so 1 s it is.
// no_timer_check: on a loaded host the check fails and the kernel panics for nothing.
// earlyprintk makes a kernel that dies before its console driver less than silent.
// Kernels that do not know one of these ignore it.
var kernelArgs = []string{
	"console=ttyS0", "earlyprintk=serial,ttyS0,115200",
	"panic=1", "oops=panic", "no_timer_check", "printk.devkmsg=on",
}

// chardev arguments of the two serial ports. With Run, QEMU writes into pipes it
// inherits as descriptors 3 and 4, so that its own words stay alone on stderr.
const (
	consolePipe = "file,id=console,path=/dev/fd/3"
	resultsPipe = "file,id=results,path=/dev/fd/4"
	// mux returns people QEMU's own keys: Ctrl-A X leaves whatever the guest does.
	consoleStdio = "stdio,id=console,signal=off,mux=on"
	resultsNone  = "null,id=results"
)

// args returns the argument vector of QEMU, the program included.
func (m Machine) args(console, results string) ([]string, error) {
	cpu, ok := map[string]string{"x86_64": "qemu64", "i386": "qemu32"}[m.Arch]
	if !ok {
		return nil, fmt.Errorf("describe machine: no architecture %q, only x86_64 and i386", m.Arch)
	}
	memory, cpus := m.MemoryMiB, m.CPUs
	if memory == 0 {
		memory = 512
	}
	if cpus == 0 {
		cpus = 1
	}
	args := board(m.Accel.Name)
	if m.Accel.Name == "tcg" && results == resultsPipe {
		// The guest's clock follows its instructions and jumps where it idles: waiting in
		// the guest, as for a rate limit, costs no time here. Nobody could type at it.
		args = append(args, "-icount", "shift=auto,sleep=off")
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
	words := append(append([]string(nil), kernelArgs...), m.Append...)
	return append(args, "-append", strings.Join(words, " ")), nil
}

// board is what every machine of this package starts with.
func board(accel string) []string {
	return []string{
		Program, "-accel", accel, "-M", "pc", "-nodefaults", "-no-user-config",
		"-no-reboot", "-display", "none", "-monitor", "none",
	}
}
