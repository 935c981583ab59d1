/*
 * Where the bytes of a read come to, or those of a write come from: a list of user segments or of
 * kernel buffers, and how far we are. The iterator never rewinds (INV-A6). User segments lie below USER_TOP: that is checked when the
 * iterator is made, and not again.
 */
#pragma once

#include "kernel/abi.h"
#include "mm/usercopy.h"

struct iov_iter {
	char *at;			/* the next byte; a user address unless `kernel` */
	size_t room;			/* bytes from there to the end of its segment: 0 only if count is */
	size_t count;			/* bytes left in all */
	const struct iovec *next;	/* the segments after this one (a kernel copy of the array) */
	unsigned nr;			/* how many they are */
	bool kernel;			/* segments are kernel memory */
	__kernel_rwf_t rwf;		/* RWF_*: how this one call differs from the file's flags (preadv2, pwritev2) */
};

#define MAX_RW_COUNT (0x7fffffffUL & PAGE_MASK)
/* One user buffer; longer ones are cut to MAX_RW_COUNT. -EFAULT: it does not lie below USER_TOP. */
static inline int iter_init_user_buf(struct iov_iter *it, void __user *buf, size_t n)
{
	if (unlikely(n > MAX_RW_COUNT)) {	/* all of it must lie there, not only what is done of it */
		if (n > USER_TOP || (__force vaddr_t)buf > USER_TOP - n)
			return -EFAULT;
		n = MAX_RW_COUNT;
	}
	if (unlikely((__force vaddr_t)buf > USER_TOP - n))
		return -EFAULT;
	*it = (struct iov_iter){ .at = (__force char *)buf, .room = n, .count = n };
	return 0;
}
static inline void iter_init_kernel_buf(struct iov_iter *it, void *buf, size_t n)
{
	*it = (struct iov_iter){ .at = buf, .room = n, .count = n, .kernel = true };
}
/* Segments that have been checked; iov must live as long as the iterator. */
void iter_init_user(struct iov_iter *it, const struct iovec *iov, unsigned nr);
/* The same of kernel memory. */
static inline void iter_init_kernel(struct iov_iter *it, const struct iovec *iov, unsigned nr)
{
	iter_init_user(it, iov, nr);
	it->kernel = true;
}
#define FAST_IOV 8	/* iovecs that callers have room for on their stacks */
/* Fetch a user iovec array: returns an array to kfree (or `fast` itself if nr <= nr_fast), or ERR_PTR(EFAULT, EINVAL, ENOMEM).
 * Checks as Linux: nr <= 1024, lengths not negative, the sum cut to MAX_RW_COUNT. */
struct iovec *iter_import(struct iov_iter *it, const struct iovec __user *uiov, unsigned long nr, struct iovec *fast, unsigned nr_fast);

/* Copy up to n bytes and advance by what was copied, which is returned. Short only on a fault. */
size_t copy_to_iter(const void *src, size_t n, struct iov_iter *it);		/* may sleep */
size_t copy_from_iter(void *dst, size_t n, struct iov_iter *it);		/* may sleep */
size_t zero_iter(size_t n, struct iov_iter *it);				/* may sleep */
void iter_advance(struct iov_iter *it, size_t n);
static inline void iter_truncate(struct iov_iter *it, size_t n)		/* at most n bytes are left */
{
	it->count = min(it->count, n);
	it->room = min(it->room, n);
}
/* Fault in the next n bytes; returns how many of them, from the start, are there (0: none: EFAULT). */
size_t iter_fault_in_readable(struct iov_iter *it, size_t n);
size_t iter_fault_in_writeable(struct iov_iter *it, size_t n);
/* Address of the next byte and the length of its segment's rest. */
void __user *iter_address(const struct iov_iter *it, size_t *len);

/* The current segment is used up, and bytes are left: on to the next that is not empty. */
void iter_next(struct iov_iter *it);

/*
 * The copies of read() and write(), which never sleep. Mostly the current user segment has room for all: then none of the loop is needed,
 * and inline they cost 30 instructions instead of 130.
 */
size_t copy_pieces_to_iter_nofault(const void *src, size_t n, struct iov_iter *it);
size_t copy_pieces_from_iter_nofault(void *dst, size_t n, struct iov_iter *it);

static inline bool iter_in_one_segment(const struct iov_iter *it, size_t n) { return it->room >= n && !it->kernel; }

/* On by n bytes, which the current segment has. */
static inline size_t iter_advanced(struct iov_iter *it, size_t n)
{
	it->at += n;
	it->count -= n;
	it->room -= n;
	if (!it->room && it->count)
		iter_next(it);
	return n;
}

static inline size_t copy_to_iter_nofault(const void *src, size_t n, struct iov_iter *it)
{
	if (unlikely(!iter_in_one_segment(it, n)))
		return copy_pieces_to_iter_nofault(src, n, it);
	return iter_advanced(it, n - checked_to_user_nofault((__force char __user *)it->at, src, n));
}

static inline size_t copy_from_iter_nofault(void *dst, size_t n, struct iov_iter *it)
{
	if (unlikely(!iter_in_one_segment(it, n)))
		return copy_pieces_from_iter_nofault(dst, n, it);
	return iter_advanced(it, n - checked_from_user_nofault(dst, (__force char __user *)it->at, n));
}
