/*
 * Files that live in memory only: tmpfs (tmpfs.c: files, tmpdir.c: directories, memfd.c), and devfs, which is a tmpfs with device nodes.
 */
#pragma once

#include "fs/vfs.h"

#define TMPFS_ENTRY_COST 20			/* what a name adds to a directory's size, as on Linux */

struct tmpfs_sb {
	struct mutex lock;		/* RANK_FSDATA; protects the hash, and the lists of cursors */
	struct list_head *hash;		/* lock: of entries, by name and directory */
	u64 hash_size, nr_entries;	/* lock: a power of two, doubled when there are twice as many entries */
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

/*
 * Where the reading of a directory has come, of an open file that did not read it in one go. An entry that goes away moves those that stand
 * on it to the one before (tmpfs_entry_free), so that the next call goes on from there without a search.
 */
struct tmpfs_cursor {
	struct list_head node;		/* lock: ti(dir)->cursors */
	struct list_head *last;		/* the entry read last, or the list's head: pos_lock of the file and i_rwsem; or i_rwsem exclusive */
	loff_t pos;			/* pos_lock: the file's position then; after a seek it is another */
};

struct tmpfs_inode {
	struct inode vfs;
	struct list_head entries;	/* W */
	struct list_head cursors;	/* lock of the super block */
	u64 parent_ino;			/* W */
	loff_t next_cookie;		/* W: 0 and 1 are "." and ".." */
	u64 nr_entries;			/* W */
	u64 charged;			/* A: pages in the sum */
	u32 seals;			/* W: F_SEAL_* of a memfd; F_SEAL_SEAL of all others */
	char *target;			/* I: of a symbolic link */
};

static inline struct tmpfs_inode *ti(struct inode *inode) { return container_of(inode, struct tmpfs_inode, vfs); }
static inline struct tmpfs_sb *ts(const struct inode *inode) { return inode->sb->private; }

/* A super block with an empty root directory of that mode. */
int tmpfs_make(const char *type, u32 root_mode, struct super_block **out);
/* Make NAME in a tmpfs directory: mode has the type (S_IFLNK: target); its inode is returned without a reference of its own. */
int tmpfs_add(struct inode *dir, const char *name, u32 mode, u64 rdev, const char *target);

/* A new inode of that mode, its owner and times set; dir NULL: the root, or without a directory. NULL: no memory. */
struct inode *tmpfs_make_inode(struct super_block *sb, struct inode *dir, u32 mode, u64 rdev);
/* The hash of a new super block: 0 or -ENOMEM. */
int tmpfs_hash_init(struct tmpfs_sb *t);
/* Forget a name; its reference on the inode is the caller's. */
void tmpfs_entry_free(struct inode *dir, struct tmpfs_entry *e);
void tmpfs_getattr(struct inode *inode, struct kstat *st);
int tmpfs_setattr(struct inode *inode, const struct iattr *attr);
int tmpfs_no_fsync(struct file *file, bool data_only);
extern const struct inode_ops tmpfs_dir_ops;
extern const struct file_ops tmpfs_dir_fops;
/* What memfd's seals forbid (fs/memfd.c): 0 or EPERM. i_rwsem exclusive in the first two. */
int seals_allow_resize(struct inode *inode, loff_t size);
ssize_t seals_allow_write(struct inode *inode, loff_t pos, size_t n);	/* how many of the n bytes */
extern const struct file_ops tmpfs_sealable_fops;	/* of files that can be sealed: only their writes ask */
int seals_allow_mmap(struct inode *inode, struct map_request *req);
int memfd_init(void);
