/*
 * Block devices. A request names device blocks and frames; it completes later, from a worker, by its
 * callback. Sectors are 512 bytes.
 */
#pragma once

#include "mm/page.h"
#include "mm/pagecache.h"

struct block_device;

struct bio {
	struct block_device *dev;
	bool write;
	u64 sector;			/* first, on the device */
	struct page *page;		/* one frame; the caller keeps it alive until done */
	unsigned offset, length;	/* bytes within the frame; multiple of 512 */
	/* Called once, from the worker's context, preemptible; must not sleep. error: 0 or -EIO. Frees the bio if it wants. */
	void (*done)(struct bio *bio, int error);
	void *private;
	u64 private2;
	struct list_head node;		/* the driver's */
	bool fail;			/* the driver's: was chosen to fail (kernel/inject.h) */
};

struct block_device {
	const char *name;		/* "ram0" */
	u64 sectors;			/* size */
	void (*submit)(struct bio *bio);	/* takes the bio until done(); never sleeps long, never fails */
	atomic64_t requests[2], transferred[2];	/* A: requests taken, sectors, read and written: /proc/diskstats */
	bool swap;			/* racy: is a swap area (fs/swapon.c): not to be mounted */
	struct address_space mapping;	/* the device's own page cache: metadata of its file system, and all device nodes */
	struct rwsem rwsem;		/* write(): one at a time, through whichever node. RANK_INODE: in the place of the nodes' i_rwsem */
};

/* drivers/block.c */
void block_register(struct block_device *dev, u32 major, u32 minor);
struct block_device *block_find(const char *name);		/* or NULL */
struct block_device *block_nth(int n, u32 *major, u32 *minor);	/* 0 to ...: NULL after the last */
/* One bio, waited for. 0 or -EIO, -ENOMEM. Sleeps. */
int block_rw_wait(struct block_device *dev, bool write, u64 sector, struct page *page, unsigned offset, unsigned length);

/* drivers/ramdisk.c: ram0 on the boot module, in place; ramdisk_latency_us= delays each request, ramdisk_fail= injects errors. */
void ramdisk_init(paddr_t start, u64 size);
void ramdisk_init_swap(void);	/* ram1, if swap_mb= asks for it; swap_fail= injects errors */
