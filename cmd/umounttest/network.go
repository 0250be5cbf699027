// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// interfaces get an address: LNet wants one that is not the loopback's, and the dummy
// driver provides one that leads nowhere.
var interfaces = []struct {
	name    string
	address [4]byte
}{
	{"lo", [4]byte{127, 0, 0, 1}},
	{"dummy0", [4]byte{10, 0, 0, 1}},
}

// bringUpNetwork sets up the interfaces. A kernel without one of them is told about: the
// user's script may bring up another.
func bringUpNetwork() []error {
	var problems []error
	for _, i := range interfaces {
		if err := bringUpInterface(i.name, i.address[:]); err != nil {
			problems = append(problems, fmt.Errorf("bring up %s: %w", i.name, err))
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
