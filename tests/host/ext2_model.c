/* Objects of the model of a file system (ext2_model.h), and the same ones on the disk. */
#include "ext2_model.h"

int model_enospc;

/* --- objects --- */

struct obj *obj_new(u32 mode, struct obj *parent)
{
	struct obj *o = sys_calloc(sizeof(*o));

	o->mode = mode;
	o->parent = parent;
	o->nlink = S_ISDIR(mode) ? 2 : 1;
	return o;
}

void obj_cut(struct obj *o, u64 size)
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

u8 *obj_chunk(struct obj *o, u64 index, bool make)
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

void obj_unlinked(struct model *m, struct obj *o)
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
	obj_cut(o, 0);
	sys_free(o->target);
	sys_free(o);
}

struct ent *ent_find(struct obj *dir, const char *name)
{
	for (struct ent *e = dir->ents; e; e = e->next)
		if (!strcmp(e->name, name))
			return e;
	return NULL;
}

void ent_add(struct obj *dir, const char *name, struct obj *o)
{
	struct ent *e = sys_calloc(sizeof(*e));

	str_copy(e->name, name, sizeof(e->name));
	e->len = (u32)strlen(name);
	e->obj = o;
	e->next = dir->ents;
	dir->ents = e;
	dir->nr_ents++;
}

void ent_remove(struct obj *dir, const char *name)
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

int dir_lookup(struct inode *dir, const char *name, struct inode **out)
{
	down_read(&dir->i_rwsem);
	int error = dir->ops->lookup(dir, name, strlen(name), out);
	up_read(&dir->i_rwsem);
	return error;
}

static const char *obj_name(struct obj *o)
{
	for (struct ent *e = o->parent->ents; e; e = e->next)
		if (e->obj == o)
			return e->name;
	host_fail("model: lost directory");
}

/* By walking from the root. */
struct inode *obj_get(struct model *m, struct obj *o)
{
	struct inode *parent, *inode;

	if (o == m->root && !m->path[0]) {
		inode_get(m->sb->root->inode);
		return m->sb->root->inode;
	}
	if (o == m->root) {
		CHECK_EQ(dir_lookup(m->sb->root->inode, m->path, &inode), 0);
		return inode;
	}
	parent = obj_get(m, o->parent);
	CHECK_EQ(dir_lookup(parent, obj_name(o), &inode), 0);
	inode_put(parent);
	return inode;
}

struct inode *obj_get_ent(struct model *m, struct obj *dir, struct ent *e)
{
	struct inode *d = obj_get(m, dir), *inode;
	int error = dir_lookup(d, e->name, &inode);

	if (error)
		host_fail("lookup of %s gives %d", e->name, error);
	inode_put(d);
	return inode;
}

void obj_compare(struct model *m, struct obj *o, struct inode *inode)
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

ssize_t obj_io(struct inode *inode, void *buf, size_t n, loff_t pos, bool write)
{
	struct file file = { .inode = inode, .ops = inode->fops };
	struct iov_iter it;

	iter_init_kernel_buf(&it, buf, n);
	return write ? file.ops->write(&file, &it, &pos) : file.ops->read(&file, &it, &pos);
}

void model_bytes(struct model *m, u8 *buf, size_t n)
{
	m->counter++;
	for (size_t i = 0; i < n; i++)
		buf[i] = (u8)(m->counter * 2654435761U >> 11) + (u8)(i * 7 + i / 251) + 1;
}

static void obj_compare_range(struct model *m, struct obj *o, struct inode *inode, u64 pos, size_t n)
{
	u8 *got = sys_calloc(n + 1);
	size_t want = pos >= o->size ? 0 : min((u64)n, o->size - pos);
	ssize_t r = obj_io(inode, got, n, (loff_t)pos, false);

	if (r != (ssize_t)want)
		host_fail("read of inode %lu at %lu gives %ld, want %lu", inode->ino, (unsigned long)pos, (long)r, (unsigned long)want);
	for (size_t i = 0, n_here; i < want; i += n_here) {
		static const u8 zero[CHUNK];
		u8 *c = obj_chunk(o, (pos + i) / CHUNK, false);
		const u8 *b = c ? c + (pos + i) % CHUNK : zero;
		n_here = min(want - i, CHUNK - (pos + i) % CHUNK);
		for (size_t k = 0; memcmp(got + i, b, n_here) && k < n_here; k++)
			if (got[i + k] != b[k])
				host_fail("inode %lu byte %lu is %02x, want %02x", inode->ino, (unsigned long)(pos + i + k), got[i + k], b[k]);
	}
	sys_free(got);
}

void obj_compare_contents(struct model *m, struct obj *o, struct inode *inode)
{
	u64 holes = 0;

	for (struct chunk *c = o->chunks; c; c = c->next)
		obj_compare_range(m, o, inode, c->index * CHUNK, CHUNK);
	for (u64 p = 0; p < o->size && holes < 40; p += CHUNK + o->size / 64, holes++)
		obj_compare_range(m, o, inode, p, CHUNK);
	obj_compare_range(m, o, inode, o->size > 100 ? o->size - 100 : 0, 300);
}

ssize_t obj_write(struct model *m, struct obj *o, struct inode *inode, u64 pos, size_t n)
{
	u8 *data = sys_calloc(n);
	ssize_t r;

	model_bytes(m, data, n);
	r = obj_io(inode, data, n, (loff_t)pos, true);
	if (r < 0 && r != -ENOSPC && r != -EFBIG)
		host_fail("write gives %ld", (long)r);
	if (r < (ssize_t)n)
		model_enospc++;
	r = max(r, (ssize_t)0);
	for (ssize_t i = 0, n_here; i < r; i += n_here) {
		n_here = min(r - i, (ssize_t)(CHUNK - (pos + i) % CHUNK));
		memcpy(obj_chunk(o, (pos + i) / CHUNK, true) + (pos + i) % CHUNK, data + i, (size_t)n_here);
	}
	if (r && pos + r > o->size)
		o->size = pos + r;
	sys_free(data);
	return r;
}
