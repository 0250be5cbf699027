// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"path"
	"regexp"
	"slices"
	"strings"
)

// Carried is a patch of a source package's own, as %prep applies it to the kernel's tree.
type Carried struct {
	Number  int    // N of PatchN; -1 where it has none
	File    string // bare name; "" where the spec's text does not tell
	Line    int    // of the spec, where it is applied, from 1
	Strip   int    // as for patch -p
	Fuzz    int    // context lines that may differ
	Reverse bool
	// Optional patches are left out where they have fewer than ten lines.
	Optional bool
	// Unknown is what only rpmbuild knows and the application depends on, as "%if
	// 0%{?rhel}"; "" for a patch that is applied in any case, just so.
	Unknown string
}

// Prepared is what %prep does to the kernel's tree before a new patch is applied, and behind it.
type Prepared struct {
	Patches []Carried // in order
	Behind  []Carried // those that come behind the new patch, in order
	// Commands are the other lines that run in the tree; what they do is not followed.
	Commands []Command
	// Held is the new patch itself, where the package has one of that name already.
	Held *Carried
	// NoPlace says why Inject finds no place for the new patch; the patches are then all
	// there are. It is an *Error or nil.
	NoPlace error
}

// Command is a line of a spec.
type Command struct {
	Line   int // from 1
	Text   string
	Script bool // it runs a script, which may apply patches
}

// Before tells what a package with these files does to the kernel's tree before the patch
// file, which Inject puts in where the package does not have it, and which patches it applies
// behind that. The spec is read as text and nothing of it is run: macros that it defines are followed, and those that it does not
// define count as undefined, but for the ones that distributions define.
func (s *Spec) Before(file string, files []string, o Options) (Prepared, error) {
	if s.err != nil {
		return Prepared{NoPlace: s.err}, nil
	}
	declared, err := s.declared()
	if err != nil {
		return Prepared{NoPlace: err}, nil
	}
	var result Prepared
	held := slices.ContainsFunc(declared.patches, func(d declaration) bool { return path.Base(d.file) == file })
	read := func(s *Spec) *specReader {
		r := &specReader{spec: s, macros: o.macros(), files: append(slices.Clone(files), file), ours: file}
		if r.prep, err = s.readPrep(o.macros(), file, nowhere); err == nil {
			r.read()
		}
		return r
	}
	// The name may be a macro's, as in our own spec.
	r := read(s)
	if err != nil {
		return Prepared{NoPlace: err}, nil
	}
	if held = held || r.held != nil; !held {
		edited, noPlace := s.Inject(Injection{PatchFile: file})
		switch {
		case noPlace != nil:
			result.NoPlace = noPlace
		case edited.Spec.err != nil:
			return Prepared{}, edited.Spec.err
		default:
			if r = read(edited.Spec); err != nil {
				return Prepared{NoPlace: err}, nil
			}
		}
	}
	r.countFrom(strings.Split(string(s.text), "\n"))
	result.Patches, result.Behind, result.Commands = r.list, r.behind, r.commands
	if held {
		result.Held = r.held
	}
	return result, nil
}

// countFrom makes the lines that were noted those of the original, into which Inject has
// put others.
func (r *specReader) countFrom(original []string) {
	number := make([]int, len(r.spec.lines)+1)
	for i, l := range r.spec.lines {
		number[i+1] = number[i]
		if n := number[i]; n < len(original) && original[n] == l.text {
			number[i+1]++
		}
	}
	for _, list := range [][]Carried{r.list, r.behind} {
		for i := range list {
			list[i].Line = number[list[i].Line]
		}
	}
	for i := range r.commands {
		r.commands[i].Line = number[r.commands[i].Line]
	}
}

// specReader follows a spec from its first line on.
type specReader struct {
	spec     *Spec
	macros   *macros
	files    []string
	ours     string // file name of the new patch
	declared []patchTagged

	prep    *prep
	program string // what patch_command holds

	at       map[int][]int // the applications by line
	list     []Carried
	from     []int     // by list: the application
	behind   []Carried // the same behind the new patch
	tree     string    // that the new patch is applied to; "" where that is not known
	commands []Command
	held     *Carried
}

// patchTagged is a PatchN line that is read, perhaps.
type patchTagged struct {
	number  int
	file    string
	unknown string
}

// read goes over the spec.
func (r *specReader) read() {
	r.at = map[int][]int{}
	for i, a := range r.prep.applied {
		r.at[a.line] = append(r.at[a.line], i)
	}
	for l := range r.spec.evaluate(r.macros) {
		switch {
		case l.live == no:
		case l.section == "prep":
			r.command(l)
		default:
			r.tag(l)
		}
	}
}

var numberedFile = regexp.MustCompile(`(?i)^\s*(Patch|Source)(\d*)\s*:\s*(\S.*?)\s*$`)

// tag reads a line of the preamble, or of a list of patches.
func (r *specReader) tag(l reading) {
	switch l.section {
	case "", "package":
	case "patchlist":
		if name := strings.TrimSpace(l.text); name != "" && name[0] != '#' && !sectionStart.MatchString(l.text) {
			r.declare(-1, name, l.doubt)
		}
		return
	default:
		return
	}
	f := numberedFile.FindStringSubmatch(l.text)
	if f == nil {
		return
	}
	n, ok := number(f[2])
	if !ok {
		n = -1
	}
	if strings.EqualFold(f[1], "patch") {
		r.declare(n, f[3], l.doubt)
	} else {
		r.place("SOURCE"+f[2], r.fileName(f[3]))
	}
}

// declare notes a patch. One without a number takes the next.
func (r *specReader) declare(n int, file, unknown string) {
	if n < 0 {
		n = 0
		if last := len(r.declared) - 1; last >= 0 {
			n = r.declared[last].number + 1
		}
	}
	file = r.fileName(file)
	r.declared = append(r.declared, patchTagged{n, file, unknown})
	r.place("PATCH"+digits(n), file)
}

// place makes the name of a declared file its path. Who uses the name counts on the line
// being read; where two lines may declare it, nobody knows which.
func (r *specReader) place(name, file string) {
	if value := unknownText + "/" + file; r.macros.defined(name) == no {
		r.macros.values[name] = macro{body: value, defined: yes}
	} else {
		r.macros.set(name, value)
	}
}

// fileName returns the bare name of a source. Where a part of it is not known, the one file
// of the package that it may be.
func (r *specReader) fileName(text string) string {
	name := path.Base(r.macros.expand(text))
	if known(name) && !strings.Contains(name, "%{") {
		return name
	}
	parts := unknownPart.Split(name, -1)
	found := ""
	for _, f := range r.files {
		if mayBe(f, parts) {
			if found != "" {
				return ""
			}
			found = f
		}
	}
	return found
}

var unknownPart = regexp.MustCompile(unknownText + `|%\{[^}]*\}`)

// mayBe reports whether a name is made of the parts, with anything between them.
func mayBe(name string, parts []string) bool {
	rest, ok := strings.CutPrefix(name, parts[0])
	if !ok || len(parts) < 2 {
		return false
	}
	for _, part := range parts[1 : len(parts)-1] {
		var found bool
		if _, rest, found = strings.Cut(rest, part); !found {
			return false
		}
	}
	return strings.HasSuffix(rest, parts[len(parts)-1])
}
