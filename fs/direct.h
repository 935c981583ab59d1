/*
 * Direct I/O: between the device and a program's pinned memory, past the page cache and coherent with it.
 *
 * Positions, lengths and memory are multiples of 512 bytes, the device's logical block (else EINVAL, as on Linux). Holes are read as
 * zeroes. What is not yet there on the device (holes, the file's growth) is written through the cache and then written out, as Linux's ext2 does. A
 * process may fork at any time: memory that a device writes to is pinned exclusively, so the child gets its copy at once.
 */
#pragma once

#include "drivers/block.h"
#include "fs/vfs.h"
#include "mm/gup.h"

#define DIRECT_ALIGN 512U

/* What a file system's ->direct_map answers. */
struct direct_place {
	struct block_device *dev;
	u64 sector;
	bool hole;			/* no place on the device */
};

/* A transfer: part of a page of a program each. */
struct direct_piece {
	struct page *page;
	u32 offset, length;
};
struct direct_io {
	struct inode *inode;		/* kept by the caller */
	bool write;
	unsigned pin_flags;
	loff_t pos;
	size_t bytes;			/* in all pieces */
	struct direct_piece *pieces;	/* each with a pin */
	unsigned nr, max;
	struct list_head bios;		/* made, not submitted */
	atomic_t pending;		/* bios on their way, and one for who submits */
	int error;			/* of any of them */
	void (*done)(struct direct_io *d);	/* from any context, preemptible, when the last one is done; NULL: it is waited for */
	struct list_head node;		/* for who is called */
};

/* ->read and ->write of files opened with O_DIRECT. Sleep. */
ssize_t direct_read(struct file *file, struct iov_iter *to, loff_t *pos);
/* In the place of pagecache_write_iter(): i_rwsem held exclusively. */
ssize_t direct_write_iter(struct address_space *m, loff_t *pos, struct iov_iter *from);

/*
 * Start a transfer and return: 0, and d->done() comes later, after which direct_finish() is due; or an error, and nothing is left to do.
 * -ENOTBLK: only the ordinary way will do (not all on the device, too large). d: from kzalloc, with inode, write and done set.
 */
int direct_start(struct direct_io *d, struct file *file, struct iov_iter *it, loff_t pos);
#define DIRECT_START_MAX 1024U	/* pieces */
/* The end of such a transfer: pins, cache, counts. Bytes, or an error. Sleeps. The caller frees d. */
ssize_t direct_finish(struct direct_io *d);
