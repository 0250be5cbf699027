// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"slices"
	"strings"
)

// machine goes one way through a source: what it knows it works out, what it does not know it
// asks the oracle, and what would have an effect it writes down.
type machine struct {
	file   *cfile
	base   *cfile // without the patch; the same as file where that is run
	follow map[string]bool
	names  *Names
	oracle *oracle
	types  []string // of file systems, one of which the way is on
	looks  *looks
	steps  int     // left of this way
	cost   *budget // of all ways

	calls   []string // the functions that are being run
	frames  []*frame // of each of them
	counts  map[string]int
	memory  map[string]value
	tables  map[string]*table // the constants of functions
	used    map[string]int
	entered map[string]bool // the functions that were run
	told    map[string]int  // what this way has been answered, by question
	byHook  int             // how many of the calls are the hook's
	line    int             // of the statement that is run
	new     int             // line of the statement that is run, where only the patched text has it

	out trace
}

// trace is what one way did.
type trace struct {
	events    []event
	messages  []logLine
	steps     []Step
	doubts    []Fault
	faults    []Fault
	entered   bool // the function that calls umount_begin
	begun     bool // it came as far as asking for umount_begin
	halted    bool
	over      bool   // it is more than is followed, and so are the other ways
	dropped   int    // line where MNT_FORCE was taken away, or 0
	droppedIn string // the function on the way to umount_begin that did, or had it done
	alsoLost  int64
	vefact    bool // it asked for a container as OpenVZ does
	pidfact   bool // it asked for a container as mainline does
	limited   limit
	limitAt   int
	begins    []begin
	asked     map[string]string // the superblocks of which the hook asks the type, by their paths
	touched   map[string]string // of those paths the ones that may have changed since, and by what
	refusals  []refusal         // by what looks like a permission check, and is none that is known
	written   map[string]int    // names that are set and are no variable of the function, each with a line
}

// limit is what a rate limit said.
type limit int

const (
	notAsked limit = iota
	lets
	holds
)

// notUnderstood is the call of an event that stands for a statement that is not understood.
const notUnderstood = "?"

// event is something that has an effect.
type event struct {
	text string
	line int
	new  bool // only the patched text has the statement
	call string
}

// logLine is a line for a log.
type logLine struct {
	call    string
	dest    value // first argument of ve_printk
	format  value
	args    []value
	line    int
	at      int // how many events come before it
	limited limit
}

type frame struct {
	fn      *function
	vars    map[string]value
	structs map[string]bool
	// filled says of a struct what filled it in: a call, by its result, or "" for something else.
	filled map[string]string
	kinds  map[string]string // the types of variables, as far as they count
	// declared are the variables of the block that is run, with what their names stood for
	// before; nil in the outermost one.
	declared map[string]*value
	consts   map[string]bool // what cannot be written to
	shadowed map[string]bool // names of more than one variable
}

// control is how a statement ends.
type control struct {
	kind  string // "", "return", "goto", "stop"
	value value
	label string
}

// maxSteps bounds the statements of one way; umount has some hundred.
const maxSteps = 20000

// maxCalls bounds how deep functions call each other.
const maxCalls = 30

// maxDoubts bounds the reasons that one way keeps.
const maxDoubts = 50

func (m *machine) doubt(line int, why string) {
	if len(m.out.doubts) == maxDoubts {
		return
	}
	f := Fault{Reason: why}
	if line > 0 {
		f.Lines = []int{line}
	}
	m.out.doubts = append(m.out.doubts, f)
}

// spend takes of what all ways may cost together. Where there is not so much left this way ends, and with it the check.
func (m *machine) spend(steps, line int) bool {
	if m.file == m.base {
		line = 0 // what is told names lines of the patched text
	}
	if !m.cost.spend(steps, line) {
		m.out.halted, m.out.over = true, true
	}
	return !m.out.halted
}

// use notes a name of the hook's that is no variable of the function.
func (m *machine) use(name string) {
	if m.new > 0 && m.used[name] == 0 {
		m.used[name] = m.new
	}
}

func (m *machine) fault(line int, why string) {
	m.out.faults = append(m.out.faults, Fault{why, []int{line}})
}

func (m *machine) event(text, call string, line int) {
	m.spend(keptSteps*len(text), line)
	m.out.events = append(m.out.events, event{text, line, m.new > 0, call})
}

// enter runs a function.
func (m *machine) enter(fn *function, args []value) value {
	m.spend(enterSteps, fn.line)
	fr := &frame{fn: fn, vars: map[string]value{}, structs: map[string]bool{}, filled: map[string]string{}, kinds: map[string]string{}, consts: map[string]bool{}, shadowed: map[string]bool{}}
	for i, p := range fn.params {
		if i < len(args) {
			fr.vars[p] = args[i]
			fr.consts[p] = fn.constant(p)
			if i < len(fn.kinds) && fn.kinds[i] != "" {
				fr.kinds[p] = fn.kinds[i]
			}
		}
	}
	if fn.begins {
		m.out.entered = true
		// MNT_FORCE may go further down; what else it is given must be the same.
		given := make([]string, len(args))
		for i, a := range args {
			if given[i] = a.String(); a.kind == isNumber {
				given[i] = num(a.n &^ mntForce).String()
			}
		}
		m.event("enter "+fn.name+"("+strings.Join(given, ", ")+")", fn.name, fn.line)
	}
	m.calls, m.frames = append(m.calls, fn.name), append(m.frames, fr)
	m.entered[fn.name] = true
	c := m.list(fr, fn.body)
	m.calls, m.frames = m.calls[:len(m.calls)-1], m.frames[:len(m.frames)-1]
	if c.kind == "goto" {
		m.stop("goto "+c.label, fn.line)
	}
	return c.value
}

// stop ends the way: what comes is a jump back, or more than is looked at.
func (m *machine) stop(why string, line int) {
	m.doubt(line, "a jump back or into a block, which is not followed: "+why)
	m.event(why, "", line)
	m.out.halted = true
}

func (m *machine) list(fr *frame, body []stmt) control {
	for i := 0; i < len(body); i++ {
		c := m.statement(fr, &body[i])
		if m.out.halted {
			return control{kind: "stop"}
		}
		if c.kind == "goto" {
			m.spend(len(body)-i, body[i].at.line)
			if at := labelIn(body[i+1:], c.label); at >= 0 {
				i += at
				continue
			}
		}
		if c.kind != "" {
			return c
		}
	}
	return control{}
}

// block runs the statements of a block. What it declares ends with it.
func (m *machine) block(fr *frame, body []stmt) control {
	outer := fr.declared
	fr.declared = map[string]*value{}
	defer fr.leave(outer)
	return m.list(fr, body)
}

func labelIn(body []stmt, label string) int {
	return slices.IndexFunc(body, func(s stmt) bool { return s.word == "label" && s.tokens[0].text == label })
}

// isNew reports whether only the patched text has a statement.
func (m *machine) isNew(fn *function, s *stmt) bool {
	if m.file == m.base {
		return false
	}
	was := m.base.functions[fn.name]
	return was == nil || was.texts[s.text()] == 0
}

func (m *machine) statement(fr *frame, s *stmt) control {
	if m.steps--; m.steps < 0 {
		m.doubt(s.at.line, "the way is longer than is looked at")
		m.out.halted = true
		return control{}
	}
	if !m.spend(len(s.cond)+len(s.tokens), s.at.line) {
		return control{}
	}
	outer := m.new
	defer func() { m.new = outer }()
	m.new, m.line = 0, s.at.line
	if !slices.Contains([]string{"{", "label", "case", "default"}, s.word) && m.isNew(fr.fn, s) {
		m.new = s.at.line
		if s.at.under != "" {
			m.conditional(s)
		}
	}
	m.note(fr, s)
	switch s.word {
	case "label", "case", "default":
		return control{}
	case "break", "continue":
		return control{kind: s.word}
	case "for", "while", "do":
		if m.follows(fr, s) {
			return m.loop(fr, s)
		}
	case "switch":
		if m.follows(fr, s) {
			return m.choose(fr, s)
		}
	case "{":
		return m.block(fr, s.body)
	case "if":
		e, err := s.expression()
		if err != nil {
			return m.opaque(fr, s)
		}
		if m.decide(m.eval(fr, e)) {
			m.new = outer
			return m.block(fr, s.body)
		}
		m.new = outer
		return m.block(fr, s.other)
	}
	return m.simple(fr, s)
}

// simple goes through a statement without others in it, and does not follow any other.
func (m *machine) simple(fr *frame, s *stmt) control {
	switch s.word {
	case "return":
		if len(s.tokens) == 0 {
			return control{kind: "return"}
		}
		e, err := s.expression()
		if err != nil {
			return m.opaque(fr, s)
		}
		return control{kind: "return", value: m.eval(fr, e)}
	case "goto":
		if len(s.tokens) == 1 {
			return control{kind: "goto", label: s.tokens[0].text}
		}
	case "":
		if isDeclaration(s.tokens) {
			return m.declare(fr, s)
		}
		if e, err := s.expression(); err == nil {
			m.eval(fr, e)
			return control{}
		}
	}
	return m.opaque(fr, s)
}

// conditional notes a new statement that is compiled only where an option is set.
func (m *machine) conditional(s *stmt) {
	was := m.base.functions[m.calls[len(m.calls)-1]]
	if was != nil && len(was.tokens) > 0 && was.tokens[0].under == s.at.under {
		// The whole function is.
		return
	}
	if !m.base.compiles(m.names, s.at.under) {
		m.doubt(s.at.line, conditionalText(s.at.under))
	}
}

// opaque passes over a statement that is not understood. One that both texts have is the same
// event in both, with the same values in its variables; what it sets is not known afterwards.
func (m *machine) opaque(fr *frame, s *stmt) control {
	if m.new > 0 {
		m.doubt(m.new, "a statement that is not understood: "+short(s.text()))
	}
	t := slices.Concat(s.cond, s.tokens)
	for i := range s.body {
		t = append(t, s.body[i].tokens...)
	}
	var b strings.Builder
	b.WriteString(s.text())
	for i, tok := range t {
		v, local := fr.vars[tok.text]
		if !local || i > 0 && (t[i-1].text == "." || t[i-1].text == "->") {
			continue
		}
		b.WriteString("; " + tok.text + " is " + v.String())
		m.touch(strings.TrimPrefix(v.s, "&"), "a statement that is not followed")
		fr.filled[tok.text] = ""
		if i+1 < len(t) && precedence[t[i+1].text] == 2 || i > 0 && t[i-1].text == "&" || i+1 < len(t) && (t[i+1].text == "++" || t[i+1].text == "--") || s.word != "" {
			fr.vars[tok.text] = term(tok.text + "@" + fr.fn.name + "#" + value{n: int64(len(m.out.events))}.String())
		}
	}
	m.event(b.String(), notUnderstood, s.at.line)
	m.hidesBegin(s)
	return control{}
}

func short(s string) string {
	if len(s) > 90 {
		return s[:87] + "..."
	}
	return s
}

// decide says whether a value counts as true.
func (m *machine) decide(v value) bool {
	switch v.kind {
	case isNumber:
		return v.n != 0
	case isText:
		return true
	}
	if isErrorCode(v.s) {
		return !v.not
	}
	if strings.HasPrefix(v.s, "&") {
		return !v.not
	}
	if f, ok := containerFacts[v.s]; ok {
		if f.ve {
			m.out.vefact = true
		} else {
			m.out.pidfact = true
		}
		inside := m.ask(factContainer, 2, true) == 1
		return (inside == f.inside) != v.not
	}
	if strings.Contains(v.s, "umount_begin") {
		m.out.begun = true
	}
	return (m.ask(v.s, 2, false) == 1) != v.not
}

func (m *machine) ask(key string, answers int, fact bool) int {
	answer := m.oracle.ask(key, answers, fact, m.file, m.new)
	if q := &m.oracle.asked[m.oracle.at[key]]; q.at == 0 && m.file != m.base {
		q.at = m.line
	}
	m.told[key] = answer
	return answer
}
