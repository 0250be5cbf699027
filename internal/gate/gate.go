// SPDX-License-Identifier: Apache-2.0

// Package gate reads what a patched kernel does with a forced umount, and tells whether the
// hook that should stop it is there, is reached, and does what it promises. It reads text
// alone, and says so where the text does not tell.
package gate

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
)

// File is the file that Check reads, by its name in the kernel's tree.
const File = "fs/namespace.c"

// The system calls. The old one has no flags: it calls the other with 0, so that MNT_FORCE never comes from it.
const (
	umount    = "sys_umount"
	oldUmount = "sys_oldumount"
)

// Verdict is what Check makes of a hook.
type Verdict string

// The verdicts.
const (
	Reached   Verdict = "hook found and reached"
	Unsure    Verdict = "unsure"
	Misplaced Verdict = "misplaced"
)

// Gate is what a patched fs/namespace.c does with a forced umount.
type Gate struct {
	Verdict Verdict `json:"verdict"`
	// Steps are the checks, the hook and the call of the file system, in the order in
	// which they run.
	Steps []Step `json:"steps"`
	// Message is the text the hook writes to the log, its literals joined.
	Message string `json:"message"`
	// Faults say why the hook would not do what it promises.
	Faults []Fault `json:"faults"`
	// Doubts say what the text does not tell.
	Doubts []Fault `json:"doubts"`

	late []Fault // told only where the hook works now and then
}

// Fault is one reason why a hook is wrong, or why it is not known to be right, with the lines
// of the patched file that show it.
type Fault struct {
	Reason string `json:"reason"`
	Lines  []int  `json:"lines"`
}

func (f Fault) String() string {
	if len(f.Lines) == 0 {
		return f.Reason
	}
	lines := make([]string, len(f.Lines))
	for i, n := range f.Lines {
		lines[i] = fmt.Sprint(n)
	}
	return fmt.Sprintf("%s (%s:%s)", f.Reason, File, strings.Join(lines, ","))
}

// Error is the error of a patch that fits, but is not known to do what it is for.
type Error struct{ Gate *Gate }

func (e *Error) Error() string {
	var b strings.Builder
	if e.Gate.Verdict == Misplaced {
		b.WriteString("check gate: the patch fits, but would not do what it is for:")
	} else {
		b.WriteString("check gate: the patch fits, but whether it does what it is for is unsure; ovzpatch check --compile, and then a guest (ovzpatch test), tell more:")
	}
	for _, f := range slices.Concat(e.Gate.Faults, e.Gate.Doubts) {
		fmt.Fprintf(&b, "\n\t%s", f)
	}
	return b.String()
}

// Check reads fs/namespace.c as it is without the patch and with it. names says what the rest
// of the source declares. The Gate is complete also when the error is an *Error; with any other, which is that of
// ctx, there is none.
func Check(ctx context.Context, before, after []byte, names *Names) (*Gate, error) {
	c := &comparison{
		gate: &Gate{}, names: names, after: parseFile(string(after)), follow: map[*cfile]map[string]bool{},
		cost: newBudget(ctx, waySteps), reading: newBudget(ctx, readSteps),
		used: map[string]int{}, written: map[string]int{}, told: map[int]bool{}, drops: map[string]bool{}, asked: map[string]string{}, entered: map[string]bool{},
	}
	if ctx.Err() == nil {
		c.base = parseFile(string(before))
		c.check(string(before), string(after))
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("check gate: %w", context.Cause(ctx))
	}
	if c.reading.spent {
		// What was found wrong may be so only because of what was not read.
		c.gate.Faults = nil
		c.gate.doubt("the file has more, or uses more, than is read of it", []int{c.reading.line})
	}
	c.gate.judge()
	return c.gate, c.gate.Err()
}

// check makes the Gate, but for its verdict.
func (c *comparison) check(before, after string) {
	g := c.gate
	for _, f := range []*cfile{c.after, c.base} {
		if f.deep != nil {
			g.doubt(f.deep.Reason, f.deep.Lines)
			return
		}
	}
	if c.base.functions[umount] == nil || c.after.functions[umount] == nil {
		g.doubt("the file has no umount system call, so the hook cannot be checked", nil)
		return
	}
	for f, other := range map[*cfile]*cfile{c.base: c.after, c.after: c.base} {
		f.leads = f.leading(nil, c.reading)
		c.follow[f] = f.follow(func(fn *function) bool { return !alike(fn, other.functions[fn.name]) }, c.reading)
	}
	if c.reading.spent {
		return
	}
	for _, d := range c.after.defines {
		if !slices.Contains(c.base.defines, d) && !strings.HasPrefix(d, "define pr_fmt(") {
			g.doubt("the patch adds a line for the preprocessor, which is not followed: #"+short(d), nil)
		}
	}
	c.run()
	g.Steps = c.steps
	c.after.texts(g.Steps)
	switch {
	case len(c.drops) == 0 && len(g.Faults) == 0 && len(g.late) > 0:
		g.fault("nothing on the way from the umount system call takes MNT_FORCE away: the hook is never reached, or is not there", nil)
	default:
		for _, f := range g.late {
			g.fault(f.Reason, f.Lines)
		}
	}
	if len(g.Faults) == 0 {
		switch {
		case !c.begins:
			g.doubt("no umount_begin call is found on the way from the umount system call, so that the hook's place cannot be judged", nil)
		case !c.permits:
			g.doubt("no permission check is recognised before the message, so that its place cannot be judged", nil)
		}
	}
	c.superblocks()
	c.around()
	c.conditions()
	c.declared()
	c.altered()
	if word, line := respelled(after); word != "" {
		g.doubt("the file has "+word+", which may stand for another character of C and is not followed", []int{line})
	}
	c.again()
	c.names.judge(c, before, after)
}

// alike reports whether two functions are the same but for layout and comments.
func alike(a, b *function) bool {
	return a != nil && b != nil && slices.Equal(a.params, b.params) &&
		slices.EqualFunc(a.tokens, b.tokens, func(a, b token) bool { return a.text == b.text && a.under == b.under })
}

// Beside doubts a hook where its patch changes another file of the source, too, which is not read: a header may say
// anew what MNT_FORCE is, another file may come to umount_begin. What only people read is no doubt.
func (g *Gate) Beside(file string) {
	top, _, below := strings.Cut(file, "/")
	if file == File || below && top == "Documentation" || slices.Contains([]string{".txt", ".rst", ".md"}, path.Ext(file)) {
		return
	}
	g.doubt("the patch changes "+file+" as well, which is not read", nil)
	g.judge()
}

// judge sets the verdict.
func (g *Gate) judge() {
	switch {
	case len(g.Faults) > 0:
		g.Verdict = Misplaced
	case len(g.Doubts) > 0:
		g.Verdict = Unsure
	default:
		g.Verdict = Reached
	}
}

// Err is the *Error of a hook that is not known to be right.
func (g *Gate) Err() error {
	if g.Verdict == Reached {
		return nil
	}
	return &Error{g}
}

func (g *Gate) fault(reason string, lines []int) {
	g.Faults = merge(g.Faults, []Fault{{reason, slices.DeleteFunc(slices.Clone(lines), func(n int) bool { return n == 0 })}})
}

func (g *Gate) doubt(reason string, lines []int) {
	g.Doubts = merge(g.Doubts, []Fault{{reason, slices.DeleteFunc(slices.Clone(lines), func(n int) bool { return n == 0 })}})
}

// merge adds the faults that are not there yet.
func merge(all, more []Fault) []Fault {
	for _, f := range more {
		if !slices.ContainsFunc(all, func(g Fault) bool { return g.Reason == f.Reason }) {
			all = append(all, f)
		}
	}
	return all
}
