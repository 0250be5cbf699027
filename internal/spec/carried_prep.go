// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"path"
	"regexp"
	"slices"
	"strings"
)

var patchCommand = regexp.MustCompile(`^\s*patch_command=(.*)$`)

// command reads a line of %prep.
func (r *specReader) command(l reading) {
	i, text := l.i, l.text
	if m := patchCommand.FindStringSubmatch(text); m != nil {
		r.program = strings.Trim(strings.TrimSpace(m[1]), `'"`)
	}
	if l.macro {
		return
	}
	applied, script := false, false
	for _, at := range r.at[i] {
		a := &r.prep.applied[at]
		if a.style == styleScript {
			script = true
			continue // what it applies is not known, nor whether it does
		}
		applied = true
		if where, here := r.where(a); here {
			r.add(i, at, r.applications(a), firstOf(l.doubt, where))
		}
	}
	if r.held != nil {
		return // of commands only those count that come before
	}
	f, ok := r.prep.facts[i]
	if trimmed := strings.TrimSpace(text); ok && !applied && f.tree != "" && f.tree == f.dir && trimmed != "" && !setup.MatchString(text) {
		r.commands = append(r.commands, Command{Line: i + 1, Text: trimmed, Script: script})
	}
}

func firstOf(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

// where tells whether a command is run in the kernel's tree, and what of that is unknown.
func (r *specReader) where(a *application) (doubt string, here bool) {
	switch {
	case a.dir != "" && a.tree == "" && !a.above:
		return "", false // another tree, as Xen's beside RHEL 5's kernel
	case a.block != "":
		return "the shell's " + a.block, true
	case a.dir == "":
		return "the directory in which it is applied", true
	case a.tree != a.dir:
		return "the directory, which is not the kernel tree's own,", true
	}
	return "", true
}

// add notes applications, before the new patch and behind it.
func (r *specReader) add(i, from int, list []Carried, unknown string) {
	for _, c := range list {
		c.Line = i + 1
		c.Unknown = firstOf(unknown, c.Unknown)
		if c.File == "" && c.Unknown == "" {
			c.Unknown = "the name of its file"
		}
		switch tree := r.prep.applied[from].tree; {
		case r.held == nil && c.File == r.ours:
			r.held, r.tree = &c, tree
			r.keep(from)
		case r.held == nil:
			r.list, r.from = append(r.list, c), append(r.from, from)
		case c.File != r.ours && (tree == r.tree || tree == "" || r.tree == ""):
			r.behind = append(r.behind, c)
		}
	}
}

// keep leaves out what was applied to another tree than the one that gets the new patch:
// a copy has what was applied before.
func (r *specReader) keep(ours int) {
	a := &r.prep.applied[ours]
	if a.tree == "" {
		return
	}
	mine := map[int]bool{ours: true}
	a.applied.all(map[*applied]bool{}, mine)
	var list []Carried
	for i, c := range r.list {
		if b := &r.prep.applied[r.from[i]]; mine[r.from[i]] || b.tree == "" {
			list = append(list, c)
		}
	}
	r.list = list
}

// applications are the patches that a command applies.
func (r *specReader) applications(a *application) []Carried {
	expanded := r.macros.expand(a.text)
	switch a.style {
	case stylePatch:
		return r.patchMacro(a.text)
	case styleShell:
		return r.shellApply(expanded)
	case styleAutosetup, styleAutopatch:
		return r.all(a.text, r.automatic(expanded))
	case styleGitAm, stylePatchesAll:
		return r.all("", r.options(a.text))
	}
	return r.plain(a.text)
}

// plain reads a command that runs patch(1) or git on files of the package itself.
func (r *specReader) plain(text string) (list []Carried) {
	if first, _, more := strings.Cut(text, "\n"); more && strings.Contains(first, "<<") {
		text = first // the rest is a patch, not a command
	}
	how := r.options(" " + text)
	for _, word := range strings.FieldsFunc(r.macros.expand(text), func(c rune) bool { return strings.ContainsRune(" \t\n<>|;\"'()", c) }) {
		if slices.Contains(r.files, path.Base(word)) {
			list = append(list, r.named(word, how))
		}
	}
	if len(list) == 0 {
		list = []Carried{{Number: -1, Unknown: strings.TrimSpace(text)}}
	}
	return list
}
