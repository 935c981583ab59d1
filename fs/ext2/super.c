/*
 * Mounting: the super block and the group descriptors are read, checked and kept in memory; sync writes them back.
 *
 * The disk's super block says VALID exactly while nothing changed since the last complete sync: the first change
 * after one takes VALID away (ext2_begin_changes), and the next sync, when all else is written, puts it back. So the power may go
 * off after any sync(2), and e2fsck finds a clean file system.
 */
#include "fs/ext2/ext2.h"

#include "kernel/cpu.h"
#include "kernel/string.h"
#include "mm/slab.h"

#include <stdarg.h>

#define MAX_MESSAGES 20

static struct slab_cache *inode_cache;

int ext2_error(struct ext2_sb *s, const char *fmt, ...)
{
	int n = atomic_add_return(&s->errors, 1);
	char text[200];
	va_list ap;

	if (n <= MAX_MESSAGES) {
		va_start(ap, fmt);
		kvsnprintf(text, sizeof(text), fmt, ap);
		va_end(ap);
		if (s->sb && s->sb->root)
			printk("ext2: %s: %s\n", s->dev->name, text);
		else
			mount_complain("ext2: %s: %s", s->dev->name, text);
	}
	if (n == MAX_MESSAGES)
		printk("ext2: %s: further errors are not logged; run e2fsck on the image\n", s->dev->name);
	return -EUCLEAN;
}

/* --- writing the super block and the descriptors --- */

/* Copy what changes into the super block's page. With `counts` (alloc_lock not held) the free counts too. */
static int update_super(struct ext2_sb *s, bool counts)
{
	struct ext2_super_disk *d;
	u32 free_blocks = 0, free_inodes = 0;
	struct ext2_change c;
	int error;

	if (counts) {
		mutex_lock(&s->alloc_lock);
		free_blocks = s->free_blocks;
		free_inodes = s->free_inodes;
		mutex_unlock(&s->alloc_lock);
	}
	error = ext2_meta_begin_quiet(s, s->super_block_nr, false, &c);
	if (error)
		return error;
	d = (struct ext2_super_disk *)((u8 *)c.data + s->super_offset);
	if (counts) {
		d->free_blocks_count = free_blocks;
		d->free_inodes_count = free_inodes;
	}
	/* wtime stays: a guest's clock may be ahead of the host's, and e2fsck finds fault with a time in the future. */
	if (READ_ONCE(s->large_file))
		d->feature_ro_compat |= EXT2_RO_COMPAT_LARGE_FILE;
	/* Read under the page lock: who sets it comes here after that, so the last one here sees it. */
	if (atomic_read(&s->unclean))
		d->state &= ~EXT2_STATE_VALID;
	else
		d->state |= EXT2_STATE_VALID;
	if (atomic_read(&s->errors))
		d->state |= EXT2_STATE_ERROR;
	ext2_meta_end(s, &c, true);
	return 0;
}

int ext2_begin_changes(struct ext2_sb *s)
{
	int error;

	if (s->read_only || s->sb->flags & MS_RDONLY)
		return -EROFS;
	if (atomic_read(&s->unclean) || atomic_xchg(&s->unclean, 1))
		return 0;
	error = update_super(s, false);
	if (error)
		atomic_set(&s->unclean, 0);
	return error;
}

int ext2_want_large_file(struct ext2_sb *s)
{
	if (READ_ONCE(s->large_file))
		return 0;
	if (s->revision0)
		return -EFBIG;
	WRITE_ONCE(s->large_file, true);
	return update_super(s, false);
}

static int write_descriptors(struct ext2_sb *s)
{
	u32 per_block = s->block_size / sizeof(struct ext2_group_disk);
	int error = 0;

	mutex_lock(&s->alloc_lock);
	for (u32 g = 0; g < s->group_count && !error; g++) {
		struct ext2_change c;

		if (!s->group_dirty[g])
			continue;
		error = ext2_meta_begin_quiet(s, s->first_data_block + 1 + g / per_block, false, &c);
		if (error)
			break;
		((struct ext2_group_disk *)c.data)[g % per_block] = s->groups[g];
		s->group_dirty[g] = 0;
		ext2_meta_end(s, &c, true);
	}
	mutex_unlock(&s->alloc_lock);
	return error;
}

static int ext2_sync(struct super_block *sb)
{
	struct ext2_sb *s = sb->private;
	int error = 0, was_unclean = 0;

	if (s->read_only || sb->flags & MS_RDONLY)
		return 0;
	/*
	 * Once `unclean` is taken back, every change sets it again. An inode that got dirty before that, behind the first look
	 * at the inodes, is found by the second, and writing it sets `unclean`: then once more. With somebody who goes
	 * on writing the disk stays unclean, as it should.
	 */
	for (unsigned i = 0; i < 4; i++) {
		error = sync_inodes(sb);
		was_unclean |= atomic_xchg(&s->unclean, 0);
		if (!error)
			error = sync_inodes(sb);
		if (error || !atomic_read(&s->unclean))
			break;
	}
	if (!error)
		error = write_descriptors(s);
	if (!error)
		error = ext2_meta_sync(s);
	if (was_unclean && !error)
		error = update_super(s, true);
	if (was_unclean && !error)
		error = mapping_writeback(&s->meta, s->super_block_nr, s->super_block_nr, true);
	if (was_unclean && error)
		atomic_set(&s->unclean, 1);
	return error;
}

static int ext2_statfs(struct super_block *sb, struct statfs *out)
{
	struct ext2_sb *s = sb->private;
	u32 table_blocks = DIV_UP((u64)s->inodes_per_group * s->inode_size, s->block_size), overhead = s->first_data_block;

	for (u32 g = 0; g < s->group_count; g++)
		overhead += 2 + table_blocks + (ext2_group_has_super(s, g) ? 1 + s->desc_blocks : 0);
	memset(out, 0, sizeof(*out));
	out->f_type = EXT2_SUPER_MAGIC;
	out->f_bsize = out->f_frsize = s->block_size;
	out->f_blocks = s->blocks_count - min(overhead, s->blocks_count);
	out->f_files = s->inodes_count;
	out->f_namelen = EXT2_NAME_MAX;
	mutex_lock(&s->alloc_lock);
	out->f_bfree = s->free_blocks;
	out->f_ffree = s->free_inodes;
	mutex_unlock(&s->alloc_lock);
	out->f_bavail = out->f_bfree - min((__kernel_long_t)s->reserved_blocks, (__kernel_long_t)out->f_bfree);
	return 0;
}

/* --- mounting --- */

/* Read the super block, before the block size is known. */
static int read_super(struct block_device *dev, struct ext2_super_disk *d)
{
	struct page *page;
	int error;

	if (dev->sectors < 4)
		return -EIO;
	page = page_alloc(0, 0);
	if (!page)
		return -ENOMEM;
	error = block_rw_wait(dev, false, EXT2_SUPER_OFFSET / 512, page, 0, sizeof(*d));
	if (!error)
		memcpy(d, page_address(page), sizeof(*d));
	page_put(page);
	return error;
}

/* What keeps the super block from being used, or NULL. */
static const char *super_fault(const struct ext2_super_disk *d, const struct block_device *dev)
{
	u32 block_size = 1024U << (d->log_block_size & 3);
	u32 inode_size = d->rev_level ? d->inode_size : EXT2_OLD_INODE_SIZE, groups;

	if (d->rev_level > 1)
		return "unknown revision";
	if (d->log_block_size > 2)
		return "block size is not 1024, 2048 or 4096";
	if (inode_size < EXT2_OLD_INODE_SIZE || inode_size > block_size || inode_size & (inode_size - 1))
		return "impossible inode size";
	if (d->first_data_block != (block_size == 1024))
		return "impossible first data block";
	if (!d->blocks_per_group || d->blocks_per_group > block_size * 8 || d->blocks_per_group % 8)
		return "impossible number of blocks per group";
	if (!d->inodes_per_group || d->inodes_per_group > block_size * 8 || d->inodes_per_group % 8)
		return "impossible number of inodes per group";
	if (d->blocks_count <= d->first_data_block + 1 || d->r_blocks_count > d->blocks_count)
		return "impossible number of blocks";
	if (d->blocks_count >= 0xffffffff - d->blocks_per_group || d->blocks_count / 8 > 4U << 20)
		return "too large for this kernel";
	groups = DIV_UP(d->blocks_count - d->first_data_block, d->blocks_per_group);
	if (groups > (4U << 20) / sizeof(struct ext2_group_disk))
		return "too many groups";
	if (d->inodes_count != (u64)groups * d->inodes_per_group)
		return "number of inodes does not fit that of groups";
	if (d->rev_level && (d->first_ino < EXT2_OLD_FIRST_INO || d->first_ino > d->inodes_count))
		return "impossible first inode";
	if ((u64)d->blocks_count * (block_size / 512) > dev->sectors)
		return "the file system is longer than the device (truncated image?)";
	return NULL;
}

static loff_t max_file_size(const struct ext2_sb *s)
{
	u64 p = s->ptrs, blocks = EXT2_NDIR + p + p * p + p * p * p;
	u64 size = blocks << s->block_shift, by_count = 0xffffffffUL * 512;	/* i_blocks counts sectors in 32 bits */

	if (s->revision0)
		return 0x7fffffff;
	return (loff_t)min(size, by_count);
}

static void take_super(struct ext2_sb *s, const struct ext2_super_disk *d)
{
	s->block_shift = 10 + d->log_block_size;
	s->block_size = 1U << s->block_shift;
	s->ptrs = s->block_size / 4;
	s->sectors_per_block = s->block_size / 512;
	s->blocks_count = d->blocks_count;
	s->inodes_count = d->inodes_count;
	s->first_data_block = d->first_data_block;
	s->blocks_per_group = d->blocks_per_group;
	s->inodes_per_group = d->inodes_per_group;
	s->group_count = DIV_UP(d->blocks_count - d->first_data_block, d->blocks_per_group);
	s->desc_blocks = DIV_UP(s->group_count * sizeof(struct ext2_group_disk), s->block_size);
	s->revision0 = !d->rev_level;
	s->first_ino = s->revision0 ? EXT2_OLD_FIRST_INO : d->first_ino;
	s->inode_size = s->revision0 ? EXT2_OLD_INODE_SIZE : d->inode_size;
	s->want_extra = d->want_extra_isize;
	if (s->want_extra < EXT2_EXTRA_ALL || s->want_extra % 4 || s->want_extra + EXT2_OLD_INODE_SIZE > s->inode_size)
		s->want_extra = EXT2_EXTRA_ALL;
	s->filetype = !s->revision0 && d->feature_incompat & EXT2_INCOMPAT_FILETYPE;
	s->sparse_super = !s->revision0 && d->feature_ro_compat & EXT2_RO_COMPAT_SPARSE_SUPER;
	s->large_file = !s->revision0 && d->feature_ro_compat & EXT2_RO_COMPAT_LARGE_FILE;
	s->reserved_blocks = d->r_blocks_count;
	s->reserved_uid = d->def_resuid;
	s->max_size = max_file_size(s);
	s->super_block_nr = EXT2_SUPER_OFFSET / s->block_size;
	s->super_offset = EXT2_SUPER_OFFSET % s->block_size;
	atomic_set(&s->generation, (int)(realtime_ns() >> 10));
}

/* What is wrong with a descriptor, or NULL. All of a group's structures lie inside it (flex_bg is not supported). */
static const char *group_fault(const struct ext2_sb *s, u32 group, const struct ext2_group_disk *g)
{
	u64 first = ext2_group_first(s, group) + (ext2_group_has_super(s, group) ? 1 + s->desc_blocks : 0);
	u64 end = (u64)ext2_group_first(s, group) + ext2_group_size(s, group);
	u64 table_end = g->inode_table + DIV_UP((u64)s->inodes_per_group * s->inode_size, s->block_size);

	if (g->block_bitmap < first || g->block_bitmap >= end || g->inode_bitmap < first || g->inode_bitmap >= end)
		return "a bitmap lies outside";
	if (g->inode_table < first || table_end > end)
		return "the inode table lies outside";
	if (g->block_bitmap == g->inode_bitmap || (g->block_bitmap >= g->inode_table && g->block_bitmap < table_end) ||
	    (g->inode_bitmap >= g->inode_table && g->inode_bitmap < table_end))
		return "its structures overlap";
	if (g->free_blocks_count > ext2_group_size(s, group) || g->free_inodes_count > s->inodes_per_group ||
	    g->used_dirs_count > s->inodes_per_group)
		return "impossible counts";
	return NULL;
}

static int read_descriptors(struct ext2_sb *s)
{
	u32 per_block = s->block_size / sizeof(struct ext2_group_disk);

	for (u32 g = 0; g < s->group_count; g++) {
		struct page *page;
		const char *fault;
		int error = ext2_meta_read(s, s->first_data_block + 1 + g / per_block, &page);

		if (error)
			return error;
		s->groups[g] = ((struct ext2_group_disk *)page_address(page))[g % per_block];
		page_unpin_read(page);
		fault = group_fault(s, g, &s->groups[g]);
		if (fault) {
			mount_complain("ext2: %s: descriptor of group %u: %s", s->dev->name, g, fault);
			return -EUCLEAN;
		}
		s->free_blocks += s->groups[g].free_blocks_count;
		s->free_inodes += s->groups[g].free_inodes_count;
	}
	return 0;
}

static void free_sb(struct ext2_sb *s)
{
	ext2_meta_destroy(s);
	kfree(s->groups);
	kfree(s->group_dirty);
	kfree(s);
}

static int open_fs(struct block_device *dev, const struct ext2_super_disk *d, struct ext2_sb **out)
{
	struct ext2_sb *s = kzalloc(sizeof(*s));
	int error = -ENOMEM;

	if (!s)
		return -ENOMEM;
	s->dev = dev;
	mutex_init(&s->alloc_lock, "ext2 alloc_lock", RANK_FSALLOC);
	take_super(s, d);
	s->groups = kzalloc(s->group_count * sizeof(struct ext2_group_disk));
	s->group_dirty = kzalloc(s->group_count);
	if (s->groups && s->group_dirty)
		error = ext2_meta_init(s);
	if (!error)
		error = read_descriptors(s);
	if (error) {
		free_sb(s);
		return error;
	}
	*out = s;
	return 0;
}

static struct inode *alloc_inode(struct super_block *sb)
{
	struct ext2_inode *ei = slab_alloc(inode_cache);

	if (!ei)
		return NULL;
	memset(ei, 0, sizeof(*ei));
	return &ei->vfs;
}

static void free_inode(struct inode *inode) { slab_free(inode_cache, ext2_i(inode)); }

static void put_super(struct super_block *sb)
{
	if (ext2_sync(sb))
		printk("ext2: %s: not everything could be written\n", ext2_s(&(struct inode){ .sb = sb })->dev->name);
	free_sb(sb->private);
	sb->private = NULL;
}

static const struct super_ops super_ops = {
	.alloc_inode = alloc_inode, .free_inode = free_inode, .evict = ext2_evict, .write_inode = ext2_write_inode,
	.sync = ext2_sync, .statfs = ext2_statfs, .put_super = put_super,
};

/* Features and state: may it be mounted, and for writing? */
static int check_features(const struct block_device *dev, const struct ext2_super_disk *d, u32 *flags)
{
	u32 unknown = d->rev_level ? d->feature_incompat & ~EXT2_INCOMPAT_SUPPORTED : 0;

	if (unknown) {
		mount_complain("ext2: %s: not mounted: incompatible features 0x%x are in use (ext4? make it with mke2fs -t ext2)", dev->name, unknown);
		return -EINVAL;
	}
	unknown = d->rev_level ? d->feature_ro_compat & ~EXT2_RO_COMPAT_SUPPORTED : 0;
	if (unknown && !(*flags & MS_RDONLY)) {
		printk("ext2: %s: mounted read-only: features 0x%x are in use\n", dev->name, unknown);
		*flags |= MS_RDONLY;
	}
	if (!(d->state & EXT2_STATE_VALID) || d->state & EXT2_STATE_ERROR)
		printk("ext2: %s: was not cleanly unmounted, or has errors: e2fsck is recommended\n", dev->name);
	return 0;
}

/* The super block, if it is one that we can use; *flags may become read-only. */
static int read_and_check(struct block_device *dev, struct ext2_super_disk *d, u32 *flags)
{
	const char *fault;
	int error = read_super(dev, d);

	if (error)
		return error;
	if (d->magic != EXT2_MAGIC) {
		mount_complain("ext2: %s: no ext2 file system here (bad magic number)", dev->name);
		return -EINVAL;
	}
	error = check_features(dev, d, flags);
	if (error)
		return error;
	fault = super_fault(d, dev);
	if (!fault)
		return 0;
	mount_complain("ext2: %s: corrupt super block: %s", dev->name, fault);
	return -EUCLEAN;
}

static int ext2_mount(struct block_device *dev, u32 flags, const char *options, struct super_block **out)
{
	struct ext2_super_disk *d = kmalloc(sizeof(*d));
	struct super_block *sb = NULL;
	struct inode *root;
	struct ext2_sb *s;
	u32 asked = flags;
	int error;

	if (!d)
		return -ENOMEM;
	error = read_and_check(dev, d, &flags);
	if (!error)
		error = open_fs(dev, d, &s);
	if (error)
		goto out;
	error = -ENOMEM;
	sb = super_alloc("ext2");
	if (!sb)
		goto out_fs;
	s->sb = sb;
	s->read_only = flags & MS_RDONLY && !(asked & MS_RDONLY);
	sb->ops = &super_ops;
	sb->flags = flags;
	sb->magic = EXT2_SUPER_MAGIC;
	sb->block_size = s->block_size;
	sb->bdev = dev;
	sb->private = s;
	error = ext2_iget(sb, EXT2_ROOT_INO, "/", 1, &root);
	if (error)
		goto out_super;
	if (!S_ISDIR(root->mode)) {
		error = ext2_error(s, "the root is not a directory");
		goto out_root;
	}
	sb->root = dentry_root(sb, root);
	error = -ENOMEM;
	if (!sb->root)
		goto out_root;
	printk("ext2: %s: mounted%s: %u blocks of %u bytes (%u free), %u inodes (%u free)\n", dev->name, flags & MS_RDONLY ? " read-only" : "",
	       s->blocks_count, s->block_size, s->free_blocks, s->inodes_count, s->free_inodes);
	*out = sb;
	kfree(d);
	return 0;

out_root:
	inode_put(root);
out_super:
	super_free(sb);
out_fs:
	free_sb(s);
out:
	if (error == -EIO || error == -ENOMEM)
		mount_complain("ext2: %s: cannot be mounted: %s", dev->name, error == -EIO ? "reading it fails" : "no memory");
	kfree(d);
	return error;
}

void ext2_init(void)
{
	static struct fs_type type = { .name = "ext2", .mount = ext2_mount, .needs_device = true };

	inode_cache = slab_cache_create("ext2_inode", sizeof(struct ext2_inode));
	if (inode_cache)
		fs_register(&type);
	else
		printk("ext2: no memory for its inodes\n");
}
