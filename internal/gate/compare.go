// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// The facts that the check asks for by itself: who calls, on what, and what the rate limit says.
const (
	factContainer = "the caller is in a container"
	factType      = "the file system's type"
	factLimit     = "the rate limit"
)

// maxWays bounds the ways that are gone, all together; a kernel's umount has some thousand. maxMore bounds those that
// are gone for more reasons when the first is known.
const (
	maxWays = 60000
	maxMore = 2000
)

// comparison goes all ways through the patched text and the one without the patch, side by
// side: the patched one must do what the other does, but in a container on Lustre what the
// other does without MNT_FORCE.
type comparison struct {
	gate        *Gate
	base, after *cfile
	names       *Names
	follow      map[*cfile]map[string]bool
	entry       string   // the system call that is followed
	types       []string // the file systems that it is followed on
	looks       looks    // what the patched text compares
	flags       int64
	steps       []Step          // of the longest way with the hook's message
	drops       map[string]bool // functions on the way in which MNT_FORCE is taken away
	entered     map[string]bool // functions that some way of the patched text goes through
	begins      bool            // some way of the text without the patch comes to umount_begin
	messages    bool            // some way writes the message
	permits     bool            // some way with a message has asked for a capability
	vefact      bool
	pidfact     bool
	asked       map[string]string // the superblocks of which the hook asks the type, by their paths
	begun       []begin           // calls of umount_begin, each once
	ways, known int               // ways that were gone, and when the first reason was known
	oldForces   bool              // so does the old system call, with flags
	over        bool              // a way is more than is followed
	cost        *budget           // of all ways
	reading     *budget           // of what else is read of the texts
	told        map[int]bool      // lines of which it is told what they do wrong
	used        map[string]int    // names in the hook, each with a line
	written     map[string]int    // names that are set and are no variable of the function, each with a line
}

func (c *comparison) run() {
	c.entry, c.types, c.looks.whole = umount, types, map[string]bool{}
	for _, c.flags = range []int64{1, 0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, allHigh | mntForce} {
		if !c.allWays() {
			return
		}
	}
	if !c.otherTypes() {
		return
	}
	switch was, is := c.base.functions[oldUmount], c.after.functions[oldUmount]; {
	case was != nil && is != nil:
		found := c.gate.Faults
		c.entry, c.types, c.flags = oldUmount, types, 0
		if c.allWays(); c.oldForces {
			// What the hook must do with it then is not known.
			c.gate.Faults = found
			c.gate.doubt("the old umount system call comes to umount_begin with flags, although it has none", []int{is.line})
		}
	case is != nil:
		c.gate.doubt("the patch adds the old umount system call, which is not followed", []int{is.line})
	}
}

// allHigh are the bits of flags that stand for nothing. Old kernels do not refuse them.
const allHigh = -16

// otherTypes tries the hook on the types that it seems to know beside ours, and reports whether to go on.
func (c *comparison) otherTypes() bool {
	tried := map[string]bool{}
	for more := c.types; len(more) > 0; more = c.looks.more(tried) {
		for _, s := range more {
			tried[s] = true
		}
		if len(tried) == len(types) {
			continue
		}
		if len(tried) > maxTypes {
			c.gate.doubt("the hook compares more types of file systems than are tried", nil)
			return false
		}
		c.types = slices.Concat(types[:guarded], more)
		for _, c.flags = range []int64{1, 3, 5, 7, 9, 11, 13, 15, 17, allHigh | mntForce} {
			if !c.allWays() {
				return false
			}
		}
	}
	return true
}

// fsType is the place of the type of this way in c.types.
func (c *comparison) fsType(o *oracle) int { return o.ask(factType, len(c.types), true, nil, 0) }

// allWays goes all ways with the same flags, and reports whether to go on with others.
func (c *comparison) allWays() bool {
	o := newOracle()
	for more := true; more; more = o.next() {
		if c.ways++; c.ways > maxWays {
			c.tooMany(o.line())
			return false
		}
		c.way(o)
		if c.cost.spent {
			c.tooMany(cmp.Or(c.cost.line, o.line()))
			return false
		}
		reasons := len(c.gate.Faults) + len(c.gate.Doubts)
		if reasons > 0 && c.known == 0 {
			c.known = c.ways
		}
		if c.over || reasons > 12 || c.known > 0 && c.ways > c.known+maxMore {
			return false
		}
	}
	return true
}

// tooMany says that not all ways were gone. What was found on the others stands.
func (c *comparison) tooMany(line int) {
	c.gate.doubt("the umount system call has too many ways to follow them all, or too long ones", []int{line})
}

func (c *comparison) trace(f *cfile, flags int64, o *oracle) *trace {
	m := &machine{file: f, base: c.base, follow: c.follow[f], names: c.names, oracle: o, types: c.types, looks: &c.looks, steps: maxSteps, cost: c.cost, counts: map[string]int{}, told: map[string]int{}, memory: map[string]value{}, tables: map[string]*table{}, used: c.used, entered: map[string]bool{}, out: trace{written: map[string]int{}, asked: map[string]string{}, touched: map[string]string{}}}
	args := []value{term("name"), num(flags)}
	if c.entry == oldUmount {
		args = args[:1]
	}
	v := m.enter(f.functions[c.entry], args)
	m.event("return "+v.String(), "return", 0)
	c.over = c.over || m.out.over
	if f == c.after {
		for name := range m.entered {
			c.entered[name] = true
		}
		maps.Copy(c.written, m.out.written)
		maps.Copy(c.asked, m.out.asked)
		for _, b := range m.out.begins {
			m.spend(evalSteps+len(c.begun), b.line)
			if !slices.Contains(c.begun, b) {
				c.begun = append(c.begun, b)
			}
		}
	}
	return &m.out
}

// way compares one way.
func (c *comparison) way(o *oracle) {
	is := c.trace(c.after, c.flags, o)
	force := c.flags&mntForce != 0
	hook := force && c.flags&mntExpire == 0 && o.ask(factContainer, 2, true, nil, 0) == 1 && c.fsType(o) < guarded
	flags := c.flags
	if hook {
		flags &^= mntForce
	}
	should := c.trace(c.base, flags, o)
	if is.dropped > 0 {
		c.drops[is.droppedIn] = true
	}
	c.vefact, c.pidfact = c.vefact || is.vefact, c.pidfact || is.pidfact
	c.gate.Doubts = merge(c.gate.Doubts, is.doubts)
	c.gate.Faults = merge(c.gate.Faults, is.faults)
	if len(is.steps) > len(c.steps) && len(is.messages) > 0 || c.steps == nil {
		c.steps = is.steps
	}
	for _, e := range should.events {
		if c.entry == oldUmount && strings.Contains(e.text, "umount_begin(") && !strings.HasSuffix(e.text, ", 0)") {
			c.oldForces = true
		}
		// Old kernels always call it, and give it the flags too.
		if flags&mntForce == 0 && strings.Contains(e.text, "umount_begin(") && !strings.Contains(e.text, ", ") {
			c.gate.doubt("the source calls umount_begin where MNT_FORCE is not set, which the hook cannot stop", nil)
		}
	}
	at := difference(is.events, should.events)
	strange := c.strange(o)
	report := func(reason string, lines ...int) {
		if len(is.doubts) > 0 || c.over {
			// On a way on which something is not understood, or that was not gone to its end, nothing is certain.
			return
		}
		if strange != nil {
			c.gate.doubt("whether the hook does what it promises depends on "+short(strange.key)+", and the source does not show what that is", []int{strange.line})
			return
		}
		c.gate.fault(reason, lines)
	}
	if at >= 0 || is.alsoLost != 0 {
		c.explain(o, is, should, at, hook, report)
	}
	c.judgeMessages(o, is, hook, at >= 0, report)
	if !hook || at >= 0 {
		return
	}
	if forced := c.trace(c.base, c.flags, o); forced.begun {
		c.begins = true
		acts := is.dropped > 0 || !sameEvents(is.events, forced.events)
		if acts && len(is.messages) == 0 && is.limited != holds {
			report("no message to the host's log is found where the hook takes MNT_FORCE away", is.dropped)
		}
	}
}

// strange is a question that only a statement of the hook asked, and that is none of the facts
// the hook is for.
func (c *comparison) strange(o *oracle) *question {
	for i := range o.asked {
		q := &o.asked[i]
		if q.line > 0 && !q.fact && q.by[c.after] && !q.by[c.base] {
			return q
		}
	}
	return nil
}

// difference is the first event in which two ways differ, or -1.
func difference(a, b []event) int {
	for i := range max(len(a), len(b)) {
		if i >= len(a) || i >= len(b) || a[i].text != b[i].text {
			return i
		}
	}
	return -1
}

func sameEvents(a, b []event) bool { return difference(a, b) < 0 }

// where says which way it is.
func (c *comparison) where(o *oracle) string {
	place := "on the host"
	if o.ask(factContainer, 2, true, nil, 0) == 1 {
		place = "in a container"
	}
	with := flagNames(c.flags)
	if c.entry == oldUmount {
		with += " by oldumount"
	}
	return fmt.Sprintf("with %s %s on file system type %q", with, place, c.types[c.fsType(o)])
}

// explain says in what the patched text is not as it should be.
func (c *comparison) explain(o *oracle, is, should *trace, at int, hook bool, report func(string, ...int)) {
	var got, want event
	if at >= 0 && at < len(is.events) {
		got = is.events[at]
	}
	if at >= 0 && at < len(should.events) {
		want = should.events[at]
	}
	unforced := c.trace(c.base, c.flags&^mntForce, o)
	asForced := at >= 0 && sameEvents(is.events, c.trace(c.base, c.flags, o).events)
	switch {
	case is.alsoLost != 0:
		report("with MNT_FORCE the hook takes "+flagNames(is.alsoLost)+" away, which must survive", is.dropped)
	case got.new && got.call == notUnderstood:
		// That is a doubt already.
	case got.new && got.call == "return" || got.new && got.call == "":
		c.once(got.line, func() {
			report(got.text+" is something that the source without the patch does not do "+c.where(o), got.line)
		})
	case got.new && harmful[got.call] != "":
		report("the hook calls "+got.call+"(), which "+harmful[got.call], got.line)
	case got.new:
		c.gate.doubt("the hook calls "+short(got.text)+", and what that does is unknown", []int{got.line})
	case hook && is.dropped > 0 && slices.Contains(capabilities, got.call):
		report("the hook lies behind the MNT_FORCE gate: a container with a user namespace gets EPERM there, and the hook never runs", got.line, is.dropped)
	case hook && is.dropped > 0 && strings.Contains(got.text, "umount_begin"):
		report("MNT_FORCE is taken away only after umount_begin was called: the file system is stopped already", got.line, is.dropped)
	case hook && asForced && is.dropped == 0:
		// Where nothing takes it away anywhere, that alone is said.
		if len(is.doubts) == 0 {
			c.keeps(o, report)
		}
	case c.flags&mntForce != 0 && sameEvents(is.events, unforced.events) && c.flags&mntExpire != 0:
		report("MNT_FORCE is taken away before the MNT_EXPIRE test, which then no longer refuses MNT_EXPIRE with MNT_FORCE", is.dropped)
	case c.flags&mntForce != 0 && sameEvents(is.events, unforced.events) && o.ask(factContainer, 2, true, nil, 0) == 0:
		report("the hook takes MNT_FORCE away when the caller is not in a container: umount -f would stop working on the host", is.dropped)
	case c.flags&mntForce != 0 && sameEvents(is.events, unforced.events):
		report(fmt.Sprintf("the hook takes MNT_FORCE away on file system type %q, which is not Lustre", c.types[c.fsType(o)]), is.dropped)
	default:
		c.once(got.line, func() {
			report(fmt.Sprintf("%s the patched source comes to %q where it should come to %q", c.where(o), short(got.text), short(want.text)), got.line)
		})
	}
}

// once tells the same of a line only on the first way that shows it.
func (c *comparison) once(line int, tell func()) {
	if !c.told[line] {
		c.told[line] = true
		tell()
	}
}

// keeps notes that MNT_FORCE is not taken away where it should be. Where that is so whatever
// other flag there is, it is told once.
func (c *comparison) keeps(o *oracle, report func(string, ...int)) {
	if c.strange(o) != nil {
		report("")
		return
	}
	on := fmt.Sprintf("MNT_FORCE is not taken away in a container on file system type %q", c.types[c.fsType(o)])
	if slices.ContainsFunc(c.gate.late, func(f Fault) bool { return f.Reason == on }) {
		return
	}
	if c.flags != mntForce {
		on += " with " + flagNames(c.flags)
	}
	c.gate.late = merge(c.gate.late, []Fault{{Reason: on}})
}

// harmful are functions that a hook might call, and why it must not.
var harmful = map[string]string{}

func init() {
	for why, names := range map[string][]string{
		"takes a reference that keeps the file system": {"mntget", "dget", "path_get", "igrab", "get_fs", "iget", "dget_parent", "get_task_struct", "atomic_inc", "get_ve", "get_pid_ns", "get_net", "atomic_inc_not_zero", "kref_get"},
		"sleeps or waits":                      {"msleep", "schedule", "ssleep", "mdelay", "udelay", "usleep_range", "schedule_timeout", "cond_resched", "wait_event", "synchronize_rcu", "msleep_interruptible", "flush_work"},
		"takes a lock":                         {"down_write", "down_read", "mutex_lock", "spin_lock", "namespace_lock", "lock_mount_hash", "br_write_lock"},
		"takes memory":                         {"kmalloc", "kzalloc", "vmalloc", "kstrdup", "kasprintf", "__get_free_page"},
		"writes something else to the log":     {"printk", "ve_printk", "dump_stack", "WARN", "WARN_ON", "WARN_ONCE", "BUG", "panic", "vprintk", "early_printk", "pr_debug", "pr_warn", "pr_err", "pr_info", "audit_log"},
		"asks for a capability, and so counts": {"capable", "ns_capable", "ve_capable"},
	} {
		for _, n := range names {
			harmful[n] = why
		}
	}
}
