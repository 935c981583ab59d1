/*
 * ext2: inside view. Users of the file system see only ext2_init(), the rest goes through fs/vfs.h.
 *
 * Three kinds of cached bytes:
 *  - contents of files, directories and long symbolic links: inode->mapping, blocks found by map.c;
 *  - metadata (super block, descriptors, bitmaps, inode tables, indirect blocks): s->meta, a cache of the device of its own
 *    that holds ONE BLOCK PER PAGE, index = block number. Not dev->mapping, because its 4 KiB pages would hold several small blocks:
 *    writing one back would overwrite the neighbours, which may be a file's data, with what they were long ago;
 *  - inode fields in struct ext2_inode, group descriptors in s->groups, counts: copied to s->meta by write_inode and sync.
 *
 * Invariants:
 * E1 Only a block whose bit in s->meta_blocks is set is written from s->meta. The bit is set before a block is changed as
 *    metadata, and cleared (ext2_meta_forget, which then waits for writeback in flight) before the block is freed. So a late
 *    write of an old indirect block never hits a file's data.
 * E2 A block is taken in the bitmap before anything points to it, and freed after nothing does.
 * E3 Every number from the disk is checked where it is used: blocks by ext2_block_ok, inodes by ext2_iget, directory entries
 *    by dir.c. Loops are impossible to follow: the depth is fixed, truncate clears pointers before it follows them, and
 *    a directory is found only through the parent that its ".." names.
 * E4 Blocks past the end of a file exist only between reserve and the size's publication; ext2_trim removes what stays.
 *
 * Locks, outermost first: i_rwsem (vfs); page lock of inode->mapping; ei->map_lock (RANK_FSDATA); s->alloc_lock
 * (RANK_FSALLOC); page lock of s->meta (RANK_META_PAGE), never two at a time.
 */
#pragma once

#include "drivers/block.h"
#include "fs/ext2/format.h"
#include "fs/vfs.h"
#include "kernel/printk.h"

/* Legend: I fixed at mount, L alloc_lock, A atomic. */
struct ext2_sb {
	struct super_block *sb;		/* I */
	struct block_device *dev;	/* I */
	struct address_space meta;	/* one metadata block per page */
	u64 *meta_blocks;		/* A: bit per block: may be written from meta (E1) */
	u32 block_size, block_shift;	/* I */
	u32 ptrs;			/* I: block pointers per block */
	u32 sectors_per_block;		/* I */
	u32 blocks_count, inodes_count;	/* I */
	u32 first_data_block, blocks_per_group, inodes_per_group, group_count;	/* I */
	u32 first_ino, inode_size, want_extra;	/* I */
	u32 desc_blocks;		/* I: blocks of descriptors behind a super block */
	u32 reserved_blocks, reserved_uid;	/* I: for root, or this user */
	bool revision0, filetype, sparse_super, read_only;	/* I: read_only: unknown features, whatever a remount says */
	loff_t max_size;		/* I: largest file */
	u32 super_block_nr, super_offset;	/* I: where the super block lies */

	struct mutex alloc_lock;	/* bitmaps, and the fields below */
	struct ext2_group_disk *groups;	/* L */
	u8 *group_dirty;		/* L: to be copied to meta by sync */
	u32 free_blocks, free_inodes;	/* L */
	bool large_file;		/* L: the feature is set on disk */

	atomic_t unclean;		/* A: the disk's super block does not say VALID: something changed since the last sync */
	atomic_t errors;		/* A: messages of ext2_error */
	atomic_t generation;		/* A: of the next inode */
};

/* Legend: W i_rwsem, M map_lock, I fixed. */
struct ext2_inode {
	struct inode vfs;
	struct mutex map_lock;		/* block[] and all indirect blocks, vfs.blocks, the goal */
	u32 block[EXT2_N_BLOCKS];	/* M; of a fast symbolic link: its text; of a device: its number */
	u32 last_lblock, last_phys;	/* M: allocated last: the next goal. last_phys 0: none */
	u32 reserved_end;		/* M: 1 + highest block of the file ever allocated while in memory (E4) */
	u32 flags, file_acl, generation;	/* W */
	u32 dir_room;			/* W: of a directory: no room for an ordinary name in the blocks before this one */
	u32 group;			/* I: its block group */
	bool loaded;			/* I: read or made completely: evict may write it */
	bool fresh;			/* made since mount and not yet written: all bytes of the disk's slot are ours. page lock of the slot */
	char name[40];			/* for messages: the name under which it was found first */
};
static inline struct ext2_inode *ext2_i(const struct inode *inode) { return container_of(inode, struct ext2_inode, vfs); }
static inline struct ext2_sb *ext2_s(const struct inode *inode) { return inode->sb->private; }

/* Registers the file system: called once by fs/ at boot. */
void ext2_init(void);

/* --- super.c --- */
/* The disk is wrong: log it (the first few), remember it in the super block. Returns -EUCLEAN. */
int ext2_error(struct ext2_sb *s, const char *fmt, ...) __printf(2, 3);
/* Something is going to be written: the super block stops saying VALID. -EROFS, -EIO, -ENOMEM. Sleeps; no page of meta locked. */
int ext2_begin_changes(struct ext2_sb *s);
/* A file grows past 2 GiB: set the feature. -EFBIG in revision 0. */
int ext2_want_large_file(struct ext2_sb *s);

/* --- meta.c: metadata blocks --- */
int ext2_meta_init(struct ext2_sb *s);		/* needs block_size, blocks_count, dev */
void ext2_meta_destroy(struct ext2_sb *s);
/* A pinned page whose first block_size bytes are the block (page_unpin_read when done). Sleeps. -EIO, -ENOMEM. block has been checked. */
int ext2_meta_read(struct ext2_sb *s, u32 block, struct page **page);
/* Change a block: locked and in memory (zeroed instead of read if `fresh`); *data is its contents. Sleeps. Then ext2_meta_end. */
struct ext2_change {
	u32 block;
	struct page *page;
	entry_t *slot;
	void *data;
};
int ext2_meta_begin(struct ext2_sb *s, u32 block, bool fresh, struct ext2_change *c);
/* The same without ext2_begin_changes: for writing what makes the file system clean (super.c). */
int ext2_meta_begin_quiet(struct ext2_sb *s, u32 block, bool fresh, struct ext2_change *c);
/* The same for giving back and undoing, which must not stop half way: waits for memory (some seconds; then -ENOMEM after all). */
int ext2_meta_begin_must(struct ext2_sb *s, u32 block, struct ext2_change *c);
void ext2_meta_end(struct ext2_sb *s, struct ext2_change *c, bool dirtied);
/* After an attempt: true if it failed for want of memory and is worth another one; sleeps before. *tries starts as 0. */
bool ext2_try_again(int error, unsigned *tries);
/* The block is no metadata any more: it will not be written from meta, and is not being written now (E1). Sleeps. */
void ext2_meta_forget(struct ext2_sb *s, u32 block);
/* Write all changed metadata blocks and wait. */
int ext2_meta_sync(struct ext2_sb *s);

/*
 * A page of a mapping that exists, pinned for reading (page_unpin_read). Not pagecache_read: that gives up at a fatal signal, and
 * a change of the disk's structures half done cannot; and it takes invalidate_lock, which comes before our own locks.
 */
int ext2_page_read(struct address_space *m, u64 index, struct page **page);

/* --- io.c: a page to or from the device --- */
#define EXT2_IO_BLOCKS (PAGE_SIZE / 1024)
struct ext2_io {
	atomic_t pending;		/* bios on their way, and one for who submits */
	int error;			/* of any of them */
	struct address_space *mapping;
	u64 index;
	struct page *page;
	unsigned keep;			/* reading: zeroes follow after so many bytes */
	bool write;
	unsigned nr;
	struct bio bio[EXT2_IO_BLOCKS];
};
/* Never NULL: sleeps until there is memory, or the spare one is free. */
struct ext2_io *ext2_io_alloc(struct address_space *m, u64 index, struct page *page, bool write);
/* Block `block` of the device <-> bytes from `offset` of the page; in the order of offset. */
void ext2_io_add(struct ext2_io *io, const struct ext2_sb *s, unsigned offset, u32 block);
/* Off it goes; then pagecache_read_done or pagecache_write_done is called, perhaps before this returns. */
void ext2_io_submit(struct ext2_io *io);

/* --- balloc.c: blocks --- */
/* May a file's pointer hold this number: inside the device, not a bitmap, inode table, super block or descriptor. */
bool ext2_block_ok(const struct ext2_sb *s, u32 block);
/* Take a free block near `goal` (any number). -ENOSPC, -EIO, -ENOMEM, -EROFS. Takes alloc_lock. */
int ext2_alloc_block(struct ext2_sb *s, u32 goal, u32 *block);
/* The same for up to n (> 0) of them, neighbours: *got of them, from *block on. */
int ext2_alloc_run(struct ext2_sb *s, u32 goal, u32 n, u32 *block, u32 *got);
/* Free blocks; those out of range or free already are reported, not touched. Takes alloc_lock. */
void ext2_free_blocks(struct ext2_sb *s, u32 block, u32 count);
static inline u32 ext2_group_first(const struct ext2_sb *s, u32 group) { return s->first_data_block + group * s->blocks_per_group; }
/* Blocks of a group: the last one may be shorter. */
static inline u32 ext2_group_size(const struct ext2_sb *s, u32 group)
{
	return min(s->blocks_per_group, s->blocks_count - ext2_group_first(s, group));
}
bool ext2_group_has_super(const struct ext2_sb *s, u32 group);	/* and descriptors */
/* First zero bit of [from, limit), or limit. */
u32 ext2_find_zero(const u8 *bitmap, u32 from, u32 limit);

/* --- ialloc.c: inodes --- */
/* Take an inode number near the directory. -ENOSPC... Takes alloc_lock. */
int ext2_alloc_ino(struct inode *dir, bool is_dir, u32 *ino);
void ext2_free_ino(struct ext2_sb *s, u32 ino, bool is_dir);
/* Block and offset of an inode in its table. */
void ext2_ino_place(const struct ext2_sb *s, u32 ino, u32 *block, u32 *offset);

/* --- map.c: which block of the device is block n of a file --- */
/* *phys = 0 for a hole. -EUCLEAN, -EIO, -ENOMEM, -EFBIG. Takes map_lock. */
int ext2_map(struct inode *inode, u64 lblock, u32 *phys);
/* The same for n consecutive ones. */
int ext2_map_many(struct inode *inode, u64 lblock, unsigned n, u32 *phys);
/* The first block in [lblock, last] that has a place on the device, or (hole) that has none; last + 1: none. Errors as above. */
s64 ext2_map_next(struct inode *inode, u64 lblock, u64 last, bool hole);
/* Give blocks [first, last] of the file room on the device; all or (on error) none of those that are new. Takes map_lock. */
#define EXT2_RESERVE_MAX 64U	/* at once */
int ext2_map_reserve(struct inode *inode, u64 first, u64 last);
/* The same behind the end of the file, where it has none yet, for up to n blocks from `first` on: how many. What is not written, ext2_trim takes away. */
u64 ext2_map_append(struct inode *inode, u64 first, u64 n);
/* Free blocks [first, last] of the file, which become a hole; the indirect blocks above them stay. The caller marks the inode dirty. Takes map_lock. Errors are logged. */
void ext2_map_punch(struct inode *inode, u64 first, u64 last);

/* --- truncate.c --- */
/* Free every block of the file from `first` on, and the indirect blocks not needed any more; the caller marks the inode dirty. Takes
 * map_lock. Errors are logged. */
void ext2_map_truncate(struct inode *inode, u64 first);
/* Free what was reserved past the end and not used (E4): true if there was any (then mark it dirty). i_rwsem exclusive, or
 * nobody else knows the inode. */
bool ext2_trim(struct inode *inode);

/* --- data.c: contents --- */
extern const struct address_space_ops ext2_data_ops;

/* --- inode.c --- */
/* The inode, with a reference. -EUCLEAN: not a sane one. -EIO, -ENOMEM. name: for messages only. */
int ext2_iget(struct super_block *sb, u32 ino, const char *name, size_t len, struct inode **out);
/* Make one beside `dir`, owned by the caller's user; nlink 1 (directories 2), not yet in any directory. To give up: ext2_drop_new. */
int ext2_new_inode(struct inode *dir, u32 mode, u64 rdev, const char *name, size_t len, struct inode **out);
void ext2_drop_new(struct inode *inode);
int ext2_write_inode(struct inode *inode);
void ext2_evict(struct inode *inode);
bool ext2_is_read_only(const struct inode *inode);
bool ext2_is_fast_symlink(const struct inode *inode);	/* short enough to lie in the inode itself */

/* --- file.c --- */
int ext2_setattr(struct inode *inode, const struct iattr *attr);
extern const struct file_ops ext2_file_ops, ext2_dir_file_ops;

/* --- dir.c: entries of directories. dir->i_rwsem is held, exclusive for changes --- */
int ext2_dir_find(struct inode *dir, const char *name, size_t len, u32 *ino);		/* -ENOENT, -EUCLEAN, -EIO */
int ext2_dir_add(struct inode *dir, const char *name, size_t len, u32 ino, u32 mode);	/* the name is not there yet */
int ext2_dir_remove(struct inode *dir, const char *name, size_t len);			/* -ENOENT */
int ext2_dir_set(struct inode *dir, const char *name, size_t len, u32 ino, u32 mode);	/* point an entry elsewhere */
int ext2_dir_init(struct inode *dir, u32 parent);		/* "." and ".." */
int ext2_dir_is_empty(struct inode *dir);			/* 1, 0, or an error */
int ext2_dir_iterate(struct file *file, struct dir_context *ctx);

/* --- namei.c --- */
extern const struct inode_ops ext2_dir_ops, ext2_file_inode_ops, ext2_symlink_ops;
int ext2_symlink_init(struct inode *inode, const char *target, size_t len);
