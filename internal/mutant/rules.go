// SPDX-License-Identifier: Apache-2.0

package mutant

import (
	"fmt"
	"slices"
	"strings"

	"ovzpatch/internal/ctext"
)

// rule makes edits of one kind.
type rule struct {
	name  string
	edits func(p *port) []edit
}

var rules = []rule{
	{"condition", conditions},
	{"operand", parts},
	{"operator", operators},
	{"flag", flags},
	{"literal", literals},
	{"number", numbers},
	{"name", names},
	{"statement deleted", deleted},
	{"statement doubled", doubled},
	{"statement put in", putIn},
	{"moved", moved},
	{"asks for", asked},
	{"does beside", harmful},
}

func replace(what string, chunk int, from, to int, text string) edit {
	return edit{what, []change{{chunk, from, to, text}}}
}

// conditions change the condition of each if as a whole.
func conditions(p *port) (all []edit) {
	p.every(func(s statement, _ bool) {
		if s.kind != "if" || len(s.cond) == 0 {
			return
		}
		from, to := s.cond[0].from, s.cond[len(s.cond)-1].to
		c := p.chunks[s.chunk].text[from:to]
		for _, form := range []string{
			"!(%s)", "1 || (%s)", "0 && (%s)", "(%s) && (flags & MNT_DETACH)", "(%s) && !(flags & MNT_DETACH)", "(%s) || (flags & MNT_DETACH)",
			"(%s) && capable(CAP_SYS_ADMIN)", "(%s) && current->pid != 1", "(%s) && (jiffies & 1)",
		} {
			text := fmt.Sprintf(form, c)
			all = append(all, replace(oneLine(text), s.chunk, from, to, text))
		}
	})
	return all
}

// parts change each operand of && and ||.
func parts(p *port) (all []edit) {
	p.every(func(s statement, _ bool) {
		t := s.cond
		if s.kind == "simple" {
			// return A && B, x = A && B
			at := slices.IndexFunc(s.tokens, func(t token) bool { return t.text == "return" || t.text == "=" })
			if at < 0 {
				return
			}
			t = s.tokens[at+1 : len(s.tokens)-1]
		}
		operands(t, func(part []token, op string) {
			if op == "" {
				return
			}
			from, to := part[0].from, part[len(part)-1].to
			c := p.chunks[s.chunk].text[from:to]
			neutral := "1"
			if op == "||" {
				neutral = "0"
			}
			for _, text := range []string{"!(" + c + ")", neutral, "(" + c + " && current->pid != 1)", "(" + c + " || current->pid == 1)"} {
				all = append(all, replace(oneLine(c)+" becomes "+oneLine(text), s.chunk, from, to, text))
			}
		})
	})
	return all
}

// operators change each operator for its like.
func operators(p *port) (all []edit) {
	for op, others := range map[string][]string{
		"&&": {"||"}, "||": {"&&"}, "==": {"!="}, "!=": {"=="}, "&=": {"|=", "=", "^="}, "&": {"|"}, "!": {"!!"}, "~": {"", "-"},
	} {
		all = append(all, p.eachToken(func(t token, i int, s statement) []string {
			// The address of a variable is no operator.
			if t.text != op || op == "&" && (i == 0 || !ctext.NameByte(s.tokens[i-1].text[0]) && s.tokens[i-1].text != ")") {
				return nil
			}
			return others
		})...)
	}
	slices.SortStableFunc(all, func(a, b edit) int { return strings.Compare(a.what, b.what) })
	return all
}

// eachToken makes an edit for each text that others has for a token of a statement.
func (p *port) eachToken(others func(t token, i int, s statement) []string) (all []edit) {
	p.every(func(s statement, _ bool) {
		if s.kind == "if" {
			s.tokens = s.cond
		} else if s.kind != "simple" {
			return
		}
		for i, t := range s.tokens {
			for _, text := range others(t, i, s) {
				from := max(0, t.from-25)
				to := min(t.to+12, len(p.chunks[s.chunk].text))
				what := p.chunks[s.chunk].text[from:t.from] + "[" + t.text + " -> " + text + "]" + p.chunks[s.chunk].text[t.to:to]
				all = append(all, replace(oneLine(what), s.chunk, t.from, t.to, text))
			}
		}
	})
	return all
}

var mountFlags = []string{"MNT_FORCE", "MNT_DETACH", "MNT_EXPIRE", "UMOUNT_NOFOLLOW"}

// flags change each flag for another, and put one more beside it.
func flags(p *port) []edit {
	return p.eachToken(func(t token, _ int, _ statement) (all []string) {
		if !slices.Contains(mountFlags, t.text) {
			return nil
		}
		for _, f := range mountFlags {
			if f != t.text {
				all = append(all, f, "("+t.text+" | "+f+")")
			}
		}
		return append(all, "0")
	})
}

// literals change each text: of the message, of the types.
func literals(p *port) []edit {
	return p.eachToken(func(t token, _ int, _ statement) (all []string) {
		if t.text[0] != '"' {
			return nil
		}
		in := t.text[1 : len(t.text)-1]
		if len(in) < 20 {
			for _, text := range []string{in + "x", in[:len(in)-1], strings.ToUpper(in[:1]) + in[1:], "nfs", ""} {
				all = append(all, `"`+text+`"`)
			}
			return all
		}
		for _, c := range [][2]string{
			{"Forced", "forced"},
			{"Overriding", "Ignoring"},
			{"flag.", "flag"},
			{`\n`, ""},
			{`\n`, `\n\n`},
			{"container (", "container VE("},
			{"Forced", "VFS: Forced"},
			{"lustre", "Lustre"},
			{"inside", "in"},
			{"%d", "%s"},
			{"%d", "%x"},
			{"%d", "%p"},
			{"%d", "%c"},
			{"%d", "%ld"},
			{"%d", "%5d"},
			{"%d", "%hd"},
			{"%d", "%hhu"},
			{"%d", "%d %d"},
			{"%u", "%s"},
			{"%u", "%d"},
			{"%u", "%x"},
			{"%u", "%p"},
			{"%u", "%lu"},
			{"%u", "%10u"},
			{"%u", "%hu"},
		} {
			if strings.Contains(in, c[0]) {
				all = append(all, `"`+strings.Replace(in, c[0], c[1], 1)+`"`)
			}
		}
		return all
	})
}

func numbers(p *port) []edit {
	return p.eachToken(func(t token, _ int, _ statement) []string {
		if t.text[0] < '0' || t.text[0] > '9' {
			return nil
		}
		return []string{"0", t.text + "00", "-" + t.text}
	})
}

// others are what a name may be mistaken for.
var others = map[string][]string{
	"printk":                     {"early_printk", "pr_debug"},
	"pr_warn_ratelimited":        {"pr_warn", "pr_warn_once", "pr_debug_ratelimited", "pr_info_ratelimited", "pr_err_ratelimited", "printk", "WARN_ONCE"},
	"ve_printk":                  {"printk"},
	"VE0_LOG":                    {"VE_LOG", "VE_LOG_BOTH"},
	"KERN_WARNING":               {"KERN_DEBUG", "KERN_INFO", "KERN_NOTICE", "KERN_ERR", "KERN_CONT", ""},
	"strcmp":                     {"strcasecmp", "strstr", "memcmp", "prefixcmp"},
	"VEID":                       {"get_exec_env()->veid + VEID", "(short)VEID", "0 * VEID"},
	"get_exec_env":               {"get_ve0", "current->nsproxy->get_exec_env"},
	"ve_is_super":                {"!ve_is_super", "ve_accessible_strict"},
	"__ratelimit":                {"!__ratelimit", "1 || __ratelimit"},
	"vz_ratelimit":               {"!vz_ratelimit", "1 || vz_ratelimit"},
	"inum":                       {"count", "stashed"},
	"ns":                         {"parent->ns", "child_reaper->nsproxy->pid_ns_for_children->ns"},
	"veid":                       {"class_id", "init_entry"},
	"task_active_pid_ns":         {"ns_of_pid"},
	"init_pid_ns":                {"init_user_ns", "init_net"},
	"d_sb":                       {"d_parent->d_sb", "d_inode->i_sb"},
	"mnt_sb":                     {"mnt_parent->mnt_sb", "mnt_root->d_parent->d_sb"},
	"s_type":                     {"s_bdi"},
	"name":                       {"name + 1", "owner->name"},
	"HZ":                         {"1", "60 * HZ"},
	"static":                     {""},
	"DEFAULT_RATELIMIT_BURST":    {"0", "1", "1000"},
	"DEFAULT_RATELIMIT_INTERVAL": {"0", "1", "100 * HZ"},
	"current":                    {"current->parent", "current->group_leader"},
}

// names change each name for one it may be mistaken for, and a comparison of types for one
// of their first letters.
func names(p *port) []edit {
	all := p.eachToken(func(t token, _ int, s statement) []string { return others[t.text] })
	return append(all, p.eachCall("strcmp", func(call string) []string {
		inner := strings.TrimSuffix(strings.TrimPrefix(call, "strcmp("), ")")
		return []string{"strncmp(" + inner + ", 6)", "strncmp(" + inner + ", 4)", "strncmp(" + inner + ", 0)", "(strcmp(" + inner + ") > 0)"}
	})...)
}

// eachCall makes an edit for each text that others has for a call of a function.
func (p *port) eachCall(name string, others func(call string) []string) (all []edit) {
	p.every(func(s statement, _ bool) {
		if s.kind == "if" {
			s.tokens = s.cond
		} else if s.kind != "simple" {
			return
		}
		for i, t := range s.tokens {
			if t.text != name || i+1 == len(s.tokens) || s.tokens[i+1].text != "(" {
				continue
			}
			to := s.tokens[closing(s.tokens, i+1)].to
			call := p.chunks[s.chunk].text[t.from:to]
			for _, text := range others(call) {
				all = append(all, replace(call+" becomes "+text, s.chunk, t.from, to, text))
			}
		}
	})
	return all
}

// oneLine is text for a name.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
