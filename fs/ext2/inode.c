/*
 * Inodes between the disk's table and memory: reading with every check, writing, making, and what happens when the last
 * reference goes.
 */
#include "fs/ext2/ext2.h"

#include "kernel/cpu.h"
#include "kernel/string.h"

/* --- times: 32 bits of seconds, and in large inodes two more and nanoseconds --- */

static struct timespec64 time_in(u32 sec, u32 extra)
{
	return (struct timespec64){ .tv_sec = (s64)(s32)sec + ((s64)(extra & 3) << 32), .tv_nsec = min(extra >> 2, 999999999U) };
}

static u32 time_out(struct timespec64 t, bool large, u32 *extra)
{
	s64 most = large ? 0x27fffffffL : 0x7fffffffL, sec = max(min(t.tv_sec, most), -0x80000000L);

	*extra = (u32)t.tv_nsec << 2 | (((sec - (s32)sec) >> 32) & 3);
	return (u32)sec;
}

static bool has_extra_times(const struct ext2_sb *s, const struct ext2_inode_disk *raw)
{
	return s->inode_size > EXT2_OLD_INODE_SIZE && raw->extra_isize >= EXT2_EXTRA_TIMES &&
	       raw->extra_isize <= s->inode_size - EXT2_OLD_INODE_SIZE;
}

/* --- reading --- */

static bool known_type(u32 mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG: case S_IFDIR: case S_IFLNK: case S_IFCHR: case S_IFBLK: case S_IFIFO: case S_IFSOCK:
		return true;
	}
	return false;
}

bool ext2_is_fast_symlink(const struct inode *inode)
{
	u32 xattr_sectors = ext2_i(inode)->file_acl ? ext2_s(inode)->sectors_per_block : 0;

	return S_ISLNK(inode->mode) && inode->blocks <= xattr_sectors;
}

/* What is wrong with the inode just read, or NULL. */
static const char *inode_fault(struct inode *inode)
{
	struct ext2_sb *s = ext2_s(inode);
	struct ext2_inode *ei = ext2_i(inode);
	loff_t size = inode->mapping.size;

	if (!inode->nlink)
		return "it is deleted";
	if (!known_type(inode->mode))
		return "its type is none";
	if (ei->flags & EXT2_FL_UNSUPPORTED)
		return "it uses extents, encryption or inline data";
	if (size < 0 || size > s->max_size)
		return "its size is impossible";
	if (S_ISDIR(inode->mode) && (!size || size % s->block_size || (u64)size > (u64)s->blocks_count << s->block_shift))
		return "a directory cannot have its size";
	if (S_ISLNK(inode->mode) && (!size || size >= (ext2_is_fast_symlink(inode) ? (loff_t)sizeof(ei->block) : (loff_t)s->block_size)))
		return "a symbolic link cannot have its size";
	if (ei->file_acl && !ext2_block_ok(s, ei->file_acl))
		return "its attribute block is none";
	return NULL;
}

static void set_ops(struct inode *inode)
{
	if (S_ISDIR(inode->mode)) {
		inode->ops = &ext2_dir_ops;
		inode->fops = &ext2_dir_file_ops;
	} else if (S_ISLNK(inode->mode)) {
		inode->ops = &ext2_symlink_ops;
	} else {
		inode->ops = &ext2_file_inode_ops;
		if (S_ISREG(inode->mode))
			inode->fops = &ext2_file_ops;	/* devices and pipes: fs/ knows theirs */
	}
}

static void inode_from_disk(struct inode *inode, const struct ext2_inode_disk *raw)
{
	struct ext2_sb *s = ext2_s(inode);
	struct ext2_inode *ei = ext2_i(inode);
	bool extra = has_extra_times(s, raw);
	loff_t size = raw->size;

	inode->mode = raw->mode;
	inode->nlink = raw->links_count;
	inode->uid = raw->uid | (u32)raw->uid_high << 16;
	inode->gid = raw->gid | (u32)raw->gid_high << 16;
	inode->atime = time_in(raw->atime, extra ? raw->atime_extra : 0);
	inode->mtime = time_in(raw->mtime, extra ? raw->mtime_extra : 0);
	inode->ctime = time_in(raw->ctime, extra ? raw->ctime_extra : 0);
	inode->blocks = raw->blocks;
	if (S_ISREG(raw->mode) && !s->revision0)
		size = (loff_t)((u64)raw->size_high << 32 | raw->size);	/* negative: inode_fault says so */
	inode->mapping.size = size;
	memcpy(ei->block, raw->block, sizeof(ei->block));
	if (S_ISCHR(raw->mode) || S_ISBLK(raw->mode)) {
		u32 old = raw->block[0], new = raw->block[1];
		inode->rdev = old ? make_dev(old >> 8 & 0xff, old & 0xff) : make_dev(new >> 8 & 0xfff, (new & 0xff) | (new >> 12 & 0xfff00));
	}
	ei->flags = raw->flags;
	ei->file_acl = raw->file_acl;
	ei->generation = raw->generation;
	set_ops(inode);
}

static void inode_setup(struct ext2_inode *ei, const char *name, size_t len)
{
	mutex_init(&ei->map_lock, "ext2 map_lock", RANK_FSDATA);
	mapping_init(&ei->vfs.mapping, &ext2_data_ops, &ei->vfs, RANK_PAGE);
	ei->vfs.mapping.whole_blocks = ext2_s(&ei->vfs)->block_size == PAGE_SIZE;
	ei->group = (ei->vfs.ino - 1) / ext2_s(&ei->vfs)->inodes_per_group;
	len = min(len, sizeof(ei->name) - 1);
	memcpy(ei->name, name, len);
	ei->name[len] = 0;
}

static bool ino_ok(const struct ext2_sb *s, u32 ino)
{
	return ino == EXT2_ROOT_INO || (ino >= s->first_ino && ino <= s->inodes_count);
}

static int read_inode(struct inode *inode)
{
	struct ext2_sb *s = ext2_s(inode);
	u32 block, offset;
	struct page *page;
	const char *fault;
	int error;

	ext2_ino_place(s, inode->ino, &block, &offset);
	error = ext2_meta_read(s, block, &page);
	if (error)
		return error;
	inode_from_disk(inode, (struct ext2_inode_disk *)((u8 *)page_address(page) + offset));
	page_unpin_read(page);
	fault = inode_fault(inode);
	if (fault)
		return ext2_error(s, "inode %lu (\"%s\") cannot be used: %s", inode->ino, ext2_i(inode)->name, fault);
	return 0;
}

int ext2_iget(struct super_block *sb, u32 ino, const char *name, size_t len, struct inode **out)
{
	struct ext2_sb *s = sb->private;
	struct inode *inode;
	int error;

	if (!ino_ok(s, ino))
		return ext2_error(s, "inode number %u of \"%.*s\" is out of range", ino, (int)min(len, (size_t)60), name);
	inode = inode_get_locked(sb, ino);
	if (!inode)
		return -ENOMEM;
	if (inode->state & I_NEW) {
		inode_setup(ext2_i(inode), name, len);
		error = read_inode(inode);
		if (error) {
			inode_fail(inode);
			return error;
		}
		ext2_i(inode)->loaded = true;
		inode_ready(inode);
	}
	*out = inode;
	return 0;
}

/* --- writing --- */

bool ext2_is_read_only(const struct inode *inode)
{
	return ext2_s(inode)->read_only || inode->sb->flags & MS_RDONLY;
}

static void inode_to_disk(struct inode *inode, struct ext2_inode_disk *raw, bool deleted)
{
	struct ext2_sb *s = ext2_s(inode);
	struct ext2_inode *ei = ext2_i(inode);
	u64 size = READ_ONCE(inode->mapping.size);
	u32 atime_extra, mtime_extra, ctime_extra;
	bool extra;

	if (ei->fresh) {
		memset(raw, 0, s->inode_size);
		if (s->inode_size > EXT2_OLD_INODE_SIZE)
			raw->extra_isize = s->want_extra;
		ei->fresh = false;
	}
	extra = has_extra_times(s, raw);
	raw->mode = inode->mode;
	raw->links_count = inode->nlink;
	raw->uid = inode->uid;
	raw->uid_high = inode->uid >> 16;
	raw->gid = inode->gid;
	raw->gid_high = inode->gid >> 16;
	raw->size = size;
	if (S_ISREG(inode->mode) && !s->revision0)
		raw->size_high = size >> 32;
	raw->atime = time_out(time_load(&inode->atime), extra, &atime_extra);
	raw->mtime = time_out(time_load(&inode->mtime), extra, &mtime_extra);
	raw->ctime = time_out(time_load(&inode->ctime), extra, &ctime_extra);
	if (extra) {
		raw->atime_extra = atime_extra;
		raw->mtime_extra = mtime_extra;
		raw->ctime_extra = ctime_extra;
	}
	/* e2fsck takes a dtime that could be an inode number for a link of its list of orphans. */
	raw->dtime = deleted ? max((u32)(realtime_ns() / 1000000000UL), s->inodes_count + 1) : 0;
	raw->blocks = inode->blocks;
	raw->flags = ei->flags;
	raw->generation = ei->generation;
	raw->file_acl = ei->file_acl;
	memcpy(raw->block, ei->block, sizeof(ei->block));
}

static int write_raw(struct inode *inode, bool deleted)
{
	struct ext2_sb *s = ext2_s(inode);
	struct ext2_inode *ei = ext2_i(inode);
	struct ext2_change c;
	u32 block, offset;
	int error;

	ext2_ino_place(s, inode->ino, &block, &offset);
	/* The map is copied as one: a block that is taken between the two of its writes is in the next one (the inode is dirty again). */
	mutex_lock(&ei->map_lock);
	error = ext2_meta_begin_must(s, block, &c);
	if (!error) {
		inode_to_disk(inode, (struct ext2_inode_disk *)((u8 *)c.data + offset), deleted);
		ext2_meta_end(s, &c, true);
	}
	mutex_unlock(&ei->map_lock);
	return error;
}

int ext2_write_inode(struct inode *inode)
{
	if (!ext2_i(inode)->loaded || ext2_is_read_only(inode))
		return 0;
	/* A store through a mapping may have reserved blocks while truncate cut the file (E4). If a writer has the lock, he settles (data_settle). */
	if (S_ISREG(inode->mode) && down_write_trylock(&inode->i_rwsem)) {
		ext2_trim(inode);
		up_write(&inode->i_rwsem);
	}
	return write_raw(inode, false);
}

/* --- making --- */

static void own_by_caller(struct inode *inode, const struct inode *dir, u32 mode)
{
	const struct process *p = current->process;

	if (!(mode & S_IFMT))
		mode |= S_IFREG;
	inode->uid = p ? p->fsuid : 0;
	inode->gid = p ? p->fsgid : 0;
	if (dir->mode & S_ISGID) {
		inode->gid = dir->gid;
		if (S_ISDIR(mode))
			mode |= S_ISGID;
	}
	inode->mode = mode;
}

static void store_rdev(struct ext2_inode *ei, u64 rdev)
{
	u32 major = dev_major(rdev), minor = dev_minor(rdev);

	if (major < 256 && minor < 256)
		ei->block[0] = major << 8 | minor;
	else
		ei->block[1] = (minor & 0xff) | major << 8 | (minor & ~0xffU) << 12;
}

int ext2_new_inode(struct inode *dir, u32 mode, u64 rdev, const char *name, size_t len, struct inode **out)
{
	struct ext2_sb *s = ext2_s(dir);
	struct ext2_inode *ei;
	struct inode *inode;
	u32 ino;
	int error = ext2_alloc_ino(dir, S_ISDIR(mode), &ino);

	if (error)
		return error;
	inode = inode_get_locked(dir->sb, ino);
	if (!inode) {
		error = -ENOMEM;
		goto out_ino;
	}
	if (!(inode->state & I_NEW)) {	/* the bitmap is wrong; the number stays taken, which is right */
		inode_put(inode);
		return ext2_error(s, "inode %u is in use, but its bitmap calls it free", ino);
	}
	ei = ext2_i(inode);
	inode_setup(ei, name, len);
	own_by_caller(inode, dir, mode);
	inode->nlink = S_ISDIR(mode) ? 2 : 1;
	inode->blocks = 0;
	inode->rdev = rdev;
	if (S_ISCHR(mode) || S_ISBLK(mode))
		store_rdev(ei, rdev);
	ei->generation = atomic_add_return(&s->generation, 1);
	ei->fresh = true;
	ei->loaded = true;
	set_ops(inode);
	inode_touch(inode, ATTR_ATIME | ATTR_MTIME);
	inode_ready(inode);
	/* Into the table at once: an error shows here, where it can be returned. */
	error = ext2_write_inode(inode);
	if (error) {
		ext2_drop_new(inode);
		return error;
	}
	*out = inode;
	return 0;

out_ino:
	ext2_free_ino(s, ino, S_ISDIR(mode));
	return error;
}

void ext2_drop_new(struct inode *inode)
{
	inode->nlink = 0;
	inode_put(inode);	/* evict gives everything back */
}

/* --- the end --- */

/* The extended attributes' block is shared by inodes with equal ones: one user less. */
static void drop_xattr_block(struct inode *inode)
{
	struct ext2_sb *s = ext2_s(inode);
	u32 block = ext2_i(inode)->file_acl, left = 1;
	struct ext2_change c;

	if (!block)
		return;
	ext2_i(inode)->file_acl = 0;
	inode->blocks -= min((u64)s->sectors_per_block, inode->blocks);
	if (ext2_meta_begin_must(s, block, &c))
		return;
	struct ext2_xattr_disk *x = c.data;
	bool ok = x->magic == EXT2_XATTR_MAGIC && x->refcount;
	if (ok)
		left = --x->refcount;
	ext2_meta_end(s, &c, ok);
	if (!ok)
		ext2_error(s, "attribute block %u of inode %lu is none", block, inode->ino);
	if (!left || !ok)
		ext2_meta_forget(s, block);
	if (!left)
		ext2_free_blocks(s, block, 1);
}

static void delete_inode(struct inode *inode)
{
	struct ext2_sb *s = ext2_s(inode);
	bool is_dir = S_ISDIR(inode->mode);
	int error;

	/* Drops every page and waits for those under writeback: only then may the blocks be anybody else's. */
	if (!pagecache_truncate_begin(&inode->mapping, 0))
		pagecache_truncate_end(&inode->mapping);
	if ((S_ISREG(inode->mode) || is_dir || S_ISLNK(inode->mode)) && !ext2_is_fast_symlink(inode))
		ext2_map_truncate(inode, 0);
	drop_xattr_block(inode);
	error = write_raw(inode, true);
	if (error)
		ext2_error(s, "inode %lu could not be deleted (error %d)", inode->ino, -error);
	else
		ext2_free_ino(s, inode->ino, is_dir);
}

void ext2_evict(struct inode *inode)
{
	bool trimmed;
	int error;

	if (!ext2_i(inode)->loaded || ext2_is_read_only(inode))
		return;
	if (!inode->nlink) {
		delete_inode(inode);
		return;
	}
	trimmed = ext2_trim(inode);
	error = mapping_writeback(&inode->mapping, 0, ~0UL >> PAGE_SHIFT, true);
	if (error)
		ext2_error(ext2_s(inode), "contents of inode %lu (\"%s\") were lost (error %d)", inode->ino, ext2_i(inode)->name, -error);
	error = 0;
	if (trimmed || inode->state & I_DIRTY)
		error = ext2_write_inode(inode);
	if (error)
		ext2_error(ext2_s(inode), "inode %lu could not be written (error %d)", inode->ino, -error);
}
