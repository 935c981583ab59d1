/*
 * The tree of /proc: a root with files about the system and a directory for each process, which has files and
 * magic links, and the directory fd. Names and inodes are made anew at each lookup and die with their last user, so
 * that nothing is left over of a process that has gone.
 */
#include "fs/procfs.h"

#include "kernel/string.h"
#include "kernel/usermode.h"
#include "mm/slab.h"

#include <stdarg.h>

enum proc_kind { PROC_ROOT, PROC_ITEM, PROC_SELF, PROC_PID, PROC_FD_DIR, PROC_FD };

struct proc_node {
	enum proc_kind kind;
	int pid;				/* 0: of the system */
	int fd;
	const struct proc_item *item;
};

static const struct inode_ops dir_ops, plain_link_ops, magic_link_ops, file_iops;
static const struct file_ops dir_fops, file_fops;

static struct proc_node *node_of(const struct inode *inode) { return inode->private; }

static bool is_magic(const struct proc_node *n) { return n->kind == PROC_FD || (n->item && n->item->follow); }

/* --- text --- */

static bool grow(struct text *t, size_t need)
{
	size_t cap = max(t->cap * 2, (size_t)1024);
	char *bigger;

	while (cap < need)
		cap *= 2;
	bigger = kmalloc(cap);
	if (!bigger) {
		t->failed = true;
		return false;
	}
	memcpy(bigger, t->buf, t->len);
	kfree(t->buf);
	t->buf = bigger;
	t->cap = cap;
	return true;
}

void text_add(struct text *t, const char *bytes, size_t n)
{
	if (t->failed || (t->len + n > t->cap && !grow(t, t->len + n)))
		return;
	memcpy(t->buf + t->len, bytes, n);
	t->len += n;
}

void text_printf(struct text *t, const char *fmt, ...)
{
	char line[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = kvsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	text_add(t, line, min((size_t)n, sizeof(line) - 1));
}

/* --- inodes --- */

static struct inode *make(struct super_block *sb, enum proc_kind kind, int pid, int fd, const struct proc_item *item, u32 mode)
{
	struct proc_node *n = kmalloc(sizeof(*n));
	struct inode *inode = n ? inode_new(sb, 0) : NULL;
	struct process *p = pid ? process_find_get(pid) : NULL;

	if (inode) {
		*n = (struct proc_node){ kind, pid, fd, item };
		inode->private = n;
		inode->ino = kind == PROC_ROOT ? 1 : (u64)pid << 32 | (u64)kind << 24 | (u64)(item ? (item->name[0] * 31 + item->name[1]) : fd + 1);
		inode->mode = mode;
		inode->atime = inode->mtime = inode->ctime = now_timespec();
		if (p) {
			inode->uid = p->euid;
			inode->gid = p->egid;
		}
		inode->ops = S_ISDIR(mode) ? &dir_ops : !S_ISLNK(mode) ? &file_iops : is_magic(n) ? &magic_link_ops : &plain_link_ops;
		inode->fops = S_ISDIR(mode) ? &dir_fops : S_ISLNK(mode) ? NULL : &file_fops;
		if (S_ISDIR(mode))
			inode->nlink = 2;
	} else {
		kfree(n);
	}
	if (p)
		process_put(p);
	return inode;
}

static void evict(struct inode *inode) { kfree(inode->private); }

/* A positive decimal number without leading zeros, or -1. */
static int number(const char *s, size_t len)
{
	int n = 0;

	if (!len || len > 9 || (s[0] == '0' && len > 1))
		return -1;
	for (size_t i = 0; i < len; i++) {
		if (s[i] < '0' || s[i] > '9')
			return -1;
		n = n * 10 + (s[i] - '0');
	}
	return n;
}

static bool exists(int pid)
{
	struct process *p = process_find_get(pid);

	if (p)
		process_put(p);
	return p != NULL;
}

static const struct proc_item *item_find(const struct proc_item *items, const char *name, size_t len)
{
	for (; items->name; items++)
		if (strlen(items->name) == len && !memcmp(items->name, name, len))
			return items;
	return NULL;
}

static bool fd_exists(int pid, int fd)
{
	struct process *p = process_find_get(pid);
	struct files *files = p ? process_files(p) : NULL;
	bool there = files && files_next(files, fd) == fd;

	files_put(files);
	if (p)
		process_put(p);
	return there;
}

static int lookup(struct inode *dir, const char *name, size_t len, struct inode **out)
{
	const struct proc_node *n = node_of(dir);
	const struct proc_item *item = NULL;
	int nr = number(name, len);
	struct inode *inode = NULL;

	if (n->kind == PROC_ROOT)
		item = item_find(proc_system_items, name, len);
	else if (n->kind == PROC_PID)
		item = item_find(proc_pid_items, name, len);
	if (n->pid && !exists(n->pid))
		return -ENOENT;
	if (item)
		inode = make(dir->sb, PROC_ITEM, n->pid, -1, item, item->mode);
	else if (n->kind == PROC_ROOT && ((len == 4 && !memcmp(name, "self", 4)) || (len == 11 && !memcmp(name, "thread-self", 11))))
		inode = make(dir->sb, PROC_SELF, 0, (int)len, NULL, S_IFLNK | 0777);
	else if (n->kind == PROC_ROOT && nr > 0 && exists(nr))
		inode = make(dir->sb, PROC_PID, nr, -1, NULL, S_IFDIR | 0555);
	else if (n->kind == PROC_PID && len == 2 && !memcmp(name, "fd", 2))
		inode = make(dir->sb, PROC_FD_DIR, n->pid, -1, NULL, S_IFDIR | 0500);
	else if (n->kind == PROC_FD_DIR && nr >= 0 && fd_exists(n->pid, nr))
		inode = make(dir->sb, PROC_FD, n->pid, nr, NULL, S_IFLNK | 0700);
	else
		return -ENOENT;
	if (!inode)
		return -ENOMEM;
	*out = inode;
	return 0;
}

/* --- links --- */

static int follow_fd(struct process *p, int fd, struct path *out)
{
	struct files *files = process_files(p);
	struct file *file = files && fd >= 0 ? files_get_nth(files, (unsigned)fd) : NULL;

	files_put(files);
	if (!file)
		return -ENOENT;
	*out = file->path;
	path_get(out);
	file_put(file);
	return 0;
}

/* Where a magic link leads, with references. Only root and the process's own user may follow. */
static int magic_goal(struct inode *inode, struct path *out)
{
	const struct proc_node *n = node_of(inode);
	struct process *p = process_find_get(n->pid);
	int error;

	if (!p)
		return -ENOENT;
	if (fsuid() && fsuid() != p->uid)
		error = -EACCES;
	else
		error = n->kind == PROC_FD ? follow_fd(p, n->fd, out) : n->item->follow(p, out);
	process_put(p);
	return error;
}

static ssize_t readlink(struct inode *inode, char *buf, size_t size)
{
	const struct proc_node *n = node_of(inode);
	struct path goal;
	char *text;
	int len;

	if (n->kind == PROC_SELF)
		return n->fd == 4 ? ksnprintf(buf, size, "%d", current->process->pid) :
		       ksnprintf(buf, size, "%d/task/%d", current->process->pid, current->tid);
	if (!is_magic(n))
		return (ssize_t)min(str_copy(buf, n->item->target, size), size);
	len = magic_goal(inode, &goal);
	if (len)
		return len;
	text = kmalloc(PATH_MAX);
	len = text ? file_path(&goal, text, PATH_MAX) : -ENOMEM;
	if (len > 0)
		memcpy(buf, text, min((size_t)len, size));
	kfree(text);
	path_put(&goal);
	return len > 0 ? (ssize_t)min((size_t)len, size) : len;
}

static const struct inode_ops plain_link_ops = { .readlink = readlink };
static const struct inode_ops magic_link_ops = { .readlink = readlink, .follow = magic_goal };

/* --- directories --- */

/* Entries have fixed positions: "." 0, ".." 1, items from 2 on, self, then processes (by number) or descriptors from FIRST_NUMBER on. */
#define FIRST_NUMBER 256

static int next_process(int from)
{
	struct process *p;
	int best = -1;

	spin_lock(&tasklist_lock);
	list_for_each(p, &process_list, all_node)
		if (p->pid >= from && (best < 0 || p->pid < best))
			best = p->pid;
	spin_unlock(&tasklist_lock);
	return best;
}

static int next_fd(int pid, int from)
{
	struct process *p = process_find_get(pid);
	struct files *files = p ? process_files(p) : NULL;
	int fd = files ? files_next(files, from) : -1;

	files_put(files);
	if (p)
		process_put(p);
	return fd;
}

/* One entry at file->pos; false: the caller has enough. */
static bool emit(struct file *file, struct dir_context *ctx, const char *name, u32 mode, loff_t next)
{
	if (!ctx->emit(ctx, name, strlen(name), file->inode->ino + (u64)next, mode >> 12 & 15, next))
		return false;
	file->pos = next;
	return true;
}

/* The names that do not change, at positions below FIRST_NUMBER. */
static bool emit_fixed(struct file *file, struct dir_context *ctx)
{
	const struct proc_node *n = node_of(file->inode);
	const struct proc_item *items = n->kind == PROC_ROOT ? proc_system_items : n->kind == PROC_PID ? proc_pid_items : NULL;
	int nr = 0;

	while (items && items[nr].name)
		nr++;
	if (file->pos == 0 && !emit(file, ctx, ".", S_IFDIR, 1))
		return false;
	if (file->pos == 1 && !emit(file, ctx, "..", S_IFDIR, 2))
		return false;
	while (file->pos >= 2 && file->pos < 2 + nr)
		if (!emit(file, ctx, items[file->pos - 2].name, items[file->pos - 2].mode, file->pos + 1))
			return false;
	if (file->pos == 2 + nr && n->kind == PROC_ROOT && !emit(file, ctx, "self", S_IFLNK, 3 + nr))
		return false;
	if (file->pos == 2 + nr && n->kind == PROC_PID && !emit(file, ctx, "fd", S_IFDIR, 3 + nr))
		return false;
	file->pos = max(file->pos, (loff_t)FIRST_NUMBER);
	return true;
}

static int iterate(struct file *file, struct dir_context *ctx)
{
	const struct proc_node *n = node_of(file->inode);
	char name[16];

	if (file->pos < FIRST_NUMBER && !emit_fixed(file, ctx))
		return 0;
	while (n->kind == PROC_ROOT || n->kind == PROC_FD_DIR) {
		int from = (int)(file->pos - FIRST_NUMBER), nr = n->kind == PROC_ROOT ? next_process(from) : next_fd(n->pid, from);

		if (nr < 0)
			break;
		ksnprintf(name, sizeof(name), "%d", nr);
		if (!emit(file, ctx, name, n->kind == PROC_ROOT ? S_IFDIR : S_IFLNK, FIRST_NUMBER + nr + 1))
			break;
	}
	return 0;
}

/* No end: the text is made when the file is opened. */
static loff_t text_llseek(struct file *file, loff_t offset, int whence)
{
	if (whence == SEEK_CUR)
		offset += file->pos;
	else if (whence != SEEK_SET)
		return -EINVAL;
	return offset < 0 ? -EINVAL : (file->pos = offset);
}

/* --- files --- */

static int file_open_text(struct inode *inode, struct file *file)
{
	const struct proc_node *n = node_of(inode);
	struct process *p = NULL;
	struct text *t;
	int error;

	if (file->mode & FMODE_WRITE)
		return -EACCES;
	if (n->pid) {
		p = process_find_get(n->pid);
		if (!p)
			return -ESRCH;
	}
	t = kzalloc(sizeof(*t));
	error = t ? n->item->show(t, p) : -ENOMEM;
	if (p)
		process_put(p);
	if (!error && t->failed)
		error = -ENOMEM;
	if (error && t)
		kfree(t->buf);
	if (error)
		kfree(t);
	file->private = error ? NULL : t;
	return error;
}

static void text_release(struct file *file)
{
	struct text *t = file->private;

	kfree(t->buf);
	kfree(t);
}

static ssize_t text_read(struct file *file, struct iov_iter *to, loff_t *pos)
{
	struct text *t = file->private;
	size_t n, k;

	if (*pos < 0 || (u64)*pos >= t->len)
		return 0;
	n = min(to->count, t->len - (size_t)*pos);
	k = copy_to_iter(t->buf + *pos, n, to);
	*pos += (loff_t)k;
	return k || !n ? (ssize_t)k : -EFAULT;
}

static const struct inode_ops dir_ops = { .lookup = lookup };
static const struct inode_ops file_iops = { 0 };
static const struct file_ops dir_fops = { .iterate = iterate, .llseek = generic_llseek };
static const struct file_ops file_fops = { .open = file_open_text, .release = text_release, .read = text_read, .llseek = text_llseek };

/* --- the file system --- */

static int statfs(struct super_block *sb, struct statfs *out)
{
	*out = (struct statfs){ .f_type = PROC_SUPER_MAGIC, .f_bsize = PAGE_SIZE, .f_frsize = PAGE_SIZE, .f_namelen = NAME_MAX };
	return 0;
}

static const struct super_ops sops = { .evict = evict, .statfs = statfs };

static int mount(struct block_device *dev, u32 flags, const char *options, struct super_block **out)
{
	struct super_block *sb = super_alloc("proc");
	struct inode *root;

	if (!sb)
		return -ENOMEM;
	sb->ops = &sops;
	sb->magic = PROC_SUPER_MAGIC;
	sb->block_size = 1024;
	sb->uncached = true;
	root = make(sb, PROC_ROOT, 0, -1, NULL, S_IFDIR | 0555);
	sb->root = root ? dentry_root(sb, root) : NULL;
	if (!sb->root) {
		inode_put(root);
		super_free(sb);
		return -ENOMEM;
	}
	*out = sb;
	return 0;
}

void procfs_init(void)
{
	static struct fs_type type = { .name = "proc", .mount = mount };

	fs_register(&type);
}
