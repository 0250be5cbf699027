// SPDX-License-Identifier: GPL-2.0-only

package patch

import (
	"fmt"
	"slices"
	"strings"
)

// GateFile is the file that CheckGate reads, by its name in the kernel's tree.
const GateFile = "fs/namespace.c"

// Gate is what a patched fs/namespace.c does with a forced umount.
type Gate struct {
	// Steps are the checks, the hook and the call of the file system, in the order in
	// which they run.
	Steps []Step `json:"steps"`
	// Message is the text the hook writes to the log, its literals joined.
	Message string `json:"message"`
	// Faults say why the hook would not do what it promises; none when it would.
	Faults []Fault `json:"faults"`
}

// Fault is one reason why a hook is in the wrong place or wrong, with the lines of the
// patched file that show it.
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
	return fmt.Sprintf("%s (%s:%s)", f.Reason, GateFile, strings.Join(lines, ","))
}

// Misplaced is the error of a patch that fits but would not do what it is for.
type Misplaced struct{ Gate *Gate }

func (e *Misplaced) Error() string {
	var b strings.Builder
	b.WriteString("check gate: the patch fits, but would not do what it is for:")
	for _, f := range e.Gate.Faults {
		fmt.Fprintf(&b, "\n\t%s", f)
	}
	return b.String()
}

// CheckGate reads a patched fs/namespace.c and tells whether the hook would fire. userNS
// says that the line's containers have a user namespace of their own, so that the
// capability gate for MNT_FORCE refuses them. The Gate is complete also when the error
// is a *Misplaced.
func CheckGate(src []byte, userNS bool) (*Gate, error) {
	g := &Gate{}
	steps, ok := umountPath(string(src))
	if !ok {
		g.fault("the file has no umount system call, so nothing can be told of the hook")
		return g, &Misplaced{g}
	}
	g.Steps = steps
	g.judge(userNS)
	if hasPrefixMacro(src) {
		for _, s := range g.all(Message) {
			if strings.HasPrefix(s.Text, "pr_") {
				g.fault("pr_fmt of this file puts words before the message; use printk", s)
			}
		}
	}
	if len(g.Faults) > 0 {
		return g, &Misplaced{g}
	}
	return g, nil
}

func (g *Gate) fault(reason string, steps ...Step) {
	f := Fault{Reason: reason}
	for _, s := range steps {
		f.Lines = append(f.Lines, s.Line)
	}
	g.Faults = append(g.Faults, f)
}

// all gives the steps of a kind.
func (g *Gate) all(kind Kind) []Step {
	var steps []Step
	for _, s := range g.Steps {
		if s.Kind == kind {
			steps = append(steps, s)
		}
	}
	return steps
}

// index is the place of the first step of a kind, or the number of steps.
func (g *Gate) index(kind Kind) int {
	if i := slices.IndexFunc(g.Steps, func(s Step) bool { return s.Kind == kind }); i >= 0 {
		return i
	}
	return len(g.Steps)
}

// permission is the place of the check that every caller passes: one inside another
// condition is for a special case, as that of unmounting the root.
func (g *Gate) permission() int {
	if i := slices.IndexFunc(g.Steps, func(s Step) bool { return s.Kind == Permission && len(s.nest) == 0 }); i >= 0 {
		return i
	}
	return len(g.Steps)
}

// judge finds the faults.
func (g *Gate) judge(userNS bool) {
	begin, gate, expire, permission := g.index(UmountBegin), g.index(ForceGate), g.index(ExpireTest), g.permission()
	drop := g.index(FlagDrop)
	none := len(g.Steps)
	for what, at := range map[string]int{"umount_begin call": begin, "permission check": permission, "MNT_EXPIRE test": expire} {
		if at == none {
			g.fault("no " + what + " is found on the way from the umount system call, so that the hook's place cannot be judged")
		}
	}
	slices.SortFunc(g.Faults, func(a, b Fault) int { return strings.Compare(a.Reason, b.Reason) })
	if drop == none {
		g.fault("nothing on the way from the umount system call takes MNT_FORCE away: the hook is never reached, or is not there")
	}
	if len(g.Faults) > 0 {
		return
	}
	g.judgeDrop(drop, begin, gate, expire, userNS)
	g.judgeMessages(permission, expire)
}

func (g *Gate) judgeDrop(drop, begin, gate, expire int, userNS bool) {
	s := g.Steps[drop]
	if drop > begin {
		g.fault("MNT_FORCE is taken away only after umount_begin was called: the file system is stopped already", g.Steps[begin], s)
	}
	if userNS && gate < drop {
		g.fault("the hook lies behind the MNT_FORCE gate: a container with a user namespace gets EPERM there, and the hook never runs", g.Steps[gate], s)
	}
	if drop < expire && !s.decides("MNT_EXPIRE") {
		g.fault("MNT_FORCE is taken away before the MNT_EXPIRE test, which then no longer refuses MNT_EXPIRE with MNT_FORCE", s, g.Steps[expire])
	}
	if _, also := dropsForce(s.tokens); len(also) > 0 {
		g.fault("with MNT_FORCE the hook takes "+strings.Join(also, " and ")+" away, which must survive", s)
	}
	if !s.decides(`"lustre"`) {
		g.fault("no condition of the hook asks for file system type lustre: it would act on every file system", s)
	}
	if !s.decidesAny(containerTests) {
		g.fault("no condition of the hook asks whether the caller is in a container: umount -f would stop working on the host", s)
	}
}

func (g *Gate) judgeMessages(permission, expire int) {
	found := false
	for at, s := range g.Steps {
		if s.Kind != Message {
			continue
		}
		text, call := message(s.tokens)
		if g.Message == "" {
			g.Message = text
		}
		if why := messageProblem(text); why != "" {
			g.fault(why, s)
		}
		if !slices.ContainsFunc(s.words, func(t token) bool { return slices.Contains(containerIDs, t.text) }) {
			g.fault("the message's argument is not the container's id, as veid, ve_name() or the namespace's inum", s)
		}
		switch {
		case has(s.tokens, "VE_LOG_BOTH"):
			g.fault("VE_LOG_BOTH walks one argument list twice, and one of the logs shows a wrong id; use two calls", s)
		case call == "ve_printk" && !has(s.tokens, "VE0_LOG"):
			// The container's own log may be told as well.
		default:
			found = true
		}
		check := g.Steps[permission]
		if at < permission {
			g.fault("the message comes before the permission check: any user could flood the host's log", s, check)
		} else if !s.behind(check, permission) {
			g.fault("the message does not depend on what the permission check said: any user could flood the host's log", s, check)
		}
		if at < expire && !s.decides("MNT_EXPIRE") {
			g.fault("the message comes before the MNT_EXPIRE test: MNT_EXPIRE with MNT_FORCE is refused and must not be logged", s, g.Steps[expire])
		}
	}
	if !found {
		g.fault("no message to the host's log is found on the way from the umount system call")
	}
}

// containerTests are words by which a condition asks for a container, on all lines.
var containerTests = []string{
	"ve_is_super", "get_exec_env", "get_ve0", "VEID", "is_ve_init_user_ns", "ve_is_ve0",
	"task_active_pid_ns", "init_pid_ns", "current_user_ns", "init_user_ns",
}

// containerIDs are words by which a message names the container.
var containerIDs = []string{"veid", "VEID", "ve_name", "inum"}

// decides reports whether the step depends on a condition in which the word occurs.
func (s *Step) decides(word string) bool { return s.decidesAny([]string{word}) }

func (s *Step) decidesAny(words []string) bool {
	for _, conds := range [][]cond{s.nest, s.passed} {
		for _, c := range conds {
			if has(c.tokens, "~") {
				// That is the test for flags that nobody knows.
				continue
			}
			for _, t := range c.expanded {
				if slices.Contains(words, t.text) {
					return true
				}
			}
		}
	}
	return false
}

// behind reports whether the step is reached only when an earlier check, step number at,
// refused nothing: because the refusal left the function, or because a later condition
// asks for the variable that holds it.
func (s *Step) behind(check Step, at int) bool {
	// Where the two ways part, the check's refusal is what its call there gave.
	n := 0
	for n < len(s.calls) && n < len(check.calls) && s.calls[n] == check.calls[n] {
		n++
	}
	call := s.calls[n-1]
	result := check.result[call]
	asks := func(c cond) bool { return c.call == call && c.steps > at }
	switch result {
	case itLeaves:
		return true
	case isLost:
		return false
	}
	for _, c := range s.passed {
		if asks(c) && len(c.tokens) > 0 && c.tokens[0].text == result {
			return true
		}
	}
	for _, c := range s.nest {
		for i, t := range c.tokens {
			if asks(c) && t.text == result && (i > 0 && c.tokens[i-1].text == "!" ||
				i+2 < len(c.tokens) && c.tokens[i+1].text == "==" && c.tokens[i+2].text == "0") {
				return true
			}
		}
	}
	return false
}

// hasPrefixMacro reports whether the file defines pr_fmt, which pr_warn and the like use.
func hasPrefixMacro(src []byte) bool {
	return strings.Contains("\n"+string(src), "\n#define pr_fmt(")
}
