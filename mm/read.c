/*
 * read(2): from the page cache to the user.
 *
 * The fast path finds the page without a lock, holds a read pin on it, and copies with the copy that fails instead
 * of faulting. Only a copy that stops short is worth more work: then the user's page is faulted in and the copy
 * tried again; the third time the copy itself may fault. All that is held meanwhile is the read pin, which never
 * makes anybody wait, so a fault may take any page lock, even this page's.
 */
#include "mm/slot.h"

#include "kernel/trace.h"
#include "mm/switches.h"
#include "mm/vmstat.h"

#define READ_AHEAD 32		/* pages read from the device at once, when the reading looks sequential */

/* How many pages after `index` to read along: what this call still wants, and more if it goes on from the last one. */
static unsigned read_ahead(struct address_space *m, u64 index, size_t wanted)
{
	u64 call = (wanted + PAGE_SIZE - 1) >> PAGE_SHIFT;
	bool sequential = index && READ_ONCE(m->next_read) == index;
	unsigned ahead = min(call, (u64)READ_AHEAD);

	if (sequential || (!index && call))
		ahead = max(ahead, sequential ? READ_AHEAD : 4U);
	WRITE_ONCE(m->next_read, index + 1 + ahead);
	vmstat_add(VM_CACHE_READAHEAD, ahead);
	return ahead;
}

/* The first copy of the pinned page's n bytes stopped after `done`: the bytes that come after all. None: the user's memory is bad. */
static __attribute__((noinline)) size_t copy_again(struct address_space *m, loff_t pos, const char *from, size_t done, size_t n, struct iov_iter *to)
{
	vmstat_inc(VM_SHORT_COPY);
	trace(TRACE_SHORT, to->at, n - done, 0);
	if (!done) {
		size_t filled = pagecache_read_fill(m, pos, to);
		if (filled)
			return filled;		/* this page and maybe many more */
	}
	if (!iter_fault_in_writeable(to, n - done))
		return done;
	done += copy_to_iter_nofault(from + done, n - done, to);
	if (done == n)
		return n;
	/* It went away again, or the range has several pages of which only some could be touched. Only a pin is held: we
	 * may as well fault. */
	vmstat_inc(VM_READ_FAULTING);
	return done + copy_to_iter(from + done, n - done, to);
}

/* From the pinned page, and unpin it: bytes read; 0: the file ends here; -EFAULT. */
static inline __attribute__((always_inline)) ssize_t copy_out(struct address_space *m, struct page *page, loff_t pos, struct iov_iter *to)
{
	/* The size is read after the page was found uptodate: a page that truncate took away in between is either not
	 * found, or the size already says so. */
	loff_t size = smp_load_acquire(&m->size);
	size_t offset = pos & ~PAGE_MASK, n = min(to->count, PAGE_SIZE - offset), copied = 0;
	const char *from = (char *)page_address(page) + offset;

	n = size > pos ? min(n, (size_t)(size - pos)) : 0;
	if (likely(n)) {
		copied = copy_to_iter_nofault(from, copy_fail_limit(n), to);
		if (unlikely(copied < n))
			copied = copy_again(m, pos, from, copied, n, to);
	}
	page_unpin_read(page);
	return copied || !n ? (ssize_t)copied : -EFAULT;
}

/* A hole of a file without a disk: zeroes, and no page is made for it, which would stay. Bytes; 0: it is none (any more). */
static size_t read_hole(struct address_space *m, loff_t pos, struct iov_iter *to)
{
	loff_t size;
	size_t n;

	if (!m->no_writeback || pagecache_peek(m, (u64)pos >> PAGE_SHIFT))
		return 0;
	size = READ_ONCE(m->size);
	n = min(to->count, PAGE_SIZE - (pos & ~PAGE_MASK));
	n = size > pos ? min(n, (size_t)(size - pos)) : 0;
	return n ? zero_iter(n, to) : 0;
}

/* The page at pos is not in the cache: a hole, or read it. As copy_out(), or -EIO, -ENOMEM, -EAGAIN... */
static __attribute__((noinline)) ssize_t read_absent(struct address_space *m, loff_t pos, struct iov_iter *to)
{
	size_t rest = PAGE_SIZE - (pos & ~PAGE_MASK), holes = read_hole(m, pos, to);
	u64 index = (u64)pos >> PAGE_SHIFT;
	struct page *page;
	int error;

	if (pos >= READ_ONCE(m->size))
		return 0;
	if (holes)
		return (ssize_t)holes;
	if (to->rwf & RWF_NOWAIT)
		return -EAGAIN;
	error = pagecache_read(m, index, read_ahead(m, index, to->count > rest ? to->count - rest : 0), &page);
	return error || !page ? error : copy_out(m, page, pos, to);
}

ssize_t pagecache_read_iter(struct address_space *m, loff_t *ppos, struct iov_iter *to)
{
	loff_t pos = *ppos;
	ssize_t k = 0;

	while (to->count) {
		if (unlikely(switch_prefault))
			iter_fault_in_writeable(to, min(to->count, PAGE_SIZE - (pos & ~PAGE_MASK)));
		struct page *page = slot_lookup_page(m, (u64)pos >> PAGE_SHIFT);
		k = likely(page) ? copy_out(m, page, pos, to) : read_absent(m, pos, to);
		if (k <= 0)
			break;
		pos += k;
	}
	k = pos > *ppos ? (ssize_t)(pos - *ppos) : k;
	*ppos = pos;
	return k;
}
