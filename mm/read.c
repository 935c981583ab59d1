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

/* The first copy of the pinned page's n bytes stopped after `done`: the bytes that come after all. Fewer than all: the user's memory is bad. */
static __attribute__((noinline)) size_t copy_page_again(const char *from, size_t done, size_t n, struct iov_iter *to)
{
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

ssize_t pagecache_read_iter(struct address_space *m, loff_t *pos, struct iov_iter *to)
{
	ssize_t done = 0;
	int error = 0;

	while (to->count) {
		u64 index = (u64)*pos >> PAGE_SHIFT;
		size_t offset = *pos & ~PAGE_MASK, n, copied;
		struct page *page;
		loff_t size;

		if (*pos >= READ_ONCE(m->size))
			break;
		if (switch_prefault)
			iter_fault_in_writeable(to, min(to->count, PAGE_SIZE - offset));
		page = pagecache_lookup(m, index);
		if (!page) {
			copied = read_hole(m, *pos, to);
			*pos += copied;
			done += copied;
			if (copied)
				continue;
			if (to->rwf & RWF_NOWAIT) {
				error = -EAGAIN;
				break;
			}
			size_t after = to->count > PAGE_SIZE - offset ? to->count - (PAGE_SIZE - offset) : 0;
			error = pagecache_read(m, index, read_ahead(m, index, after), &page);
			if (error || !page)
				break;
		}
		/* The size is read after the page was found uptodate: a page that truncate took away in between is either not
		 * found, or the size already says so. */
		size = smp_load_acquire(&m->size);
		n = min(to->count, PAGE_SIZE - offset);
		n = size > *pos ? min(n, (size_t)(size - *pos)) : 0;
		copied = n ? copy_to_iter_nofault((char *)page_address(page) + offset, copy_fail_limit(n), to) : 0;
		if (unlikely(copied < n)) {
			vmstat_inc(VM_SHORT_COPY);
			trace(TRACE_SHORT, (u64)to->iov->iov_base + to->offset, n - copied, 0);
			size_t filled = copied ? 0 : pagecache_read_fill(m, *pos, to);
			if (filled)
				n = copied = filled;	/* this page and maybe many more */
			else
				copied = copy_page_again((char *)page_address(page) + offset, copied, n, to);
		}
		page_unpin_read(page);
		*pos += copied;
		done += copied;
		if (copied < n)
			error = -EFAULT;
		if (!n || copied < n)
			break;
	}
	return done ? done : error;
}
