// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"fmt"
	"strings"

	"ovzpatch/internal/datastore"
	"ovzpatch/internal/guest"
)

// proof returns why a kernel package of a snapshot is not proved, "" where it is: the last verdict
// on the very file is protected, and the last on the same kernel without the patch vulnerable. An
// inconclusive verdict takes nothing back. The control may be left out.
func proof(m *datastore.Manifest, file datastore.File, control bool) string {
	var last, unknown, unsure, other *datastore.Verdict
	for i := range m.Verdicts {
		v := &m.Verdicts[i]
		mine := v.Control && sameKernel(v.File, file.Name)
		if !v.Control {
			mine = v.File == file.Name
		}
		switch {
		case mine && v.Verdict == string(guest.Inconclusive) && !v.Control && v.SHA256 == file.SHA256:
			unsure = v
		case !mine || v.Verdict == string(guest.Inconclusive):
		case v.Control:
			other = v
		case v.SHA256 == "":
			unknown = v
		case v.SHA256 == file.SHA256:
			last = v
		}
	}
	switch {
	case last == nil && unknown != nil:
		return fmt.Sprintf("its verdict of %s is too old to say which file was tested: test it again, ovzpatch test --store DIR %s", unknown.Time.Format("2006-01-02"), m.Snapshot)
	case last == nil && unsure != nil:
		return fmt.Sprintf("its last verdict, %s: ovzpatch test --store DIR %s", dated(unsure), m.Snapshot)
	case last == nil:
		return fmt.Sprintf("it has no verdict: ovzpatch test --store DIR %s", m.Snapshot)
	case last.Verdict != string(guest.Protected):
		return "its last verdict, " + dated(last)
	case !control:
		return ""
	case other == nil:
		return "its last verdict, " + dated(last) + ", but nothing is known of the same kernel without the patch: ovzpatch run --store tries both, and ovzpatch test --store DIR --control-of " + m.Snapshot.String() + " the one; or say --without-control"
	case other.Verdict != string(guest.Vulnerable):
		return fmt.Sprintf("its last verdict, %s, but the same kernel without the patch was %s and not vulnerable, so that says nothing of the patch", dated(last), other.Verdict)
	}
	return ""
}

func dated(v *datastore.Verdict) string {
	return fmt.Sprintf("of %s, is %s", v.Time.Format("2006-01-02"), v.Verdict)
}

// sameKernel reports whether two files are of the same package: NAME-VERSION-RELEASE.ARCH.rpm.
func sameKernel(a, b string) bool {
	name := func(s string) string {
		for range 2 {
			if i := strings.LastIndexByte(s, '-'); i > 0 {
				s = s[:i]
			}
		}
		return s
	}
	arch := func(s string) string {
		s = strings.TrimSuffix(s, ".rpm")
		return s[strings.LastIndexByte(s, '.')+1:]
	}
	return name(a) == name(b) && arch(a) == arch(b)
}
