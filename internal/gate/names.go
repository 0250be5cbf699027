// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"bytes"
	"cmp"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"

	"ovzpatch/internal/ctext"
)

// HeaderPatterns are the headers that Names wants, in the form of source.ReadFiles.
var HeaderPatterns = []string{"include/**.h", "fs/*.h"}

// Names are the headers of the source, by their names in its tree. Whether a name is declared
// is found by looking for the word in them: what is in none is declared nowhere.
type Names struct {
	headers map[string][]byte
	size    int      // of all headers
	order   []string // those that the file includes and those of fs/ and include/linux/ first, which have most of what is looked for
	found   sync.Map // what was looked for, and whether it was there
	codes   sync.Map // headers without comments, by their names, as far as they were wanted
	index   sync.Once
	places  map[string][]place // of the words that are defined for the preprocessor
}

// NewNames takes those of files that are headers.
func NewNames(files map[string][]byte) *Names {
	n := &Names{headers: map[string][]byte{}}
	for name, data := range files {
		if path.Ext(name) == ".h" {
			n.headers[name] = data
			n.size += len(data)
		}
	}
	included := map[string]bool{}
	for _, m := range include.FindAllSubmatch(files[File], -1) {
		included["include/"+string(m[2])] = true
	}
	first := func(name string) int {
		switch {
		case path.Dir(name) == "fs", included[name]:
			return 0
		case path.Dir(name) == "include/linux":
			return 1
		}
		return 2
	}
	n.order = slices.SortedFunc(maps.Keys(n.headers), func(a, b string) int {
		return cmp.Or(first(a)-first(b), strings.Compare(a, b))
	})
	return n
}

// known reports whether the headers were read at all: without the one that every file of fs/
// includes they were not.
func (n *Names) known() bool { return n != nil && n.headers["include/linux/fs.h"] != nil }

// has reports whether a word stands in a header, outside of comments.
func (n *Names) has(word string) bool {
	if was, known := n.found.Load(word); known {
		return was.(bool)
	}
	is := slices.ContainsFunc(n.order, func(name string) bool { return n.stands(name, word) })
	n.found.Store(word, is)
	return is
}

// stands reports whether a word stands in a header, outside of comments and literals.
func (n *Names) stands(name, word string) bool {
	return hasWord(n.headers[name], word) && hasWord(n.code(name), word)
}

// code is a header without comments.
func (n *Names) code(name string) []byte {
	if was, known := n.codes.Load(name); known {
		return was.([]byte)
	}
	is := code(n.headers[name])
	n.codes.Store(name, is)
	return is
}

func hasWord(data []byte, word string) bool {
	for w, at := []byte(word), 0; ; {
		i := bytes.Index(data[at:], w)
		if i < 0 {
			return false
		}
		at += i
		end := at + len(w)
		if (at == 0 || !ctext.NameByte(data[at-1])) && (end == len(data) || !ctext.NameByte(data[end])) {
			return true
		}
		at = end
	}
}

// openVZ are names that only OpenVZ's kernels have.
var openVZ = regexp.MustCompile(`^(get_exec_env|get_ve0|VEID|ve_.*|veid|vz_.*|VE0?_LOG.*)$`)

// judge judges the names that the hook uses, and the headers that the patch includes.
func (n *Names) judge(c *comparison, before, after string) {
	n.clash(c)
	if wants := n.undeclared(c, before, after); len(wants) > 0 {
		// What was found wrong may be so only because a name was not known.
		c.gate.Faults, c.gate.Doubts = nil, merge(wants, c.gate.Doubts)
		return
	}
	var unknown []string
	for _, name := range slices.Sorted(maps.Keys(c.used)) {
		// A source without headers cannot be compiled, so that nothing comes of a
		// name of every kernel's that it lacks.
		if !n.known() && openVZ.MatchString(name) && !c.after.outside[name] && c.after.functions[name] == nil {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) > 0 {
		c.gate.doubt("the source has no headers (include/linux/fs.h), so it is unknown whether it declares "+strings.Join(unknown, ", "), nil)
	}
	if c.pidfact && !c.vefact && n.known() && n.has("ve_is_super") {
		c.gate.doubt("the source has OpenVZ's containers (ve_is_super), and the hook asks for a pid namespace", nil)
	}
	if c.pidfact && c.vefact {
		c.gate.doubt("the hook asks both for a VE and for a pid namespace, which need not go together", nil)
	}
}
