// SPDX-License-Identifier: Apache-2.0

package umount

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// state holds properties of a thread or a mount by their names.
type state map[string]string

// passing are flags of a thread (PF_*) that ordinary calls set and clear: it used a privilege, it used the floating
// point unit, and one by which old kernels freeze it.
const passing = 0x100 | 0x2000 | 0x4000

// credentials are the lines of /proc/PID/status about who a thread is and what it may do.
var credentials = []string{
	"Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "envID", "VEid",
	"Umask", "Cpus_allowed",
}

// parseFlags reads /proc/PID/stat. Its second field is a name in parentheses, which may contain anything.
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

// mountOptions returns how the last mount at a path in /proc/self/mounts is mounted.
func mountOptions(table, path string) string {
	options := ""
	for line := range strings.Lines(table) {
		if f := strings.Fields(line); len(f) > 3 && f[1] == path {
			options = f[3]
		}
	}
	return options
}

// changedState describes what is different, "" for nothing.
func changedState(before, after state) string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if before[name] != after[name] {
			out = append(out, fmt.Sprintf("%s %s becomes %s", name, before[name], after[name]))
		}
	}
	return strings.Join(out, ", ")
}
