// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"slices"
	"strings"
	"testing"
)

// form is a way to write a hook: the right one of mainline with some of its text replaced.
type form struct {
	name  string
	right [][]string // each pairs of what is replaced, and by what
	wrong [][]string
}

const (
	typed   = `(!strcmp(type, "lustre") || !strcmp(type, "lustre_tgt"))`
	asks    = "(flags & (MNT_FORCE | MNT_EXPIRE)) == MNT_FORCE"
	inside  = "task_active_pid_ns(current) != &init_pid_ns"
	drops   = "	if (override)\n		flags &= ~MNT_FORCE;\n"
	ofMount = "path->dentry->d_sb"
	inum    = "task_active_pid_ns(current)->ns.inum"
	decides = "	return " + asks + " &&\n	       " + inside + " &&\n	       " + typed + ";\n"
	warns   = "	if (!ret && override)\n"
	begins  = "\nstatic bool container_forces_lustre("
)

// forms are what a kernel engineer may write, each with hooks of that form that are wrong.
var forms = []form{
	{"nothing else", [][]string{
		{"", ""},
	}, [][]string{
		{drops, ""},
	}},
	{"a bit", [][]string{
		{"~MNT_FORCE", "~BIT(0)"},
		{") == MNT_FORCE", ") == BIT(0)"},
		{"(MNT_FORCE | MNT_EXPIRE)", "(BIT(0) | BIT(2))"},
		{"~MNT_FORCE", "~(1UL << 0)"},
		{"~MNT_FORCE", "~0x1u"},
	}, [][]string{
		{"~MNT_FORCE", "~BIT(1)"},
		{"~MNT_FORCE", "~(BIT(0) | BIT(1))"},
		{"(MNT_FORCE | MNT_EXPIRE)", "(BIT(0) | BIT(1))"},
		{"~MNT_FORCE", "~BIT(flags)"},
	}},
	{"read and written once", [][]string{
		{asks, "(READ_ONCE(flags) & (MNT_FORCE | MNT_EXPIRE)) == MNT_FORCE"},
		{ofMount, "READ_ONCE(path->dentry)->d_sb"},
		{"type = " + ofMount + "->s_type", "type = ACCESS_ONCE(" + ofMount + "->s_type)"},
		{"flags &= ~MNT_FORCE", "WRITE_ONCE(flags, flags & ~MNT_FORCE)"},
		{"flags &= ~MNT_FORCE", "ACCESS_ONCE(flags) &= ~MNT_FORCE"},
	}, [][]string{
		{asks, "READ_ONCE(flags & (MNT_FORCE | MNT_EXPIRE)) == MNT_FORCE"},
		{asks, "READ_ONCE(MNT_FORCE)"},
		{ofMount, "READ_ONCE(path->mnt)->mnt_parent->mnt_sb"},
		{"flags &= ~MNT_FORCE", "WRITE_ONCE(flags, ~MNT_FORCE)"},
		{drops, "	int copy = flags;\n	if (override)\n		WRITE_ONCE(copy, copy & ~MNT_FORCE);\n"},
		{"flags &= ~MNT_FORCE", "READ_ONCE(flags) &= ~MNT_FORCE"},
	}},
	{"likely", [][]string{
		{"if (override)", "if (unlikely(override))"},
		{"~MNT_FORCE", "~likely(flags & MNT_FORCE)"},
	}, [][]string{
		{"if (override)", "if (likely(!override))"},
		{"flags &= ~MNT_FORCE", "flags = likely(flags & ~MNT_FORCE)"},
		{inum, "likely(" + inum + ")"},
	}},
	{"not not", [][]string{
		{"if (override)", "if (!!override)"},
		{asks, "!!(flags & MNT_FORCE) && !(flags & MNT_EXPIRE)"},
		{"~MNT_FORCE", "~!!(flags & MNT_FORCE)"},
	}, [][]string{
		{asks, "!!(flags & (MNT_FORCE | MNT_EXPIRE)) == MNT_FORCE"},
		{"flags &= ~MNT_FORCE", "flags = !!(flags & ~MNT_FORCE)"},
		{inum, "!!" + inum},
		{"!ret && override)", "(ret = !!ret, !ret) && override)"},
	}},
	{"a choice", [][]string{
		{drops, "	flags = override ? flags & ~MNT_FORCE : flags;\n"},
		{drops, "	flags &= ~(override ? MNT_FORCE : 0);\n"},
		{"(path, flags);", "(path, flags) ?: false;"},
	}, [][]string{
		{drops, "	flags = override ? flags : flags & ~MNT_FORCE;\n"},
		{drops, "	flags &= override ? ~MNT_FORCE : 0;\n"},
		{"(path, flags);", "(path, flags) ?: true;"},
	}},
	{"once", [][]string{
		{drops, "	do {\n		if (override)\n			flags &= ~MNT_FORCE;\n	} while (0);\n"},
		{drops, "	do {\n		if (!override)\n			break;\n		flags &= ~MNT_FORCE;\n	} while (0);\n"},
		{drops, "	do\n		flags &= override ? ~MNT_FORCE : ~0;\n	while (false);\n"},
	}, [][]string{
		{drops, "	do {\n		if (override)\n			break;\n		flags &= ~MNT_FORCE;\n	} while (0);\n"},
		{drops, "	do {\n		if (!override)\n			continue;\n	} while (0);\n	flags &= ~MNT_FORCE;\n"},
		{drops, "	do {\n		if (override)\n			flags &= ~MNT_FORCE;\n	} while (1);\n"},
		{drops, "	while (0)\n		flags &= ~MNT_FORCE;\n"},
		{drops, "	do {\n		if (override)\n			flags &= ~MNT_FORCE;\n	} while (dput(path->dentry));\n"},
	}},
	{"a switch", [][]string{
		{decides, "	switch (flags & (MNT_FORCE | MNT_EXPIRE)) {\n	case MNT_FORCE:\n		break;\n	default:\n		return false;\n	}\n	return " + inside + " &&\n	       " + typed + ";\n"},
		{drops, "	switch (override) {\n	case true:\n		flags &= ~MNT_FORCE;\n		break;\n	case false:\n		break;\n	}\n"},
		{decides, "	switch (flags) {\n	case 1 ... 1:\n	case 3:\n	case 9:\n	case 11:\n		return " + inside + " && " + typed + ";\n	}\n	return false;\n"},
	}, [][]string{
		{decides, "	switch (flags) {\n	case 1 ... 3:\n	case 9:\n	case 11:\n		return " + inside + " && " + typed + ";\n	}\n	return false;\n"},
		{decides, "	switch (flags & (MNT_FORCE | MNT_EXPIRE)) {\n	case MNT_FORCE:\n	default:\n		return false;\n	}\n	return " + inside + " &&\n	       " + typed + ";\n"},
		{decides, "	switch (flags) {\n	case MNT_FORCE:\n		return " + inside + " && " + typed + ";\n	}\n	return false;\n"},
		{drops, "	switch (override) {\n	case true:\n	case false:\n		flags &= ~MNT_FORCE;\n	}\n"},
		{drops, "	switch (override) {\n		if (flags) {\n	case true:\n			flags &= ~MNT_FORCE;\n		}\n	}\n"},
		{decides, "	switch (" + ofMount + "->s_magic) {\n	case 0x0BD00BD0:\n		return " + asks + " && " + inside + ";\n	}\n	return false;\n"},
	}},
	{"a jump forward", [][]string{
		{decides, "	bool is = false;\n\n	if ((flags & (MNT_FORCE | MNT_EXPIRE)) != MNT_FORCE)\n		goto out;\n	if (task_active_pid_ns(current) == &init_pid_ns)\n		goto out;\n	is = " + typed + ";\nout:\n	return is;\n"},
		{decides, "	if (!strcmp(type, \"lustre\"))\n		goto is_lustre;\n	if (strcmp(type, \"lustre_tgt\"))\n		goto no;\nis_lustre:\n	if (" + asks + " && " + inside + ")\n		return true;\nno:	;\n	return false;\n"},
	}, [][]string{
		{decides, "	bool is = false;\n\n	if ((flags & (MNT_FORCE | MNT_EXPIRE)) != MNT_FORCE)\n		goto out;\n	is = " + typed + ";\n	if (task_active_pid_ns(current) == &init_pid_ns)\n		goto out;\nout:\n	return is;\n"},
		{decides, "	int n = 0;\nagain:\n	if (n++ < 1)\n		goto again;\n" + decides},
		{decides, "	goto in;\n	if (flags) {\nin:\n" + decides + "	}\n	return false;\n"},
	}},
	{"a list of types", [][]string{
		{begins, typesList + begins, decides, inList("i < ARRAY_SIZE(types)")},
		{begins, typesList + begins, decides, inList("i < sizeof(types) / sizeof(types[0])")},
		{begins, strings.Replace(typesList, "[]", "[3]", 1) + begins, decides, inList("types[i]")},
		{decides, "	static const char *const types[] = { \"lustre\", \"lustre_tgt\", NULL };\n" + inList("types[i] != NULL")},
		{begins, typesList + begins, typed, "match_string(types, ARRAY_SIZE(types), type) >= 0"},
		{begins, typesList + begins, typed, "(!strcmp(type, types[0]) || !strcmp(types[1], type))"},
		{begins, "\nstatic const char types[][12] = { \"lustre\", \"lustre_tgt\" };\n" + begins, decides, inList("i < ARRAY_SIZE(types)")},
		{begins, "\nstatic const char own[] = \"lustre\";\n" + begins, `type, "lustre")`, "type, own)"},
		{begins, "\nstatic const int mask = MNT_FORCE | MNT_EXPIRE;\n" + begins, "(MNT_FORCE | MNT_EXPIRE)", "mask"},
	}, [][]string{
		{begins, typesList + begins, decides, inList("i < ARRAY_SIZE(types) - 1")},
		{begins, typesList + begins, decides, inList("i <= ARRAY_SIZE(types)")},
		{begins, strings.Replace(typesList, "_tgt\"", "_tgt\", \"nfs\"", 1) + begins, decides, inList("i < ARRAY_SIZE(types)")},
		{begins, strings.Replace(typesList, "*const", "*", 1) + begins, decides, inList("i < ARRAY_SIZE(types)")},
		{begins, "\n#ifdef CONFIG_LUSTRE" + typesList + "#endif\n" + begins, decides, inList("i < ARRAY_SIZE(types)")},
		{begins, typesList + begins, typed, "match_string(types, ARRAY_SIZE(types), type)"},
		{begins, typesList + begins, typed, "match_string(types, ARRAY_SIZE(types) + 1, type) >= 0"},
		{begins, "\nstatic const char types[][10] = { \"lustre\", \"lustre_tgt\" };\n" + begins, decides, inList("i < ARRAY_SIZE(types)")},
		{begins, "\nstatic const char own[6] = \"lustre\";\n" + begins, `type, "lustre")`, "type, own)"},
		{begins, "\nstatic const int mask = MNT_FORCE;\n" + begins, "(MNT_FORCE | MNT_EXPIRE)", "mask"},
		{begins, "\nstatic int mask = MNT_FORCE | MNT_EXPIRE;\n" + begins, "(MNT_FORCE | MNT_EXPIRE)", "mask"},
	}},
	{"texts compared", [][]string{
		{typed, `(strcmp(type, "lustre") == 0 || 0 == strcmp(type, "lustre_tgt"))`},
		{typed, `!(strcmp(type, "lustre") && strcmp("lustre_tgt", type))`},
		{typed, `(!strncmp(type, "lustre", sizeof("lustre")) || !strncmp(type, "lustre_tgt", sizeof "lustre_tgt"))`},
		{typed, `(!strncmp(type, "lustre", strlen("lustre") + 1) || !strncmp(type, "lustre_tgt", 11))`},
		{typed, `(str_has_prefix(type, "lustre") && (type[6] == '\0' || !strcmp(type + 6, "_tgt")))`},
		{typed, `(strstarts(type, "lustre") && (!*(type + 6) || !strcmp(&type[6], "_tgt")))`},
		{typed, `(strlen(type) == 6 ? !strcmp(type, "lustre") : !strcmp(type, "lustre_tgt"))`},
	}, [][]string{
		{typed, `(strcmp(type, "lustre") != 0 || strcmp(type, "lustre_tgt") != 0)`},
		{typed, `!strncmp(type, "lustre", sizeof("lustre") - 1)`},
		{typed, `!strncmp(type, "lustre", strlen("lustre"))`},
		{typed, `str_has_prefix(type, "lustre")`},
		{typed, `strstarts(type, "lustre")`},
		{typed, `strstr(type, "lustre")`},
		{typed, `(type[0] == 'l' && type[1] == 'u')`},
		{typed, typed + ` && strcmp(type, "m") == -1`},
		{typed, typed + ` && sizeof("a") - 3 < 0`},
		{typed, typed + ` && (u8)strcmp(type, "m")`},
		{typed, `(!strcmp(type, "lustre\0x") || !strcmp(type, "lustre_tgt"))`},
		{typed, `(!strcasecmp(type, "lustre") || !strcasecmp(type, "lustre_tgt"))`},
		{typed, `(!strcmp(type, "lustre") || type[10] == '\0')`},
	}},
	{"the struct around a member", [][]string{
		{ofMount, "container_of(path->mnt, struct mount, mnt)->mnt.mnt_sb"},
	}, [][]string{
		{ofMount, "container_of(path->mnt, struct mount, mnt_child)->mnt.mnt_sb"},
		{ofMount, "container_of(path->mnt, struct mount, mnt)->mnt_parent->mnt.mnt_sb"},
		{ofMount, "container_of(path->dentry, struct mount, mnt)->mnt.mnt_sb"},
	}},
	{"the lesser", [][]string{
		{"~MNT_FORCE", "~min(MNT_FORCE, MNT_DETACH)"},
		{"~MNT_FORCE", "~min_t(int, MNT_FORCE, MNT_DETACH)"},
		{"~MNT_FORCE", "~max(0, MNT_FORCE)"},
	}, [][]string{
		{"~MNT_FORCE", "~max(MNT_FORCE, MNT_DETACH)"},
		{"~MNT_FORCE", "~min_t(unsigned int, -1, MNT_DETACH)"},
		{"~MNT_FORCE", "~min_t(u8, 256, MNT_FORCE)"},
		{"~MNT_FORCE", "~min(flags++, 1)"},
	}},
	{"an option", [][]string{
		{asks, "IS_ENABLED(CONFIG_PID_NS) && " + asks},
	}, [][]string{
		{asks, "!IS_ENABLED(CONFIG_PID_NS) && " + asks},
		{asks, "IS_ENABLED(CONFIG_LUSTRE_FS) && " + asks},
		{asks, "IS_ENABLED(PID_NS) && " + asks},
		{asks, "IS_ENABLED(CONFIG_VE) && " + asks},
		{inside, "IS_ENABLED(CONFIG_PID_NS)"},
	}},
	{"a number's type", [][]string{
		{decides, "	unsigned int f = flags;\n\n" + strings.ReplaceAll(decides, "flags", "f")},
		{decides, "	const unsigned long want = MNT_FORCE;\n\n" + strings.Replace(decides, "== MNT_FORCE", "== want", 1)},
		{drops, "	if (override)\n		flags -= MNT_FORCE;\n"},
	}, [][]string{
		{asks, "flags - 16u < 0 && " + asks},
		{decides, "	unsigned int f = flags;\n\n	if (f - 16 > 0)\n		return false;\n" + decides},
		{decides, "	u8 f = flags << 8;\n\n" + strings.ReplaceAll(decides, "flags", "f")},
		{inum, "id", warns, "	u16 id = " + inum + ";\n" + warns},
		{inum, "(u16)" + inum},
	}},
}

// Each form is known where it is right, and doubted or refused where it is wrong.
func TestForms(t *testing.T) {
	right := strings.Join([]string{decision, decided, logged}, "@")
	before := withHooks(t, "mainline", nil)
	names := NewNames(map[string][]byte{
		"include/linux/fs.h":            append(namesFor("mainline").headers["include/linux/fs.h"], strings.Join(knownWords, "\n")+"\nu8\nu16\nstr_has_prefix\nstrstarts\nstrstr\nstrcasecmp\ns_magic\nmnt_parent\nmnt_child\n"...),
		"include/linux/pid_namespace.h": {},
	})
	try := func(t *testing.T, form string, edits []string, isRight bool) {
		src := right
		for i := 0; i < len(edits); i += 2 {
			is := strings.Replace(src, edits[i], edits[i+1], 1)
			if is == src && edits[i] != "" {
				t.Fatalf("%s: nothing is replaced by %q", form, edits[i+1])
			}
			src = is
		}
		hooks := strings.Split(src, "@")
		src = withHooks(t, "mainline", map[string]string{"helper": hooks[0], "before-can": hooks[1], "after-can": hooks[2]})
		g, err := Check(t.Context(), []byte(before), []byte(src), names)
		if (g.Verdict == Reached) != isRight {
			t.Errorf("%s: %s: %q: %v", form, g.Verdict, edits[1:], err)
		}
	}
	for _, f := range forms {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			for i, edits := range slices.Concat(f.right, f.wrong) {
				if !testing.Short() || i%7 == 0 {
					try(t, f.name, edits, i < len(f.right))
				}
			}
		})
	}
}

// typesList is a list of types, and inList a helper that goes through it.
const typesList = "\nstatic const char *const types[] = { \"lustre\", \"lustre_tgt\" };\n"

func inList(until string) string {
	return "	int i;\n\n	if ((flags & (MNT_FORCE | MNT_EXPIRE)) != MNT_FORCE || task_active_pid_ns(current) == &init_pid_ns)\n		return false;\n" +
		"	for (i = 0; " + until + "; i++) {\n		if (strcmp(type, types[i]))\n			continue;\n		return true;\n	}\n	return false;\n"
}
