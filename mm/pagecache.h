/*
 * The page cache: every byte of a file, for read, write, mapped faults, exec and truncate. A file's cache is a
 * tree of CACHE tables; one entry per page (a "slot") holds its whole state (mm/table.h, DESIGN.md 2).
 *
 * struct address_space is embedded in the inode; mm/ knows no more of a file than this and its ops.
 *
 * PC1 P (uptodate) is set only with the contents complete, and never for a page past the end of file.
 * PC2 Whatever makes P holds invalidate_lock shared (or i_rwsem exclusive: write) from the size check until P is set.
 * PC3 LOCKED or WRITEBACK keeps its slot, its leaf and the frame in place.
 * PC4 RW in a slot: the block is reserved; only then may a FILE entry be writable. Writeback clears RW and D at once,
 *     write-protects the mappings, then takes its own holder (a later store swaps the page, and never waits).
 * PC5 A slot is republished before the old frame's holder is dropped.
 * PC6 Tables live until the mapping is destroyed; height grows only, and from 0 only while page 0 is neither LOCKED nor
 *     WRITEBACK (FOREST.md G1). The root entry says itself whether it is a slot or a table (ENTRY_TABLE).
 * PC7 D in a slot => DIRTY_BELOW in every entry above it, from before the call that set D returns.
 */
#pragma once

#include "kernel/lock.h"
#include "mm/iov_iter.h"
#include "mm/table.h"

struct address_space;

struct address_space_ops {
	/*
	 * Start reading page `index` into `page` (all of it; what the file has no blocks for, or lies past its end, becomes zeroes).
	 * The slot is locked. When done, now or later and from any context: pagecache_read_done(). A negative errno: it was not started and will not call.
	 */
	int (*read_page)(struct address_space *mapping, u64 index, struct page *page);
	/* Start writing `page`, the contents of page `index`; then pagecache_write_done(). As above. May sleep. */
	int (*write_page)(struct address_space *mapping, u64 index, struct page *page);
	/*
	 * Bytes [from, to) of page `index` are about to change and will be written back: reserve blocks. Called with the page locked. Sleeps.
	 * ENOSPC, EDQUOT, EIO, EFBIG. NULL: nothing to reserve (tmpfs).
	 */
	int (*reserve)(struct address_space *mapping, u64 index, unsigned from, unsigned to);
	/*
	 * Whole pages [index, index + n) are about to be filled, by one call under i_rwsem exclusive: for how many of them, from the first on, is there
	 * room, so that ->reserve() need not be asked for each? It may have been reserved by this: what is not used, ->settle() gives up. NULL: 0.
	 */
	u64 (*room)(struct address_space *mapping, u64 index, u64 n);
	/* A write, or a loan to the file, is over, for which there may have been a reservation: give up what lies behind the end. i_rwsem exclusive. Sleeps. NULL: nothing. */
	void (*settle)(struct address_space *mapping);
	/* A shared mapping is about to be written for the first time since writeback: update times. May be NULL. */
	void (*touched)(struct address_space *mapping);
	/* Keep the owner (inode) alive over a wait without locks. */
	void (*hold)(struct address_space *mapping);
	void (*release)(struct address_space *mapping);
	/* For messages: a name like "/etc/passwd" (or "ram0"). */
	void (*name)(struct address_space *mapping, char *buf, size_t size);
};

struct address_space {
	const struct address_space_ops *ops;	/* I */
	void *owner;				/* I: the inode */
	loff_t size;				/* i_size: written under i_rwsem exclusive + invalidate_lock or the page lock; read by READ_ONCE */
	entry_t root;				/* A: page 0's slot, or the top table (then with ENTRY_TABLE) */
	struct rwsem invalidate_lock;
	struct mutex wb_mutex;			/* one searcher of dirty pages at a time: it clears DIRTY_BELOW before it looks below */
	struct mutex i_mmap_lock;		/* protects: */
	struct list_head i_mmap;		/*   VMAs that map this file */
	atomic_t nr_mapped;			/* A: length of i_mmap, so that nobody mapped costs no lock */
	atomic64_t nr_pages;			/* A: cached */
	atomic_t nr_writeback;			/* A: slots under WRITEBACK */
	atomic_t nr_direct;			/* A: transfers of direct I/O in flight */
	int wb_error;				/* A: last writeback error, reported once by fsync */
	u64 leaf_hint;				/* racy hint of slot_find(): a leaf table, and which part of the file it is */
	u64 next_read;				/* racy hint: the page after the last read from the device (read-ahead) */
	u64 clock_hand;				/* racy hint: where reclaim goes on */
	int visitors;				/* mapping_lists lock: writeback or reclaim is at work here: mapping_destroy waits */
	bool whole_blocks;			/* I: no block is smaller than a page: what is reserved is reserved for all of the page */
	bool no_writeback;			/* I: tmpfs, shared anonymous: pages are never clean */
	struct list_head dirty_node;		/* mapping_lists lock: mappings with dirty pages */
	struct list_head cache_node;		/* mapping_lists lock: every mapping */
	u8 lock_rank;				/* I: RANK_PAGE, or RANK_META_PAGE for a block device */
};

void pagecache_init(void);			/* once, before the first mapping_init */
void mapping_init(struct address_space *m, const struct address_space_ops *ops, void *owner, enum lock_rank rank);
/* The owner dies: no mapping, no user left. Drops every page (dirty ones too) and the tables. Waits for I/O. */
void mapping_destroy(struct address_space *m);

/* --- slots (mm/pagecache.c) --- */

/*
 * Lockless lookup: the page with a read pin that was taken before the recheck of the path from the root (FOREST.md
 * T2), or NULL if it is not uptodate. Never sleeps.
 */
struct page *pagecache_lookup(struct address_space *m, u64 index);
/* The entry's value now (0 if there is no table). */
u64 pagecache_peek(struct address_space *m, u64 index);
/* Is there nothing, nowhere? A file without a disk has zeroes there, if it is that long. Others: do not know, false. */
static inline bool pagecache_hole(struct address_space *m, u64 index) { return m->no_writeback && !pagecache_peek(m, index); }
/* The first cached page in [index, last], or last + 1. */
u64 pagecache_next(struct address_space *m, u64 index, u64 last);

/*
 * Page lock. A slot always exists once locked (tables are allocated: ENOMEM). The returned entry pointer is good
 * until page_unlock. Sleeps. The killable form gives -EINTR on a fatal signal. *slot is set on success.
 */
int page_lock(struct address_space *m, u64 index, entry_t **slot);
int page_lock_killable(struct address_space *m, u64 index, entry_t **slot);
/* Lock only if that needs no wait and the slot exists and holds an uptodate page; else false. */
bool page_trylock_uptodate(struct address_space *m, u64 index, entry_t **slot);
/* One atomic operation: clears LOCKED, sets `set` and clears `clear` (ENTRY_P, ENTRY_D...), wakes waiters. */
void page_unlock(struct address_space *m, u64 index, entry_t *slot, u64 set, u64 clear);
/* Sleep until the slot is not locked (somebody's I/O is over). Holds nothing. 0 or -EINTR. */
int page_wait_unlocked(struct address_space *m, u64 index, bool killable);
int page_wait_writeback(struct address_space *m, u64 index);

/* I/O completions, from any context, one atomic operation each. error: 0 or negative errno. */
void pagecache_read_done(struct address_space *m, u64 index, int error);
void pagecache_write_done(struct address_space *m, u64 index, int error);

/*
 * An uptodate page with a read pin, read from the device if needed (with read-ahead of up to `ahead` further
 * pages). Takes invalidate_lock shared. -EIO, -ENOMEM, -EINTR (fatal signal); a page past the end: NULL with return 0.
 */
int pagecache_read(struct address_space *m, u64 index, unsigned ahead, struct page **page);

/*
 * Change a page in place, for file systems' own data (directories, metadata): locked, uptodate, solely owned. With
 * `overwrite` an absent page is not read but zeroed. A fatal signal does not end the wait. Then change page_address(*page), and pagecache_end_change().
 */
int pagecache_begin_change(struct address_space *m, u64 index, bool overwrite, struct page **page, entry_t **slot);
void pagecache_end_change(struct address_space *m, u64 index, entry_t *slot, bool dirtied);

/* --- files (mm/read.c, mm/write.c, mm/truncate.c, mm/filemap.c) --- */

/* read(2) at *pos, which advances. Bytes read, or an error if none were. Sleeps. No lock held, none left held. */
ssize_t pagecache_read_iter(struct address_space *m, loff_t *pos, struct iov_iter *to);
/*
 * write(2) at *pos, which advances; size grows as needed. The caller holds i_rwsem exclusive, has applied O_APPEND and limits. Bytes written, or
 * an error if none were.
 */
ssize_t pagecache_write_iter(struct address_space *m, loff_t *pos, struct iov_iter *from);
/*
 * copy_file_range(): whole pages, n bytes in all, of file `from` at *from_pos become the contents of `to` at *to_pos, whose i_rwsem is held exclusive. Both
 * positions advance. Bytes; 0: copy the next page yourself. -ENOSPC, -EINTR...
 */
ssize_t pagecache_share(struct address_space *from, loff_t *from_pos, struct address_space *to, loff_t *to_pos, size_t n);
/*
 * Set the size. Shrinking: size first, then mappings, then pages; the tail of the last page is zeroed (dirty). Growing: the
 * tail is zeroed before the size is published. The caller holds i_rwsem exclusive and afterwards frees the blocks past
 * the end; invalidate_lock is taken here and must be held until then: *_begin takes it, *_end drops it. -EIO, -ENOMEM: nothing changed.
 */
int pagecache_truncate_begin(struct address_space *m, loff_t new_size);
void pagecache_truncate_end(struct address_space *m);
/*
 * Punching a hole inside the file, i_rwsem exclusive. The first zeroes the parts of pages at both ends of [start, end), which ends at
 * most at the size: -EIO, -ENOMEM, -EINTR. The second forgets whole pages and their mappings (private copies stay) and keeps
 * invalidate_lock, under which the caller frees the blocks; the third drops it.
 */
int pagecache_zero_ends(struct address_space *m, loff_t start, loff_t end);
void pagecache_punch_begin(struct address_space *m, u64 first, u64 last);
void pagecache_punch_end(struct address_space *m);

/* --- direct I/O (mm/direct.c). i_rwsem is held: shared to read, exclusively to write --- */

/* A transfer begins, ends (any context); wait until there is none (i_rwsem exclusively, so that none begins): before blocks are freed. */
void pagecache_direct_begin(struct address_space *m);
void pagecache_direct_end(struct address_space *m);
void pagecache_direct_wait(struct address_space *m);
/*
 * Before a write to the device: pages [first, last] are written back and taken out of cache and mappings, and stay so until _end, which drops
 * invalidate_lock. -EBUSY: not possible now, a page is stored to all the time or pinned for it; -EIO, -ENOMEM: nothing is held.
 * Who has a pin on a page that is taken out keeps it. Sleeps.
 */
int pagecache_detach_begin(struct address_space *m, u64 first, u64 last);
void pagecache_detach_end(struct address_space *m);
/* After one that was not waited for: forget what was read in of [first, last] meanwhile, but what is dirty: then false. No lock needed. Sleeps. */
bool pagecache_forget(struct address_space *m, u64 first, u64 last);
/* Before a read from the device, with its blocks looked up: write what is dirty of [first, last] and wait. Sleeps. */
int pagecache_write_out(struct address_space *m, u64 first, u64 last);

/* A fault of a file VMA (called by mm/fault.c with mmap_lock held for reading; FAULT_RETRY: it was dropped). */
struct fault;
int filemap_fault(struct fault *f);	/* enum fault_result */

/* POSIX_FADV_DONTNEED: forget the clean pages in [first, last] that nobody uses just now; how many. Waits for nothing. */
u64 pagecache_drop(struct address_space *m, u64 first, u64 last);

/* --- writeback (mm/writeback.c) --- */
/* Start writing dirty pages in [first, last]; with `wait` also wait for all writeback and report errors (fsync: wb_error once). */
int mapping_writeback(struct address_space *m, u64 first, u64 last, bool wait);
void mapping_mark_dirty(struct address_space *m, u64 index);	/* put it on writeback's list: called by who sets D */
void writeback_start(void);			/* start the periodic thread */
u64 writeback_dirty_pages(void);		/* for /proc/meminfo; reclaim waits while there are any */
u64 writeback_pages(void);			/* being written; the same */
u64 pagecache_total_pages(void);
u64 pagecache_memory_pages(void);		/* of these, pages of tmpfs and shared anonymous memory, which have no disk */

/* --- shared anonymous memory (mm/shmem.c) --- */
/* A mapping of `size` bytes of zeroes that lives as long as VMAs do; fills in mapping, ops, owner of the request. */
struct map_request;
int shmem_prepare(struct map_request *req, u64 size);
void shmem_abort(struct map_request *req);	/* mm_map failed */
/* The same for who keeps it himself: with one reference. NULL: no memory, or (with `reserve`) there could never be so much. shmem_put() may sleep. */
struct shmem;
struct shmem *shmem_create(u64 size, bool reserve);
void shmem_put(struct shmem *s);
struct address_space *shmem_mapping(struct shmem *s);
