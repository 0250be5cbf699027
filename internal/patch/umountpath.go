// SPDX-License-Identifier: GPL-2.0-only

package patch

import (
	"fmt"
	"slices"
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

	nest   []cond // conditions that enclose it, on the whole way
	passed []cond // conditions of earlier ifs that left, on the whole way
	tokens []token
	words  []token        // of a message: its tokens and what its variables stand for
	calls  []int          // the calls of functions that led here, outermost first, by number
	result map[int]string // of a check: what becomes of its refusal, by the call in which it is seen
}

// String shows the step as its line of the source.
func (s Step) String() string {
	return fmt.Sprintf("%s at %s:%d: %s", s.Kind, s.Function, s.Line, s.Text)
}

// What becomes of a check's refusal, where it is not kept in a variable.
const (
	itLeaves = ""  // the function is left with it
	isLost   = "?" // it has no effect
)

// cond is a condition, with what the variables and functions in it stand for.
type cond struct {
	tokens   []token
	expanded []token
	call     int // the call in which it stands, by number
	steps    int // how many steps come before it
}

// pathWalker follows the way of control from function to function. It takes the text's
// order for the order of running, which holds for this code: it has no loop and no jump
// back.
type pathWalker struct {
	functions map[string]*function
	checks    map[string]bool // what isCheck found so far
	steps     []Step
	active    []string // functions being walked, to end recursion
	calls     []int    // their calls, by number
	called    int      // calls so far
}

// maxCalls bounds the calls that are followed; umount makes some hundred.
const maxCalls = 5000

// umountPath gives the steps from the system call on. ok is false when the source has no
// umount system call.
func umountPath(src string) (steps []Step, ok bool) {
	w := &pathWalker{functions: functions(tokens(src)), checks: make(map[string]bool)}
	if w.functions["sys_umount"] == nil {
		return nil, false
	}
	w.call("sys_umount", nil, nil)
	return w.steps, true
}

// call walks a function's body.
func (w *pathWalker) call(name string, nest, passed []cond) {
	f := w.functions[name]
	if f == nil || slices.Contains(w.active, name) || w.called == maxCalls {
		return
	}
	w.called++
	w.active, w.calls = append(w.active, name), append(w.calls, w.called)
	w.walk(f, f.body, nest, passed)
	w.active, w.calls = w.active[:len(w.active)-1], w.calls[:len(w.calls)-1]
}

// walk goes through statements and returns the conditions that have left by their end.
func (w *pathWalker) walk(f *function, body []stmt, nest, passed []cond) []cond {
	for i := range body {
		s := &body[i]
		switch {
		case s.word == "if":
			c := w.condition(f, s.cond)
			w.check(f, s, nest, passed)
			result := isLost
			if leaves(s.body) {
				result = itLeaves
			}
			w.follow(s.cond, result, nest, passed)
			inner := append(slices.Clip(nest), c)
			after := w.walk(f, s.body, inner, passed)
			if !leaves(s.body) {
				passed = after
			}
			w.walk(f, s.other, nest, passed)
			if leaves(s.body) {
				passed = append(slices.Clip(passed), c)
			}
		case s.word != "":
			passed = w.walk(f, s.body, nest, passed)
		default:
			w.expression(f, s, nest, passed)
		}
	}
	return passed
}

// check notes what the condition of an if is.
func (w *pathWalker) check(f *function, s *stmt, nest, passed []cond) {
	kind := Kind("")
	switch {
	case hasCapability(s.cond) && has(s.cond, "MNT_FORCE"):
		kind = ForceGate
	case hasCapability(s.cond):
		kind = Permission
	case has(s.cond, "MNT_EXPIRE") && !has(s.cond, "~") && refuses(s.body):
		kind = ExpireTest
	default:
		return
	}
	step := w.step(kind, f, s.cond, nest, passed)
	if result := itLeaves; kind == Permission {
		if !leaves(s.body) && len(s.body) > 0 {
			result = kept(s.body[len(s.body)-1].tokens)
		}
		step.result = map[int]string{step.calls[len(step.calls)-1]: result}
	}
	w.steps = append(w.steps, step)
}

// expression notes what a statement does, and follows the calls in it.
func (w *pathWalker) expression(f *function, s *stmt, nest, passed []cond) {
	w.follow(s.tokens, kept(s.tokens), nest, passed)
	if literal, _ := message(s.tokens); literal != "" {
		step := w.step(Message, f, s.tokens, nest, passed)
		step.words = w.condition(f, s.tokens).expanded
		w.steps = append(w.steps, step)
	}
	if drops, _ := dropsForce(s.tokens); drops {
		w.steps = append(w.steps, w.step(FlagDrop, f, s.tokens, nest, passed))
	}
	if i := slices.IndexFunc(s.tokens, func(t token) bool { return t.text == "umount_begin" }); i >= 0 &&
		i+1 < len(s.tokens) && s.tokens[i+1].text == "(" {
		w.steps = append(w.steps, w.step(UmountBegin, f, s.tokens, nest, passed))
	}
}

// follow goes into the calls of the file's own functions in an expression, in order.
// result is what becomes of the value.
func (w *pathWalker) follow(t []token, result string, nest, passed []cond) {
	for i := 0; i+1 < len(t); i++ {
		name := t[i].text
		if t[i+1].text != "(" || isCapability(name) || w.functions[name] == nil {
			continue
		}
		first := len(w.steps)
		w.call(name, nest, passed)
		for n := first; n < len(w.steps); n++ {
			if step := &w.steps[n]; step.Kind == Permission {
				step.result[w.calls[len(w.calls)-1]] = result
			}
		}
	}
}

// kept says what becomes of the value of an expression statement.
func kept(t []token) string {
	if len(t) > 0 && t[0].text == "return" {
		return itLeaves
	}
	if name := assigned(t); name != "" {
		return name
	}
	return isLost
}

func (w *pathWalker) step(kind Kind, f *function, t []token, nest, passed []cond) Step {
	return Step{
		Kind: kind, Function: f.name, Line: t[0].line, Text: spelled(t), tokens: t,
		nest: slices.Clip(nest), passed: slices.Clip(passed), calls: slices.Clone(w.calls),
	}
}

// condition expands a condition by what its variables were set to in f and by the bodies
// of the file's functions that it calls: a hook may keep its decision in a variable. It
// does not go into the functions that hold the checks themselves, whose words are not
// the hook's.
func (w *pathWalker) condition(f *function, t []token) cond {
	c := cond{tokens: t, call: w.calls[len(w.calls)-1], steps: len(w.steps)}
	seen := map[string]bool{}
	var add func(t []token, depth int)
	add = func(t []token, depth int) {
		c.expanded = append(c.expanded, t...)
		if depth == 0 {
			return
		}
		for i, tok := range t {
			if seen[tok.text] || !isNameStart(tok.text[0]) {
				continue
			}
			called := i+1 < len(t) && t[i+1].text == "("
			if callee := w.functions[tok.text]; called && callee != nil {
				if w.isCheck(callee) {
					continue
				}
				seen[tok.text] = true
				each(callee.body, func(t []token) { add(t, depth-1) })
			} else if !called && tok.text != "flags" && (i == 0 || t[i-1].text != "->" && t[i-1].text != ".") {
				seen[tok.text] = true
				each(f.body, func(t []token) {
					if assigned(t) == tok.text {
						add(t, depth-1)
					}
				})
			}
		}
	}
	add(t, 4)
	return c
}

// isCheck reports whether a function, or one it calls, asks for a capability or calls
// the file system.
func (w *pathWalker) isCheck(f *function) bool {
	found, known := w.checks[f.name]
	if known {
		return found
	}
	// Ends recursion: what f holds beyond its call of itself decides.
	w.checks[f.name] = false
	each(f.body, func(t []token) {
		for i := 0; i+1 < len(t) && !found; i++ {
			if name := t[i].text; t[i+1].text == "(" {
				callee := w.functions[name]
				found = isCapability(name) || name == "umount_begin" || callee != nil && w.isCheck(callee)
			}
		}
	})
	w.checks[f.name] = found
	return found
}

// each calls visit for all conditions and expressions in statements.
func each(body []stmt, visit func([]token)) {
	for i := range body {
		s := &body[i]
		if len(s.cond) > 0 {
			visit(s.cond)
		}
		if len(s.tokens) > 0 {
			visit(s.tokens)
		}
		each(s.body, visit)
		each(s.other, visit)
	}
}

// assigned is the variable that an expression or declaration sets, "" when it sets none.
func assigned(t []token) string {
	for i := 1; i < len(t); i++ {
		switch t[i].text {
		case "(":
			return ""
		case "=":
			return t[i-1].text
		}
	}
	return ""
}
