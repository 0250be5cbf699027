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

// flood umounts Times times. Slower is the longest of three times: that of the fastest among the first forced calls,
// which write a message each, among calls without flags, and among calls that umount something.
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
	// The first call may already have changed its caller, so compare with the state before any.
	changed := []string{r.Changed, changedState(before, after), changedState(a.start, caller)}
	r.Changed = strings.Join(slices.DeleteFunc(changed, func(s string) bool { return s == "" }), ", ")
	return r, err
}

// sample is a number of calls for which the rate limit lets through a message each.
const sample = 8

// idleSample is a number of further calls for which it still does.
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

// floodByThreads umounts Times times, each time on a new thread with its own credentials. It waits until these
// threads have ended.
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
		// Go's runtime may have started threads, too.
		if len(now) <= len(before)+4 {
			return r, nil
		}
		if time.Now().After(limit) {
			return r, fmt.Errorf("wait for the end of threads: %d are left of %d", len(now)-len(before), q.Times)
		}
	}
}

// renewCredentials makes the kernel copy the credentials for the calling thread alone.
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

// neighbour mounts and umounts a tmpfs Times times. Slower is the third longest time, because the machine itself may
// cause one or two long ones.
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
		// Without a pause, all of them could fall between two calls of a flood.
		time.Sleep(5 * time.Millisecond)
	}
	slices.Sort(took)
	return reply{Slower: took[len(took)-3].Milliseconds()}, nil
}

// callerFlags returns the flags of the calling thread. That must be the first of its process, because the
// container's /proc may be the host's, where threads have other numbers.
func callerFlags() (state, error) {
	stat, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return nil, fmt.Errorf("read the caller's flags: %w", err)
	}
	return parseFlags(string(stat))
}

// callerState returns what an umount must not change in the calling thread, besides its flags.
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

// mountState returns what a failed umount must not change in the mount at path.
func mountState(path string) (state, error) {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return nil, fmt.Errorf("read mount table: %w", err)
	}
	return state{"mount": mountOptions(string(mounts), path)}, nil
}
