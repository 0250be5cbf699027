// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"bytes"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// ofPath matches the superblock of the mount at hand, or the mount: the way to it begins at the
// struct that the lookup of the path filled in, which is the first group.
var ofPath = regexp.MustCompile(`^(\w+@\w+(?:\.path)?)\.(?:mnt|mnt->mnt_sb|mnt->mnt_root->d_sb|dentry->d_sb)$`)

// pathOf is the struct with the path that leads to a superblock, "" where it is not known.
func pathOf(superblock string) string {
	if m := ofPath.FindStringSubmatch(superblock); m != nil {
		return m[1]
	}
	return ""
}

// begin is a call of umount_begin: whose it is, and what it is given.
type begin struct {
	of, on string
	line   int
}

// asksType notes of which superblock the hook asks the type.
func (m *machine) asksType(name string) {
	if m.new > 0 || m.byHook > 0 {
		on := strings.TrimSuffix(name, "->s_type->name")
		m.out.asked[pathOf(on)] = on
	}
}

// beginsOn notes a call of umount_begin.
func (m *machine) beginsOn(target string, args []value, line int) {
	b := begin{of: target, line: line}
	if len(args) > 0 {
		b.on = args[0].String()
	}
	of, ok := strings.CutSuffix(strings.TrimPrefix(target, "*"), "->s_op->umount_begin")
	if ok {
		b.of = of
	}
	m.out.begins = append(m.out.begins, b)
	if by := m.out.touched[pathOf(b.on)]; by != "" {
		m.doubt(line, "umount_begin is called on what the path leads to behind "+by+", and the hook asked before: it is not known to be the same")
	}
}

// touch notes that something may change a path of which the hook has asked.
func (m *machine) touch(place, by string) {
	for path := range m.out.asked {
		if path == place || strings.HasPrefix(path, place+".") {
			m.out.touched[path] = by
		}
	}
}

// given looks at what a call is given that is not followed: umount_begin, or the address of a
// path, which touches it.
func (m *machine) given(args []value, fn string, line int) {
	for _, a := range args {
		if a.kind == isTerm && !a.not && strings.HasSuffix(a.s, "->umount_begin") {
			m.doubt(line, fn+"() is given umount_begin, and it is not known what it does with it")
		}
		if of, ok := strings.CutPrefix(a.s, "&"); ok && a.kind == isTerm && len(m.out.asked) > 0 && !m.onlyReads(fn) {
			m.touch(of, fn+"()")
		}
	}
}

// onlyReads reports whether a function says of the path that it is given that it is const.
func (m *machine) onlyReads(fn string) bool {
	if own := m.file.functions[fn]; own != nil {
		m.spend(evalSteps*len(own.head), own.line)
		return constPath.MatchString(fn + spelled(own.head[slices.IndexFunc(own.head, func(t token) bool { return t.text == fn })+1:]))
	}
	return fn == "path_mounted" || m.names.onlyReads(fn)
}

var constPath = regexp.MustCompile(`^\w+\s*\([^;{]*\bconst\s+struct\s+path\b`)

// onlyReads reports whether a header declares a function that does.
func (n *Names) onlyReads(fn string) bool {
	if fn == "" || !n.known() {
		return false
	}
	key := "const path: " + fn
	if was, known := n.found.Load(key); known {
		return was.(bool)
	}
	is := slices.ContainsFunc(n.order, func(file string) bool {
		data := n.headers[file]
		for at := 0; ; at += len(fn) {
			i := bytes.Index(data[at:], []byte(fn))
			if i < 0 {
				return false
			}
			if at += i; constPath.Match(data[at:]) && hasWord(data[max(at-1, 0):at+len(fn)+1], fn) {
				return true
			}
		}
	})
	n.found.Store(key, is)
	return is
}

// hidesBegin doubts a statement that is not followed and may come to umount_begin.
func (m *machine) hidesBegin(s *stmt) {
	found := ""
	look := func(t []token) {
		m.spend(len(t), s.at.line)
		for _, tok := range t {
			if tok.text == "umount_begin" || m.file.leads[tok.text] {
				found = tok.text
			}
		}
	}
	look(s.cond)
	look(s.tokens)
	each(slices.Concat(s.body, s.other), func(in *stmt) { look(in.cond); look(in.tokens) })
	if found != "" {
		m.doubt(s.at.line, "a statement with "+found+" that is not followed, so that it is not known on what umount_begin is called: "+short(s.text()))
	}
}

// superblocks doubts a umount_begin that is called on another superblock than the hook asks of.
func (c *comparison) superblocks() {
	if len(c.asked) == 0 {
		return
	}
	asks := strings.Join(slices.Sorted(maps.Values(c.asked)), " and of ")
	for _, b := range c.begun {
		on := b.on
		if _, same := c.asked[pathOf(on)]; same {
			on = b.of
		}
		if _, same := c.asked[pathOf(on)]; !same {
			c.gate.doubt(fmt.Sprintf("umount_begin is called on %s, the hook asks of %s", short(plain(on)), short(plain(asks))), []int{b.line})
		}
	}
}

var mark = regexp.MustCompile(`[@#]\w+`)

// plain is a term without the marks that tell apart what has one name.
func plain(s string) string { return mark.ReplaceAllString(s, "") }
