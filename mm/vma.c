/*
 * The VMAs of an address space: one array of pointers sorted by address, and the lists by which a file
 * finds the VMAs that map it.
 *
 * While a VMA is on its mapping's list, its bounds and pgoff change only under i_mmap_lock as well, so that the walkers of
 * mm/rmap.c, who hold no mmap_lock, see them whole.
 */
#include "mm/vma.h"

#include "kernel/printk.h"
#include "kernel/string.h"
#include "mm/pagecache.h"
#include "mm/slab.h"

#define MAX_VMAS 65530		/* as Linux's vm.max_map_count */

struct vma *vma_alloc(struct mm *mm)
{
	struct vma *vma = __atomic_load_n(&mm->spare_vma, __ATOMIC_RELAXED) ? __atomic_exchange_n(&mm->spare_vma, NULL, __ATOMIC_ACQUIRE) : NULL;

	if (!vma)
		vma = kmalloc(sizeof(*vma));
	if (vma) {
		memset(vma, 0, sizeof(*vma));
		list_init(&vma->i_mmap_node);
		list_init(&vma->dead_node);
	}
	return vma;
}

/* The next mmap() needs it: a pair without the allocator, and its two locks, is 280 instructions cheaper. */
void vma_free(struct mm *mm, struct vma *vma)
{
	if (__atomic_load_n(&mm->spare_vma, __ATOMIC_RELAXED) == NULL)
		vma = __atomic_exchange_n(&mm->spare_vma, vma, __ATOMIC_ACQ_REL);
	if (vma)
		kfree(vma);
}

__attribute__((noinline)) unsigned vma_index(const struct mm *mm, vaddr_t va)
{
	unsigned low = 0, high = mm->nr_vmas, i = READ_ONCE(mm->vma_hint);

	/* Where something was found last; mmap() and munmap() in turns come to the same place, and save 30 instructions each. */
	if (i < high && mm->vmas[i]->end > va && (i == 0 || mm->vmas[i - 1]->end <= va))
		return i;
	while (low < high) {
		unsigned middle = (low + high) / 2;
		if (mm->vmas[middle]->end > va)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

struct vma *vma_find(struct mm *mm, vaddr_t va)
{
	unsigned i = READ_ONCE(mm->vma_hint);

	/* Faults come one beside the other: mostly it is the one that was found last, and no search. */
	if (likely(i < mm->nr_vmas) && mm->vmas[i]->start <= va && va < mm->vmas[i]->end)
		return mm->vmas[i];
	i = vma_index(mm, va);
	WRITE_ONCE(mm->vma_hint, i);
	return i < mm->nr_vmas ? mm->vmas[i] : NULL;
}

struct vma *vma_lookup(struct mm *mm, vaddr_t va)
{
	struct vma *vma = vma_find(mm, va);

	return vma && vma->start <= va ? vma : NULL;
}

bool vma_covered(const struct mm *mm, vaddr_t start, vaddr_t end)
{
	for (unsigned i = vma_index(mm, start); start < end; i++) {
		if (i == mm->nr_vmas || mm->vmas[i]->start > start)
			return false;
		start = mm->vmas[i]->end;
	}
	return true;
}

int vmas_reserve(struct mm *mm, unsigned extra)
{
	if (mm->nr_vmas + extra > MAX_VMAS)
		return -ENOMEM;
	if (mm->nr_vmas + extra <= mm->cap_vmas)
		return 0;
	unsigned cap = max(mm->cap_vmas * 2, 16U);
	while (cap < mm->nr_vmas + extra)
		cap *= 2;
	struct vma **vmas = kmalloc(cap * sizeof(*vmas));
	u64 *gaps = cap > GAPS_FROM ? kmalloc(cap / GAP_CHUNK * sizeof(*gaps)) : NULL;
	if (!vmas || (cap > GAPS_FROM && !gaps)) {
		kfree(vmas);
		kfree(gaps);
		return -ENOMEM;
	}
	if (mm->nr_vmas)
		memcpy(vmas, mm->vmas, mm->nr_vmas * sizeof(*vmas));
	kfree(mm->vmas);
	kfree(mm->gaps);
	mm->vmas = vmas;
	mm->gaps = gaps;
	mm->cap_vmas = cap;
	if (gaps)
		gaps_count(mm);
	return 0;
}

static void count_pages(struct vma *vma, s64 pages)
{
	vma->mm->total_pages += pages;
	vma->mm->peak_pages = max(vma->mm->peak_pages, vma->mm->total_pages);
	if (vma->flags & VM_LOCKED)
		vma->mm->locked_pages += pages;
}

/* Gives its index. */
static unsigned array_insert(struct mm *mm, struct vma *vma)
{
	unsigned i = mm->nr_vmas;

	if (i && mm->vmas[i - 1]->end > vma->start)	/* fork adds each behind the last */
		i = vma_index(mm, vma->start);
	ASSERT(mm->nr_vmas < mm->cap_vmas);
	ASSERT(vma->start < vma->end && vma->end <= USER_TOP);
	ASSERT(i == mm->nr_vmas || vma->end <= mm->vmas[i]->start);	/* MM1 */
	if (i < mm->nr_vmas)
		memmove(&mm->vmas[i + 1], &mm->vmas[i], (mm->nr_vmas - i) * sizeof(mm->vmas[0]));
	mm->vmas[i] = vma;
	mm->nr_vmas++;
	if (unlikely(mm->gaps))
		gaps_inserted(mm, i);
	WRITE_ONCE(mm->vma_hint, i);
	return i;
}

static unsigned insert(struct mm *mm, struct vma *vma, struct vma *parent)
{
	struct address_space *mapping = vma->mapping;

	vma->mm = mm;
	unsigned i = array_insert(mm, vma);
	count_pages(vma, vma_pages(vma));
	if (!mapping)
		return i;
	mutex_lock(&mapping->i_mmap_lock);
	/* Entries are copied or moved from parent to child: a walker must meet the parent first (mm/rmap.c). */
	list_add(&vma->i_mmap_node, parent ? &parent->i_mmap_node : &mapping->i_mmap);
	atomic_inc(&mapping->nr_mapped);
	mutex_unlock(&mapping->i_mmap_lock);
	return i;
}

void vma_insert(struct mm *mm, struct vma *vma, struct vma *parent) { (void)insert(mm, vma, parent); }

void vma_unlink_file(struct vma *vma)
{
	struct address_space *mapping = vma->mapping;

	if (!mapping)
		return;
	mutex_lock(&mapping->i_mmap_lock);
	if (!list_empty(&vma->i_mmap_node)) {
		list_del(&vma->i_mmap_node);
		atomic_dec(&mapping->nr_mapped);
	}
	mutex_unlock(&mapping->i_mmap_lock);
}

void vma_remove(struct mm *mm, unsigned i, struct list_head *dead)
{
	struct vma *vma = mm->vmas[i];

	vma_unlink_file(vma);
	count_pages(vma, -(s64)vma_pages(vma));
	mm->nr_vmas--;
	if (i < mm->nr_vmas)
		memmove(&mm->vmas[i], &mm->vmas[i + 1], (mm->nr_vmas - i) * sizeof(mm->vmas[0]));
	if (unlikely(mm->gaps))
		gaps_removed(mm, i);
	list_add_tail(&vma->dead_node, dead);
}

void vmas_close(struct list_head *dead)
{
	struct vma *vma, *next;

	list_for_each_safe(vma, next, dead, dead_node) {
		list_del(&vma->dead_node);
		if (vma->ops && vma->ops->close)
			vma->ops->close(vma);
		vma_free(vma->mm, vma);
	}
}

void vma_file_lock(struct vma *vma)
{
	if (vma->mapping)
		mutex_lock(&vma->mapping->i_mmap_lock);
}

void vma_file_unlock(struct vma *vma)
{
	if (vma->mapping)
		mutex_unlock(&vma->mapping->i_mmap_lock);
}

/* vma_file_lock() held. */
static void set_bounds_locked(struct vma *vma, vaddr_t start, vaddr_t end)
{
	count_pages(vma, -(s64)vma_pages(vma));
	vma->pgoff += (s64)(start - vma->start) >> PAGE_SHIFT;
	vma->start = start;
	vma->end = end;
	count_pages(vma, vma_pages(vma));
	if (unlikely(vma->mm->gaps))
		gaps_moved(vma->mm, vma_index(vma->mm, start));
}

void vma_set_bounds(struct vma *vma, vaddr_t start, vaddr_t end)
{
	vma_file_lock(vma);
	set_bounds_locked(vma, start, end);
	vma_file_unlock(vma);
}

/* Cut the VMA at va into [start, va) and [va, end). Room was reserved. */
static int vma_split(struct mm *mm, struct vma *vma, vaddr_t va)
{
	struct vma *upper;

	if (vma_own_cut(vma, va))
		return -ENOMEM;
	upper = vma_alloc(mm);
	if (!upper)
		return -ENOMEM;
	upper->start = va;
	upper->end = vma->end;
	upper->flags = vma->flags;
	upper->mm = mm;
	upper->mapping = vma->mapping;
	upper->pgoff = vma->pgoff + ((va - vma->start) >> PAGE_SHIFT);
	upper->ops = vma->ops;
	upper->owner = vma->owner;
	if (upper->ops && upper->ops->open)
		upper->ops->open(upper);

	vma_file_lock(vma);		/* both halves appear at once */
	set_bounds_locked(vma, vma->start, va);
	if (upper->mapping) {
		list_add(&upper->i_mmap_node, &vma->i_mmap_node);
		atomic_inc(&upper->mapping->nr_mapped);
	}
	vma_file_unlock(vma);
	array_insert(mm, upper);
	count_pages(upper, vma_pages(upper));
	return 0;
}

static int split_at(struct mm *mm, vaddr_t va)
{
	struct vma *vma = vma_lookup(mm, va);

	return vma && vma->start < va ? vma_split(mm, vma, va) : 0;
}

int vma_split_range(struct mm *mm, vaddr_t start, vaddr_t end)
{
	int error = vmas_reserve(mm, 2);

	if (!error)
		error = split_at(mm, start);
	if (!error)
		error = split_at(mm, end);
	return error;
}

static bool mergeable(const struct vma *a, const struct vma *b)
{
	return a->end == b->start && a->flags == b->flags && a->mapping == b->mapping && a->ops == b->ops &&
	       a->owner == b->owner && (!a->mapping || a->pgoff + vma_pages(a) == b->pgoff);
}

/* Has it no file and nobody who wants to know, and these flags? */
static bool plain(const struct vma *vma, u64 flags) { return vma->flags == flags && !vma->mapping && !vma->ops && !vma->owner; }

bool vma_extend(struct mm *mm, vaddr_t start, vaddr_t end, u64 flags, struct list_head *dead)
{
	unsigned i = vma_index(mm, start);	/* the one above */
	struct vma *below = i > 0 ? mm->vmas[i - 1] : NULL, *above = i < mm->nr_vmas ? mm->vmas[i] : NULL;
	bool joins_above = above && above->start == end && plain(above, flags);

	if (below && below->end == start && plain(below, flags)) {
		vaddr_t new_end = joins_above ? above->end : end;
		if (joins_above)
			vma_remove(mm, i, dead);
		vma_set_bounds(below, below->start, new_end);
	} else if (joins_above) {
		vma_set_bounds(above, start, above->end);
		above->lent = above->loans_broken = 0;		/* the new memory may be used otherwise: as if it were the one that takes the other in */
	} else {
		return false;
	}
	return true;
}

void vma_merge_range(struct mm *mm, vaddr_t start, vaddr_t end, struct list_head *dead)
{
	unsigned i = vma_index(mm, start ? start - 1 : 0);

	while (i + 1 < mm->nr_vmas && mm->vmas[i]->end <= end) {
		struct vma *a = mm->vmas[i], *b = mm->vmas[i + 1];
		if (!mergeable(a, b)) {
			i++;
			continue;
		}
		vaddr_t new_end = b->end;
		vma_file_lock(a);		/* a walker sees the two, or the one */
		if (b->mapping) {
			list_del(&b->i_mmap_node);
			atomic_dec(&b->mapping->nr_mapped);
		}
		set_bounds_locked(a, a->start, new_end);
		vma_file_unlock(a);
		vma_remove(mm, i + 1, dead);
	}
}

void vma_insert_joined(struct mm *mm, struct vma *vma, struct list_head *dead)
{
	unsigned i = insert(mm, vma, NULL);

	if ((i > 0 && mergeable(mm->vmas[i - 1], vma)) || (i + 1 < mm->nr_vmas && mergeable(vma, mm->vmas[i + 1])))
		vma_merge_range(mm, vma->start, vma->end, dead);
}
