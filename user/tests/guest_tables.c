/*
 * INV-P by the counters of /proc/vmstat: which page tables are shared (mm/share.c, mm/template.c), copied and taken over, and what is not done because they are. With
 * one processor and nothing else running: the counters are the machine's. With a slow disk (ramdisk_latency_us=20000).
 */
#include "inv.h"
#include <pthread.h>

#ifndef O_DIRECT
#define O_DIRECT 040000
#endif

#define WINDOW (512 * PAGE)
#define N 8UL			/* windows: 16 MiB */

/* How far a counter went while the statement ran, without what looking costs: the first of two looks touches new memory. */
#define COUNTED(name, ...) ({ counter(name); long before_ = counter(name); __VA_ARGS__; counter(name) - before_; })
/* How far shared, copied and taken-over tables and copied pages went, in that order, as one number: 8,1,0,3 is 8001000003. */
static long tables(void) { return counter("table_share") * 1000000000 + counter("table_copy") * 1000000 + counter("table_take") * 1000 + counter("cow_copy"); }
#define TABLES(share, copy, take, pages, ...) do { tables(); long tables_ = tables(); __VA_ARGS__; \
	EQUAL(tables() - tables_, (share) * 1000000000L + (copy) * 1000000L + (take) * 1000L + (pages)); } while (0)

static unsigned char *aligned(size_t windows) { return (unsigned char *)(((uintptr_t)map_anon((windows + 1) * WINDOW) + WINDOW - 1) & -WINDOW); }
static void store_each(unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((volatile unsigned char *)p)[i * PAGE] = i;
}
static void load_each(const unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		EQUAL(((const volatile unsigned char *)p)[i * PAGE], i & 255);
}
static unsigned char *filled(void)
{
	unsigned char *p = aligned(N);

	store_each(p, N * 512);
	return p;
}
static void store(unsigned char *p) { *(volatile unsigned char *)p += 1; }

/* A child that has what this process has until it is told to end; `work` first. */
static int to_child[2], from_child[2];
static unsigned char *memory;
static pid_t child_that(void (*work)(void))
{
	char c;
	pid_t pid;

	CHECK(!pipe(to_child) && !pipe(from_child));
	pid = fork();
	if (!pid) {
		work();
		EQUAL(write(from_child[1], "x", 1), 1);
		_exit(read(to_child[0], &c, 1) != 1);
	}
	EQUAL(read(from_child[0], &c, 1), 1);
	return pid;
}
static void nothing(void) { }
static void end_child(pid_t pid)
{
	EQUAL(write(to_child[1], "x", 1), 1);
	EQUAL(wait_for(pid), 0);
	for (int i = 0; i < 2; i++)
		close(to_child[i]), close(from_child[i]);
}

static void loads(void)
{
	long faults = COUNTED("pgfault", load_each(memory, N * 512));

	CHECK(faults < 3);
}

INV(INV_P1_fork_shares, "fork of 16 MiB: eight tables are shared, none of their pages counted; the child loads all of it without a fault")
{
	pid_t pid;

	memory = filled();
	long pages = counter("fork_share");
	EQUAL(COUNTED("table_share", pid = child_that(nothing)), N);
	CHECK(counter("fork_share") - pages < 400);	/* twice, of its own memory (page by page): not the 4096 */
	end_child(pid);
	EQUAL(COUNTED("table_copy", pid = child_that(loads)), 0);
	end_child(pid);
	load_each(memory, N * 512);
}

static void passes_on(void)
{
	pid_t pid;

	EQUAL(COUNTED("table_share", pid = fork(); if (!pid) { load_each(memory, N * 512); _exit(0); } EQUAL(wait_for(pid), 0)), N);
}

INV(INV_P1_generations, "a table has any number of owners: a child's child shares the same ones; when they have gone, the owner takes them over")
{
	memory = filled();
	pid_t pid = child_that(passes_on);
	EQUAL(COUNTED("table_copy", store(memory)), 1);
	end_child(pid);
	TABLES(0, 0, N - 1, 0, store_each(memory + WINDOW, (N - 1) * 512));
}

INV(INV_P1_few, "a table with few pages is not shared: its pages are")
{
	pid_t pid;

	memory = aligned(N);
	for (size_t i = 0; i < N; i++)
		store_each(memory + i * WINDOW, 10);
	EQUAL(COUNTED("table_share", pid = child_that(nothing)), 0);
	end_child(pid);
}

INV(INV_P2_one_store, "the first store into 2 MiB copies one table and one page, the next one only a page; what the child has not stored to is still shared")
{
	memory = filled();
	pid_t pid = child_that(nothing);

	TABLES(0, 1, 0, 1, store(memory + 3 * WINDOW + 7 * PAGE));
	TABLES(0, 0, 0, 1, store(memory + 3 * WINDOW + 8 * PAGE));
	TABLES(0, 0, 0, 0, store(memory + 3 * WINDOW + 8 * PAGE));
	TABLES(0, 1, 0, 1, store(memory + 5 * WINDOW));
	TABLES(0, 0, 0, 0, (void)*(volatile unsigned char *)(memory + 4 * WINDOW));
	end_child(pid);
}

static void stores(void) { store(memory); }

INV(INV_P2_takeover, "the last owner takes a table over with all its pages: nothing is copied, and its other pages need no fault; where the child had a copy, they do")
{
	memory = filled();
	end_child(child_that(nothing));
	TABLES(0, 0, 1, 0, store(memory));
	EQUAL(COUNTED("pgfault", store_each(memory, 512)), 0);
	TABLES(0, 0, N - 1, 0, store_each(memory + WINDOW, (N - 1) * 512));
	end_child(child_that(stores));
	TABLES(0, 0, 1, 0, store(memory));
	EQUAL(COUNTED("cow_reuse", store_each(memory, 512)), 511);
}

INV(INV_P2_whole, "munmap and MADV_DONTNEED of whole windows, exit and execve give the table back and copy none; of a part they copy one, and no page")
{
	memory = filled();
	pid_t pid = child_that(nothing);

	TABLES(0, 0, 0, 0, CHECK(!munmap(memory, WINDOW)));
	TABLES(0, 0, 0, 0, CHECK(!madvise(memory + WINDOW, WINDOW, MADV_DONTNEED)));
	TABLES(0, 1, 0, 0, CHECK(!munmap(memory + 3 * WINDOW - 5 * PAGE, 5 * PAGE)));
	TABLES(0, 1, 0, 0, CHECK(!madvise(memory + 3 * WINDOW, 5 * PAGE, MADV_DONTNEED)));
	TABLES(0, 1, 0, 0, CHECK(!mprotect(memory + 4 * WINDOW, PAGE, PROT_READ)));
	CHECK(COUNTED("table_copy", CHECK(!mprotect(memory + 5 * WINDOW, WINDOW, PROT_READ))) <= 1);
	end_child(pid);
	EQUAL(COUNTED("table_share", pid = child_that(nothing)), N - 4);	/* gone, empty, cut, split: the others are whole */
	end_child(pid);
}

INV(INV_S6_one_page, "who copies a table tells the TLBs of one page, and of the page that it copied")
{
	memory = filled();
	pid_t pid = child_that(nothing);
	long pages = counter("tlb_flush_page");

	EQUAL(COUNTED("tlb_flush_all", store(memory + PAGE)), 0);
	CHECK(counter("tlb_flush_page") - pages <= 2);
	end_child(pid);
}

static int direct_fd;
static void *read_directly(void *to) { return (void *)pread(direct_fd, to, PAGE, 0); }

INV(INV_P4_pinned, "a window into which a device writes is not shared, its pages but for that one are; afterwards it is (with a slow disk)")
{
	int fd = make_file(0, PAGE);
	pthread_t thread;
	char name[64];
	void *got;
	pid_t pid;

	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	direct_fd = open(name, O_RDONLY | O_DIRECT);
	CHECK(direct_fd >= 0);
	memory = filled();
	long pins = counter("pin"), copies = counter("fork_copy");
	CHECK(!pthread_create(&thread, NULL, read_directly, memory + 2 * WINDOW));
	while (counter("pin") == pins)
		sched_yield();
	EQUAL(COUNTED("table_share", pid = child_that(nothing)), N - 1);
	EQUAL(counter("fork_copy") - copies, 1);
	end_child(pid);
	CHECK(!pthread_join(thread, &got));
	EQUAL(got, PAGE);
	EQUAL(wrong_at(memory + 2 * WINDOW, PAGE, 0, 0), -1);
	EQUAL(COUNTED("table_share", pid = child_that(nothing)), N);
	end_child(pid);
}

INV(INV_P4_not_inherited, "windows that the child does not get, or gets empty, are not shared, nor those of which it gets a part")
{
	pid_t pid;

	memory = filled();
	CHECK(!madvise(memory, WINDOW, MADV_DONTFORK) && !madvise(memory + 2 * WINDOW, WINDOW, MADV_WIPEONFORK) && !madvise(memory + 4 * WINDOW + PAGE, PAGE, MADV_DONTFORK));
	EQUAL(COUNTED("table_share", pid = child_that(nothing)), N - 3);
	end_child(pid);
}

INV(INV_P4_kernel_stores, "read() into a shared window, and process_vm_writev from outside, own the table first, as a store does")
{
	int fd = make_file(0, PAGE);
	long there = 1;

	memory = filled();
	pid_t pid = child_that(nothing);
	TABLES(0, 1, 0, 1, EQUAL(pread(fd, memory + 9, 100, 0), 100));
	TABLES(0, 1, 0, 1, EQUAL(process_vm_writev(pid, &(struct iovec){ &there, 8 }, 1, &(struct iovec){ memory + WINDOW, 8 }, 1, 0), 8));
	TABLES(0, 0, 1, 0, store(memory + WINDOW));	/* the child left it to us */
	TABLES(0, 0, 0, 0, EQUAL(process_vm_readv(pid, &(struct iovec){ &there, 8 }, 1, &(struct iovec){ memory + 2 * WINDOW, 8 }, 1, 0), 8));
	end_child(pid);
}

/* --- tables that files keep --- */

static int file_of(size_t windows)
{
	static char page[PAGE] = "contents";
	int fd = open("/tmp/tables", O_RDWR | O_CREAT | O_TRUNC, 0600);

	for (size_t i = 0; i < windows * 512; i++)
		EQUAL(pwrite(fd, page, PAGE, (off_t)(i * PAGE)), PAGE);
	unlink("/tmp/tables");
	return fd;
}
static long flushes(void) { return counter("tlb_loan") + counter("tlb_cow") + counter("tlb_unmap") + counter("tlb_clean"); }
/* Read the file's first 2 MiB into the window: the counters of tables made and of tables attached. */
#define READS(made, attached, fd, where) do { counter("table_template"); long made_ = counter("table_template"), attached_ = counter("table_attach"); \
	EQUAL(pread(fd, where, WINDOW, 0), WINDOW); EQUAL(counter("table_template") - made_, made); EQUAL(counter("table_attach") - attached_, attached); } while (0)

INV(INV_P1_template, "the second read() of the same 2 MiB makes a table for the file, the third gets it by one store: no flush, no page counted, no fault later")
{
	int fd = file_of(1);
	unsigned char *p = aligned(4);

	READS(0, 0, fd, p);
	READS(1, 1, fd, p + WINDOW);
	long flushed = flushes();
	READS(0, 1, fd, p + 2 * WINDOW);
	EQUAL(flushes() - flushed, 0);
	long faults = counter("pgfault");
	for (size_t i = 0; i < 512; i++)
		EQUAL(p[2 * WINDOW + i * PAGE], 'c');
	CHECK(counter("pgfault") - faults < 3);
	EQUAL(COUNTED("loan_read", pread(fd, p + 3 * WINDOW, WINDOW, 0)), 512);
}

INV(INV_P2_template, "a store to memory that has a file's table copies the table and the page; munmap of it copies nothing")
{
	int fd = file_of(1);
	unsigned char *p = aligned(4);

	for (int i = 0; i < 4; i++)
		pread(fd, p + i * WINDOW, WINDOW, 0);
	TABLES(0, 1, 0, 1, store(p + 3 * WINDOW));
	TABLES(0, 0, 0, 1, store(p + 3 * WINDOW + 100 * PAGE));
	TABLES(0, 0, 0, 0, munmap(p + 2 * WINDOW, WINDOW));
	EQUAL(p[WINDOW], 'c');
}

INV(INV_P3_unshared, "a write to the file drops a table that no reader has, and so changes its page in place; for those who come later a table is made again")
{
	int fd = file_of(1);
	unsigned char *p = aligned(4);

	READS(0, 0, fd, p);
	READS(1, 1, fd, p + WINDOW);
	munmap(p, 2 * WINDOW);
	long breaks = counter("write_break"), freed = counter("table_free");
	EQUAL(COUNTED("write_inplace", EQUAL(pwrite(fd, "new", 3, 5 * PAGE), 3)), 1);
	EQUAL(counter("write_break") - breaks, 0);
	CHECK(counter("table_free") > freed);
	READS(0, 0, fd, p + 2 * WINDOW);
	READS(1, 1, fd, p + 3 * WINDOW);
	for (int i = 2; i < 4; i++)
		EQUAL(memcmp(p + i * WINDOW + 5 * PAGE, "newtents", 8), 0);
}

INV(INV_P3_shared, "one that a reader has stays the reader's as it was: the write replaces its page in the file; the next reader sees the new one")
{
	int fd = file_of(1);
	unsigned char *p = aligned(4);

	READS(0, 0, fd, p);
	READS(1, 1, fd, p + WINDOW);
	EQUAL(COUNTED("write_break", EQUAL(pwrite(fd, "new", 3, 5 * PAGE), 3)), 1);
	EQUAL(p[WINDOW + 5 * PAGE], 'c');
	READS(0, 0, fd, p + 2 * WINDOW);
	READS(1, 1, fd, p + 3 * WINDOW);
	EQUAL(p[3 * WINDOW + 5 * PAGE], 'n');
	EQUAL(p[WINDOW + 5 * PAGE], 'c');
	EQUAL(ftruncate(fd, 0), 0);
	EQUAL(p[3 * WINDOW + 5 * PAGE], 'n');
}

int main(int argc, char **argv) { return inv_main(argc, argv); }
