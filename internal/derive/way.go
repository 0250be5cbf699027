// SPDX-License-Identifier: Apache-2.0

package derive

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"ovzpatch/internal/gate"
)

// way is how a forced umount goes from the system call to the file system.
type way struct {
	chain []gate.Function // from the system call to the function that calls umount_begin
	place place
	at    int    // index in chain of the function that gets the hook
	gated string // the function that holds the MNT_FORCE gate, "" without one
	gate  gate.Statement
}

// place is where in its function the hook goes.
type place int

const (
	beforeCall  place = iota // of the function that holds the gate; the message comes behind it
	beforeGate               // which is in the function itself
	afterExpire              // no gate: behind the MNT_EXPIRE test
)

// fn is the function that gets the hook.
func (w *way) fn() gate.Function { return w.chain[w.at] }

// next is the name of the function that comes after it on the way.
func (w *way) next() string {
	if w.at+1 < len(w.chain) {
		return w.chain[w.at+1].Name
	}
	return ""
}

const (
	entry  = "sys_umount"
	begins = "umount_begin"
)

// way finds the way and the place for the hook on it.
func (d *deriver) way(ctx context.Context) (*way, error) {
	fns := d.outline.Functions
	if _, ok := fns[entry]; !ok {
		return nil, &Question{Asks: gate.File + " has no umount system call (sys_umount, or SYSCALL_DEFINE2(umount, ...)): which function is it, and in which file?"}
	}
	s := &search{ctx.Done(), fns, d.leading(ctx), nil, 0}
	s.follow([]gate.Function{fns[entry]})
	if ctx.Err() != nil {
		return nil, fmt.Errorf("derive port: %w", context.Cause(ctx))
	}
	chains := s.found
	switch {
	case s.tries > maxTries:
		return nil, &Question{Asks: "the functions of " + gate.File + " call each other in too many ways to follow them all: which one does a forced umount go?", Lines: d.mentions(begins)}
	case len(chains) == 0:
		return nil, &Question{Asks: "no call of umount_begin is found on the way from the umount system call: where is it?", Lines: d.mentions(begins)}
	case len(chains) > 1:
		q := &Question{Asks: "there is more than one way from the umount system call to umount_begin: which one does a forced umount go?"}
		for _, c := range chains {
			q.Lines = append(q.Lines, Line{File: gate.File, Text: spellChain(c)})
		}
		return nil, q
	}
	w := &way{chain: chains[0]}
	var lines []Line
	for _, f := range w.chain {
		lines = append(lines, d.text.at(f.Line))
	}
	last := w.chain[len(w.chain)-1]
	lines = append(lines, d.lineWith(last, begins))
	d.decide("the way is "+spellChain(w.chain)+" -> umount_begin", "the functions that the umount system call goes through", lines...)
	if err := d.findGate(w); err != nil {
		return nil, err
	}
	d.port.Function, d.port.Gate = w.fn().Name, w.gated
	return w, nil
}

// leading are the functions that come to umount_begin, by whatever way.
func (d *deriver) leading(ctx context.Context) map[string]bool {
	all := map[string]bool{}
	for more := true; more && ctx.Err() == nil; {
		more = false
		for name, f := range d.outline.Functions {
			if !all[name] && (slices.Contains(f.Words, begins) || slices.ContainsFunc(calls(f), func(c string) bool { return all[c] })) {
				all[name], more = true, true
			}
		}
	}
	return all
}

// search looks for the ways to umount_begin.
type search struct {
	done    <-chan struct{}
	fns     map[string]gate.Function
	leading map[string]bool // functions that come to it
	found   [][]gate.Function
	tries   int
}

// maxWays is more than anybody can choose from. maxTries bounds the search: functions that call each other all round
// have more ways than anybody can count. A kernel's has some ten.
const (
	maxWays  = 10
	maxTries = 1000
)

// follow collects the ways that begin with chain and come to umount_begin.
func (s *search) follow(chain []gate.Function) {
	select {
	case <-s.done:
		return
	default:
	}
	last := chain[len(chain)-1]
	if s.tries++; s.tries > maxTries {
		return
	}
	if slices.Contains(last.Words, begins) {
		s.found = append(s.found, slices.Clone(chain))
		return
	}
	for _, name := range calls(last) {
		if !s.leading[name] || len(s.found) >= maxWays || s.tries > maxTries || slices.ContainsFunc(chain, func(f gate.Function) bool { return f.Name == name }) {
			continue
		}
		s.follow(append(chain, s.fns[name]))
	}
}

// calls are the names of the functions that one calls, each once.
func calls(f gate.Function) []string {
	var all []string
	seen := map[string]bool{}
	for i := 0; i+1 < len(f.Words); i++ {
		if f.Words[i+1] == "(" && !seen[f.Words[i]] {
			seen[f.Words[i]] = true
			all = append(all, f.Words[i])
		}
	}
	return all
}

func spellChain(chain []gate.Function) string {
	var all []string
	for _, f := range chain {
		all = append(all, f.Name+"()")
	}
	return strings.Join(all, " -> ")
}

// isGate tells the MNT_FORCE gate: a condition that asks for a capability where the flag is set.
func isGate(s gate.Statement) bool {
	return s.Word == "if" && slices.Contains(s.Words, "MNT_FORCE") &&
		slices.ContainsFunc(gate.Capabilities(), func(c string) bool { return mentions(s, c) })
}

// gateIn finds the gate among the outermost statements of a function.
func gateIn(f gate.Function) (gate.Statement, bool) {
	i := slices.IndexFunc(f.Body, isGate)
	if i < 0 {
		return gate.Statement{}, false
	}
	return f.Body[i], true
}

// findGate finds the first gate on the way, and with it the place for the hook.
func (d *deriver) findGate(w *way) error {
	for i, f := range w.chain {
		for _, name := range calls(f) {
			g, here := d.outline.Functions[name]
			if !here || i+1 < len(w.chain) && name == w.chain[i+1].Name {
				continue
			}
			if s, ok := gateIn(g); ok {
				w.place, w.at, w.gated, w.gate = beforeCall, i, g.Name, s
				d.decide(fmt.Sprintf("the hook goes into %s(), before it calls %s(); its message comes behind that call", f.Name, g.Name),
					"a container with a user namespace gets EPERM at the gate for MNT_FORCE, so that the flag must be gone before; who may not umount at all must leave no message",
					d.text.at(s.First), d.lineWith(f, g.Name))
				return nil
			}
		}
		if s, ok := gateIn(f); ok {
			w.place, w.at, w.gated, w.gate = beforeGate, i, f.Name, s
			d.decide(fmt.Sprintf("the hook goes into %s(), before the gate for MNT_FORCE", f.Name),
				"a container with a user namespace gets EPERM at the gate, so that the flag must be gone before", d.text.at(s.First))
			return nil
		}
	}
	w.at = len(w.chain) - 1
	f := w.fn()
	i := slices.IndexFunc(f.Body, func(s gate.Statement) bool { return s.Word == "if" && slices.Contains(s.Words, "MNT_EXPIRE") })
	begin := slices.IndexFunc(f.Body, func(s gate.Statement) bool { return mentions(s, begins) })
	if i < 0 || begin <= i {
		return &Question{
			Asks:  fmt.Sprintf("%s() has no MNT_EXPIRE test before it calls umount_begin, and there is no gate for MNT_FORCE: behind what does the hook belong?", f.Name),
			Lines: []Line{d.text.at(f.Line), d.lineWith(f, begins)},
		}
	}
	w.place, w.gate = afterExpire, f.Body[i]
	d.decide(fmt.Sprintf("the hook goes into %s(), behind the MNT_EXPIRE test", f.Name),
		"there is no gate for MNT_FORCE on the way; whoever comes here may umount, and MNT_EXPIRE with MNT_FORCE was refused",
		d.text.at(w.gate.First), d.text.at(w.gate.Last))
	return nil
}

// mentions reports whether a word stands in a statement.
func mentions(s gate.Statement, word string) bool {
	in := func(s gate.Statement) bool { return mentions(s, word) }
	return slices.Contains(s.Words, word) || slices.ContainsFunc(s.Body, in) || slices.ContainsFunc(s.Else, in)
}

// mentions are the lines of the file that hold a word.
func (d *deriver) mentions(word string) []Line {
	var all []Line
	for i, l := range d.text.lines {
		if strings.Contains(l, word) {
			all = append(all, d.text.at(i+1))
		}
	}
	return all
}

// lineWith is the first line of a function that holds a word.
func (d *deriver) lineWith(f gate.Function, word string) Line {
	for n := f.Line; n <= min(f.End, len(d.text.lines)); n++ {
		if l := d.text.lines[n-1]; strings.Contains(l, word) && !strings.HasPrefix(strings.TrimSpace(l), "*") {
			return d.text.at(n)
		}
	}
	return d.text.at(f.Line)
}
