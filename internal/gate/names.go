// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"bytes"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
)

// HeaderPatterns are the headers that Names wants, in the form of source.ReadFiles.
var HeaderPatterns = []string{"include/**.h", "fs/*.h"}

// Names are the headers of the source, by their names in its tree. Whether a name is declared
// is found by looking for the word in them: what is in none is declared nowhere.
type Names struct{ headers map[string][]byte }

// NewNames takes those of files that are headers.
func NewNames(files map[string][]byte) *Names {
	n := &Names{headers: map[string][]byte{}}
	for name, data := range files {
		if path.Ext(name) == ".h" {
			n.headers[name] = data
		}
	}
	return n
}

// known reports whether the headers were read at all: without the one that every file of fs/
// includes they were not.
func (n *Names) known() bool { return n != nil && n.headers["include/linux/fs.h"] != nil }

// has reports whether a word stands in a header.
func (n *Names) has(word string) bool {
	w := []byte(word)
	for _, data := range n.headers {
		for at := 0; ; {
			i := bytes.Index(data[at:], w)
			if i < 0 {
				break
			}
			at += i
			end := at + len(w)
			if (at == 0 || !isNameByte(data[at-1])) && (end == len(data) || !isNameByte(data[end])) {
				return true
			}
			at = end
		}
	}
	return false
}

var include = regexp.MustCompile(`(?m)^[ \t]*#[ \t]*include[ \t]*<(\S+)>`)

// openVZ are names that only OpenVZ's kernels have.
var openVZ = regexp.MustCompile(`^(get_exec_env|get_ve0|VEID|ve_.*|veid|vz_.*|VE0?_LOG.*)$`)

// judge judges the names that the hook uses, and the headers that the patch includes.
func (n *Names) judge(c *comparison, before, after string) {
	var unknown []string
	for _, name := range slices.Sorted(maps.Keys(c.used)) {
		if c.after.outside[name] || c.after.functions[name] != nil || name == "likely" || name == "unlikely" {
			continue
		}
		switch {
		case !n.known() && !openVZ.MatchString(name):
			// A source without headers cannot be compiled, so that nothing comes of a
			// name of every kernel's that it lacks.
		case !n.known():
			unknown = append(unknown, name)
		case !n.has(name):
			c.gate.fault("nothing in the source declares "+name+", which the hook uses", []int{c.used[name]})
		}
	}
	if len(unknown) > 0 {
		c.gate.doubt("the source has no headers (include/linux/fs.h), so that it cannot be told whether it declares "+strings.Join(unknown, ", "), nil)
	}
	for _, m := range include.FindAllStringSubmatch(after, -1) {
		if !n.known() || strings.Contains(before, m[0]) || strings.HasPrefix(m[1], "asm/") {
			continue
		}
		if n.headers["include/"+m[1]] == nil && n.headers["include/uapi/"+m[1]] == nil {
			c.gate.fault("the source has no header <"+m[1]+">, which the patch includes", nil)
		}
	}
	if c.pidfact && !c.vefact && n.known() && n.has("ve_is_super") {
		c.gate.doubt("the source has OpenVZ's containers (ve_is_super), and the hook asks for a pid namespace", nil)
	}
	if c.pidfact && c.vefact {
		c.gate.doubt("the hook asks both for a VE and for a pid namespace, which need not go together", nil)
	}
}
