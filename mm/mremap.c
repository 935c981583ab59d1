/*
 * mremap(): grow, shrink or move a mapping. Moving takes the private pages along, holders and EXCL bits as they
 * are; entries that own nothing are dropped and fault in again at the new place.
 */
#include "mm/syscalls.h"

#include "kernel/cpu.h"
#include "mm/pagecache.h"
#include "mm/vma.h"

struct move {
	vaddr_t from, to;
	u64 old_len, new_len;
};

/* Both leaves locked (they may be the same one), and this address space's own: the entry goes over, or is dropped. */
static void move_entry(struct page *from_leaf, struct page *to_leaf, vaddr_t from, vaddr_t to)
{
	u64 value = entry_read(leaf_entry(from_leaf, from));

	if (!value)
		return;
	value = entry_exchange_locked(from_leaf, leaf_entry(from_leaf, from), 0);
	if (value & ENTRY_PRIV)
		entry_exchange_locked(to_leaf, leaf_entry(to_leaf, to), value);
}

/* The target's tables exist. Flushed by the caller, who holds mmap_lock for writing. */
static void move_entries(struct mm *mm, vaddr_t from, vaddr_t to, u64 length)
{
	vaddr_t next, to_next;

	for (vaddr_t end = from + length; from < end; ) {
		struct page *from_leaf = leaf_find(mm, from, &next);
		if (!from_leaf || !READ_ONCE(from_leaf->live)) {
			to += next - from;
			from = next;
			continue;
		}
		struct page *to_leaf = leaf_find(mm, to, &to_next);
		vaddr_t stop = min(next, end);
		stop = min(stop, from + (to_next - to));
		/* Both at once: truncate must find the entry in one of them (mm/rmap.c). */
		table_lock_two(from_leaf, to_leaf);
		for (; from < stop; from += PAGE_SIZE, to += PAGE_SIZE)
			move_entry(from_leaf, to_leaf, from, to);
		if (READ_ONCE(from_leaf->pinned))	/* only now: a fast pin marks the leaf, then pins, then looks at the entry again */
			WRITE_ONCE(to_leaf->pinned, true);
		table_unlock_two(from_leaf, to_leaf);
	}
}

/* Make the tables of the target wherever the source has some. */
static int prepare_tables(struct mm *mm, const struct move *m)
{
	vaddr_t next;

	for (vaddr_t va = m->from, end = m->from + min(m->old_len, m->new_len); va < end; va = next) {
		struct page *leaf = leaf_find(mm, va, &next);
		if (!leaf || !READ_ONCE(leaf->live))
			continue;
		vaddr_t to = m->to + (va - m->from), last = m->to + (min(next, end) - 1 - m->from);
		if (!leaf_own(mm, to) || !leaf_own(mm, last))
			return -ENOMEM;
	}
	return 0;
}

/* The VMA at the new place, like the old one (part of which [from, from + old_len) is). */
static struct vma *target_vma(struct mm *mm, struct vma *old, const struct move *m)
{
	struct vma *vma = vma_alloc(mm);

	if (!vma)
		return NULL;
	vma->start = m->to;
	vma->end = m->to + m->new_len;
	vma->flags = old->flags;
	vma->mapping = old->mapping;
	vma->pgoff = old->mapping ? old->pgoff + ((m->from - old->start) >> PAGE_SHIFT) : m->to >> PAGE_SHIFT;
	vma->ops = old->ops;
	vma->owner = old->owner;
	if (vma->ops && vma->ops->open)
		vma->ops->open(vma);
	vma_insert(mm, vma, old);
	return vma;
}

/* The move failed: no VMA will come that what prepare_tables() made could go away with. */
static void drop_tables(struct mm *mm, const struct move *m)
{
	unsigned i = vma_index(mm, m->to);
	vaddr_t low = i > 0 ? mm->vmas[i - 1]->end : 0, high = i < mm->nr_vmas ? mm->vmas[i]->start : USER_TOP + PAGE_SIZE;
	struct tlb_batch batch;

	tlb_batch_init(&batch, mm, TLB_MOVE);
	free_tables(mm, m->to, m->to + m->new_len, low, high, &batch);
	tlb_batch_finish(&batch);
}

/* m->to is free. mmap_lock held for writing. */
static long move_mapping(struct mm *mm, struct vma *old, const struct move *m, struct list_head *dead)
{
	if (!may_expand(mm, (m->new_len - min(m->old_len, m->new_len)) >> PAGE_SHIFT, old->flags))
		return -ENOMEM;
	/* Cut first: unmapping the old place must not fail any more. And one for the new VMA. */
	int error = vmas_reserve(mm, 3);
	if (!error)
		error = vma_split_range(mm, m->from, m->from + m->old_len);
	if (!error)
		error = leaves_own(mm, m->from, m->from + m->old_len);
	if (error)
		return error;
	old = vma_lookup(mm, m->from);
	if (prepare_tables(mm, m) || !target_vma(mm, old, m)) {
		drop_tables(mm, m);
		return -ENOMEM;
	}
	move_entries(mm, m->from, m->to, min(m->old_len, m->new_len));
	tlb_flush_range(mm, m->from, m->from + m->old_len, TLB_MOVE);
	unmap_locked(mm, m->from, m->from + m->old_len, dead);
	vma_merge_range(mm, m->to, m->to + m->new_len, dead);
	return m->to;
}

static bool grow_in_place(struct mm *mm, struct vma *vma, const struct move *m, struct list_head *dead)
{
	vaddr_t end = m->from + m->new_len;

	if (vma->end != m->from + m->old_len || end > USER_TOP || !range_free(mm, vma->end, end) ||
	    !may_expand(mm, (m->new_len - m->old_len) >> PAGE_SHIFT, vma->flags))
		return false;
	vma_set_bounds(vma, vma->start, end);
	vma_merge_range(mm, vma->start, end, dead);
	return true;
}

/* Without a place given. mmap_lock held for writing. */
static long remap_anywhere(struct mm *mm, struct move *m, bool may_move, struct list_head *dead)
{
	if (m->new_len <= m->old_len) {
		if (!vma_lookup(mm, m->from))
			return -EFAULT;
		int error = unmap_locked(mm, m->from + m->new_len, m->from + m->old_len, dead);
		return error ? error : (long)m->from;
	}
	struct vma *vma = vma_lookup(mm, m->from);
	if (!vma || vma->end - m->from < m->old_len)
		return -EFAULT;
	if (!enough_memory(m->new_len >> PAGE_SHIFT) && !(vma->flags & (VM_NORESERVE | VM_SHARED)))
		return -ENOMEM;
	if (grow_in_place(mm, vma, m, dead))
		return m->from;
	if (!may_move)
		return -ENOMEM;
	m->to = find_place(mm, m->new_len, vma->mapping, vma->pgoff + ((m->from - vma->start) >> PAGE_SHIFT), mm->mmap_top);
	if (!m->to)
		return -ENOMEM;
	return move_mapping(mm, vma, m, dead);
}

/* MREMAP_FIXED. mmap_lock held for writing. */
static long remap_fixed(struct mm *mm, struct move *m, struct list_head *dead)
{
	struct vma *vma = vma_lookup(mm, m->from);

	if (!vma || vma->end - m->from < m->old_len)
		return -EFAULT;
	int error = unmap_locked(mm, m->to, m->to + m->new_len, dead);
	if (!error && m->new_len < m->old_len) {
		error = unmap_locked(mm, m->from + m->new_len, m->from + m->old_len, dead);
		m->old_len = m->new_len;
	}
	if (error)
		return error;
	return move_mapping(mm, vma_lookup(mm, m->from), m, dead);
}

long sys_mremap(unsigned long addr, unsigned long old_len, unsigned long new_len, unsigned long flags, unsigned long new_addr)
{
	struct mm *mm = current->mm;
	LIST_HEAD(dead);
	long result;

	/* MREMAP_DONTUNMAP and old_len == 0 (a second view of shared memory) are not supported. */
	if (flags & ~(unsigned long)(MREMAP_MAYMOVE | MREMAP_FIXED) || addr & ~PAGE_MASK)
		return -EINVAL;
	if (old_len > USER_TOP || new_len > USER_TOP)
		return -EINVAL;
	struct move m = { .from = addr, .to = new_addr, .old_len = ALIGN_UP(old_len, PAGE_SIZE), .new_len = ALIGN_UP(new_len, PAGE_SIZE) };
	if (!m.new_len || !m.old_len || addr > USER_TOP || m.old_len > USER_TOP - addr)
		return -EINVAL;
	if (flags & MREMAP_FIXED) {
		if (!(flags & MREMAP_MAYMOVE) || new_addr & ~PAGE_MASK || m.new_len > USER_TOP || new_addr > USER_TOP - m.new_len)
			return -EINVAL;
		if (addr + m.old_len > new_addr && new_addr + m.new_len > addr)
			return -EINVAL;
		if (new_addr < MMAP_MIN_ADDR)
			return -EPERM;
	}
	down_write(&mm->mmap_lock);
	result = flags & MREMAP_FIXED ? remap_fixed(mm, &m, &dead) : remap_anywhere(mm, &m, flags & MREMAP_MAYMOVE, &dead);
	struct vma *vma = result >= 0 ? vma_lookup(mm, result) : NULL;
	bool populate = vma && vma->flags & VM_LOCKED && m.new_len > m.old_len;
	up_write(&mm->mmap_lock);
	vmas_close(&dead);
	if (populate)
		mm_populate(mm, result + m.old_len, result + m.new_len);
	return result;
}
