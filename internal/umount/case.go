// SPDX-License-Identifier: Apache-2.0

// Package umount is what a guest tries with umount2(2), how it is tried, and how what
// was seen is judged: the cases are data, the judgement is a pure function of them.
package umount

import (
	"context"
	"maps"
	"slices"

	"golang.org/x/sys/unix"
)

// Gate says whether the kernel lets the acting process force an umount at all.
type Gate int

const (
	// Open: root in a container, which an unpatched kernel lets force.
	Open Gate = iota
	// Closed: root in a container with a user namespace, which it answers EPERM.
	Closed
	// VE: root in a VE of 2.6.18 or 2.6.32, which an unpatched kernel lets force, too.
	VE
	// Host: no container is in play.
	Host
)

// Want is what one kind of kernel must show in a case.
type Want struct {
	Errno    string // several, by "|", where kernels may differ in good faith
	Forced   int    // calls of umount_begin
	Inactive int    // INACTIVE lines
	Messages int    // override messages, at least
	Flood    bool   // more messages are right, as many as the rate limit lets through
	// Host is the errno of a use of the filesystem afterwards: on the host, in the other
	// container, and through what was held open. All of them share one superblock.
	Host    string
	Mounted bool
}

// Wants is what the two kinds of kernel must show; they are equal in a control.
type Wants struct {
	Patched, Unpatched Want
	// Finding is what a kernel of either kind may show beside that: it is no verdict on the
	// port, which is not there for it, but it is told.
	Finding *Want
}

// Case is one thing that is tried.
type Case struct {
	Name string
	Kind string // of fault that it is there for, as docs/cases.md groups them
	Text string // what is done, in one sentence
	For  string // the wrong port that it is there for
	Type string // filesystem type
	Hold bool   // a file and a directory are held open on the mount under test
	// Both says that the second container has a busy mount of its own, and acts, too.
	Both bool
	// Ends says that the container comes to its end in the case, and what it held with it.
	Ends bool
	// Fresh says that the container is started for the case, when the host's mount is there
	// already. The others share one: to start it takes longer than to try a case.
	Fresh bool
	// Init says that process 1 of the container acts, in a container of the case's own. Those
	// of namespaces have no other process; in a VE it is a child that acts elsewhere. Process 1
	// of a VE of 2.6.32 must not have several threads: when it is killed it may hang.
	Init bool
	// Last is what is tried when all else was, on no scene.
	Last bool
	ID   int // of the VE, which is started for the case; 0 for the next free one
	// Compat says that a 32-bit program acts on a 64-bit kernel.
	Compat bool
	// Command says that the command umount acts, which the container must have.
	Command bool
	// Needs is a filesystem type that the kernel must know; "" for none.
	Needs string
	// Uncounted is a case on a filesystem that counts no umount_begin and may swallow its
	// INACTIVE lines, as Lustre limits them: there must be none where none is wanted.
	Uncounted bool
	// Wants has one entry for every Gate the case makes sense behind.
	Wants map[Gate]Wants

	origin string // how the container mounts it; a key of origins, "" for a subdirectory
	act    act
}

// own says whether the container cannot be one that other cases use.
func (c Case) own() bool { return c.Fresh || c.Ends || c.Init || c.ID != 0 }

// act is how a case acts on its scene. It returns the umount's errno, "0" where the act
// is none that has one.
type act = func(context.Context, *scene) (errno string, err error)

const down = "ESHUTDOWN"

// both is the expectation of a control.
func both(w Want) Wants { return Wants{Patched: w, Unpatched: w} }

// inside returns the expectations of a case that only containers can try.
func inside(patched, open, closed Want) map[Gate]Wants {
	return map[Gate]Wants{
		Open:   {Patched: patched, Unpatched: open},
		VE:     {Patched: patched, Unpatched: open},
		Closed: {Patched: patched, Unpatched: closed},
	}
}

// forced returns what a forced umount of lustre must show that ends with this errno, and
// leaves the mount or does not.
func forced(errno string, mounted bool) map[Gate]Wants {
	return inside(
		Want{Errno: errno, Messages: 1, Host: "0", Mounted: mounted},
		Want{Errno: errno, Forced: 1, Inactive: 1, Host: down, Mounted: mounted},
		Want{Errno: "EPERM", Host: "0", Mounted: true})
}

// everywhere returns one expectation behind whatever gate a container has.
func everywhere(w Want) map[Gate]Wants {
	return map[Gate]Wants{Open: both(w), VE: both(w), Closed: both(w)}
}

// only leaves out all gates but these.
func only(w map[Gate]Wants, gates ...Gate) map[Gate]Wants {
	maps.DeleteFunc(w, func(g Gate, _ Wants) bool { return !slices.Contains(gates, g) })
	return w
}

// notInVE leaves out the kernels that have VEs by ioctl, for they lack what is tried.
func notInVE(w map[Gate]Wants) map[Gate]Wants {
	delete(w, VE)
	return w
}

// onHost is one expectation of a case without a container.
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
