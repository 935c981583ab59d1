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
#include "mm/vma.h"

static atomic64_t last_id;

struct mm *mm_create(void)
{
	struct mm *mm = kzalloc(sizeof(*mm));

	if (!mm)
		return NULL;
	mm->root = table_alloc(PAGE_TABLE_PROCESS, 3);
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
	return mm;
}

void mm_get(struct mm *mm)
{
	ASSERT(atomic_read(&mm->users) > 0);
	atomic_inc(&mm->users);
}

void mm_ref_get(struct mm *mm) { atomic_inc(&mm->refs); }

void mm_ref_put(struct mm *mm)
{
	if (!atomic_dec_and_test(&mm->refs))
		return;
	ASSERT(mm->nr_vmas == 0);
	table_put(mm->root);
	kfree(mm->vmas);
	kfree(mm);
}

void mm_put(struct mm *mm)
{
	if (!atomic_dec_and_test(&mm->users))
		return;
	mm_unmap_all(mm);
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
