/*
 * Address spaces and their mappings.
 *
 * struct mm: M = mmap_lock (write to change, read to look), A = atomic, I = fixed.
 * VMAs are kept in one array sorted by address: lookup is a binary search.
 *
 * MM1 VMAs do not overlap; start < end, both page-aligned, end <= USER_TOP.
 * MM2 A FILE VMA is on its mapping's i_mmap list before its tables are filled, and leaves it after zap and flush.
 * MM3 A writable PRIV entry is EXCL (INV-E2).
 */
#pragma once

#include "kernel/abi.h"
#include "kernel/lock.h"
#include "mm/table.h"
#include "mm/tlb.h"

struct address_space;
struct vma;

#define VM_READ		BIT(0)	/* = PROT_READ, PROT_WRITE, PROT_EXEC */
#define VM_WRITE	BIT(1)
#define VM_EXEC		BIT(2)
#define VM_SHARED	BIT(3)
#define VM_MAYREAD	BIT(4)	/* mprotect may set the bit */
#define VM_MAYWRITE	BIT(5)
#define VM_MAYEXEC	BIT(6)
#define VM_GROWSDOWN	BIT(7)
#define VM_STACK	BIT(8)	/* the initial stack: named [stack] */
#define VM_HEAP		BIT(9)	/* brk: [heap] */
#define VM_DONTFORK	BIT(10)
#define VM_WIPEONFORK	BIT(11)
#define VM_LOCKED	BIT(12)
#define VM_NORESERVE	BIT(13)
#define VM_HUGEPAGE	BIT(14)	/* MADV_HUGEPAGE, MADV_NOHUGEPAGE: for mm/faultahead.c */
#define VM_NOHUGEPAGE	BIT(15)

/* Given by who made the mapping (fs/mmap.c for files, mm/shmem.c for shared anonymous memory). */
struct vma_ops {
	void (*open)(struct vma *vma);		/* vma was copied (split, fork): take a reference on vma->owner */
	void (*close)(struct vma *vma);		/* vma goes away: drop it. Called without mmap_lock (FOREST.md) */
	int (*name)(struct vma *vma, char *buf, size_t size);	/* path for /proc/PID/maps */
	void (*stat)(struct vma *vma, u32 *major, u32 *minor, u64 *ino);
};

struct vma {
	vaddr_t start, end;		/* M */
	u64 flags;			/* M: VM_* */
	struct mm *mm;			/* I */
	struct address_space *mapping;	/* I: NULL for private anonymous memory */
	u64 pgoff;			/* M (and i_mmap_lock to change while listed): index in the mapping of `start`, in pages */
	const struct vma_ops *ops;	/* I: NULL for private anonymous memory */
	void *owner;			/* I: what keeps the mapping alive: the struct file */
	u32 lent, loans_broken;		/* racy hints: pages lent from or to here, and copied for a store since (vma_lends()) */
	vaddr_t ahead;			/* racy hints: where the next fault comes if it is one of a run, and how many pages the last one mapped */
	u32 ahead_pages;
	struct list_head i_mmap_node;	/* mapping->i_mmap_lock */
	struct list_head dead_node;	/* private to the unmapper: list of VMAs to close after mmap_lock */
};

struct mm {
	struct page *root;		/* I: PML4 */
	u64 leaf_hint;			/* mm/walk.c: set under mmap_lock, read by anybody */
	struct rwsem mmap_lock;
	struct vma **vmas;		/* M: sorted */
	unsigned nr_vmas, cap_vmas;	/* M */
	u64 *gaps;			/* M: of many VMAs: no gap below one of each GAP_CHUNK is larger (mm/gap.c); or NULL */
	unsigned vma_hint;		/* index that vma_find() found last; written with mmap_lock held either way */
	struct vma *spare_vma;		/* A: a free one for the next vma_alloc(), or NULL */
	atomic_t users;			/* A: tasks; the last one unmaps all */
	atomic_t refs;			/* A: users count once; lazy CPUs, /proc */
	vaddr_t brk_start, brk;		/* M */
	vaddr_t mmap_top;		/* I: mmap searches downwards from here */
	vaddr_t stack_top;		/* I */
	vaddr_t code_start, code_end, data_start, data_end;	/* set by exec */
	vaddr_t arg_start, arg_end, env_start, env_end;
	u64 total_pages;		/* M: of all VMAs */
	u64 peak_pages;			/* M: the most that it ever was */
	u64 locked_pages;		/* M */
	u64 def_flags;			/* M: VM_LOCKED for new mappings after mlockall(MCL_FUTURE) */
	u64 id;				/* I: never used again */
	atomic64_t cpus;		/* A: CPUs whose CR3 holds root (mm/shootdown.c) */
	atomic64_t flushes;		/* A: how often translations were dropped, by all CPUs that have any */
	atomic_t unflushed;		/* A: batches that took something out of the tables and have not flushed yet (mm/tlb.h) */
	struct list_head mm_node;	/* mm_list_lock: all address spaces (mm/mm.c) */
	u64 swap_hand;		/* racy hint: where swap_out goes on */
	struct task *forking;		/* who copies it just now, with mmap_lock for writing */
	bool has_aio;			/* set once: mm_exit_hook is to be called */
	u64 auxv[48];			/* I after exec: /proc/PID/auxv */
};

/* mm/mm.c: life and death */
struct mm *mm_create(void);				/* users = refs = 1; NULL: no memory */
struct mm *mm_alloc(void);				/* the same, not on the list of all yet: mm_list() */
void mm_list(struct mm *mm);
/* fork(): a COW copy of the current task's mm (which the caller uses). Takes mmap_lock. NULL: no memory. */
struct mm *mm_fork(struct mm *old);
void mm_get(struct mm *mm);				/* users++ */
void mm_put(struct mm *mm);				/* users--; the last unmaps all (sleeps) */
/* Set by fs/aio.c: called before that, if mm->has_aio; waits for what goes on in its memory. */
extern void (*mm_exit_hook)(struct mm *mm);
/*
 * mm/shootdown.c: make CR3 hold mm (NULL: a kernel thread's, no user half). Called by the scheduler and execve, interrupts off. Returns what was
 * loaded before, if that is another one: the caller owes it a mm_ref_put(), once no run queue is locked. Else NULL.
 */
struct mm *mm_switch(struct mm *mm);
/* refs only: keeps struct mm and its root, not the mappings. Any context. */
static inline void mm_ref_get(struct mm *mm) { atomic_inc(&mm->refs); }
void mm_ref_put(struct mm *mm);

/* mm/vma.c: lookup and bookkeeping; mmap_lock held */
struct vma *vma_find(struct mm *mm, vaddr_t va);	/* the first VMA with end > va, or NULL */
struct vma *vma_lookup(struct mm *mm, vaddr_t va);	/* the VMA that contains va, or NULL */

/* What a new mapping is to be; the caller has done the permission checks of its own layer. */
struct map_request {
	vaddr_t addr;			/* hint, or the place with MAP_FIXED */
	u64 length;			/* bytes, rounded up to pages */
	u64 prot;			/* PROT_* */
	u64 map_flags;			/* MAP_* of mmap(2) */
	u64 vm_flags;			/* additional VM_* (VM_MAY* for files, VM_STACK...) ; VM_MAY* all if anonymous */
	struct address_space *mapping;	/* NULL: anonymous (MAP_SHARED: mm/shmem.c is used) */
	u64 pgoff;
	const struct vma_ops *ops;
	void *owner;			/* the request's reference is taken over only on success */
};
/*
 * mmap(): make a mapping in mm, return its address or a negative errno (EINVAL, ENOMEM, EEXIST, EPERM). Takes
 * mmap_lock for writing, sleeps; MAP_FIXED unmaps what is there, MAP_POPULATE fills after the lock is dropped.
 */
long mm_map(struct mm *mm, const struct map_request *req);
/* munmap(): 0, EINVAL, ENOMEM. Takes mmap_lock, sleeps. */
long mm_unmap(struct mm *mm, vaddr_t addr, u64 length);
/*
 * shmdt(): what is left, in whatever pieces, of the mapping with these ops that was made at addr, from its first page on. 0, or EINVAL: there is nothing.
 * Takes mmap_lock, sleeps.
 */
long mm_unmap_attached(struct mm *mm, vaddr_t addr, const struct vma_ops *ops);
void mm_unmap_all(struct mm *mm);			/* exec, exit */

/* mm/fault.c */
enum fault_result {
	FAULT_DONE,		/* mapped, or somebody else did: run the instruction again */
	FAULT_RETRY,		/* mmap_lock was dropped: look everything up again */
	FAULT_SIGSEGV,		/* there is a mapping, which does not allow it (SEGV_ACCERR) */
	FAULT_MAPERR,		/* SIGSEGV: there is none (SEGV_MAPERR) */
	FAULT_SIGBUS,
	FAULT_OOM,		/* no memory: the process that asked dies */
};
/* One fault in progress; lives on the faulting task's stack. mmap_lock is held for reading. */
struct fault {
	struct mm *mm;
	struct vma *vma;
	vaddr_t address;	/* page-aligned */
	u64 index;		/* in vma->mapping, if any */
	bool write, exec;
	bool killable;		/* waits may end early by a fatal signal */
	struct pin_request *pin; /* not NULL: what is installed is pinned, under the lock that installs it (mm/gup.h) */
};
/*
 * Resolve an access to `va` in mm as if the program had made it (gup, fault-in, populate). Takes mmap_lock, sleeps.
 * Gives FAULT_DONE or the failure, never FAULT_RETRY.
 */
enum fault_result mm_fault(struct mm *mm, vaddr_t va, bool write, bool exec);
/* One attempt for who holds mmap_lock and has checked that f->vma allows it. FAULT_RETRY: mmap_lock was dropped. (mm/gup.c) */
enum fault_result fault_handle(struct fault *f);
/* Called by the file fault (mm/filemap.c) with the page locked, to install what it found. Take the leaf's lock. */
enum fault_result fault_map_file(struct fault *f, struct page *page, bool writable);	/* FILE entry, owns nothing */
/* Private copy: `copy` carries one lifetime reference, which becomes the holder (or is dropped if the entry changed
 * meanwhile). `seen` is the entry the copy was made over: 0 or a FILE entry. */
enum fault_result fault_map_private(struct fault *f, struct page *copy, u64 seen);

/* mm/rmap.c: removing or restricting the FILE entries of mapping pages [first, last] in every mm, flushed on return.
 * Take i_mmap_lock and table locks; the caller holds the page locks or invalidate_lock as FOREST.md says. */
struct address_space;
void rmap_zap(struct address_space *mapping, u64 first, u64 last, bool private_copies_too);
bool mapping_has_writable(struct address_space *mapping);	/* shared, and written or allowed to be; one just being made may be missed */
/* The same of one page for reclaim, which must not wait: false if i_mmap_lock is taken or the page is mapped where mlock() keeps it, and then nothing was
 * done. Private copies stay. */
bool rmap_try_zap(struct address_space *mapping, u64 index);
/* Was the page used through a mapping since this was last asked? Collects A and clears it; true also if i_mmap_lock is taken. */
bool rmap_try_used(struct address_space *mapping, u64 index);
void rmap_write_protect(struct address_space *mapping, u64 first, u64 last);

/* Walks for /proc, gup, tests: the leaf entry of va (0 if none). mm is the current task's, or its mmap_lock is held, or the i_mmap_lock of a VMA around va. */
u64 mm_entry(struct mm *mm, vaddr_t va);
u64 mm_rss_pages(struct mm *mm);	/* present pages, by walking; takes mmap_lock for reading */
