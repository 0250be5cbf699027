// SPDX-License-Identifier: Apache-2.0

package mutant

import (
	"regexp"
	"strings"
)

func deleted(p *port) (all []edit) {
	p.every(func(s statement, _ bool) {
		if s.kind == "function" || s.declares() && !s.has("=") {
			return
		}
		text := ";"
		if s.declares() {
			// The variable stays, so that it compiles.
			return
		}
		all = append(all, replace(oneLine(p.text(s)), s.chunk, s.from, s.to, text))
	})
	return all
}

func doubled(p *port) (all []edit) {
	p.every(func(s statement, _ bool) {
		if s.kind == "function" || s.declares() || s.has("return") {
			return
		}
		text := "{ " + p.text(s) + "\n\t" + p.text(s) + " }"
		all = append(all, replace(oneLine(p.text(s)), s.chunk, s.from, s.to, text))
	})
	return all
}

// putIn puts each of some statements before each statement of the hook that can have one
// there, and puts each statement under a condition that holds now and then.
func putIn(p *port) (all []edit) {
	p.every(func(s statement, inside bool) {
		if s.kind == "function" || s.declares() {
			return
		}
		chunk := p.chunks[s.chunk].text
		path := "path->"
		switch {
		case strings.Contains(chunk, "path.mnt"), strings.Contains(chunk, "mnt->mnt.mnt_sb"):
			path = "path."
		case strings.Contains(chunk, "ve_forces_lustre(sb"), !inside && strings.Contains(chunk, "DEFINE_RATELIMIT_STATE"):
			path = ""
		}
		list := []string{
			"return 0;", "return -EPERM;", "msleep(50);", "schedule();", "flags |= MNT_DETACH;", "flags = 0;",
			`printk(KERN_WARNING "umount by %s\n", current->comm);`, "get_task_struct(current);", "kmalloc(64, GFP_KERNEL);",
			"down_write(&namespace_sem);", "current->flags |= PF_KTHREAD;",
			"get_cred(current_cred());", "get_pid(task_pid(current));", "BUG_ON(flags & MNT_DETACH);",
			"{ static int n; if (!(n++ & 15)) { down_write(&namespace_sem); msleep(50); up_write(&namespace_sem); } }",
		}
		switch {
		case inside:
		case path == "":
			list = append(list, "mntget(mnt);", "atomic_inc(&sb->s_active);", "sb->s_flags |= MS_RDONLY;", "dget(sb->s_root);", "igrab(sb->s_root->d_inode);")
		default:
			list = append(list, "mntget("+path+"mnt);", "atomic_inc(&"+path+"mnt->mnt_sb->s_active);", path+"mnt->mnt_sb->s_flags |= MS_RDONLY;",
				"dget("+path+"dentry);", "igrab("+path+"dentry->d_inode);", "path_get("+strings.Replace(strings.TrimRight(path, ".->"), "path", pathArg(path), 1)+");")
		}
		text := p.text(s)
		for _, put := range list {
			all = append(all, replace(put+" before "+head(text), s.chunk, s.from, s.to, "{ "+put+" "+text+" }"))
			if s.kind == "simple" && s.tokens[0].text != "return" {
				all = append(all, replace(put+" behind "+head(text), s.chunk, s.from, s.to, "{ "+text+" "+put+" }"))
			}
		}
		if s.tokens[0].text == "return" {
			return
		}
		for _, state := range []string{"if (n++ < 3)", "if (n++)", "if (n++ & 1)", "if (!n++)"} {
			all = append(all, replace("static counter: "+state+" "+head(text), s.chunk, s.from, s.to, "{ static int n; "+state+" { "+text+" } }"))
		}
	})
	return all
}

func pathArg(path string) string {
	if path == "path." {
		return "&path"
	}
	return "path"
}

// head is the start of a statement, for a name.
func head(s string) string {
	s = oneLine(s)
	return s[:min(len(s), 40)]
}

var statementStart = regexp.MustCompile(`^\t[A-Za-z_*+-].*`)

// moved moves each statement of the hook that stands in a function of the old file before each
// statement, of the first level, that the diff shows.
func moved(p *port) (all []edit) {
	var places []int // chunks before which a statement may stand
	for i, c := range p.chunks {
		if c.kind != ' ' || !statementStart.MatchString(c.text) {
			continue
		}
		// The rest of a declaration or of a condition begins no statement; nor does what an
		// if or else without braces is about, but that is indented further.
		if declaration.MatchString(c.text) || strings.HasPrefix(c.text, "\telse") {
			continue
		}
		places = append(places, i)
	}
	for _, s := range p.hook() {
		if s.kind == "function" || s.declares() && !s.has("=") {
			continue
		}
		for _, at := range places {
			text := "\t" + p.text(s) + "\n"
			e := edit{head(p.text(s)) + " before " + oneLine(p.chunks[at].text), []change{{at, 0, 0, text}, {s.chunk, s.from, s.to, ";"}}}
			if s.declares() {
				continue
			}
			all = append(all, e)
		}
	}
	return all
}

var declaration = regexp.MustCompile(`^\t(struct|int|long|unsigned|bool|char|const|static|LIST_HEAD|HLIST_HEAD)\b`)
