// SPDX-License-Identifier: Apache-2.0

package srpm

import (
	"path"
	"regexp"
	"slices"
	"strings"
)

var patchCommand = regexp.MustCompile(`^\s*patch_command=(.*)$`)

// command follows a line of %prep.
func (r *specReader) command(l reading) {
	i, text := l.i, l.text
	if m := patchCommand.FindStringSubmatch(text); m != nil {
		r.program = strings.Trim(strings.TrimSpace(m[1]), `'"`)
	}
	if r.walk.inCode() {
		if list, ok := r.applications(i, text); ok {
			if where, here := r.where(text); here {
				r.add(i, list, firstOf(l.doubt, where))
			}
		} else if r.walk.depth == tree && !r.walk.left && !strings.HasPrefix(strings.TrimSpace(text), "#") && strings.TrimSpace(text) != "" {
			r.commands = append(r.commands, Command{Line: i + 1, Text: strings.TrimSpace(text)})
		}
	}
	before := len(r.walk.blocks)
	r.walk.within = l.doubt != ""
	r.walk.line(text)
	for ; before < len(r.walk.blocks); before++ {
		r.blocks = append(r.blocks, strings.TrimSpace(text))
	}
	r.blocks = r.blocks[:len(r.walk.blocks)]
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
func (r *specReader) where(text string) (doubt string, here bool) {
	depth := r.walk.depth
	if autosetup.MatchString(text) {
		depth = tree
		if hasOption(text, 'c') {
			depth = above
		}
	}
	switch {
	case r.walk.left:
		return "", false // another tree, as Xen's beside RHEL 5's kernel
	case len(r.blocks) > 0:
		return "the shell's " + r.blocks[len(r.blocks)-1], true
	case depth == unknown:
		return "the directory in which it is applied", true
	case depth != tree:
		return "the directory, which is not the kernel tree's own,", true
	}
	return "", true
}

// add notes applications up to the new patch.
func (r *specReader) add(i int, list []Carried, unknown string) {
	for _, c := range list {
		c.Line = i + 1
		c.Unknown = firstOf(unknown, c.Unknown)
		if c.File == "" && c.Unknown == "" {
			c.Unknown = "the name of its file"
		}
		if c.File == r.ours {
			r.held = &c
			return
		}
		r.list = append(r.list, c)
	}
}

// applications are the patches that a line applies. ok is false for a line that applies none.
func (r *specReader) applications(i int, text string) (list []Carried, ok bool) {
	how, ok := applies(text)
	if !ok && loopStart.MatchString(text) && r.spec.loopApplies(i, len(r.spec.lines)) {
		how, ok = stylePatchesAll, true
	}
	if !ok {
		return r.plain(text)
	}
	expanded := r.macros.expand(text)
	switch how {
	case stylePatch:
		return r.patchMacro(text), true
	case styleShell:
		return r.shellApply(expanded), true
	case styleAutosetup, styleAutopatch:
		return r.all(text, r.automatic(expanded)), true
	}
	return r.all("", r.options(r.spec.loopText(i))), true
}

// loopText is a line, and the rest of the loop that it begins.
func (s *spec) loopText(i int) string {
	text := s.lines[i].text
	if !loopStart.MatchString(text) {
		return text
	}
	for ; !loopEnd.MatchString(text) && i+1 < len(s.lines); i++ {
		text += "\n" + s.lines[i+1].text
	}
	return text
}

// plain reads a line that runs patch(1) or git on files of the package itself.
func (r *specReader) plain(text string) (list []Carried, ok bool) {
	trimmed := strings.TrimSpace(text)
	if !applyProgram.MatchString(text) || strings.HasPrefix(trimmed, "#") || patchCommand.MatchString(text) {
		return nil, false
	}
	how := r.options(" " + text)
	for _, word := range strings.FieldsFunc(r.macros.expand(text), func(c rune) bool { return strings.ContainsRune(" \t<>|;\"'()", c) }) {
		if slices.Contains(r.files, path.Base(word)) {
			list = append(list, r.named(word, how))
		}
	}
	if len(list) == 0 {
		list = []Carried{{Number: -1, Unknown: trimmed}}
	}
	return list, true
}
