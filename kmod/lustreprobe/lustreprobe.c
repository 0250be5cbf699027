// SPDX-License-Identifier: GPL-2.0
/*
 * lustreprobe - stands in for Lustre where the effect of umount2(MNT_FORCE) is
 * to be seen
 *
 * Registers the filesystem types "lustre" and "notlustre". Each mount makes a
 * superblock of its own, which holds a few files. Once umount_begin was called
 * for a superblock everybody who uses it gets ESHUTDOWN, through whatever mount
 * or descriptor, as with a Lustre client whose imports were set inactive. The
 * calls are counted in /sys/module/lustreprobe/parameters/.
 *
 * Compiles from 2.6.18 up.
 */

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

static unsigned int lustre_umount_begin;
module_param(lustre_umount_begin, uint, 0444);
MODULE_PARM_DESC(lustre_umount_begin, "calls of umount_begin on lustre");

static unsigned int notlustre_umount_begin;
module_param(notlustre_umount_begin, uint, 0444);
MODULE_PARM_DESC(notlustre_umount_begin, "calls of umount_begin on notlustre");

#ifdef FS_VIRTUALIZED
static int virtualized;
module_param(virtualized, int, 0444);
MODULE_PARM_DESC(virtualized, "let containers see and mount the types");
#endif

static DEFINE_SPINLOCK(probe_lock);

static struct file_system_type lustre_type;
static struct file_system_type notlustre_type;

/* s_fs_info is set by the first umount_begin, and serves no other end. */
static int probe_state(struct super_block *sb)
{
	return sb->s_fs_info ? -ESHUTDOWN : 0;
}

static void probe_force(struct super_block *sb)
{
	int first;

	spin_lock(&probe_lock);
	if (sb->s_type == &lustre_type)
		lustre_umount_begin++;
	else
		notlustre_umount_begin++;
	first = !sb->s_fs_info;
	sb->s_fs_info = sb->s_type;
	spin_unlock(&probe_lock);

	if (first && sb->s_type == &lustre_type)
		pr_info("Lustre: setting import probe-MDT0000_UUID INACTIVE by administrator request\n");
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
};

static const struct file_operations probe_dir_fops = {
	.owner		= THIS_MODULE,
	.open		= probe_opendir,
	.release	= dcache_dir_close,
	.llseek		= dcache_dir_lseek,
	.read		= generic_read_dir,
	PROBE_READDIR,
};

static const struct super_operations probe_sops = {
	.statfs		= probe_statfs,
	.umount_begin	= probe_umount_begin,
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

/* The tree lives in the dentry cache alone; kill_litter_super() frees it. */
static int probe_add(struct super_block *sb, const char *name,
		     unsigned long ino, int mode)
{
	struct dentry *dentry = d_alloc_name(sb->s_root, name);
	struct inode *inode;

	if (!dentry)
		return -ENOMEM;
	inode = probe_inode(sb, ino, mode);
	if (!inode) {
		dput(dentry);
		return -ENOMEM;
	}
	d_add(dentry, inode);
	return 0;
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
	int err;

	sb->s_blocksize = PAGE_SIZE;
	sb->s_blocksize_bits = PAGE_SHIFT;
	sb->s_magic = PROBE_MAGIC;
	sb->s_op = &probe_sops;
	sb->s_root = probe_root(sb);
	if (!sb->s_root)
		return -ENOMEM;
	err = probe_add(sb, "data", 2, S_IFREG | 0444);
	if (!err)
		err = probe_add(sb, "more", 3, S_IFREG | 0444);
	if (!err)
		err = probe_add(sb, "dir", 4, S_IFDIR | 0755);
	return err;
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

static struct file_system_type lustre_type = {
	.owner		= THIS_MODULE,
	.name		= "lustre",
	.kill_sb	= kill_litter_super,
	PROBE_MOUNT,
};

static struct file_system_type notlustre_type = {
	.owner		= THIS_MODULE,
	.name		= "notlustre",
	.kill_sb	= kill_litter_super,
	PROBE_MOUNT,
};

static int __init probe_init(void)
{
	int err;

#ifdef FS_VIRTUALIZED
	if (virtualized) {
		lustre_type.fs_flags |= FS_VIRTUALIZED;
		notlustre_type.fs_flags |= FS_VIRTUALIZED;
	}
#endif
	err = register_filesystem(&lustre_type);
	if (err)
		return err;
	err = register_filesystem(&notlustre_type);
	if (err)
		unregister_filesystem(&lustre_type);
	return err;
}

static void __exit probe_exit(void)
{
	unregister_filesystem(&notlustre_type);
	unregister_filesystem(&lustre_type);
}

module_init(probe_init);
module_exit(probe_exit);

MODULE_DESCRIPTION("stand-in for Lustre that shows the effect of MNT_FORCE");
MODULE_LICENSE("GPL");
