/*
 * mmap() and munmap(): finding a place, making a VMA, taking one away.
 *
 * The order of an unmapping: clear the entries, flush, leave the file's list, free the tables; and after mmap_lock is
 * dropped let the file go, whose last close may sleep on locks that come before ours.
 */
#include "mm/vma.h"

#include "kernel/cpu.h"
#include "kernel/printk.h"
#include "mm/pagecache.h"
#include "mm/swap.h"
#include "mm/vmstat.h"

u64 task_limit(unsigned which)
{
	return current->process ? READ_ONCE(current->process->limits[which].rlim_cur) : RLIM64_INFINITY;
}

/* What RLIMIT_DATA counts: private memory that can be written, stacks aside. */
static bool is_data(u64 flags) { return (flags & (VM_WRITE | VM_SHARED | VM_GROWSDOWN)) == VM_WRITE; }

static u64 data_pages(const struct mm *mm)
{
	u64 pages = 0;

	for (unsigned i = 0; i < mm->nr_vmas; i++)
		if (is_data(mm->vmas[i]->flags))
			pages += vma_pages(mm->vmas[i]);
	return pages;
}

bool may_be_data(const struct mm *mm, u64 pages, u64 flags)
{
	u64 limit = task_limit(RLIMIT_DATA);

	if (!limit && current->process)		/* as Linux, for programs that said so when 0 meant nothing yet: the hard limit */
		limit = READ_ONCE(current->process->limits[RLIMIT_DATA].rlim_max);
	return limit == RLIM64_INFINITY || !is_data(flags) || data_pages(mm) + pages <= limit >> PAGE_SHIFT;
}

bool may_expand(const struct mm *mm, u64 pages, u64 flags)
{
	return mm->total_pages + pages <= task_limit(RLIMIT_AS) >> PAGE_SHIFT && may_be_data(mm, pages, flags);
}

/* As Linux's heuristic overcommit: only what could never fit is refused. */
bool enough_memory(u64 pages) { return pages <= page_total_count() || pages <= page_total_count() + swap_total(); }

/* --- places --- */

bool range_free(const struct mm *mm, vaddr_t start, vaddr_t end)
{
	unsigned i = vma_index(mm, start);

	return i == mm->nr_vmas || end <= vma_start_gap(mm->vmas[i]);
}

/* Where the request goes, or a negative errno. mmap_lock held for writing. */
static long choose_address(struct mm *mm, const struct map_request *req)
{
	bool noreplace = req->map_flags & MAP_FIXED_NOREPLACE;
	vaddr_t addr = req->addr, top = mm->mmap_top;

	if (req->map_flags & MAP_FIXED || noreplace) {
		unsigned i = vma_index(mm, addr);
		if (noreplace && i < mm->nr_vmas && mm->vmas[i]->start < addr + req->length)
			return -EEXIST;
		return addr;
	}
	addr = ALIGN_DOWN(addr, PAGE_SIZE);
	if (addr && addr < MMAP_MIN_ADDR)
		addr = MMAP_MIN_ADDR;
	if (addr && addr < USER_TOP && req->length <= USER_TOP - addr && range_free(mm, addr, addr + req->length))
		return addr;
	if (req->map_flags & MAP_32BIT)
		top = min(top, BIT(31));
	addr = find_place(mm, req->length, req->mapping, req->pgoff, top);
	if (!addr && !(req->map_flags & MAP_32BIT))
		addr = find_place(mm, req->length, req->mapping, req->pgoff, USER_TOP);
	return addr ? (long)addr : -ENOMEM;
}

/* --- mapping --- */

static u64 request_flags(const struct mm *mm, const struct map_request *req)
{
	u64 flags = req->vm_flags | (req->prot & (PROT_READ | PROT_WRITE | PROT_EXEC)) | mm->def_flags;

	if (!req->mapping || req->map_flags & MAP_ANONYMOUS)
		flags |= VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC;
	if ((req->map_flags & MAP_TYPE) != MAP_PRIVATE)
		flags |= VM_SHARED;
	if (req->map_flags & MAP_GROWSDOWN)
		flags |= VM_GROWSDOWN;
	if (req->map_flags & MAP_LOCKED)
		flags |= VM_LOCKED;
	if (req->map_flags & MAP_NORESERVE)
		flags |= VM_NORESERVE;
	return flags;
}

static int check_request(struct map_request *req)
{
	u64 type = req->map_flags & MAP_TYPE;

	if (type != MAP_PRIVATE && type != MAP_SHARED && type != MAP_SHARED_VALIDATE)
		return -EINVAL;
	if (req->length == 0)
		return -EINVAL;
	if (req->length > USER_TOP)
		return -ENOMEM;
	req->length = ALIGN_UP(req->length, PAGE_SIZE);
	if (req->length > USER_TOP)
		return -ENOMEM;
	if (req->pgoff + (req->length >> PAGE_SHIFT) < req->pgoff)
		return -EOVERFLOW;
	if (req->map_flags & MAP_HUGETLB)
		return -ENOMEM;		/* the pool of huge pages is empty, and stays so */
	if (req->map_flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) {
		if (req->addr > USER_TOP - req->length)
			return -ENOMEM;
		if (req->addr & ~PAGE_MASK)
			return -EINVAL;
		if (req->addr < MMAP_MIN_ADDR)
			return -EPERM;
	}
	if (req->map_flags & MAP_GROWSDOWN && type != MAP_PRIVATE)
		return -EINVAL;
	return 0;
}

/* Pages that the range would add to total_pages, given what MAP_FIXED replaces. */
static u64 overlap_pages(const struct mm *mm, vaddr_t start, vaddr_t end)
{
	u64 pages = 0;

	for (unsigned i = vma_index(mm, start); i < mm->nr_vmas && mm->vmas[i]->start < end; i++)
		pages += (min(mm->vmas[i]->end, end) - max(mm->vmas[i]->start, start)) >> PAGE_SHIFT;
	return pages;
}

/* A VMA of its own for [start, end), in place of what is there; equal neighbours are joined to it. 0 or -ENOMEM. */
static int map_anew(struct mm *mm, const struct map_request *req, vaddr_t start, vaddr_t end, u64 flags, struct list_head *dead)
{
	struct vma *vma = vma_alloc(mm);

	if (!vma)
		return -ENOMEM;
	/* Room for the cuts of unmap_locked and for the new VMA: from here on only memory for a cut can fail, and that comes first. */
	int error = vmas_reserve(mm, 3);
	if (!error && req->map_flags & MAP_FIXED)
		error = unmap_locked(mm, start, end, dead);
	if (error) {
		vma_free(mm, vma);
		return error;
	}
	vma->start = start;
	vma->end = end;
	vma->flags = flags;
	vma->mapping = req->mapping;
	vma->pgoff = req->mapping ? req->pgoff : start >> PAGE_SHIFT;
	vma->ops = req->ops;
	vma->owner = req->owner;
	vma_insert_joined(mm, vma, dead);
	return 0;
}

static long map_locked(struct mm *mm, const struct map_request *req, struct list_head *dead)
{
	bool replaces = req->map_flags & MAP_FIXED;	/* otherwise the place is free */
	long addr = choose_address(mm, req);
	if (addr < 0)
		return addr;
	vaddr_t start = addr, end = start + req->length;
	u64 pages = req->length >> PAGE_SHIFT;
	u64 flags = request_flags(mm, req);

	if (!may_expand(mm, pages - (replaces ? overlap_pages(mm, start, end) : 0), flags))
		return -ENOMEM;
	bool accounted = (flags & (VM_WRITE | VM_SHARED)) == VM_WRITE || (req->map_flags & MAP_ANONYMOUS && flags & VM_SHARED);
	if (accounted && !(flags & VM_NORESERVE) && !enough_memory(pages))
		return -ENOMEM;
	/* Beside its like, anonymous memory needs no VMA of its own: it would be made only to be joined. */
	if (!replaces && !req->mapping && !req->ops && vma_extend(mm, start, end, flags, dead))
		return addr;
	int error = map_anew(mm, req, start, end, flags, dead);
	return error ? error : addr;
}

long mm_map(struct mm *mm, const struct map_request *request)
{
	struct map_request req = *request;
	LIST_HEAD(dead);

	int error = check_request(&req);
	if (error)
		return error;
	bool anonymous_shared = !req.mapping && (req.map_flags & MAP_TYPE) != MAP_PRIVATE;
	if (anonymous_shared) {
		req.map_flags |= MAP_ANONYMOUS;
		req.pgoff = 0;
		error = shmem_prepare(&req, req.length);
		if (error)
			return error;
	}
	down_write(&mm->mmap_lock);
	long addr = map_locked(mm, &req, &dead);
	up_write(&mm->mmap_lock);
	vmas_close(&dead);
	if (addr < 0) {
		if (anonymous_shared)
			shmem_abort(&req);
		return addr;
	}
	if ((req.map_flags & (MAP_POPULATE | MAP_LOCKED) && !(req.map_flags & MAP_NONBLOCK)) || READ_ONCE(mm->def_flags) & VM_LOCKED)
		mm_populate(mm, addr, addr + req.length);
	return addr;
}

/* From va on: where to go on, with what is cached mapped; *fault: that address needs a fault of its own. mmap_lock for reading. */
static vaddr_t populate_cached(struct mm *mm, const struct vma *vma, vaddr_t va, vaddr_t end, bool *fault)
{
	vaddr_t stop = min(end, vma->end), leaf_end = min(stop, ALIGN_DOWN(va, LEAF_SPAN) + LEAF_SPAN), next;

	*fault = true;
	/* Private and writable: each page is copied now. Shared: as for reading, so that nothing becomes dirty. */
	if (!vma->mapping || (vma->flags & (VM_WRITE | VM_SHARED)) == VM_WRITE || !leaf_own(mm, va))
		return va;
	next = map_cached(mm, vma, va, leaf_end);
	*fault = next < leaf_end;
	return next;
}

void mm_populate(struct mm *mm, vaddr_t start, vaddr_t end)
{
	bool fault;

	for (vaddr_t va = start; va < end && !fatal_signal_pending(current); va += fault ? PAGE_SIZE : 0) {
		down_read(&mm->mmap_lock);
		struct vma *vma = vma_find(mm, va);
		if (vma && vma->start > va)
			va = vma->start;
		u64 flags = vma && va < end ? vma->flags : 0;
		fault = false;
		if (flags & (VM_READ | VM_WRITE | VM_EXEC))
			va = populate_cached(mm, vma, va, end, &fault);
		else if (vma)
			va = vma->end;
		up_read(&mm->mmap_lock);
		if (!vma)
			return;
		if (fault && mm_fault(mm, va, (flags & (VM_WRITE | VM_SHARED)) == VM_WRITE, false) != FAULT_DONE)
			return;
	}
}

/* --- unmapping --- */

/* The tables of VMAs that were taken out of [low, high), the last one first; neighbours that meet in one leaf together, which saves a walk each. */
static void free_tables_of(struct mm *mm, struct list_head *removed, vaddr_t low, vaddr_t high, struct tlb_batch *batch)
{
	vaddr_t start = 0, end = 0;
	struct vma *vma;

	list_for_each(vma, removed, dead_node) {
		if (end && (vma->end - 1) / LEAF_SPAN != start / LEAF_SPAN) {
			free_tables(mm, start, end, low, high, batch);
			end = 0;
		}
		start = vma->start;
		end = end ? end : vma->end;
	}
	free_tables(mm, start, end, low, high, batch);
}

/* Those from index i on that begin below end, none of which the borders cut. */
static void unmap_vmas(struct mm *mm, unsigned i, vaddr_t end, struct list_head *dead)
{
	struct tlb_batch batch;
	unsigned last = i;
	LIST_HEAD(removed);
	struct vma *vma;

	tlb_batch_init(&batch, mm, TLB_UNMAP);
	for (; last < mm->nr_vmas && (vma = mm->vmas[last])->start < end; last++)
		zap_range(mm, vma->start, vma->end, ZAP_FILE | ZAP_PRIVATE | ZAP_LOCKED | (vma->mapping ? 0 : ZAP_LEAVES), &batch);
	if (last == i)
		return;
	tlb_batch_finish(&batch);
	while (last-- > i)
		vma_remove(mm, last, &removed);
	/* Only now, when no VMA is left that somebody may walk below: the tables, where there were VMAs (not slot by slot through it all). */
	vaddr_t low = i > 0 ? mm->vmas[i - 1]->end : 0, high = i < mm->nr_vmas ? mm->vmas[i]->start : USER_TOP + PAGE_SIZE;
	free_tables_of(mm, &removed, low, high, &batch);
	tlb_batch_finish(&batch);
	list_splice_tail(&removed, dead);
}

/* [start, end) is one end of this VMA, but not all of it: the VMA gets shorter, without being cut into two first. 0 or -ENOMEM. */
static int unmap_edge(struct mm *mm, unsigned i, vaddr_t start, vaddr_t end)
{
	struct vma *vma = mm->vmas[i];
	bool upper = vma->start < start;
	struct tlb_batch batch;

	if (vma_own_cut(vma, upper ? start : end))
		return -ENOMEM;
	tlb_batch_init(&batch, mm, TLB_UNMAP);
	zap_range(mm, start, end, ZAP_FILE | ZAP_PRIVATE, &batch);
	tlb_batch_finish(&batch);
	vma_set_bounds(vma, upper ? vma->start : end, upper ? start : vma->end);
	vaddr_t low = upper ? start : i > 0 ? mm->vmas[i - 1]->end : 0;
	vaddr_t high = !upper ? end : i + 1 < mm->nr_vmas ? mm->vmas[i + 1]->start : USER_TOP + PAGE_SIZE;
	free_tables(mm, start, end, low, high, &batch);
	tlb_batch_finish(&batch);
	return 0;
}

int unmap_locked(struct mm *mm, vaddr_t start, vaddr_t end, struct list_head *dead)
{
	unsigned i = vma_index(mm, start);

	if (i == mm->nr_vmas || mm->vmas[i]->start >= end)
		return 0;
	const struct vma *vma = mm->vmas[i];
	if ((vma->start < start && vma->end == end) || (vma->start == start && vma->end > end))
		return unmap_edge(mm, i, start, end);
	unsigned last = i;
	while (last + 1 < mm->nr_vmas && mm->vmas[last + 1]->start < end)
		last++;
	if (vma->start < start || mm->vmas[last]->end > end) {
		int error = vma_split_range(mm, start, end);
		if (error)
			return error;
		i = vma_index(mm, start);
	}
	unmap_vmas(mm, i, end, dead);
	return 0;
}

long mm_unmap(struct mm *mm, vaddr_t addr, u64 length)
{
	LIST_HEAD(dead);

	if (addr & ~PAGE_MASK || length == 0 || addr > USER_TOP || length > USER_TOP - addr)
		return -EINVAL;
	length = ALIGN_UP(length, PAGE_SIZE);
	down_write(&mm->mmap_lock);
	int error = unmap_locked(mm, addr, addr + length, &dead);
	up_write(&mm->mmap_lock);
	vmas_close(&dead);
	return error;
}

long mm_unmap_attached(struct mm *mm, vaddr_t addr, const struct vma_ops *ops)
{
	const void *owner = NULL;
	long result = -EINVAL;
	LIST_HEAD(dead);

	down_write(&mm->mmap_lock);
	for (unsigned i = vma_index(mm, addr); i < mm->nr_vmas; ) {
		const struct vma *vma = mm->vmas[i];
		bool piece = vma->ops == ops && vma->start >= addr && vma->start - addr == vma->pgoff << PAGE_SHIFT;
		if (!piece || (owner && vma->owner != owner)) {
			i++;
			continue;
		}
		owner = vma->owner;
		(void)unmap_locked(mm, vma->start, vma->end, &dead);	/* a whole VMA: nothing is cut, nothing allocated */
		result = 0;
	}
	up_write(&mm->mmap_lock);
	vmas_close(&dead);
	return result;
}
