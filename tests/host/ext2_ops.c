/* The model of a file system (ext2_model.h): model_step() does one random operation on both sides and compares the results. */
#include "ext2_model.h"

/* --- writing and truncating --- */

static void obj_write_some(struct model *m, struct obj *o, struct inode *inode)
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
	obj_write(m, o, inode, pos, n);
}

static void obj_truncate(struct model *m, struct obj *o, struct inode *inode)
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
	obj_cut(o, size);
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

static bool obj_below(struct obj *o, struct obj *top)
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
	struct inode *d = obj_get(m, dir), *inode = NULL;
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
	inode = obj_get_ent(m, from, e);
	d = obj_get(m, dir);
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
	inode = obj_get_ent(m, dir, e);
	d = obj_get(m, dir);
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
	if (!e || obj_below(to, e->obj))
		return;
	o = e->obj;
	target = ent_find(to, name);
	lost = target ? target->obj : NULL;
	if (lost && (is_dir(lost) != is_dir(o) || lost == o || obj_below(from, lost)))
		return;
	inode = obj_get_ent(m, from, e);
	old_dir = obj_get(m, from);
	new_dir = obj_get(m, to);
	if (target)
		replaced = obj_get_ent(m, to, target);
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
		model_bytes(m, data, n);
		signal = user_access((vaddr_t)base + offset, data, n, true);
		if (signal)
			model_enospc++;
		else if (start + offset < o->size)	/* what lies behind the end is lost, and never seen again */
			memcpy(obj_chunk(o, (start + offset) / CHUNK, true) + offset % CHUNK, data, min((u64)n, o->size - start - offset));
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
	model_bytes(m, data, good);
	if (good)
		CHECK_EQ(user_access((vaddr_t)base + PAGE_SIZE - good, data, good, true), 0);
	CHECK_EQ(iter_init_user_buf(&it, (void *)(base + PAGE_SIZE - good), n), 0);
	r = file.ops->write(&file, &it, &pos);
	CHECK(r == -EFAULT || r == -ENOSPC || (r > 0 && r <= (ssize_t)good));
	for (ssize_t i = 0; i < r; i++)
		obj_chunk(o, (start + i) / CHUNK, true)[(start + i) % CHUNK] = data[i];
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
	inode = obj_get_ent(m, dir, e);
	obj_compare(m, e->obj, inode);
	if (!host_random(6)) {
		op_attributes(m, e->obj, inode);
	} else if (S_ISREG(e->obj->mode)) {
		switch (host_random(10)) {
		case 0: obj_truncate(m, e->obj, inode); break;
		case 1: obj_compare_contents(m, e->obj, inode); break;
		case 2: map_file(m, e->obj, inode); break;
		case 3: write_bad_source(m, e->obj, inode); break;
		default: obj_write_some(m, e->obj, inode);
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
		m->open[i].inode = obj_get_ent(m, dir, e);
		return;
	}
	if (host_random(3)) {
		obj_write_some(m, o, m->open[i].inode);
		return;
	}
	obj_compare_contents(m, o, m->open[i].inode);
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
	inode = obj_get_ent(m, m->root, e);
	while (obj_write(m, e->obj, inode, e->obj->size, CHUNK) == CHUNK)
		;
	a.size = (loff_t)(e->obj->size > leave ? e->obj->size - leave : 0);
	down_write(&inode->i_rwsem);
	CHECK_EQ(inode->ops->setattr(inode, &a), 0);
	up_write(&inode->i_rwsem);
	obj_cut(e->obj, (u64)a.size);
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
