// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"slices"
	"strings"
	"testing"
)

// umount_begin must be called on the superblock of which the hook asked the type, whatever the
// source without the patch does on the way there.
func TestSuperblocks(t *testing.T) {
	const (
		head  = "// caller is responsible"
		first = "	ret = can_umount(path, flags);\n"
		down  = "		ret = do_umount(mnt, flags);"
		sb    = "	struct super_block *sb = mnt->mnt.mnt_sb;\n	int retval;\n"
		calls = "	if (flags & MNT_FORCE && sb->s_op->umount_begin) {\n"
		begin = "		sb->s_op->umount_begin(sb);\n"
	)
	for _, test := range []struct {
		name  string
		edits []string // pairs of what is replaced in both texts, and by what
		doubt string   // part of it, "" for none
	}{
		{"nothing", nil, ""},
		{"the parent's mount", []string{down, "		ret = do_umount(mnt->mnt_parent, flags);"}, "called on real_mount(path.mnt)->mnt_parent->mnt.mnt_sb, the hook asks of path.dentry->d_sb"},
		{"another path", []string{first, "	path = vendor_lower(path);\n	mnt = real_mount(path->mnt);\n" + first}, "called on vendor_lower(&path)->mnt->mnt_sb, the hook asks of"},
		{"another mount of the path", []string{first, "	path->mnt = vendor_lower(path);\n	mnt = real_mount(path->mnt);\n" + first}, "called on vendor_lower(&path)->mnt_sb, the hook asks of"},
		{"another mount in a branch", []string{first, "	if (path->mnt->mnt_flags & MNT_SHRINKABLE)\n		mnt = mnt->mnt_parent;\n" + first}, "mnt_parent->mnt.mnt_sb, the hook asks of"},
		{"another mount by its address", []string{first, "	vendor_lower(&mnt);\n" + first}, "umount_begin is called on"},
		{"a path that is written as a whole", []string{first, "	*path = vendor_path(1);\n	mnt = real_mount(path->mnt);\n" + first}, "behind an assignment, and the hook asked before"},
		{"a path that a call may change", []string{first, "	follow_down(path);\n	mnt = real_mount(path->mnt);\n" + first}, "behind follow_down(), and the hook asked before"},
		{"a path that a call of the file may change", []string{head, "static void lower(struct path *p)\n{\n	vendor(p);\n}\n\n" + head, first, "	lower(path);\n" + first}, "behind lower(), and the hook asked before"},
		{"a path that a call of the file only reads", []string{head, "static void look(const struct path *p)\n{\n	vendor(p);\n}\n\n" + head, first, "	look(path);\n" + first}, ""},
		{"a path that a header's function only reads", []string{first, "	if (!looks_right(1, path))\n		return -EINVAL;\n" + first}, ""},
		{"a path in a loop", []string{first, "	while (d_mountpoint(path->dentry))\n		path->mnt = lower(path);\n" + first}, "behind a statement that is not followed"},
		{"a second one", []string{begin, begin + "		if (sb->s_lower)\n			sb->s_lower->s_op->umount_begin(sb->s_lower);\n"}, "called on path.mnt->mnt_sb->s_lower, the hook asks of"},
		{"a second one on the same", []string{begin, begin + "		sb->s_op->umount_begin(mnt->mnt.mnt_root->d_sb);\n"}, ""},
		{"the operation of another", []string{begin, "		sb->s_lower->s_op->umount_begin(sb);\n"}, "called on path.mnt->mnt_sb->s_lower, the hook asks of"},
		{"by a pointer", []string{begin, "		void (*begin)(struct super_block *) = sb->s_lower->s_op->umount_begin;\n		begin(sb->s_lower);\n"}, "a statement with umount_begin that is not followed"},
		{"by a pointer that is set later", []string{begin, "		void (*begin)(struct super_block *);\n		begin = sb->s_op->umount_begin;\n		begin(sb->s_lower);\n"}, "s_lower, the hook asks of"},
		{"a pointer to a function on the way", []string{first, "	int (*umounter)(struct mount *, int);\n	umounter = do_umount;\n	umounter(mnt->mnt_parent, flags);\n" + first}, "do_umount is not called where it is named"},
		{"a function on the way as an argument", []string{first, "	vendor_call(do_umount, mnt->mnt_parent, flags);\n" + first}, "do_umount is not called where it is named"},
		{"given away", []string{begin, "		vendor_call(sb->s_op->umount_begin, sb->s_lower);\n" + begin}, "vendor_call() is given umount_begin"},
		{"on the mount", []string{begin, "		sb->s_op->umount_begin(&mnt->mnt, flags);\n"}, ""},
		{"the mounts below", []string{calls, "	list_for_each_entry(p, &mnt->mnt_mounts, mnt_child)\n		if (p->mnt.mnt_sb->s_op->umount_begin)\n			p->mnt.mnt_sb->s_op->umount_begin(p->mnt.mnt_sb);\n" + calls}, "a statement with umount_begin that is not followed"},
		{"the mounts below, by a function", []string{first, first + "	list_for_each_entry(p, &mnt->mnt_mounts, mnt_child)\n		ret = do_umount(p, flags);\n"}, "a statement with do_umount that is not followed"},
		{"a superblock that is set later", []string{sb, "	struct super_block *sb = NULL;\n	int retval;\n", calls, "	sb = mnt->mnt.mnt_sb;\n" + calls}, ""},
		{"a superblock that goes to the parent", []string{calls, "	sb = mnt->mnt_parent->mnt.mnt_sb;\n" + calls}, "mnt_parent->mnt.mnt_sb, the hook asks of"},
	} {
		t.Run(test.name, func(t *testing.T) {
			edit := func(s string) string {
				for i := 0; i < len(test.edits); i += 2 {
					is := strings.Replace(s, test.edits[i], test.edits[i+1], 1)
					if is == s {
						t.Fatalf("nothing is replaced by %q", test.edits[i+1])
					}
					s = is
				}
				return s
			}
			hooks := map[string]string{"helper": decision, "before-can": decided, "after-can": logged}
			names := namesFor("mainline")
			names.headers["include/linux/namei.h"] = []byte("bool it_looks_right(struct path *);\nbool looks_right(int how,\n\t\t const struct path *path);\n")
			names.order = append(names.order, "include/linux/namei.h")
			g, err := Check(t.Context(), []byte(edit(withHooks(t, "mainline", nil))), []byte(edit(withHooks(t, "mainline", hooks))), names)
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
