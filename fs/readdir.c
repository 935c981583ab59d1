/*
 * getdents64: a directory's entries, collected in kernel memory under the directory's lock and copied to the user
 * when it is dropped. What did not arrive there is not counted as read.
 */
#include "fs/internal.h"

#include "fs/syscalls.h"
#include "kernel/string.h"
#include "mm/slab.h"
#include "mm/usercopy.h"

struct dirent64 {
	u64 ino;
	s64 off;		/* position of the next entry */
	u16 len;
	u8 type;
	char name[];
};

struct dirent_old {		/* getdents: the type is the last byte of the record */
	u64 ino;
	u64 off;
	u16 len;
	char name[];
};

#define BATCH (32 * 1024UL)

struct collector {
	struct dir_context ctx;
	char *buf;
	size_t used, size;
	bool old, too_small;	/* format; an entry did not fit into an empty buffer */
};

static bool collect(struct dir_context *ctx, const char *name, size_t len, u64 ino, unsigned type, loff_t next_pos)
{
	struct collector *c = container_of(ctx, struct collector, ctx);
	size_t head = c->old ? offsetof(struct dirent_old, name) + 1 : offsetof(struct dirent64, name);
	size_t need = ALIGN_UP(head + len + 1, 8UL);
	char *at = c->buf + c->used;

	if (need > c->size - c->used) {
		c->too_small = !c->used;
		return false;
	}
	memset(at, 0, need);
	if (c->old) {
		struct dirent_old *d = (struct dirent_old *)at;
		*d = (struct dirent_old){ .ino = ino, .off = (u64)next_pos, .len = (u16)need };
		memcpy(d->name, name, len);
		at[need - 1] = (char)type;
	} else {
		struct dirent64 *d = (struct dirent64 *)at;
		*d = (struct dirent64){ .ino = ino, .off = next_pos, .len = (u16)need, .type = (u8)type };
		memcpy(d->name, name, len);
	}
	c->used += need;
	return true;
}

/* Of `used` bytes of records, all but the last `left` bytes arrived: the whole records among them, and the position behind. */
static size_t whole_records(const struct collector *c, size_t left, loff_t *pos)
{
	size_t n = 0;

	while (n < c->used) {
		const struct dirent64 *d = (const struct dirent64 *)(c->buf + n);	/* both formats begin alike */
		if (n + d->len > c->used - left)
			break;
		*pos = d->off;
		n += d->len;
	}
	return n;
}

static long read_entries(struct file *file, void __user *buf, size_t size, bool old)
{
	struct collector c = { .ctx = { .emit = collect }, .size = min(size, BATCH), .old = old };
	struct inode *dir = file->inode;
	loff_t start;
	size_t left;
	long result;

	if (!file->ops->iterate)
		return -ENOTDIR;
	c.buf = kmalloc(max(c.size, 16UL));
	if (!c.buf)
		return -ENOMEM;
	mutex_lock(&file->pos_lock);
	start = file->pos;
	down_read(&dir->i_rwsem);
	result = dir->nlink ? file->ops->iterate(file, &c.ctx) : -ENOENT;
	up_read(&dir->i_rwsem);
	inode_touch_atime(dir);
	if (c.used) {
		left = copy_to_user(buf, c.buf, c.used);
		result = (long)c.used;
		if (left) {
			file->pos = start;
			result = (long)whole_records(&c, left, &file->pos);
			result = result ? result : -EFAULT;
		}
	} else if (!result && c.too_small) {
		result = -EINVAL;
	}
	mutex_unlock(&file->pos_lock);
	kfree(c.buf);
	return result;
}

static long dents_call(unsigned fd, void __user *buf, unsigned size, bool old)
{
	struct file *file = fd_get_file((int)fd);
	long n;

	if (!file)
		return -EBADF;
	n = read_entries(file, buf, size, old);
	file_put(file);
	return n;
}

long sys_getdents64(unsigned fd, void __user *buf, unsigned size) { return dents_call(fd, buf, size, false); }
long sys_getdents(unsigned fd, void __user *buf, unsigned size) { return dents_call(fd, buf, size, true); }
