// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// bringUpNetwork gives interfaces an address: LNet wants one that is not the loopback's.
// Where there is no other guest, address is "", and the dummy driver provides one that
// leads nowhere. A kernel without one of them is told about: the user's script may bring
// up another.
func bringUpNetwork(address string) []error {
	name := "eth0"
	if address == "" {
		name, address = "dummy0", "10.0.0.1"
	}
	var problems []error
	for _, i := range [][2]string{{"lo", "127.0.0.1"}, {name, address}} {
		a, err := netip.ParseAddr(i[1])
		if err == nil && !a.Is4() {
			err = fmt.Errorf("%s is no IPv4 address", a)
		}
		if err == nil {
			err = bringUpInterface(i[0], a.AsSlice())
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("bring up %s: %w", i[0], err))
		}
	}
	return problems
}

func bringUpInterface(name string, address []byte) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for _, set := range []struct {
		call  uint
		value [4]byte
	}{
		{unix.SIOCSIFADDR, [4]byte(address)},
		{unix.SIOCSIFNETMASK, [4]byte{255, 255, 255, 0}},
	} {
		req, err := unix.NewIfreq(name)
		if err == nil {
			err = req.SetInet4Addr(set.value[:])
		}
		if err == nil {
			err = unix.IoctlIfreq(fd, set.call, req)
		}
		if err != nil {
			return err
		}
	}
	req, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	req.SetUint16(unix.IFF_UP)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, req)
}
