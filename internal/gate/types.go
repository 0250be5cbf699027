// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"maps"
	"slices"
)

// types are the file systems the hook is tried on. The hook must act on the first two alone.
var types = []string{"lustre", "lustre_tgt", "nfs", "lustrex", "lustr", "Lustre", "LUSTRE_TGT", ""}

const guarded = 2 // of types, the hook must act on so many

// looks are the texts that a way compares with others, and whether it looks at parts of a text: letters, a length, what
// comes first. Which types a hook acts on is known only where it is tried on those, too.
type looks struct {
	whole  map[string]bool
	partly bool
}

// sees notes with what a call compares the type. What compares whole texts looks at no parts.
func (l *looks) sees(fn string, args []value) {
	if !slices.ContainsFunc(args, func(v value) bool { return v.ofType }) {
		return
	}
	for _, a := range args {
		if isPlainText(a) && !a.ofType {
			l.whole[a.s] = true
		}
	}
	l.partly = l.partly || fn != "strcmp" && fn != "match_string"
}

// maxTypes bounds the types that a hook is tried on.
const maxTypes = 80

// more are the types to try the hook on as well, by what it looked at: those that it names and, where it looks at parts,
// those that differ in one letter, or end earlier or later.
func (l *looks) more(tried map[string]bool) []string {
	all := map[string]bool{}
	for s := range l.whole {
		all[s] = true
	}
	if l.partly {
		for _, name := range slices.Concat(types[:guarded], slices.Collect(maps.Keys(l.whole))) {
			for i := range len(name) {
				other := "x"
				if name[i] == 'x' {
					other = "y"
				}
				all[name[:i]], all[name[:i]+other+name[i+1:]] = true, true
			}
			all[name+"x"], all[name+"_"], all["x"+name] = true, true, true
		}
	}
	maps.DeleteFunc(all, func(s string, _ bool) bool { return tried[s] || len(s) > 100 })
	return slices.Sorted(maps.Keys(all))
}
