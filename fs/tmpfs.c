/*
 * tmpfs: a file system in memory. Contents are in the page cache and are never clean (no_writeback); names are
 * entries of the directory's inode (fs/tmpdir.c).
 *
 * The size is limited to half of RAM: writes and stores beyond give ENOSPC. Pages are counted per inode whenever one
 * is about to be written, so the sum may lag by a page an inode.
 */
#include "fs/tmpfs.h"

#include "fs/internal.h"
#include "kernel/string.h"
#include "mm/page.h"
#include "mm/slab.h"

static struct slab_cache *inode_slab;
static const struct inode_ops file_iops, link_ops;
static const struct file_ops file_fops;
static const struct address_space_ops tmpfs_aops;

/* --- contents --- */

static int read_page(struct address_space *m, u64 index, struct page *page)
{
	memset(page_address(page), 0, PAGE_SIZE);
	pagecache_read_done(m, index, 0);
	return 0;
}

/* Bring the sum up to date; the new sum. */
static u64 charge(struct inode *inode, u64 pages)
{
	u64 old = __atomic_exchange_n(&ti(inode)->charged, pages, __ATOMIC_SEQ_CST);

	return atomic64_add_return(&ts(inode)->pages, (s64)pages - (s64)old);
}

static int reserve(struct address_space *m, u64 index, unsigned from, unsigned to)
{
	struct inode *inode = m->owner;

	if (charge(inode, atomic64_read(&m->nr_pages)) < ts(inode)->limit)
		return 0;
	return pagecache_peek(m, index) & ENTRY_D ? 0 : -ENOSPC;
}

/* Not reserved: so only for the next few, before others have taken it. */
static u64 room(struct address_space *m, u64 index, u64 n)
{
	u64 used = charge(m->owner, atomic64_read(&m->nr_pages)), limit = ts(m->owner)->limit;

	n = min(n, (u64)64);
	return used < limit ? min(n, limit - used) : 0;
}

static void touched(struct address_space *m) { inode_touch(m->owner, ATTR_MTIME); }
static void hold(struct address_space *m) { inode_get(m->owner); }
static void release(struct address_space *m) { inode_put(m->owner); }

static void name(struct address_space *m, char *buf, size_t size)
{
	struct inode *inode = m->owner;

	ksnprintf(buf, size, "%s inode %lu", inode->sb->type, inode->ino);
}

static const struct address_space_ops tmpfs_aops = {
	.read_page = read_page, .reserve = reserve, .room = room, .touched = touched, .hold = hold, .release = release, .name = name,
};

/* --- inodes --- */

static struct inode *alloc_inode(struct super_block *sb)
{
	struct tmpfs_inode *t = slab_alloc(inode_slab);

	if (!t)
		return NULL;
	memset(t, 0, sizeof(*t));
	list_init(&t->entries);
	list_init(&t->cursors);
	return &t->vfs;
}

static void free_inode(struct inode *inode)
{
	kfree(ti(inode)->target);
	slab_free(inode_slab, ti(inode));
}

struct inode *tmpfs_make_inode(struct super_block *sb, struct inode *dir, u32 mode, u64 rdev)
{
	struct inode *inode = inode_new(sb, 0);

	if (!inode)
		return NULL;
	inode->ino = atomic64_add_return(&((struct tmpfs_sb *)sb->private)->next_ino, 1);
	mapping_init(&inode->mapping, &tmpfs_aops, inode, RANK_PAGE);
	inode->mapping.no_writeback = inode->mapping.whole_blocks = true;
	inode->mode = mode;
	inode->uid = fsuid();
	inode->gid = current->process ? current->process->fsgid : 0;
	if (dir && dir->mode & S_ISGID) {
		inode->gid = dir->gid;
		if (S_ISDIR(mode))
			inode->mode |= S_ISGID;
	}
	inode->rdev = rdev;
	ti(inode)->seals = F_SEAL_SEAL;
	inode->atime = inode->mtime = inode->ctime = now_timespec();
	inode->ops = &file_iops;
	if (S_ISREG(mode)) {
		inode->fops = &file_fops;
	} else if (S_ISDIR(mode)) {
		inode->ops = &tmpfs_dir_ops;
		inode->fops = &tmpfs_dir_fops;
		inode->nlink = 2;
		ti(inode)->next_cookie = 2;
		ti(inode)->parent_ino = dir ? dir->ino : inode->ino;
	} else if (S_ISLNK(mode)) {
		inode->ops = &link_ops;
	}
	return inode;
}

/* At umount a directory still has its names: it takes its subdirectories' over before they go, so that nothing recurses. */
static void evict(struct inode *inode)
{
	while (!list_empty(&ti(inode)->entries)) {
		struct tmpfs_entry *e = list_first(&ti(inode)->entries, struct tmpfs_entry, node);
		struct inode *child = e->inode;

		list_splice_tail(&ti(child)->entries, &ti(inode)->entries);
		tmpfs_entry_free(inode, e);
		inode_put(child);
	}
	charge(inode, 0);
}

/* --- attributes --- */

static ssize_t readlink(struct inode *inode, char *buf, size_t size)
{
	size_t n = min(strlen(ti(inode)->target), size);

	memcpy(buf, ti(inode)->target, n);
	return (ssize_t)n;
}

void tmpfs_getattr(struct inode *inode, struct kstat *st)
{
	if (S_ISDIR(inode->mode))
		st->size = TMPFS_ENTRY_COST * (2 + ti(inode)->nr_entries);
	if (S_ISREG(inode->mode))
		st->blocks = atomic64_read(&inode->mapping.nr_pages) * (PAGE_SIZE / 512);
}

int tmpfs_setattr(struct inode *inode, const struct iattr *attr)
{
	if (attr->valid & ATTR_SIZE) {
		int error = seals_allow_resize(inode, attr->size);
		if (error)
			return error;
		error = pagecache_truncate_begin(&inode->mapping, attr->size);
		if (error)
			return error;
		pagecache_truncate_end(&inode->mapping);
		charge(inode, atomic64_read(&inode->mapping.nr_pages));
		inode_touch(inode, ATTR_MTIME);
	}
	inode_copy_attr(inode, attr);
	inode_touch_ctime(inode);
	return 0;
}

static const struct inode_ops file_iops = { .setattr = tmpfs_setattr, .getattr = tmpfs_getattr };
static const struct inode_ops link_ops = { .readlink = readlink, .setattr = tmpfs_setattr };

int tmpfs_no_fsync(struct file *file, bool data_only) { return 0; }

/* FALLOC_FL_ZERO_RANGE not, as on Linux. */
static int fallocate(struct file *file, int mode, loff_t start, loff_t end)
{
	struct inode *inode = file->inode;
	int error = mode & FALLOC_FL_PUNCH_HOLE ? (int)min(seals_allow_write(inode, start, 0), 0L)
						: seals_allow_resize(inode, mode & FALLOC_FL_KEEP_SIZE ? inode->mapping.size : max(end, inode->mapping.size));

	if (error)
		return error;
	error = -EOPNOTSUPP;
	if (mode & FALLOC_FL_PUNCH_HOLE)
		error = generic_punch(inode, start, end, NULL);
	else if (!(mode & FALLOC_FL_ZERO_RANGE))
		error = generic_allocate(file, start, end, mode & FALLOC_FL_KEEP_SIZE);
	charge(inode, atomic64_read(&inode->mapping.nr_pages));
	return error;
}

static int file_mmap(struct file *file, struct map_request *req)
{
	int error = seals_allow_mmap(file->inode, req);

	return error ? error : generic_mmap(file, req);
}

static loff_t seek_data(struct inode *inode, loff_t pos, bool hole)
{
	struct address_space *m = &inode->mapping;
	u64 index = (u64)pos >> PAGE_SHIFT, last = ((u64)READ_ONCE(m->size) >> PAGE_SHIFT) + 1, found = index;

	if (hole)
		while (found <= last && pagecache_next(m, found, found) == found)
			found++;
	else
		found = pagecache_next(m, index, last);
	return found == index ? pos : (loff_t)(found << PAGE_SHIFT);
}

#define COMMON_FOPS \
	.read = generic_file_read, .write = generic_file_write, .share = generic_file_share, .give = generic_file_give, .llseek = generic_llseek, \
	.mmap = file_mmap, .fsync = tmpfs_no_fsync, .fallocate = fallocate, .seek_data = seek_data

/* ->direct: there is no device to go to directly: allowed, as on Linux, and no different. */
static const struct file_ops file_fops = { COMMON_FOPS, .direct = &file_fops };
const struct file_ops tmpfs_sealable_fops = { COMMON_FOPS, .may_write = seals_allow_write, .direct = &tmpfs_sealable_fops };

/* --- the file system --- */

static int statfs(struct super_block *sb, struct statfs *out)
{
	struct tmpfs_sb *t = sb->private;
	u64 used = min(atomic64_read(&t->pages), t->limit);

	*out = (struct statfs){ .f_type = TMPFS_MAGIC, .f_bsize = PAGE_SIZE, .f_frsize = PAGE_SIZE, .f_namelen = NAME_MAX };
	out->f_blocks = (__kernel_long_t)t->limit;
	out->f_bfree = out->f_bavail = (__kernel_long_t)(t->limit - used);
	out->f_files = (__kernel_long_t)t->limit;
	out->f_ffree = out->f_files - (__kernel_long_t)min(atomic64_read(&t->next_ino), t->limit);
	return 0;
}

static void put_super(struct super_block *sb)
{
	struct tmpfs_sb *t = sb->private;

	kfree(t->hash);
	kfree(t);
	sb->private = NULL;
}

static const struct super_ops tmpfs_sops = {
	.alloc_inode = alloc_inode, .free_inode = free_inode, .evict = evict, .statfs = statfs, .put_super = put_super,
};

int tmpfs_make(const char *type, u32 root_mode, struct super_block **out)
{
	struct super_block *sb = super_alloc(type);
	struct tmpfs_sb *t = kzalloc(sizeof(*t));
	struct inode *root = NULL;

	if (!sb || !t || tmpfs_hash_init(t))
		goto out_free;
	mutex_init(&t->lock, "tmpfs names", RANK_FSDATA);
	t->limit = page_total_count() / 2;
	sb->private = t;
	sb->ops = &tmpfs_sops;
	sb->magic = TMPFS_MAGIC;
	sb->block_size = PAGE_SIZE;
	root = tmpfs_make_inode(sb, NULL, S_IFDIR | root_mode, 0);
	if (!root)
		goto out_free;
	sb->root = dentry_root(sb, root);
	if (!sb->root)
		goto out_free;
	*out = sb;
	return 0;
out_free:
	inode_put(root);
	if (sb)
		super_free(sb);
	if (t)
		kfree(t->hash);
	kfree(t);
	return -ENOMEM;
}

/* mode= and size= (k, m, g, %); Linux's others are accepted and mean nothing here; what is none is EINVAL. */
static int apply_options(struct super_block *sb, const char *options)
{
	static const char *const others[] = { "nr_blocks=", "nr_inodes=", "uid=", "gid=", "huge=", "mpol=", "noswap", "inode" };
	struct tmpfs_sb *t = sb->private;

	for (const char *p = options; p && *p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL) {
		bool is_mode = !strncmp(p, "mode=", 5), known = is_mode || !strncmp(p, "size=", 5);
		const char *d = p + 5;
		u64 n = 0;

		for (size_t i = 0; i < ARRAY_SIZE(others) && !known; i++)
			if (!strncmp(p, others[i], strlen(others[i])))
				break;
			else if (i == ARRAY_SIZE(others) - 1)
				return -EINVAL;
		if (!known)
			continue;
		while (*d >= '0' && *d <= (is_mode ? '7' : '9'))
			n = n * (is_mode ? 8 : 10) + (u64)(*d++ - '0');
		if (is_mode)
			sb->root->inode->mode = S_IFDIR | (n & 07777);
		else if (*d == '%')
			t->limit = page_total_count() * n / 100;
		else
			t->limit = (n << (*d == 'k' ? 10 : *d == 'm' ? 20 : *d == 'g' ? 30 : 0)) / PAGE_SIZE;
	}
	return 0;
}

static int mount(struct block_device *dev, u32 flags, const char *options, struct super_block **out)
{
	int error = tmpfs_make("tmpfs", 01777, out);

	if (error)
		return error;
	error = apply_options(*out, options);
	if (error) {
		dentry_put((*out)->root);
		put_super(*out);
		super_free(*out);
	}
	return error;
}

void tmpfs_init(void)
{
	static struct fs_type type = { .name = "tmpfs", .mount = mount };

	inode_slab = slab_cache_create("tmpfs_inode", sizeof(struct tmpfs_inode));
	if (!inode_slab || memfd_init())
		panic("no memory for tmpfs");
	fs_register(&type);
}
