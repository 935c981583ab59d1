/* The places that a read or write goes to or comes from: see mm/iov_iter.h. */
#include "mm/iov_iter.h"

#include "kernel/string.h"
#include "mm/layout.h"
#include "mm/slab.h"
#include "mm/usercopy.h"

#define MAX_IOV 1024

void iter_next(struct iov_iter *it)
{
	while (!it->room && it->nr) {
		it->at = it->next->iov_base;
		it->room = it->next->iov_len;
		it->next++;
		it->nr--;
	}
}

void iter_init_user(struct iov_iter *it, const struct iovec *iov, unsigned nr)
{
	*it = (struct iov_iter){ .next = iov, .nr = nr };
	for (unsigned i = 0; i < nr; i++)
		it->count += iov[i].iov_len;
	iter_next(it);
}

/* As Linux: a negative length is EINVAL, a segment outside user space EFAULT, the sum is cut. */
static int check_segments(struct iovec *iov, unsigned long nr)
{
	size_t left = MAX_RW_COUNT;

	for (unsigned long i = 0; i < nr; i++)
		if ((ssize_t)iov[i].iov_len < 0)
			return -EINVAL;
	for (unsigned long i = 0; i < nr; i++) {
		vaddr_t base = (vaddr_t)iov[i].iov_base;
		if (base > USER_TOP || iov[i].iov_len > USER_TOP - base)
			return -EFAULT;
		iov[i].iov_len = min((size_t)iov[i].iov_len, left);
		left -= iov[i].iov_len;
	}
	return 0;
}

struct iovec *iter_import(struct iov_iter *it, const struct iovec __user *uiov, unsigned long nr, struct iovec *fast, unsigned nr_fast)
{
	struct iovec *iov = fast;
	int error;

	if (nr > MAX_IOV)
		return ERR_PTR(-EINVAL);
	if (nr > nr_fast) {
		iov = kmalloc(nr * sizeof(*iov));
		if (!iov)
			return ERR_PTR(-ENOMEM);
	}
	error = nr && copy_from_user(iov, uiov, nr * sizeof(*iov)) ? -EFAULT : check_segments(iov, nr);
	if (error) {
		if (iov != fast)
			kfree(iov);
		return ERR_PTR(error);
	}
	iter_init_user(it, iov, nr);
	return iov;
}

void __user *iter_address(const struct iov_iter *it, size_t *len)
{
	*len = it->room;
	return it->room ? (__force void __user *)it->at : NULL;
}

void iter_advance(struct iov_iter *it, size_t n)
{
	if (n == it->count) {	/* the rest: no segment is looked at any more */
		it->at += it->room;
		it->room = it->count = 0;
		it->nr = 0;
		return;
	}
	while (n) {
		size_t step = min(n, it->room);
		n -= iter_advanced(it, step);
	}
}

enum copy_op { TO_USER, TO_USER_NOFAULT, FROM_USER, FROM_USER_NOFAULT, CLEAR_USER };

/* One piece within a segment: bytes not copied. */
static size_t copy_piece(enum copy_op op, bool kernel, void __user *user, void *buf, size_t n)
{
	if (kernel) {
		void *there = (__force void *)user;
		if (op == CLEAR_USER)
			memset(there, 0, n);
		else if (op == TO_USER || op == TO_USER_NOFAULT)
			memcpy(there, buf, n);
		else
			memcpy(buf, there, n);
		return 0;
	}
	switch (op) {
	case TO_USER:
		return copy_to_user(user, buf, n);
	case TO_USER_NOFAULT:
		return copy_to_user_nofault(user, buf, n);
	case FROM_USER:
		return copy_from_user(buf, user, n);
	case FROM_USER_NOFAULT:
		return copy_from_user_nofault(buf, user, n);
	case CLEAR_USER:
		return clear_user(user, n);
	}
	return n;
}

static size_t copy_all(enum copy_op op, struct iov_iter *it, char *buf, size_t n)
{
	size_t done = 0;

	while (done < n && it->count) {
		size_t len, left;
		void __user *user = iter_address(it, &len);

		len = min(len, n - done);
		left = copy_piece(op, it->kernel, user, buf ? buf + done : NULL, len);
		iter_advance(it, len - left);
		done += len - left;
		if (left)
			break;
	}
	return done;
}

size_t copy_pieces_to_iter_nofault(const void *src, size_t n, struct iov_iter *it) { return copy_all(TO_USER_NOFAULT, it, (char *)src, n); }
size_t copy_pieces_from_iter_nofault(void *dst, size_t n, struct iov_iter *it) { return copy_all(FROM_USER_NOFAULT, it, dst, n); }
size_t copy_to_iter(const void *src, size_t n, struct iov_iter *it) { return copy_all(TO_USER, it, (char *)src, n); }
size_t copy_from_iter(void *dst, size_t n, struct iov_iter *it) { return copy_all(FROM_USER, it, dst, n); }
size_t zero_iter(size_t n, struct iov_iter *it) { return copy_all(CLEAR_USER, it, NULL, n); }

static size_t fault_in(const struct iov_iter *from, size_t n, bool write)
{
	struct iov_iter it = *from;	/* a copy: faulting in does not advance */
	size_t done = 0;

	n = min(n, it.count);
	if (it.kernel)
		return n;
	while (done < n) {
		size_t len, left;
		void __user *user = iter_address(&it, &len);

		len = min(len, n - done);
		left = write ? fault_in_writeable(user, len) : fault_in_readable(user, len);
		iter_advance(&it, len);
		done += len - left;
		if (left)
			break;
	}
	return done;
}

size_t iter_fault_in_readable(struct iov_iter *it, size_t n) { return fault_in(it, n, false); }
size_t iter_fault_in_writeable(struct iov_iter *it, size_t n) { return fault_in(it, n, true); }
