/*
 * The model of a file system (ext2_model.h) as a whole: model_verify() compares everything, model_manifest() writes what debugfs must find in the image afterwards,
 * model_root() and model_below() learn what is there.
 */
#include "ext2_model.h"

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
	obj_compare(m, o, inode);
	if (S_ISREG(o->mode))
		obj_compare_contents(m, o, inode);
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
		CHECK_EQ(dir_lookup(inode, e->name, &child), 0);
		verify_obj(m, e->obj, child);
		inode_put(child);
	}
}

void model_verify(struct model *m)
{
	struct inode *root = obj_get(m, m->root);

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
			u8 *c = obj_chunk(o, p / CHUNK, false);
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
			ssize_t n = obj_io(inode, buf, CHUNK, (loff_t)p, false);
			CHECK(n > 0);
			memcpy(obj_chunk(o, p / CHUNK, true), buf, (size_t)n);
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
		CHECK_EQ(dir_lookup(inode, e->name, &child), 0);
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
