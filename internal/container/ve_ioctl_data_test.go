// SPDX-License-Identifier: Apache-2.0

package container

import (
	"encoding/hex"
	"testing"
)

func TestCreateDataBytes(t *testing.T) {
	for name, c := range map[string]struct {
		word    word
		request uintptr
		want    string
	}{
		"amd64": {8, 0x40202e0a, "e7030000" + "03000000" + "00000000" + "00000000" + "8877665544332211" + "20000000" + "00000000"},
		"386":   {4, 0x40142e0a, "e7030000" + "03000000" + "00000000" + "88776655" + "20000000"},
	} {
		t.Run(name, func(t *testing.T) {
			data := uint64(0x1122334455667788)
			if c.word == 4 {
				data = 0x55667788
			}
			got := c.word.createData(999, veCreate|veExclusive, uintptr(data), int32(len(createParams{})))
			if hex.EncodeToString(got) != c.want {
				t.Errorf("got  %x\nwant %s", got, c.want)
			}
			if r := c.word.createRequest(); r != c.request {
				t.Errorf("request %#x, want %#x", r, c.request)
			}
		})
	}
}

func TestNoVEHere(t *testing.T) {
	if err := (VEIoctl{}).Available(); err == nil {
		t.Error("this kernel makes VEs by ioctl; is the machine a guest?")
	}
}
