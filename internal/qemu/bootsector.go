// SPDX-License-Identifier: Apache-2.0

package qemu

import (
	"bytes"
	"encoding/binary"
)

// The lines that the boot sector prints before and after its counting loop.
const (
	loopBegins = "ovzpatch: loop begins\n"
	loopEnds   = "ovzpatch: loop ends\n"
)

// exitPort is the port of QEMU's isa-debug-exit device in the boot sector's machine: writing v
// ends QEMU with exit code 2*v+1.
const (
	exitPort  = 0xf4
	exitValue = 0x10
)

// bootSector returns the 512 bytes of a disk that prints loopBegins on the first serial port,
// counts rounds down, prints loopEnds, and ends QEMU. The time between the two lines shows the
// machine's speed, without firmware and process start.
func bootSector(rounds uint32) []byte {
	const origin = 0x7c00
	var code []byte
	emit := func(b ...byte) { code = append(code, b...) }

	emit(0xfa)       //         cli
	emit(0xfc)       //         cld
	emit(0x31, 0xc0) //         xor   ax, ax
	emit(0x8e, 0xd8) //         mov   ds, ax
	emit(0xbe, 0, 0) //         mov   si, begins       (patched below)
	beginsAt := len(code) - 2
	emit(0xe8, 0, 0) //         call  print            (patched below)
	firstCall := len(code)
	emit(0x66, 0xb9) //         mov   ecx, rounds
	code = binary.LittleEndian.AppendUint32(code, rounds)
	emit(0x66, 0x49) // count:  dec   ecx
	emit(0x75, 0xfc) //         jnz   count
	emit(0xbe, 0, 0) //         mov   si, ends         (patched below)
	endsAt := len(code) - 2
	emit(0xe8, 0, 0) //         call  print            (patched below)
	secondCall := len(code)
	emit(0xb0, exitValue) //         mov   al, exitValue
	emit(0xe6, exitPort)  //         out   exitPort, al
	emit(0xf4)            // halt:   hlt
	emit(0xeb, 0xfd)      //         jmp   halt
	printAt := len(code)
	emit(0xac)             // print:  lodsb
	emit(0x84, 0xc0)       //         test  al, al
	emit(0x74, 0x11)       //         jz    printed
	emit(0x88, 0xc4)       //         mov   ah, al
	emit(0xba, 0xfd, 0x03) //         mov   dx, 0x3fd        line status
	emit(0xec)             // wait:   in    al, dx
	emit(0xa8, 0x20)       //         test  al, 0x20         transmitter empty
	emit(0x74, 0xfb)       //         jz    wait
	emit(0xb2, 0xf8)       //         mov   dl, 0xf8         0x3f8, data
	emit(0x88, 0xe0)       //         mov   al, ah
	emit(0xee)             //         out   dx, al
	emit(0xeb, 0xea)       //         jmp   print
	emit(0xc3)             // printed: ret

	relative := func(at, target int) { binary.LittleEndian.PutUint16(code[at-2:], uint16(target-at)) }
	relative(firstCall, printAt)
	relative(secondCall, printAt)
	binary.LittleEndian.PutUint16(code[beginsAt:], uint16(origin+len(code)))
	emit(append([]byte(loopBegins), 0)...)
	binary.LittleEndian.PutUint16(code[endsAt:], uint16(origin+len(code)))
	emit(append([]byte(loopEnds), 0)...)

	return append(append(code, bytes.Repeat([]byte{0}, 510-len(code))...), 0x55, 0xaa)
}
