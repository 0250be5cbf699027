// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"strings"
	"testing"
)

// Plainly wrong hooks of kinds that the mutants lack. None may be found right; verdict says
// which of them the text shows for certain. Each is the right hook of vz7's two halves, or
// rhel6's in one piece, with something replaced.
func TestWrongByHand(t *testing.T) {
	const drop = "flags &= ~MNT_FORCE;"
	typed := `!strcmp(path.mnt->mnt_sb->s_type->name, "lustre") || !strcmp(path.mnt->mnt_sb->s_type->name, "lustre_tgt")`
	right := strings.Replace(on("path.mnt->mnt_sb"), "flags & MNT_FORCE", "(flags & (MNT_FORCE | MNT_EXPIRE)) == MNT_FORCE", 1)
	for _, test := range []struct {
		name, from, to string
		top            string
		verdict        Verdict
	}{
		{"right", drop, drop, "", Reached},
		{"right, by a copy", drop, "int kept = flags; kept &= ~MNT_FORCE; flags = kept;", "", Reached},
		{"a copy alone loses the flag", drop, "int kept = flags; kept &= ~MNT_FORCE;", "", Misplaced},
		{"a variable of the same name loses it", drop, "{ int flags = MNT_FORCE; flags &= ~MNT_FORCE; }", "", Misplaced},
		{"it comes back", drop, drop + " flags |= MNT_FORCE;", "", Misplaced},
		{"all flags are lost", drop, "flags = 0;", "", Misplaced},
		{"the umount is left out", drop, drop + " goto dput_and_out;", "", Misplaced},
		{"an error behind the drop", drop, drop + " return -EPERM;", "", Misplaced},
		{"success behind the drop", drop, drop + " retval = 0; goto dput_and_out;", "", Misplaced},
		{"umount_begin by the hook itself", drop, "path.mnt->mnt_sb->s_op->umount_begin(path.mnt->mnt_sb); " + drop, "", Misplaced},
		{"texts compared by their place", typed, `path.mnt->mnt_sb->s_type->name == "lustre"`, "", ""},
		{"the first letter", typed, `path.mnt->mnt_sb->s_type->name[0] == 'l'`, "", ""},
		{"the beginning", typed, `!strncmp(path.mnt->mnt_sb->s_type->name, "lustre", 6)`, "", Misplaced},
		{"by magic number", typed, "path.mnt->mnt_sb->s_magic == 0x0BD00BD0", "", Unsure},
		{"the parent's type", typed, strings.ReplaceAll(typed, "path.mnt->", "path.mnt->mnt_parent->"), "", Unsure},
		{"only the root of the file system", typed, "(" + typed + ") && path.dentry == path.mnt->mnt_sb->s_root", "", Unsure},
		{"only another uid", "!ve_is_super(get_exec_env())", "current->uid != 0", "", Unsure},
		{"ve_is_super defined here", drop, drop, "static int ve_is_super(void *ve)\n{\n\treturn 0;\n}\n", ""},
		{"strcmp defined here", drop, drop, "static int strcmp(const char *a, const char *b)\n{\n\treturn 1;\n}\n", Misplaced},
		{"ve_is_super defined as a macro", drop, drop, "#define ve_is_super(ve) 0\n", Unsure},
		{"MNT_FORCE defined anew", drop, drop, "#undef MNT_FORCE\n#define MNT_FORCE 2\n", Unsure},
		{"in a loop", drop, "while (flags & MNT_FORCE) flags &= ~MNT_FORCE;", "", Reached},
		{"in a loop that has no end", drop, "while (!(flags & MNT_EXPIRE)) flags &= ~MNT_FORCE;", "", Unsure},
		{"in a switch", drop, "switch (flags) { case 1: flags = 0; }", "", Misplaced},
		{"a toggle", "(flags & (MNT_FORCE | MNT_EXPIRE)) == MNT_FORCE", "!(flags & MNT_EXPIRE)", "", Misplaced},
		{"set where it should be compared", "== MNT_FORCE", "= MNT_FORCE", "", ""},
		{"under an option", drop, "\n#ifdef CONFIG_LUSTRE_GUARD\n" + drop + "\n#endif\n", "", Unsure},
		{"without an option", drop, "\n#ifndef CONFIG_VE\n" + drop + "\n#endif\n", "", Unsure},
		{"in the branch that is not compiled", drop, "\n#ifdef CONFIG_VE\n\n#else\n" + drop + "\n#endif\n", "", Misplaced},
		{"the message by way of a variable", `printk(KERN_WARNING "Forced umount`, `printk(text, "Forced umount`, "", ""},
		{"a name nobody declares", "ve_is_super(get_exec_env())", "ve_is_host(get_exec_env())", "", Unsure},
		{"a variable nobody declares", drop, drop + " nobody = 1;", "", Unsure},
		{"in an assembler's words", drop, `asm volatile("btr $0, %0" : "+r" (flags));`, "", Unsure},
		{"a trace point of the hook's own", drop, drop + " trace_sys_umount(flags);", "", Unsure},
		{"a pointer to a const that lives from call to call", drop, "static const char *kept; kept = path.mnt->mnt_sb->s_type->name; if (!strcmp(kept, \"lustre\") || !strcmp(kept, \"lustre_tgt\")) " + drop, "", Unsure},
		{"the rate limit is asked twice", "if (printk_ratelimit())", "if (printk_ratelimit() && printk_ratelimit())", "", Unsure},
		{"the rate limit is asked twice, by or", "if (printk_ratelimit())", "if (printk_ratelimit() || printk_ratelimit())", "", Unsure},
		{"by a function", drop, "flags = dropped(flags);", "static int dropped(int flags)\n{\n\treturn flags & ~MNT_FORCE;\n}\n", Reached},
		{"by one that returns a bool", drop, "flags = dropped(flags);", "static bool dropped(int flags)\n{\n\treturn flags & ~MNT_FORCE;\n}\n", Misplaced},
		{"by one that takes a bool", drop, "flags = dropped(flags);", "static int dropped(bool flags)\n{\n\treturn flags & ~MNT_FORCE;\n}\n", Misplaced},
		{"by one that returns nothing", drop, "flags = dropped(flags);", "static void dropped(int flags)\n{\n\treturn flags & ~MNT_FORCE;\n}\n", Unsure},
		{"by one with too few arguments", drop, "flags = dropped(flags);", "static int dropped(int flags, int x)\n{\n\treturn flags & ~MNT_FORCE;\n}\n", Unsure},
		{"by one with too many arguments", drop, "flags = dropped(flags);", "static int dropped(void)\n{\n\treturn 0;\n}\n", ""},
		{"by one for the boot", drop, "flags = dropped(flags);", "static int __init dropped(int flags)\n{\n\treturn flags & ~MNT_FORCE;\n}\n", Unsure},
		{"by a pointer", drop, "int *p = &flags; *p &= ~MNT_FORCE;", "", Reached},
		{"by a function that is given a pointer", drop, "dropped(&flags);", "static void dropped(int *flags)\n{\n\t*flags &= ~MNT_FORCE;\n}\n", Reached},
		{"by a pointer that takes more", drop, "int *p = &flags; *p = 0;", "", Misplaced},
		{"by a pointer to a copy", drop, "int kept = flags, *p = &kept; *p &= ~MNT_FORCE;", "", Misplaced},
		{"by a pointer to what the name hides", drop, "int *p = &flags; { int flags = 1; *p &= ~MNT_FORCE; }", "", ""},
		{"by a pointer to a byte", drop, "*(u8 *)&flags &= ~MNT_FORCE;", "", Unsure},
		{"by a pointer to the next byte", drop, "((u8 *)&flags)[1] &= ~MNT_FORCE;", "", ""},
		{"by a pointer to a pointer", drop, "int *p = &flags, **q = &p; **q &= ~MNT_FORCE;", "", Reached},
		{"in a struct", drop, "struct { int f; } s; s.f = flags; s.f &= ~MNT_FORCE; flags = s.f;", "", Unsure},
		{"in an array", drop, "int a[1]; a[0] = flags; a[0] &= ~MNT_FORCE; flags = a[0];", "", Unsure},
		{"by a division", drop, "flags = flags / 2 * 2;", "", Reached},
		{"by a remainder", drop, "flags -= flags % 2;", "", Reached},
		{"by a division by nothing", drop, "flags /= 0;", "", ""},
		{"in another type", drop, "flags = (u32)flags & ~(unsigned long)MNT_FORCE;", "", Reached},
		{"in a narrow type that holds it", drop, "flags &= (unsigned char)~MNT_FORCE;", "", Reached},
		{"in a narrow type that does not", drop, "flags &= ~(u8)(MNT_FORCE << 8);", "", Misplaced},
		{"in a bool", drop, "flags &= ~(bool)(flags & MNT_FORCE);", "", Reached},
		{"in a type that is not known", drop, "flags &= ~(flags_t)MNT_FORCE;", "", Unsure},
		{"a cleanup at the end", drop, "int kept __attribute__((unused, cleanup(restore))) = flags; " + drop, "", Unsure},
		{"an unused variable", drop, "int kept __attribute__((unused)) = flags; " + drop, "", Reached},
		{"a variable that lives elsewhere", drop, "extern int kept; kept = flags; " + drop, "int kept;\n", Unsure},
		{"by a function that another file may replace", drop, "flags = dropped(flags);", "int __weak dropped(int flags)\n{\n\treturn flags & ~MNT_FORCE;\n}\n", Unsure},
		{"by one whose prototype says so", drop, "flags = dropped(flags);", "int dropped(int flags) __attribute__((weak));\nint dropped(int flags)\n{\n\treturn flags & ~MNT_FORCE;\n}\n", Unsure},
		{"by one that is said not to return", drop, "flags = dropped(flags);", "static int __noreturn dropped(int flags)\n{\n\treturn flags & ~MNT_FORCE;\n}\n", Unsure},
		{"by one that is not made a part of another", drop, "flags = dropped(flags);", "static noinline int __attribute__((noinline, unused)) dropped(int flags)\n{\n\treturn flags & ~MNT_FORCE;\n}\n", Reached},
		{"a flag of an enum's", drop, drop, "enum { MNT_FORCE = 2 };\n", Unsure},
		{"a container's question of the file's own", drop, drop, "static int (*ve_is_super)(void *);\n", Unsure},
		{"behind a comment that goes on", drop, "// nothing \\\n" + drop + "\n", "", Misplaced},
		{"behind a comment that goes on, with a blank", drop, "// nothing \\ \n" + drop + "\n", "", Misplaced},
		{"behind a comment that ends", drop, "// a \\ in it\n" + drop + "\n", "", Reached},
		{"in a comment behind a condition", drop, "\n#ifdef CONFIG_VE /* begins\n" + drop + "\n*/\n#endif\n", "", Misplaced},
		{"behind a comment behind a condition", drop, "\n#ifdef CONFIG_VE /* begins\n*/\n" + drop + "\n#endif\n", "", Reached},
		{"in joined lines", drop, "fla\\\ngs &= ~MNT_\\\nFORCE;", "", Reached},
		{"with an error of the preprocessor's", drop, "\n#error no\n" + drop, "", Unsure},
		{"with a line number", drop, "\n#line 1 \"a\"\n" + drop, "", Unsure},
		{"under an option in the middle", drop, "flags &= ~\n#ifdef CONFIG_LUSTRE_GUARD\nMNT_FORCE\n#else\n0\n#endif\n;", "", Unsure},
		{"under an option in a condition", drop, "if (1\n#ifdef CONFIG_LUSTRE_GUARD_OFF\n&& 1\n#endif\n) " + drop, "", Unsure},
		{"with a brace under an option", drop, "\n#ifdef CONFIG_LUSTRE_GUARD\nif (1) {\n#else\nif (0) {\n#endif\n" + drop + "}", "", Unsure},
		{"with a brace under OpenVZ's option", drop, "{\n#ifdef CONFIG_VE\n" + drop + "}\n#else\n}\n#endif\n", "", Reached},
	} {
		t.Run(test.name, func(t *testing.T) {
			hook := strings.Replace(right, test.from, test.to, 1)
			if hook == right && test.from != test.to {
				t.Fatal("nothing is replaced")
			}
			before := withHooks(t, "rhel6", nil)
			src := test.top + withHooks(t, "rhel6", map[string]string{"after-permission": hook})
			g, err := Check(t.Context(), []byte(before), []byte(src), someNames)
			if (g.Verdict == Reached) != (test.verdict == Reached) || test.verdict != "" && g.Verdict != test.verdict {
				t.Errorf("%s: %v", g.Verdict, err)
			}
			if (err == nil) != (g.Verdict == Reached) {
				t.Errorf("%s with error %v", g.Verdict, err)
			}
		})
	}
}

// A condition that the patch puts around what was there, or takes away, may change what was there.
func TestConditionsAroundTheOld(t *testing.T) {
	const permission = "	if (!may_mount())\n		return -EPERM;\n"
	right := map[string]string{"helper": decision, "before-can": decided, "after-can": logged}
	under := func(condition string) func(string) string {
		return func(s string) string {
			return strings.Replace(s, permission, "\n#"+condition+"\n"+permission+"#endif\n", 1)
		}
	}
	same := func(s string) string { return s }
	for _, test := range []struct {
		name          string
		before, after func(string) string
		verdict       Verdict
	}{
		{"none", same, same, Reached},
		{"a new one", same, under("ifdef CONFIG_OLD"), Unsure},
		{"that of OpenVZ, on a source without it", same, under("ifdef CONFIG_VE"), Unsure},
		{"one that was there", under("ifdef CONFIG_OLD"), under("ifdef CONFIG_OLD"), Reached},
		{"another", under("ifdef CONFIG_OLD"), under("ifndef CONFIG_OLD"), Unsure},
		{"none any more", under("ifdef CONFIG_OLD"), same, Unsure},
		{"never", same, under("if 0"), Misplaced},
	} {
		before, after := test.before(withHooks(t, "mainline", nil)), test.after(withHooks(t, "mainline", right))
		if g, err := Check(t.Context(), []byte(before), []byte(after), namesFor("mainline")); g.Verdict != test.verdict {
			t.Errorf("%s: %s, %v", test.name, g.Verdict, err)
		}
	}
}

// What is misspelt in the source itself is not taken for what it resembles.
func TestMisspeltChecks(t *testing.T) {
	for name, change := range map[string][2]string{
		"the permission check": {"may_mount", "may_mnt"},
		"the gate's flag":      {"flags & MNT_FORCE && !capable", "flags & MNT_FORCED && !capable"},
	} {
		base := withHooks(t, "vz7", nil)
		src := withHooks(t, "vz7", map[string]string{"before-gate": ahead, "after-gate": behind})
		base, src = strings.ReplaceAll(base, change[0], change[1]), strings.ReplaceAll(src, change[0], change[1])
		if name == "the permission check" {
			// Its own body would tell.
			at := strings.Index(base, "static inline bool may_mnt")
			end := at + strings.Index(base[at:], "}\n") + 2
			body := base[at:end]
			base, src = strings.Replace(base, body, "", 1), strings.Replace(src, body, "", 1)
		}
		if g, err := Check(t.Context(), []byte(base), []byte(src), someNames); g.Verdict != Unsure {
			t.Errorf("%s: %s, %v", name, g.Verdict, err)
		}
	}
}

// A hook is tried on the types that it names itself and, where it looks at parts of a name, on those that differ there.
func TestTypesThatAHookKnows(t *testing.T) {
	const first = `!strcmp(type, "lustre")`
	before := withHooks(t, "mainline", nil)
	names := namesFor("mainline")
	names.headers["include/linux/fs.h"] = append(names.headers["include/linux/fs.h"], strings.Join(knownWords, "\n")+"\nstr_has_prefix\nstrstarts\nstrstr\n"...)
	list := func(types string) string {
		return strings.Replace(decision, "\nstatic bool", "\nstatic const char *const types[] = { "+types+" };\n\nstatic bool", 1)
	}
	for _, test := range []struct {
		name, helper, typed string
		right               bool
	}{
		{"ours", decision, typed, true},
		{"a third one", decision, first + ` || !strcmp(type, "nfs4") || !strcmp(type, "lustre_tgt")`, false},
		{"a third one that is left out again", decision, `(` + typed + ` && strcmp(type, "nfs4"))`, true},
		{"a third one in a list", list(`"lustre", "lustre_tgt", "ceph"`), "match_string(types, ARRAY_SIZE(types), type) >= 0", false},
		{"ours in a list", list(`"lustre_tgt", "lustre"`), "match_string(types, ARRAY_SIZE(types), type) >= 0", true},
		{"all that begin with it and an underscore", decision, `!strncmp(type, "lustre", 6) && (!type[6] || type[6] == '_')`, false},
		{"some letters", decision, `type[0] == 'l' && type[5] == 'e' && (!type[6] || type[6] == '_')`, false},
		{"what stands in it", decision, first + ` || strstr(type, "_tgt")`, false},
		{"its length", decision, `type[0] == 'l' && (strlen(type) == 6 || strlen(type) == 10)`, false},
		{"too few letters", decision, first + ` || !strncmp(type, "lustre_tgt", 9)`, false},
		{"one letter too few", decision, first + ` || !strncmp(type, "lustre_tgt", 10)`, false},
		{"all letters and the end", decision, first + ` || !strncmp(type, "lustre_tgt", 11)`, true},
		{"what comes between them", decision, `strcmp(type, "lustre") >= 0 && strcmp(type, "lustre_tgt") <= 0`, false},
		{"a beginning, and the rest", decision, `strstarts(type, "lustre") && (!type[6] || !strcmp(type + 6, "_tgt"))`, true},
		{"a beginning, and too little of the rest", decision, `strstarts(type, "lustre") && (!type[6] || strstarts(type + 6, "_t"))`, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			helper := strings.Replace(test.helper, typed, "("+test.typed+")", 1)
			after := withHooks(t, "mainline", map[string]string{"helper": helper, "before-can": decided, "after-can": logged})
			if g, err := Check(t.Context(), []byte(before), []byte(after), names); (g.Verdict == Reached) != test.right {
				t.Errorf("%s: %v", g.Verdict, err)
			}
		})
	}
}

// Old kernels do not refuse flags that stand for nothing. A hook must not look at them.
func TestFlagsThatStandForNothing(t *testing.T) {
	const drop, inside = "flags &= ~MNT_FORCE;", "!ve_is_super(get_exec_env())"
	for _, test := range []struct {
		name, from, to string
		right          bool
	}{
		{"none", drop, drop, true},
		{"in other words", drop, "flags &= 0xfffffffe;", true},
		{"one of them", inside, inside + " && !(flags & 64)", false},
		{"the sign", inside, inside + " && flags > 0", false},
		{"they are lost where nobody looks", drop, "flags &= 0xfe;", true},
	} {
		edit := func(s string) []byte {
			const refuses = "	if (flags & ~(MNT_FORCE | MNT_DETACH | MNT_EXPIRE | UMOUNT_NOFOLLOW))\n"
			at := strings.Index(s, refuses)
			end := at + len(refuses) + strings.Index(s[at+len(refuses):], "\n") + 1
			return []byte(s[:at] + s[end:])
		}
		hook := strings.Replace(on("sb"), test.from, test.to, 1)
		before, after := withHooks(t, "rhel6", nil), withHooks(t, "rhel6", map[string]string{"after-expire": hook})
		if g, err := Check(t.Context(), edit(before), edit(after), someNames); (g.Verdict == Reached) != test.right {
			t.Errorf("%s: %s: %v", test.name, g.Verdict, err)
		}
	}
}
