// SPDX-License-Identifier: Apache-2.0

package derive

import (
	"fmt"
	"slices"
	"strings"

	"ovzpatch/internal/gate"
)

const message = `"Forced umount of lustre fs is not allowed inside container (%s). Overriding MNT_FORCE flag.\n"`

// helper is the name of the function that says whether the hook has to act.
func (h *hook) helper() string {
	if h.ve {
		return "ve_forces_lustre"
	}
	return "container_forces_lustre"
}

// function is the text of the helper.
func (h *hook) function() []string {
	return []string{
		"/*",
		" * MNT_FORCE acts on the superblock, not on one mount: it would take Lustre away",
		" * from every other container and from the host.",
		" */",
		fmt.Sprintf("static %s %s(struct super_block *sb, int flags)", h.boolean, h.helper()),
		"{",
		"\tconst char *type = sb->s_type->name;",
		"",
		"\t/* With MNT_EXPIRE the flag is no request to force, but EINVAL. */",
		"\treturn (flags & (MNT_FORCE | MNT_EXPIRE)) == MNT_FORCE &&",
		"\t       " + h.inside + " &&",
		"\t       (!strcmp(type, \"lustre\") || !strcmp(type, \"lustre_tgt\"));",
		"}",
		"",
	}
}

// says is the text of the message behind a condition, "" for none.
func (h *hook) says(indent, cond string) []string {
	call := h.printk
	if h.level {
		call += "KERN_WARNING "
	}
	call += fmt.Sprintf(message, h.format) + ","
	print := func(in string) []string {
		open := strings.IndexByte(h.printk, '(') + 1
		return []string{in + call, aligned(in, open) + h.id + ");"}
	}
	in := func(n int) string { return indent + strings.Repeat("\t", n) }
	var all []string
	switch {
	case h.limit == "global" && cond == "":
		return append([]string{indent + "if (printk_ratelimit())"}, print(in(1))...)
	case h.limit == "global":
		return append([]string{indent + "if (" + cond + " && printk_ratelimit())"}, print(in(1))...)
	case h.limit == "" && cond == "":
		return print(indent)
	case h.limit == "":
		return append([]string{indent + "if (" + cond + ")"}, print(in(1))...)
	}
	inner := indent
	if cond != "" {
		all, inner = []string{indent + "if (" + cond + ") {"}, in(1)
	}
	if h.limit == "vz" {
		all = append(all, inner+"static struct vz_rate_info rate = { 10, 5 * HZ };", "", inner+"if (vz_ratelimit(&rate))")
	} else {
		begin := "static DEFINE_RATELIMIT_STATE("
		all = append(all, inner+begin+"rate, DEFAULT_RATELIMIT_INTERVAL,", aligned(inner, len(begin))+"DEFAULT_RATELIMIT_BURST);", "", inner+"if (__ratelimit(&rate))")
	}
	all = append(all, print(inner+"\t")...)
	if cond != "" {
		all = append(all, indent+"}")
	}
	return all
}

// aligned is the white space that continues a line n letters behind its indent.
func aligned(indent string, n int) string {
	return indent + strings.Repeat("\t", n/8) + strings.Repeat(" ", n%8)
}

// write puts the hook into the text.
func (d *deriver) write(w *way, h *hook) error {
	if at := d.text.lastInclude(); len(h.includes) > 0 {
		if at == 0 {
			return &Question{Asks: gate.File + " includes no linux/ header: where do the missing ones belong?"}
		}
		for _, name := range h.includes {
			d.edits.after(at, "#include <"+name+">")
		}
	}
	fn := w.fn()
	d.edits.after(d.text.aboveComment(fn.Line), h.function()...)
	switch w.place {
	case beforeCall:
		return d.around(w, h)
	case beforeGate:
		return d.before(w, h)
	}
	sb, _, err := d.superblock(fn)
	if err != nil {
		return err
	}
	flags, err := d.flags(w.gate, fn)
	if err != nil {
		return err
	}
	d.block(w.gate.Last, d.text.indent(w.gate.First), h, sb, flags)
	return nil
}

// block is the hook in one piece, behind line n.
func (d *deriver) block(n int, indent string, h *hook, sb, flags string) {
	lines := []string{fmt.Sprintf("%sif (%s(%s, %s)) {", indent, h.helper(), sb, flags)}
	lines = append(lines, h.says(indent+"\t", "")...)
	lines = append(lines, indent+"\t"+flags+" &= ~MNT_FORCE;", indent+"}")
	if !d.text.blank(n) {
		lines = append([]string{""}, lines...)
	}
	if !d.text.blank(n + 1) {
		lines = append(lines, "")
	}
	d.edits.after(n, lines...)
}

// before puts the hook before the gate in the function itself.
func (d *deriver) before(w *way, h *hook) error {
	fn := w.fn()
	sb, _, err := d.superblock(fn)
	if err != nil {
		return err
	}
	flags, err := d.flags(w.gate, fn)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(fn.Body, isGate)
	next := w.next()
	if next == "" {
		next = begins // the gate is in the last function of the way
	}
	call := slices.IndexFunc(fn.Body, func(s gate.Statement) bool { return mentions(s, next) })
	if call <= at {
		return &Question{Asks: fmt.Sprintf("%s() calls %s() before its gate for MNT_FORCE: where does the hook belong?", fn.Name, next), Lines: []Line{d.text.at(w.gate.First), d.lineWith(fn, next)}}
	}
	begin := at
	// The error that the gate answers is set before it.
	if at > 0 && isErrorSet(fn.Body[at-1]) {
		begin--
	}
	line := d.text.aboveComment(fn.Body[begin].First)
	indent := d.text.indent(fn.Body[begin].First)
	var later []gate.Statement
	for _, s := range fn.Body[at+1 : call] {
		if s.Word == "if" {
			later = append(later, s)
		}
	}
	if len(later) == 0 {
		d.decide("the flag is dropped and the message written at one place", "nothing refuses between the gate and "+next+"()", d.text.at(fn.Body[call].First))
		d.block(line, indent, h, sb, flags)
		return nil
	}
	d.decide("the message waits for "+next+"()", "more tests come after the gate, and a caller that is refused must leave no message", d.text.at(later[0].First), d.text.at(fn.Body[call].First))
	if err := d.declare(fn, h, "override;"); err != nil {
		return err
	}
	d.edits.after(line, indent+fmt.Sprintf("override = %s(%s, %s);", h.helper(), sb, flags), indent+"if (override)", indent+"\t"+flags+" &= ~MNT_FORCE;", "")
	return d.late(fn.Body[call], h)
}

// isErrorSet reports whether a statement sets a variable to an error.
func isErrorSet(s gate.Statement) bool {
	return s.Word == "" && len(s.Words) == 4 && s.Words[1] == "=" && s.Words[2] == "-" && strings.HasPrefix(s.Words[3], "E")
}

// around puts the hook around the call of the function that holds the gate: the flag goes
// before it, the message behind.
func (d *deriver) around(w *way, h *hook) error {
	fn := w.fn()
	sb, atOnce, err := d.superblock(fn)
	if err != nil {
		return err
	}
	ask := slices.IndexFunc(fn.Body, func(s gate.Statement) bool { return mentions(s, w.gated) })
	call := slices.IndexFunc(fn.Body, func(s gate.Statement) bool { return mentions(s, w.next()) })
	if ask < 0 || call <= ask || fn.Body[ask].Declares {
		return &Question{
			Asks:  fmt.Sprintf("%s() does not call %s() in a statement of its own, and %s() in a later one: where does the hook belong?", fn.Name, w.gated, w.next()),
			Lines: []Line{d.lineWith(fn, w.gated), d.lineWith(fn, w.next())},
		}
	}
	flags, err := d.given(fn.Body[ask], w)
	if err != nil {
		return err
	}
	test := fmt.Sprintf("%s(%s, %s)", h.helper(), sb, flags)
	s := fn.Body[ask]
	line, indent := s.First-1, d.text.indent(s.First)
	drop := []string{indent + "if (override)", indent + "\t" + flags + " &= ~MNT_FORCE;"}
	if atOnce {
		err = d.declare(fn, h, "override = "+test+";")
	} else {
		err = d.declare(fn, h, "override;")
		drop = append([]string{indent + "override = " + test + ";"}, drop...)
	}
	if err != nil {
		return err
	}
	d.edits.after(line, drop...)
	return d.late(fn.Body[call], h)
}

// late puts the message before the statement that goes on with the umount.
func (d *deriver) late(s gate.Statement, h *hook) error {
	cond, indent := "override", d.text.indent(s.First)
	switch {
	case s.Word == "if" && len(s.Words) <= 2:
		cond = strings.Join(s.Words, "") + " && override"
	case s.Word == "if", s.Word != "" && s.Word != "return", s.Declares:
		return &Question{Asks: "the umount goes on in a statement of a form that is not known here: where does the message belong?", Lines: []Line{d.text.at(s.First)}}
	}
	d.edits.after(d.text.aboveComment(s.First), h.says(indent, cond)...)
	return nil
}

// declare puts the declaration of the hook's variable behind the function's first one.
func (d *deriver) declare(fn gate.Function, h *hook, what string) error {
	if slices.Contains(fn.Words, "override") {
		return &Question{Asks: fn.Name + "() has a variable override already: is there a hook in it?", Lines: []Line{d.lineWith(fn, "override")}}
	}
	if len(fn.Body) == 0 || !fn.Body[0].Declares {
		return &Question{Asks: fn.Name + "() begins with no declaration: where does the hook's belong?", Lines: []Line{d.text.at(fn.Line)}}
	}
	s := fn.Body[0]
	d.edits.after(s.Last, d.text.indent(s.First)+h.boolean+" "+what)
	return nil
}
