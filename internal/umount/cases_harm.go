// SPDX-License-Identifier: Apache-2.0

package umount

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// floods is the number of forced umounts in a flood.
const floods = 2000

// neighbours is how many times another container mounts and umounts meanwhile.
const neighbours = 20

// threads is the number of threads that call once each, in each of two rounds.
const threads = 200

// floodsEach is floods for each of two containers at once. That only has to outlast a window of the rate limit.
const floodsEach = 500

// harmCases look for harm other than umount_begin, and for protection that works only sometimes. Every case, also of
// other groups, looks for superblocks that stay, for unexpected lines in the log, and for a filesystem that became
// read-only.
func harmCases() []Case {
	flood := func(times, messages int) map[Gate]Wants {
		w := inside(
			Want{Errno: "EBUSY", Messages: messages, Flood: true, Host: "0", Mounted: true},
			// A superblock becomes inactive only once, however often it is forced.
			Want{Errno: "EBUSY", Forced: times, Inactive: 1, Host: down, Mounted: true},
			Want{Errno: "EPERM", Host: "0", Mounted: true})
		return w
	}
	// OpenVZ's kernels refuse it in a VE (ve_remount_allowed), others in a user namespace.
	remount := both(Want{Errno: "EPERM|EACCES|EINVAL", Host: "0", Mounted: true})
	remount.Finding = &Want{Errno: "0", Host: "EROFS", Mounted: true}
	shut := inside(
		Want{Errno: "EBUSY", Messages: 1, Host: "0"},
		Want{Errno: "EBUSY", Forced: 1, Inactive: 1, Host: down},
		Want{Errno: "EPERM", Host: "0"})
	for _, gate := range []Gate{Open, VE} {
		w := shut[gate]
		w.Finding = &Want{Errno: "EBUSY", Messages: 1, Host: "EROFS"}
		shut[gate] = w
	}
	return []Case{
		{
			Name: "force-flood", act: floodOne, Hold: true, Wants: flood(floods, 1),
			Text: "two thousand umount2(MNT_FORCE) in a row on a busy mount, while another container mounts and umounts a tmpfs",
			For:  "protects the first calls alone, or while the rate limit lets messages through; has no limit; sleeps, now and then too; keeps memory; changes its caller",
		},
		{
			// It follows a flood, so the rate limit lets no message through, and it does not wait for room: it only looks for what calls keep.
			Name: "force-flood-threads", act: floodThreads, Hold: true, Wants: flood(2*threads, 0),
			Text: "umount2(MNT_FORCE) by four hundred threads that end, each with credentials of its own",
			For:  "keeps a reference to its caller, or to what that may do",
		},
		{
			Name: "force-flood-both", act: floodBoth, Hold: true, Both: true, Wants: flood(2*floodsEach, 1),
			Text: "five hundred umount2(MNT_FORCE) in each of two containers at once",
			For:  "has a rate limit for each container",
		},
		{
			Name: "remount-read-only", act: remountReadOnly, Wants: map[Gate]Wants{Open: remount, Closed: remount, VE: remount},
			Text: "mount(MS_REMOUNT|MS_RDONLY), which makes the superblock read-only for everybody",
			For:  "(no port is: it shows what the kernel lets a container do)",
		},
		{
			Name: "shutdown", act: shutdown, Hold: true, Ends: true, Wants: shut,
			Text: "`umount -a -f -r` over the mount table, then the container's init exits with a file held",
			For:  "knows a single umount alone",
		},
		{
			Name: "killed", act: kill, Hold: true, Ends: true, Wants: everywhere(Want{Errno: "0", Host: "0"}),
			Text: "the container is killed with the mount and a file on it held",
			For:  "acts when a container ends",
		},
		{
			Name: "nothing-left", Last: true, Wants: onHost(Want{Errno: "0"}),
			Text: "when all containers are gone no superblock lives, and the probe's module can be unloaded",
			For:  "takes a reference and keeps it",
		},
	}
}

// floodOne floods twice, the first time beside a neighbour. Memory that still grows in the second flood is kept for
// ever.
func floodOne(ctx context.Context, s *scene) (string, error) {
	flood := request{Op: "flood", Path: s.path, Source: s.host, Other: s.other, Flags: force, Times: floods / 2}
	neighbour := request{Op: "neighbour", Path: s.other, Times: neighbours}
	alone, err := s.peer.call(ctx, neighbour)
	if err != nil {
		return "", err
	}
	wait := meanwhile(ctx, s.container, flood)
	// If a call sleeps, the flood lasts long enough to keep the neighbour waiting.
	time.Sleep(time.Millisecond)
	beside, peerErr := s.peer.call(ctx, neighbour)
	r, err := wait()
	if err := errors.Join(err, peerErr); err != nil {
		return "", err
	}
	s.slower, s.changed, s.waited = r.Slower, r.Changed, keptWaiting(alone.Slower, beside.Slower)
	// The rate limit lets new messages through only after a window.
	time.Sleep(pause)
	flood.Op = "umount"
	before, err := slab()
	if err != nil {
		return "", err
	}
	count, err := kernelObjects()
	if err != nil {
		return "", err
	}
	errno, err := s.ask(ctx, flood)
	if err != nil {
		return "", err
	}
	after, err := slab()
	s.grown = after - before
	if err != nil {
		return "", err
	}
	s.kept, err = waitForObjects(count, flood.Times)
	return errno, err
}

// pause is most of a window of the rate limit.
const pause = interval - time.Second

// hostFloods is how many times the host umounts with MNT_FORCE, and as many times without.
const hostFloods = 500

// floodHost measures calls that a port must not make slower.
func floodHost(_ context.Context, s *scene) (string, error) {
	s.slower = max(fastest(s.path, 0, sample), fastest(s.path, force, sample)).Milliseconds()
	before, err := kernelObjects()
	if err != nil {
		return "", err
	}
	var answer error
	for range hostFloods {
		unix.Unmount(s.path, 0)
		answer = unix.Unmount(s.path, force)
	}
	s.kept, err = waitForObjects(before, hostFloods)
	return errnoName(answer), err
}

// waitForObjects names the kernel's objects that calls left, after it gave the kernel time to free them.
func waitForObjects(before map[string]objects, calls int) (string, error) {
	for limit := time.Now().Add(leftLimit); ; time.Sleep(10 * time.Millisecond) {
		after, err := kernelObjects()
		kept := keptObjects(before, after, calls)
		if err != nil || kept == "" || time.Now().After(limit) {
			return kept, err
		}
	}
}

// keptWaiting returns by how many milliseconds one umount beside a flood takes longer than four without one. Times
// four, because on a slow machine every umount takes long.
func keptWaiting(alone, beside int64) int64 { return max(0, beside-4*alone) }

func floodThreads(ctx context.Context, s *scene) (string, error) {
	return floodTwice(s, func(q request) (string, error) { return s.ask(ctx, q) })
}

func floodHostThreads(_ context.Context, s *scene) (string, error) {
	return floodTwice(s, func(q request) (string, error) {
		r, err := floodByThreads(q)
		return r.Errno, err
	})
}

// floodTwice has many threads call once and end, in two rounds. The kernel keeps some freed objects ready and counts
// them as in use, but as many after the first round as after the second.
func floodTwice(s *scene, flood func(request) (string, error)) (string, error) {
	q := request{Op: "threads", Path: s.path, Flags: force, Times: threads}
	if _, err := flood(q); err != nil {
		return "", err
	}
	before, err := kernelObjects()
	if err != nil {
		return "", err
	}
	errno, err := flood(q)
	if err != nil {
		return "", err
	}
	s.kept, err = waitForObjects(before, threads)
	return errno, err
}

// meanwhile begins a request to a container. The function that it returns waits for the reply.
func meanwhile(ctx context.Context, c *conn, q request) func() (reply, error) {
	type answer struct {
		reply
		err error
	}
	other := make(chan answer, 1)
	go func() {
		r, err := c.call(ctx, q)
		other <- answer{r, err}
	}()
	return func() (reply, error) {
		a := <-other
		return a.reply, a.err
	}
}

// floodBoth has each container flood its own bind mount.
func floodBoth(ctx context.Context, s *scene) (string, error) {
	flood := request{Op: "umount", Path: s.path, Flags: force, Times: floodsEach}
	wait := meanwhile(ctx, s.peer, flood)
	errno, err := s.ask(ctx, flood)
	beside, peerErr := wait()
	s.id += "|" + s.peer.ID()
	if err == nil && peerErr == nil && beside.Errno != errno {
		peerErr = errors.New("the other container is answered " + beside.Errno)
	}
	return errno, errors.Join(err, peerErr)
}

func remountReadOnly(ctx context.Context, s *scene) (string, error) {
	return s.ask(ctx, request{Op: "remount", Path: s.path})
}

// shutdown does what a distribution's scripts do when a container stops.
func shutdown(ctx context.Context, s *scene) (string, error) {
	r, err := s.container.call(ctx, request{Op: "sweep", Path: s.path, OwnLog: s.ve})
	if err != nil {
		return "", err
	}
	s.own = r.Messages
	err = s.container.finish(ctx)
	return r.Errno, s.leave(err)
}

func kill(_ context.Context, s *scene) (string, error) {
	return "0", s.leave(nil)
}

// leave removes the container from the scene.
func (s *scene) leave(err error) error {
	if err == nil {
		err = s.container.close()
		s.container = nil
	}
	return err
}
