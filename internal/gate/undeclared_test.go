// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// wholeTree is a source in which everything that vz7's file uses is declared, but for the
// variables of its functions, with the right hook in it.
func wholeTree(t *testing.T) (before, after string, headers map[string][]byte) {
	t.Helper()
	top := "#include <linux/fs.h>\n#include <linux/sched.h>\n#include <linux/mount.h>\n#include <linux/init.h>\n#include <linux/namei.h>\n#include <asm/uaccess.h>\n#include \"pnode.h\"\n"
	before = top + withHooks(t, "vz7", nil)
	after = top + withHooks(t, "vz7", map[string]string{"before-gate": ahead, "after-gate": behind})
	words := parseFile(after).words()
	for _, local := range []string{"path", "retval", "override", "out", "dput_and_out"} {
		if !words[local] {
			t.Fatalf("nothing is called %s", local)
		}
		delete(words, local)
	}
	words["printk"], words["global"] = true, true
	all := defined(slices.Sorted(maps.Keys(words)))
	headers = map[string][]byte{
		"include/linux/fs.h": []byte(all), "include/linux/sched.h": []byte("extern int global;\n"), "include/linux/mount.h": {},
		"include/linux/init.h": {}, "include/linux/namei.h": {}, "fs/pnode.h": {},
	}
	return before, after, headers
}

// A name that nothing declares is told as that, whosever it is, and nothing is concluded from
// what it was not recognised as.
func TestUndeclaredNames(t *testing.T) {
	for _, test := range []struct {
		name, from, to string
		doubt          string // "" for none
	}{
		{"nothing", "", "", ""},
		{"the permission check", "!may_mount()", "!may_mnt()", "nothing in the source declares may_mnt, which sys_umount() uses"},
		{"a capability", "!capable(CAP_SYS_ADMIN)", "!capable(CAP_SYS_AMDIN)", "nothing in the source declares CAP_SYS_AMDIN, which sys_umount() uses"},
		{"a capability, further down", "user_ns, CAP_SYS_ADMIN", "user_ns, CAP_SYS_AMDIN", "nothing in the source declares CAP_SYS_AMDIN, which may_mount() uses"},
		{"a flag", "flags & MNT_EXPIRE)", "flags & MNT_EXPIER)", "nothing in the source declares MNT_EXPIER, which do_umount() uses"},
		{"a type", "struct super_block *sb", "struct super_blok *sb", "nothing in the source declares super_blok, which do_umount() uses"},
		{"a member", "sb->s_op->", "sb->s_opp->", "nothing in the source declares s_opp, which do_umount() uses"},
		{"a variable that is set", "int retval;", "int retvla;", "nothing in the source declares retval, which do_umount() uses"},
		{"a variable of all files", "	retval = do_umount(", "	global = 1;\n	retval = do_umount(", ""},
		{"a trace point", "	retval = do_umount(", "	trace_do_umount(flags);\n	retval = do_umount(", ""},
		{"half of a name", "	retval = do_umount(", "	tell(nosuch, \"a\");\n	retval = do_umount(", ""},
		{"half of a name, further down", "	retval = do_umount(", "	tell_on(nosuch, \"a\");\n	retval = do_umount(", ""},
		{"an argument of a plain macro", "	retval = do_umount(", "	plain(nosuch);\n	retval = do_umount(", "nothing in the source declares nosuch, which sys_umount() uses"},
		{"what the compiler knows", "	retval = do_umount(", "	printk(__func__, CONFIG_NOSUCH);\n	retval = do_umount(", ""},
		{"a macro of the file", "static int do_umount", "#define helps(x) (x)\nstatic int unused;\nstatic int do_umount", ""},
		{"a function elsewhere in the file", "static int do_umount", "static int other(void)\n{\n	return nosuch_elsewhere;\n}\n\nstatic int do_umount", ""},
		{"variables in all forms", "	retval = do_umount(", "	struct one *qone, *qtwo = NULL; LIST_HEAD(qlist); DEFINE_SPINLOCK(qlock); int (*qfun)(int);\n	for (int qi = 0; qi < 1; qi++)\n		use(qone, qtwo, &qlist, &qlock, qfun);\n	retval = do_umount(", ""},
		{"an argument is no variable", "	retval = do_umount(", "	int err = use(1, CAP_SYS_AMDIN);\n	retval = do_umount(", "nothing in the source declares CAP_SYS_AMDIN, which sys_umount() uses"},
		{"a product is no variable", "	retval = do_umount(", "	retval = use(2 * nosuch);\n	retval = do_umount(", "nothing in the source declares nosuch, which sys_umount() uses"},
		{"labels in all places", "	retval = do_umount(", "	switch (flags) {\n	case 1: first:\n	default: second:\n		break;\n	}\n	goto first;\n	goto second;\n	retval = do_umount(", ""},
		{"a label at the very start", "static int do_umount(struct mount *mnt, int flags)\n{", "static int do_umount(struct mount *mnt, int flags)\n{\nagain:\n	if (0)\n		goto again;", ""},
		{"a header", "#include <linux/init.h>", "#include <linux/inti.h>", "the source has no header <linux/inti.h>, which fs/namespace.c includes"},
		{"a header beside it", `"pnode.h"`, `"pnod.h"`, `the source has no header "pnod.h", which fs/namespace.c includes`},
		{"a header of an architecture", "<asm/uaccess.h>", "<asm/nosuch.h>", ""},
		{"a made header", "#include <linux/init.h>", "#include <linux/init.h>\n#include <linux/version.h>", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			before, after, headers := wholeTree(t)
			edit := func(s string) string {
				is := strings.Replace(s, test.from, test.to, 1)
				if is == s && test.from != "" {
					t.Fatal("nothing is replaced")
				}
				return is
			}
			headers["include/linux/fs.h"] = append(headers["include/linux/fs.h"], "\nuse one NULL LIST_HEAD DEFINE_SPINLOCK\n"+
				"#define tell(type, fmt...) if (tell_##type) printk(fmt)\n#define tell_on(type, fmt...) \\\n\tif (tell_##type) \\\n\tprintk(fmt)\n"+
				"#define plain(x) use(x)\n#define other(x) use_##x\n"...)
			g, err := Check(t.Context(), []byte(edit(before)), []byte(edit(after)), NewNames(headers))
			if test.doubt == "" {
				if err != nil && slices.ContainsFunc(g.Doubts, func(f Fault) bool {
					return strings.Contains(f.Reason, "declares") || strings.Contains(f.Reason, "header")
				}) {
					t.Errorf("refused: %v", err)
				}
				return
			}
			if g.Verdict != Unsure || len(g.Faults) > 0 || g.Doubts[0].Reason != test.doubt || g.Doubts[0].Lines == nil {
				t.Errorf("%s: %v", g.Verdict, err)
			}
		})
	}
}

// What the hook uses is looked up wherever it stands in it.
func TestUndeclaredNamesOfTheHook(t *testing.T) {
	before, right, headers := wholeTree(t)
	for _, test := range [][3]string{
		{"path.mnt->mnt_sb->s_type->name;", "path.mnt->mnt_sb->s_typ->name;", "s_typ"},
		{"(MNT_FORCE | MNT_EXPIRE)) == MNT_FORCE", "(MNT_FORCE | MNT_EXPIRE | MNT_EXPIER)) == MNT_FORCE", "MNT_EXPIER"},
		{"const char *type;", "const struct nosuch *type;", "nosuch"},
		{"static inline bool may_mount", "static struct nosuch list;\nstatic inline bool may_mount", "nosuch"},
		{"static inline bool may_mount", "static int unused(struct nosuch *p)\n{\n	return 0;\n}\n\nstatic inline bool may_mount", "nosuch"},
	} {
		after := strings.Replace(right, test[0], test[1], 1)
		g, err := Check(t.Context(), []byte(before), []byte(after), NewNames(headers))
		want := "nothing in the source declares " + test[2] + ", which the hook uses"
		if after == right || g.Verdict != Unsure || !slices.ContainsFunc(g.Doubts, func(f Fault) bool { return f.Reason == want }) {
			t.Errorf("%s: %s, %v", test[1], g.Verdict, err)
		}
	}
}

// A source that was reduced has no headers to look into. What looks like the permission check
// and is none that is known makes it unsure, not wrong.
func TestMisspeltCheckOfReducedSource(t *testing.T) {
	for _, change := range [][2]string{{"may_mount", "may_mnt"}, {"CAP_SYS_ADMIN", "CAP_SYS_AMDIN"}} {
		before := withHooks(t, "mainline", nil)
		after := withHooks(t, "mainline", map[string]string{"helper": decision, "before-can": decided, "after-can": logged})
		edit := func(s string) []byte {
			at := strings.Index(s, "static inline bool may_mount")
			if end := strings.Index(s[max(at, 0):], "}\n"); at >= 0 && change[0] == "may_mount" {
				s = s[:at] + s[at+end+2:] // its own body would tell
			}
			return []byte(strings.ReplaceAll(s, change[0], change[1]))
		}
		if g, err := Check(t.Context(), edit(before), edit(after), namesFor("mainline")); g.Verdict != Unsure || len(g.Faults) > 0 {
			t.Errorf("%s: %s, %v", change[1], g.Verdict, err)
		}
	}
}
