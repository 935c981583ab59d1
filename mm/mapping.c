/*
 * Mappings (struct address_space): their birth and death, and the list of all of them.
 *
 * Writeback and reclaim visit mappings that they hold no reference on: a visitor is counted under mapping_lists, and
 * mapping_destroy waits until the last one has left. After that nobody finds the mapping any more.
 */
#include "mm/slot.h"

#include "kernel/printk.h"
#include "kernel/string.h"
#include "kernel/wait.h"

struct spinlock mapping_lists = SPINLOCK_INIT("mapping lists", RANK_LAST_SPIN);
struct list_head all_mappings = LIST_INIT(all_mappings);
static struct wait_queue visitors_gone = WAIT_QUEUE_INIT(visitors_gone);

void mapping_init(struct address_space *m, const struct address_space_ops *ops, void *owner, enum lock_rank rank)
{
	bool meta = rank == RANK_META_PAGE;

	memset(m, 0, sizeof(*m));
	m->ops = ops;
	m->owner = owner;
	m->lock_rank = rank;
	rwsem_init(&m->invalidate_lock, "invalidate_lock", meta ? RANK_META_WRITEBACK : RANK_INVALIDATE);
	mutex_init(&m->wb_mutex, "wb_mutex", meta ? RANK_META_WRITEBACK : RANK_WRITEBACK);
	mutex_init(&m->i_mmap_lock, "i_mmap_lock", RANK_I_MMAP);
	list_init(&m->i_mmap);
	list_init(&m->dirty_node);
	spin_lock(&mapping_lists);
	list_add_tail(&m->cache_node, &all_mappings);
	spin_unlock(&mapping_lists);
}

void mapping_visit_end(struct address_space *m)
{
	spin_lock(&mapping_lists);
	WRITE_ONCE(m->visitors, m->visitors - 1);
	spin_unlock(&mapping_lists);
	wake_up_all(&visitors_gone, 0);		/* m may be gone now */
}

/* Off the lists, so that no new visitor comes; then wait for those that are there. */
static void leave_lists(struct address_space *m)
{
	spin_lock(&mapping_lists);
	list_del(&m->cache_node);
	list_del(&m->dirty_node);
	spin_unlock(&mapping_lists);
	wait_event(&visitors_gone, WAIT_UNINTERRUPTIBLE, READ_ONCE(m->visitors) == 0);
	spin_lock(&mapping_lists);	/* the last visitor has let go of the lock that he lowered the count under */
	list_del(&m->dirty_node);	/* he may have put it back */
	spin_unlock(&mapping_lists);
}

void mapping_destroy(struct address_space *m)
{
	u64 index = 0;
	entry_t *slot;

	ASSERT(list_empty(&m->i_mmap));
	leave_lists(m);
	for (; (slot = slot_next(m, &index, ~0UL >> 1)); index++) {
		if (page_lock(m, index, &slot))
			panic("page lock of an existing slot failed");
		page_wait_writeback(m, index);
		slot_remove(m, index, slot);
	}
	slot_free_tables(m);
	/* No grace period: lockless lookups need somebody who keeps the owner alive, and there is nobody. */
}
