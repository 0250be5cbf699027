// SPDX-License-Identifier: Apache-2.0

package derive

import (
	"slices"
	"strings"

	"ovzpatch/internal/gate"
)

// variable is a parameter or a local variable that is a struct or points to one.
type variable struct {
	name, tag string
	pointer   bool
	param     bool
	set       []string // the words of what it is set to where it is declared
}

// variables are those of a function.
func variables(fn gate.Function) []variable {
	var all []variable
	if open := slices.Index(fn.Head, "("); open >= 0 && open < len(fn.Head)-1 {
		for _, part := range splitWords(fn.Head[open+1 : len(fn.Head)-1]) {
			if v, ok := declared(part); ok {
				v.param = true
				all = append(all, v)
			}
		}
	}
	for _, s := range fn.Body {
		if !s.Declares {
			continue
		}
		tag := ""
		for _, part := range splitWords(s.Words) {
			if v, ok := declared(part); ok {
				tag = v.tag
				all = append(all, v)
			} else if tag != "" {
				v, _ := declared(append([]string{"struct", tag}, part...))
				all = append(all, v)
			}
		}
	}
	return all
}

// splitWords cuts words at the commas outside of brackets.
func splitWords(w []string) [][]string {
	var all [][]string
	depth, start := 0, 0
	for i, t := range w {
		switch t {
		case "(", "[", "{":
			depth++
		case ")", "]", "}":
			depth--
		case ",":
			if depth == 0 {
				all = append(all, w[start:i])
				start = i + 1
			}
		}
	}
	return append(all, w[start:])
}

// declared reads "struct TAG *NAME = ...".
func declared(w []string) (variable, bool) {
	w = slices.DeleteFunc(slices.Clone(w), func(s string) bool { return s == "const" })
	if len(w) < 3 || w[0] != "struct" {
		return variable{}, false
	}
	v := variable{tag: w[1]}
	for i, t := range w[2:] {
		switch {
		case t == "*":
			v.pointer = true
		case v.name == "":
			v.name = t
		case t == "=":
			v.set = w[i+3:]
			return v, true
		}
	}
	return v, v.name != ""
}

// superblock is the expression by which a function comes to the superblock of the mount at
// hand; atOnce says that it does from its beginning.
func (d *deriver) superblock(fn gate.Function) (sb string, atOnce bool, err error) {
	vars := variables(fn)
	nd := slices.IndexFunc(vars, func(v variable) bool { return v.tag == "nameidata" && !v.pointer })
	for _, how := range []struct {
		tag            string
		pointer, param bool
		ends           string
	}{
		{"super_block", true, false, ""},
		{"mount", true, true, "->mnt.mnt_sb"},
		{"vfsmount", true, true, "->mnt_sb"},
		{"path", true, true, "->mnt->mnt_sb"},
		{"path", false, false, ".mnt->mnt_sb"},
	} {
		for _, v := range vars {
			if v.tag != how.tag || v.pointer != how.pointer || v.param != how.param {
				continue
			}
			if v.tag == "super_block" && !slices.Contains(v.set, "mnt_sb") && !slices.Contains(v.set, "d_sb") {
				continue
			}
			d.decide("the superblock is "+v.name+how.ends+" in "+fn.Name+"()", "its variables", d.lineWith(fn, v.name))
			return v.name + how.ends, v.param || v.tag == "super_block", nil
		}
	}
	if nd >= 0 {
		name := vars[nd].name
		sb := name + ".mnt->mnt_sb"
		if strings.Contains(strings.Join(fn.Words, " "), name+" . path . ") {
			sb = name + ".path.mnt->mnt_sb"
		}
		d.decide("the superblock is "+sb+" in "+fn.Name+"()", "its variables", d.lineWith(fn, name))
		return sb, false, nil
	}
	return "", false, &Question{Asks: "no path, mount or superblock is found among the variables of " + fn.Name + "(): by what is the superblock known there?", Lines: []Line{d.text.at(fn.Line)}}
}

// flags is the variable in whose bits a condition looks.
func (d *deriver) flags(s gate.Statement, fn gate.Function) (string, error) {
	for i := 1; i+1 < len(s.Words); i++ {
		if s.Words[i] == "&" && strings.HasPrefix(s.Words[i+1], "MNT_") && slices.Contains(fn.Params, s.Words[i-1]) {
			return s.Words[i-1], nil
		}
	}
	return "", &Question{Asks: "the flags in this condition of " + fn.Name + "() are no parameter of it: where do they come from?", Lines: []Line{d.text.at(s.First)}}
}

// given is the variable that a statement gives as flags to the function that holds the gate.
func (d *deriver) given(s gate.Statement, w *way) (string, error) {
	ask := &Question{Asks: "which variable holds the flags that this gives to " + w.gated + "()?", Lines: []Line{d.text.at(s.First), d.text.at(w.gate.First)}}
	g := d.outline.Functions[w.gated]
	inner, err := d.flags(w.gate, g)
	if err != nil {
		return "", err
	}
	all := s.Words
	if s.Word == "if" && !slices.Contains(all, w.gated) {
		return "", ask
	}
	at := slices.Index(all, w.gated)
	if at < 0 || at+1 >= len(all) {
		return "", ask
	}
	depth, end := 0, at+1
	for ; end < len(all); end++ {
		if all[end] == "(" {
			depth++
		} else if all[end] == ")" {
			if depth--; depth == 0 {
				break
			}
		}
	}
	args := splitWords(all[at+2 : min(end, len(all))])
	i := slices.Index(g.Params, inner)
	if i < 0 || i >= len(args) || len(args[i]) != 1 || !slices.Contains(w.fn().Params, args[i][0]) {
		return "", ask
	}
	return args[i][0], nil
}
