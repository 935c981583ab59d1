/*
 * The one list of lock ranks: a lock is taken only when every lock held by the task has a lower
 * rank (DESIGN.md 7, FOREST.md). Beside each is the call path that needs it under the one before.
 * Two locks of the same rank: inodes in address order; tables top down.
 */
#pragma once

enum lock_rank {
	RANK_NONE,		/* not ordered: never held while another lock is taken */
	RANK_FS_TREE,		/* fs/namei.c: rename_mutex, mount table: before any i_rwsem */
	RANK_INODE,		/* inode->i_rwsem: write(2), truncate, directory changes */
	RANK_MMAP,		/* mm->mmap_lock: write(2) faults its source in under i_rwsem */
	RANK_INVALIDATE,	/* mapping->invalidate_lock: fault (tried), read, truncate */
	RANK_WRITEBACK,		/* mapping->wb_mutex: fsync looks for dirty pages, then locks them */
	RANK_PAGE,		/* the LOCKED bit of a slot: read, write, fault (tried), truncate, writeback */
	RANK_FSDATA,		/* ext2's own mutexes: block allocation under a page lock */
	RANK_FSALLOC,		/* ext2's alloc_lock: blocks for an inode whose map_lock is held */
	RANK_META_WRITEBACK,	/* wb_mutex and invalidate_lock of a block device: ext2 reads metadata under RANK_FSDATA */
	RANK_META_PAGE,		/* LOCKED bit of a block device's slot: ext2 metadata under RANK_FSDATA */
	RANK_I_MMAP,		/* mapping->i_mmap_lock: zap mappings of a locked page */
	RANK_TTY,		/* tty_mutex: opening, closing, hanging up, over each terminal's own lock */
	RANK_SLEEPING,		/* other sleeping locks that cover no call into mm/ or fs/: pipes, tty, ... */
	RANK_DCACHE,		/* first of the spinlocks: dentry tree and hash, inode hash */
	RANK_TASKLIST,		/* the process table, parents and children */
	RANK_SIGNAL,		/* process->sig_lock */
	RANK_FILES,		/* descriptor tables */
	RANK_TABLE_FILE,	/* a CACHE table's lock */
	RANK_TABLE_PROCESS,	/* a PROCESS table's lock: zap under i_mmap and file tables */
	RANK_LEAF,		/* spinlocks that take no further lock but the ones below */
	RANK_WAITQUEUE,		/* wait_queue->lock: wake-ups from under spinlocks */
	RANK_RUNQUEUE,		/* scheduler: wake-ups from under a wait queue's lock */
	RANK_SLAB,		/* slab caches */
	RANK_FRAMES,		/* buddy allocator */
	RANK_LOG,		/* printk: anywhere */
	RANK_SCREEN,		/* drivers/vt.c: the log is written to its console */
};
