/*
 * Inside mm/: the sorted array of VMAs, and walking and clearing of process tables. Everything here
 * needs mmap_lock, for writing where it changes VMAs; what may run under i_mmap_lock alone (rmap) says so.
 */
#pragma once

#include "kernel/cpu.h"
#include "mm/mm.h"
#include "mm/switches.h"

#define STACK_GUARD_GAP (256 * PAGE_SIZE)	/* kept free below a VMA that grows down */

/* --- VMAs (mm/vma.c) --- */

struct vma *vma_alloc(struct mm *mm);		/* for this mm: zeroed, lists empty; NULL */
void vma_free(struct mm *mm, struct vma *vma);	/* mm is alive: its spare one, if it has none */
static inline u64 vma_pages(const struct vma *vma) { return (vma->end - vma->start) >> PAGE_SHIFT; }
/* Where a mapping below this one must end. */
static inline vaddr_t vma_start_gap(const struct vma *vma)
{
	if (likely(!(vma->flags & VM_GROWSDOWN)))
		return vma->start;
	return vma->start > STACK_GUARD_GAP ? vma->start - STACK_GUARD_GAP : 0;
}
/* Index of the first VMA with end > va (nr_vmas if none). */
unsigned vma_index(const struct mm *mm, vaddr_t va);
/* Room for `extra` more VMAs in the array. 0 or -ENOMEM. Then vma_insert and vma_split do not fail for want of it. */
int vmas_reserve(struct mm *mm, unsigned extra);
/* Put a filled-in VMA into the array and on its mapping's list (after `parent` there, if given). Room was reserved. */
void vma_insert(struct mm *mm, struct vma *vma, struct vma *parent);
/* The same, and joined with neighbours that are its like; the surplus VMAs go on `dead`. */
void vma_insert_joined(struct mm *mm, struct vma *vma, struct list_head *dead);
/* Take the VMA at index i out of the array, the counts and the mapping's list; it goes on `dead`. */
void vma_remove(struct mm *mm, unsigned i, struct list_head *dead);
/* A VMA that shall no longer be in the array only: used where tables must be cleared in between. */
void vma_unlink_file(struct vma *vma);
/* The lock of its mapping's list, if it has a mapping: what who looks at a VMA through the list sees changes only under it. Sleep. */
void vma_file_lock(struct vma *vma);
void vma_file_unlock(struct vma *vma);
/* Change the bounds (pgoff follows start) under the mapping's lock; counts are adjusted. */
void vma_set_bounds(struct vma *vma, vaddr_t start, vaddr_t end);
/* Make `start` and `end` VMA borders where they lie inside one. 0 or -ENOMEM (then the borders may be half done: harmless). */
int vma_split_range(struct mm *mm, vaddr_t start, vaddr_t end);
/*
 * Let the anonymous VMAs beside the free range [start, end) take it in, if one has these flags; where both have, they become one and the surplus VMA goes
 * on `dead`. False: none.
 */
bool vma_extend(struct mm *mm, vaddr_t start, vaddr_t end, u64 flags, struct list_head *dead);
/* Join equal neighbours that meet in [start, end]; the surplus VMAs go on `dead`. */
void vma_merge_range(struct mm *mm, vaddr_t start, vaddr_t end, struct list_head *dead);
/* After mmap_lock is dropped: let the owners go. */
void vmas_close(struct list_head *dead);
/* Is every page of [start, end) in some VMA? */
bool vma_covered(const struct mm *mm, vaddr_t start, vaddr_t end);

/* --- places (mm/gap.c). mmap_lock for writing --- */

#define GAPS_FROM 64U			/* with room for more VMAs than so many, mm->gaps is kept */
#define GAP_CHUNK 32U
/* A free place of `length` bytes in [MMAP_MIN_ADDR, top), address congruent to `phase` modulo `align`; 0: none. */
vaddr_t find_gap(const struct mm *mm, u64 length, u64 align, u64 phase, vaddr_t top);
vaddr_t find_place(const struct mm *mm, u64 length, const struct address_space *mapping, u64 pgoff, vaddr_t top);
/* For mm/vma.c, where mm->gaps is kept. All bounds anew; VMA i is new, or was removed (those behind it have moved); it has other bounds. */
void gaps_count(struct mm *mm);
void gaps_inserted(struct mm *mm, unsigned i);
void gaps_removed(struct mm *mm, unsigned i);
void gaps_moved(struct mm *mm, unsigned i);

/* --- process tables (mm/walk.c) --- */

/* The leaf table for va, to be changed: allocated with its parents if need be, copied if others have it too; NULL: no memory. mmap_lock, sleeps. */
struct page *leaf_own(struct mm *mm, vaddr_t va);
/* Before changes in [start, end): copy those leaves that others have too. 0 or -ENOMEM. mmap_lock, sleeps. */
int leaves_own(struct mm *mm, vaddr_t start, vaddr_t end);
/* The upper entry of va's leaf, which may be empty; NULL: no memory for the tables above. mmap_lock. */
entry_t *leaf_slot(struct mm *mm, vaddr_t va);
/* The leaf table for va, or NULL; *next is the end of what it, or the hole in its place, covers. i_mmap_lock suffices. But
 * if others may have it too (private anonymous memory), another thread may put a copy in its place, unless mmap_lock is held for writing. */
struct page *leaf_find(struct mm *mm, vaddr_t va, vaddr_t *next);
/* The same for who has mmap_lock, either way, and goes on to the next VMA, which may lie below the same leaf: that saves the walk. */
struct page *leaf_find_locked(struct mm *mm, vaddr_t va, vaddr_t *next);
/*
 * The same for who changes what is there and makes nothing: taken over if nobody else has it any more, and copied, to a table allocated with these PA_*
 * flags, if others do; LEAF_TAKE: it is not copied, then NULL. mmap_lock either way; sleeps to allocate.
 */
#define LEAF_TAKE (~0U)
struct page *leaf_find_own(struct mm *mm, vaddr_t va, vaddr_t *next, unsigned copy_flags);
/* The same for who only looks, under mmap_lock for reading: it stays until page_unpin_read(). But another thread's fault may put a copy in its place meanwhile. */
struct page *leaf_hold(struct mm *mm, vaddr_t va, vaddr_t *next);
/* Unpins it. False: it was not the leaf of va to the end, and may have been emptied by its last owner: look again. */
bool leaf_let_go(struct mm *mm, vaddr_t va, struct page *leaf);
/* va's entry and, in *value, what it says, less what the entry above it takes away (INV-P4). NULL: none. Interrupts off, or mmap_lock. */
const entry_t *leaf_find_entry(struct mm *mm, vaddr_t va, u64 *value);
static inline entry_t *leaf_entry(struct page *leaf, vaddr_t va) { return &table_entries(leaf)[table_index(va, 0)]; }
/* The first address in [va, end), all below the leaf, whose entry is not empty; end: none. */
static inline vaddr_t leaf_next_used(struct page *leaf, vaddr_t va, vaddr_t end)
{
	for (const entry_t *e = leaf_entry(leaf, va); va < end && !entry_read(e); e++)
		va += PAGE_SIZE;
	return va;
}

/* Could a leaf below it be shared: private anonymous memory, 2 MiB and aligned? */
static inline bool vma_has_leaves(const struct vma *vma)
{
	return vma->end - vma->start >= LEAF_SPAN && !vma->mapping && !(vma->flags & VM_SHARED) && ALIGN_UP(vma->start, LEAF_SPAN) + LEAF_SPAN <= vma->end;
}

/* Before the VMA ends or begins at va (a shared leaf lies in one VMA), or loses its entries on one side of va only. 0 or -ENOMEM. */
static inline int vma_own_cut(const struct vma *vma, vaddr_t va)
{
	return vma_has_leaves(vma) && va & (LEAF_SPAN - 1) ? leaves_own(vma->mm, va, va + 1) : 0;
}

/* --- leaves that several address spaces have (mm/share.c, mm/fork.c) --- */

/*
 * Both leaves locked, `to` empty: it gets the entries of `from`, at base, for a second address space, each page with a holder more, the old ones without
 * RW and EXCL. False: a page cannot be shared.
 */
bool leaf_copy(struct page *from, struct page *to, vaddr_t base);
/* Before a fork: no leaf that the child may share can be written, or pinned exclusively, from now on, but by leaf_own(). mmap_lock for writing. */
void leaves_restrict(struct mm *mm);
/* Give `new` the leaf at va, in vma, which old has, as it is. 1; 0: it must be copied; -ENOMEM. mmap_lock of old for writing; nobody knows new. */
int leaf_share(struct mm *old, struct mm *new, const struct vma *vma, vaddr_t va);
/* For leaf_own(): the leaf at va, below this slot, without RW there. NULL: no memory; or others have it and it is not to be copied. As leaf_find_own(). */
struct page *leaf_unshare(struct mm *mm, entry_t *slot, vaddr_t va, unsigned copy_flags);

/* A store by the PRIV entry `now`, whose leaf is locked: is the page this entry's alone, so that it may take it over (INV-E1)? */
static inline bool entry_may_reuse(u64 now)
{
	return now & ENTRY_EXCL || (page_adoptable(entry_page(now)) && switch_cow_reuse);
}

/* Equal but for what the MMU may set at any moment. */
static inline bool entry_same(u64 a, u64 b) { return !((a ^ b) & ~(ENTRY_A | ENTRY_D)); }
/* Present and execute bits of a page of this VMA; never RW: that is earned (INV-E6). */
static inline u64 vma_entry_bits(const struct vma *vma)
{
	return ENTRY_US | ENTRY_A | (vma->flags & (VM_READ | VM_WRITE | VM_EXEC) ? ENTRY_P : 0) |
	       (vma->flags & VM_EXEC ? 0 : arch_nx());
}

/* Of a page that is this address space's alone, made for a store: RW only where the program itself may store (a pin may be for a debugger). */
static inline u64 vma_owned_bits(const struct vma *vma)
{
	return vma_entry_bits(vma) | ENTRY_PRIV | ENTRY_EXCL | ENTRY_D | (vma->flags & VM_WRITE ? ENTRY_RW : 0);
}

/*
 * mm/faultaround.c: map, not writable, the cached pages of [start, end), which lies in one VMA of a file and below one leaf, where entries are
 * empty. Returns the first address that has no entry then, or end. Caller: mmap_lock, either way.
 */
vaddr_t map_cached(struct mm *mm, const struct vma *vma, vaddr_t start, vaddr_t end);

/*
 * mm/faultahead.c: after the first store to va, in private anonymous memory that is not VM_NOHUGEPAGE, below leaf: map pages after it, if it is one of
 * a run. mmap_lock for reading.
 */
void fault_ahead(struct vma *vma, struct page *leaf, vaddr_t va);

#define ZAP_FILE	BIT(0)	/* entries that own nothing: cache pages, the frame of zeroes */
#define ZAP_PRIVATE	BIT(1)	/* holders */
#define ZAP_LEAVES	BIT(2)	/* with both: leaves that lie in the range whole may go with their entries. mmap_lock for writing, no file's VMA */
#define ZAP_LOCKED	BIT(3)	/* mmap_lock is held */
/* Clear entries in [start, end) of one VMA. What they held is dropped when the batch is finished (which may happen here). i_mmap_lock suffices. */
void zap_range(struct mm *mm, vaddr_t start, vaddr_t end, unsigned what, struct tlb_batch *batch);
/* Free the tables under [start, end), zapped, that no VMA in [low, high) needs: [low, high) holds no VMA. mmap_lock for writing. */
void free_tables(struct mm *mm, vaddr_t start, vaddr_t end, vaddr_t low, vaddr_t high, struct tlb_batch *batch);

/* --- mappings (mm/mmap.c) --- */

/* munmap under mmap_lock held for writing; VMAs go on `dead`, TLBs are flushed. 0 or -ENOMEM (nothing changed). */
int unmap_locked(struct mm *mm, vaddr_t start, vaddr_t end, struct list_head *dead);
/* Is [start, end) free, guard gaps included? */
bool range_free(const struct mm *mm, vaddr_t start, vaddr_t end);
/* May the mm grow by so many pages with these VM_* flags (RLIMIT_AS, RLIMIT_DATA)? mmap_lock held. */
bool may_expand(const struct mm *mm, u64 pages, u64 flags);
/* The same of pages that it has already and that get these flags: RLIMIT_DATA alone. */
bool may_be_data(const struct mm *mm, u64 pages, u64 flags);
/* Could a writable private mapping of that many pages ever be filled? */
bool enough_memory(u64 pages);
u64 task_limit(unsigned which);			/* current's soft limit */
void mm_populate(struct mm *mm, vaddr_t start, vaddr_t end);	/* no lock held; best effort */

/* --- copy-on-write (mm/cow.c) --- */

/*
 * Page f->index of m is absent or locked: read it, with so many ahead, or wait, without mmap_lock (m->ops->hold keeps m). FAULT_RETRY, or
 * with the lock taken again what went wrong.
 */
enum fault_result fault_wait_page(struct fault *f, struct address_space *m, unsigned ahead);

/* A write fault on a present entry without RW that is PRIV, or in a private mapping. mmap_lock held for reading. */
enum fault_result cow_fault(struct fault *f, struct page *leaf, entry_t *e, u64 seen);
