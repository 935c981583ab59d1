/*
 * For the tests of Linux AIO (aio.c, aio_pins.c): a file of N pages of pattern(7) in the current directory, which is on a real file system, and
 * requests to it.
 */
#pragma once
#include "inv.h"
#include <linux/aio_abi.h>

#ifndef O_DIRECT
#define O_DIRECT 040000
#endif
#define NAME "aio.file"
#define N 32

#define io_setup(n, c) syscall(SYS_io_setup, n, c)
#define io_destroy(c) syscall(SYS_io_destroy, c)
#define io_submit(c, n, p) syscall(SYS_io_submit, c, n, p)
#define io_getevents(c, min, n, e, t) syscall(SYS_io_getevents, c, min, n, e, t)

static inline unsigned char *pages(size_t n)
{
	unsigned char *p = mmap(NULL, n * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

/* The file, written to the disk. Its descriptor, with these flags. */
static inline int make(int flags)
{
	unsigned char *p = pages(N);
	int fd = open(NAME, O_RDWR | O_CREAT | O_TRUNC, 0600);

	CHECK(fd >= 0);
	pattern(p, N * PAGE, 7);
	EQUAL(pwrite(fd, p, N * PAGE, 0), N * PAGE);
	EQUAL(fsync(fd), 0);
	munmap(p, N * PAGE);
	close(fd);
	fd = open(NAME, O_RDWR | flags);
	CHECK(fd >= 0);
	return fd;
}

/* Are the n bytes those that the file has there? */
static inline int same(const unsigned char *p, size_t at, size_t n)
{
	static unsigned char want[N * PAGE];

	pattern(want, N * PAGE, 7);
	return !memcmp(p, want + at, n);
}

static inline struct iocb request(int op, int fd, const void *p, size_t n, long at)
{
	return (struct iocb){ .aio_lio_opcode = op, .aio_fildes = fd, .aio_buf = (unsigned long)p, .aio_nbytes = n, .aio_offset = at, .aio_data = at + 1 };
}

static inline aio_context_t setup(unsigned n)
{
	aio_context_t c = 0;

	EQUAL(io_setup(n, &c), 0);
	CHECK(c);
	return c;
}

/* Submit it and wait for it: its result. */
static inline long one(aio_context_t c, struct iocb *cb)
{
	struct io_event e;

	EQUAL(io_submit(c, 1, &cb), 1);
	EQUAL(io_getevents(c, 1, 1, &e, NULL), 1);
	EQUAL(e.data, cb->aio_data);
	CHECK(e.obj == (unsigned long)cb && !e.res2);
	return e.res;
}

/* Submit a request for every page, each at its place. */
static inline void submit_all(aio_context_t c, int op, int fd, unsigned char *p, struct iocb *cb)
{
	for (int i = 0; i < N; i++) {
		struct iocb *list = &cb[i];

		cb[i] = request(op, fd, p + i * PAGE, PAGE, i * PAGE);
		EQUAL(io_submit(c, 1, &list), 1);
	}
}

/* Wait for n of them, each a whole page. */
static inline void collect(aio_context_t c, int n)
{
	struct io_event e[N];

	while (n) {
		long k = io_getevents(c, 1, N, e, NULL);

		CHECK(k > 0 && k <= n);
		for (long i = 0; i < k; i++)
			EQUAL(e[i].res, PAGE);
		n -= k;
	}
}

static inline int aio_main(int argc, char **argv)
{
	int status = inv_main(argc, argv);

	unlink(NAME);
	return status;
}
