// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"strings"
	"testing"
)

// A right hook does not make right what else the patch changes in the file.
func TestAltered(t *testing.T) {
	const (
		can   = "static int can_umount("
		ret   = "	int ret;\n"
		root  = "SYSCALL_DEFINE2(umount,"
		other = "static int do_move_mount(struct path *from, struct path *to)\n{\n	return attach(from, to);\n}\n\n"
		old   = "SYSCALL_DEFINE1(oldumount, char __user *, name)\n{\n	return ksys_umount(name, 0);\n}\n\n"
	)
	right := map[string]string{"helper": decision, "before-can": decided, "after-can": logged}
	for _, test := range []struct {
		name, from, to string
		doubt          string // part of it, "" for none
	}{
		{"nothing", "", "", ""},
		{"can_umount is a bool", can, "static bool can_umount(", "can_umount() otherwise"},
		{"can_umount is a byte", can, "static u8 can_umount(", "can_umount() otherwise"},
		{"can_umount must be looked at", can, "static int __must_check can_umount(", ""},
		{"path_umount is a bool", "int path_umount(", "bool path_umount(", "path_umount() otherwise"},
		{"path_umount is static", "int path_umount(", "static int path_umount(", "path_umount() otherwise"},
		{"path_umount takes a byte", "path_umount(struct path *path, int flags)", "path_umount(struct path *path, u8 flags)", "path_umount() otherwise"},
		{"do_umount is a byte", "static int do_umount(struct mount *mnt, int flags)", "static u8 do_umount(struct mount *mnt, int flags)", "do_umount() otherwise"},
		{"ksys_umount is a bool", "static int ksys_umount(", "static bool ksys_umount(", "ksys_umount() otherwise"},
		{"the result in a byte", ret, "	unsigned char ret;\n", "ret in path_umount() another type"},
		{"the result without a sign", ret, "	unsigned int ret;\n", "ret in path_umount() another type"},
		{"one more variable beside the result", ret, "	int ret, kept;\n", ""},
		{"another function", "return attach(from, to);", "return 0;", "also changes do_move_mount()"},
		{"another function's comment", "return attach(from, to);", "return attach(from, to); /* as ever */", ""},
		{"another function is gone", other, "", "takes do_move_mount() away"},
		{"the old system call is gone", old, "", "takes sys_oldumount() away"},
		{"a digraph", root, "%:undef MNT_FORCE\n%:define MNT_FORCE 0\n" + root, "the file has %:"},
		{"a bracket's digraph", ret, ret + "	int kept<:1:>;\n", "the file has <:"},
		{"a brace's digraph", ret, ret + "	<% %>\n", "the file has <%"},
		{"a trigraph", ret, ret + "	ret = 1 ??! 2;\n", "the file has ??!"},
		{"digraphs in a comment", root, "/* %: <: what??! */\n" + root, ""},
		{"digraphs in a text", root, "static const char asked[] = \"%: <: what??!\";\n" + root, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := strings.Replace(withHooks(t, "mainline", nil), root, other+old+root, 1)
			src := strings.Replace(withHooks(t, "mainline", right), root, other+old+root, 1)
			at := 0
			if test.from == ret {
				at = strings.Index(src, "int path_umount(")
			}
			after := src[:at] + strings.Replace(src[at:], test.from, test.to, 1)
			if after == src && test.name != "nothing" {
				t.Fatal("nothing is replaced")
			}
			g, err := Check(t.Context(), []byte(before), []byte(after), namesFor("mainline"))
			switch {
			case test.doubt == "" && g.Verdict != Reached:
				t.Errorf("%s: %v", g.Verdict, err)
			case test.doubt != "" && (g.Verdict == Reached || !strings.Contains(err.Error(), test.doubt)):
				t.Errorf("%s: %v, want %q", g.Verdict, err, test.doubt)
			}
		})
	}
}

// The old system call is a second entry. MNT_FORCE never comes from it: it has no flags.
func TestOldUmount(t *testing.T) {
	const (
		root  = "SYSCALL_DEFINE2(umount,"
		call  = "	return ksys_umount(name, 0);\n"
		old   = "SYSCALL_DEFINE1(oldumount, char __user *, name)\n{\n" + call + "}\n\n"
		head  = "asmlinkage long sys_oldumount(char __user *name)\n{\n" + call + "}\n\n"
		under = "\n#ifdef __ARCH_WANT_SYS_OLDUMOUNT\n"
	)
	right := map[string]string{"helper": decision, "before-can": decided, "after-can": logged}
	for _, test := range []struct {
		name, base, after, told string
		verdict                 Verdict
	}{
		{"as it was", old, old, "", Reached},
		{"as a plain function", head, head, "", Reached},
		{"under a condition", under + old + "#endif\n", under + old + "#endif\n", "", Reached},
		{"in other words", old, strings.Replace(old, call, "	int none = 0;\n\n	return ksys_umount(name, none);\n", 1), "", Reached},
		{"in other words under a condition", under + old + "#endif\n", under + strings.Replace(old, "0)", "MNT_FORCE & MNT_DETACH)", 1) + "#endif\n", "", Reached},
		{"it forces", old, strings.Replace(old, "0)", "MNT_FORCE)", 1), "by oldumount", Misplaced},
		{"it detaches", old, strings.Replace(old, "0)", "MNT_DETACH)", 1), "by oldumount", Misplaced},
		{"it does nothing", old, strings.Replace(old, call, "	return 0;\n", 1), "by oldumount", Misplaced},
		{"it is refused in a container", old, strings.Replace(old, call, "	if (task_active_pid_ns(current) != &init_pid_ns)\n		return -EPERM;\n"+call, 1), "by oldumount", Misplaced},
		{"it tells the log", old, strings.Replace(old, call, "	printk(KERN_WARNING \"old\");\n"+call, 1), "printk()", Misplaced},
		{"it sleeps", old, strings.Replace(old, call, "	msleep(1);\n"+call, 1), "declares msleep", Unsure},
		{"only now and then", old, strings.Replace(old, "0)", "current->flags & 1)", 1), "", ""},
		{"another path", old, strings.Replace(old, "(name,", "(NULL,", 1), "", ""},
		{"under another condition", under + old + "#endif\n", "\n#ifdef CONFIG_OLD\n" + old + "#endif\n", "condition", Unsure},
		{"the patch adds it", "", old, "adds the old umount system call", Unsure},
		{"the patch takes it away", old, "", "takes sys_oldumount() away", Unsure},
		{"it had flags before", strings.Replace(old, "0)", "MNT_FORCE)", 1), strings.Replace(old, "0)", "MNT_FORCE)", 1), "although it has none", Unsure},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := strings.Replace(withHooks(t, "mainline", nil), root, test.base+root, 1)
			after := strings.Replace(withHooks(t, "mainline", right), root, test.after+root, 1)
			g, err := Check(t.Context(), []byte(before), []byte(after), namesFor("mainline"))
			if (g.Verdict == Reached) != (test.verdict == Reached) || test.verdict != "" && g.Verdict != test.verdict || err != nil && !strings.Contains(err.Error(), test.told) {
				t.Errorf("%s: %v, want %s, %q", g.Verdict, err, test.verdict, test.told)
			}
		})
	}
}
