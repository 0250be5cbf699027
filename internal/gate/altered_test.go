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
		{"the old system call", "return ksys_umount(name, 0);", "return 0;", "also changes sys_oldumount()"},
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
