// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"fmt"
	"slices"
	"strings"
)

// Kind is what a step on the way through umount(2) does.
type Kind string

// The kinds of steps.
const (
	Permission  Kind = "permission check"
	ForceGate   Kind = "MNT_FORCE gate"
	ExpireTest  Kind = "MNT_EXPIRE test"
	FlagDrop    Kind = "hook drops MNT_FORCE"
	Message     Kind = "hook's message"
	UmountBegin Kind = "umount_begin call"
)

// Step is one thing that happens on the way from the system call, in the order of running.
type Step struct {
	Kind     Kind   `json:"kind"`
	Function string `json:"function"` // that holds it
	Line     int    `json:"line"`     // in the patched file
	Text     string `json:"text"`     // of the condition or statement
}

// String shows the step as its line of the source.
func (s Step) String() string {
	return fmt.Sprintf("%s at %s:%d: %s", s.Kind, s.Function, s.Line, s.Text)
}

// refusal is a condition that refuses as a permission check does.
type refusal struct {
	text     string
	line, at int // how many events come before it
}

func has(t []token, text string) bool {
	return slices.ContainsFunc(t, func(tok token) bool { return tok.text == text })
}

// capabilities are the functions that say whether a caller may umount.
var capabilities = []string{"may_mount", "capable", "ns_capable", "ve_capable", "ns_capable_noaudit", "capable_noaudit"}

func hasCapability(t []token) bool {
	return slices.ContainsFunc(t, func(tok token) bool { return slices.Contains(capabilities, tok.text) })
}

func hasPrefix(t []token, prefix string) bool {
	return slices.ContainsFunc(t, func(tok token) bool { return strings.HasPrefix(tok.text, prefix) })
}

// refuses reports whether a block gives up with one of some errors.
func refuses(body []stmt, errors ...string) bool {
	found := false
	each(body, func(s *stmt) {
		for _, e := range errors {
			found = found || has(s.cond, e) || has(s.tokens, e)
		}
	})
	return found
}

// note writes down what a statement is that the way comes by.
func (m *machine) note(fr *frame, s *stmt) {
	if s.word != "if" || m.new > 0 || len(s.cond) == 0 {
		return
	}
	if s.noted == nil {
		s.noted = s.notes(fr.fn.name)
	}
	if s.noted.refuses {
		m.out.refusals = append(m.out.refusals, refusal{s.noted.text, s.cond[0].line, len(m.out.events)})
	}
	if s.noted.step.Kind != "" {
		m.step(s.noted.step)
	}
}

// noted is what an if is on the way.
type noted struct {
	step    Step // of no kind where it is none
	text    string
	refuses bool // it may be a permission check, and is none that is known
}

func (s *stmt) notes(function string) *noted {
	n := &noted{text: strings.TrimSuffix(strings.TrimPrefix(s.text(), "if ("), ")")}
	step := &n.step
	*step = Step{Function: function, Line: s.cond[0].line, Text: n.text}
	switch {
	case hasCapability(s.cond) && has(s.cond, "MNT_FORCE"):
		step.Kind = ForceGate
	case hasCapability(s.cond):
		step.Kind = Permission
	case has(s.cond, "(") && (hasPrefix(s.cond, "CAP_") || refuses(s.body, "EPERM")):
		n.refuses = true
	case has(s.cond, "MNT_EXPIRE") && !has(s.cond, "~") && refuses(s.body, "EINVAL", "EAGAIN", "EBUSY"):
		step.Kind = ExpireTest
	}
	each(s.body, func(inner *stmt) {
		if inner.word == "" && has(inner.tokens, "umount_begin") {
			*step = Step{UmountBegin, function, inner.at.line, spelled(inner.tokens)}
		}
	})
	return n
}

// maxShown bounds the steps that a way shows; a kernel's has some ten.
const maxShown = 200

func (m *machine) step(s Step) {
	if len(m.out.steps) < maxShown {
		m.out.steps = append(m.out.steps, s)
	}
}

// texts fills in what stands on the lines of steps that were noted by what they did.
func (f *cfile) texts(steps []Step) {
	for i := range steps {
		s := &steps[i]
		fn := f.functions[s.Function]
		if s.Text != "" || fn == nil {
			continue
		}
		within(fn.body, func(in *stmt) {
			t := in.tokens
			if in.word == "if" {
				t = in.cond
			}
			if len(t) > 0 && in.at.line <= s.Line && t[len(t)-1].line >= s.Line {
				s.Text = strings.TrimSpace(in.word + " " + spelled(in.tokens))
				s.Line = in.at.line
			}
		})
	}
}
