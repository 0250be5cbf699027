// SPDX-License-Identifier: Apache-2.0

package gate

// Outline is a C file as this package reads it, for who wants to write where it judges.
type Outline struct {
	Functions map[string]Function
	Deep      *Fault // where the file nests deeper than is read; the functions are not all there then
}

// Function is a function with a body.
type Function struct {
	Name   string
	Line   int // of its declaration
	End    int // of the brace that closes it
	Under  string
	Head   []string // the words of its declaration
	Params []string
	Words  []string // those of the body
	Body   []Statement
}

// Statement is a statement of C. Word is "if", "while", "for", "switch", "do", "{", "label",
// "return", "goto", or "" for an expression or a declaration.
type Statement struct {
	Word        string
	Words       []string // of an if's condition; else of all behind Word, a loop's body included
	First, Last int      // its lines
	Declares    bool     // it is a declaration
	Body, Else  []Statement
}

// ReadOutline reads a C file. Of an #if with an #else the first branch counts.
func ReadOutline(src []byte) *Outline {
	f := parseFile(string(src))
	o := &Outline{Functions: map[string]Function{}, Deep: f.deep}
	if f.deep != nil {
		return o
	}
	for name, fn := range f.functions {
		o.Functions[name] = Function{
			Name: name, Line: fn.line, End: fn.end, Under: fn.under, Head: words(fn.head),
			Params: fn.params, Words: words(fn.tokens), Body: outlines(fn.body),
		}
	}
	return o
}

func outlines(body []stmt) []Statement {
	var all []Statement
	for i := range body {
		s := &body[i]
		t := s.tokens
		if s.word == "if" {
			t = s.cond
		}
		all = append(all, Statement{
			Word: s.word, Words: words(t), First: s.at.line, Last: s.last,
			Declares: s.word == "" && isDeclaration(s.tokens), Body: outlines(s.body), Else: outlines(s.other),
		})
	}
	return all
}

func words(t []token) []string {
	all := make([]string, len(t))
	for i := range t {
		all[i] = t[i].text
	}
	return all
}

// Capabilities are the functions by which a kernel asks whether a caller may umount.
func Capabilities() []string { return append([]string(nil), capabilities...) }
