/*
 * For the tests of the invariants (inv_*.c, guest_inv.c; the table is docs/mechanisms.md). A test is a function named after what it shows:
 *
 *	INV(INV_W1_same_page, "write() of a page from a mapping of that page") { ... CHECK(condition); ... }
 *
 * It runs in a process of its own, which a deadlock ends by SIGALRM, and prints "ok INV_W1_same_page" or what was wrong. With names as
 * arguments the program runs these alone; status 1: one failed. All on the files of the current directory, which is on a real file
 * system: a page of tmpfs is always uptodate.
 */
#pragma once
#include "t.h"
#include <stdbool.h>

#define INV_SECONDS 1000		/* generous: the machine may be loaded. The point is that it ends at all */
#define MAX_INV 100

static struct inv { const char *name, *what; void (*run)(void); } invs[MAX_INV];
static unsigned nr_invs;

#define INV(function, text) \
	static void function(void); \
	__attribute__((constructor)) static void register_##function(void) { invs[nr_invs++] = (struct inv){ #function, text, function }; } \
	static void function(void)

#define CHECK(condition) do { if (!(condition)) { \
	SAY("FAIL %s:%d: %s (errno %d)\n", __func__, __LINE__, #condition, errno); _exit(1); } } while (0)
#define EQUAL(got, want) do { long got_ = (long)(got), want_ = (long)(want); if (got_ != want_) { \
	SAY("FAIL %s:%d: %s is %ld, not %ld (errno %d)\n", __func__, __LINE__, #got, got_, want_, errno); _exit(1); } } while (0)

static inline int inv_main(int argc, char **argv)
{
	int failed = 0;

	for (unsigned i = 0; i < nr_invs; i++) {
		bool chosen = argc < 2;
		int status;
		pid_t pid;

		for (int k = 1; k < argc; k++)
			chosen |= !strcmp(argv[k], invs[i].name);
		if (!chosen)
			continue;
		fflush(stdout);
		pid = fork();
		if (!pid) {
			setpgid(0, 0);
			alarm(getenv("INV_SECONDS") ? atoi(getenv("INV_SECONDS")) : INV_SECONDS);
			invs[i].run();
			_exit(0);
		}
		status = wait_for(pid);
		kill(-pid, SIGKILL);	/* what it left running */
		if (status)
			SAY("FAILED %s: %s: %s %d\n", invs[i].name, invs[i].what, WIFSIGNALED(status) ? "signal" : "status",
			    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
		else
			SAY("ok %s: %s\n", invs[i].name, invs[i].what);
		failed |= status != 0;
	}
	return failed;
}

/* --- files --- */

/* Write what the page cache has of it, and forget it: the next access has to read. */
static inline void forget(int fd)
{
	fsync(fd);
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}

/* Byte `pos` of file number `file`: never 0, and different from page to page. */
static inline unsigned char byte_at(int file, long pos)
{
	return (unsigned char)(1 + (pos * 7 + pos / 4096 * 13 + file * 101) % 255);
}

/* A nameless file of n bytes of byte_at(), not in the page cache. */
static inline int make_file(int file, size_t n)
{
	static unsigned char page[PAGE];
	char name[64];
	int fd;

	snprintf(name, sizeof(name), "inv.%d.%d", (int)getpid(), file);
	fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
	CHECK(fd >= 0);
	unlink(name);
	for (size_t pos = 0; pos < n; pos += PAGE) {
		size_t k = n - pos < PAGE ? n - pos : PAGE;

		for (size_t i = 0; i < k; i++)
			page[i] = byte_at(file, pos + i);
		EQUAL(pwrite(fd, page, k, pos), k);
	}
	forget(fd);
	return fd;
}

static inline unsigned char *map_file(int fd, size_t n, int prot, int flags)
{
	void *p = mmap(NULL, n, prot, flags, fd, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

static inline unsigned char *map_anon(size_t n) { return map_file(-1, n, RW, MAP_PRIVATE | MAP_ANONYMOUS); }

/* The first byte of the n at p that is not byte_at(file, pos...); -1: all are. */
static inline long wrong_at(const unsigned char *p, size_t n, int file, long pos)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != byte_at(file, pos + i))
			return i;
	return -1;
}
static inline long wrong_value(const unsigned char *p, size_t n, unsigned char value)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != value)
			return i;
	return -1;
}
