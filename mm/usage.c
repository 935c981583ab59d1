/*
 * Counting what an address space uses (mm/usage.h).
 *
 * A private page says itself how many entries hold it, and their tables how many programs have them. A cache page does not know its mappings (they own nothing), so
 * they are found as rmap finds them: by the file's list of VMAs, whose entries are looked at under i_mmap_lock.
 */
#include "mm/usage.h"

#include "mm/pagecache.h"
#include "mm/swap.h"
#include "mm/vma.h"

/* Entries that map page `index` of the file, of all programs. i_mmap_lock held. */
static u64 file_users(struct address_space *m, u64 index)
{
	struct vma *v;
	u64 n = 0;

	list_for_each(v, &m->i_mmap, i_mmap_node) {
		u64 e = 0;
		if (index >= v->pgoff && index < v->pgoff + vma_pages(v))
			e = mm_entry(v->mm, v->start + ((index - v->pgoff) << PAGE_SHIFT));
		n += e && !(e & ENTRY_PRIV);
	}
	return n;
}

/* Programs that have a leaf besides one: so many more use what its entries hold. */
static u64 other_owners(const struct page *leaf) { return own_refs(atomic64_read(&leaf->own)) - 1; }

static void count_page(struct vma *vma, vaddr_t va, u64 e, u64 others, struct vma_usage *out)
{
	bool private = e & ENTRY_PRIV, dirty = e & ENTRY_D;
	u64 index = vma->pgoff + ((va - vma->start) >> PAGE_SHIFT), users;

	users = private ? own_holders(atomic64_read(&entry_page(e)->own)) + others : file_users(vma->mapping, index);
	if (!private)
		dirty |= (pagecache_peek(vma->mapping, index) & ENTRY_D) != 0;
	users = max(users, 1UL);		/* it may have changed since we read the entry */
	out->rss++;
	out->anonymous += private;
	out->referenced += (e & ENTRY_A) != 0;
	out->pss_bytes += PAGE_SIZE / users;
	*(users > 1 ? dirty ? &out->shared_dirty : &out->shared_clean : dirty ? &out->private_dirty : &out->private_clean) += 1;
}

static void count_swap(u64 e, u64 others, struct vma_usage *out)
{
	out->swap++;
	out->swap_pss_bytes += PAGE_SIZE / max(swap_users(e) + others, 1UL);
}

static bool counts(u64 e) { return e && !entry_is_swap(e) && entry_page(e) != zero_page; }

void vma_usage(struct vma *vma, struct vma_usage *out)
{
	struct address_space *m = vma->mapping;
	vaddr_t next;

	*out = (struct vma_usage){ 0 };
	for (vaddr_t start = vma->start; start < vma->end; start = next) {
		struct page *leaf = leaf_hold(vma->mm, start, &next);
		struct vma_usage before = *out;
		next = min(next, vma->end);
		if (!leaf)
			continue;
		if (m)			/* for a table at a time, so that nobody waits long */
			mutex_lock(&m->i_mmap_lock);
		for (vaddr_t va = start; va < next && READ_ONCE(leaf->live); va += PAGE_SIZE) {
			u64 e = entry_read(leaf_entry(leaf, va));
			if (counts(e))
				count_page(vma, va, e, other_owners(leaf), out);
			else if (entry_is_swap(e))
				count_swap(e, other_owners(leaf), out);
		}
		if (m)
			mutex_unlock(&m->i_mmap_lock);
		if (!leaf_let_go(vma->mm, start, leaf)) {
			*out = before;
			next = start;
		}
	}
}

static void count_leaf(struct vma *vma, struct page *leaf, vaddr_t va, vaddr_t end, struct mm_usage *out)
{
	for (; va < end; va += PAGE_SIZE) {
		u64 e = entry_read(leaf_entry(leaf, va));
		out->swap += entry_is_swap(e);
		if (!counts(e))
			continue;
		if (e & ENTRY_PRIV)
			out->anonymous++;
		else if (vma->mapping && vma->mapping->no_writeback)
			out->shmem++;
		else
			out->file++;
	}
}

static u64 count_tables(struct page *table)
{
	u64 n = 1;

	for (unsigned slot = 0; slot < (table->level == 3 ? 256 : 512); slot++) {
		u64 e = entry_read(&table_entries(table)[slot]);
		if (e & ENTRY_P)	/* a leaf that others have too may be another one by now */
			n += table->level == 1 ? 1 : count_tables(entry_page(e));
	}
	return n;
}

void mm_usage(struct mm *mm, struct mm_usage *out)
{
	vaddr_t next;

	*out = (struct mm_usage){ 0 };
	down_read(&mm->mmap_lock);
	for (unsigned i = 0; i < mm->nr_vmas; i++) {
		struct vma *vma = mm->vmas[i];
		if (vma->flags & VM_STACK)
			out->stack += vma_pages(vma);
		else if ((vma->flags & (VM_WRITE | VM_SHARED)) == VM_WRITE)
			out->data += vma_pages(vma);
		if ((vma->flags & (VM_EXEC | VM_WRITE)) == VM_EXEC)
			out->exec += vma_pages(vma);
		for (vaddr_t va = vma->start; va < vma->end; va = next) {
			struct page *leaf = leaf_hold(mm, va, &next);
			struct mm_usage before = *out;
			if (!leaf)
				continue;
			if (READ_ONCE(leaf->live))
				count_leaf(vma, leaf, va, min(next, vma->end), out);
			if (!leaf_let_go(mm, va, leaf)) {
				*out = before;
				next = va;
			}
		}
	}
	out->tables = count_tables(mm->root);
	up_read(&mm->mmap_lock);
}

static bool leaf_is_shared(struct mm *mm, vaddr_t va)
{
	vaddr_t next;
	struct page *leaf = leaf_hold(mm, va, &next);
	bool shared = leaf && other_owners(leaf);

	if (leaf)
		page_unpin_read(leaf);
	return shared;
}

void page_usage(struct mm *mm, vaddr_t va, struct page_usage *out)
{
	struct vma *vma;
	u64 e;

	*out = (struct page_usage){ 0 };
	down_read(&mm->mmap_lock);
	vma = vma_lookup(mm, va);
	e = vma ? mm_entry(mm, va) : 0;
	if (entry_is_swap(e)) {
		out->swapped = true;
		out->swap_id = swap_id(e);
		out->exclusive = swap_users(e) == 1 && !leaf_is_shared(mm, va);
	} else if (e) {
		struct address_space *m = e & ENTRY_PRIV ? NULL : vma->mapping;
		out->present = true;
		out->pfn = page_to_pfn(entry_page(e));
		out->file = m != NULL;
		if (e & ENTRY_PRIV)
			out->exclusive = page_sole_holder(entry_page(e)) && !leaf_is_shared(mm, va);
		if (m) {
			mutex_lock(&m->i_mmap_lock);
			out->exclusive = file_users(m, vma->pgoff + ((va - vma->start) >> PAGE_SHIFT)) == 1;
			mutex_unlock(&m->i_mmap_lock);
		}
	}
	up_read(&mm->mmap_lock);
}
