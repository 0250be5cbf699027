// SPDX-License-Identifier: GPL-2.0-only
/*
 * ovzlivepatch - what the patch for fs/namespace.c does, without a reboot
 *
 * Replaces path_umount() by a function that drops MNT_FORCE where a container
 * asks for it on Lustre, and security_sb_umount() by one that tells the host's
 * log. Both go on into the old ones (old.S says how). The module fits one build
 * of one kernel, and refuses every other when it is loaded.
 */

#include <linux/elf.h>
#include <linux/errno.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/path.h>
#include <linux/pid_namespace.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/string.h>

#include "old.h"
#include "build-id.h"

/*
 * MNT_FORCE acts on the superblock, not on one mount: it would take Lustre away
 * from every other container and from the host.
 */
static bool container_forces_lustre(const struct path *path, int flags)
{
	const char *type = path->dentry->d_sb->s_type->name;

	/* With MNT_EXPIRE the flag is no request to force, but EINVAL. */
	return (flags & (MNT_FORCE | MNT_EXPIRE)) == MNT_FORCE &&
	       task_active_pid_ns(current) != &init_pid_ns &&
	       (!strcmp(type, "lustre") || !strcmp(type, "lustre_tgt"));
}

/*
 * The flag that takes MNT_FORCE's place, for the way from path_umount() to
 * security_sb_umount(). The kernel promises not to use it, and no caller of
 * umount2() gets it past the system call's own check.
 */
#define OVERRIDE ((int)UMOUNT_UNUSED)

static int ovz_path_umount(struct path *path, int flags)
{
	int ret;

	if (!container_forces_lustre(path, flags))
		return ovz_old_path_umount(path, flags);

	ret = ovz_old_path_umount(path, (flags & ~MNT_FORCE) | OVERRIDE);
	/*
	 * No tail call: while this function is on a task's stack the livepatch
	 * stays in effect for that task, and what is below meets the flag.
	 */
	barrier();
	return ret;
}

/*
 * path_umount() asks the security modules when its own permission checks are
 * done: a caller who may not umount at all, or a path that is no mount point,
 * leaves no line in the log.
 */
static int ovz_security_sb_umount(struct vfsmount *mnt, int flags)
{
	if (flags & OVERRIDE)
		pr_warn_ratelimited("Forced umount of lustre fs is not allowed inside container (%u). Overriding MNT_FORCE flag.\n",
				    task_active_pid_ns(current)->ns.inum);
	return ovz_old_security_sb_umount(mnt, flags & ~OVERRIDE);
}

static struct klp_func funcs[] = {
	{
		.old_name = "path_umount",
		.new_func = ovz_path_umount,
	},
	{
		.old_name = "security_sb_umount",
		.new_func = ovz_security_sb_umount,
	},
	{ }
};

/*
 * The old functions are entered behind their call of ftrace, at a distance that
 * was fixed when this module was built. So that call must be where it is
 * expected.
 */
static int check_entry(struct klp_object *obj)
{
	static const u8 nop[] = { 0x0f, 0x1f, 0x44, 0x00, 0x00 };
	const struct klp_func *func;

	for (func = obj->funcs; func->old_name; func++) {
		const u8 *call = (const u8 *)func->old_func + OVZ_ENTRY - sizeof(nop);

		if (*call == 0xe8 || !memcmp(call, nop, sizeof(nop)))
			continue;
		pr_err("ovzlivepatch: %s does not begin as this module expects (%*ph): not loaded\n",
		       func->old_name, OVZ_ENTRY, func->old_func);
		return -EINVAL;
	}
	return 0;
}

/* A name of NULL is the kernel itself. */
static struct klp_object objs[] = {
	{
		.funcs = funcs,
		.callbacks = { .pre_patch = check_entry },
	},
	{ }
};

/*
 * Not with .replace: that would take away other livepatches, which a node may
 * have for good reasons.
 */
static struct klp_patch patch = {
	.mod = THIS_MODULE,
	.objs = objs,
};

/* Tells whether this kernel is the build that the module was made for. */
static bool made_for_this_kernel(void)
{
	const char *at = ovz_notes.start;

	while (at + sizeof(Elf64_Nhdr) <= ovz_notes.stop) {
		const Elf64_Nhdr *note = (const Elf64_Nhdr *)at;
		const char *name = at + sizeof(*note);
		const char *desc = name + ALIGN(note->n_namesz, 4);

		at = desc + ALIGN(note->n_descsz, 4);
		if (note->n_type == 3 /* NT_GNU_BUILD_ID */ &&
		    note->n_namesz == sizeof("GNU") && !memcmp(name, "GNU", 4))
			return note->n_descsz == sizeof(ovz_build_id) &&
			       !memcmp(desc, ovz_build_id, sizeof(ovz_build_id));
	}
	return false;
}

static int __init ovzlivepatch_init(void)
{
	if (!made_for_this_kernel()) {
		pr_err("ovzlivepatch: made for the kernel with build id %*phN, which this is not: not loaded\n",
		       (int)sizeof(ovz_build_id), ovz_build_id);
		return -ENODEV;
	}
	return klp_enable_patch(&patch);
}

static void __exit ovzlivepatch_exit(void)
{
}

module_init(ovzlivepatch_init);
module_exit(ovzlivepatch_exit);
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
MODULE_DESCRIPTION("does not let a container force the umount of Lustre");
