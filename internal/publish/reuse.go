// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"context"
	"maps"
	"path/filepath"
)

// sharers calls f for all that earlier generations have of a package, signed by the same key in the same form, the
// newest first, until it returns true.
func (t *target) sharers(rec *Record, p Package, f func(*Record, Package) bool) {
	for _, r := range t.records {
		if r.Key != rec.Key || r.V3 != rec.V3 {
			continue
		}
		for _, o := range r.Packages {
			if o.SHA256 == p.SHA256 && o.File == p.File && f(r, o) {
				return
			}
		}
	}
}

// pathOf is where a package lies in the newest generation that has it, or where a new one will.
func (t *target) pathOf(rec *Record, p Package) string {
	path := p.place(rec.Key, rec.V3, 0)
	t.sharers(rec, p, func(_ *Record, o Package) bool {
		path = o.Path
		return true
	})
	return path
}

// reuse links a package that an earlier generation has signed already. What is not as it was published is
// not taken: the package is signed anew, and has another path.
func (s *stage) reuse(ctx context.Context, p *Package) (reused bool, err error) {
	lost := false
	p.Checksums = nil
	s.t.sharers(s.rec, *p, func(r *Record, o Package) bool {
		for _, profile := range r.Profiles {
			from := filepath.Join(s.t.generation(r.Number), string(profile), o.Path)
			checksums := o.Checksums
			if s.compares(checksums) {
				checksums = nil // it need only be there
			}
			if s.t.whole(ctx, from, checksums) != nil {
				lost = true
				continue
			}
			p.Path, p.Checksums = o.Path, maps.Clone(o.Checksums)
			reused, err = true, link(from, filepath.Join(s.repo(s.rec.Profiles[0]), p.Path))
			return true
		}
		return false
	})
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	if !reused {
		again := 0
		if lost {
			again = s.rec.Number
			s.u.Say("WARNING: %s is missing or damaged in the generations that held it, and is not taken from there", p.File)
		}
		p.Path = p.place(s.rec.Key, s.rec.V3, again)
	}
	return reused, err
}

// compares reports whether a package of these checksums is linked unread. One that has none of the kind that createrepo_c
// finds would be compared by nobody.
func (s *stage) compares(checksums map[string]string) bool {
	return s.trusts && checksums["sha256"] != ""
}
