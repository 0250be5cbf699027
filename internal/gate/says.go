// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"bytes"
	"fmt"
	"maps"
	"regexp"
	"slices"
)

// hookNames are those on which it depends what a container is, and where the message goes. Other
// headers use them, too, so that it is not enough for them to stand in one.
var hookNames = map[string]bool{
	"get_exec_env": true, "ve_is_super": true, "VEID": true, "get_ve0": true, "ve_name": true, "ve_printk": true, "VE0_LOG": true,
	"task_active_pid_ns": true, "init_pid_ns": true, "pr_warn_ratelimited": true, "printk_ratelimited": true,
}

// says reports whether a header declares a function or a variable, or defines a macro.
func (n *Names) says(name string) bool {
	key := "declares " + name
	if was, known := n.found.Load(key); known {
		return was.(bool)
	}
	is := regexp.MustCompile(`(?m)^[ \t]*#[ \t]*define[ \t]+` + name + `\b|^(?:[A-Za-z_][\w \t*]*[ \t*]|[ \t]+extern\b[\w \t*]*[ \t*])?` + name + `\b[ \t]*[(;\[]`)
	found := slices.ContainsFunc(n.order, func(file string) bool { return n.stands(file, name) && is.Match(n.code(file)) })
	n.found.Store(key, found)
	return found
}

// structs are those that the ports ask for a container's number, each with what leads to it.
var structs = []struct {
	tag string
	way []string
}{
	{"pid_namespace", []string{"task_active_pid_ns", "(", "current", ")", "->"}},
	{"ve_struct", []string{"get_exec_env", "(", ")", "->"}},
	{"ns_common", []string{"task_active_pid_ns", "(", "current", ")", "->", "ns", "."}},
}

// members says which members a hook asks for that their structs do not have.
func (n *Names) members(t []token, cost *budget) []Fault {
	var all []Fault
	for _, s := range structs {
		for i := 0; i+len(s.way) < len(t); i++ {
			if !slices.EqualFunc(t[i:i+len(s.way)], s.way, func(t token, text string) bool { return t.text == text }) {
				continue
			}
			if member := t[i+len(s.way)]; cost.spend(n.size/searchedBytes, member.line) && !n.member(s.tag, member.text) {
				all = append(all, Fault{fmt.Sprintf("struct %s has no %s, which the hook uses", s.tag, member.text), []int{member.line}})
			}
		}
	}
	return all
}

// member reports whether a struct may have a member: one that no header at hand shows may.
func (n *Names) member(tag, member string) bool {
	begin := regexp.MustCompile(`(?m)^struct[ \t]+` + tag + `\s*\{`)
	shown := false
	for _, file := range n.order {
		if !n.stands(file, tag) {
			continue
		}
		data := n.code(file)
		at := begin.FindIndex(data)
		if at == nil {
			continue
		}
		body, _, closed := bytes.Cut(data[at[1]:], []byte("\n}"))
		if !closed || hasWord(body, member) {
			return true
		}
		shown = true
	}
	return !shown
}

// clash doubts a function that the patch adds under a name that is taken.
func (n *Names) clash(c *comparison) {
	for _, name := range slices.Sorted(maps.Keys(c.after.functions)) {
		fn := c.after.functions[name]
		switch was := c.base.functions[name]; {
		case len(c.after.again[name]) > len(c.base.again[name]) && was != nil:
			c.gate.doubt("the patch adds "+name+"(), which the file has already", append(c.after.again[name], fn.line))
		case len(c.after.again[name]) > len(c.base.again[name]):
			c.gate.doubt("the patch adds "+name+"() more than once", append(c.after.again[name], fn.line))
		case was == nil && n.known() && c.reading.spend(n.size/searchedBytes, fn.line) && n.says(name):
			c.gate.doubt("the patch adds "+name+"(), which a header declares already", []int{fn.line})
		}
	}
}
