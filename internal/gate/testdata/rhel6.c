/* Reduced from a 2.6.32 OpenVZ kernel's fs/namespace.c. Lines "@name@" take a hook. */
@helper@
static int do_umount(struct vfsmount *mnt, int flags)
{
	struct super_block *sb = mnt->mnt_sb;
	int retval;

	retval = security_sb_umount(mnt, flags);
	if (retval)
		return retval;
@before-expire@
	/*
	 * Allow userspace to request a mountpoint be expired rather than
	 * unmounting unconditionally: umount_begin(sb) is not for it.
	 */
	if (flags & MNT_EXPIRE) {
		if (mnt == current->fs->root.mnt ||
		    flags & (MNT_FORCE | MNT_DETACH))
			return -EINVAL;

		if (atomic_read(&mnt->mnt_count) != 2)
			return -EBUSY;

		if (!xchg(&mnt->mnt_expiry_mark, 1))
			return -EAGAIN;
	}
@after-expire@
	if (flags & MNT_FORCE && sb->s_op->umount_begin) {
		sb->s_op->umount_begin(sb);
	}
@after-begin@
	if (mnt == current->fs->root.mnt && !(flags & MNT_DETACH)) {
		down_write(&sb->s_umount);
		if (!(sb->s_flags & MS_RDONLY))
			retval = do_remount_sb(sb, MS_RDONLY, NULL, 0);
		up_write(&sb->s_umount);
		return retval;
	}
	return retval;
}

#ifdef CONFIG_VE
void umount_ve_fs_type(struct file_system_type *local_fs_type, int veid)
{
@unreached@
	release_mounts(&umount_list);
}
#endif

SYSCALL_DEFINE2(umount, char __user *, name, int, flags)
{
	struct path path;
	int retval;
	int lookup_flags = 0;

	if (flags & ~(MNT_FORCE | MNT_DETACH | MNT_EXPIRE | UMOUNT_NOFOLLOW))
		return -EINVAL;
@before-permission@
	retval = user_path_mountpoint_at(AT_FDCWD, name, lookup_flags, &path);
	if (retval)
		goto out;
	retval = -EINVAL;
	if (path.dentry != path.mnt->mnt_root)
		goto dput_and_out;
	if (!check_mnt(path.mnt))
		goto dput_and_out;

	retval = -EPERM;
	if (!capable(CAP_VE_SYS_ADMIN) && !capable(CAP_SYS_ADMIN))
		goto dput_and_out;
@after-permission@
	retval = do_umount(path.mnt, flags);
dput_and_out:
	dput(path.dentry);
	mntput_no_expire(path.mnt);
out:
	return retval;
}
