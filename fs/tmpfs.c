/*
 * tmpfs: a file system in memory. Contents are in the page cache and are never clean (no_writeback); names are
 * entries of the directory's inode, found through one hash per file system; an entry owns its inode.
 *
 * The size is limited to half of RAM: writes and stores beyond give ENOSPC. Pages are counted per inode whenever one
 * is about to be written, so the sum may lag by a page an inode.
 */
#include "fs/tmpfs.h"

#include "fs/internal.h"
#include "fs/syscalls.h"
#include "kernel/string.h"
#include "mm/page.h"
#include "mm/slab.h"
#include "mm/usercopy.h"

#define HASH_SIZE 1024
#define ENTRY_COST 20			/* what a name adds to a directory's size, as on Linux */

struct tmpfs_sb {
	struct mutex lock;		/* RANK_FSDATA; protects the hash */
	struct list_head hash[HASH_SIZE];
	u64 limit;			/* I: pages */
	atomic64_t pages;		/* A: charged */
	atomic64_t next_ino;
};

struct tmpfs_entry {
	struct list_head node, hash_node;	/* i_rwsem of the directory; hash: lock */
	struct inode *dir, *inode;
	loff_t cookie;			/* position of readdir; entries are sorted by it */
	u32 len, hash;
	char name[];
};

struct tmpfs_inode {
	struct inode vfs;
	struct list_head entries;	/* W */
	u64 parent_ino;			/* W */
	loff_t next_cookie;		/* W: 0 and 1 are "." and ".." */
	u64 nr_entries;			/* W */
	u64 charged;			/* A: pages in the sum */
	char *target;			/* I: of a symbolic link */
};

static struct slab_cache *inode_slab;
static const struct inode_ops dir_ops, file_iops, link_ops;
static const struct file_ops dir_fops, file_fops;
static const struct address_space_ops tmpfs_aops;

static struct tmpfs_inode *ti(struct inode *inode) { return container_of(inode, struct tmpfs_inode, vfs); }
static struct tmpfs_sb *ts(const struct inode *inode) { return inode->sb->private; }

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

static void touched(struct address_space *m) { inode_touch(m->owner, ATTR_MTIME); }
static void hold(struct address_space *m) { inode_get(m->owner); }
static void release(struct address_space *m) { inode_put(m->owner); }

static void name(struct address_space *m, char *buf, size_t size)
{
	struct inode *inode = m->owner;

	ksnprintf(buf, size, "%s inode %lu", inode->sb->type, inode->ino);
}

static const struct address_space_ops tmpfs_aops = {
	.read_page = read_page, .reserve = reserve, .touched = touched, .hold = hold, .release = release, .name = name,
};

/* --- inodes --- */

static struct inode *alloc_inode(struct super_block *sb)
{
	struct tmpfs_inode *t = slab_alloc(inode_slab);

	if (!t)
		return NULL;
	memset(t, 0, sizeof(*t));
	list_init(&t->entries);
	return &t->vfs;
}

static void free_inode(struct inode *inode)
{
	kfree(ti(inode)->target);
	slab_free(inode_slab, ti(inode));
}

static struct inode *make_inode(struct super_block *sb, struct inode *dir, u32 mode, u64 rdev)
{
	struct inode *inode = inode_new(sb, 0);

	if (!inode)
		return NULL;
	inode->ino = atomic64_add_return(&((struct tmpfs_sb *)sb->private)->next_ino, 1);
	mapping_init(&inode->mapping, &tmpfs_aops, inode, RANK_PAGE);
	inode->mapping.no_writeback = true;
	inode->mode = mode;
	inode->uid = fsuid();
	inode->gid = current->process ? current->process->fsgid : 0;
	if (dir && dir->mode & S_ISGID) {
		inode->gid = dir->gid;
		if (S_ISDIR(mode))
			inode->mode |= S_ISGID;
	}
	inode->rdev = rdev;
	inode->atime = inode->mtime = inode->ctime = now_timespec();
	inode->ops = &file_iops;
	if (S_ISREG(mode)) {
		inode->fops = &file_fops;
	} else if (S_ISDIR(mode)) {
		inode->ops = &dir_ops;
		inode->fops = &dir_fops;
		inode->nlink = 2;
		ti(inode)->next_cookie = 2;
		ti(inode)->parent_ino = dir ? dir->ino : inode->ino;
	} else if (S_ISLNK(mode)) {
		inode->ops = &link_ops;
	}
	return inode;
}

static void entry_free(struct inode *dir, struct tmpfs_entry *e)
{
	list_del(&e->node);
	mutex_lock(&ts(dir)->lock);
	list_del(&e->hash_node);
	mutex_unlock(&ts(dir)->lock);
	kfree(e);
}

/* At umount a directory still has its names: it takes its subdirectories' over before they go, so that nothing recurses. */
static void evict(struct inode *inode)
{
	while (!list_empty(&ti(inode)->entries)) {
		struct tmpfs_entry *e = list_first(&ti(inode)->entries, struct tmpfs_entry, node);
		struct inode *child = e->inode;

		list_splice_tail(&ti(child)->entries, &ti(inode)->entries);
		entry_free(inode, e);
		inode_put(child);
	}
	charge(inode, 0);
}

/* --- directories --- */

static struct tmpfs_entry *entry_find(struct inode *dir, const char *text, size_t len)
{
	u32 hash = name_hash(text, len);
	struct tmpfs_entry *e, *found = NULL;

	mutex_lock(&ts(dir)->lock);
	list_for_each(e, &ts(dir)->hash[(hash ^ dir->ino) % HASH_SIZE], hash_node)
		if (e->hash == hash && e->dir == dir && e->len == len && !memcmp(e->name, text, len)) {
			found = e;
			break;
		}
	mutex_unlock(&ts(dir)->lock);
	return found;
}

/* The reference on inode is taken over on success. */
static int entry_add(struct inode *dir, const char *text, size_t len, struct inode *inode)
{
	struct tmpfs_entry *e = kmalloc(sizeof(*e) + len);

	if (!e)
		return -ENOMEM;
	*e = (struct tmpfs_entry){ .dir = dir, .inode = inode, .cookie = ti(dir)->next_cookie++, .len = (u32)len, .hash = name_hash(text, len) };
	memcpy(e->name, text, len);
	list_add_tail(&e->node, &ti(dir)->entries);
	mutex_lock(&ts(dir)->lock);
	list_add(&e->hash_node, &ts(dir)->hash[(e->hash ^ dir->ino) % HASH_SIZE]);
	mutex_unlock(&ts(dir)->lock);
	ti(dir)->nr_entries++;
	inode_touch(dir, ATTR_MTIME);
	return 0;
}

/* The name goes; its inode's reference is the caller's. */
static struct inode *entry_remove(struct inode *dir, const char *text, size_t len)
{
	struct tmpfs_entry *e = entry_find(dir, text, len);
	struct inode *inode = e ? e->inode : NULL;

	if (!e)
		return NULL;
	entry_free(dir, e);
	ti(dir)->nr_entries--;
	inode_touch(dir, ATTR_MTIME);
	return inode;
}

static int lookup(struct inode *dir, const char *text, size_t len, struct inode **out)
{
	struct tmpfs_entry *e = entry_find(dir, text, len);

	if (!e)
		return -ENOENT;
	inode_get(e->inode);
	*out = e->inode;
	return 0;
}

/* A new inode under a new name; *out (if asked for) gets a reference of its own. */
static int make(struct inode *dir, const char *text, size_t len, u32 mode, u64 rdev, const char *target, struct inode **out)
{
	struct inode *inode = make_inode(dir->sb, dir, mode, rdev);
	int error = -ENOMEM;

	if (!inode)
		return -ENOMEM;
	if (target) {
		ti(inode)->target = kstrdup(target);
		if (!ti(inode)->target)
			goto out_put;
		inode->mapping.size = (loff_t)strlen(target);
	}
	error = entry_add(dir, text, len, inode);
	if (error)
		goto out_put;
	if (S_ISDIR(mode))
		dir->nlink++;
	if (out) {
		inode_get(inode);
		*out = inode;
	}
	return 0;
out_put:
	inode_put(inode);
	return error;
}

static int create(struct inode *dir, const char *text, size_t len, u32 mode, u64 rdev, struct inode **out)
{
	return make(dir, text, len, mode & S_IFMT ? mode : mode | S_IFREG, rdev, NULL, out);
}

static int mkdir(struct inode *dir, const char *text, size_t len, u32 mode, struct inode **out)
{
	return make(dir, text, len, S_IFDIR | (mode & ~(u32)S_IFMT), 0, NULL, out);
}

static int symlink(struct inode *dir, const char *text, size_t len, const char *target, struct inode **out)
{
	return make(dir, text, len, S_IFLNK | 0777, 0, target, out);
}

int tmpfs_add(struct inode *dir, const char *text, u32 mode, u64 rdev, const char *target)
{
	return make(dir, text, strlen(text), mode, rdev, target, NULL);
}

static int link(struct inode *dir, const char *text, size_t len, struct inode *inode)
{
	int error = entry_add(dir, text, len, inode);

	if (error)
		return error;
	inode_get(inode);
	inode->nlink++;
	inode_touch_ctime(inode);
	return 0;
}

static int unlink(struct inode *dir, const char *text, size_t len, struct inode *inode)
{
	struct inode *named = entry_remove(dir, text, len);

	if (!named)
		return -ENOENT;
	inode->nlink--;
	inode_touch_ctime(inode);
	inode_put(named);	/* not the last: the dentry has one */
	return 0;
}

static int rmdir(struct inode *dir, const char *text, size_t len, struct inode *inode)
{
	if (!list_empty(&ti(inode)->entries))
		return -ENOTEMPTY;
	inode->nlink = 1;
	dir->nlink--;
	return unlink(dir, text, len, inode);
}

static int rename(struct inode *old_dir, const char *old_name, size_t old_len, struct inode *inode,
		  struct inode *new_dir, const char *new_name, size_t new_len, struct inode *replaced)
{
	bool is_dir = S_ISDIR(inode->mode);
	struct tmpfs_entry *e;

	if (replaced && S_ISDIR(replaced->mode) && !list_empty(&ti(replaced)->entries))
		return -ENOTEMPTY;
	if (replaced) {			/* the entry stays where it is and gets the other inode */
		e = entry_find(new_dir, new_name, new_len);
		if (!e)
			return -ENOENT;
		inode_get(inode);
		e->inode = inode;
		replaced->nlink -= is_dir ? 2 : 1;
		inode_touch_ctime(replaced);
		inode_put(replaced);
		inode_touch(new_dir, ATTR_MTIME);
		if (is_dir)
			new_dir->nlink--;
	} else {
		int error = entry_add(new_dir, new_name, new_len, inode);
		if (error)
			return error;
		inode_get(inode);
	}
	inode_put(entry_remove(old_dir, old_name, old_len));
	if (is_dir) {
		old_dir->nlink--;
		new_dir->nlink++;
		ti(inode)->parent_ino = new_dir->ino;
	}
	inode_touch_ctime(inode);
	return 0;
}

static unsigned dirent_type(u32 mode) { return mode >> 12 & 15; }

static int iterate(struct file *file, struct dir_context *ctx)
{
	struct inode *dir = file->inode;
	struct tmpfs_entry *e;

	if (!dir->nlink)
		return -ENOENT;
	if (file->pos == 0) {
		if (!ctx->emit(ctx, ".", 1, dir->ino, dirent_type(S_IFDIR), 1))
			return 0;
		file->pos = 1;
	}
	if (file->pos == 1) {
		if (!ctx->emit(ctx, "..", 2, ti(dir)->parent_ino, dirent_type(S_IFDIR), 2))
			return 0;
		file->pos = 2;
	}
	list_for_each(e, &ti(dir)->entries, node) {
		if (e->cookie < file->pos)
			continue;
		if (!ctx->emit(ctx, e->name, e->len, e->inode->ino, dirent_type(e->inode->mode), e->cookie + 1))
			return 0;
		file->pos = e->cookie + 1;
	}
	return 0;
}

/* --- attributes --- */

static ssize_t readlink(struct inode *inode, char *buf, size_t size)
{
	size_t n = min(strlen(ti(inode)->target), size);

	memcpy(buf, ti(inode)->target, n);
	return (ssize_t)n;
}

static void getattr(struct inode *inode, struct kstat *st)
{
	if (S_ISDIR(inode->mode))
		st->size = ENTRY_COST * (2 + ti(inode)->nr_entries);
	if (S_ISREG(inode->mode))
		st->blocks = atomic64_read(&inode->mapping.nr_pages) * (PAGE_SIZE / 512);
}

static int setattr(struct inode *inode, const struct iattr *attr)
{
	if (attr->valid & ATTR_SIZE) {
		int error = pagecache_truncate_begin(&inode->mapping, attr->size);
		if (error)
			return error;
		pagecache_truncate_end(&inode->mapping);
		charge(inode, atomic64_read(&inode->mapping.nr_pages));
		inode_touch(inode, ATTR_MTIME);
	}
	if (attr->valid & ATTR_MODE)
		inode->mode = (inode->mode & S_IFMT) | (attr->mode & ~(u32)S_IFMT);
	if (attr->valid & ATTR_UID)
		inode->uid = attr->uid;
	if (attr->valid & ATTR_GID)
		inode->gid = attr->gid;
	if (attr->valid & ATTR_ATIME)
		inode->atime = attr->atime;
	if (attr->valid & ATTR_MTIME)
		inode->mtime = attr->mtime;
	inode_touch_ctime(inode);
	return 0;
}

static const struct inode_ops dir_ops = {
	.lookup = lookup, .create = create, .mkdir = mkdir, .symlink = symlink, .link = link, .unlink = unlink, .rmdir = rmdir,
	.rename = rename, .setattr = setattr, .getattr = getattr,
};
static const struct inode_ops file_iops = { .setattr = setattr, .getattr = getattr };
static const struct inode_ops link_ops = { .readlink = readlink, .setattr = setattr };

static int no_fsync(struct file *file, bool data_only) { return 0; }

static const struct file_ops file_fops = {
	.read = generic_file_read, .write = generic_file_write, .llseek = generic_llseek, .mmap = generic_mmap, .fsync = no_fsync,
};

static loff_t dir_llseek(struct file *file, loff_t offset, int whence)
{
	if (whence == SEEK_CUR)
		offset += file->pos;
	else if (whence != SEEK_SET)
		return -EINVAL;
	return offset < 0 ? -EINVAL : (file->pos = offset);
}

static const struct file_ops dir_fops = { .iterate = iterate, .llseek = dir_llseek, .fsync = no_fsync };

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
	kfree(sb->private);
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

	if (!sb || !t)
		goto out_free;
	mutex_init(&t->lock, "tmpfs names", RANK_FSDATA);
	for (int i = 0; i < HASH_SIZE; i++)
		list_init(&t->hash[i]);
	t->limit = page_total_count() / 2;
	sb->private = t;
	sb->ops = &tmpfs_sops;
	sb->magic = TMPFS_MAGIC;
	sb->block_size = PAGE_SIZE;
	root = make_inode(sb, NULL, S_IFDIR | root_mode, 0);
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

/* --- memfd_create: a file of a tmpfs that nobody mounted --- */

static struct super_block *memfd_sb;		/* made at boot */

static struct file *memfd_open(const char *text)
{
	struct name n = { text, (u32)strlen(text), 0 };
	struct inode *inode = make_inode(memfd_sb, NULL, S_IFREG | 0777, 0);
	struct path path = { NULL, NULL };
	struct file *file;

	if (!inode)
		return ERR_PTR(-ENOMEM);
	inode->nlink = 0;
	path.dentry = dentry_unplaced(memfd_sb, &n, inode);
	if (!path.dentry) {
		inode_put(inode);
		return ERR_PTR(-ENOMEM);
	}
	file = file_open_path(&path, O_RDWR | O_LARGEFILE);
	path_put(&path);
	return file;
}

#define MEMFD_NAME_MAX (NAME_MAX - 6)

long sys_memfd_create(const char __user *uname, unsigned flags)
{
	char text[NAME_MAX + 16] = "/memfd:";
	struct file *file;
	ssize_t n;
	int fd;

	if (flags & ~3U)	/* MFD_CLOEXEC | MFD_ALLOW_SEALING */
		return -EINVAL;
	n = strncpy_from_user(text + 7, uname, MEMFD_NAME_MAX + 1);
	if (n < 0)
		return n == -ENAMETOOLONG ? -EINVAL : n;
	str_copy(text + 7 + n, " (deleted)", 11);
	fd = fd_reserve(0, flags & 1);
	if (fd < 0)
		return fd;
	file = memfd_open(text);
	if (IS_ERR(file)) {
		fd_unreserve(fd);
		return PTR_ERR(file);
	}
	fd_install(fd, file);
	return fd;
}

void tmpfs_init(void)
{
	static struct fs_type type = { .name = "tmpfs", .mount = mount };

	inode_slab = slab_cache_create("tmpfs_inode", sizeof(struct tmpfs_inode));
	if (!inode_slab || tmpfs_make("tmpfs", 0700, &memfd_sb))
		panic("no memory for tmpfs");
	fs_register(&type);
}
