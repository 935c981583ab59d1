/*
 * Directories of tmpfs: names are entries of the directory's inode, in the order of their making, and found through one
 * hash per file system, which grows with their number; an entry owns its inode. Who reads a directory in several calls has a cursor in it.
 */
#include "fs/tmpfs.h"

#include "fs/internal.h"
#include "kernel/string.h"
#include "mm/slab.h"

/* --- the hash --- */

#define FIRST_HASH_SIZE 64

static struct list_head *hash_alloc(u64 size)
{
	struct list_head *hash = kmalloc(size * sizeof(*hash));

	for (u64 i = 0; hash && i < size; i++)
		list_init(&hash[i]);
	return hash;
}

int tmpfs_hash_init(struct tmpfs_sb *t)
{
	t->hash = hash_alloc(FIRST_HASH_SIZE);
	t->hash_size = FIRST_HASH_SIZE;
	return t->hash ? 0 : -ENOMEM;
}

/* Lock held. */
static struct list_head *bucket(const struct tmpfs_sb *t, const struct inode *dir, u32 hash)
{
	return &t->hash[(hash ^ dir->ino) & (t->hash_size - 1)];
}

/* Twice as large, if that is due and there is memory: otherwise the chains get longer. */
static void hash_grow(struct tmpfs_sb *t)
{
	u64 size = READ_ONCE(t->hash_size);
	struct list_head *fresh, *old;

	if (likely(READ_ONCE(t->nr_entries) < 2 * size))
		return;
	fresh = hash_alloc(2 * size);
	if (!fresh)
		return;
	mutex_lock(&t->lock);
	old = t->hash;
	if (t->hash_size == size) {	/* nobody was faster */
		t->hash = fresh;
		WRITE_ONCE(t->hash_size, 2 * size);
		for (u64 i = 0; i < size; i++)
			while (!list_empty(&old[i])) {
				struct tmpfs_entry *e = list_first(&old[i], struct tmpfs_entry, hash_node);

				list_del(&e->hash_node);
				list_add(&e->hash_node, bucket(t, e->dir, e->hash));
			}
		fresh = old;
	}
	mutex_unlock(&t->lock);
	kfree(fresh);
}

static struct tmpfs_entry *entry_find(struct inode *dir, const char *text, size_t len)
{
	u32 hash = name_hash(text, len);
	struct tmpfs_entry *e, *found = NULL;

	mutex_lock(&ts(dir)->lock);
	list_for_each(e, bucket(ts(dir), dir, hash), hash_node)
		if (e->hash == hash && e->dir == dir && e->len == len && !memcmp(e->name, text, len)) {
			found = e;
			break;
		}
	mutex_unlock(&ts(dir)->lock);
	return found;
}

/* --- entries --- */

void tmpfs_entry_free(struct inode *dir, struct tmpfs_entry *e)
{
	struct tmpfs_sb *t = ts(dir);
	struct tmpfs_cursor *c;

	mutex_lock(&t->lock);
	list_for_each(c, &ti(dir)->cursors, node)
		if (c->last == &e->node)
			c->last = e->node.prev;
	list_del(&e->hash_node);
	WRITE_ONCE(t->nr_entries, t->nr_entries - 1);
	mutex_unlock(&t->lock);
	list_del(&e->node);
	kfree(e);
}

/* The reference on inode is taken over on success. */
static int entry_add(struct inode *dir, const char *text, size_t len, struct inode *inode)
{
	struct tmpfs_entry *e = kmalloc(sizeof(*e) + len);
	struct tmpfs_sb *t = ts(dir);

	if (!e)
		return -ENOMEM;
	*e = (struct tmpfs_entry){ .dir = dir, .inode = inode, .cookie = ti(dir)->next_cookie++, .len = (u32)len, .hash = name_hash(text, len) };
	memcpy(e->name, text, len);
	list_add_tail(&e->node, &ti(dir)->entries);
	hash_grow(t);
	mutex_lock(&t->lock);
	list_add(&e->hash_node, bucket(t, dir, e->hash));
	WRITE_ONCE(t->nr_entries, t->nr_entries + 1);
	mutex_unlock(&t->lock);
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
	tmpfs_entry_free(dir, e);
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
	struct inode *inode = tmpfs_make_inode(dir->sb, dir, mode, rdev);
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

static int exchange(struct inode *dir_a, const char *name_a, size_t len_a, struct inode *a,
		    struct inode *dir_b, const char *name_b, size_t len_b, struct inode *b)
{
	struct tmpfs_entry *entry_a = entry_find(dir_a, name_a, len_a), *entry_b = entry_find(dir_b, name_b, len_b);

	if (!entry_a || !entry_b)
		return -ENOENT;
	entry_a->inode = b;		/* and its reference */
	entry_b->inode = a;
	dir_a->nlink += S_ISDIR(b->mode) - S_ISDIR(a->mode);
	dir_b->nlink += S_ISDIR(a->mode) - S_ISDIR(b->mode);
	ti(a)->parent_ino = dir_b->ino;
	ti(b)->parent_ino = dir_a->ino;
	inode_touch(dir_a, ATTR_MTIME);
	inode_touch(dir_b, ATTR_MTIME);
	inode_touch_ctime(a);
	inode_touch_ctime(b);
	return 0;
}

static int tmpfile(struct inode *dir, u32 mode, struct inode **out)
{
	*out = tmpfs_make_inode(dir->sb, dir, mode, 0);
	if (!*out)
		return -ENOMEM;
	(*out)->nlink = 0;
	return 0;
}

static unsigned dirent_type(u32 mode) { return mode >> 12 & 15; }

/* --- reading --- */

/* What was read last when the file stood at its position; without a cursor there it is looked for. */
static struct list_head *last_read(struct file *file)
{
	struct tmpfs_cursor *c = file->private;
	struct list_head *head = &ti(file->inode)->entries, *node;

	if (c && c->pos == file->pos)
		return c->last;
	if (!list_empty(head) && list_entry(head->prev, struct tmpfs_entry, node)->cookie < file->pos)
		return head->prev;	/* all: the call that ends a reading */
	for (node = head->next; node != head && list_entry(node, struct tmpfs_entry, node)->cookie < file->pos; node = node->next)
		;
	return node->prev;
}

/* The reading stopped behind `last`. Without memory the next call will have to look for it. */
static void set_cursor(struct file *file, struct list_head *last)
{
	struct inode *dir = file->inode;
	struct tmpfs_cursor *c = file->private;

	if (!c) {
		c = kmalloc(sizeof(*c));
		if (!c)
			return;
		c->last = last;
		mutex_lock(&ts(dir)->lock);
		list_add(&c->node, &ti(dir)->cursors);
		mutex_unlock(&ts(dir)->lock);
		file->private = c;
	}
	c->last = last;
	c->pos = file->pos;
}

static int iterate(struct file *file, struct dir_context *ctx)
{
	struct inode *dir = file->inode;
	struct list_head *last, *node, *head = &ti(dir)->entries;

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
	last = last_read(file);
	for (node = last->next; node != head; node = node->next) {
		const struct tmpfs_entry *e = list_entry(node, struct tmpfs_entry, node);

		if (!ctx->emit(ctx, e->name, e->len, e->inode->ino, dirent_type(e->inode->mode), e->cookie + 1)) {
			set_cursor(file, last);
			break;
		}
		file->pos = e->cookie + 1;
		last = node;
	}
	return 0;
}

static void dir_release(struct file *file)
{
	struct tmpfs_cursor *c = file->private;

	if (!c)
		return;
	mutex_lock(&ts(file->inode)->lock);
	list_del(&c->node);
	mutex_unlock(&ts(file->inode)->lock);
	kfree(c);
}

static loff_t dir_llseek(struct file *file, loff_t offset, int whence)
{
	if (whence == SEEK_CUR)
		offset += file->pos;
	else if (whence != SEEK_SET)
		return -EINVAL;
	return offset < 0 ? -EINVAL : (file->pos = offset);
}

const struct file_ops tmpfs_dir_fops = { .iterate = iterate, .llseek = dir_llseek, .release = dir_release, .fsync = tmpfs_no_fsync };

const struct inode_ops tmpfs_dir_ops = {
	.lookup = lookup, .create = create, .mkdir = mkdir, .symlink = symlink, .link = link, .unlink = unlink, .rmdir = rmdir,
	.rename = rename, .exchange = exchange, .tmpfile = tmpfile, .setattr = tmpfs_setattr, .getattr = tmpfs_getattr,
};
