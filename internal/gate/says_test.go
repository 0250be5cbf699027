// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"slices"
	"strings"
	"testing"
)

// That a word stands in a header does not say that it is declared.
func TestSays(t *testing.T) {
	for _, test := range []struct {
		header string
		want   bool
	}{
		{"#define ve_is_super(env) 1", true},
		{" #\tdefine ve_is_super(env) 1", true},
		{"/* here */ extern int ve_is_super(struct ve_struct *);", true},
		{"static inline int ve_is_super(struct ve_struct *ve)\n{", true},
		{"static inline int\nve_is_super(struct ve_struct *ve)\n{", true},
		{"	extern int ve_is_super(struct ve_struct *);", true},
		{"/* ve_is_super(env) is gone */", false},
		{"// int ve_is_super(env);", false},
		{"/*\n#define ve_is_super(env) 1\n*/", false},
		{"#define SAY \"\\\"ve_is_super\"", false},
		{"#define log_len (ve_is_super(get_exec_env()) ? 1 : 2)", false},
		{"	return ve_is_super(owner);", false},
		{"	if (ve_is_super(owner))", false},
		{"#define ve_is_supers(env) 1", false},
	} {
		names := NewNames(map[string][]byte{"include/linux/fs.h": []byte("int a;\n"), "include/linux/sched.h": []byte("#ifndef A\n" + test.header + "\n#endif\n")})
		if got := names.declares("ve_is_super"); got != test.want {
			t.Errorf("%q: %v", test.header, got)
		}
	}
}

// What the hook asks for must be there, and what it adds must not be.
func TestNamesOfTheHook(t *testing.T) {
	const fs = "include/linux/fs.h"
	same := func(s string) string { return s }
	clash := "static bool container_forces_lustre(const struct path *path, int flags)\n{\n	return false;\n}\n"
	for _, test := range []struct {
		name   string
		header func(string) string
		both   string // what both texts have above the hook
		doubt  string // "" for none
	}{
		{"nothing", same, "", ""},
		{"a name in a comment only", func(s string) string {
			return strings.Replace(s, "#define task_active_pid_ns", "/* task_active_pid_ns() is gone */", 1)
		}, "", "nothing in the source declares task_active_pid_ns, which the hook uses"},
		{"a name in a use only", func(s string) string {
			return strings.Replace(s, "#define init_pid_ns", "	if (ns == &init_pid_ns)", 1)
		}, "", "nothing in the source declares init_pid_ns, which the hook uses"},
		{"a name in a literal only", func(s string) string { return strings.Replace(s, "strcmp\n", "\"strcmp\"\n", 1) }, "", "nothing in the source declares strcmp, which the hook uses"},
		{"the member", func(s string) string {
			return s + "struct pid_namespace {\n	struct ns_common ns;\n};\nstruct ns_common {\n	unsigned int inum;\n};\n"
		}, "", ""},
		{"another member", func(s string) string {
			return s + "struct pid_namespace {\n	/* ns is gone */\n	unsigned int proc_inum;\n};\n"
		}, "", "struct pid_namespace has no ns, which the hook uses"},
		{"another member of the member", func(s string) string { return s + "struct ns_common {\n	unsigned int number;\n};\n" }, "", "struct ns_common has no inum, which the hook uses"},
		{"a struct that is only named", func(s string) string { return s + "struct pid_namespace;\n" }, "", ""},
		{"a function that the file has", same, clash, "the patch adds container_forces_lustre(), which the file has already"},
		{"a function under another condition", same, "#if 0\n" + clash + "#endif\n", ""},
		{"a function that a header has", func(s string) string {
			return s + "extern int container_forces_lustre(struct super_block *);\n"
		}, "", "the patch adds container_forces_lustre(), which a header declares already"},
	} {
		t.Run(test.name, func(t *testing.T) {
			const head = "// caller is responsible"
			before := strings.Replace(withHooks(t, "mainline", nil), head, test.both+head, 1)
			hooks := map[string]string{"helper": test.both + decision, "before-can": decided, "after-can": logged}
			names := NewNames(map[string][]byte{fs: []byte(test.header(string(namesFor("mainline").headers[fs])))})
			g, err := Check(t.Context(), []byte(before), []byte(withHooks(t, "mainline", hooks)), names)
			if test.doubt == "" {
				if err != nil {
					t.Errorf("refused: %v", err)
				}
				return
			}
			if g.Verdict != Unsure || !slices.ContainsFunc(g.Doubts, func(f Fault) bool { return f.Reason == test.doubt }) {
				t.Errorf("%s: %v", g.Verdict, err)
			}
		})
	}
}
