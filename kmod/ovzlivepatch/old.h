/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef OVZ_OLD_H
#define OVZ_OLD_H

/* Bytes from the old function's start to what follows its call of ftrace. */
#ifdef CONFIG_X86_KERNEL_IBT
#define OVZ_ENTRY 9 /* behind endbr64 */
#else
#define OVZ_ENTRY 5
#endif

#ifndef __ASSEMBLY__

struct path;
struct vfsmount;

/* The functions as they are without this livepatch. */
int ovz_old_path_umount(struct path *path, int flags);
int ovz_old_security_sb_umount(struct vfsmount *mnt, int flags);

/* The kernel's ELF notes. */
extern const struct {
	const char *start, *stop;
} ovz_notes;

#endif
#endif
