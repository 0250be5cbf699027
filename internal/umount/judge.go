// SPDX-License-Identifier: Apache-2.0

package umount

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"ovzpatch/internal/guest"
)

// ReadOnly is the finding that a container made a superblock read-only for everybody.
const ReadOnly = "read-only for everybody"

// Judge returns which kind of kernel showed got in case c behind gate g. If neither does, why says so. finding is harm
// that no port prevents.
func Judge(c Case, g Gate, got guest.Seen) (verdict guest.Verdict, why, finding string) {
	want, ok := c.Wants[g]
	if !ok {
		return guest.Inconclusive, "the case is not meant for this backend", ""
	}
	if got.Trouble != "" {
		return guest.Faulty, complaint(got.Trouble), ""
	}
	if want.Finding != nil && c.differences(*want.Finding, got) == "" {
		// The messages may still tell which kernel it was.
		verdict = guest.Either
		if want.Patched.Messages != want.Unpatched.Messages {
			verdict = guest.Protected
		}
		return verdict, "", ReadOnly
	}
	patched, unpatched := c.differences(want.Patched, got), c.differences(want.Unpatched, got)
	switch {
	case patched == "" && unpatched == "":
		return guest.Either, "", ""
	case patched == "":
		return guest.Protected, "", ""
	case unpatched == "":
		return guest.Vulnerable, "", ""
	case want.Patched == want.Unpatched:
		return guest.Faulty, "on any kernel: " + patched, ""
	}
	return guest.Faulty, "with the patch: " + patched + "; without it: " + unpatched, ""
}

// harms names the complaints of a kernel that watches itself (--debug-kernel).
var harms = []struct{ name, text string }{
	{"sleeps where it must not", "sleeping function called from invalid context"},
	{"sleeps where it must not", "scheduling while atomic"},
	{"locks wrongly", "locking dependency"},
	{"locks wrongly", "recursive locking"},
	{"locks wrongly", "inconsistent lock state"},
	{"locks wrongly", "lock inversion"},
	{"locks wrongly", "lock order detected"},
	{"locks wrongly", "bad unlock balance"},
	{"locks wrongly", "held lock freed"},
	{"locks wrongly", "locks held"},
	{"locks wrongly", "held when returning to user space"},
	{"locks wrongly", "suspicious RCU usage"},
	{"keeps memory", leakedText},
}

// leakedText is a part of what kmemleak logs when it has found something.
const leakedText = "new suspected memory leaks"

// complaint describes a complaint of the kernel, with the name of the harm if it has one.
func complaint(trouble string) string {
	for _, h := range harms {
		if strings.Contains(trouble, h.text) {
			return h.name + ", the kernel says: " + trouble
		}
	}
	return "the kernel complained: " + trouble
}

// differences describes where got differs from want; "" is nowhere.
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
	most := want.Messages
	if want.Flood {
		// Kernels like 2.6.32 begin to count with the second message. On a slow emulated processor the
		// flood may last for several windows.
		most = burst + 1 + burst*int(got.Acted/interval.Milliseconds())
	}
	switch {
	case got.Messages >= want.Messages && got.Messages <= most:
	case most > want.Messages:
		differ("messages", fmt.Sprintf("%d to %d", want.Messages, most), got.Messages)
	default:
		differ("messages", want.Messages, got.Messages)
	}
	if (want.Messages > 0 || want.Flood) && got.Messages > 0 && !rightIDs(got.Want, got.ID) {
		differ("container id", got.Want, got.ID)
	}
	if got.Level != "" {
		differ("level of a message", strconv.Itoa(warning), got.Level)
	}
	if got.Odd != "" {
		out = append(out, fmt.Sprintf("the kernel also wrote %q", got.Odd))
	}
	out = append(out, sideEffects(got)...)
	differ("superblocks left behind", 0, got.Left)
	// The message is for the host's administrator, not for the container's.
	differ("messages in the container's own log", 0, got.Own)
	used := func(where, errno string) {
		if want.Host != down || !c.Uncounted || !shutOut[errno] {
			differ(where, want.Host, errno)
		}
	}
	used("a use on the host", got.Host)
	if got.Peer != "" {
		used("a use in the other container", got.Peer)
	}
	if c.Hold && !c.Ends {
		used("a use of what is held open", orNone(got.Held))
	}
	differ("still mounted", want.Mounted, got.Mounted)
	return strings.Join(out, ", ")
}

// sideEffects describes what the calls did to others, and what they left behind. A sound kernel does nothing of that.
func sideEffects(got guest.Seen) (out []string) {
	if got.Slower > slowLimit {
		out = append(out, fmt.Sprintf("a call takes %d ms at least", got.Slower))
	}
	if got.Waited > waitLimit {
		out = append(out, fmt.Sprintf("another container's umount of a tmpfs is kept waiting for %d ms", got.Waited))
	}
	if got.Grown > grownLimit {
		out = append(out, fmt.Sprintf("the calls leave %d KiB in the kernel's memory", got.Grown))
	}
	if got.Kept != "" {
		out = append(out, "the calls leave in the kernel: "+got.Kept)
	}
	if got.Changed != "" {
		out = append(out, "the calls change their caller, or the mount: "+got.Changed)
	}
	return out
}

const (
	// slowLimit is in milliseconds of the guest. Writing a message takes some.
	slowLimit = 10
	// waitLimit is in milliseconds of the guest, too. On a busy machine a guest's clock may run ahead of its
	// work.
	waitLimit = 25
	// grownLimit is in KiB. It is less than one small object for each call.
	grownLimit = 40
)

// rightIDs compares the ids in messages with those that must be there in this order ("A,B"), or that are allowed
// ("A|B").
func rightIDs(want, got string) bool {
	if !strings.Contains(want, "|") {
		return want == got
	}
	may := strings.Split(want, "|")
	return !slices.ContainsFunc(strings.Split(got, ","), func(id string) bool { return !slices.Contains(may, id) })
}

func orNone(errno string) string {
	if errno == "" {
		return "none"
	}
	return errno
}

// Overall returns the verdict on a whole run. A kernel is protected, or vulnerable, only if no case contradicts that.
// A vulnerable one must also have harmed lustre from a container whose root may force: a kernel that never had the
// fault returns EPERM as well.
func Overall(results []guest.Result, gates map[string]Gate) guest.Verdict {
	count := map[guest.Verdict]int{}
	harm := false
	for _, r := range results {
		count[r.Verdict]++
		gate, known := gates[r.Backend]
		harm = harm || known && (gate == Open || gate == VE) && r.Verdict == guest.Vulnerable && shutOut[r.Got.Host]
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
