/*
 * vmsplice: a program's memory into a pipe, by reference where it can be; or a pipe's bytes into memory, by copying.
 *
 * What the pipe gets is the memory as it is now. Whole private pages are lent (mm/loan.h): the program's entry loses its right to write, so that its next
 * store goes to a copy. Pages of files, and parts of pages, are copied. Linux takes a reference without that, and later stores show in the
 * pipe or not, depending on fork; what its tests ask for (a child or parent that stores after the other spliced never shows in the pipe: K3 to
 * K6 of MECHANISMS.md) is what a loan gives by construction, and no pin of unlimited duration is needed (INV-G2). SPLICE_F_GIFT promises
 * that the program will not store any more: it makes no difference here.
 */
#include "fs/pipe.h"

#include "fs/internal.h"
#include "fs/syscalls.h"
#include "mm/loan.h"
#include "mm/ownership.h"
#include "mm/slab.h"
#include "mm/switches.h"
#include "mm/vmstat.h"

#define BATCH 16

/* The next piece, which ends with its page or its segment, into a frame. Bytes, or -EFAULT, -ENOMEM. */
static ssize_t copy_piece(struct iov_iter *from, struct pipe_buf *b)
{
	size_t room, n;
	vaddr_t va = (__force vaddr_t)iter_address(from, &room);

	n = min(room, PAGE_SIZE - (va & ~PAGE_MASK));
	b->page = page_alloc(0, 0);
	if (!b->page)
		return -ENOMEM;
	n = copy_from_iter(page_address(b->page), n, from);
	if (!n) {
		page_put(b->page);
		return -EFAULT;
	}
	*b = (struct pipe_buf){ .page = b->page, .len = (u16)n, .own = true };
	vmstat_inc(VM_SPLICE_COPY);
	return (ssize_t)n;
}

/* Whole private pages, lent. How many buffers; 0: copy. */
static unsigned lend_pages(struct iov_iter *from, struct pipe_buf *bufs, unsigned places)
{
	struct mm *mm = current->mm;
	struct page *loan[BATCH];
	struct vma *vma;
	unsigned got = 0;
	size_t len;
	vaddr_t va = (__force vaddr_t)iter_address(from, &len);

	len = min(len >> PAGE_SHIFT, (size_t)places);
	if (!mm || !switch_zerocopy_write || va & ~PAGE_MASK || !len)
		return 0;
	down_read(&mm->mmap_lock);
	vma = vma_lookup(mm, va);
	if (vma) {
		vma_lends(vma, (unsigned)len);	/* counts; whatever it says, lending is what was asked for here */
		got = loan_from_user(mm, vma, va, (unsigned)min(len, (vma->end - va) >> PAGE_SHIFT), loan);
	}
	up_read(&mm->mmap_lock);
	for (unsigned i = 0; i < got; i++) {
		page_held_elsewhere(loan[i], 1);
		bufs[i] = (struct pipe_buf){ .page = loan[i], .len = PAGE_SIZE };
	}
	iter_advance(from, got << PAGE_SHIFT);
	vmstat_add(VM_SPLICE_SHARE, got);
	return got;
}

/* Buffers for the next bytes. How many; or an error if there are none. */
static int gather_memory(struct iov_iter *from, struct pipe_buf *bufs, unsigned places)
{
	unsigned nr = 0;
	ssize_t k = 0;

	while (nr < places && from->count) {
		unsigned lent = lend_pages(from, &bufs[nr], places - nr);

		nr += lent;
		if (lent)
			continue;
		k = copy_piece(from, &bufs[nr]);
		if (k < 0)
			break;
		nr++;
	}
	return nr ? (int)nr : (int)k;
}

static ssize_t memory_to_pipe(struct pipe *p, struct iov_iter *from, bool nonblock)
{
	struct pipe_buf bufs[BATCH];
	size_t want = from->count;
	int k = 0;

	while (from->count) {
		int places = pipe_reserve(p, BATCH, nonblock || from->count < want);

		if (places < 0) {
			k = places;
			break;
		}
		size_t before = from->count;
		k = gather_memory(from, bufs, (unsigned)places);
		int error = pipe_fill_reserved(p, (unsigned)places, bufs, k > 0 ? (unsigned)k : 0);
		if (error) {
			want -= before - from->count;	/* these did not get there */
			k = error;
		}
		if (k < 0)
			break;
	}
	return from->count < want ? (ssize_t)(want - from->count) : k;
}

static ssize_t vmsplice(struct file *file, const struct iovec __user *uiov, unsigned long nr, bool nonblock)
{
	struct pipe *p = file_pipe(file);
	struct iovec fast[FAST_IOV], *iov;
	struct iov_iter it;
	ssize_t done = 0;

	if (!(file->mode & (FMODE_READ | FMODE_WRITE)))
		return -EBADF;
	iov = iter_import(&it, uiov, nr, fast, FAST_IOV);
	if (IS_ERR(iov))
		return PTR_ERR(iov);
	if (it.count && !p)
		done = -EBADF;
	else if (it.count)
		done = file->mode & FMODE_WRITE ? memory_to_pipe(p, &it, nonblock) : pipe_read_iter(p, &it, nonblock);
	if (iov != fast)
		kfree(iov);
	return done;
}

long sys_vmsplice(int fd, const struct iovec __user *iov, unsigned long nr, unsigned flags)
{
	struct file *file;
	long done;

	if (flags & ~SPLICE_FLAGS)
		return -EINVAL;
	file = fd_get_file(fd);
	if (!file)
		return -EBADF;
	done = vmsplice(file, iov, nr, flags & SPLICE_F_NONBLOCK);
	file_put(file);
	return done;
}
