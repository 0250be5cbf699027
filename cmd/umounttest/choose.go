// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"ovzpatch/internal/umount"
)

// choose returns the cases that were asked for and that this kernel can be tried with, and notes
// which are left out. missing is why some cannot be tried.
func (s *session) choose(ctx context.Context) (cases []umount.Case, missing []string) {
	cases, err := matching(s.cases)
	if err != nil {
		missing = append(missing, err.Error())
	}
	if slices.ContainsFunc(cases, func(c umount.Case) bool { return c.Compat }) {
		note, err := runs32bit(ctx)
		s.compat = note == "" && err == nil
		if note != "" {
			s.notes = append(s.notes, note)
			cases = slices.DeleteFunc(cases, func(c umount.Case) bool { return c.Compat })
		}
		if err != nil {
			missing = append(missing, err.Error())
		}
	}
	if known, err := umount.Types(); err != nil {
		missing = append(missing, err.Error())
	} else {
		var left []string
		if cases, left = umount.ForTypes(cases, known); len(left) > 0 {
			s.notes = append(s.notes, "left out, as the kernel does not have what they need: "+strings.Join(left, ", "))
		}
	}
	if s.lustre != nil {
		var left []string
		if cases, left = umount.ForLustre(cases); len(left) > 0 {
			s.notes = append(s.notes, "left out on your own Lustre: "+strings.Join(left, ", "))
		}
		return cases, missing
	}
	// A probe that is not there is the first case's to tell of.
	if has, err := (umount.Probe{}).HasNFS(); err == nil && !has {
		s.notes = append(s.notes, "left out: the case of type nfs, because the kernel has its own NFS")
		cases = umount.WithoutNFS(cases)
	}
	return cases, missing
}

// matching returns the cases whose name matches.
func matching(pattern string) ([]umount.Case, error) {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, fmt.Errorf("choose cases: %w", err)
	}
	cases := slices.DeleteFunc(umount.Cases(), func(c umount.Case) bool { return !re.MatchString(c.Name) })
	if len(cases) == 0 {
		return nil, fmt.Errorf("choose cases: none matches %q; `umounttest list` shows them", pattern)
	}
	return cases, nil
}
