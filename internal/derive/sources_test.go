// SPDX-License-Identifier: Apache-2.0

package derive_test

import (
	"maps"

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
