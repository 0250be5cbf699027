// SPDX-License-Identifier: GPL-2.0-only
/*
 * lustreprobe - stands in for Lustre where the effect of umount2(MNT_FORCE) is
 * to be seen
 *
 * Registers the filesystem types of Lustre, "lustre" and "lustre_tgt", and some
 * whose names only resemble them. Each mount makes a superblock of its own, which
 * holds a few files that can be read and written. Once umount_begin was called
 * for a superblock everybody who uses it gets ESHUTDOWN, through whatever mount
 * or descriptor, as with a Lustre client whose imports were set inactive. A
 * superblock that is remounted read-only is so for everybody, as Lustre's is: the
 * VFS sees to that. What is counted stands in /sys/module/lustreprobe/parameters/.
 *
 * Compiles from 2.6.18 up.
 */

#include <linux/delay.h>
#include <linux/errno.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/spinlock.h>
#include <linux/stat.h>
#include <linux/string.h>
#include <linux/version.h>

#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 3, 0)
#include <linux/fs_context.h>
#endif

/* What the getattr and permission operations get first was renamed in 6.3. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 12, 0) && \
	LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
#define mnt_idmap user_namespace
#endif

#if LINUX_VERSION_CODE >= KERNEL_VERSION(4, 7, 0)
#define PROBE_READDIR .iterate_shared = dcache_readdir
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(3, 11, 0)
#define PROBE_READDIR .iterate = dcache_readdir
#else
#define PROBE_READDIR .readdir = dcache_readdir
#endif

#define PROBE_MAGIC 0x0BD00BD0 /* as Lustre's */

static const char probe_text[] = "alive\n";

/* A filesystem type, and how often umount_begin was called for it. */
struct lustreprobe_type {
	struct file_system_type fs;
	unsigned int begun;
	int registered;
};

static unsigned int superblocks;
module_param(superblocks, uint, 0444);
MODULE_PARM_DESC(superblocks, "superblocks that live");

static unsigned int put_supers;
module_param(put_supers, uint, 0444);
MODULE_PARM_DESC(put_supers, "superblocks that came to their end");

static unsigned int sleep_ms;
module_param(sleep_ms, uint, 0644);
MODULE_PARM_DESC(sleep_ms, "milliseconds that umount_begin sleeps");

#ifdef FS_VIRTUALIZED
static int virtualized;
module_param(virtualized, int, 0444);
MODULE_PARM_DESC(virtualized, "let containers see and mount the types");
#endif

static DEFINE_SPINLOCK(probe_lock);

/* s_fs_info is set by the first umount_begin, and serves no other end. */
static int probe_state(struct super_block *sb)
{
	return sb->s_fs_info ? -ESHUTDOWN : 0;
}

static void probe_force(struct super_block *sb)
{
	struct lustreprobe_type *type = container_of(sb->s_type, struct lustreprobe_type, fs);
	int first;

	spin_lock(&probe_lock);
	type->begun++;
	first = !sb->s_fs_info;
	sb->s_fs_info = sb->s_type;
	spin_unlock(&probe_lock);

	if (first && (!strcmp(type->fs.name, "lustre") ||
		      !strcmp(type->fs.name, "lustre_tgt")))
		pr_info("Lustre: setting import probe-MDT0000_UUID INACTIVE by administrator request\n");
	if (sleep_ms)
		msleep(sleep_ms);
}

#if LINUX_VERSION_CODE < KERNEL_VERSION(2, 6, 26)
/* These kernels call it for every umount, forced or not. */
static void probe_umount_begin(struct vfsmount *mnt, int flags)
{
	if (flags & MNT_FORCE)
		probe_force(mnt->mnt_sb);
}
#else
static void probe_umount_begin(struct super_block *sb)
{
	probe_force(sb);
}
#endif

static int probe_statfs(struct dentry *dentry, struct kstatfs *buf)
{
	int err = probe_state(dentry->d_sb);

	return err ? err : simple_statfs(dentry, buf);
}

/*
 * Path walks ask for permission in every directory, so this is what ends open,
 * stat, mkdir and the rest below the root.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(2, 6, 27)
static int probe_permission(struct inode *inode, int mask, struct nameidata *nd)
{
	return probe_state(inode->i_sb);
}
#elif LINUX_VERSION_CODE < KERNEL_VERSION(5, 12, 0)
static int probe_permission(struct inode *inode, int mask)
{
	return probe_state(inode->i_sb);
}
#else
static int probe_permission(struct mnt_idmap *idmap, struct inode *inode,
			    int mask)
{
	return probe_state(inode->i_sb);
}
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(4, 11, 0)
static int probe_getattr(struct vfsmount *mnt, struct dentry *dentry,
			 struct kstat *stat)
{
	int err = probe_state(dentry->d_sb);

	return err ? err : simple_getattr(mnt, dentry, stat);
}
#elif LINUX_VERSION_CODE < KERNEL_VERSION(5, 12, 0)
static int probe_getattr(const struct path *path, struct kstat *stat, u32 mask,
			 unsigned int flags)
{
	int err = probe_state(path->dentry->d_sb);

	return err ? err : simple_getattr(path, stat, mask, flags);
}
#else
static int probe_getattr(struct mnt_idmap *idmap, const struct path *path,
			 struct kstat *stat, u32 mask, unsigned int flags)
{
	int err = probe_state(path->dentry->d_sb);

	return err ? err : simple_getattr(idmap, path, stat, mask, flags);
}
#endif

static int probe_open(struct inode *inode, struct file *file)
{
	return probe_state(inode->i_sb);
}

static int probe_opendir(struct inode *inode, struct file *file)
{
	int err = probe_state(inode->i_sb);

	return err ? err : dcache_dir_open(inode, file);
}

static ssize_t probe_read(struct file *file, char __user *buf, size_t len,
			  loff_t *pos)
{
	int err = probe_state(file->f_mapping->host->i_sb);

	if (err)
		return err;
	return simple_read_from_buffer(buf, len, pos, probe_text,
				       sizeof(probe_text) - 1);
}

/* What is written is not kept: that it may be written is all that counts. */
static ssize_t probe_write(struct file *file, const char __user *buf,
			   size_t len, loff_t *pos)
{
	int err = probe_state(file->f_mapping->host->i_sb);

	if (err)
		return err;
	*pos += len;
	return len;
}

static const struct inode_operations probe_file_iops = {
	.getattr	= probe_getattr,
	.permission	= probe_permission,
};

static const struct inode_operations probe_dir_iops = {
	.lookup		= simple_lookup,
	.getattr	= probe_getattr,
	.permission	= probe_permission,
};

static const struct file_operations probe_file_fops = {
	.owner		= THIS_MODULE,
	.open		= probe_open,
	.read		= probe_read,
	.write		= probe_write,
};

static const struct file_operations probe_dir_fops = {
	.owner		= THIS_MODULE,
	.open		= probe_opendir,
	.release	= dcache_dir_close,
	.llseek		= dcache_dir_lseek,
	.read		= generic_read_dir,
	PROBE_READDIR,
};

static void probe_put_super(struct super_block *sb)
{
	spin_lock(&probe_lock);
	superblocks--;
	put_supers++;
	spin_unlock(&probe_lock);
}

static const struct super_operations probe_sops = {
	.statfs		= probe_statfs,
	.umount_begin	= probe_umount_begin,
	.put_super	= probe_put_super,
};

static struct inode *probe_inode(struct super_block *sb, unsigned long ino,
				 int mode)
{
	struct inode *inode = new_inode(sb);

	if (!inode)
		return NULL;
	inode->i_ino = ino;
	inode->i_mode = mode;
	if (S_ISDIR(mode)) {
		inode->i_op = &probe_dir_iops;
		inode->i_fop = &probe_dir_fops;
	} else {
		inode->i_op = &probe_file_iops;
		inode->i_fop = &probe_file_fops;
		inode->i_size = sizeof(probe_text) - 1;
	}
	return inode;
}

/*
 * The tree lives in the dentry cache alone; the end of the superblock frees it.
 * The dentry that is returned is good as long as the superblock is.
 */
static struct dentry *probe_add(struct dentry *dir, const char *name,
				unsigned long ino, int mode)
{
	struct dentry *dentry = d_alloc_name(dir, name);
	struct inode *inode;

	if (!dentry)
		return NULL;
	inode = probe_inode(dir->d_sb, ino, mode);
	if (!inode) {
		dput(dentry);
		return NULL;
	}
#ifdef PROBE_PERSISTENT
	d_make_persistent(dentry, inode);
	dput(dentry);
#else
	d_add(dentry, inode);
#endif
	return dentry;
}

static struct dentry *probe_root(struct super_block *sb)
{
	struct inode *inode = probe_inode(sb, 1, S_IFDIR | 0755);
#if LINUX_VERSION_CODE < KERNEL_VERSION(3, 4, 0)
	struct dentry *root = inode ? d_alloc_root(inode) : NULL;

	if (!root)
		iput(inode);
	return root;
#else
	return d_make_root(inode);
#endif
}

static int probe_fill_super(struct super_block *sb, void *data, int silent)
{
	struct dentry *dir;
	int i;

	sb->s_blocksize = PAGE_SIZE;
	sb->s_blocksize_bits = PAGE_SHIFT;
	sb->s_magic = PROBE_MAGIC;
	sb->s_op = &probe_sops;
	sb->s_root = probe_root(sb);
	if (!sb->s_root)
		return -ENOMEM;
	/* From here on put_super is called, also after an error. */
	spin_lock(&probe_lock);
	superblocks++;
	spin_unlock(&probe_lock);

	/* The root and a directory in it hold the same names, so that either can be bound. */
	dir = sb->s_root;
	for (i = 0; i < 2; i++) {
		if (!probe_add(dir, "data", 3 * i + 2, S_IFREG | 0644) ||
		    !probe_add(dir, "more", 3 * i + 3, S_IFREG | 0644))
			return -ENOMEM;
		dir = probe_add(dir, "dir", 3 * i + 4, S_IFDIR | 0755);
		if (!dir)
			return -ENOMEM;
	}
	return 0;
}

#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 3, 0)
static int probe_fill_super_fc(struct super_block *sb, struct fs_context *fc)
{
	return probe_fill_super(sb, NULL, 0);
}

static int probe_get_tree(struct fs_context *fc)
{
	return get_tree_nodev(fc, probe_fill_super_fc);
}

static const struct fs_context_operations probe_context_ops = {
	.get_tree	= probe_get_tree,
};

static int probe_init_fs_context(struct fs_context *fc)
{
	fc->ops = &probe_context_ops;
	return 0;
}

#define PROBE_MOUNT .init_fs_context = probe_init_fs_context
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(2, 6, 38)
static struct dentry *probe_mount(struct file_system_type *type, int flags,
				  const char *dev, void *data)
{
	return mount_nodev(type, flags, data, probe_fill_super);
}

#define PROBE_MOUNT .mount = probe_mount
#else
static int probe_get_sb(struct file_system_type *type, int flags,
			const char *dev, void *data, struct vfsmount *mnt)
{
	return get_sb_nodev(type, flags, data, probe_fill_super, mnt);
}

#define PROBE_MOUNT .get_sb = probe_get_sb
#endif

#ifdef PROBE_PERSISTENT
#define probe_kill_super kill_anon_super
#else
#define probe_kill_super kill_litter_super
#endif

#define PROBE_TYPE(type) {			\
	.fs = {					\
		.owner	 = THIS_MODULE,		\
		.name	 = type,		\
		.kill_sb = probe_kill_super,	\
		PROBE_MOUNT,			\
	}					\
}

/* The first two are Lustre's own. */
static struct lustreprobe_type probe_types[] = {
	PROBE_TYPE("lustre"),
	PROBE_TYPE("lustre_tgt"),
	PROBE_TYPE("notlustre"),
	PROBE_TYPE("lustrex"),
	PROBE_TYPE("lustr"),
	PROBE_TYPE("Lustre"),
	PROBE_TYPE("lustre_tgtx"),
	PROBE_TYPE("lustre_tg"),
	PROBE_TYPE("nfs"),
	PROBE_TYPE("Lustre_tgt"),
};

#define PROBE_COUNT(type, i) \
	module_param_named(type##_umount_begin, probe_types[i].begun, uint, 0444)

PROBE_COUNT(lustre, 0);
PROBE_COUNT(lustre_tgt, 1);
PROBE_COUNT(notlustre, 2);
PROBE_COUNT(lustrex, 3);
PROBE_COUNT(lustr, 4);
PROBE_COUNT(Lustre, 5);
PROBE_COUNT(lustre_tgtx, 6);
PROBE_COUNT(lustre_tg, 7);
PROBE_COUNT(nfs, 8);
PROBE_COUNT(Lustre_tgt, 9);

/* A kernel with NFS of its own has its name taken. */
module_param_named(nfs_registered, probe_types[8].registered, int, 0444);

static void probe_unregister(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(probe_types); i++)
		if (probe_types[i].registered)
			unregister_filesystem(&probe_types[i].fs);
}

static int __init probe_init(void)
{
	int i, err;

	for (i = 0; i < ARRAY_SIZE(probe_types); i++) {
#ifdef FS_VIRTUALIZED
		if (virtualized)
			probe_types[i].fs.fs_flags |= FS_VIRTUALIZED;
#endif
		err = register_filesystem(&probe_types[i].fs);
		if (err && !(err == -EBUSY && !strcmp(probe_types[i].fs.name, "nfs"))) {
			probe_unregister();
			return err;
		}
		probe_types[i].registered = !err;
	}
	return 0;
}

static void __exit probe_exit(void)
{
	probe_unregister();
}

module_init(probe_init);
module_exit(probe_exit);

MODULE_DESCRIPTION("stand-in for Lustre that shows the effect of MNT_FORCE");
MODULE_LICENSE("GPL");
