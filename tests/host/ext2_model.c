/*
 * A tree of files in memory beside the one on ext2. model_step does one random operation on both and compares the results;
 * model_verify compares everything; model_manifest writes what debugfs must find in the image afterwards.
 */
#include "ext2_host.h"

#define CHUNK 4096
#define MAX_OPEN 6

struct chunk {
	struct chunk *next;
	u64 index;
	u8 data[CHUNK];
};
struct obj;
struct ent {
	struct ent *next;
	struct obj *obj;
	u32 len;
	char name[256];
};
struct obj {
	u32 mode, uid, gid, nlink;
	u64 rdev, size, ino;
	struct chunk *chunks;	/* files: the rest is holes */
	char *target;		/* symbolic links */
	struct ent *ents;	/* directories */
	struct obj *parent;
	unsigned nr_ents;
};
struct model {
	struct super_block *sb;
	struct obj *root;
	char path[64];
	struct { struct obj *obj; struct inode *inode; } open[MAX_OPEN];
	u64 counter;
};
int model_enospc;

static bool is_dir(const struct obj *o) { return S_ISDIR(o->mode); }

/* --- objects --- */

static struct obj *obj_new(u32 mode, struct obj *parent)
{
	struct obj *o = sys_calloc(sizeof(*o));

	o->mode = mode;
	o->parent = parent;
	o->nlink = S_ISDIR(mode) ? 2 : 1;
	return o;
}

static void cut(struct obj *o, u64 size)
{
	struct chunk **p = &o->chunks;

	while (*p) {
		struct chunk *c = *p;
		u64 start = c->index * CHUNK;
		if (start >= size) {
			*p = c->next;
			sys_free(c);
			continue;
		}
		if (size - start < CHUNK)
			memset(c->data + (size - start), 0, CHUNK - (size - start));
		p = &c->next;
	}
	o->size = size;
}

static u8 *chunk_of(struct obj *o, u64 index, bool make)
{
	struct chunk *c;

	for (c = o->chunks; c; c = c->next)
		if (c->index == index)
			return c->data;
	if (!make)
		return NULL;
	c = sys_calloc(sizeof(*c));
	c->index = index;
	c->next = o->chunks;
	o->chunks = c;
	return c->data;
}

static void obj_unlinked(struct model *m, struct obj *o)
{
	if (is_dir(o))
		o->nlink = 0;
	else
		o->nlink--;
	if (o->nlink)
		return;
	for (unsigned i = 0; i < MAX_OPEN; i++)
		if (m->open[i].obj == o)
			return;
	cut(o, 0);
	sys_free(o->target);
	sys_free(o);
}

static struct ent *ent_find(struct obj *dir, const char *name)
{
	for (struct ent *e = dir->ents; e; e = e->next)
		if (!strcmp(e->name, name))
			return e;
	return NULL;
}

static void ent_add(struct obj *dir, const char *name, struct obj *o)
{
	struct ent *e = sys_calloc(sizeof(*e));

	str_copy(e->name, name, sizeof(e->name));
	e->len = (u32)strlen(name);
	e->obj = o;
	e->next = dir->ents;
	dir->ents = e;
	dir->nr_ents++;
}

static void ent_remove(struct obj *dir, const char *name)
{
	struct ent **p = &dir->ents, *e;

	while (strcmp((*p)->name, name))
		p = &(*p)->next;
	e = *p;
	*p = e->next;
	dir->nr_ents--;
	sys_free(e);
}

/* --- reaching them on the disk --- */

static struct inode *get(struct model *m, struct obj *o);

static int lookup(struct inode *dir, const char *name, struct inode **out)
{
	down_read(&dir->i_rwsem);
	int error = dir->ops->lookup(dir, name, strlen(name), out);
	up_read(&dir->i_rwsem);
	return error;
}

static const char *name_in_parent(struct obj *o)
{
	for (struct ent *e = o->parent->ents; e; e = e->next)
		if (e->obj == o)
			return e->name;
	host_fail("model: lost directory");
}

/* The inode of a directory of the model, by walking from the root. */
static struct inode *get(struct model *m, struct obj *o)
{
	struct inode *parent, *inode;

	if (o == m->root && !m->path[0]) {
		inode_get(m->sb->root->inode);
		return m->sb->root->inode;
	}
	if (o == m->root) {
		CHECK_EQ(lookup(m->sb->root->inode, m->path, &inode), 0);
		return inode;
	}
	parent = get(m, o->parent);
	CHECK_EQ(lookup(parent, name_in_parent(o), &inode), 0);
	inode_put(parent);
	return inode;
}

static struct inode *get_ent(struct model *m, struct obj *dir, struct ent *e)
{
	struct inode *d = get(m, dir), *inode;
	int error = lookup(d, e->name, &inode);

	if (error)
		host_fail("lookup of %s gives %d", e->name, error);
	inode_put(d);
	return inode;
}

static void compare_inode(struct model *m, struct obj *o, struct inode *inode)
{
	CHECK_EQ(inode->mode, o->mode);
	CHECK_EQ(inode->nlink, o->nlink);
	CHECK_EQ(inode->uid, o->uid);
	CHECK_EQ(inode->gid, o->gid);
	CHECK_EQ(inode->ino, o->ino);
	CHECK_EQ(inode->rdev, o->rdev);
	if (S_ISREG(o->mode))
		CHECK_EQ(inode->mapping.size, o->size);
}

/* --- contents --- */

static ssize_t do_io(struct inode *inode, void *buf, size_t n, loff_t pos, bool write)
{
	struct file file = { .inode = inode, .ops = inode->fops };
	struct iov_iter it;

	iter_init_kernel_buf(&it, buf, n);
	return write ? file.ops->write(&file, &it, &pos) : file.ops->read(&file, &it, &pos);
}

static void fill(struct model *m, u8 *buf, size_t n)
{
	m->counter++;
	for (size_t i = 0; i < n; i++)
		buf[i] = (u8)(m->counter * 2654435761U >> 11) + (u8)(i * 7 + i / 251) + 1;
}

static void compare_range(struct model *m, struct obj *o, struct inode *inode, u64 pos, size_t n)
{
	u8 *got = sys_calloc(n + 1);
	size_t want = pos >= o->size ? 0 : min((u64)n, o->size - pos);
	ssize_t r = do_io(inode, got, n, (loff_t)pos, false);

	if (r != (ssize_t)want)
		host_fail("read of inode %lu at %lu gives %ld, want %lu", inode->ino, (unsigned long)pos, (long)r, (unsigned long)want);
	for (size_t i = 0, n_here; i < want; i += n_here) {
		static const u8 zero[CHUNK];
		u8 *c = chunk_of(o, (pos + i) / CHUNK, false);
		const u8 *b = c ? c + (pos + i) % CHUNK : zero;
		n_here = min(want - i, CHUNK - (pos + i) % CHUNK);
		for (size_t k = 0; memcmp(got + i, b, n_here) && k < n_here; k++)
			if (got[i + k] != b[k])
				host_fail("inode %lu byte %lu is %02x, want %02x", inode->ino, (unsigned long)(pos + i + k), got[i + k], b[k]);
	}
	sys_free(got);
}

static void compare_contents(struct model *m, struct obj *o, struct inode *inode)
{
	u64 holes = 0;

	for (struct chunk *c = o->chunks; c; c = c->next)
		compare_range(m, o, inode, c->index * CHUNK, CHUNK);
	for (u64 p = 0; p < o->size && holes < 40; p += CHUNK + o->size / 64, holes++)
		compare_range(m, o, inode, p, CHUNK);
	compare_range(m, o, inode, o->size > 100 ? o->size - 100 : 0, 300);
}

/* Write to both; what there was no space for is in neither. Returns the bytes written. */
static ssize_t write_both(struct model *m, struct obj *o, struct inode *inode, u64 pos, size_t n)
{
	u8 *data = sys_calloc(n);
	ssize_t r;

	fill(m, data, n);
	r = do_io(inode, data, n, (loff_t)pos, true);
	if (r < 0 && r != -ENOSPC && r != -EFBIG)
		host_fail("write gives %ld", (long)r);
	if (r < (ssize_t)n)
		model_enospc++;
	r = max(r, (ssize_t)0);
	for (ssize_t i = 0, n_here; i < r; i += n_here) {
		n_here = min(r - i, (ssize_t)(CHUNK - (pos + i) % CHUNK));
		memcpy(chunk_of(o, (pos + i) / CHUNK, true) + (pos + i) % CHUNK, data + i, (size_t)n_here);
	}
	if (r && pos + r > o->size)
		o->size = pos + r;
	sys_free(data);
	return r;
}

static void write_file(struct model *m, struct obj *o, struct inode *inode)
{
	/* Mostly small and near; sometimes into each level of the map. */
	static const u64 far[] = { 11 << 10, 13 << 10, 269 << 10, 271 << 10, 47 << 10, 2094 << 10, 4100 << 10, 67 << 20, 70 << 20, 4300UL << 20 };
	u64 pos = host_random(4) ? host_random(60000) : o->size ? host_random((u32)min(o->size, 1UL << 31)) : 0;
	size_t n = host_random(3) ? host_random(3000) + 1 : host_random(4 * CHUNK) + 1;

	if (!host_random(12))
		pos = far[host_random(ARRAY_SIZE(far))] + host_random(5000);
	if (!host_random(6)) {
		pos &= ~4095UL;
		n = 4096;
	}
	write_both(m, o, inode, pos, n);
}

static void truncate_file(struct model *m, struct obj *o, struct inode *inode)
{
	struct iattr a = { .valid = ATTR_SIZE };
	u64 size = host_random(3) ? host_random((u32)min(o->size + 1, 1UL << 31)) : host_random(100000);

	if (!host_random(8))
		size = 0;
	if (!host_random(30))
		size = 5UL << 30;
	a.size = (loff_t)size;
	down_write(&inode->i_rwsem);
	int error = inode->ops->setattr(inode, &a);
	up_write(&inode->i_rwsem);
	if (error == -EFBIG && ext2_s(inode)->revision0)
		return;
	CHECK_EQ(error, 0);
	cut(o, size);
}

/* --- random choice --- */

static struct obj *pick_dir(struct obj *dir)
{
	for (;;) {
		struct obj *subs[64];
		unsigned n = 0;
		for (struct ent *e = dir->ents; e && n < 64; e = e->next)
			if (is_dir(e->obj))
				subs[n++] = e->obj;
		if (!n || !host_random(2))
			return dir;
		dir = subs[host_random(n)];
	}
}

static struct ent *pick_ent(struct obj *dir)
{
	unsigned n = dir->nr_ents ? host_random(dir->nr_ents) : 0;
	struct ent *e = dir->ents;

	while (e && n--)
		e = e->next;
	return e;
}

static void pick_name(char *name)
{
	unsigned len = host_random(12) ? 0 : 1 + host_random(255);
	unsigned n = (unsigned)sys_snprintf(name, 256, "%c%u", 'a' + (char)host_random(4), host_random(20));

	for (; n < len; n++)
		name[n] = 'a' + (char)(n % 26);
	name[n] = 0;
}

static bool below(struct obj *o, struct obj *top)
{
	for (; o; o = o->parent)
		if (o == top)
			return true;
	return false;
}

/* --- operations --- */

static void lock_dirs(struct inode *a, struct inode *b)
{
	if (a == b) {
		down_write(&a->i_rwsem);
		return;
	}
	down_write(a < b ? &a->i_rwsem : &b->i_rwsem);
	down_write(a < b ? &b->i_rwsem : &a->i_rwsem);
}
static void unlock_dirs(struct inode *a, struct inode *b)
{
	up_write(&a->i_rwsem);
	if (a != b)
		up_write(&b->i_rwsem);
}

static bool no_space(int error)
{
	if (error == -ENOSPC)
		model_enospc++;
	else if (error)
		host_fail("operation gives %d", error);
	return error;
}

static void op_create(struct model *m, struct obj *dir, unsigned kind)
{
	static const u32 modes[] = { S_IFREG | 0644, S_IFDIR | 0755, S_IFLNK | 0777, S_IFIFO | 0600, S_IFCHR | 0666, S_IFBLK | 0660, S_IFSOCK | 0700 };
	u32 mode = modes[kind];
	u64 rdev = kind == 4 ? make_dev(1, 3) : kind == 5 ? make_dev(300, 70000) : 0;
	struct inode *d = get(m, dir), *inode = NULL;
	char name[256], target[1024];
	struct ent *old;
	struct obj *o;
	int error;

	pick_name(name);
	old = ent_find(dir, name);
	down_write(&d->i_rwsem);
	error = d->ops->lookup(d, name, strlen(name), &inode);
	CHECK_EQ(error, old ? 0 : -ENOENT);
	if (old)
		goto out;
	if (kind == 1) {
		error = d->ops->mkdir(d, name, strlen(name), 0755, &inode);
	} else if (kind == 2) {
		unsigned len = host_random(3) ? 1 + host_random(80) : 1 + host_random(1000);
		for (unsigned i = 0; i < len; i++)
			target[i] = 'A' + (char)((i + m->counter) % 50);
		target[len] = 0;
		error = d->ops->symlink(d, name, strlen(name), target, &inode);
	} else {
		error = d->ops->create(d, name, strlen(name), mode, rdev, &inode);
	}
	if (no_space(error))
		goto out;
	o = obj_new(mode, kind == 1 ? dir : NULL);
	o->ino = inode->ino;
	o->rdev = rdev;
	o->uid = d->mode & S_ISGID ? 0 : 0;
	if (kind == 2) {
		o->target = sys_calloc(strlen(target) + 1);
		memcpy(o->target, target, strlen(target) + 1);
		o->size = strlen(target);
	}
	if (kind == 1)
		dir->nlink++;
	ent_add(dir, name, o);
out:
	up_write(&d->i_rwsem);
	if (inode)
		inode_put(inode);
	inode_put(d);
}

static void op_link(struct model *m, struct obj *from, struct obj *dir)
{
	struct ent *e = pick_ent(from);
	struct inode *inode, *d;
	char name[256];

	pick_name(name);
	if (!e || is_dir(e->obj) || ent_find(dir, name))
		return;
	inode = get_ent(m, from, e);
	d = get(m, dir);
	down_write(&d->i_rwsem);
	int error = d->ops->link(d, name, strlen(name), inode);
	up_write(&d->i_rwsem);
	if (!no_space(error)) {
		ent_add(dir, name, e->obj);
		e->obj->nlink++;
	}
	inode_put(inode);
	inode_put(d);
}

static void op_remove(struct model *m, struct obj *dir)
{
	struct ent *e = pick_ent(dir);
	struct inode *inode, *d;
	struct obj *o;
	int error;

	if (!e)
		return;
	o = e->obj;
	inode = get_ent(m, dir, e);
	d = get(m, dir);
	down_write(&d->i_rwsem);
	if (is_dir(o))
		error = d->ops->rmdir(d, e->name, e->len, inode);
	else
		error = d->ops->unlink(d, e->name, e->len, inode);
	up_write(&d->i_rwsem);
	CHECK_EQ(error, is_dir(o) && o->nr_ents ? -ENOTEMPTY : 0);
	if (!error) {
		if (is_dir(o))
			dir->nlink--;
		ent_remove(dir, e->name);
		obj_unlinked(m, o);
	}
	inode_put(inode);
	inode_put(d);
}

static void op_rename(struct model *m, struct obj *from, struct obj *to)
{
	struct ent *e = pick_ent(from), *target;
	struct inode *inode, *old_dir, *new_dir, *replaced = NULL;
	struct obj *o, *lost;
	char name[256];
	int error;

	pick_name(name);
	if (!e || below(to, e->obj))
		return;
	o = e->obj;
	target = ent_find(to, name);
	lost = target ? target->obj : NULL;
	if (lost && (is_dir(lost) != is_dir(o) || lost == o || below(from, lost)))
		return;
	inode = get_ent(m, from, e);
	old_dir = get(m, from);
	new_dir = get(m, to);
	if (target)
		replaced = get_ent(m, to, target);
	lock_dirs(old_dir, new_dir);
	error = old_dir->ops->rename(old_dir, e->name, e->len, inode, new_dir, name, strlen(name), replaced);
	unlock_dirs(old_dir, new_dir);
	if (lost && is_dir(lost) && lost->nr_ents) {
		CHECK_EQ(error, -ENOTEMPTY);
	} else if (!no_space(error)) {
		if (lost) {
			ent_remove(to, name);
			if (is_dir(lost))
				to->nlink--;
			obj_unlinked(m, lost);
		}
		ent_remove(from, e->name);
		ent_add(to, name, o);
		if (is_dir(o)) {
			from->nlink--;
			to->nlink++;
			o->parent = to;
		}
	}
	inode_put(inode);
	inode_put(old_dir);
	inode_put(new_dir);
	if (replaced)
		inode_put(replaced);
}

static void op_attributes(struct model *m, struct obj *o, struct inode *inode)
{
	struct iattr a = { .valid = ATTR_MODE | ATTR_UID | ATTR_GID, .mode = host_random(07777), .uid = host_random(2) ? host_random(70000) : host_random(1000), .gid = host_random(100000) };

	if (is_dir(o))
		a.mode &= ~(u32)S_ISGID;
	down_write(&inode->i_rwsem);
	CHECK_EQ(inode->ops->setattr(inode, &a), 0);
	up_write(&inode->i_rwsem);
	o->mode = (o->mode & S_IFMT) | a.mode;
	o->uid = a.uid;
	o->gid = a.gid;
}

/* --- stores through a shared mapping --- */

static void vma_open(struct vma *vma) { inode_get(vma->owner); }
static void vma_close(struct vma *vma) { inode_put(vma->owner); }
static const struct vma_ops map_ops = { .open = vma_open, .close = vma_close };

static void map_file(struct model *m, struct obj *o, struct inode *inode)
{
	u64 start = host_random((u32)min(o->size, 1UL << 31) + 1) & PAGE_MASK, length = (1 + host_random(3)) * PAGE_SIZE;
	struct mm *mm;
	long base;

	if (!o->size)
		return;
	mm = proc_create();
	CHECK(mm != NULL);
	struct map_request req = {
		.length = length, .prot = PROT_READ | PROT_WRITE, .map_flags = MAP_SHARED, .mapping = &inode->mapping, .pgoff = start >> PAGE_SHIFT,
		.vm_flags = VM_MAYREAD | VM_MAYWRITE, .ops = &map_ops, .owner = inode,
	};
	inode_get(inode);
	base = mm_map(mm, &req);
	CHECK(base > 0);
	for (unsigned i = 0; i < 5; i++) {
		u64 offset = host_random((u32)length);
		size_t n = 1 + host_random((u32)(PAGE_SIZE - offset % PAGE_SIZE));
		u8 *data;
		int signal;

		if ((start + offset) >> PAGE_SHIFT > (o->size - 1) >> PAGE_SHIFT)
			continue;	/* SIGBUS */
		data = sys_calloc(n);
		fill(m, data, n);
		signal = user_access((vaddr_t)base + offset, data, n, true);
		if (signal)
			model_enospc++;
		else if (start + offset < o->size)	/* what lies behind the end is lost, and never seen again */
			memcpy(chunk_of(o, (start + offset) / CHUNK, true) + offset % CHUNK, data, min((u64)n, o->size - start - offset));
		sys_free(data);
	}
	if (host_random(3))
		CHECK_EQ(mm_unmap(mm, (vaddr_t)base, length), 0);
	proc_exit(mm);
}

/* A write whose source ends before it does: what arrived counts, what was reserved for the rest is given back. */
static void write_bad_source(struct model *m, struct obj *o, struct inode *inode)
{
	struct file file = { .inode = inode, .ops = inode->fops };
	size_t good = host_random(3) ? host_random(3000) : 0, n = good + 1 + host_random(9000);
	loff_t pos = host_random(2) ? (loff_t)host_random(60000) : (loff_t)min(o->size, 1UL << 30), start = pos;
	struct mm *mm = proc_create();
	long base = map_anon(0, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
	u8 *data = sys_calloc(good + 1);
	struct iov_iter it;
	ssize_t r;

	CHECK(base > 0);
	fill(m, data, good);
	if (good)
		CHECK_EQ(user_access((vaddr_t)base + PAGE_SIZE - good, data, good, true), 0);
	CHECK_EQ(iter_init_user_buf(&it, (void *)(base + PAGE_SIZE - good), n), 0);
	r = file.ops->write(&file, &it, &pos);
	CHECK(r == -EFAULT || r == -ENOSPC || (r > 0 && r <= (ssize_t)good));
	for (ssize_t i = 0; i < r; i++)
		chunk_of(o, (start + i) / CHUNK, true)[(start + i) % CHUNK] = data[i];
	if (r > 0 && (u64)start + r > o->size)
		o->size = start + r;
	sys_free(data);
	proc_exit(mm);
}

static void op_file(struct model *m, struct obj *dir)
{
	struct ent *e = pick_ent(dir);
	struct inode *inode;

	if (!e)
		return;
	inode = get_ent(m, dir, e);
	compare_inode(m, e->obj, inode);
	if (!host_random(6)) {
		op_attributes(m, e->obj, inode);
	} else if (S_ISREG(e->obj->mode)) {
		switch (host_random(10)) {
		case 0: truncate_file(m, e->obj, inode); break;
		case 1: compare_contents(m, e->obj, inode); break;
		case 2: map_file(m, e->obj, inode); break;
		case 3: write_bad_source(m, e->obj, inode); break;
		default: write_file(m, e->obj, inode);
		}
	}
	inode_put(inode);
}

/* Files that stay open while their names go. */
static void op_open(struct model *m, struct obj *dir)
{
	unsigned i = host_random(MAX_OPEN);
	struct obj *o = m->open[i].obj;
	struct ent *e;

	if (!o) {
		e = pick_ent(dir);
		if (!e || !S_ISREG(e->obj->mode))
			return;
		m->open[i].obj = e->obj;
		m->open[i].inode = get_ent(m, dir, e);
		return;
	}
	if (host_random(3)) {
		write_file(m, o, m->open[i].inode);
		return;
	}
	compare_contents(m, o, m->open[i].inode);
	inode_put(m->open[i].inode);
	m->open[i].obj = NULL;
	if (!o->nlink) {
		o->nlink = 1;
		obj_unlinked(m, o);
	}
}

/* A file that takes all the space but about `leave` bytes. */
void model_fill(struct model *m, u64 leave)
{
	struct inode *inode;
	struct ent *e;
	struct iattr a = { .valid = ATTR_SIZE };

	for (unsigned tries = 0; tries < 300 && !ent_find(m->root, "a1"); tries++)
		op_create(m, m->root, 0);
	e = ent_find(m->root, "a1");
	if (!e || !S_ISREG(e->obj->mode))	/* no inode, or the name is something else */
		return;
	inode = get_ent(m, m->root, e);
	while (write_both(m, e->obj, inode, e->obj->size, CHUNK) == CHUNK)
		;
	a.size = (loff_t)(e->obj->size > leave ? e->obj->size - leave : 0);
	down_write(&inode->i_rwsem);
	CHECK_EQ(inode->ops->setattr(inode, &a), 0);
	up_write(&inode->i_rwsem);
	cut(e->obj, (u64)a.size);
	inode_put(inode);
}

void model_step(struct model *m)
{
	struct obj *dir = pick_dir(m->root);

	switch (host_random(16)) {
	case 0: case 1: op_create(m, dir, 0); break;
	case 2: op_create(m, dir, 1); break;
	case 3: op_create(m, dir, 2 + host_random(5)); break;
	case 4: op_link(m, dir, pick_dir(m->root)); break;
	case 5: op_remove(m, dir); break;
	case 6: case 7: op_rename(m, dir, host_random(2) ? dir : pick_dir(m->root)); break;
	case 8: op_open(m, dir); break;
	default: op_file(m, dir);
	}
}

void model_close(struct model *m)
{
	for (unsigned i = 0; i < MAX_OPEN; i++) {
		struct obj *o = m->open[i].obj;
		if (!o)
			continue;
		inode_put(m->open[i].inode);
		m->open[i].obj = NULL;
		if (!o->nlink) {
			o->nlink = 1;
			obj_unlinked(m, o);
		}
	}
}

/* --- everything --- */

struct seen {
	struct dir_context ctx;
	struct obj *dir;
	unsigned found, dots, limit;
};

static bool see(struct dir_context *ctx, const char *name, size_t len, u64 ino, unsigned type, loff_t next)
{
	struct seen *s = container_of(ctx, struct seen, ctx);
	char copy[256];
	struct ent *e;

	if (!s->limit--)
		return false;
	memcpy(copy, name, len);
	copy[len] = 0;
	if (!strcmp(copy, ".") || !strcmp(copy, "..")) {
		s->dots++;
		return true;
	}
	e = ent_find(s->dir, copy);
	if (!e)
		host_fail("directory has an entry %s too many", copy);
	CHECK_EQ(ino, e->obj->ino);
	if (type)
		CHECK_EQ(type, e->obj->mode >> 12);
	s->found++;
	return true;
}

static void verify_obj(struct model *m, struct obj *o, struct inode *inode)
{
	compare_inode(m, o, inode);
	if (S_ISREG(o->mode))
		compare_contents(m, o, inode);
	if (S_ISLNK(o->mode)) {
		char buf[4096];
		ssize_t n = inode->ops->readlink(inode, buf, sizeof(buf));
		CHECK_EQ(n, o->size);
		CHECK(!memcmp(buf, o->target, (size_t)n));
	}
	if (!is_dir(o))
		return;
	struct file file = { .inode = inode };
	struct seen s = { .ctx.emit = see, .dir = o };
	loff_t before;
	do {	/* a few entries at a time, as getdents does */
		before = file.pos;
		s.limit = 1 + host_random(20);
		down_read(&inode->i_rwsem);
		CHECK_EQ(inode->fops->iterate(&file, &s.ctx), 0);
		up_read(&inode->i_rwsem);
	} while (file.pos != before);
	CHECK_EQ(s.found, o->nr_ents);
	CHECK_EQ(s.dots, 2);
	for (struct ent *e = o->ents; e; e = e->next) {
		struct inode *child;
		CHECK_EQ(lookup(inode, e->name, &child), 0);
		verify_obj(m, e->obj, child);
		inode_put(child);
	}
}

void model_verify(struct model *m)
{
	struct inode *root = get(m, m->root);

	verify_obj(m, m->root, root);
	inode_put(root);
}

/* path TAB mode TAB uid TAB gid TAB size TAB crc or target */
static void manifest(struct model *m, struct obj *o, const char *path)
{
	static char line[8192], child[4096 * 2];
	unsigned crc = 0;

	if (S_ISREG(o->mode) && o->size < 8 << 20) {
		static const u8 zero[CHUNK];
		for (u64 p = 0; p < o->size; p += CHUNK) {
			u8 *c = chunk_of(o, p / CHUNK, false);
			crc = data_crc(crc, c ? c : zero, min(o->size - p, (u64)CHUNK));
		}
	}
	sys_snprintf(line, sizeof(line), "%s\t%o\t%u\t%u\t%u\t%lu\t%08x%s\n", path, o->mode, o->uid, o->gid, o->nlink, is_dir(o) ? 0 : o->size, crc, o->target ? o->target : "");
	file_append("EXT2_MANIFEST", line);
	for (struct ent *e = o->ents; e; e = e->next) {
		char *copy;
		sys_snprintf(child, sizeof(child), "%s/%s", path, e->name);
		copy = sys_calloc(strlen(child) + 1);
		memcpy(copy, child, strlen(child) + 1);
		manifest(m, e->obj, copy);
		sys_free(copy);
	}
}

void model_manifest(struct model *m)
{
	char path[70] = "";

	if (m->path[0])
		sys_snprintf(path, sizeof(path), "/%s", m->path);
	manifest(m, m->root, path);
}

/* --- making a model of what is there --- */

struct loading {
	struct dir_context ctx;
	struct obj *dir;
};
static bool load_entry(struct dir_context *ctx, const char *name, size_t len, u64 ino, unsigned type, loff_t next)
{
	struct loading *l = container_of(ctx, struct loading, ctx);
	char copy[256];

	memcpy(copy, name, len);
	copy[len] = 0;
	if (strcmp(copy, ".") && strcmp(copy, ".."))
		ent_add(l->dir, copy, NULL);
	return true;
}

static struct obj *load(struct model *m, struct inode *inode, struct obj *parent)
{
	struct obj *o = obj_new(inode->mode, S_ISDIR(inode->mode) ? parent : NULL);

	o->uid = inode->uid;
	o->gid = inode->gid;
	o->nlink = inode->nlink;
	o->ino = inode->ino;
	o->rdev = inode->rdev;
	if (S_ISREG(o->mode)) {
		u8 *buf = sys_calloc(CHUNK);
		for (u64 p = 0; p < (u64)inode->mapping.size; p += CHUNK) {
			ssize_t n = do_io(inode, buf, CHUNK, (loff_t)p, false);
			CHECK(n > 0);
			memcpy(chunk_of(o, p / CHUNK, true), buf, (size_t)n);
		}
		sys_free(buf);
		o->size = (u64)inode->mapping.size;
	}
	if (S_ISLNK(o->mode)) {
		o->target = sys_calloc(4096);
		o->size = (u64)inode->ops->readlink(inode, o->target, 4095);
	}
	if (!is_dir(o))
		return o;
	struct loading l = { .ctx.emit = load_entry, .dir = o };
	struct file file = { .inode = inode };
	CHECK_EQ(inode->fops->iterate(&file, &l.ctx), 0);
	for (struct ent *e = o->ents; e; e = e->next) {
		struct inode *child;
		CHECK_EQ(lookup(inode, e->name, &child), 0);
		e->obj = load(m, child, o);	/* mke2fs's tree has no hard links here */
		inode_put(child);
	}
	return o;
}

struct model *model_root(struct super_block *sb)
{
	struct model *m = sys_calloc(sizeof(*m));

	m->sb = sb;
	m->root = load(m, sb->root->inode, NULL);
	return m;
}

struct model *model_below(struct super_block *sb, const char *name)
{
	struct model *m = sys_calloc(sizeof(*m));
	struct inode *root = sb->root->inode, *inode;
	int error;

	m->sb = sb;
	str_copy(m->path, name, sizeof(m->path));
	down_write(&root->i_rwsem);
	error = root->ops->lookup(root, name, strlen(name), &inode);
	if (error == -ENOENT)
		error = root->ops->mkdir(root, name, strlen(name), 0755, &inode);
	up_write(&root->i_rwsem);
	CHECK_EQ(error, 0);
	m->root = load(m, inode, NULL);
	inode_put(inode);
	return m;
}
