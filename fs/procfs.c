/*
 * The tree of /proc, from tables of names (struct proc_item) and the numbers of processes, threads and descriptors.
 * Names and inodes are made anew at each lookup and die with their last user, so that nothing is left over of a
 * process that has gone.
 */
#include "fs/procfs.h"

#include "kernel/string.h"
#include "kernel/usermode.h"
#include "mm/slab.h"

static const struct inode_ops dir_ops, link_ops, magic_link_ops, file_iops;
static const struct file_ops dir_fops;

static const struct proc_item root_dir = { .mode = S_IFDIR | 0555, .items = proc_root_items, .listing = PROC_PROCESSES };
static const struct proc_item pid_dir = { .mode = S_IFDIR | 0555, .items = proc_pid_items };
static const struct proc_item tid_dir = { .mode = S_IFDIR | 0555, .items = proc_tid_items };

/* --- inodes --- */

/* A process that is not dumpable belongs to root, but for the directories that all may list. */
static void set_owner(struct inode *inode, const struct process *p)
{
	if (!p || (!p->dumpable && inode->mode != (S_IFDIR | 0555)))
		return;
	inode->uid = p->euid;
	inode->gid = p->egid;
}

/* The name is hashed into the number: the same name of the same process has the same one. */
static u64 number_of(const struct proc_item *item, const struct proc_subject *s)
{
	u64 h = 14695981039346656037UL;

	if (item == &root_dir)
		return 1;
	for (const char *c = item->name; c && *c; c++)
		h = (h ^ (u8)*c) * 1099511628211UL;
	h ^= (u64)(s->process ? s->process->pid : 0) << 32 ^ (u64)s->tid << 40 ^ (u64)(s->fd + 1) << 48;
	h = (h ^ h >> 29) * 0xbf58476d1ce4e5b9UL;
	return (h >> 32 & 0xfffffff) + 2;
}

/* The reference on s->process is taken over, also by a failure. */
static struct inode *make(struct super_block *sb, const struct proc_item *item, const struct proc_subject *s, u32 mode)
{
	struct proc_node *n = kmalloc(sizeof(*n));
	struct inode *inode = n ? inode_new(sb, 0) : NULL;

	if (!inode) {
		kfree(n);
		if (s->process)
			process_put(s->process);
		return NULL;
	}
	*n = (struct proc_node){ item, *s };
	inode->private = n;
	inode->ino = number_of(item, s);
	inode->mode = mode;
	inode->atime = inode->mtime = inode->ctime = now_timespec();
	set_owner(inode, s->process);
	if (S_ISDIR(mode)) {
		inode->ops = &dir_ops;
		inode->fops = &dir_fops;
		inode->nlink = 2;
	} else if (S_ISLNK(mode)) {
		inode->ops = item->follow ? &magic_link_ops : &link_ops;
	} else {
		inode->ops = &file_iops;
		inode->fops = item->fops ? item->fops : &proc_text_ops;
	}
	return inode;
}

static void evict(struct inode *inode)
{
	struct proc_node *n = inode->private;

	if (n->subject.process)
		process_put(n->subject.process);
	kfree(n);
}

/* --- looking names up --- */

/* A decimal number without leading zeros, or -1. */
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

const struct proc_item *proc_item_find(const struct proc_item *items, const char *name, size_t len)
{
	for (; items && items->name; items++)
		if (strlen(items->name) == len && !memcmp(items->name, name, len))
			return items;
	return NULL;
}

static bool thread_exists(struct process *p, int tid)
{
	bool found;

	spin_lock(&tasklist_lock);
	found = proc_task(&(struct proc_subject){ .process = p, .tid = tid });
	spin_unlock(&tasklist_lock);
	return found;
}

/* The FMODE_* bits of a descriptor, or -1. */
static int fd_mode(const struct proc_subject *s, int fd)
{
	struct files *files = proc_files(s);
	struct file *file = files ? files_get_nth(files, (unsigned)fd) : NULL;
	int mode = file ? (int)(file->mode & (FMODE_READ | FMODE_WRITE)) : -1;

	if (file)
		file_put(file);
	files_put(files);
	return mode;
}

/* The entry that a number names in a listing directory: its item, its subject and its mode; NULL: none. */
static const struct proc_item *find_number(const struct proc_node *dir, int nr, struct proc_subject *s, u32 *mode)
{
	int bits;

	switch (dir->item->listing) {
	case PROC_PROCESSES:
		s->process = nr ? process_find_get(nr) : NULL;
		*mode = pid_dir.mode;
		return s->process ? &pid_dir : NULL;
	case PROC_THREADS:
		s->tid = nr;
		*mode = tid_dir.mode;
		return nr && thread_exists(s->process, nr) ? &tid_dir : NULL;
	case PROC_FDS:
	case PROC_FDINFOS:
		bits = fd_mode(s, nr);
		s->fd = nr;
		*mode = S_IFREG | 0444;
		if (bits >= 0 && dir->item->listing == PROC_FDINFOS)
			return &proc_fdinfo_file;
		*mode = S_IFLNK | (bits & FMODE_READ ? 0500 : 0) | (bits & FMODE_WRITE ? 0300 : 0);
		return bits >= 0 ? &proc_fd_link : NULL;
	case PROC_NO_LIST:
		break;
	}
	return NULL;
}

static int lookup(struct inode *dir, const char *name, size_t len, struct inode **out)
{
	const struct proc_node *n = proc_node(dir);
	const struct proc_item *item = proc_item_find(n->item->items, name, len);
	struct proc_subject s = n->subject;
	u32 mode = item ? item->mode : 0;
	int nr = number(name, len);

	if (s.process && !proc_alive(s.process))
		return -ESRCH;
	if (!item && nr >= 0)
		item = find_number(n, nr, &s, &mode);
	if (!item)
		return -ENOENT;
	if (s.process && s.process == n->subject.process)	/* found by number it is counted already */
		atomic_inc(&s.process->refs);
	*out = make(dir->sb, item, &s, mode);
	return *out ? 0 : -ENOMEM;
}

/* Sizes (O_TRUNC) mean nothing here, and owner and times last until the next lookup makes the inode anew. */
static int setattr(struct inode *inode, const struct iattr *attr)
{
	if (attr->valid & ATTR_MODE)
		return -EPERM;
	inode_copy_attr(inode, attr);
	return 0;
}

/* --- links --- */

/* Where a magic link leads, with references. */
static int magic_goal(struct inode *inode, struct path *out)
{
	const struct proc_node *n = proc_node(inode);

	if (!proc_alive(n->subject.process))
		return -ENOENT;
	if (!proc_may_access(n->subject.process))
		return -EACCES;
	return n->item->follow(&n->subject, out);
}

static ssize_t readlink(struct inode *inode, char *buf, size_t size)
{
	const struct proc_node *n = proc_node(inode);
	struct path goal;
	char *text;
	int len;

	if (n->item->link)
		return (ssize_t)min((size_t)n->item->link(&n->subject, buf, size), size);
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

static const struct inode_ops link_ops = { .readlink = readlink, .setattr = setattr };
static const struct inode_ops magic_link_ops = { .readlink = readlink, .follow = magic_goal, .setattr = setattr };
static const struct inode_ops file_iops = { .setattr = setattr };

/* --- directories --- */

/* Entries have fixed positions: "." 0, ".." 1, the table's names from 2 on, numbers from FIRST_NUMBER on. */
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

static int next_thread(struct process *p, int from)
{
	struct task *t;
	int best = -1;

	spin_lock(&tasklist_lock);
	list_for_each(t, &p->threads, thread_node)
		if (t->tid >= from && (best < 0 || t->tid < best))
			best = t->tid;
	if (list_empty(&p->threads) && p->pid >= from && !list_empty(&p->all_node))
		best = p->pid;			/* a zombie is still listed as its first thread */
	spin_unlock(&tasklist_lock);
	return best;
}

static int next_fd(const struct proc_subject *s, int from)
{
	struct files *files = proc_files(s);
	int fd = files ? files_next(files, from) : -1;

	files_put(files);
	return fd;
}

static int next_number(const struct proc_node *n, int from)
{
	switch (n->item->listing) {
	case PROC_PROCESSES: return next_process(from);
	case PROC_THREADS: return next_thread(n->subject.process, from);
	case PROC_FDS:
	case PROC_FDINFOS: return next_fd(&n->subject, from);
	case PROC_NO_LIST: break;
	}
	return -1;
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
	const struct proc_item *items = proc_node(file->inode)->item->items;
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
	file->pos = max(file->pos, (loff_t)FIRST_NUMBER);
	return true;
}

static int iterate(struct file *file, struct dir_context *ctx)
{
	const struct proc_node *n = proc_node(file->inode);
	char name[16];

	if (n->subject.process && !proc_alive(n->subject.process))
		return -ENOENT;
	if (file->pos < FIRST_NUMBER && !emit_fixed(file, ctx))
		return 0;
	for (;;) {
		int nr = next_number(n, (int)min(file->pos - FIRST_NUMBER, (loff_t)0x7fffffff));

		if (nr < 0)
			return 0;
		ksnprintf(name, sizeof(name), "%d", nr);
		u32 mode = n->item->listing == PROC_FDS ? S_IFLNK : n->item->listing == PROC_FDINFOS ? S_IFREG : S_IFDIR;
		if (!emit(file, ctx, name, mode, FIRST_NUMBER + nr + 1))
			return 0;
	}
}

static int dir_open(struct inode *inode, struct file *file)
{
	const struct proc_node *n = proc_node(inode);

	if (n->subject.process && !proc_alive(n->subject.process))
		return -ESRCH;
	return n->item->guarded && !proc_may_access(n->subject.process) ? -EACCES : 0;
}

/* Names come from the kernel; as Linux says it. */
static int no_create(struct inode *dir, const char *name, size_t len, u32 mode, u64 rdev, struct inode **out) { return -ENOENT; }
static int no_mkdir(struct inode *dir, const char *name, size_t len, u32 mode, struct inode **out) { return -ENOENT; }

static const struct inode_ops dir_ops = { .lookup = lookup, .setattr = setattr, .create = no_create, .mkdir = no_mkdir };
static const struct file_ops dir_fops = { .open = dir_open, .iterate = iterate, .llseek = generic_llseek };

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
	root = make(sb, &root_dir, &(struct proc_subject){ .fd = -1 }, root_dir.mode);
	return super_rooted(sb, root, out);
}

void procfs_init(void)
{
	static struct fs_type type = { .name = "proc", .mount = mount };

	fs_register(&type);
}
