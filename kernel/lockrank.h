/*
 * The one list of lock ranks: a lock is waited for only while every lock that the task holds has a lower rank (DESIGN.md 7, FOREST.md).
 * Beside each is the call path that needs it under one of those before. `make DEBUG=1` stops at a lock that is taken against this order
 * (kernel/lockcheck.c), and its /proc/lock_order shows which edges occurred.
 *
 * Three groups: sleeping locks, then spinlocks taken with interrupts on, then those that interrupt handlers take too and that are
 * therefore only taken with interrupts off. A handler may find any of the first two held by whom it interrupted, so it takes only the third.
 *
 * Two locks of one rank: only where the comment says in which order (same_rank_allowed() in kernel/lockcheck.c).
 */
#pragma once

enum lock_rank {
	/* --- sleeping locks --- */
	RANK_FILE_POS,		/* file->pos_lock: over the whole of read(), write(), lseek(), getdents() */
	RANK_FIFO,		/* fs/pipe.c: who makes the pipe of a FIFO's inode */
	RANK_EPOLL,		/* epoll_mutex: over the items' mutexes: which epoll file watches which */
	RANK_EPOLL_ITEMS,	/* ep->mutex: over poll() of the watched file. Same rank: as they watch each other, which has no loops */
	RANK_SOCKET_READER,	/* fs/unixmsg.c: over the copy to the receiver's memory */
	RANK_MOUNT,		/* mount_mutex: before any i_rwsem */
	RANK_SUPER,		/* super_lock: sync() writes the inodes of every file system */
	RANK_RENAME,		/* rename_mutex: the shape of the tree stands still while two directories are locked */
	RANK_INODE,		/* inode->i_rwsem: write(2), truncate, directory changes. Same rank: see down_write_nested(), or by address */
	RANK_MMAP,		/* mm->mmap_lock: write(2) faults its source in under i_rwsem */
	RANK_INVALIDATE,	/* mapping->invalidate_lock: fault (tried), read, truncate under i_rwsem */
	RANK_WRITEBACK,		/* mapping->wb_mutex: fsync looks for dirty pages, then locks them */
	RANK_PAGE,		/* the LOCKED bit of a slot: read, write, fault (tried), truncate, writeback. Same rank: by (mapping, index) */
	RANK_FSDATA,		/* ext2's map_lock, tmpfs's names: block allocation under a page lock */
	RANK_FSALLOC,		/* ext2's alloc_lock: blocks for an inode whose map_lock is held */
	RANK_META_WRITEBACK,	/* wb_mutex and invalidate_lock of a block device: ext2 reads metadata under RANK_FSDATA */
	RANK_META_PAGE,		/* LOCKED bit of a block device's slot: ext2 metadata under RANK_FSDATA. Same rank: as RANK_PAGE */
	RANK_I_MMAP,		/* mapping->i_mmap_lock: zap mappings of a locked page */
	RANK_TTY,		/* tty_mutex: opening, closing, hanging up, over each terminal's own lock */
	RANK_LAST_SLEEPING,	/* sleeping locks under which no other is taken: pipes, terminals, file locks, ... */

	/* --- spinlocks --- */
	RANK_DCACHE,		/* dentry tree and hash: nothing sleeps below */
	RANK_INODES,		/* fs/inode.c: hash, lists, state: the last dentry's inode under dcache_lock */
	RANK_WAITS,		/* waits_lock: who waits for which lock, while the hang detector looks at the tasks */
	RANK_TASKLIST,		/* the process table, parents and children: /proc counts paths under dcache_lock */
	RANK_SIGNAL,		/* process->sig_lock: signals to a whole group under tasklist_lock */
	RANK_FS_CONTEXT,	/* root and working directory: /proc/PID/cwd under dcache_lock and tasklist_lock */
	RANK_FILES,		/* descriptor tables: /proc/PID/fd under tasklist_lock */
	RANK_UNIX,		/* all unix sockets */
	RANK_FUTEX,		/* the buckets. Same rank: by address */
	RANK_TABLE_FILE,	/* a CACHE table's lock. Same rank: top down */
	RANK_TABLE_PROCESS,	/* a PROCESS table's lock: zap under i_mmap. Same rank: top down, by address on one level */
	RANK_LAST_SPIN,		/* spinlocks under which no other is taken but the ones below */

	/* --- taken with interrupts off, always --- */
	RANK_IRQ,		/* device queues, completions, timers: over wake-ups */
	RANK_WAITQUEUE,		/* wait_queue->lock: wake-ups from under spinlocks */
	RANK_EPOLL_WATCHED,	/* queues that only epoll files sleep on. Same rank: as RANK_EPOLL_ITEMS */
	RANK_EPOLL_READY,	/* ep->ready_lock: an event, from under the watched file's queue */
	RANK_LAST_WAITQUEUE,	/* queues whose waiters are tasks only: an event wakes who is in epoll_wait() */
	RANK_SLAB,		/* slab caches: allocation under spinlocks */
	RANK_FRAMES,		/* buddy allocator: a slab grows */
	RANK_LOG,		/* printk: anywhere */
	RANK_SCREEN,		/* drivers/vt.c: the log is written to its console */

	RANK_FIRST_SPIN = RANK_DCACHE,
	RANK_FIRST_IRQ = RANK_IRQ,
};
