// SPDX-License-Identifier: Apache-2.0

package rpmfile

import (
	"encoding/binary"
	"errors"
)

// ErrNoKeys means that a file is no keyring.
var ErrNoKeys = errors.New("it holds no public key")

const publicKey = 6 // an OpenPGP packet's tag

// holdsKeys reports whether there is a public key among OpenPGP packets.
func holdsKeys(ring []byte) bool {
	for rest := ring; len(rest) > 0; {
		tag, header, length, ok := packetHeader(rest)
		if !ok || tag == publicKey || length > len(rest)-header {
			return ok && tag == publicKey
		}
		rest = rest[header+length:]
	}
	return false
}

// readableKeys removes the keys of OpenPGP version 6 and later, with everything that belongs to
// them: gpgv stops reading a keyring at the first of them, and then does not find the keys after
// it. Nothing is lost, because gpgv cannot read their signatures either.
func readableKeys(ring []byte) []byte {
	var kept []byte
	keep := true
	for rest := ring; len(rest) > 0; {
		tag, header, length, ok := packetHeader(rest)
		if !ok || length > len(rest)-header {
			return append(kept, rest...) // gpgv says what is wrong with it
		}
		if tag == publicKey {
			keep = length == 0 || rest[header] <= 5
		}
		if keep {
			kept = append(kept, rest[:header+length]...)
		}
		rest = rest[header+length:]
	}
	return kept
}

// packetHeader reads the header of an OpenPGP packet: its tag, and the length of the header and
// of the rest in bytes. It cannot read packets with partial lengths.
func packetHeader(b []byte) (tag, header, length int, ok bool) {
	if len(b) < 2 || b[0]&0x80 == 0 {
		return 0, 0, 0, false
	}
	var size int // bytes of the length
	switch first := b[1]; {
	case b[0]&0x40 == 0:
		tag, size = int(b[0]>>2&15), []int{1, 2, 4, 0}[b[0]&3]
	case first < 192:
		return int(b[0] & 63), 2, int(first), true
	case first < 224:
		if len(b) < 3 {
			return 0, 0, 0, false
		}
		return int(b[0] & 63), 3, (int(first)-192)<<8 + int(b[2]) + 192, true
	case first == 255:
		tag, size = int(b[0]&63), 4
		b = b[1:]
		header = 1
	default:
		return 0, 0, 0, false
	}
	if size == 0 || len(b) < 1+size {
		return 0, 0, 0, false
	}
	var n [4]byte
	copy(n[4-size:], b[1:1+size])
	return tag, header + 1 + size, int(binary.BigEndian.Uint32(n[:])), true
}
