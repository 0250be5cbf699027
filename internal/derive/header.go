// SPDX-License-Identifier: Apache-2.0

package derive

import (
	"bytes"
	"fmt"
	"strings"
)

// untried is the line of the header that Tried replaces.
const untried = "Nobody has tried it: neither compiled nor booted."

// Tried returns a derived patch with a header that tells what was seen of it.
func Tried(patch []byte, seen string) []byte {
	return bytes.Replace(patch, []byte(untried+"\n"), []byte(wrap(seen, 75)+"\n"), 1)
}

// header is the text before the diff.
func (d *deriver) header(w *way, h *hook) []byte {
	var b strings.Builder
	b.WriteString(`From: the ovzpatch authors
Subject: [PATCH] fs: do not let a container force the umount of Lustre

umount2(MNT_FORCE) on a Lustre client acts on the superblock: its
umount_begin takes the imports away from every mount of it, in every
container and on the host. Drop the flag when it is asked for from inside a
container, tell the host's log, and go on with the ordinary umount.

`)
	paragraph := func(format string, args ...any) { b.WriteString(wrap(fmt.Sprintf(format, args...), 75) + "\n\n") }
	container := "a task outside the initial pid namespace"
	if h.ve {
		container = "a VE other than VE0"
	}
	paragraph("A container is %s. Its id in the message is %s.", container, h.idWords)
	switch w.place {
	case beforeCall:
		paragraph("The flag is dropped in %s() before %s(), whose gate for MNT_FORCE would answer EPERM in a user namespace. The message waits for it, so that a caller who may not umount at all, or a path that is no mount point, leaves no line in the log.", w.fn().Name, w.gated)
	case beforeGate:
		paragraph("The flag is dropped in %s() before its gate for MNT_FORCE, which would answer EPERM in a user namespace.", w.fn().Name)
	default:
		paragraph("The flag is dropped in %s() behind the MNT_EXPIRE test. There is no gate for MNT_FORCE on the way from the system call.", w.fn().Name)
	}
	b.WriteString("MNT_EXPIRE|MNT_FORCE is left alone: it is refused as ever.\n\n")
	paragraph("Derived by ovzpatch port from the text of this kernel's fs/namespace.c and headers; ovzpatch port --explain shows each decision with the lines that led to it.")
	b.WriteString(untried + "\n\n")
	if !d.facts.known {
		paragraph("The headers were not at hand: what this kernel declares was taken from its version.")
	}
	fmt.Fprintf(&b, "Derived-for: %s\nLicense: GPL-2.0\n---\n", d.src.Kernel)
	return []byte(b.String())
}

// wrap breaks a text into lines of at most n letters.
func wrap(text string, n int) string {
	var b strings.Builder
	at := 0
	for i, word := range strings.Fields(text) {
		switch {
		case i == 0:
		case at+1+len(word) > n:
			b.WriteByte('\n')
			at = 0
		default:
			b.WriteByte(' ')
			at++
		}
		b.WriteString(word)
		at += len(word)
	}
	return b.String()
}
