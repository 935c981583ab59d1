/*
 * write(2): from the user into the page cache.
 *
 * The caller holds i_rwsem exclusive and nothing else. The source may be any memory, also a mapping of the very page
 * that is written; so no user access that can fault ever happens under a page lock. For each page, one of two ways:
 *
 *   swap      nothing of the old page is kept, and it is absent, not uptodate, shared or under writeback: fill a private
 *             frame with no lock held, faults allowed; then lock, recheck, put it in the slot. Nothing is read from
 *             the device, and nobody ever sees the frame half filled.
 *   in place  otherwise: lock the page, uptodate and solely owned (a shared one is first replaced by a copy), copy with
 *             the copy that fails instead of faulting, commit what arrived, unlock.
 *
 * Many whole pages of private memory are lent instead (write_lend(), mm/loan.h).
 *
 * A short copy in place is tried again: after faulting the source in, then (third) from a pinned source page through
 * the direct map, which nobody can take away. The count starts again on progress. What was copied stays.
 *
 * The size is published under the page lock before P and D: a page past the end is never uptodate (PC1).
 */
#include "mm/slot.h"

#include "kernel/printk.h"
#include "kernel/string.h"
#include "kernel/trace.h"
#include "mm/gup.h"
#include "mm/loan.h"
#include "mm/switches.h"
#include "mm/usercopy.h"
#include "mm/vmstat.h"

/* One page's part of a write. */
struct piece {
	struct address_space *m;
	loff_t pos;		/* of the first byte */
	size_t n;		/* bytes, all in one page */
	u64 index;
	unsigned offset;	/* in the page */
};

static struct piece piece_at(struct address_space *m, loff_t pos, size_t n)
{
	return (struct piece){ m, pos, min(n, PAGE_SIZE - (pos & ~PAGE_MASK)), (u64)pos >> PAGE_SHIFT, pos & ~PAGE_MASK };
}

/* Would k bytes at the piece's place be all that there is in the page? Then nothing of its old contents matters. */
static bool covers_all(const struct piece *p, size_t k)
{
	loff_t start = p->pos - p->offset, size = p->m->size;	/* stable: we hold i_rwsem */

	return start >= size || (!p->offset && (k == PAGE_SIZE || p->pos + (loff_t)k >= size));
}

static int reserve(const struct piece *p, size_t k)
{
	if (!p->m->ops->reserve)
		return 0;
	return p->m->ops->reserve(p->m, p->index, p->offset, p->offset + k);
}

/*
 * k bytes of the locked page at the piece's place are new: publish the size if it grew, set P and D, unlock.
 * A mapping that may write the page has reserved blocks only up to the old end: make its next store ask again.
 */
static void commit(const struct piece *p, entry_t *slot, size_t k)
{
	struct address_space *m = p->m;
	loff_t end = p->pos + k;

	if (end > m->size) {
		slot_write_protect(m, p->index, slot);
		smp_store_release(&m->size, end);
	}
	page_unlock(m, p->index, slot, ENTRY_P | ENTRY_D | ENTRY_A | (m->whole_blocks ? ENTRY_RESERVED : 0), 0);
}

/* Lock the page for a change in place: uptodate, solely owned, blocks reserved, zeroes between the end and pos. */
static int begin_in_place(const struct piece *p, struct page **page, entry_t **slot)
{
	struct address_space *m = p->m;
	loff_t start = p->pos - p->offset, size = m->size;
	int error = pagecache_begin_change(m, p->index, false, page, slot);

	if (error)
		return error;
	error = reserve(p, p->n);
	if (error) {
		page_unlock(m, p->index, *slot, 0, 0);
		return error;
	}
	if (p->pos > size)	/* a store through a mapping may have left bytes past the end */
		memset((char *)page_address(*page) + (size - start), 0, p->pos - size);
	return 0;
}

/* --- in place --- */

/* As much of the piece as lies in one source page and one segment, from the pinned frame. Nothing here can fault. */
static size_t copy_from_pinned(char *to, size_t n, struct iov_iter *from, struct page *source)
{
	size_t len;
	unsigned offset = (vaddr_t)iter_address(from, &len) & ~PAGE_MASK;

	len = min(len, PAGE_SIZE - offset);
	n = min(n, len);
	memmove(to, (char *)page_address(source) + offset, n);	/* it may be the page that we write */
	iter_advance(from, n);
	vmstat_inc(VM_PINNED_COPY);
	return n;
}

/* One attempt: bytes that arrived, maybe 0, or an error other than a bad source. */
static ssize_t write_in_place(const struct piece *p, struct iov_iter *from, int attempt)
{
	struct page *page, *pinned = NULL;
	entry_t *slot;
	size_t k = 0, len;
	char *to;
	int error;

	if (attempt == 3) {
		/* Before the page lock: it takes mmap_lock and sleeps. */
		long got = pin_user_pages((vaddr_t)iter_address(from, &len), 1, 0, &pinned);
		if (got < 0)
			return got == -EFAULT ? 0 : got;
	}
	error = begin_in_place(p, &page, &slot);
	if (error)
		goto out;
	to = (char *)page_address(page) + p->offset;
	if (pinned)
		k = copy_from_pinned(to, p->n, from, pinned);
	else
		k = copy_from_iter_nofault(to, attempt == 1 ? copy_fail_limit(p->n) : p->n, from);
	if (k)
		commit(p, slot, k);
	else	/* blocks that were reserved for a hole must be written: they hold an older file's bytes */
		page_unlock(p->m, p->index, slot, p->m->ops->reserve ? ENTRY_D : 0, 0);
	vmstat_inc(VM_WRITE_INPLACE);
	error = 0;
out:
	if (pinned)
		unpin_user_pages(&pinned, 1, 0);
	return error ? error : (ssize_t)k;
}

/* --- swap --- */

/* Does this piece go the swap way? A hint, decided without the lock; write_filled decides again. */
static bool wants_swap(const struct piece *p)
{
	entry_t *slot;
	u64 e;

	if (!covers_all(p, p->n))
		return false;
	slot = slot_find(p->m, p->index);
	e = slot ? entry_read(slot) : 0;
	/* The frame may be freed under us, or the slot have moved: then its word says anything, and we merely take the other way. */
	return !(e & ENTRY_P) || e & (ENTRY_WRITEBACK | ENTRY_TABLE) || !slot_sole(p->m, slot, e);
}

/* The fill stopped early and old contents must be kept: a partial write of k bytes from the frame. */
static int write_partly(const struct piece *p, size_t k, struct page *frame)
{
	struct page *page;
	entry_t *slot;
	struct piece part = *p;
	int error;

	part.n = k;
	error = begin_in_place(&part, &page, &slot);
	if (error)
		return error;
	memcpy((char *)page_address(page) + p->offset, (char *)page_address(frame) + p->offset, k);
	commit(&part, slot, k);
	return 0;
}

int pagecache_put_frame(struct address_space *m, loff_t pos, size_t k, struct page *frame)
{
	struct piece p = piece_at(m, pos, k);
	entry_t *slot;
	u64 e;
	int error = page_lock_killable(m, p.index, &slot);

	if (error)
		goto out_drop;
	error = reserve(&p, k);
	if (error)
		goto out_unlock;
	e = entry_read(slot);
	if (e & ENTRY_P && own_xpins(atomic64_read(&entry_page(e)->own))) {
		/* Pinned exclusively, so solely owned: it is never swapped out (FOREST.md), but changed in place. */
		arch_copy_page(page_address(entry_page(e)), page_address(frame));
		page_drop_holder(frame);
	} else {
		/* Not uptodate until commit() has published the size: lookups wait for the lock. */
		slot_replace_held(m, p.index, slot, frame, false);
	}
	commit(&p, slot, k);
	return 0;
out_unlock:
	page_unlock(m, p.index, slot, 0, 0);
out_drop:
	page_drop_holder(frame);
	return error;
}

static ssize_t write_swap(const struct piece *p, struct iov_iter *from)
{
	struct page *frame = page_alloc(0, p->n < PAGE_SIZE ? PA_ZERO : 0);
	size_t limit = copy_fail_limit(p->n), k;
	int error;

	if (!frame)
		return -ENOMEM;
	page_ref_to_holder(frame);
	k = copy_from_iter((char *)page_address(frame) + p->offset, limit ? limit : p->n, from);
	if (!k) {
		page_drop_holder(frame);
		return -EFAULT;
	}
	/* Short, and yet alone in its page: what lies behind the k bytes must be zeroes, as the allocation made it. */
	if (k < p->n && p->n == PAGE_SIZE)
		memset((char *)page_address(frame) + k, 0, PAGE_SIZE - k);
	if (covers_all(p, k)) {
		error = pagecache_put_frame(p->m, p->pos, k, frame);
		vmstat_add(VM_WRITE_SWAP, !error);
	} else {
		error = write_partly(p, k, frame);
		page_drop_holder(frame);
	}
	return error ? error : (ssize_t)k;
}

/* --- as kernels did before 2002: atomic_copy=0 --- */

__attribute__((noinline))	/* so that the hang detector names it */
static ssize_t write_historical(const struct piece *p, struct iov_iter *from)
{
	struct address_space *m = p->m;
	struct page *frame;
	entry_t *slot;
	size_t k;
	int error = covers_all(p, p->n) ? page_lock(m, p->index, &slot) : page_lock_uptodate(m, p->index, false, &slot);

	if (error)
		return error;
	error = reserve(p, p->n);
	if (!error && entry_read(slot) & ENTRY_P) {
		error = slot_make_sole(m, p->index, slot);
	} else if (!error) {
		frame = page_alloc(0, PA_ZERO);
		if (frame)
			slot_replace(m, p->index, slot, frame, false);	/* "not marked uptodate, the old contents left alone" */
		else
			error = -ENOMEM;
	}
	if (error) {
		page_unlock(m, p->index, slot, 0, 0);
		return error;
	}
	/* Here it happens: the source faults, the fault wants the page, and we have it locked. */
	k = copy_from_iter((char *)page_address(entry_page(entry_read(slot))) + p->offset, p->n, from);
	if (k)
		commit(p, slot, k);
	else
		pagecache_end_change(m, p->index, slot, false);
	return k ? (ssize_t)k : -EFAULT;
}

/* --- lending: whole pages of private memory change hands --- */

#define LEND_MIN (16 * PAGE_SIZE)	/* below, copying costs less than what the loan's flush and a later store to its pages would */

/* Up to n bytes of whole pages at pos. Bytes; 0: they are to be copied; an error. */
static ssize_t write_lend(struct address_space *m, loff_t pos, struct iov_iter *from)
{
	struct mm *mm = current->mm;
	struct page *loan[LOAN_MAX];
	struct vma *vma;
	size_t len;
	vaddr_t va = (vaddr_t)iter_address(from, &len);
	unsigned got = 0, put;
	int error;

	if (from->kernel || !mm || !switch_zerocopy_write || (va | pos) & ~PAGE_MASK || len < LEND_MIN)
		return 0;
	down_read(&mm->mmap_lock);
	vma = vma_lookup(mm, va);
	len = vma ? min(len, vma->end - va) >> PAGE_SHIFT : 0;
	if (len && vma_lends(vma, min(len, (size_t)LOAN_MAX)))
		got = loan_from_user(mm, vma, va, min(len, (size_t)LOAN_MAX), loan);
	up_read(&mm->mmap_lock);
	if (!got)
		return 0;
	put = loan_to_file(&(struct loan_target){ .m = m }, (u64)pos >> PAGE_SHIFT, loan, got, &error);
	vmstat_add(VM_LOAN_WRITE, put);
	trace(TRACE_LOAN, va, (u64)pos >> PAGE_SHIFT, put);
	iter_advance(from, put * PAGE_SIZE);
	return put ? (ssize_t)(put * PAGE_SIZE) : error;
}

/* --- all pages --- */

/*
 * The commonest write: into a page that is there, dirty already, its place on the device reserved, and nobody else's. Nothing is to be prepared,
 * and nothing published but the bytes. The lock is only tried, and held for the copy, which never sleeps: so it is not recorded, and costs 12 instructions.
 * Bytes that arrived; fewer than n: the long way, which takes 500 more.
 */
static __attribute__((always_inline)) inline size_t write_dirty(struct address_space *m, loff_t pos, size_t n, struct iov_iter *from)
{
	const u64 ready = ENTRY_P | ENTRY_D | ENTRY_A | ENTRY_RESERVED;
	entry_t *slot = slot_find(m, (u64)pos >> PAGE_SHIFT);
	u64 e = slot ? entry_read(slot) : 0;
	size_t k = 0;

	if ((e & (ready | ENTRY_LOCKED | ENTRY_WRITEBACK | ENTRY_TABLE)) != ready || pos + (loff_t)n > m->size || !switch_atomic_copy ||
	    switch_copy_fail)
		return 0;
	if (unlikely(!atomic64_cmpxchg(slot, &e, e | ENTRY_LOCKED)))
		return 0;
	if (likely(slot_sole(m, slot, e)))
		k = copy_from_iter_nofault((char *)entry_address(e) + (pos & ~PAGE_MASK), n, from);
	vmstat_inc(VM_WRITE_INPLACE);
	atomic64_fetch_and(slot, ~ENTRY_LOCKED);
	if (unlikely(atomic_read(&page_waiters)))
		page_wake(m, (u64)pos >> PAGE_SHIFT);
	return k;
}

/* The bytes of one page: all n, or what arrived before an error, or the error. */
static __attribute__((noinline)) ssize_t write_page(struct address_space *m, loff_t pos, size_t n, struct iov_iter *from)
{
	size_t done = 0;
	int attempt = 1, error = 0;

	if (switch_prefault) {
		iter_fault_in_readable(from, n);
		vmstat_inc(VM_PREFAULT);
	}
	while (done < n) {
		struct piece p = piece_at(m, pos + done, n - done);
		bool swap = wants_swap(&p);
		ssize_t k = swap ? write_swap(&p, from) : write_in_place(&p, from, attempt);

		if (k < 0) {
			error = k;
			break;
		}
		done += k;
		if (done == n)
			break;
		vmstat_inc(VM_SHORT_COPY);
		trace(TRACE_SHORT, from->at, n - done, 1);
		/* Progress: the next source page has its own three attempts, the first of which has just failed. */
		attempt = k ? 2 : attempt + 1;
		if (attempt > 3 || (attempt == 2 && !iter_fault_in_readable(from, n - done))) {
			error = -EFAULT;
			break;
		}
	}
	return done ? (ssize_t)done : error;
}

/* As write_dirty() where it could not, or there is more than one page's worth: `done` bytes of n are there. Bytes, more than n if lent; an error if none. */
static __attribute__((noinline)) ssize_t write_other(struct address_space *m, loff_t pos, size_t n, size_t done, struct iov_iter *from, loff_t *ask)
{
	ssize_t k = 0;

	if (!done && from->room >= LEND_MIN && pos >= *ask) {
		k = write_lend(m, pos, from);
		if (k)
			return k;
		*ask = pos + LOAN_MAX * PAGE_SIZE;
	}
	if (!switch_atomic_copy)
		k = write_historical(&(struct piece){ m, pos, n, (u64)pos >> PAGE_SHIFT, pos & ~PAGE_MASK }, from);
	else
		k = write_page(m, pos + (loff_t)done, n - done, from);
	return k < 0 ? (done ? (ssize_t)done : k) : (ssize_t)done + k;
}

/* `first`: bytes that write_dirty() has put at *pos already, maybe 0; -1: it was not asked. */
static __attribute__((noinline)) ssize_t write_all(struct address_space *m, loff_t *pos, struct iov_iter *from, size_t n, ssize_t first)
{
	ssize_t done = 0, k = first;
	loff_t ask = 0;		/* not lent here: do not ask again before */

	if (n && *pos > m->size) {
		int error = pagecache_zero_tail(m);
		if (error)
			return error;
	}
	while (n) {
		n = min(n, PAGE_SIZE - (*pos & ~PAGE_MASK));
		if (k < 0)
			k = from->room < LEND_MIN || *pos < ask ? (ssize_t)write_dirty(m, *pos, n, from) : 0;
		if (unlikely(k < (ssize_t)n))
			k = write_other(m, *pos, n, (size_t)k, from, &ask);
		if (k < 0)
			break;
		*pos += k;
		done += k;
		if (k < (ssize_t)n)
			break;
		n = from->count;
		if (n && fatal_signal_pending(current))
			break;
		k = -1;
	}
	mapping_settle(m);
	if (done && !m->no_writeback)
		writeback_balance(m);
	return done ? done : k;
}

/* First the write of a part of one page, without the loop and what else it needs: 60 instructions less. It makes nothing dirty that was not, so nothing to balance. */
ssize_t pagecache_write_iter(struct address_space *m, loff_t *pos, struct iov_iter *from)
{
	size_t n = from->count;
	ssize_t k = -1;

	if (likely(n <= PAGE_SIZE - (*pos & ~PAGE_MASK))) {
		k = (ssize_t)write_dirty(m, *pos, n, from);
		if (likely(k == (ssize_t)n)) {
			*pos += k;
			return k;
		}
	}
	return write_all(m, pos, from, n, k);
}
