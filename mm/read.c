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

/* Of the first copy of n bytes at pos of the pinned page `left` were left: the rest, and unpin it. Bytes in all, or -EFAULT. */
static __attribute__((noinline)) ssize_t copy_rest(struct address_space *m, struct page *page, loff_t pos, size_t left, size_t n, struct iov_iter *to)
{
	size_t copied;

	copied = copy_again(m, pos, (char *)page_address(page) + (pos & ~PAGE_MASK), n - left, n, to);
	page_unpin_read(page);
	return copied ? (ssize_t)copied : -EFAULT;
}

/* From the pinned page, and unpin it: bytes read; 0: the file ends here; -EFAULT. */
static ssize_t copy_out(struct address_space *m, struct page *page, loff_t pos, struct iov_iter *to)
{
	/* The size is read after the page was found uptodate: a page that truncate took away in between is either not
	 * found, or the size already says so. */
	loff_t size = smp_load_acquire(&m->size);
	size_t offset = pos & ~PAGE_MASK, n = min(to->count, PAGE_SIZE - offset), copied = 0;

	n = size > pos ? min(n, (size_t)(size - pos)) : 0;
	if (likely(n)) {
		copied = copy_to_iter_nofault((char *)page_address(page) + offset, copy_fail_limit(n), to);
		if (unlikely(copied < n))
			return copy_rest(m, page, pos, n - copied, n, to);
	}
	page_unpin_read(page);
	return (ssize_t)copied;
}

/*
 * A hole of a file without a disk: zeroes, and no page is made for it, which would stay. Bytes; 0: it is none (any more). Where the destination is not
 * there yet it gets the frame of zeroes, as by a load (INV-R15).
 */
static size_t read_hole(struct address_space *m, loff_t pos, struct iov_iter *to)
{
	const char *zeroes = page_address(zero_page);
	size_t n, done;
	loff_t size;

	if (!pagecache_hole(m, (u64)pos >> PAGE_SHIFT))
		return 0;
	size = READ_ONCE(m->size);
	n = min(to->count, PAGE_SIZE - (pos & ~PAGE_MASK));
	n = size > pos ? min(n, (size_t)(size - pos)) : 0;
	done = copy_to_iter_nofault(zeroes, n, to);
	return done == n ? n : copy_again(m, pos, zeroes, done, n, to);
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

/* The page at pos, whatever its state: bytes; 0: the file ends here; or an error. */
static __attribute__((noinline)) ssize_t read_page(struct address_space *m, loff_t pos, struct iov_iter *to)
{
	struct page *page;

	if (unlikely(switch_prefault))
		iter_fault_in_writeable(to, min(to->count, PAGE_SIZE - (pos & ~PAGE_MASK)));
	page = slot_lookup_page(m, (u64)pos >> PAGE_SHIFT);
	return page ? copy_out(m, page, pos, to) : read_absent(m, pos, to);
}

/* May the usual copies be tried? */
static inline bool usual_copies(const struct iov_iter *to) { return likely(!to->kernel && !switch_prefault && !switch_copy_fail); }

/*
 * Whole usual pages, neighbours in one leaf of the tree, to one piece of user memory that is there. What all of them need is asked once: the leaf, the
 * switches, that faults are off. Each page still is pinned and looked up again, and the size compared that was read after that. Stops at whatever else
 * there is. Bytes, maybe 0, or -EFAULT. A page costs 46 instructions beside the 513 of the copy, instead of 132.
 */
static ssize_t read_pages(struct address_space *m, loff_t start, struct iov_iter *to)
{
	u64 index = (u64)start >> PAGE_SHIFT;
	entry_t *slot = slot_find(m, index), *end;
	struct task *t = current;
	struct page *page;
	char *at = to->at;
	loff_t pos = start;
	ssize_t k;
	size_t left;

	if (!slot || slot == &m->root || !usual_copies(to))
		return 0;
	end = slot + min(to->room >> PAGE_SHIFT, 512 - (index & 511));
	t->pagefault_disabled++;
	for (; slot < end; slot++, at += PAGE_SIZE, pos += PAGE_SIZE) {
		__asm__("" : "+m"(at));		/* the registers are for the others: 2 instructions */
		page = slot_pin_usual(slot, entry_read(slot));
		if (unlikely(!page))
			break;
		if (unlikely(smp_load_acquire(&m->size) - pos < (loff_t)PAGE_SIZE)) {
			page_unpin_read(page);
			break;
		}
		barrier();
		left = access_fails() ? PAGE_SIZE : raw_copy_page_to_user((__force void __user *)at, page_address(page));
		if (unlikely(left))
			goto out_short;
		page_unpin_read(page);
	}
	barrier();
	t->pagefault_disabled--;
	iter_advanced(to, (size_t)(pos - start));
	return pos - start;
out_short:
	t->pagefault_disabled--;
	iter_advanced(to, (size_t)(pos - start) + PAGE_SIZE - left);
	k = copy_rest(m, page, pos, left, PAGE_SIZE, to);
	return k > 0 || pos == start ? pos - start + k : pos - start;
}

static __attribute__((noinline)) ssize_t read_all(struct address_space *m, loff_t *ppos, struct iov_iter *to)
{
	loff_t pos = *ppos;
	ssize_t k = 0;

	while (to->count) {
		k = pos & ~PAGE_MASK || to->room < PAGE_SIZE ? 0 : read_pages(m, pos, to);
		if (!k)
			k = read_page(m, pos, to);
		if (k <= 0)
			break;
		pos += k;
	}
	k = pos > *ppos ? (ssize_t)(pos - *ppos) : k;
	*ppos = pos;
	return k;
}

/* What follows the first copy of a piece that left something. */
static __attribute__((noinline)) ssize_t piece_short(struct address_space *m, loff_t *pos, struct page *page, size_t left, struct iov_iter *to)
{
	size_t n = to->count;
	ssize_t k;

	iter_advanced(to, n - left);
	k = copy_rest(m, page, *pos, left, n, to);
	*pos += max(k, (ssize_t)0);
	return k;
}

/*
 * First the read of a part of one usual page to one piece of user memory: nothing of the loops. A byte of a file took 355 instructions in all, now 270.
 */
ssize_t pagecache_read_iter(struct address_space *m, loff_t *ppos, struct iov_iter *to)
{
	loff_t pos = *ppos;
	size_t n = to->count, left;
	entry_t *slot;
	struct page *page;

	if (unlikely(n > PAGE_SIZE - (pos & ~PAGE_MASK) || n > to->room || !usual_copies(to)))
		goto all;
	slot = slot_find(m, (u64)pos >> PAGE_SHIFT);
	page = likely(slot) ? slot_pin_usual(slot, entry_read(slot)) : NULL;
	if (unlikely(!page))
		goto all;
	if (unlikely(smp_load_acquire(&m->size) - pos < (loff_t)n)) {
		page_unpin_read(page);
		goto all;
	}
	left = checked_to_user_nofault((__force void __user *)to->at, (char *)page_address(page) + (pos & ~PAGE_MASK), n);
	if (unlikely(left))
		return piece_short(m, ppos, page, left, to);
	page_unpin_read(page);
	to->at += n;			/* iter_advanced(), of which 5 instructions find out that nothing is left */
	to->room -= n;
	to->count = 0;
	*ppos = pos + (loff_t)n;
	return (ssize_t)n;
all:
	return read_all(m, ppos, to);
}
