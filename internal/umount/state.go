// SPDX-License-Identifier: Apache-2.0

package umount

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// state is what is known of a thread, by name.
type state map[string]string

// passing are flags of a thread (PF_*) that its own calls set and clear: that it used a
// privilege, that it used the floating point unit, and one that old kernels freeze by.
const passing = 0x100 | 0x2000 | 0x4000

// credentials are the lines of /proc/PID/status that say who a thread is, what it may do, and how.
var credentials = []string{
	"Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "envID", "VEid",
	"Umask", "Cpus_allowed",
}

// parseFlags reads /proc/PID/stat, whose second field is a name in parentheses that may hold
// anything.
func parseFlags(stat string) (state, error) {
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	const flags = 6 // behind the name: state, ppid, pgrp, session, tty, tpgid
	if len(fields) <= flags {
		return nil, fmt.Errorf("read the caller's flags: %d fields behind its name", len(fields))
	}
	n, err := strconv.ParseUint(fields[flags], 10, 64)
	if err != nil {
		return nil, fmt.Errorf("read the caller's flags: %w", err)
	}
	s := state{"flags": fmt.Sprintf("%#x", n&^passing)}
	const nice = 16
	if len(fields) > nice {
		s["nice"] = fields[nice]
	}
	return s, nil
}

// parseStatus reads /proc/PID/status.
func parseStatus(status string) state {
	s := state{}
	for line := range strings.Lines(status) {
		name, value, _ := strings.Cut(line, ":")
		if slices.Contains(credentials, name) {
			s[name] = strings.Join(strings.Fields(value), " ")
		}
	}
	return s
}

// mountOptions finds the last mount at a path in /proc/self/mounts, and how it is mounted.
func mountOptions(table, path string) string {
	options := ""
	for line := range strings.Lines(table) {
		if f := strings.Fields(line); len(f) > 3 && f[1] == path {
			options = f[3]
		}
	}
	return options
}

// changedState says in words what is different, "" for nothing.
func changedState(before, after state) string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if before[name] != after[name] {
			out = append(out, fmt.Sprintf("%s %s becomes %s", name, before[name], after[name]))
		}
	}
	return strings.Join(out, ", ")
}
