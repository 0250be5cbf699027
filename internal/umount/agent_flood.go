// SPDX-License-Identifier: Apache-2.0

package umount

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// flood umounts Times times. Slower is what the fastest of the first calls took, which write
// a message each, of those without flags, or of some that umount something: whichever took longest.
func (a *agent) flood(q request) (reply, error) {
	before, err := mountState(q.Path)
	if err != nil {
		return reply{}, err
	}
	for range idleSample {
		if err := bind(q.Source+"/"+dirName, q.Other); err != nil {
			return reply{}, err
		}
	}
	plain := fastest(q.Path, 0, sample)
	first := fastest(q.Path, q.Flags, sample)
	// These are not busy.
	idle := fastest(q.Other, q.Flags, idleSample)
	q.Times -= sample + idleSample
	r, err := a.umount(q)
	if err != nil {
		return r, err
	}
	r.Slower = max(first, plain, idle).Milliseconds()
	after, err := mountState(q.Path)
	if err != nil {
		return r, err
	}
	caller, err := callerState()
	// What an umount changes in its caller may be changed since the first.
	changed := []string{r.Changed, changedState(before, after), changedState(a.start, caller)}
	r.Changed = strings.Join(slices.DeleteFunc(changed, func(s string) bool { return s == "" }), ", ")
	return r, err
}

// sample is a number of calls that the rate limit lets write a message each.
const sample = 8

// idleSample is as many as the rate limit still lets write a message.
const idleSample = 2

func fastest(path string, flags, times int) time.Duration {
	best := time.Hour
	for range times {
		start := time.Now()
		unix.Unmount(path, flags)
		best = min(best, time.Since(start))
	}
	return best
}

func (a *agent) threads(q request) (reply, error) { return floodByThreads(q) }

// floodByThreads umounts Times times, each time on a thread that has credentials of its own and
// then ends. It waits until all are gone.
func floodByThreads(q request) (r reply, err error) {
	const tasks = "/proc/self/task"
	before, err := os.ReadDir(tasks)
	if err != nil {
		return reply{}, err
	}
	for range q.Times {
		if r, err = onSpoiltThread(q, renewCredentials); err != nil {
			return r, err
		}
	}
	for limit := time.Now().Add(leftLimit); ; time.Sleep(2 * time.Millisecond) {
		now, err := os.ReadDir(tasks)
		if err != nil {
			return r, err
		}
		// The runtime may have started some of its own.
		if len(now) <= len(before)+4 {
			return r, nil
		}
		if time.Now().After(limit) {
			return r, fmt.Errorf("wait for the end of threads: %d are left of %d", len(now)-len(before), q.Times)
		}
	}
}

// renewCredentials returns the calling thread its own copy of its credentials.
func renewCredentials() error {
	var header unix.CapUserHeader
	unix.Capget(&header, nil)
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return fmt.Errorf("ask for capabilities: %w", err)
	}
	if err := unix.Capset(&header, &data[0]); err != nil {
		return fmt.Errorf("set capabilities: %w", err)
	}
	return nil
}

// neighbour mounts and umounts a tmpfs Times times, which has nothing to do with anybody
// else's. Slower is how long the third slowest time took: one or two may be the machine's.
func (a *agent) neighbour(q request) (reply, error) {
	var took []time.Duration
	for range q.Times {
		start := time.Now()
		if err := unix.Mount("none", q.Path, "tmpfs", 0, ""); err != nil {
			return reply{}, fmt.Errorf("mount tmpfs at %s: %w", q.Path, err)
		}
		if err := unix.Unmount(q.Path, 0); err != nil {
			return reply{}, fmt.Errorf("umount tmpfs at %s: %w", q.Path, err)
		}
		took = append(took, time.Since(start))
		// All at once they would fall between two calls of a flood.
		time.Sleep(5 * time.Millisecond)
	}
	slices.Sort(took)
	return reply{Slower: took[len(took)-3].Milliseconds()}, nil
}

// callerFlags are the flags of the calling thread. That must be the first of its process: the
// container's /proc may be the host's, which numbers threads otherwise.
func callerFlags() (state, error) {
	stat, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return nil, fmt.Errorf("read the caller's flags: %w", err)
	}
	return parseFlags(string(stat))
}

// callerState is what an umount must leave of the calling thread as it is, besides its flags.
func callerState() (state, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return nil, fmt.Errorf("read what the caller may do: %w", err)
	}
	s := parseStatus(string(status))
	// Kernels before 2.6.36 have none.
	if score, err := os.ReadFile("/proc/self/oom_score_adj"); err == nil {
		s["oom_score_adj"] = strings.TrimSpace(string(score))
	}
	return s, nil
}

// mountState is what an umount that fails must leave of the mount at path as it is.
func mountState(path string) (state, error) {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return nil, fmt.Errorf("read mount table: %w", err)
	}
	return state{"mount": mountOptions(string(mounts), path)}, nil
}
