// SPDX-License-Identifier: Apache-2.0

// Package umount holds the cases that a guest tries with umount2(2), and runs and judges them. A case is
// data; the judgement is a pure function of the case and of what was seen.
package umount

import (
	"context"
	"maps"
	"slices"

	"golang.org/x/sys/unix"
)

// Gate says whether the kernel lets the acting process force an umount at all. It depends on the container,
// not on the patch.
type Gate int

const (
	// Open: root in a container may force on an unpatched kernel.
	Open Gate = iota
	// Closed: root in a container with a user namespace gets EPERM.
	Closed
	// VE: root in a VE of 2.6.18 or 2.6.32 may force on an unpatched kernel, too.
	VE
	// Host: the case has no container.
	Host
)

// Want is what one kind of kernel must show in a case.
type Want struct {
	Errno    string // several, separated by "|", if sound kernels differ
	Forced   int    // calls of umount_begin
	Inactive int    // INACTIVE lines
	Messages int    // the least number of override messages
	Flood    bool   // as many more messages as the rate limit lets through are right, too
	// Host is the errno of using the filesystem afterwards: on the host, in the other container,
	// and through open files. All of them share one superblock.
	Host    string
	Mounted bool
}

// Wants is what each kind of kernel must show. In a control both must show the same.
type Wants struct {
	Patched, Unpatched Want
	// Finding is harm that the port does not prevent, so that a kernel of either kind may show it
	// instead. It is reported, and does not count against the port.
	Finding *Want
}

// Case is one thing that is tried.
type Case struct {
	Name string
	Kind string // the group in docs/cases.md
	Text string // what is done, in one sentence
	For  string // the wrong ports that it is meant to find
	Type string // filesystem type
	Hold bool   // a file and a directory on the mount under test are open meanwhile
	// Both: the second container has a busy mount of its own, and acts, too.
	Both bool
	// Ends: the container ends in the case, and closes what it held open.
	Ends bool
	// Fresh: the container is started for this case, after the host has mounted. Other cases share a
	// container, because starting one takes longer than trying a case.
	Fresh bool
	// Init: process 1 acts, in a container of the case's own. A container of namespaces has no other
	// process anyway. In a VE a child acts otherwise: process 1 of a VE of 2.6.32 must not have several
	// threads, because it may hang when it is killed.
	Init bool
	// Bare: the container is one of a pid namespace alone; with a user namespace, of that and a mount namespace
	// alone. It is of the case's own. VEs have no such cases.
	Bare bool
	// Last: the case is tried after all others, without a scene.
	Last bool
	ID   int // of the VE, which is started for the case; 0 for the next free one
	// Compat: a 32-bit program acts on a 64-bit kernel.
	Compat bool
	// Command: the command umount acts, which the container must have.
	Command bool
	// Needs is a filesystem type that the kernel must know; "" for none.
	Needs string
	// Uncounted: the filesystem does not count umount_begin and may drop INACTIVE lines, because Lustre
	// limits their rate. Then a missing line tells nothing, but an unwanted one does.
	Uncounted bool
	// Wants has an entry for each Gate behind which the case makes sense.
	Wants map[Gate]Wants

	origin string // how the container mounts it; a key of origins, "" for a subdirectory
	act    act
}

// On reports whether the case makes sense on the backend.
func (c Case) On(b Backend) bool {
	_, ok := c.Wants[b.Gate]
	return ok && !(c.Bare && b.VE)
}

// own reports whether the case needs a container that no other case uses.
func (c Case) own() bool { return c.Fresh || c.Ends || c.Init || c.Bare || c.ID != 0 }

// act does what the case tries, and returns the errno of the umount. An act without an errno returns "0".
type act = func(context.Context, *scene) (errno string, err error)

const down = "ESHUTDOWN"

// both returns the expectation of a control.
func both(w Want) Wants { return Wants{Patched: w, Unpatched: w} }

// inside returns the expectations of a case in containers.
func inside(patched, open, closed Want) map[Gate]Wants {
	return map[Gate]Wants{
		Open:   {Patched: patched, Unpatched: open},
		VE:     {Patched: patched, Unpatched: open},
		Closed: {Patched: patched, Unpatched: closed},
	}
}

// forced returns the expectations of a forced umount of lustre: its errno, and whether the mount stays.
func forced(errno string, mounted bool) map[Gate]Wants {
	return inside(
		Want{Errno: errno, Messages: 1, Host: "0", Mounted: mounted},
		Want{Errno: errno, Forced: 1, Inactive: 1, Host: down, Mounted: mounted},
		Want{Errno: "EPERM", Host: "0", Mounted: true})
}

// everywhere returns the same expectation for all containers.
func everywhere(w Want) map[Gate]Wants {
	return map[Gate]Wants{Open: both(w), VE: both(w), Closed: both(w)}
}

// only removes all gates but these.
func only(w map[Gate]Wants, gates ...Gate) map[Gate]Wants {
	maps.DeleteFunc(w, func(g Gate, _ Wants) bool { return !slices.Contains(gates, g) })
	return w
}

// notInVE removes the kernels whose VEs are made by ioctl, because they lack what is tried.
func notInVE(w map[Gate]Wants) map[Gate]Wants {
	delete(w, VE)
	return w
}

// onHost returns the expectation of a case without a container.
func onHost(w Want) map[Gate]Wants { return map[Gate]Wants{Host: both(w)} }

// Cases returns all cases in the order they are listed in.
func Cases() []Case {
	var all []Case
	for _, k := range []struct {
		kind  string
		cases []Case
	}{
		{"flags", flagCases()},
		{"origin of the mount", originCases()},
		{"caller", callerCases()},
		{"filesystem type", typeCases()},
		{"container", containerCases()},
		{"harm", harmCases()},
		{"host", hostCases()},
	} {
		for _, c := range k.cases {
			c.Kind = k.kind
			if c.Type == "" {
				c.Type = "lustre"
			}
			all = append(all, c)
		}
	}
	return all
}

const (
	force    = unix.MNT_FORCE
	detach   = unix.MNT_DETACH
	expire   = unix.MNT_EXPIRE
	nofollow = unix.UMOUNT_NOFOLLOW
)
