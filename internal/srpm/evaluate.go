// SPDX-License-Identifier: GPL-2.0-only

package srpm

import (
	"regexp"
	"strings"
)

// Options are what rpmbuild is told besides the spec.
type Options struct {
	Target        string   // --target
	With, Without []string // --with, --without
	Defines       []string // --define, "NAME VALUE"
}

func (o Options) macros() macros {
	m := baseMacros(o.Target)
	set := func(name, body string) { m[name] = macro{body: body, known: true, defined: yes, line: -1} }
	for _, d := range o.Defines {
		name, body, _ := strings.Cut(d, " ")
		set(name, strings.TrimSpace(body))
	}
	for _, w := range o.With {
		set("_with_"+w, "--with-"+w)
	}
	for _, w := range o.Without {
		set("_without_"+w, "--without-"+w)
	}
	return m
}

var (
	undefinition = regexp.MustCompile(`^\s*%undefine\s+(\w+)`)
	buildOption  = regexp.MustCompile(`^\s*%(bcond|bcond_with|bcond_without)\s+(\w+)(.*)$`)
)

// branch is an open %if.
type branch struct {
	outer truth // whether the %if itself is read
	taken truth // whether a branch before this one was
	live  truth // whether this branch is read
}

// evaluate follows a spec down to its %changelog as rpmbuild would read it with these
// options, and calls visit for each line with whether it is read, and the macros there.
// Nothing is run: what %(...) or Lua would give cannot be told, nor can what hangs on it.
func (s *spec) evaluate(o Options, visit func(i int, live truth, m macros)) {
	m := o.macros()
	var open []branch
	for i, l := range s.lines {
		if l.section == "changelog" {
			return
		}
		live := yes
		if n := len(open); n > 0 {
			live = open[n-1].live
		}
		top := len(open) - 1
		switch {
		case l.macro:
		case ifStart.MatchString(l.text):
			cond := m.condition(l.text)
			open = append(open, branch{outer: live, taken: cond, live: and(live, cond)})
			continue
		case ifElse.MatchString(l.text):
			b := &open[top]
			cond := yes
			if !strings.HasPrefix(strings.TrimSpace(l.text), "%else") {
				cond = m.condition(l.text)
			}
			b.live = and(b.outer, and(not(b.taken), cond))
			b.taken = or(b.taken, cond)
			continue
		case ifEnd.MatchString(l.text):
			open = open[:top]
			continue
		case live != no:
			m.define(i, l.text, live)
		}
		visit(i, live, m)
	}
}

// define follows a line that may define a macro.
func (m macros) define(i int, text string, live truth) {
	set := func(name string, d macro) {
		if d.line, d.defined = i, live; live != yes {
			// Defined or not, before or now: neither is known.
			d.known, d.defined = false, cannotTell
		}
		m[name] = d
	}
	if d := definition.FindStringSubmatch(text); d != nil {
		body := strings.TrimSpace(text[len(d[0]):])
		whole := d[3] == "" && !strings.HasSuffix(body, `\`) && balance(text) == 0
		if whole && d[1] == "global" {
			body, whole = m.expand(body)
		}
		set(d[2], macro{body: body, known: whole})
	} else if u := undefinition.FindStringSubmatch(text); u != nil {
		if live == yes {
			delete(m, u[1])
		} else {
			set(u[1], macro{})
		}
	} else if b := buildOption.FindStringSubmatch(text); b != nil {
		m.option(b[1], b[2], b[3], set)
	}
}

// option follows %bcond and its older forms: with_NAME is defined where the option is on.
func (m macros) option(kind, name, value string, set func(string, macro)) {
	on, off := m.defined("_with_"+name), m.defined("_without_"+name)
	standard := no
	switch kind {
	case "bcond_without":
		standard = yes
	case "bcond":
		standard = m.condition("%if" + value)
	}
	switch or(on, and(standard, not(off))) {
	case yes:
		set("with_"+name, macro{body: "1", known: true})
	case cannotTell:
		set("with_"+name, macro{})
		d := m["with_"+name]
		d.defined = cannotTell
		m["with_"+name] = d
	}
}
