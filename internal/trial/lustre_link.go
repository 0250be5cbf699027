// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"strings"

	"ovzpatch/internal/initramfs"
	"ovzpatch/internal/job"
	"ovzpatch/internal/qemu"
)

// A guest that listens has the servers, and the address that they have in a guest of their own.
const (
	serverAddress = "10.0.0.1"
	clientAddress = "10.0.0.2"
)

// checkLink refuses what QEMU does not understand, or would understand as something else.
func (l Lustre) checkLink() error {
	for flag, value := range map[string]string{"--lustre-listen": l.Listen, "--lustre-connect": l.Connect} {
		if value == "" {
			continue
		}
		if !l.Given() {
			return job.BadRequest(fmt.Errorf("%s needs --lustre: it joins your own Lustre in two guests", flag))
		}
		if at, err := netip.ParseAddrPort(value); err != nil || !at.Addr().Is4() || at.Port() == 0 {
			return job.BadRequest(fmt.Errorf("%s=%s: use an IPv4 address and a port of this machine, such as 127.0.0.1:7000", flag, value))
		}
	}
	if l.Listen != "" && l.Connect != "" {
		return job.BadRequest(errors.New("--lustre-listen and --lustre-connect: one guest listens, the other connects"))
	}
	return nil
}

// link is a guest's end of a network that two guests are on, which is a connection of their QEMUs.
type link struct {
	socket  string // what QEMU does: listen=ADDRESS or connect=ADDRESS
	address string // the guest's own in that network
	device  string // QEMU's network card
	modules []string
}

// linkFor returns the end that a user asks for, nil for none; modules are those of the guest's kernel.
func (l Lustre) linkFor(modules fs.FS) (*link, error) {
	end := &link{}
	switch {
	case l.Listen != "":
		end.socket, end.address = "listen="+l.Listen, serverAddress
	case l.Connect != "":
		end.socket, end.address = "connect="+l.Connect, clientAddress
	default:
		return nil, nil
	}
	return end, end.choose(modules)
}

// cards are QEMU's and their drivers, the one that costs least first. Kernels before 2.6.25, and distributions'
// that are for the cloud, have only one of the two.
var cards = []struct{ device, driver, bus string }{
	{"virtio-net-pci", "virtio_net", "virtio_pci"},
	{"e1000", "e1000", ""},
}

// choose takes the first card that the kernel has a driver for.
func (e *link) choose(modules fs.FS) error {
	var names []string
	for _, card := range cards {
		driver, err := initramfs.SelectModules(modules, []string{card.driver})
		if errors.Is(err, initramfs.ErrNoModule) {
			names = append(names, card.driver)
			continue
		}
		if err != nil {
			return err
		}
		if card.bus != "" {
			// Kernels before 2.6.33 do not say what is built into them.
			bus, err := initramfs.SelectModules(modules, []string{card.bus})
			if err != nil && !errors.Is(err, initramfs.ErrNoModule) {
				return err
			}
			driver = append(bus, driver...)
		}
		e.device, e.modules = card.device, driver
		return nil
	}
	return job.BadRequest(fmt.Errorf("--lustre-listen, --lustre-connect: the kernel has no driver for a network card of QEMU's (%s): build one as a module", strings.Join(names, ", ")))
}

// join puts the card into a machine. Both guests must see time pass at the same speed: one that skips what
// it would wait for does not hear the other's answer in time.
func (e *link) join(m *qemu.Machine) {
	m.Accel.Icount = false
	m.Extra = append(m.Extra,
		"-netdev", "socket,id=lustre,"+e.socket,
		"-device", e.device+",netdev=lustre,romfile=,mac=52:54:00:00:00:0"+e.address[len(e.address)-1:])
	m.Append = append(m.Append, "umounttest.address="+e.address)
}
