// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// What the host's log must say, with any one conversion between the two. Monitoring of
// hosting nodes looks for it, so not a letter may differ. A kernel with the patch holds
// MessageHead in one piece.
const (
	MessageHead = "Forced umount of lustre fs is not allowed inside container ("
	messageTail = "). Overriding MNT_FORCE flag."
)

func speaksOfForce(text string) bool {
	low := strings.ToLower(text)
	return strings.Contains(low, "umount") && strings.Contains(low, "force")
}

// ids are the terms that are a container's id, and how each is written.
var ids = map[string][]string{
	"VEID(get_exec_env())":                   {"%d", "%u"},
	"get_exec_env()->veid":                   {"%d", "%u"},
	"get_exec_env()->ve_name":                {"%s"},
	"ve_name(get_exec_env())":                {"%s"},
	"task_active_pid_ns(current)->ns.inum":   {"%u"},
	"task_active_pid_ns(current)->proc_inum": {"%u"},
	// Before 3.8 pid namespaces have no number: the process id of the first process in it.
	"task_active_pid_ns(current)->child_reaper->pid": {"%d"},
}

var levelDigit = regexp.MustCompile(`^(<[0-7c]>|\x01[0-7c])`)

// messageProblem compares a message with the documented one, and says with what conversion the
// id is written. problem is "" when they are alike.
func messageProblem(text string) (conversion, problem string) {
	bare, newline := strings.CutSuffix(levelDigit.ReplaceAllString(text, ""), "\n")
	head, rest, ok := cutPrefix(bare, MessageHead)
	if !ok {
		return "", fmt.Sprintf("the message starts with %q, the documented one with %q", firstDifference(head, MessageHead), MessageHead)
	}
	id, tail, found := strings.Cut(rest, ")")
	if !found || !slices.Contains([]string{"%d", "%u", "%s"}, id) {
		return "", fmt.Sprintf("the container's id in the message is written as %q; it must be one of %%d, %%u and %%s", id)
	}
	if ")"+tail != messageTail {
		return "", fmt.Sprintf("the message ends with %q, the documented one with %q", ")"+tail, messageTail)
	}
	if !newline {
		return "", "the message does not end its line: what is logged next would be joined to it"
	}
	return id, ""
}

func cutPrefix(s, prefix string) (same, rest string, ok bool) {
	if rest, ok = strings.CutPrefix(s, prefix); ok {
		return prefix, rest, true
	}
	return s, "", false
}

// firstDifference is s up to a few letters behind where it differs from want.
func firstDifference(s, want string) string {
	n := 0
	for n < len(s) && n < len(want) && s[n] == want[n] {
		n++
	}
	return s[:min(n+12, len(s))]
}

// judgeMessages judges what one way logs, on its own and in its place.
func (c *comparison) judgeMessages(o *oracle, is *trace, hook, differs bool, report func(string, ...int)) {
	if is.limited != notAsked && !hook && len(is.messages) == 0 {
		c.gate.doubt("the rate limit counts calls for which there is no message", []int{is.limitAt})
	}
	for i, l := range is.messages[:min(len(is.messages), maxShown)] {
		c.messages = true
		if c.gate.Message == "" {
			c.gate.Message = l.format.s
		}
		c.judgeMessage(l, report)
		switch {
		case i > 0:
			report("the message is written more than once", l.line)
		case !hook && c.flags&mntForce == 0:
			report("the message is written without MNT_FORCE, "+c.where(o), l.line)
		case !hook && c.flags&mntExpire != 0:
			report("the message comes before the MNT_EXPIRE test: MNT_EXPIRE with MNT_FORCE is refused and must not be logged", l.line)
		case !hook:
			report("the message is written "+c.where(o), l.line)
		case !is.entered:
			report("the message does not depend on what the permission check said: any user could flood the host's log", l.line)
		case !differs:
			c.judgePlace(is, l, report)
		}
	}
}

// judgePlace judges what lies before the message on its way and behind it.
func (c *comparison) judgePlace(is *trace, l logLine, report func(string, ...int)) {
	held, allowed := 0, false
	for i, e := range is.events {
		asks := slices.Contains(capabilities, e.call)
		switch {
		case i < l.at && asks:
			c.permits, allowed = true, true
		case i >= l.at && asks && len(is.refusals) > 0 && is.refusals[0].at <= l.at:
			r := is.refusals[0]
			c.gate.doubt("whether "+short(r.text)+" is the permission check, before which there must be no message, is not known", []int{r.line})
		case i >= l.at && asks && !allowed:
			report("the message comes before the permission check: any user could flood the host's log", l.line, e.line)
		case i < l.at:
			held += locks(e.call)
		}
	}
	if held > 0 {
		report("the message is written while a lock is held", l.line)
	}
}

// locks is 1 for a function that takes a lock, -1 for one that lets it go.
func locks(fn string) int {
	for _, word := range []string{"unlock", "up_write", "up_read"} {
		if strings.Contains(fn, word) {
			return -1
		}
	}
	for _, word := range []string{"lock", "down_write", "down_read"} {
		if strings.Contains(fn, word) {
			return 1
		}
	}
	return 0
}

// judgeMessage judges a message by itself.
func (c *comparison) judgeMessage(l logLine, report func(string, ...int)) {
	conversion, problem := messageProblem(l.format.s)
	if problem != "" {
		report(problem, l.line)
	} else {
		c.judgeID(l, conversion, report)
	}
	level := loggers[l.call]
	if level == "?" || l.call == "ve_printk" {
		level = l.format.level
		if d := levelDigit.FindString(l.format.s); d != "" && level == "" {
			level = map[bool]string{true: "KERN_WARNING", false: d}[strings.Contains(d, "4")]
		}
	}
	switch level {
	case "KERN_WARNING", "warn", "warning":
	case "":
		report("the message has no level; the documented one is KERN_WARNING", l.line)
	default:
		report(fmt.Sprintf("the message's level is %s; the documented one is KERN_WARNING, which reaches the console", level), l.line)
	}
	switch {
	case l.call == "ve_printk" && l.dest.s == "VE_LOG_BOTH":
		report("VE_LOG_BOTH tells the container's own log as well, which must not hold the message, and walks one argument list twice", l.line)
	case l.call == "ve_printk" && l.dest.s != "VE0_LOG":
		report("the message goes to the container's own log ("+l.dest.s+"), which must not hold it", l.line)
	case c.after.prefixed && strings.HasPrefix(l.call, "pr_"):
		report("pr_fmt of this file puts words before the message; use printk", l.line)
	}
	switch {
	case strings.HasSuffix(l.call, "_once"):
		report("the message is written for the first call alone", l.line)
	case l.limited == notAsked:
		report("no rate limit holds the message: a container could flood the host's log", l.line)
	case l.limited == holds:
		report("the message is written although the rate limit says no", l.line)
	}
}

func (c *comparison) judgeID(l logLine, conversion string, report func(string, ...int)) {
	if len(l.args) != 1 {
		report(fmt.Sprintf("the message has one place for the container's id, but %d arguments", len(l.args)), l.line)
		return
	}
	id := l.args[0].String()
	ways, ok := ids[id]
	switch {
	case !ok && (strings.Contains(id, "#") || l.args[0].kind == isNumber || strings.HasPrefix(id, "current->")):
		report("the message's argument, "+short(id)+", is not the container's id, as veid or the pid namespace's inum", l.line)
	case !ok:
		c.gate.doubt("the message's argument, "+short(id)+", is not known to be the container's id", []int{l.line})
	case !slices.Contains(ways, conversion):
		report(fmt.Sprintf("the container's id, %s, is written by %s; %s is right", id, conversion, strings.Join(ways, " or ")), l.line)
	}
}
