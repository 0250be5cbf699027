// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"ovzpatch/internal/job"
	"ovzpatch/internal/preflight"
	"ovzpatch/internal/qemu"
)

// Hardware says what the virtual machine of a shell or a command is like.
type Hardware struct {
	Memory    string // a number of MiB, or with M or G
	CPUs      int
	Args      []string // more for QEMU, as they are
	GDB       int      // port on which the kernel waits for gdb; 0 for none
	Livepatch string   // a module that is laid into the guest; "" for none
	Share     string   // directory of this machine that the guest has; "" for none
	Write     bool     // the guest may write there
}

// What a machine may have. The least memory is what the small guests boot with; QEMU's machine
// type pc takes no more processors.
const (
	minMemory, maxMemory = 128, 1 << 20 // MiB
	maxCPUs              = 255
)

// Check refuses what no machine can have.
func (h *Hardware) Check() error {
	if _, err := h.mib(); err != nil {
		return err
	}
	if err := checkLivepatch(h.Livepatch); err != nil {
		return err
	}
	if err := preflight.Dir("share", h.Share); err != nil {
		return err
	}
	if h.Write && h.Share == "" {
		return job.BadRequest(errors.New("--rw is about the directory of --share: add --share=DIR"))
	}
	if h.CPUs < 1 || h.CPUs > maxCPUs {
		return job.BadRequest(fmt.Errorf("--cpus=%d: it must be from 1 to %d", h.CPUs, maxCPUs))
	}
	return nil
}

// CheckGDB refuses what is no port for gdb.
func CheckGDB(port int) error {
	if port < 1 || port > 65535 {
		return job.BadRequest(fmt.Errorf("--gdb=%d: it must be a port, from 1 to 65535, as 1234", port))
	}
	return nil
}

// mib is the memory in MiB.
func (h *Hardware) mib() (int, error) {
	number, unit := strings.TrimRight(h.Memory, "MG"), 1
	suffix := strings.TrimPrefix(h.Memory, number)
	if suffix == "G" {
		unit = 1 << 10
	}
	n, err := strconv.ParseUint(number, 10, 31)
	if err != nil || len(suffix) > 1 || int(n)*unit < minMemory || int(n)*unit > maxMemory {
		return 0, job.BadRequest(fmt.Errorf("--memory=%s: it must be from %dM to %dG, as 512M or 2G", h.Memory, minMemory, maxMemory>>10))
	}
	return int(n) * unit, nil
}

// shared is the directory that the guest has, nil for none. A copy for a guest goes into scratch.
func (h *Hardware) shared(scratch string) *Share {
	if h.Share == "" {
		return nil
	}
	return &Share{Dir: h.Share, Write: h.Write, Scratch: scratch}
}

// apply makes the machine so.
func (h *Hardware) apply(m *qemu.Machine) error {
	mib, err := h.mib()
	if err != nil {
		return err
	}
	m.MemoryMiB, m.CPUs = mib, h.CPUs
	m.Extra = append(m.Extra, h.Args...)
	if h.GDB > 0 {
		m.Extra = append(m.Extra, "-gdb", fmt.Sprintf("tcp:127.0.0.1:%d", h.GDB), "-S")
		m.Append = append(m.Append, "nokaslr")
	}
	return nil
}
