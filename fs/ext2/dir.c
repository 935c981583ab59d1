/*
 * Directories: rows of entries in blocks, searched from the start. The contents are in dir->mapping like a file's; the caller holds
 * dir->i_rwsem (exclusive for changes), which is what keeps entries where they are between two steps here.
 *
 * No entry is believed: each one is looked at through `entry_check`, which knows the block's bounds.
 */
#include "fs/ext2/ext2.h"

#include "kernel/string.h"

/* The type that an entry shows: by mode >> 12, and as DT_* for getdents (which is mode >> 12 again). */
enum { TYPE_NONE, TYPE_REG, TYPE_DIR, TYPE_CHR, TYPE_BLK, TYPE_FIFO, TYPE_SOCK, TYPE_LNK };
static const u8 type_of_mode[16] = {
	[S_IFREG >> 12] = TYPE_REG, [S_IFDIR >> 12] = TYPE_DIR, [S_IFCHR >> 12] = TYPE_CHR, [S_IFBLK >> 12] = TYPE_BLK,
	[S_IFIFO >> 12] = TYPE_FIFO, [S_IFSOCK >> 12] = TYPE_SOCK, [S_IFLNK >> 12] = TYPE_LNK,
};
static const u8 dt_of_type[8] = {
	[TYPE_REG] = S_IFREG >> 12, [TYPE_DIR] = S_IFDIR >> 12, [TYPE_CHR] = S_IFCHR >> 12, [TYPE_BLK] = S_IFBLK >> 12,
	[TYPE_FIFO] = S_IFIFO >> 12, [TYPE_SOCK] = S_IFSOCK >> 12, [TYPE_LNK] = S_IFLNK >> 12,
};

static u8 file_type(const struct ext2_sb *s, u32 mode)
{
	return s->filetype ? type_of_mode[mode >> 12 & 15] : 0;
}

/* The entry at `offset` of a block, or NULL (logged) if it is not a sane one: lengths and inode number of the result are right. */
static struct ext2_dirent *entry_check(struct inode *dir, u8 *block, u32 offset, loff_t block_pos)
{
	struct ext2_sb *s = ext2_s(dir);
	struct ext2_dirent *d = (struct ext2_dirent *)(block + offset);
	const char *fault = NULL;

	if (offset + 8 > s->block_size)
		fault = "does not fit into its block";
	else if (d->rec_len < EXT2_DIRENT_SIZE(1) || d->rec_len % 4 || d->rec_len > s->block_size - offset)
		fault = "has a wrong length";
	else if (d->inode && (!d->name_len || EXT2_DIRENT_SIZE(d->name_len) > d->rec_len))
		fault = "has a wrong name length";
	else if (d->inode > s->inodes_count)
		fault = "has an inode out of range";
	if (!fault)
		return d;
	ext2_error(s, "directory %lu (\"%s\"): the entry at byte %lu %s", dir->ino, ext2_i(dir)->name, (unsigned long)block_pos + offset, fault);
	return NULL;
}

/* --- going through the blocks --- */

/* One block of a directory, its page pinned. */
struct dir_block {
	struct page *page;
	u8 *data;
	loff_t pos;
};

static u64 dir_blocks(const struct inode *dir)
{
	return (u64)dir->mapping.size >> ext2_s(dir)->block_shift;
}

static int block_get(struct inode *dir, u64 n, struct dir_block *b)
{
	struct ext2_sb *s = ext2_s(dir);
	int error;

	b->pos = (loff_t)(n << s->block_shift);
	error = ext2_page_read(&dir->mapping, (u64)b->pos >> PAGE_SHIFT, &b->page);
	if (error)
		return error;
	b->data = (u8 *)page_address(b->page) + (b->pos & (PAGE_SIZE - 1));
	return 0;
}

static void block_put(struct dir_block *b) { page_unpin_read(b->page); }

/* The same, locked for a change. */
struct dir_change {
	struct dir_block b;
	entry_t *slot;
};

static int change_begin(struct inode *dir, u64 n, struct dir_change *c)
{
	struct ext2_sb *s = ext2_s(dir);
	int error = ext2_begin_changes(s);

	if (error)
		return error;
	c->b.pos = (loff_t)(n << s->block_shift);
	error = pagecache_begin_change(&dir->mapping, (u64)c->b.pos >> PAGE_SHIFT, false, &c->b.page, &c->slot);
	if (error)
		return error;
	c->b.data = (u8 *)page_address(c->b.page) + (c->b.pos & (PAGE_SIZE - 1));
	return 0;
}

static void change_end(struct inode *dir, struct dir_change *c, bool dirtied)
{
	pagecache_end_change(&dir->mapping, (u64)c->b.pos >> PAGE_SHIFT, c->slot, dirtied);
}

static bool name_is(const struct ext2_dirent *d, const char *name, size_t len)
{
	return d->inode && d->name_len == len && !memcmp(d->name, name, len);
}

/* Offset of the name in the block, *previous the entry before it (or == it). -ENOENT, -EUCLEAN. */
static int find_in_block(struct inode *dir, const struct dir_block *b, const char *name, size_t len, u32 *previous)
{
	u32 size = ext2_s(dir)->block_size, before = 0;

	for (u32 offset = 0; offset < size; ) {
		struct ext2_dirent *d = entry_check(dir, b->data, offset, b->pos);

		if (!d)
			return -EUCLEAN;
		if (name_is(d, name, len)) {
			*previous = before;
			return offset;
		}
		before = offset;
		offset += d->rec_len;
	}
	return -ENOENT;
}

/* Number of the block that has the name, or -ENOENT... *ino: what it names. */
static s64 find_block(struct inode *dir, const char *name, size_t len, u32 *ino)
{
	u64 n = dir_blocks(dir);

	for (u64 i = 0; i < n; i++) {
		struct dir_block b;
		u32 previous;
		int offset = block_get(dir, i, &b);

		if (offset)
			return offset;
		offset = find_in_block(dir, &b, name, len, &previous);
		if (offset >= 0)
			*ino = ((struct ext2_dirent *)(b.data + offset))->inode;
		block_put(&b);
		if (offset != -ENOENT)
			return offset < 0 ? offset : (s64)i;
	}
	return -ENOENT;
}

int ext2_dir_find(struct inode *dir, const char *name, size_t len, u32 *ino)
{
	return min(find_block(dir, name, len, ino), (s64)0);
}

/* --- changes --- */

static void entry_fill(struct inode *dir, struct ext2_dirent *d, const char *name, size_t len, u32 ino, u32 mode)
{
	d->inode = ino;
	d->name_len = len;
	d->file_type = file_type(ext2_s(dir), mode);
	memset(d->name, 0, EXT2_DIRENT_SIZE(len) - 8);
	memcpy(d->name, name, len);
}

/* An entry of the block with room for the name behind it: its offset, or -ENOSPC. */
static int find_room(struct inode *dir, const struct dir_block *b, u32 need)
{
	u32 size = ext2_s(dir)->block_size;

	for (u32 offset = 0; offset < size; ) {
		struct ext2_dirent *d = entry_check(dir, b->data, offset, b->pos);

		if (!d)
			return -EUCLEAN;
		if (d->rec_len >= need + (d->inode ? EXT2_DIRENT_SIZE(d->name_len) : 0))
			return offset;
		offset += d->rec_len;
	}
	return -ENOSPC;
}

/* Put the name into the entry at `offset`, splitting it if it is in use. */
static void insert_at(struct inode *dir, u8 *block, u32 offset, const char *name, size_t len, u32 ino, u32 mode)
{
	struct ext2_dirent *d = (struct ext2_dirent *)(block + offset);

	if (d->inode) {
		u32 used = EXT2_DIRENT_SIZE(d->name_len);
		struct ext2_dirent *rest = (struct ext2_dirent *)(block + offset + used);

		rest->rec_len = d->rec_len - used;
		d->rec_len = used;
		d = rest;
	}
	entry_fill(dir, d, name, len, ino, mode);
}

static void dir_changed(struct inode *dir)
{
	ext2_i(dir)->flags &= ~EXT2_FL_INDEX;	/* plain entries break a hash index: e2fsck -D makes a new one */
	inode_touch(dir, ATTR_MTIME);
}

/* A new block at the end, holding this entry alone. The size covers it only when it is complete. */
static int append_block(struct inode *dir, const char *name, size_t len, u32 ino, u32 mode)
{
	struct ext2_sb *s = ext2_s(dir);
	u64 n = dir_blocks(dir);
	loff_t pos = (loff_t)(n << s->block_shift);
	struct ext2_dirent *d;
	struct page *page;
	entry_t *slot;
	int error;

	if (pos + s->block_size > 0x7fffffff)
		return -ENOSPC;
	error = ext2_begin_changes(s);
	if (error)
		return error;
	error = pagecache_begin_change(&dir->mapping, (u64)pos >> PAGE_SHIFT, !(pos & (PAGE_SIZE - 1)), &page, &slot);
	if (error)
		return error;
	error = ext2_map_reserve(dir, n, n);
	if (!error) {
		d = (struct ext2_dirent *)((u8 *)page_address(page) + (pos & (PAGE_SIZE - 1)));
		memset(d, 0, s->block_size);
		d->rec_len = s->block_size;
		entry_fill(dir, d, name, len, ino, mode);
		WRITE_ONCE(dir->mapping.size, pos + s->block_size);
	}
	pagecache_end_change(&dir->mapping, (u64)pos >> PAGE_SHIFT, slot, !error);
	return error;
}

int ext2_dir_add(struct inode *dir, const char *name, size_t len, u32 ino, u32 mode)
{
	u64 n = dir_blocks(dir);
	u32 need = EXT2_DIRENT_SIZE(len);
	int error;

	for (u64 i = ext2_i(dir)->dir_room; i < n; i++) {
		struct dir_change c;
		struct dir_block b;
		int offset = block_get(dir, i, &b);

		if (offset)
			return offset;
		offset = find_room(dir, &b, need);
		block_put(&b);
		if (offset == -ENOSPC) {
			/* Full blocks are passed over next time, until a name goes from them; a short name may miss a little room. */
			if (need <= 64 && i == ext2_i(dir)->dir_room)
				ext2_i(dir)->dir_room = (u32)i + 1;
			continue;
		}
		if (offset < 0)
			return offset;
		error = change_begin(dir, i, &c);	/* i_rwsem: the block is as we saw it */
		if (error)
			return error;
		insert_at(dir, c.b.data, offset, name, len, ino, mode);
		change_end(dir, &c, true);
		dir_changed(dir);
		return 0;
	}
	error = append_block(dir, name, len, ino, mode);
	if (!error)
		dir_changed(dir);
	return error;
}

/* Begin to change the block with this name: its number, and the entry with the one before it (or itself: the first). Or an error. */
static s64 entry_begin(struct inode *dir, const char *name, size_t len, struct dir_change *c, struct ext2_dirent **entry, struct ext2_dirent **before)
{
	u32 ino, previous;
	s64 n = find_block(dir, name, len, &ino);
	int offset, error;

	if (n < 0)
		return n;
	error = change_begin(dir, (u64)n, c);
	if (error)
		return error;
	offset = find_in_block(dir, &c->b, name, len, &previous);
	if (offset < 0) {
		change_end(dir, c, false);
		return offset;
	}
	*entry = (struct ext2_dirent *)(c->b.data + offset);
	*before = (struct ext2_dirent *)(c->b.data + previous);
	return n;
}

int ext2_dir_remove(struct inode *dir, const char *name, size_t len)
{
	struct ext2_dirent *d, *before;
	struct dir_change c;
	s64 n = entry_begin(dir, name, len, &c, &d, &before);

	if (n < 0)
		return (int)n;
	if (before != d)
		before->rec_len += d->rec_len;
	d->inode = 0;
	change_end(dir, &c, true);
	if (n < ext2_i(dir)->dir_room)
		ext2_i(dir)->dir_room = (u32)n;
	dir_changed(dir);
	return 0;
}

int ext2_dir_set(struct inode *dir, const char *name, size_t len, u32 ino, u32 mode)
{
	struct ext2_dirent *d, *before;
	struct dir_change c;
	s64 n = entry_begin(dir, name, len, &c, &d, &before);

	if (n < 0)
		return (int)n;
	d->inode = ino;
	d->file_type = file_type(ext2_s(dir), mode);
	change_end(dir, &c, true);
	inode_touch(dir, ATTR_MTIME);
	return 0;
}

int ext2_dir_init(struct inode *dir, u32 parent)
{
	u32 size = ext2_s(dir)->block_size;
	struct ext2_dirent *d;
	struct dir_change c;
	int error = append_block(dir, ".", 1, dir->ino, S_IFDIR);

	if (error)
		return error;
	error = change_begin(dir, 0, &c);
	if (error)
		return error;
	d = (struct ext2_dirent *)c.b.data;
	d->rec_len = EXT2_DIRENT_SIZE(1);
	d = (struct ext2_dirent *)(c.b.data + EXT2_DIRENT_SIZE(1));
	d->rec_len = size - EXT2_DIRENT_SIZE(1);
	entry_fill(dir, d, "..", 2, parent, S_IFDIR);
	change_end(dir, &c, true);
	return 0;
}

static bool is_dot_or_dotdot(const struct ext2_dirent *d)
{
	return d->name[0] == '.' && (d->name_len == 1 || (d->name_len == 2 && d->name[1] == '.'));
}

int ext2_dir_is_empty(struct inode *dir)
{
	u32 size = ext2_s(dir)->block_size;
	u64 n = dir_blocks(dir);

	for (u64 i = 0; i < n; i++) {
		struct dir_block b;
		int error = block_get(dir, i, &b), result = 1;

		if (error)
			return error;
		for (u32 offset = 0; offset < size && result == 1; ) {
			struct ext2_dirent *d = entry_check(dir, b.data, offset, b.pos);

			if (!d)
				result = -EUCLEAN;
			else if (d->inode && !is_dot_or_dotdot(d))
				result = 0;
			else
				offset += d->rec_len;
		}
		block_put(&b);
		if (result != 1)
			return result;
	}
	return 1;
}

/* --- reading for getdents --- */

/* Emit the entries of a block from file position *pos on. 1: go on, 0: the caller has enough, or an error. */
static int emit_block(struct inode *dir, const struct dir_block *b, struct dir_context *ctx, loff_t *pos)
{
	struct ext2_sb *s = ext2_s(dir);

	/* From the start of the block: *pos may be in the middle of an entry that was merged since, or seeked to anywhere. */
	for (u32 offset = 0; offset < s->block_size; ) {
		struct ext2_dirent *d = entry_check(dir, b->data, offset, b->pos);
		unsigned type;

		if (!d)
			return -EUCLEAN;
		if (d->inode && b->pos + (loff_t)offset >= *pos) {
			/* What lookup can never be asked for does not matter to it; here it would leave the kernel. */
			if (memchr(d->name, '/', d->name_len) || memchr(d->name, 0, d->name_len))
				return ext2_error(s, "directory %lu (\"%s\") has a name with a slash or NUL", dir->ino, ext2_i(dir)->name);
			type = s->filetype && d->file_type < ARRAY_SIZE(dt_of_type) ? dt_of_type[d->file_type] : 0;
			if (!ctx->emit(ctx, d->name, d->name_len, d->inode, type, b->pos + offset + d->rec_len))
				return 0;
			*pos = b->pos + offset + d->rec_len;
		}
		offset += d->rec_len;
	}
	*pos = b->pos + s->block_size;
	return 1;
}

int ext2_dir_iterate(struct file *file, struct dir_context *ctx)
{
	struct inode *dir = file->inode;
	struct ext2_sb *s = ext2_s(dir);
	int go_on = 1;

	if (!dir->nlink)
		return -ENOENT;		/* removed while it was open */
	while (go_on == 1 && file->pos >= 0 && file->pos < dir->mapping.size) {
		struct dir_block b;
		int error = block_get(dir, (u64)file->pos >> s->block_shift, &b);

		if (error)
			return error;
		go_on = emit_block(dir, &b, ctx, &file->pos);
		block_put(&b);
	}
	return min(go_on, 0);
}
