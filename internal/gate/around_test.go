// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"slices"
	"strings"
	"testing"
)

// What the source without the patch does already may lead past a hook that is right by itself.
// The check does not follow it, and says so.
func TestWaysAround(t *testing.T) {
	const (
		root = "SYSCALL_DEFINE2(umount,"
		down = "		ret = do_umount(mnt, flags);"
		args = "struct umount_args { struct mount *mnt; int flags; };\nstatic int do_umount_args(struct umount_args *a)\n{\n	return do_umount(a->mnt, a->flags);\n}\n\n"
		head = "// caller is responsible"
	)
	for _, test := range []struct {
		name  string
		edits []string // pairs of what is replaced in both texts, and by what
		doubt string   // part of it, "" for none
	}{
		{"nothing", nil, ""},
		{"a struct that holds the flags", []string{head, args + head, "	int ret;\n", "	struct umount_args ua = { .mnt = mnt, .flags = flags };\n	int ret;\n", down, "		ret = do_umount_args(&ua);"}, "flags is copied into something that is not followed"},
		{"a list that holds the flags", []string{"	int ret;\n", "	int kept[] = { flags };\n	int ret;\n", down, "		ret = do_umount(mnt, kept[0]);"}, "flags is copied into something that is not followed"},
		{"a struct without the flags", []string{"	int ret;\n", "	struct path other = { .mnt = path->mnt };\n	int ret;\n"}, ""},
		{"a second system call", []string{root, "SYSCALL_DEFINE2(umount_at, char __user *, name, int, flags)\n{\n	return do_umount(lookup(name), flags);\n}\n\n" + root}, "sys_umount_at() comes to it without the hook"},
		{"an exported function", []string{root, "int vendor_umount(struct path *path)\n{\n	return do_umount(real_mount(path->mnt), MNT_FORCE);\n}\n\n" + root}, "vendor_umount() comes to it without the hook"},
		{"umount_begin itself", []string{root, "void vendor_abort(struct super_block *sb)\n{\n	sb->s_op->umount_begin(sb);\n}\n\n" + root}, "vendor_abort() comes to it without the hook"},
		{"by its address", []string{root, "void vendor_set(struct ops *o)\n{\n	o->umount = do_umount;\n}\n\n" + root}, "vendor_set() comes to it without the hook"},
		{"a table", []string{root, "static const struct ops vendor = { .umount = do_umount };\n\n" + root}, "who uses this comes to it without the hook: static const struct ops vendor"},
		{"a pointer", []string{root, "static int (*const umounter)(struct mount *, int) = do_umount;\n\n" + root}, "who uses this comes to it without the hook: static int"},
		{"a pointer, further on", []string{root, "typeof(do_umount) *umounter = &do_umount;\n\n" + root}, "who uses this comes to it without the hook"},
		{"a table of the hooked function", []string{root, "static const struct ops vendor = { .umount = path_umount };\nEXPORT_SYMBOL(path_umount);\n\n" + root}, ""},
		{"an alias", []string{root, "int vendor_umount(struct mount *, int) __attribute__((alias(\"do_umount\")));\n\n" + root}, "who uses this comes to it without the hook: int vendor_umount"},
		{"in the assembler's words", []string{root, "asm(\".set vendor_umount, do_umount\");\n\n" + root}, "who uses this comes to it without the hook"},
		{"a prototype", []string{root, "static int do_umount(struct mount *mnt, int flags);\nALLOW_ERROR_INJECTION(do_umount, ERRNO);\n" + root}, ""},
		{"a macro", []string{root, "#define UM(m, f) do_umount(m, f)\n" + root}, "the macro UM comes to it without the hook"},
		{"a macro that is used", []string{root, "#define UM(m, f) \\\n	do_umount(m, f)\nSYSCALL_DEFINE2(umount_at, struct path *, path, int, flags)\n{\n	return UM(real_mount(path->mnt), flags);\n}\n" + root}, "sys_umount_at() comes to it without the hook"},
		{"a macro for a macro", []string{root, "#define UM do_umount\n#define UM2(m) UM(m, 1)\n" + root}, "the macro UM2 comes to it without the hook"},
		{"a macro of the hooked function", []string{root, "#define UM(p, f) path_umount(p, f)\n" + root}, ""},
		{"a macro calls umount_begin", []string{root, "#define BEGIN(sb) (sb)->s_op->umount_begin(sb)\n" + root}, "the macro BEGIN comes to it without the hook"},
		{"a macro puts the name together", []string{root, "#define UM(x) do_##x\nSYSCALL_DEFINE2(umount_at, struct path *, path, int, flags)\n{\n	return UM(umount)(real_mount(path->mnt), flags);\n}\n" + root}, "sys_umount_at() comes to it without the hook"},
		{"a macro puts the operation's name together", []string{root, "#define OP(x, y) x ## _ ## y\nvoid vendor_abort(struct super_block *sb)\n{\n	sb->s_op->OP(umount, begin)(sb);\n}\n" + root}, "vendor_abort() comes to it without the hook"},
		{"a header's macro puts the name together", []string{root, "SYSCALL_DEFINE2(umount_at, struct path *, path, int, flags)\n{\n	return __PASTE(do_, umount)(real_mount(path->mnt), flags);\n}\n" + root}, "sys_umount_at() comes to it without the hook"},
		{"a macro puts together other names", []string{root, "#define FLAG(x) MNT_##x\n#define PASTE(a, b) a##b\nint vendor(void)\n{\n	return FLAG(LOCKED) | PASTE(MNT_, NOSUID);\n}\n" + root}, ""},
		{"a header's macro makes the name whole", []string{root, "SYSCALL_DEFINE2(umount_at, struct path *, path, int, flags)\n{\n	return DO(umount)(real_mount(path->mnt), flags);\n}\n" + root}, "sys_umount_at() has a macro put its name together"},
		{"a header's macro makes the operation's name whole", []string{root, "void vendor_abort(struct super_block *sb)\n{\n	sb->s_op->BEGINS(umount)(sb);\n}\n" + root}, "vendor_abort() has a macro put its name together"},
		{"a header's macro makes another name", []string{root, "int vendor(struct path *path)\n{\n	return DO(mount)(path);\n}\n" + root}, ""},
		{"a header's macro that uses another makes the name whole", []string{root, "SYSCALL_DEFINE2(umount_at, struct path *, path, int, flags)\n{\n	return DO2(umount)(real_mount(path->mnt), flags);\n}\n" + root}, "sys_umount_at() has a macro put its name together, and it is not known with which flags: DO makes do_umount"},
		{"one that uses two others", []string{root, "SYSCALL_DEFINE2(umount_at, struct path *, path, int, flags)\n{\n	return DO3(um, ount)(real_mount(path->mnt), flags);\n}\n" + root}, "DO makes do_umount"},
		{"one that is given the other", []string{root, "SYSCALL_DEFINE2(umount_at, struct path *, path, int, flags)\n{\n	return APPLY(DO, umount)(real_mount(path->mnt), flags);\n}\n" + root}, "DO makes do_umount"},
		{"one that makes the other's name", []string{root, "SYSCALL_DEFINE2(umount_at, struct path *, path, int, flags)\n{\n	return CAT(D, O)(umount)(real_mount(path->mnt), flags);\n}\n" + root}, "DO makes do_umount"},
		{"one that is given what a third makes", []string{root, "SYSCALL_DEFINE2(umount_at, struct path *, path, int, flags)\n{\n	return CAT3(do, _, umount)(real_mount(path->mnt), flags);\n}\n" + root}, "CAT_ makes do_umount"},
		{"one that takes all arguments", []string{root, "SYSCALL_DEFINE2(umount_at, struct path *, path, int, flags)\n{\n	return ALL(do_, umount)(real_mount(path->mnt), flags);\n}\n" + root}, "CAT_ makes do_umount"},
		{"one of the file's own that uses a header's", []string{root, "#define UM(x) DO2(x)\nSYSCALL_DEFINE2(umount_at, struct path *, path, int, flags)\n{\n	return UM(umount)(real_mount(path->mnt), flags);\n}\n" + root}, "DO makes do_umount"},
		{"one that makes the name of something else", []string{root, "SYSCALL_DEFINE2(umount_at, struct path *, path, int, flags)\n{\n	return DO3(mo, unt)(real_mount(path->mnt), flags);\n}\n" + root}, ""},
		{"one that makes a text", []string{root, "SYSCALL_DEFINE2(umount_at, struct path *, path, int, flags)\n{\n	return TEXT(umount, do_)(real_mount(path->mnt), flags);\n}\n" + root}, ""},
		{"a table with a name that a header's macro makes", []string{root, "static const struct ops vendor = { .umount = DO2(umount) };\n\n" + root}, "what stands outside of functions has a macro put its name together"},
		{"an operation's name that macros make", []string{root, "void vendor_abort(struct super_block *sb)\n{\n	sb->s_op->CAT3(umount, _, begin)(sb);\n}\n" + root}, "CAT_ makes umount_begin"},
		{"an operation's name that a header's macro makes whole", []string{root, "void vendor_abort(struct super_block *sb)\n{\n	ABORT(sb);\n}\n" + root}, "vendor_abort() has a macro put its name together"},
		{"by its name", []string{root, "int vendor(struct mount *mnt)\n{\n	int (*f)(struct mount *, int) = lookup(\"do_\" \"umount\");\n	return f(mnt, MNT_FORCE);\n}\n" + root}, "vendor() comes to it without the hook"},
		{"by a name that is not there", []string{root, "int vendor(char *name, struct mount *mnt)\n{\n	int (*f)(struct mount *, int) = (void *)kallsyms_lookup_name(name);\n	return f(mnt, MNT_FORCE);\n}\n" + root}, "vendor() looks for a function by its name (kallsyms_lookup_name)"},
		{"a text with the name", []string{root, "int vendor(struct mount *mnt)\n{\n	pr_debug(\"do_umount of %p\", mnt);\n	return 0;\n}\n" + root}, ""},
		{"in the assembler's words in a function", []string{root, "int vendor(struct mount *mnt)\n{\n	asm volatile(\"nop\\n\\tcall do_umount\" : : \"D\" (mnt));\n	return 0;\n}\n" + root}, "vendor() comes to it without the hook"},
		{"other words of the assembler", []string{root, "int vendor(struct mount *mnt)\n{\n	asm volatile(\"call redo_umount\" : : \"D\" (mnt));\n	return 0;\n}\n" + root}, ""},
		{"a function that another file may replace", []string{"static int do_umount(struct mount *mnt, int flags)", "static int __attribute__((unused, weak)) do_umount(struct mount *mnt, int flags)"}, "do_umount() is declared weak"},
		{"a prototype that lets another file replace it", []string{"static int do_umount(struct mount *mnt, int flags)", "static int do_umount(struct mount *mnt, int flags) __weak;\nstatic int do_umount(struct mount *mnt, int flags)"}, "do_umount() is declared __weak"},
		{"a file that is no header", []string{root, "#include \"vendor_umount.c\"\n" + root}, "the file includes what is no header"},
		{"a header by a macro", []string{root, "#include VENDOR_HEADER\n" + root}, "the file includes what is no header"},
		{"an error of the preprocessor's", []string{root, "#ifdef CONFIG_VENDOR\n#error MNT_FORCE\n#endif\n" + root}, ""},
		{"a function that is not static", []string{"static int do_umount(struct mount *mnt, int flags)", "int do_umount(struct mount *mnt, int flags)"}, "do_umount() lies behind the hook and is not static"},
		{"a function that its prototype makes static", []string{"static int do_umount(struct mount *mnt, int flags)", "static int do_umount(struct mount *mnt, int flags);\nint do_umount(struct mount *mnt, int flags)"}, ""},
		{"a second system call by way of the hook", []string{root, "SYSCALL_DEFINE1(oldumount, char __user *, name)\n{\n	return ksys_umount(name, 0);\n}\n\n" + root}, ""},
		{"a function that compares texts is a macro", []string{head, "#define strcmp(a, b) 1\n" + head}, "what strcmp is"},
		{"the container's question is a macro", []string{head, "#\tdefine task_active_pid_ns(t) (&init_pid_ns)\n" + head}, "what task_active_pid_ns is"},
		{"a flag is defined anew", []string{head, "#undef MNT_FORCE\n" + head}, "what MNT_FORCE is"},
		{"a function on the way is a macro", []string{head, "#define do_umount(m, f) umount_now(m)\n" + head}, "what do_umount is"},
		{"a macro that has nothing to do with it", []string{head, "#define HASH_SIZE 64\n" + head}, ""},
		{"a jump into a block", []string{"	if (!ret)\n" + down, "	if (flags & MNT_DETACH)\n		goto doit;\n	if (!ret)\ndoit:\n" + down}, "goto doit"},
		{"flags that cannot be written to", []string{"path_umount(struct path *path, int flags)", "path_umount(struct path *path, const int flags)"}, "flags is const"},
		{"umount_begin without MNT_FORCE", []string{down, "		ret = do_umount(mnt, flags & MNT_DETACH ? flags | MNT_FORCE : flags);"}, "where MNT_FORCE is not set"},
		{"a path that cannot be written to", []string{"path_umount(struct path *path, int flags)", "path_umount(const struct path *path, int flags)"}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			edit := func(s string) string {
				for i := 0; i < len(test.edits); i += 2 {
					// What is edited lies in path_umount or around it, or is the head of do_umount.
					at := strings.Index(s, head)
					if strings.Contains(test.edits[i], "struct mount *mnt, int flags)") {
						at = 0
					}
					rest := strings.Replace(s[at:], test.edits[i], test.edits[i+1], 1)
					if rest == s[at:] {
						t.Fatalf("nothing is replaced by %q", test.edits[i+1])
					}
					s = s[:at] + rest
				}
				return s
			}
			before := edit(withHooks(t, "mainline", nil))
			hooks := map[string]string{"helper": decision, "before-can": decided, "after-can": logged}
			after := edit(withHooks(t, "mainline", hooks))
			names := namesFor("mainline")
			names.headers["include/linux/vendor.h"] = []byte("#define DO(x) \\\n\tdo_##x\n#define BEGINS(x) x##_begin // it\n" +
				"#define DO2(x) \\\n\tDO(x)\n#define CAT_(a, b) a ## b\n#define CAT(a, b) CAT_(a, b)\n#define CAT3(a, b, c) CAT(CAT(a, b), c)\n#define DO3(a, b) DO2(CAT(a, b))\n" +
				"#define APPLY(f, x) f(x)\n#define ALL(args...) CAT(args)\n#define TEXT(a, b) #a #b\n#ifdef CONFIG_VENDOR\n#define ABORT(sb)\n#else\n#define ABORT(sb) (sb)->s_op->BEGINS(umount)(sb)\n#endif\n")
			names.order = append(names.order, "include/linux/vendor.h")
			g, err := Check(t.Context(), []byte(before), []byte(after), names)
			if test.doubt == "" {
				if err != nil {
					t.Errorf("refused: %v", err)
				}
				return
			}
			if g.Verdict != Unsure || !slices.ContainsFunc(g.Doubts, func(f Fault) bool { return strings.Contains(f.Reason, test.doubt) }) {
				t.Errorf("%s: %v", g.Verdict, err)
			}
		})
	}
}

// A header that calls umount_begin is a second way to it, whoever uses it.
func TestHeaderThatBegins(t *testing.T) {
	for _, test := range []struct {
		header string
		doubt  bool
	}{
		{"struct super_operations {\n	void (*umount_begin) (struct super_block *);\n};\n", false},
		{"/* sb->s_op->umount_begin(sb) takes the file system away */\n// sb->s_op->umount_begin(sb)\n#define SAY \"sb->s_op->umount_begin(sb)\"\n", false},
		{"static inline void sb_begin(struct super_block *sb)\n{\n	if (sb->s_op->umount_begin)\n		sb->s_op->umount_begin(sb);\n}\n", true},
		{"#define sb_begin(ops, sb) (*(ops).umount_begin)(sb)\n", true},
		{"#define SAY '\"'\nstatic inline void sb_begin(struct super_block *sb) { sb->s_op /* it */ -> umount_begin(sb); }\n", true},
	} {
		names := namesFor("mainline")
		names.headers["include/linux/vendor.h"] = []byte(test.header)
		names.order = append(names.order, "include/linux/vendor.h")
		hooks := map[string]string{"helper": decision, "before-can": decided, "after-can": logged}
		g, err := Check(t.Context(), []byte(withHooks(t, "mainline", nil)), []byte(withHooks(t, "mainline", hooks)), names)
		found := slices.ContainsFunc(g.Doubts, func(f Fault) bool {
			return strings.HasPrefix(f.Reason, "there is more than one way to umount_begin: include/linux/vendor.h")
		})
		if found != test.doubt || (err != nil) != test.doubt {
			t.Errorf("%s: %v", test.header, err)
		}
	}
}
