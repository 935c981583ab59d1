/*
 * Life and death of address spaces.
 *
 * Two counts. `users` are tasks; the last one unmaps everything. `refs` keep the struct and its root table: all users
 * together have one, and so has each CPU on which the root is loaded (mm/shootdown.c), so that a dead address space may stay
 * loaded until the CPU switches. Its user half is empty by then.
 */
#include "mm/mm.h"

#include "kernel/cpu.h"
#include "kernel/printk.h"
#include "mm/slab.h"
#include "mm/swap.h"
#include "mm/vma.h"

static atomic64_t last_id;

/* All address spaces that may have something in them, for the clock hand and swapoff. */
static struct spinlock mm_list_lock = SPINLOCK_INIT("all mms", RANK_LAST_SPIN);
static LIST_HEAD(all_mms);		/* mm_list_lock: mm.mm_node */
static unsigned nr_mms;			/* mm_list_lock */

unsigned mm_count(void) { return READ_ONCE(nr_mms); }

/* The first one goes to the end of the list, so that everybody has his turn. */
struct mm *mm_next(unsigned *left)
{
	struct mm *mm = NULL;

	if (!*left)
		return NULL;
	--*left;
	spin_lock(&mm_list_lock);
	if (!list_empty(&all_mms)) {
		mm = list_first(&all_mms, struct mm, mm_node);
		list_del(&mm->mm_node);
		list_add_tail(&mm->mm_node, &all_mms);
		mm_ref_get(mm);		/* on the list: not yet gone */
	}
	spin_unlock(&mm_list_lock);
	return mm;
}

void mm_list(struct mm *mm)
{
	spin_lock(&mm_list_lock);
	list_add_tail(&mm->mm_node, &all_mms);
	WRITE_ONCE(nr_mms, nr_mms + 1);
	spin_unlock(&mm_list_lock);
}

static void unlist(struct mm *mm)
{
	spin_lock(&mm_list_lock);
	if (!list_empty(&mm->mm_node)) {
		list_del(&mm->mm_node);
		WRITE_ONCE(nr_mms, nr_mms - 1);
	}
	spin_unlock(&mm_list_lock);
}

struct mm *mm_alloc(void)
{
	struct mm *mm = kzalloc(sizeof(*mm));

	if (!mm)
		return NULL;
	mm->root = table_alloc(PAGE_TABLE_PROCESS, 3, 0);
	if (!mm->root) {
		kfree(mm);
		return NULL;
	}
	arch_init_root(page_address(mm->root));
	rwsem_init(&mm->mmap_lock, "mmap_lock", RANK_MMAP);
	atomic_set(&mm->users, 1);
	atomic_set(&mm->refs, 1);
	mm->id = atomic64_add_return(&last_id, 1);
	mm->mmap_top = USER_TOP - STACK_GUARD_GAP;
	list_init(&mm->mm_node);
	return mm;
}

struct mm *mm_create(void)
{
	struct mm *mm = mm_alloc();

	if (mm)
		mm_list(mm);
	return mm;
}

void mm_get(struct mm *mm)
{
	ASSERT(atomic_read(&mm->users) > 0);
	atomic_inc(&mm->users);
}

void mm_ref_put(struct mm *mm)
{
	if (!atomic_dec_and_test(&mm->refs))
		return;
	ASSERT(mm->nr_vmas == 0);
	table_put(mm->root);
	kfree(mm->vmas);
	kfree(mm->gaps);
	kfree(mm->spare_vma);
	kfree(mm);
}

void (*mm_exit_hook)(struct mm *mm);

void mm_put(struct mm *mm)
{
	if (!atomic_dec_and_test(&mm->users))
		return;
	if (unlikely(mm->has_aio))
		mm_exit_hook(mm);
	mm_unmap_all(mm);
	unlist(mm);
	mm_ref_put(mm);
}

void mm_unmap_all(struct mm *mm)
{
	LIST_HEAD(dead);

	down_write(&mm->mmap_lock);
	int error = unmap_locked(mm, 0, USER_TOP, &dead);
	ASSERT(!error);		/* no VMA is cut, so nothing is allocated */
	ASSERT(mm->total_pages == 0);
	up_write(&mm->mmap_lock);
	vmas_close(&dead);
}
