// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"fmt"
	"slices"
	"strings"
)

// call runs a call: of a function on the way it runs the body, of what has no effect it works
// out the value, any other is an event.
func (m *machine) call(fr *frame, e *expr) value {
	fn, line := m.called(fr, e.args[0]), e.args[0].tok.line
	own := m.file.functions[fn] != nil // a function that is defined here means what it says here
	if !own {
		if v, ok := m.known(fr, fn, e); ok {
			return v
		}
	}
	target := fn
	if fn == "" {
		target = m.eval(fr, e.args[0]).String()
	}
	if m.new > 0 && rateLimits[fn] && !own {
		return m.rateLimit(fn, e.args[1:])
	}
	args := m.arguments(fr, e.args[1:])
	if !own {
		if v, ok := m.result(fn, args, line); ok {
			return v
		}
	}
	if body := m.file.functions[fn]; body != nil && m.follow[fn] {
		if v, ok := m.run(fr, body, args, line); ok {
			return v
		}
	}
	return m.happens(fr, fn, target, args, line)
}

// called is the name of the function that is called, "" for one that has none.
func (m *machine) called(fr *frame, e *expr) string {
	if e.op != name {
		return ""
	}
	if _, local := fr.vars[e.tok.text]; local {
		return ""
	}
	m.use(e.tok.text)
	return e.tok.text
}

func (m *machine) arguments(fr *frame, all []*expr) []value {
	var args []value
	for _, a := range all {
		args = append(args, m.eval(fr, a))
		if a.op == "u&" {
			m.filled(fr, a.args[0])
		}
	}
	return args
}

// result is what a call returns that has no effect but that of a message. ok is false for any other call.
func (m *machine) result(fn string, args []value, line int) (v value, ok bool) {
	if m.new > 0 && (loggers[fn] != "" || fn == "ve_printk") && m.log(fn, args, line) {
		return num(0), true
	}
	if v, ok := knownTexts(fn, args); ok {
		m.looks.sees(fn, args)
		return v, true
	}
	if pure[fn] {
		return m.read(term(m.spelledCall(fn, fn, args))), true
	}
	return v, false
}

// spelledCall is a call as an event, or as what it returns.
func (m *machine) spelledCall(fn, target string, args []value) string {
	all := make([]string, len(args))
	for i, a := range args {
		all[i] = a.String()
		if a.kind == isNumber && m.onlyTold(fn, m.file.functions[fn] != nil) {
			all[i] = num(a.n &^ mntForce).String()
		}
	}
	return fmt.Sprintf("%s(%s)", target, strings.Join(all, ", "))
}

// run goes through a function of the file. ok is false for one that calls itself.
func (m *machine) run(fr *frame, body *function, args []value, line int) (_ value, ok bool) {
	fn := body.name
	if m.new > 0 && body.line > line && m.base.functions[fn] == nil {
		m.doubt(line, fn+"() is used before it is defined")
	}
	if slices.Contains(m.calls, fn) || len(m.calls) >= maxCalls {
		m.doubt(line, fn+"() calls itself, which is not followed")
		return value{}, false
	}
	outer := m.new
	m.new = 0
	if outer > 0 {
		m.byHook++
	}
	v := m.pass(body, args, line)
	if m.new = outer; outer > 0 {
		m.byHook--
	}
	fr.fill(args, "")
	return v, true
}

// happens notes a call that is not followed.
func (m *machine) happens(fr *frame, fn, target string, args []value, line int) value {
	text := m.spelledCall(fn, target, args)
	m.event(text, fn, line)
	m.counts[text]++
	result := fmt.Sprintf("%s#%d", text, m.counts[text])
	fr.fill(args, result)
	m.given(args, fn, line)
	m.spend(len(m.told)+len(m.out.asked), line)
	for _, a := range args {
		// What it is given the address of it may set.
		of, isAddress := strings.CutPrefix(a.s, "&")
		local, at, _ := strings.Cut(of, "@")
		if _, ok := fr.vars[local]; isAddress && ok && at == fr.fn.name && !fr.structs[local] {
			fr.vars[local] = term(of + " after " + result)
		}
	}
	if strings.Contains(target, "umount_begin") {
		m.out.begun = true
		m.beginsOn(target, args, line)
	}
	return term(result)
}

// onlyTold says of a function that it is told the flags, and acts on none of them: both may come
// before the hook. The security modules look at no flag; old kernels ask them before the
// MNT_EXPIRE test. A trace point of the source itself (Android has one at the system call) is
// there to be told what the caller asked for.
func (m *machine) onlyTold(fn string, own bool) bool {
	return fn == "security_sb_umount" || strings.HasPrefix(fn, "trace_") && m.new == 0 && !own
}

// rateLimits are the functions that say whether a message may be written now.
var rateLimits = map[string]bool{"printk_ratelimit": true, "__ratelimit": true, "vz_ratelimit": true}

func (m *machine) rateLimit(fn string, args []*expr) value {
	switch {
	case fn == "printk_ratelimit" && len(args) == 0:
	case fn != "printk_ratelimit" && len(args) == 1 && args[0].op == "u&" && args[0].args[0].op == name:
		state := args[0].args[0].tok.text
		if _, ok := m.memory["rate "+state]; !ok {
			m.doubt(m.new, "the rate limit's state "+state+" is not known to hold ten messages in five seconds")
		}
	default:
		m.doubt(m.new, "a rate limit of a form that is not known here")
	}
	if m.out.limited != notAsked {
		m.doubt(m.new, "the rate limit is asked more than once, and counts each time")
	}
	m.out.limitAt = m.new
	return truth(m.askLimit())
}

func (m *machine) askLimit() bool {
	if m.ask(factLimit, 2, true) == 0 {
		m.out.limited = lets
		return true
	}
	m.out.limited = holds
	return false
}

// loggers are the functions that write to the host's log, each with its level; "?" where the
// text says it.
var loggers = map[string]string{"printk": "?", "printk_ratelimited": "?", "printk_once": "?"}

func init() {
	for _, l := range []string{"emerg", "alert", "crit", "err", "warn", "warning", "notice", "info", "debug", "cont"} {
		for _, form := range []string{"", "_ratelimited", "_once"} {
			loggers["pr_"+l+form] = l
		}
	}
}

// log notes a message. ok is false for a call that is no message of the hook.
func (m *machine) log(fn string, args []value, line int) (ok bool) {
	l := logLine{call: fn, line: line, at: len(m.out.events), limited: m.out.limited}
	if fn == "ve_printk" {
		if len(args) == 0 {
			return false
		}
		l.dest, args = args[0], args[1:]
	}
	if len(args) == 0 || args[0].kind != isText || !speaksOfForce(args[0].s) {
		return false
	}
	l.format, l.args = args[0], args[1:]
	if strings.HasSuffix(fn, "_ratelimited") {
		m.out.limitAt = line
		if !m.askLimit() {
			return true
		}
		l.limited = lets
	}
	m.out.messages = append(m.out.messages, l)
	m.step(Step{Kind: Message, Function: m.calls[len(m.calls)-1], Line: line})
	return true
}
