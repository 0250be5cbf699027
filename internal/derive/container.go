// SPDX-License-Identifier: Apache-2.0

package derive

import (
	"slices"
	"strings"
)

// hook is what the hook asks and says, in this kernel's words.
type hook struct {
	ve       bool
	inside   string // the condition for a container
	id       string
	format   string // of the id
	idWords  string // what the id is, for people
	printk   string // what writes the message
	limit    string // "" where printk limits itself; else "state", "vz" or "global"
	level    bool   // printk wants KERN_WARNING
	boolean  string // the type of a truth
	includes []string
}

// hook decides what a container is, what its id is, and how the message is written.
func (d *deriver) hook(w *way) (*hook, error) {
	if !d.facts.known && !d.facts.plain {
		return nil, &Question{Asks: "the source has no headers (include/linux/fs.h), and its version does not say what a distributor's kernel has; derive from the whole source"}
	}
	h := &hook{boolean: "int"}
	if _, ok := d.facts.find("bool", `(?m)^typedef\s+_Bool\s+bool\s*;`); ok {
		h.boolean = "bool"
	}
	if l, ok := d.facts.find("vx_current_xid", `\bvx_current_xid\b`); ok && d.facts.known {
		return nil, &Question{Asks: "the source has the contexts of Linux-VServer: are those the containers, and what is their number?", Lines: []Line{l}}
	}
	ve, err := d.ve(h)
	if err == nil && !ve {
		err = d.pidNamespace(h)
	}
	if err == nil {
		err = d.logging(h)
	}
	if err != nil {
		return nil, err
	}
	d.port.Container, d.port.ID, d.port.Printk, d.port.Includes = h.inside, h.id, h.printk, h.includes
	return h, nil
}

// needs has the patch include the header of a declaration, where it is not there yet.
func (d *deriver) needs(h *hook, l Line) {
	name := d.facts.include(l)
	if name == "" || slices.Contains(h.includes, name) {
		return
	}
	h.includes = append(h.includes, name)
	d.decide("the patch includes <"+name+">", "nothing that fs/namespace.c includes for certain does", l)
}

// ve takes OpenVZ's containers where the source has them.
func (d *deriver) ve(h *hook) (bool, error) {
	env, has := d.facts.declared("get_exec_env")
	super, hasSuper := d.facts.declared("ve_is_super")
	speaks := d.mentions("get_exec_env")
	if !d.facts.known {
		has, hasSuper = false, false
	}
	switch {
	case !has && !hasSuper && d.src.OpenVZ:
		return false, &Question{Asks: "the kernel's name is one of OpenVZ's, but its headers declare no get_exec_env() and ve_is_super(): are they in a patch of the package's own? Derive from the source as rpmbuild -bp leaves it"}
	case !has && !hasSuper && len(speaks) == 0:
		return false, nil
	case !has || !hasSuper:
		return false, &Question{Asks: "something speaks of OpenVZ's containers, but the source does not declare both get_exec_env() and ve_is_super(): are they there?", Lines: append(speaks, env, super)}
	}
	h.ve, h.inside = true, "!ve_is_super(get_exec_env())"
	d.decide("a container is a VE other than VE0: "+h.inside, "the source has OpenVZ's containers", env, super)
	d.needs(h, env)
	d.needs(h, super)
	h.format, h.idWords = "%d", "the VE's number"
	if typed, ok := d.facts.find("envid_t", `(?m)^typedef\s+unsigned[\w \t]*\benvid_t\s*;`); ok {
		h.format = "%u"
		d.decide("the id is written by %u", "its type", typed)
	}
	if l, ok := d.facts.macro("VEID"); ok {
		h.id = "VEID(get_exec_env())"
		d.decide("the id in the message is "+h.id, h.idWords, l)
		d.needs(h, l)
		return true, nil
	}
	if l, ok := d.facts.field("ve_struct", "veid"); ok {
		h.id = "get_exec_env()->veid"
		d.decide("the id in the message is "+h.id, h.idWords, l)
		d.needs(h, l)
		return true, nil
	}
	if l, ok := d.facts.declared("ve_name"); ok {
		h.id, h.format, h.idWords = "ve_name(get_exec_env())", "%s", "the VE's name"
		d.decide("the id in the message is "+h.id, h.idWords, l)
		d.needs(h, l)
		return true, nil
	}
	return false, &Question{Asks: "this kernel's VEs have neither VEID(), nor a veid, nor ve_name(): what is their number?", Lines: []Line{env}}
}

// pidNamespace takes a pid namespace for a container.
func (d *deriver) pidNamespace(h *hook) error {
	active, ok := d.facts.declared("task_active_pid_ns")
	first, has := d.facts.declared("init_pid_ns")
	if !ok || !has {
		return &Question{Asks: "this kernel has neither OpenVZ's containers (get_exec_env, ve_is_super) nor pid namespaces (task_active_pid_ns, init_pid_ns): what is a container here?"}
	}
	h.inside = "task_active_pid_ns(current) != &init_pid_ns"
	d.decide("a container is a task outside of the first pid namespace: "+h.inside, "the source has no containers of OpenVZ's", active, first)
	d.needs(h, active)
	d.needs(h, first)
	h.format, h.idWords = "%u", "the pid namespace's inode number, as lsns and /proc/PID/ns/pid show it"
	const own = "task_active_pid_ns(current)->"
	if l, ok := d.nsNumber(); ok {
		h.id = own + "ns.inum"
		d.decide("the id in the message is "+h.id, h.idWords, l)
		d.needs(h, Line{File: "include/linux/pid_namespace.h"})
		return nil
	}
	if l, ok := d.facts.field("pid_namespace", "proc_inum"); ok {
		h.id = own + "proc_inum"
		d.decide("the id in the message is "+h.id, h.idWords, l)
		d.needs(h, l)
		return nil
	}
	if l, ok := d.facts.field("pid_namespace", "child_reaper"); ok {
		h.id, h.format = own+"child_reaper->pid", "%d"
		h.idWords = "the process id, as the host sees it, of the container's first process, for pid namespaces have no number in this kernel"
		d.decide("the id in the message is "+h.id, h.idWords, l)
		d.needs(h, l)
		d.needs(h, Line{File: "include/linux/sched.h"})
		return nil
	}
	return &Question{Asks: "pid namespaces of this kernel have neither ns.inum, nor proc_inum, nor child_reaper: what is to be the container's id in the message?", Lines: []Line{active}}
}

// nsNumber finds the inode number that the common part of namespaces has.
func (d *deriver) nsNumber() (Line, bool) {
	if !d.facts.known {
		return d.facts.bySince("ns.inum")
	}
	l, ok := d.facts.field("pid_namespace", "ns_common")
	if !ok || !strings.HasSuffix(strings.Join(strings.Fields(l.Text), " "), " ns;") {
		return Line{}, false
	}
	if _, ok := d.facts.field("ns_common", "inum"); !ok {
		return Line{}, false
	}
	return l, true
}

// logging decides what writes the message to the host's log, and what limits its rate.
func (d *deriver) logging(h *hook) error {
	limit := func(why string, lines ...Line) error {
		state, hasState := d.facts.macro("DEFINE_RATELIMIT_STATE")
		fn, hasFn := d.facts.declared("__ratelimit")
		vz, hasVZ := d.facts.declared("vz_ratelimit")
		_, hasInfo := d.facts.find("vz_rate_info", `(?m)^struct\s+vz_rate_info\b`)
		global, hasGlobal := d.facts.declared("printk_ratelimit")
		switch {
		case hasState && hasFn:
			h.limit = "state"
			d.decide("at most ten messages in five seconds, by a limit of its own: __ratelimit()", "so that a container cannot hide it behind others", state, fn)
			d.needs(h, state)
			d.needs(h, fn)
		case hasVZ && hasInfo && d.facts.known:
			h.limit = "vz"
			d.decide("ten messages in a row, then one in five seconds, by a limit of its own: vz_ratelimit()", "the source has no __ratelimit()", vz)
			d.needs(h, vz)
		case hasGlobal:
			h.limit = "global"
			d.decide("the messages are limited with all others of the kernel: printk_ratelimit()", "the source has no limit of a message's own", global)
			d.needs(h, global)
		default:
			return &Question{Asks: "nothing is found that limits the rate of a message (__ratelimit, vz_ratelimit, printk_ratelimit): by what is a container kept from flooding the host's log?"}
		}
		d.decide("the message is written by "+h.printk, why, lines...)
		return nil
	}
	h.level = true
	print, hasVE := d.facts.declared("ve_printk")
	dest, hasDest := d.facts.macro("VE0_LOG")
	if h.ve && hasVE && hasDest {
		h.printk = "ve_printk(VE0_LOG, "
		d.needs(h, print)
		d.needs(h, dest)
		return limit("it goes to the host's log alone", print, dest)
	}
	prefixed := d.prefix()
	if l, ok := d.facts.macro("pr_warn_ratelimited"); ok && prefixed == (Line{}) {
		h.printk, h.level = "pr_warn_ratelimited(", false
		d.decide("the message is written by pr_warn_ratelimited()", "it has a limit of its own for each place: ten in five seconds", l)
		d.needs(h, l)
		d.needsRatelimit(h)
		return nil
	}
	if l, ok := d.facts.macro("printk_ratelimited"); ok {
		h.printk = "printk_ratelimited("
		why := "it has a limit of its own for each place: ten in five seconds; there is no pr_warn_ratelimited()"
		lines := []Line{l}
		if prefixed != (Line{}) {
			why = "pr_fmt() of this file would put words before a pr_warn_ratelimited()"
			lines = append(lines, prefixed)
		}
		d.decide("the message is written by printk_ratelimited()", why, lines...)
		d.needs(h, l)
		d.needsRatelimit(h)
		return nil
	}
	h.printk = "printk("
	return limit("the source has no printk_ratelimited()")
}

// needsRatelimit includes the header of what the macros of printk.h are made from.
func (d *deriver) needsRatelimit(h *hook) {
	if l, ok := d.facts.macro("DEFINE_RATELIMIT_STATE"); ok && d.facts.known {
		d.needs(h, l)
	} else if !d.facts.known {
		d.needs(h, Line{File: "include/linux/ratelimit.h"})
	}
}

// prefix is the line by which a file puts words before its messages.
func (d *deriver) prefix() Line {
	for i, l := range d.text.lines {
		if f := strings.Fields(strings.ReplaceAll(l, "# ", "#")); len(f) > 1 && f[0] == "#define" && strings.HasPrefix(f[1], "pr_fmt(") {
			return d.text.at(i + 1)
		}
	}
	return Line{}
}
