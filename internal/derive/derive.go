// SPDX-License-Identifier: Apache-2.0

// Package derive writes the patch for a kernel that no port was made for. It reads the
// kernel's fs/namespace.c and headers as internal/gate does, decides from them alone, and has
// gate judge the outcome. What it is not sure of is a Question, never a guess.
package derive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"ovzpatch/internal/gate"
)

// Source is what a port is derived from.
type Source struct {
	Kernel  string // its full name, for the patch's header
	Version [3]int
	// Plain says that nothing in the kernel's name is a distributor's. Only then the version
	// says what there is where the headers are not at hand.
	Plain bool
	// OpenVZ says that the kernel's name is one of OpenVZ's.
	OpenVZ bool
	// Files are fs/namespace.c and the headers, by their names in the tree.
	Files map[string][]byte
}

// Port is a derived patch.
type Port struct {
	Patch     []byte     `json:"-"`
	Function  string     `json:"function"`  // that gets the hook
	Gate      string     `json:"gate"`      // where MNT_FORCE is refused, "" where it is not
	Container string     `json:"container"` // the condition for being in one
	ID        string     `json:"id"`        // the container's id in the message
	Printk    string     `json:"printk"`    // what writes the message
	Includes  []string   `json:"includes"`  // headers that the patch adds
	Decisions []Decision `json:"decisions"`
	Judged    *gate.Gate `json:"judged"`
}

// Decision is one thing that was decided, and the lines of the source that led to it.
type Decision struct {
	What  string `json:"what"`
	Why   string `json:"why"`
	Lines []Line `json:"lines"`
}

// Line is a line of the source.
type Line struct {
	File string `json:"file"`
	Line int    `json:"line"` // 0 for a file as a whole
	Text string `json:"text"`
}

func (l Line) String() string {
	if l.Line == 0 {
		return l.File + ": " + l.Text
	}
	return fmt.Sprintf("%s:%d: %s", l.File, l.Line, l.Text)
}

// Question is the error of a source that leaves open what the port should be. A person who
// answers it can write the patch.
type Question struct {
	Asks  string
	Lines []Line
}

func (q *Question) Error() string {
	var b strings.Builder
	b.WriteString("derive port: " + q.Asks)
	for _, l := range q.Lines {
		fmt.Fprintf(&b, "\n\t%s", l)
	}
	return b.String()
}

// deriver is the state while a port is derived.
type deriver struct {
	src     Source
	names   *gate.Names
	text    *file
	outline *gate.Outline
	facts   *facts
	port    *Port
	edits   edits
}

// Derive writes the port for a source. names says to the judge what the source declares. The
// error of what cannot be decided is a *Question.
func Derive(ctx context.Context, src Source, names *gate.Names) (*Port, error) {
	data, ok := src.Files[gate.File]
	if !ok {
		return nil, &Question{Asks: "the source has no " + gate.File + "; is it a kernel's?"}
	}
	text, err := newFile(data)
	if err != nil {
		return nil, err
	}
	d := &deriver{src: src, names: names, text: text, outline: gate.ReadOutline(data), facts: newFacts(src), port: &Port{}, edits: edits{}}
	if deep := d.outline.Deep; deep != nil {
		return nil, &Question{Asks: "what does " + gate.File + " do? " + deep.String()}
	}
	if err := d.untouched(); err != nil {
		return nil, err
	}
	w, err := d.way(ctx)
	if err != nil {
		return nil, err
	}
	h, err := d.hook(w)
	if err != nil {
		return nil, err
	}
	if err := d.write(w, h); err != nil {
		return nil, err
	}
	after, diff, err := d.edits.apply(d.text, d.outline)
	if err != nil {
		return nil, err
	}
	if d.port.Judged, err = gate.Check(ctx, data, after, names); err != nil {
		var no *gate.Error
		if !errors.As(err, &no) {
			return nil, err
		}
		return nil, d.notRight(no)
	}
	d.port.Patch = append(d.header(w, h), diff...)
	return d.port, nil
}

// notRight is the question that is left where the judge does not agree with what was derived.
func (d *deriver) notRight(no *gate.Error) *Question {
	q := &Question{Asks: "the port that follows from these decisions is not known to be right; which of them is wrong, or what does the text not show?"}
	for _, f := range append(no.Gate.Faults, no.Gate.Doubts...) {
		q.Lines = append(q.Lines, Line{File: "judge", Text: f.String()})
	}
	for _, c := range d.port.Decisions {
		q.Lines = append(q.Lines, Line{File: "decided", Text: c.What})
	}
	return q
}

// untouched refuses a source in which somebody has been already.
func (d *deriver) untouched() error {
	for i, l := range d.text.lines {
		if bytes.Contains(bytes.ToLower([]byte(l)), []byte("lustre")) {
			return &Question{
				Asks:  "fs/namespace.c speaks of lustre already: is a port of the patch in it? Take it out (ovzpatch apply --reverse), or use the source as it is",
				Lines: []Line{d.text.at(i + 1)},
			}
		}
	}
	return nil
}

func (d *deriver) decide(what, why string, lines ...Line) {
	d.port.Decisions = append(d.port.Decisions, Decision{what, why, lines})
}

// Explain writes what was decided, and from which lines.
func (p *Port) Explain(w io.Writer) error {
	var b strings.Builder
	for _, d := range p.Decisions {
		fmt.Fprintf(&b, "%s\n  %s\n", d.What, d.Why)
		for _, l := range d.Lines {
			fmt.Fprintf(&b, "    %s\n", l)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
