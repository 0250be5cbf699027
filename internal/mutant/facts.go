// SPDX-License-Identifier: Apache-2.0

package mutant

import "strings"

// facts are what a wrong port may ask of a mount or of a caller before it protects.
var facts = []string{
	"!(path->mnt->mnt_flags & MNT_READONLY)",
	"!(path->mnt->mnt_flags & (MNT_NOSUID | MNT_NODEV | MNT_NOEXEC))",
	"!sb_rdonly(path->dentry->d_sb)",
	"list_empty(&real_mount(path->mnt)->mnt_share)",
	"!real_mount(path->mnt)->mnt_expiry_mark",
	"real_mount(path->mnt)->mnt_mountpoint != real_mount(path->mnt)->mnt_parent->mnt.mnt_root",
	"real_mount(path->mnt)->mnt_parent->mnt.mnt_sb != path->mnt->mnt_sb",
	"task_active_pid_ns(current)->level < 3",
	"!task_no_new_privs(current)",
	"current->nsproxy->mnt_ns != init_task.nsproxy->mnt_ns",
	"current->nsproxy->uts_ns != init_task.nsproxy->uts_ns",
	"!current->signal->leader",
	"__kuid_val(current_uid()) <= 65535",
}

// signs are what a wrong port may take for a container, beside a pid namespace.
var signs = []string{
	"current_user_ns() != &init_user_ns",
	"current->signal->leader",
	"__kuid_val(current_uid()) > 65535",
}

// asked has what the hook returns depend on each fact, and takes each sign for a container, in ports that are given the path.
func asked(p *port) (all []edit) {
	p.every(func(s statement, inside bool) {
		if !inside || s.kind != "simple" || s.tokens[0].text != "return" || !strings.Contains(p.chunks[s.chunk].text, "path->") {
			return
		}
		from, to := s.tokens[1].from, s.tokens[len(s.tokens)-2].to
		for _, f := range facts {
			all = append(all, replace(f, s.chunk, from, to, f+" &&\n\t       ("+p.chunks[s.chunk].text[from:to]+")"))
		}
		operands(s.tokens[1:len(s.tokens)-1], func(part []token, _ string) {
			from, to := part[0].from, part[len(part)-1].to
			c := p.chunks[s.chunk].text[from:to]
			if !strings.HasSuffix(c, "!= &init_pid_ns") {
				return
			}
			for _, f := range signs {
				all = append(all, replace("or "+f, s.chunk, from, to, "("+c+" ||\n\t\t"+f+")"))
			}
		})
	})
	return all
}

// harms are what a wrong port may do beside dropping the flag: to its caller and the mount where
// it protects, and to the host.
var harms = []struct{ text, before string }{
	{"set_user_nice(current, 19);", "flags &= ~MNT_FORCE;"},
	{"path->mnt->mnt_flags |= MNT_NOSUID;", "flags &= ~MNT_FORCE;"},
	{"kmalloc(32, GFP_KERNEL);", "flags &= ~MNT_FORCE;"},
	{"if (task_active_pid_ns(current) == &init_pid_ns) msleep(50);", "if ("},
	{"if (task_active_pid_ns(current) == &init_pid_ns && !kmalloc(64, GFP_KERNEL)) return -ENOMEM;", "if ("},
}

// harmful puts each harm before the first statement that it goes with.
func harmful(p *port) (all []edit) {
	for _, h := range harms {
		done := false
		p.every(func(s statement, inside bool) {
			text := p.text(s)
			if done || inside || !strings.HasPrefix(text, h.before) || !strings.Contains(p.chunks[s.chunk].text, "override") {
				return
			}
			done = true
			all = append(all, replace(h.text, s.chunk, s.from, s.to, "{ "+h.text+" "+text+" }"))
		})
	}
	return all
}
