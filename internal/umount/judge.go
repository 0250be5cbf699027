// SPDX-License-Identifier: GPL-2.0-only

package umount

import (
	"fmt"
	"slices"
	"strings"

	"ovzpatch/internal/guest"
)

// Judge says which kind of kernel showed got in case c behind gate g, and why it was
// neither where it was neither.
func Judge(c Case, g Gate, got guest.Seen) (verdict guest.Verdict, why string) {
	want, ok := c.Wants[g]
	if !ok {
		return guest.Inconclusive, "the case is not meant for this backend"
	}
	if got.Trouble != "" {
		return guest.Faulty, "the kernel complained: " + got.Trouble
	}
	patched, unpatched := c.differences(want.Patched, got), c.differences(want.Unpatched, got)
	switch {
	case patched == "" && unpatched == "":
		return guest.Either, ""
	case patched == "":
		return guest.Protected, ""
	case unpatched == "":
		return guest.Vulnerable, ""
	case want.Patched == want.Unpatched:
		return guest.Faulty, "on any kernel: " + patched
	}
	return guest.Faulty, "with the patch: " + patched + "; without it: " + unpatched
}

// differences says in words where got is not as wanted; "" means nowhere.
func (c Case) differences(want Want, got guest.Seen) string {
	var out []string
	differ := func(what string, want, got any) {
		if want != got {
			out = append(out, fmt.Sprintf("%s %v, not %v", what, want, got))
		}
	}
	if !slices.Contains(strings.Split(want.Errno, "|"), got.Errno) {
		differ("errno", want.Errno, got.Errno)
	}
	switch {
	case !c.Uncounted:
		differ("umount_begin calls", want.Forced, got.Forced)
		differ("INACTIVE lines", want.Inactive, got.Inactive)
	case want.Inactive == 0:
		differ("INACTIVE lines", 0, got.Inactive)
	}
	most := max(want.Messages, want.Limit)
	if want.Limit > 0 {
		// An emulated processor that gets little time may be at it for several windows.
		most += burst * int(got.Acted/interval.Milliseconds())
	}
	switch {
	case got.Messages >= want.Messages && got.Messages <= most:
	case most > want.Messages:
		differ("messages", fmt.Sprintf("%d to %d", want.Messages, most), got.Messages)
	default:
		differ("messages", want.Messages, got.Messages)
	}
	if want.Messages > 0 && got.Messages > 0 {
		differ("container id", got.Want, got.ID)
	}
	// The host's administrator is to know, not the container's.
	differ("messages in the container's own log", 0, got.Own)
	differ("a read on the host", orNone(want.Host), orNone(got.Host))
	differ("a read in the other container", orNone(want.Peer), orNone(got.Peer))
	differ("a read on the held descriptor", orNone(want.Held), orNone(got.Held))
	differ("still mounted", want.Mounted, got.Mounted)
	return strings.Join(out, ", ")
}

func orNone(errno string) string {
	if errno == "" {
		return "none"
	}
	return errno
}

// Overall is the verdict over a whole run. A kernel is protected, or vulnerable, only
// when nothing speaks against it; a vulnerable one must have done harm to lustre from
// a container whose root it lets force, for EPERM alone also a kernel gives that
// never had the fault.
func Overall(results []guest.Result, gates map[string]Gate) guest.Verdict {
	count := map[guest.Verdict]int{}
	harm := false
	for _, r := range results {
		count[r.Verdict]++
		gate, known := gates[r.Backend]
		harm = harm || known && (gate == Open || gate == VE) && r.Verdict == guest.Vulnerable && r.Got.Host == down
	}
	protected, vulnerable := count[guest.Protected], count[guest.Vulnerable]
	known := protected + vulnerable + count[guest.Either]
	switch {
	case count[guest.Faulty] > 0 || protected > 0 && vulnerable > 0:
		return guest.Faulty
	case known < len(results):
		return guest.Inconclusive
	case protected > 0:
		return guest.Protected
	case harm:
		return guest.Vulnerable
	}
	return guest.Inconclusive
}
