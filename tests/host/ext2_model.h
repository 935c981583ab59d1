/*
 * The inside of the model that ext2_host.h offers: a tree of files in memory beside the one on ext2. Here is what a file of it is, in
 *   ext2_model.c    objects, where they are on the disk, contents on both sides
 *   ext2_ops.c      random operations
 *   ext2_verify.c   comparing everything, the manifest, making a model of what is there
 */
#pragma once

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

static inline bool is_dir(const struct obj *o) { return S_ISDIR(o->mode); }

struct obj *obj_new(u32 mode, struct obj *parent);
/* Of a file: the size, and what is behind it. */
void obj_cut(struct obj *o, u64 size);
/* The bytes of the chunk; NULL: a hole, and it is not to be made. */
u8 *obj_chunk(struct obj *o, u64 index, bool make);
/* One name less; the last one frees it, unless it is open. */
void obj_unlinked(struct model *m, struct obj *o);
/* The entry, or NULL. */
struct ent *ent_find(struct obj *dir, const char *name);
void ent_add(struct obj *dir, const char *name, struct obj *o);
void ent_remove(struct obj *dir, const char *name);

/* On the disk: the inode of a directory of the model, of an entry, with a reference. */
struct inode *obj_get(struct model *m, struct obj *o);
struct inode *obj_get_ent(struct model *m, struct obj *dir, struct ent *e);
/* As ->lookup, the lock taken. */
int dir_lookup(struct inode *dir, const char *name, struct inode **out);
/* Attributes, all contents: the test fails where they differ. */
void obj_compare(struct model *m, struct obj *o, struct inode *inode);
void obj_compare_contents(struct model *m, struct obj *o, struct inode *inode);

/* A read or write of kernel memory, as of a program. */
ssize_t obj_io(struct inode *inode, void *buf, size_t n, loff_t pos, bool write);
/* Bytes that have not been before. */
void model_bytes(struct model *m, u8 *buf, size_t n);
/* Write to both; what there was no space for is in neither. Returns the bytes written. */
ssize_t obj_write(struct model *m, struct obj *o, struct inode *inode, u64 pos, size_t n);
