// SPDX-License-Identifier: Apache-2.0

package srpm

import (
	"path"
	"strings"
)

// distMark stands for the dist where it is looked for. It is a word that rpm takes for a
// part of a release and that no spec has.
const distMark = ".ovzpatchdist"

// Dist returns the dist that a package of this release was made with, as a define: a machine
// of another distribution does not define it, or otherwise. It reads the spec's text and
// runs nothing of it; nil is for a spec that does not use it, and for what cannot be told
// that way.
func Dist(name string, text []byte, release string, o Options) []string {
	s, err := parseSpec(path.Base(name), text)
	if err != nil {
		return nil
	}
	// What the user defines goes first.
	dist, ok := solveDist(s.release(o, distMark), release)
	if !ok || s.release(o, dist) != release {
		return nil
	}
	return []string{defineDist(dist)}
}

// release is the Release that a spec's text shows with this dist.
func (s *spec) release(o Options, dist string) string {
	o.Defines = append([]string{defineDist(dist)}, o.Defines...)
	m := o.macros()
	for range s.evaluate(m) {
	}
	return m.values["release"].body
}

func defineDist(dist string) string {
	if dist == "" {
		dist = "%{nil}"
	}
	return "dist " + dist
}

// solveDist returns what stands in text where marked has the mark, once or always the same.
func solveDist(marked, text string) (string, bool) {
	n := strings.Count(marked, distMark)
	if n == 0 || !known(marked) {
		return "", false
	}
	size := len(text) - len(marked) + n*len(distMark)
	at := strings.Index(marked, distMark)
	if size < 0 || size%n != 0 || at+size/n > len(text) {
		return "", false
	}
	dist := text[at : at+size/n]
	return dist, strings.ReplaceAll(marked, distMark, dist) == text
}
