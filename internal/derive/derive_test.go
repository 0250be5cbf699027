// SPDX-License-Identifier: Apache-2.0

package derive_test

import (
	"errors"
	"maps"
	"strings"
	"testing"

	"ovzpatch/internal/derive"
	"ovzpatch/internal/gate"
)

// The pieces that the sources of these tests are put together from. They are reduced to what
// the way of a forced umount needs.
const (
	top = "#include <linux/fs.h>\n#include <linux/kernel.h>\n#include \"internal.h\"\n\n"

	doUmountOld = `static int do_umount(struct vfsmount *mnt, int flags)
{
	struct super_block *sb = mnt->mnt_sb;
	int retval;

	retval = security_sb_umount(mnt, flags);
	if (retval)
		return retval;

	if (flags & MNT_EXPIRE) {
		if (mnt == current->fs->rootmnt ||
		    flags & (MNT_FORCE | MNT_DETACH))
			return -EINVAL;
		if (!xchg(&mnt->mnt_expiry_mark, 1))
			return -EAGAIN;
	}

	/* what takes long is begun here */
	lock_kernel();
	if (sb->s_op->umount_begin)
		sb->s_op->umount_begin(mnt, flags);
	unlock_kernel();
	return umount_rest(mnt, flags);
}

`
	sysUmountOld = `/*
 * Now umount can handle mount points as well as block devices.
 */
asmlinkage long sys_umount(char __user *name, int flags)
{
	struct nameidata nd;
	int retval;

	retval = __user_walk(name, LOOKUP_FOLLOW, &nd);
	if (retval)
		goto out;
	retval = -EINVAL;
	if (nd.dentry != nd.mnt->mnt_root)
		goto dput_and_out;
	retval = -EPERM;
	if (!capable(CAP_SYS_ADMIN))
		goto dput_and_out;

	retval = do_umount(nd.mnt, flags);
dput_and_out:
	path_release_on_umount(&nd);
out:
	return retval;
}
`
	doUmount = `static int do_umount(struct mount *mnt, int flags)
{
	struct super_block *sb = mnt->mnt.mnt_sb;

	if (flags & MNT_EXPIRE) {
		if (flags & (MNT_FORCE | MNT_DETACH))
			return -EINVAL;
	}
	if (flags & MNT_FORCE && sb->s_op->umount_begin) {
		sb->s_op->umount_begin(sb);
	}
	return umount_rest(mnt, flags);
}

static inline bool may_mount(void)
{
	return ns_capable(current->nsproxy->mnt_ns->user_ns, CAP_SYS_ADMIN);
}

`
	gateInside = `SYSCALL_DEFINE2(umount, char __user *, name, int, flags)
{
	struct path path;
	struct mount *mnt;
	int retval;

	if (flags & ~(MNT_FORCE | MNT_DETACH | MNT_EXPIRE | UMOUNT_NOFOLLOW))
		return -EINVAL;
	if (!may_mount())
		return -EPERM;
	retval = user_path_at(AT_FDCWD, name, 0, &path);
	if (retval)
		goto out;
	mnt = real_mount(path.mnt);
	retval = -EINVAL;
	if (path.dentry != path.mnt->mnt_root)
		goto dput_and_out;
	retval = -EPERM;
	if (flags & MNT_FORCE && !capable(CAP_SYS_ADMIN))
		goto dput_and_out;
	retval = do_umount(mnt, flags);
dput_and_out:
	dput(path.dentry);
out:
	return retval;
}
`
	gateApart = `static int can_umount(const struct path *path, int flags)
{
	if (!may_mount())
		return -EPERM;
	if (path->dentry != path->mnt->mnt_root)
		return -EINVAL;
	if (flags & MNT_FORCE && !capable(CAP_SYS_ADMIN))
		return -EPERM;
	return 0;
}

// caller is responsible for flags being sane
int path_umount(const struct path *path, int flags)
{
	struct mount *mnt = real_mount(path->mnt);
	int ret;

	ret = can_umount(path, flags);
	if (!ret)
		ret = do_umount(mnt, flags);
	dput(path->dentry);
	return ret;
}

static int ksys_umount(char __user *name, int flags)
{
	struct path path;
	int ret;

	ret = user_path_at(AT_FDCWD, name, 0, &path);
	if (ret)
		return ret;
	return path_umount(&path, flags);
}

SYSCALL_DEFINE2(umount, char __user *, name, int, flags)
{
	return ksys_umount(name, flags);
}
`
)

// Headers of kernels with this and that.
var (
	pidNumber = map[string]string{
		"include/linux/fs.h":            "typedef _Bool bool;\nextern int strcmp(const char *, const char *);\nstruct path;\n#define MNT_FORCE 1\n#define MNT_DETACH 2\n#define MNT_EXPIRE 4\n#define CONFIG current\n",
		"include/linux/kernel.h":        "#define pr_warn_ratelimited(fmt, ...) x\n#define KERN_WARNING\n",
		"include/linux/pid_namespace.h": "struct ns_common {\n\tunsigned int inum;\n};\nstruct pid_namespace {\n\tstruct ns_common ns;\n};\nextern struct pid_namespace init_pid_ns;\nextern struct pid_namespace *task_active_pid_ns(struct task_struct *tsk);\n",
	}
	pidProc = with(pidNumber, map[string]string{
		"include/linux/pid_namespace.h": "struct pid_namespace {\n\tint level;\n\tunsigned int proc_inum;\n};\nextern struct pid_namespace init_pid_ns;\nextern struct pid_namespace *task_active_pid_ns(struct task_struct *tsk);\n",
	})
	pidReaper = with(pidNumber, map[string]string{
		"include/linux/kernel.h":        "#define KERN_WARNING\nextern int printk(const char *fmt, ...);\nextern int printk_ratelimit(void);\n",
		"include/linux/sched.h":         "struct task_struct {\n\tpid_t pid;\n};\n",
		"include/linux/pid_namespace.h": "struct pid_namespace {\n\tstruct task_struct *child_reaper;\n};\nextern struct pid_namespace init_pid_ns;\nextern struct pid_namespace *task_active_pid_ns(struct task_struct *tsk);\n",
	})
	veNumber = with(pidNumber, map[string]string{
		"include/linux/ve.h":          "#define get_exec_env() (current->ve)\n#define ve_is_super(env) ((env) == get_ve0())\n#define VEID(ve) ((ve)->veid)\nstruct ve_struct {\n\tenvid_t veid;\n};\n",
		"include/linux/kernel.h":      "#define KERN_WARNING\n#define VE0_LOG 1\nextern int ve_printk(int, const char *fmt, ...);\nextern int HZ;\n",
		"include/linux/vzratelimit.h": "struct vz_rate_info {\n\tint burst;\n};\nint vz_ratelimit(struct vz_rate_info *p);\n",
	})
	veField = with(pidNumber, map[string]string{
		"include/linux/ve.h": "static inline struct ve_struct *get_exec_env(void)\n{\n}\nstatic inline int ve_is_super(struct ve_struct *ve)\n{\n}\nstruct ve_struct {\n\tenvid_t veid;\n};\n",
	})
	veName = with(pidNumber, map[string]string{
		"include/linux/ve.h": "struct ve_struct *get_exec_env(void);\nint ve_is_super(struct ve_struct *ve);\nconst char *ve_name(struct ve_struct *ve);\n",
	})
)

func with(base, more map[string]string) map[string]string {
	all := map[string]string{}
	for _, m := range []map[string]string{base, more} {
		maps.Copy(all, m)
	}
	return all
}

func source(text string, headers map[string]string) derive.Source {
	src := derive.Source{Kernel: "5.0.0", Version: [3]int{5, 0, 0}, Files: map[string][]byte{gate.File: []byte(text)}}
	for name, data := range headers {
		src.Files[name] = []byte(data)
	}
	return src
}

func TestDerive(t *testing.T) {
	for _, test := range []struct {
		name, text         string
		headers            map[string]string
		function, gate, id string
		lines              []string // which the patch has
		include, notIn     string
	}{
		{
			"no gate, pid namespaces without a number", top + doUmountOld + sysUmountOld, pidReaper, "do_umount", "", "task_active_pid_ns(current)->child_reaper->pid",
			[]string{"+	if (container_forces_lustre(sb, flags)) {", "+		if (printk_ratelimit())", "container (%d)"},
			"linux/pid_namespace.h linux/sched.h", "",
		},
		{
			"no gate, VEs", top + doUmountOld + sysUmountOld, veNumber, "do_umount", "", "VEID(get_exec_env())",
			[]string{"+	if (ve_forces_lustre(sb, flags)) {", "+		static struct vz_rate_info rate = { 10, 5 * HZ };", "+			ve_printk(VE0_LOG, KERN_WARNING"},
			"linux/ve.h linux/vzratelimit.h", "",
		},
		{
			"gate in the system call", top + doUmount + gateInside, pidProc, "sys_umount", "sys_umount", "task_active_pid_ns(current)->proc_inum",
			[]string{"+	if (container_forces_lustre(path.mnt->mnt_sb, flags)) {", "container (%u)"},
			"linux/pid_namespace.h", "override",
		},
		{
			"gate in a function of its own", top + doUmount + gateApart, pidNumber, "path_umount", "can_umount", "task_active_pid_ns(current)->ns.inum",
			[]string{"+	bool override = container_forces_lustre(path->mnt->mnt_sb, flags);", "+	if (!ret && override)"},
			"linux/pid_namespace.h", "",
		},
		{
			"a VE's field", top + doUmount + gateApart, veField, "path_umount", "can_umount", "get_exec_env()->veid",
			[]string{"+	bool override = ve_forces_lustre(path->mnt->mnt_sb, flags);"},
			"linux/ve.h", "",
		},
		{
			"a VE's name", top + doUmount + gateInside, veName, "sys_umount", "sys_umount", "ve_name(get_exec_env())",
			[]string{"container (%s)"},
			"linux/ve.h", "",
		},
		{
			"the header is there", "#include <linux/pid_namespace.h>\n" + top + doUmount + gateApart, pidNumber, "path_umount", "can_umount", "task_active_pid_ns(current)->ns.inum",
			nil, "", "+#include",
		},
		{
			"the header is there by another", top + doUmount + gateApart, with(pidNumber, map[string]string{"include/linux/kernel.h": "#ifndef K\n#define K\n#include <linux/pid_namespace.h>\n" + pidNumber["include/linux/kernel.h"] + "#endif\n"}),
			"path_umount", "can_umount", "task_active_pid_ns(current)->ns.inum", nil, "", "+#include",
		},
		{
			"the header is there only where an option is set", top + doUmount + gateApart, with(pidNumber, map[string]string{"include/linux/kernel.h": "#ifdef CONFIG_X\n#include <linux/pid_namespace.h>\n#endif\n" + pidNumber["include/linux/kernel.h"]}),
			"path_umount", "can_umount", "task_active_pid_ns(current)->ns.inum", nil, "linux/pid_namespace.h", "",
		},
		{
			"a prefix to all messages", "#define pr_fmt(fmt) \"fs: \" fmt\n" + top + doUmount + gateApart, with(pidNumber, map[string]string{"include/linux/kernel.h": "#define printk_ratelimited(fmt, ...) x\n" + pidNumber["include/linux/kernel.h"]}),
			"path_umount", "can_umount", "task_active_pid_ns(current)->ns.inum",
			[]string{"+		printk_ratelimited(KERN_WARNING"},
			"linux/pid_namespace.h", "",
		},
		{
			"a test behind the gate", top + doUmount + strings.Replace(gateInside, "	retval = do_umount(", "	retval = -EBUSY;\n	if (is_busy(mnt))\n		goto dput_and_out;\n	retval = do_umount(", 1), pidProc,
			"sys_umount", "sys_umount", "task_active_pid_ns(current)->proc_inum",
			[]string{"+	override = container_forces_lustre(path.mnt->mnt_sb, flags);", "+	if (override)"},
			"linux/pid_namespace.h", "",
		},
		{
			"gate where umount_begin is called", top + strings.Replace(doUmount, "	if (flags & MNT_FORCE && sb", "	if (flags & MNT_FORCE && !capable(CAP_SYS_ADMIN))\n		return -EPERM;\n	if (flags & MNT_FORCE && sb", 1) +
				strings.Replace(gateInside, "	retval = -EPERM;\n	if (flags & MNT_FORCE && !capable(CAP_SYS_ADMIN))\n		goto dput_and_out;\n", "", 1), pidProc,
			"do_umount", "do_umount", "task_active_pid_ns(current)->proc_inum",
			[]string{"+	if (container_forces_lustre(sb, flags)) {"},
			"linux/pid_namespace.h", "",
		},
		{
			"gate in two conditions", top + doUmount + strings.Replace(gateApart, "	if (flags & MNT_FORCE && !capable(CAP_SYS_ADMIN))\n		return -EPERM;\n", "	if (flags & MNT_FORCE) {\n		if (!capable(CAP_SYS_ADMIN))\n			return -EPERM;\n	}\n", 1), pidNumber,
			"path_umount", "can_umount", "task_active_pid_ns(current)->ns.inum",
			[]string{"+	if (!ret && override)"},
			"linux/pid_namespace.h", "",
		},
		{
			"gate in two conditions, inside", top + doUmount + strings.Replace(gateInside, "	if (flags & MNT_FORCE && !capable(CAP_SYS_ADMIN))\n		goto dput_and_out;\n", "	if (flags & MNT_FORCE)\n		if (!capable(CAP_SYS_ADMIN))\n			goto dput_and_out;\n", 1), pidProc,
			"sys_umount", "sys_umount", "task_active_pid_ns(current)->proc_inum", nil, "linux/pid_namespace.h", "",
		},
		{
			"a caller with another name for the flags", top + doUmount + strings.ReplaceAll(strings.ReplaceAll(gateApart, "int flags", "int how"), "flags", "how"), pidNumber,
			"path_umount", "can_umount", "task_active_pid_ns(current)->ns.inum",
			[]string{"+		how &= ~MNT_FORCE;"},
			"linux/pid_namespace.h", "",
		},
		{
			"a trace point is told the flags before the path is known", top + doUmount + strings.Replace(gateApart, "	ret = user_path_at(", "	trace_android_rvh_ksys_umount(name, flags);\n	ret = user_path_at(", 1), pidNumber,
			"path_umount", "can_umount", "task_active_pid_ns(current)->ns.inum", nil, "linux/pid_namespace.h", "",
		},
		{
			"CR LF", strings.ReplaceAll(top+doUmount+gateApart, "\n", "\r\n"), pidNumber, "path_umount", "can_umount", "task_active_pid_ns(current)->ns.inum",
			[]string{"+	if (!ret && override)\r"},
			"linux/pid_namespace.h", "",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			src := source(test.text, test.headers)
			p, err := derive.Derive(src, gate.NewNames(src.Files))
			if err != nil {
				t.Fatal(err)
			}
			goesIn(t, src, p)
			if p.Function != test.function || p.Gate != test.gate || p.ID != test.id {
				t.Errorf("in %s, gate in %q, id %s", p.Function, p.Gate, p.ID)
			}
			for _, l := range append(test.lines, "Derived-for: 5.0.0", "Nobody has tried it") {
				if !strings.Contains(string(p.Patch), l) {
					t.Errorf("no %q in\n%s", l, p.Patch)
				}
			}
			if test.notIn != "" && strings.Contains(string(p.Patch), test.notIn) {
				t.Errorf("%q in\n%s", test.notIn, p.Patch)
			}
			if strings.Join(p.Includes, " ") != test.include {
				t.Errorf("includes %q", p.Includes)
			}
			for _, d := range p.Decisions {
				for _, l := range d.Lines {
					if l.File == gate.File && (l.Line < 1 || l.Text == "") {
						t.Errorf("%s: %+v", d.What, l)
					}
				}
			}
		})
	}
}

// What is not sure is a question, which says what to answer.
func TestQuestions(t *testing.T) {
	whole := top + doUmount + gateApart
	for _, test := range []struct {
		name, text string
		headers    map[string]string
		asks       string
	}{
		{"no system call", top + doUmount, pidNumber, "no umount system call"},
		{"nothing at all", "\n", pidNumber, "no umount system call"},
		{"no umount_begin", strings.ReplaceAll(whole, "umount_begin", "umount_start"), pidNumber, "no call of umount_begin"},
		{"no containers", whole, map[string]string{"include/linux/fs.h": "int strcmp(void);\n"}, "what is a container here"},
		{"no headers, a distributor's", whole, nil, "no headers"},
		{"VEs by half", whole, with(pidNumber, map[string]string{"include/linux/ve.h": "#define get_exec_env() x\n"}), "get_exec_env() and ve_is_super()"},
		{"VEs without a number", whole, with(pidNumber, map[string]string{"include/linux/ve.h": "#define get_exec_env() x\n#define ve_is_super(e) x\n"}), "what is their number"},
		{"Linux-VServer", whole, with(pidNumber, map[string]string{"include/linux/vs_context.h": "#define vx_current_xid() x\n"}), "Linux-VServer"},
		{"pid namespaces without anything", whole, with(pidNumber, map[string]string{"include/linux/pid_namespace.h": "extern struct pid_namespace init_pid_ns;\nextern struct pid_namespace *task_active_pid_ns(int);\n"}), "what is to be the container's id"},
		{"no rate limit", whole, with(pidNumber, map[string]string{"include/linux/kernel.h": "#define KERN_WARNING\n"}), "flooding the host's log"},
		{"a port is in", strings.Replace(whole, "	ret = can_umount", "	if (!strcmp(path->mnt->mnt_sb->s_type->name, \"lustre\"))\n		flags &= ~MNT_FORCE;\n	ret = can_umount", 1), pidNumber, "speaks of lustre already"},
		{"mixed ends of lines", strings.Replace(whole, "\n", "\r\n", 3), pidNumber, "which is meant"},
		{"two ways", top + doUmount + strings.Replace(gateApart, "	return path_umount(&path, flags);", "	if (flags)\n		return path_umount(&path, flags);\n	return do_umount(real_mount(path.mnt), flags);", 1), pidNumber, "more than one way"},
		{"another function that umounts", top + doUmount + gateInside + "\nint path_umount(struct path *path, int flags)\n{\n	return do_umount(real_mount(path->mnt), flags);\n}\n", pidProc, "path_umount() comes to it without the hook"},
		{"a trace point that may change the flags", strings.Replace(whole, "	ret = user_path_at(", "	trace_android_rvh_ksys_umount(name, &flags);\n	ret = user_path_at(", 1), pidNumber, "not known to be right"},
		{"a function told the flags that is no trace point", strings.Replace(whole, "	ret = user_path_at(", "	vendor_umount(name, flags);\n	ret = user_path_at(", 1), pidNumber, "not known to be right"},
		{"flags that cannot be written to", top + doUmount + strings.Replace(gateApart, "*path, int flags)\n{\n	struct mount *mnt = real_mount(path->mnt);\n	int ret;", "*path, const int flags)\n{\n	struct mount *mnt = real_mount(path->mnt);\n	int ret;", 1), pidNumber, "flags is const"},
		{"the gate's answer is asked where it is declared", strings.Replace(whole, "	int ret;\n\n	ret = can_umount", "	int ret = can_umount", 1), pidNumber, "where does the hook belong"},
		{"the gate is hidden in a variable", strings.Replace(strings.Replace(whole, "	if (!may_mount())\n", "	bool force = flags & MNT_FORCE;\n\n	if (!may_mount())\n", 1), "if (flags & MNT_FORCE && !capable", "if (force && !capable", 1), pidNumber, "not known to be right"},
		{"flags from elsewhere", strings.Replace(whole, "can_umount(path, flags);", "can_umount(path, flags | extra);", 1), pidNumber, "which variable holds the flags"},
		{"an expire test behind", top + strings.Replace(strings.Replace(doUmountOld, "	if (flags & MNT_EXPIRE) {", "	if (flags & MNT_DETACH) {", 1), "	return umount_rest", "	if (flags & MNT_EXPIRE)\n		return -EINVAL;\n	return umount_rest", 1) + sysUmountOld, pidReaper, "no MNT_EXPIRE test before"},
		{"a variable override", strings.Replace(whole, "	int ret;\n\n	ret = can", "	int ret, override;\n\n	ret = can", 1), pidNumber, "has a variable override"},
		{"a path by number", strings.ReplaceAll(strings.Replace(whole, "	struct mount *mnt = real_mount(path->mnt);\n	int ret;\n\n	ret", "	struct mount *mnt = find_mount(number);\n	int ret;\n\n	ret", 1), "path_umount(const struct path *path,", "path_umount(int number,"), pidNumber, "by what is the superblock known"},
	} {
		t.Run(test.name, func(t *testing.T) {
			src := source(test.text, test.headers)
			p, err := derive.Derive(src, gate.NewNames(src.Files))
			var q *derive.Question
			if !errors.As(err, &q) {
				t.Fatalf("error %v, port\n%+v", err, p)
			}
			if !strings.Contains(q.Error(), test.asks) {
				t.Errorf("asks %q", q.Error())
			}
		})
	}
}

// Where a plain kernel's headers are not at hand its version says what it has.
func TestByVersion(t *testing.T) {
	for version, want := range map[[3]int]string{
		{6, 1, 0}:  "task_active_pid_ns(current)->ns.inum",
		{3, 19, 0}: "task_active_pid_ns(current)->ns.inum",
		{3, 18, 0}: "task_active_pid_ns(current)->proc_inum",
		{3, 8, 0}:  "task_active_pid_ns(current)->proc_inum",
		{3, 7, 0}:  "task_active_pid_ns(current)->child_reaper->pid",
		{2, 6, 23}: "",
		{2, 6, 32}: "task_active_pid_ns(current)->child_reaper->pid",
	} {
		src := source(top+doUmount+gateApart, nil)
		src.Plain, src.Version = true, version
		p, err := derive.Derive(src, nil)
		switch {
		case want == "":
			if _, ok := errors.AsType[*derive.Question](err); !ok {
				t.Errorf("%v: error %v", version, err)
			}
		case err != nil:
			t.Errorf("%v: %v", version, err)
		case p.ID != want || !strings.Contains(string(p.Patch), "The headers were not at hand"):
			t.Errorf("%v: id %s", version, p.ID)
		}
	}
}

// FuzzDerive: whatever the text holds, deriving ends, and what comes of it goes in.
func FuzzDerive(f *testing.F) {
	for _, text := range []string{top + doUmount + gateApart, top + doUmount + gateInside, top + doUmountOld + sysUmountOld} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		src := source(string(text), pidNumber)
		p, err := derive.Derive(src, gate.NewNames(src.Files))
		var q *derive.Question
		switch {
		case err == nil:
			goesIn(t, src, p)
		case !errors.As(err, &q):
			t.Error(err)
		}
	})
}

// The name of OpenVZ's kernels says that there are VEs. Where the headers at hand have none, a
// pid namespace would be a guess.
func TestOpenVZWithoutItsHeaders(t *testing.T) {
	src := source(top+doUmount+gateApart, pidNumber)
	src.OpenVZ = true
	_, err := derive.Derive(src, gate.NewNames(src.Files))
	var q *derive.Question
	if !errors.As(err, &q) || !strings.Contains(q.Error(), "one of OpenVZ's") {
		t.Errorf("error %v", err)
	}
}
