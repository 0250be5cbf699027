// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"strings"
)

// DistMark stands for the dist where it is looked for. It is a word that rpm takes for a
// part of a release and that no spec has.
const DistMark = ".ovzpatchdist"

// Dist returns the dist that a package of this release was made with, as a define: a machine
// of another distribution does not define it, or otherwise. It reads the spec's text and
// runs nothing of it; nil is for a spec that does not use it, and for what cannot be told
// that way.
func (s *Spec) Dist(release string, o Options) []string {
	if s.err != nil {
		return nil
	}
	// What the user defines goes first.
	dist, ok := SolveDist(s.release(o, DistMark), release)
	if !ok || s.release(o, dist) != release {
		return nil
	}
	return []string{DefineDist(dist)}
}

// release is the Release that a spec's text shows with this dist.
func (s *Spec) release(o Options, dist string) string {
	o.Defines = append([]string{DefineDist(dist)}, o.Defines...)
	m := o.macros()
	for range s.evaluate(m) {
	}
	return m.values["release"].body
}

// DefineDist is a dist as rpmbuild --define takes it; "" is none.
func DefineDist(dist string) string {
	if dist == "" {
		dist = "%{nil}"
	}
	return "dist " + dist
}

// SolveDist returns what stands in text where marked has the mark, once or always the same.
func SolveDist(marked, text string) (string, bool) {
	n := strings.Count(marked, DistMark)
	if n == 0 || !known(marked) {
		return "", false
	}
	size := len(text) - len(marked) + n*len(DistMark)
	at := strings.Index(marked, DistMark)
	if size < 0 || size%n != 0 || at+size/n > len(text) {
		return "", false
	}
	dist := text[at : at+size/n]
	return dist, strings.ReplaceAll(marked, DistMark, dist) == text
}
