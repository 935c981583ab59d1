/*
 * The one list of lock ranks: a lock is waited for only while every lock that the task holds has a lower rank (DESIGN.md 7, FOREST.md).
 * Beside each is what it is, and the call path that needs it below another one: "under X: f()" says that f() takes it while X is held.
 * `make DEBUG=1` stops at a lock that is taken against this order (kernel/lockcheck.c); its /proc/lock_order shows which edges occurred, and
 * tests/suite_locks.py that each of those named here does.
 *
 * Three groups: sleeping locks, then spinlocks taken with interrupts on, then those that interrupt handlers take too and that are
 * therefore only taken with interrupts off. A handler may find any of the first two held by whom it interrupted, so it takes only the third.
 *
 * Two locks of one rank: only where it says in which order (same_rank_allowed() in kernel/lockcheck.c). The run queues (kernel/runqueue.h) keep
 * no records and come after all that wakes tasks, RANK_LAST_WAITQUEUE; who holds one only tries for a second.
 */
#pragma once

enum lock_rank {
	/* --- sleeping locks --- */
	RANK_FILE_POS,		/* file->pos_lock: over the whole of read(), write(), getdents(); nothing is held before it */
	RANK_FIFO,		/* fs/pipe.c: who makes the pipe of a FIFO's inode; taken with nothing held, allocates */
	RANK_EPOLL,		/* epoll_mutex: which epoll file watches which; taken with nothing held */
	RANK_EPOLL_ITEMS,	/* ep->mutex, over poll() of the watched file. Under RANK_EPOLL: sys_epoll_ctl(). Same rank: as they watch each other, without loops */
	RANK_SOCKET_READER,	/* fs/unixmsg.c, fs/aioring.c: over the copy to the receiver's memory, so before RANK_MMAP */
	RANK_KLOG,		/* kernel/syslog.c: over the copy to the reader's memory, as well */
	RANK_MOUNT,		/* mount_mutex: the tree of mounts, above all trees of names */
	RANK_SUPER,		/* super_lock: sync() writes the data of every file system, so before RANK_WRITEBACK */
	RANK_RENAME,		/* rename_mutex: the shape of the tree stands still while two directories are locked */
	RANK_INODE,		/* inode->i_rwsem; for writing to a disk, the disk's (drivers/block.h). Under RANK_RENAME: sys_renameat2(); under RANK_FILE_POS: read_entries(). Same rank: down_write_nested(), or by address */
	RANK_MMAP,		/* mm->mmap_lock. Under RANK_INODE: resolve(), write(2) faults its source in */
	RANK_INVALIDATE,	/* mapping->invalidate_lock. Under RANK_INODE: read_page_locked(). By a fault without RANK_MMAP, or tried */
	RANK_WRITEBACK,		/* mapping->wb_mutex. Under RANK_SUPER: mapping_writeback() */
	RANK_PAGE,		/* LOCKED in a slot. Under RANK_INVALIDATE: pagecache_fill(); under RANK_WRITEBACK: write_slot(). Same rank: by (mapping, index) */
	RANK_FSDATA,		/* ext2's map_lock, tmpfs's names. Under RANK_PAGE: ext2_map_reserve(), a write needs a block */
	RANK_FSALLOC,		/* ext2's alloc_lock. Under RANK_FSDATA: ext2_alloc_block() */
	RANK_META_WRITEBACK,	/* a block device's wb_mutex, invalidate_lock. Under RANK_FSDATA, under RANK_FSALLOC: read_page_locked(), ext2 reads a bitmap */
	RANK_META_PAGE,		/* LOCKED in a block device's slot. Under RANK_FSALLOC: lock_uptodate(); under RANK_META_WRITEBACK: pagecache_fill(). Same rank: as RANK_PAGE */
	RANK_I_MMAP,		/* mapping->i_mmap_lock. Under RANK_PAGE: rmap_write_protect(); under RANK_MMAP: vma_insert() */
	RANK_TTY,		/* tty_mutex: opening, closing, hanging up. Under RANK_INODE: pty_serial(), /dev/pts is read */
	RANK_PIPE,		/* fs/pipe.h. Taken with nothing held. Same rank: by address, pipe_lock_two() */
	RANK_IPC,		/* kernel/ipcid.h: the objects of one kind. Under RANK_MMAP: shm_vma_open(), fork and munmap count attachments */
	RANK_LAST_SLEEPING,	/* those under which no other is taken: terminals, file locks. Under RANK_TTY: tty_hangup(); under RANK_SUPER: locks_show() */

	/* --- spinlocks --- */
	RANK_DCACHE,		/* dentry tree and hash. Under RANK_INODE: dentry_lookup_locked() */
	RANK_INODES,		/* fs/inode.c: hash, lists, state. Under RANK_PAGE: inode_mark_dirty() */
	RANK_WAITS,		/* waits_lock: who waits for which lock. Under RANK_INVALIDATE: wait_bits() */
	RANK_TASKLIST,		/* the process table. Under RANK_DCACHE: fs_place(), /proc counts paths; under RANK_WAITS: hang_thread() */
	RANK_SIGNAL,		/* process->sig_lock. Under RANK_TASKLIST: task_exit() */
	RANK_FILES,		/* descriptor tables. Under RANK_INODE: files_get_nth(), /proc/PID/fd is read */
	RANK_UNIX,		/* all unix sockets. Under RANK_SOCKET_READER: wait_first(); under RANK_EPOLL_ITEMS: unix_poll() */
	RANK_FUTEX,		/* the buckets. Taken with nothing held. Same rank: by address */
	RANK_TABLE_FILE,	/* a CACHE table's lock. Under RANK_INVALIDATE: slot_own(). Same rank: top down */
	RANK_TABLE_PROCESS,	/* a PROCESS table's. Under RANK_I_MMAP: rmap_write_protect(). Same rank: top down, by address on one level: table_lock_two() */
	RANK_LAST_SPIN,		/* those under which none of the above is taken. Under RANK_FSALLOC: slot_dirtied(); under RANK_MMAP: kstack_free() */

	/* --- taken with interrupts off, always --- */
	RANK_IRQ,		/* device queues, completions, timers: over wake-ups. Under RANK_META_WRITEBACK: ramdisk_submit() */
	RANK_WAITQUEUE,		/* wait_queue->lock. Under RANK_PAGE, under RANK_TASKLIST: wake_up_nr() */
	RANK_EPOLL_WATCHED,	/* queues of who watches an epoll file. Under RANK_WAITQUEUE: wake_up_nr(). Same rank: as RANK_EPOLL_ITEMS */
	RANK_EPOLL_READY,	/* ep->ready_lock. Under RANK_WAITQUEUE: item_wake(); under RANK_EPOLL_WATCHED: item_wake() */
	RANK_LAST_WAITQUEUE,	/* queues whose waiters are tasks only: an event wakes who is in epoll_wait(). Under RANK_EPOLL_WATCHED: wake_up_nr() */
	RANK_SLAB,		/* slab caches. Under RANK_EPOLL_ITEMS: slab_alloc_flags() */
	RANK_FRAMES,		/* buddy allocator. Under RANK_PAGE: page_alloc_once() */
	RANK_LOG,		/* printk, from anywhere. Under RANK_KLOG: log_read() */
	RANK_SCREEN,		/* drivers/vt.c: the log is written to its console */

	RANK_FIRST_SPIN = RANK_DCACHE,
	RANK_FIRST_IRQ = RANK_IRQ,
};
