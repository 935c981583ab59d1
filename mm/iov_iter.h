/*
 * Where the bytes of a read come to, or those of a write come from: a list of user segments or of
 * kernel buffers, and how far we are. The iterator never rewinds (INV-A6).
 */
#pragma once

#include "kernel/abi.h"
#include "mm/usercopy.h"

struct iov_iter {
	bool kernel;			/* segments are kernel memory */
	__kernel_rwf_t rwf;		/* RWF_*: how this one call differs from the file's flags (preadv2, pwritev2) */
	const struct iovec *iov;	/* current segment (a kernel copy of the array) */
	unsigned nr;			/* segments left, this one included */
	size_t offset;			/* into the current segment */
	size_t count;			/* bytes left in all */
};

void iter_init_user(struct iov_iter *it, const struct iovec *iov, unsigned nr);
/* One user buffer: `storage` must live as long as the iterator. */
#define MAX_RW_COUNT (0x7fffffffUL & PAGE_MASK)
static inline void iter_init_user_buf(struct iov_iter *it, struct iovec *storage, void __user *buf, size_t n)
{
	storage->iov_base = (__force void *)buf;
	storage->iov_len = min(n, (size_t)MAX_RW_COUNT);
	*it = (struct iov_iter){ .iov = storage, .nr = storage->iov_len != 0, .count = storage->iov_len };
}
void iter_init_kernel_buf(struct iov_iter *it, struct iovec *storage, void *buf, size_t n);
/* Fetch a user iovec array: returns an array to kfree (or `fast` itself if nr <= nr_fast), or ERR_PTR(EFAULT, EINVAL, ENOMEM).
 * Checks as Linux: nr <= 1024, lengths not negative, the sum cut to MAX_RW_COUNT. */
struct iovec *iter_import(struct iov_iter *it, const struct iovec __user *uiov, unsigned long nr, struct iovec *fast, unsigned nr_fast);

/* Copy up to n bytes and advance by what was copied, which is returned. Short only on a fault. */
size_t copy_to_iter(const void *src, size_t n, struct iov_iter *it);		/* may sleep */
size_t copy_from_iter(void *dst, size_t n, struct iov_iter *it);		/* may sleep */
size_t zero_iter(size_t n, struct iov_iter *it);				/* may sleep */
void iter_advance(struct iov_iter *it, size_t n);
/* Fault in the next n bytes; returns how many of them, from the start, are there (0: none: EFAULT). */
size_t iter_fault_in_readable(struct iov_iter *it, size_t n);
size_t iter_fault_in_writeable(struct iov_iter *it, size_t n);
/* Address of the next byte and the length of its segment's rest. */
void __user *iter_address(const struct iov_iter *it, size_t *len);

/* On to the next segment that is not empty; `offset` lies inside the current one, or nothing is left. */
void iter_settle(struct iov_iter *it);

/*
 * The copies of read() and write(), which never sleep. Mostly the current user segment has room for all: then none of the loop is needed,
 * and inline they cost 40 instructions instead of 130.
 */
size_t copy_pieces_to_iter_nofault(const void *src, size_t n, struct iov_iter *it);
size_t copy_pieces_from_iter_nofault(void *dst, size_t n, struct iov_iter *it);

static inline bool iter_in_one_segment(const struct iov_iter *it, size_t n)
{
	return it->count >= n && !it->kernel && it->nr && it->iov->iov_len - it->offset >= n;
}

static inline size_t iter_advanced(struct iov_iter *it, size_t n)
{
	it->count -= n;
	it->offset += n;
	if (it->offset == it->iov->iov_len && it->count)
		iter_settle(it);
	return n;
}

static inline size_t copy_to_iter_nofault(const void *src, size_t n, struct iov_iter *it)
{
	if (unlikely(!iter_in_one_segment(it, n)))
		return copy_pieces_to_iter_nofault(src, n, it);
	return iter_advanced(it, n - copy_to_user_nofault((char __user *)it->iov->iov_base + it->offset, src, n));
}

static inline size_t copy_from_iter_nofault(void *dst, size_t n, struct iov_iter *it)
{
	if (unlikely(!iter_in_one_segment(it, n)))
		return copy_pieces_from_iter_nofault(dst, n, it);
	return iter_advanced(it, n - copy_from_user_nofault(dst, (char __user *)it->iov->iov_base + it->offset, n));
}
