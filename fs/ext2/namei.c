/*
 * Names: lookup, create, link, unlink, rename, symbolic links. The caller (fs/) holds i_rwsem of the directories, exclusive for
 * changes, has checked permissions, and knows from a lookup what is there and what is not.
 *
 * A change is made in the order that leaves at worst an entry too many in memory when an error stops it, and then is undone.
 */
#include "fs/ext2/ext2.h"

#include "kernel/string.h"

static int check_new_name(struct inode *dir, size_t len)
{
	if (len > EXT2_NAME_MAX)
		return -ENAMETOOLONG;
	return dir->nlink ? 0 : -ENOENT;	/* removed, but somebody's working directory */
}

static void drop_link(struct inode *inode)
{
	if (!inode->nlink) {
		ext2_error(ext2_s(inode), "inode %lu (\"%s\") has more names than its link count says", inode->ino, ext2_i(inode)->name);
		return;
	}
	inode->nlink--;
	inode_touch_ctime(inode);
}

static void add_link(struct inode *inode)
{
	inode->nlink++;
	inode_touch_ctime(inode);
}

/*
 * A directory is entered only from the parent that its ".." names. So a corrupt disk cannot show one directory in two places, nor a
 * directory inside itself, and every walk of the tree ends.
 */
static int check_parent(struct inode *dir, struct inode *child)
{
	u32 parent = 0;
	int error;

	if (!S_ISDIR(child->mode))
		return 0;
	error = ext2_dir_find(child, "..", 2, &parent);
	if (error && error != -ENOENT)
		return error;
	if (error || parent != dir->ino || child->ino == EXT2_ROOT_INO)
		return ext2_error(ext2_s(dir), "directory %lu is named in directory %lu, but its parent is %u", child->ino, dir->ino, parent);
	return 0;
}

static int dir_lookup(struct inode *dir, const char *name, size_t len, struct inode **out)
{
	struct inode *inode;
	u32 ino;
	int error;

	if (len > EXT2_NAME_MAX)
		return -ENAMETOOLONG;
	error = ext2_dir_find(dir, name, len, &ino);
	if (!error)
		error = ext2_iget(dir->sb, ino, name, len, &inode);
	if (error)
		return error;
	error = check_parent(dir, inode);
	if (error) {
		inode_put(inode);
		return error;
	}
	*out = inode;
	return 0;
}

/* Name a new inode, or give it up. */
static int add_new(struct inode *dir, const char *name, size_t len, struct inode *inode, struct inode **out)
{
	int error = ext2_dir_add(dir, name, len, inode->ino, inode->mode);

	if (error) {
		ext2_drop_new(inode);
		return error;
	}
	*out = inode;
	return 0;
}

static int dir_create(struct inode *dir, const char *name, size_t len, u32 mode, u64 rdev, struct inode **out)
{
	struct inode *inode;
	int error = check_new_name(dir, len);

	if (!error)
		error = ext2_new_inode(dir, mode, rdev, name, len, &inode);
	return error ? error : add_new(dir, name, len, inode, out);
}

static int dir_mkdir(struct inode *dir, const char *name, size_t len, u32 mode, struct inode **out)
{
	struct inode *inode;
	int error = check_new_name(dir, len);

	if (!error && dir->nlink >= EXT2_LINK_MAX)
		error = -EMLINK;
	if (!error)
		error = ext2_new_inode(dir, S_IFDIR | (mode & ~S_IFMT), 0, name, len, &inode);
	if (error)
		return error;
	error = ext2_dir_init(inode, dir->ino);
	if (error) {
		ext2_drop_new(inode);
		return error;
	}
	inode_mark_dirty(inode);
	error = add_new(dir, name, len, inode, out);
	if (!error)
		add_link(dir);
	return error;
}

static int dir_symlink(struct inode *dir, const char *name, size_t len, const char *target, struct inode **out)
{
	size_t target_len = strlen(target);
	struct inode *inode;
	int error = check_new_name(dir, len);

	if (!error && !target_len)
		error = -ENOENT;
	if (!error && target_len >= ext2_s(dir)->block_size)
		error = -ENAMETOOLONG;
	if (!error)
		error = ext2_new_inode(dir, S_IFLNK | 0777, 0, name, len, &inode);
	if (error)
		return error;
	error = ext2_symlink_init(inode, target, target_len);
	if (error) {
		ext2_drop_new(inode);
		return error;
	}
	return add_new(dir, name, len, inode, out);
}

static int dir_link(struct inode *dir, const char *name, size_t len, struct inode *inode)
{
	int error = check_new_name(dir, len);

	if (!error && inode->nlink >= EXT2_LINK_MAX)
		error = -EMLINK;
	if (!error)
		error = ext2_dir_add(dir, name, len, inode->ino, inode->mode);
	if (!error)
		add_link(inode);
	return error;
}

static int dir_unlink(struct inode *dir, const char *name, size_t len, struct inode *inode)
{
	int error = ext2_dir_remove(dir, name, len);

	if (!error)
		drop_link(inode);
	return error;
}

static int dir_rmdir(struct inode *dir, const char *name, size_t len, struct inode *inode)
{
	int empty = ext2_dir_is_empty(inode), error;

	if (empty <= 0)
		return empty ? empty : -ENOTEMPTY;
	error = ext2_dir_remove(dir, name, len);
	if (error)
		return error;
	inode->nlink = 0;	/* its name and its "." */
	inode_touch_ctime(inode);
	drop_link(dir);		/* its ".." */
	return 0;
}

/* The name led to something that the rename displaced. */
static void drop_replaced(struct inode *replaced, struct inode *new_dir)
{
	if (S_ISDIR(replaced->mode)) {
		replaced->nlink = 0;
		inode_touch_ctime(replaced);
		drop_link(new_dir);	/* its ".." */
	} else {
		drop_link(replaced);
	}
}

/* Taking back a step of a rename: not for want of memory is it given up. */
static void set_again(struct inode *dir, const char *name, size_t len, u32 ino, u32 mode)
{
	unsigned tries = 0;

	while (ext2_try_again(ext2_dir_set(dir, name, len, ino, mode), &tries))
		;
}

static void remove_again(struct inode *dir, const char *name, size_t len)
{
	unsigned tries = 0;

	while (ext2_try_again(ext2_dir_remove(dir, name, len), &tries))
		;
}

static int dir_rename(struct inode *old_dir, const char *old_name, size_t old_len, struct inode *inode,
		      struct inode *new_dir, const char *new_name, size_t new_len, struct inode *replaced)
{
	bool moves = S_ISDIR(inode->mode) && old_dir != new_dir;
	int error = check_new_name(new_dir, new_len);

	if (error || replaced == inode)
		return error;
	if (replaced && S_ISDIR(replaced->mode)) {
		int empty = ext2_dir_is_empty(replaced);
		if (empty <= 0)
			return empty ? empty : -ENOTEMPTY;
	} else if (moves && new_dir->nlink >= EXT2_LINK_MAX) {
		return -EMLINK;
	}
	/* The new name, then "..", then the old name goes: each step can be taken back as long as the last is not done. */
	if (replaced)
		error = ext2_dir_set(new_dir, new_name, new_len, inode->ino, inode->mode);
	else
		error = ext2_dir_add(new_dir, new_name, new_len, inode->ino, inode->mode);
	if (error)
		return error;
	if (moves) {
		error = ext2_dir_set(inode, "..", 2, new_dir->ino, S_IFDIR);
		if (error)
			goto out_name;
	}
	error = ext2_dir_remove(old_dir, old_name, old_len);
	if (error)
		goto out_parent;
	if (replaced)
		drop_replaced(replaced, new_dir);
	if (moves) {
		add_link(new_dir);
		drop_link(old_dir);
	}
	inode_touch_ctime(inode);
	return 0;

out_parent:
	if (moves)
		set_again(inode, "..", 2, old_dir->ino, S_IFDIR);
out_name:
	if (replaced)
		set_again(new_dir, new_name, new_len, replaced->ino, replaced->mode);
	else
		remove_again(new_dir, new_name, new_len);
	return error;
}

/* ".." of the two, where they are directories that change their parents. */
static int exchange_parents(struct inode *a, struct inode *new_a, struct inode *b, struct inode *new_b)
{
	int error = S_ISDIR(a->mode) ? ext2_dir_set(a, "..", 2, new_a->ino, S_IFDIR) : 0;

	if (error || !S_ISDIR(b->mode))
		return error;
	error = ext2_dir_set(b, "..", 2, new_b->ino, S_IFDIR);
	if (error && S_ISDIR(a->mode))
		set_again(a, "..", 2, new_b->ino, S_IFDIR);
	return error;
}

static int dir_exchange(struct inode *dir_a, const char *name_a, size_t len_a, struct inode *a,
			struct inode *dir_b, const char *name_b, size_t len_b, struct inode *b)
{
	int more_in_b = S_ISDIR(a->mode) - S_ISDIR(b->mode), error;

	if (dir_a != dir_b && ((more_in_b > 0 && dir_b->nlink >= EXT2_LINK_MAX) || (more_in_b < 0 && dir_a->nlink >= EXT2_LINK_MAX)))
		return -EMLINK;
	error = ext2_dir_set(dir_a, name_a, len_a, b->ino, b->mode);
	if (error)
		return error;
	error = ext2_dir_set(dir_b, name_b, len_b, a->ino, a->mode);
	if (error)
		goto out_a;
	error = dir_a == dir_b ? 0 : exchange_parents(a, dir_b, b, dir_a);
	if (error)
		goto out_b;
	if (dir_a != dir_b && more_in_b) {
		add_link(more_in_b > 0 ? dir_b : dir_a);
		drop_link(more_in_b > 0 ? dir_a : dir_b);
	}
	inode_touch_ctime(a);
	inode_touch_ctime(b);
	return 0;
out_b:
	set_again(dir_b, name_b, len_b, b->ino, b->mode);
out_a:
	set_again(dir_a, name_a, len_a, a->ino, a->mode);
	return error;
}

static int dir_tmpfile(struct inode *dir, u32 mode, struct inode **out)
{
	int error = ext2_is_read_only(dir) ? -EROFS : ext2_new_inode(dir, mode, 0, "(no name)", 9, out);

	if (error)
		return error;
	(*out)->nlink = 0;
	inode_mark_dirty(*out);
	return 0;
}

const struct inode_ops ext2_dir_ops = {
	.lookup = dir_lookup, .create = dir_create, .mkdir = dir_mkdir, .symlink = dir_symlink, .link = dir_link,
	.unlink = dir_unlink, .rmdir = dir_rmdir, .rename = dir_rename, .exchange = dir_exchange, .tmpfile = dir_tmpfile,
	.setattr = ext2_setattr,
};

const struct inode_ops ext2_file_inode_ops = { .setattr = ext2_setattr };

/* --- symbolic links: up to 59 bytes in the inode itself, longer ones in a block --- */

int ext2_symlink_init(struct inode *inode, const char *target, size_t len)
{
	struct page *page;
	entry_t *slot;
	int error;

	if (len < sizeof(ext2_i(inode)->block)) {
		memcpy(ext2_i(inode)->block, target, len);
		inode->mapping.size = (loff_t)len;
		inode_mark_dirty(inode);
		return 0;
	}
	error = pagecache_begin_change(&inode->mapping, 0, true, &page, &slot);
	if (error)
		return error;
	error = ext2_map_reserve(inode, 0, 0);
	if (!error) {
		memcpy(page_address(page), target, len);
		inode->mapping.size = (loff_t)len;
	}
	pagecache_end_change(&inode->mapping, 0, slot, !error);
	inode_mark_dirty(inode);
	return error;
}

static ssize_t symlink_read(struct inode *inode, char *buf, size_t size)
{
	size_t len = min((size_t)inode->mapping.size, size);
	struct page *page;
	int error;

	if (ext2_is_fast_symlink(inode)) {
		memcpy(buf, ext2_i(inode)->block, len);
		return (ssize_t)len;
	}
	error = pagecache_read(&inode->mapping, 0, 0, &page);
	if (error || !page)
		return error ? error : -EIO;
	memcpy(buf, page_address(page), len);
	page_unpin_read(page);
	return (ssize_t)len;
}

const struct inode_ops ext2_symlink_ops = { .readlink = symlink_read, .setattr = ext2_setattr };
