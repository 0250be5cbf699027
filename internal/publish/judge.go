// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"ovzpatch/internal/datastore"
)

// judge marks the kernels that are proved, and returns for the name of each kernel whether it may
// be published; why says that none may.
func (s *selection) judge(r *datastore.Reader, all []Package) (kernels map[string]bool, why string) {
	kernels = map[string]bool{}
	lacking := map[string]string{}
	for i := range all {
		p := &all[i]
		if !p.Kernel || !s.wanted(*p) {
			continue
		}
		if n := slices.IndexFunc(s.retired, func(x Retired) bool { return x.Kernel == p.NEVRA() }); n >= 0 {
			kernels[p.Name] = false
			lacking[p.Name] = fmt.Sprintf("%s was retired on %s: %s", p.NEVRA(), s.retired[n].Time.Format(time.DateOnly), s.retired[n].Reason)
			continue
		}
		n := slices.IndexFunc(r.Manifest.Files, func(f datastore.File) bool { return f.Name == p.File })
		lacks := proof(r.Manifest, r.Manifest.Files[n], !s.o.WithoutControl)
		if r.Manifest.Port.Name == "" {
			lacks = strings.TrimSuffix("it was built without a patch; "+lacks, "; ")
		}
		p.Proved, p.Lacks = lacks == "", lacks
		kernels[p.Name] = p.Proved || s.o.AllowUnproved
		switch {
		case p.Proved:
		case s.o.AllowUnproved:
			s.unproved = append(s.unproved, p.NEVRA()+": "+lacks)
		default:
			lacking[p.Name] = p.File + ": " + lacks
		}
	}
	switch {
	case len(kernels) == 0 && len(s.o.Archs) > 0:
		return nil, "it holds no kernel for --arch " + strings.Join(s.o.Archs, ",")
	case len(kernels) == 0:
		return nil, "it holds no kernel"
	case len(lacking) == len(kernels):
		return nil, lacking[slices.Sorted(maps.Keys(lacking))[0]]
	}
	for _, name := range slices.Sorted(maps.Keys(lacking)) {
		s.leftOut = append(s.leftOut, LeftOut{r.Ref.String() + " " + name, lacking[name]})
	}
	return kernels, ""
}

// published reports whether a package goes with a kernel that is published: with the one whose name
// is the longest that it begins with. What belongs to none, as perf and the source, goes with any.
func published(kernels map[string]bool, p Package) bool {
	owner := ownerOf(slices.Collect(maps.Keys(kernels)), p)
	return owner == "" || kernels[owner]
}

// settle keeps one package of each full name, that of the newest snapshot, and sorts them.
func (s *selection) settle() {
	slices.SortStableFunc(s.packages, func(a, b Package) int { return b.Snapshot.Time.Compare(a.Snapshot.Time) })
	seen := map[string]datastore.Ref{}
	s.packages = slices.DeleteFunc(s.packages, func(p Package) bool {
		first, there := seen[p.NEVRA()]
		if !there {
			seen[p.NEVRA()] = p.Snapshot
			return false
		}
		if first != p.Snapshot {
			s.leftOut = append(s.leftOut, LeftOut{p.Snapshot.String() + " " + p.File, "a newer snapshot has a package of the same name and release: " + first.String()})
		}
		return true
	})
	slices.SortFunc(s.packages, func(a, b Package) int {
		return strings.Compare(a.NEVRA(), b.NEVRA())
	})
}
