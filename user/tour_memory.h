/* The stops of the tour (user/tour.c) about a program's memory: copy-on-write, page tables, pins, swapping. */
#pragma once
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "tour.h"

static void exact_cow(void)
{
	char *p = fresh(8);

	say("source", "Torvalds, Jan 2021: a private page becomes writable only when nobody else has it. Lutomirski: say apart from RW whose it is.");
	memset(p, 1, 8 * PAGE);
	watch("cow", "cow_copy", "cow_reuse", "fork_share", NULL);
	pid_t child = fork();
	if (!child)
		_exit(0);
	p[0] = 2;				/* the child may have it still */
	waitpid(child, NULL, 0);
	p[PAGE] = 2;				/* nobody else has it now */
	told(3);
	expect(change[1] >= 1, "after the child is gone its page is reused, not copied");
	watch("", "cow_copy", "cow_reuse", NULL);
	mprotect(p, 8 * PAGE, PROT_READ);
	mprotect(p, 8 * PAGE, RW);
	p[0] = p[PAGE] = 3;
	told(0);
	expect(!change[0], "mprotect() there and back copies nothing");
	without("cow_reuse=0", "what the child had is copied though the child is gone.");
	child = fork();
	if (!child)
		_exit(0);
	waitpid(child, NULL, 0);
	watch("", "cow_copy", "cow_reuse", NULL);
	for (int i = 0; i < 8; i++)
		((volatile char *)p)[i * PAGE] = 4;
	told(0);
	turn("cow_reuse=1");
	expect(change[0] >= 8, "eight copies for nothing");
	say("so", "owners, pins and mere references are counted apart in one word of the frame (mm/page.h): the answer is exact, never a guess.");
	munmap(p, 8 * PAGE);
}

/* A child that has what this process has, until it is told to end. */
static pid_t child_until(int *end)
{
	int ends[2];
	pid_t pid;

	expect(!pipe(ends), "a pipe");
	pid = fork();
	if (!pid) {
		close(ends[1]);
		_exit(read(ends[0], block, 1) != 0);
	}
	close(ends[0]);
	*end = ends[1];
	return pid;
}
static void end_child(pid_t pid, int end)
{
	close(end);
	waitpid(pid, NULL, 0);
}

#define TABLE (512 * PAGE)	/* what a page table of 512 entries shows */
static void page_tables(void)
{
	int fd = make("/tmp/tour.table", 512), end;	/* a file that nobody has read yet */
	char *room = fresh(9 * 512), *p = (char *)(((unsigned long)room + TABLE - 1) & -TABLE);

	say("source", "Phillips, Aug 2002: and there are both of the above, except a full pte page at a time.");
	memset(p, 1, 8 * TABLE);
	watch("", "table_share", "fork_share", NULL);
	pid_t child = child_until(&end);
	told(0);
	expect(change[0] == 8 && change[1] < 1000, "eight page tables are shared, their 4096 pages are not even looked at");
	say("so", "fork() of 16 MiB: eight entries, without RW, lead the child to the parent's own tables; the MMU takes the smallest right of all levels.");
	watch("cow", "table_copy", "cow_copy", NULL);
	p[5] = 2;
	told(2);
	expect(change[0] == 1 && change[1] >= 1, "the store copied one table and one page");
	end_child(child, end);
	watch("", "table_take", "table_copy", "pgfault", NULL);
	for (int i = 1; i < 8; i++)
		memset(p + i * TABLE, 3, TABLE);
	told(0);
	expect(change[0] == 7 && !change[1] && change[2] < 100, "seven tables are taken over, for 3584 pages");
	say("so", "the child is gone: the first store gives RW back above the table, and all its pages are the parent's again.");
	munmap(room, 9 * TABLE);
	room = fresh(9 * 512);
	watch("loan", "table_template", "table_attach", "loan_read", NULL);
	for (int i = 0; i < 3; i++)
		expect(pread(fd, p + i * TABLE, TABLE, 0) == (ssize_t)TABLE, "2 MiB are read");
	told(3);
	expect(change[0] == 1 && change[1] == 2 && change[2] == 3 * 512, "the second read() made a table for the file, and got it; so did the third");
	p[PAGE] = 'X';
	pwrite(fd, "Y", 1, 2 * PAGE);
	expect(p[TABLE + PAGE] == 'b' && p[2 * TABLE + 2 * PAGE] == 'c', "nobody sees another's change");
	say("so", "the file keeps a page table for its readers: 2 MiB are read by one store into the table above.");
	without("share_tables=0", "each page by itself, as many kernels do: 36 times the instructions to read, 6 times to fork (docs/benchmarks.md).");
	memset(p, 1, 2 * TABLE);
	watch("", "table_share", "fork_share", NULL);
	end_child(child_until(&end), end);
	told(0);
	turn("share_tables=1");
	expect(!change[0] && change[1] >= 1024, "1024 pages are shared one by one");
	munmap(room, 9 * TABLE);
	close(fd);
	unlink("/tmp/tour.table");
}

static void pins_and_fork(void)
{
	static const char want[] = "what was there when it was given";
	char *p = fresh(1), got[sizeof(want)];
	int ends[2];

	say("source", "Kara and Kosaki, Oct 2013: pinned memory and fork() do not go together, says the manual page of open(2). Here they do.");
	expect(!pipe(ends), "a pipe");
	strcpy(p, want);
	watch("", "pin", "fork_copy", "cow_copy", NULL);
	expect(vmsplice(ends[1], &(struct iovec){ p, sizeof(want) }, 1, 0) == (ssize_t)sizeof(want), "memory goes into a pipe by reference");
	pid_t child = fork();
	if (!child) {
		strcpy(p, "the child's own words, in its own page..");
		_exit(0);
	}
	waitpid(child, NULL, 0);
	told(0);
	expect(read(ends[0], got, sizeof(got)) == (ssize_t)sizeof(got) && !strcmp(got, want), "the pipe has the parent's bytes");
	say("so", "what the child stores is not seen through the parent's reference, nor the other way round.");
	close(ends[0]);
	close(ends[1]);
	munmap(p, PAGE);
}

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif
#define SWAP "/root/tour.swap"

/* A file as mkswap makes one, in use. */
static int swap_on(void)
{
	int fd = make(SWAP, 64);

	memset(block, 0, PAGE);
	block[1024] = 1;		/* version */
	block[1028] = 63;		/* last page */
	memcpy(block + PAGE - 10, "SWAPSPACE2", 10);
	pwrite(fd, block, PAGE, 0);
	close(fd);
	return (int)syscall(SYS_swapon, SWAP, 0);
}

static void swapping(void)
{
	char *p = fresh(16);

	say("source", "Torvalds, Jan 2021, rule (d): a page that is writable or pinned is never made a page of the swap cache.");
	expect(!swap_on(), "a file becomes a swap area");
	memset(p, 's', 16 * PAGE);
	watch("flush", "pswpout", "swap_pinned", "tlb_swap", NULL);
	madvise(p, 16 * PAGE, MADV_PAGEOUT);
	told(2);
	expect(change[0] == 16 && !change[1] && change[2] >= 1, "16 pages were taken from their entries, flushed, looked at for pins, written");
	watch("", "pswpin", "swap_fault", "cow_copy", "cow_reuse", NULL);
	p[0] = 'S';
	p[PAGE] = 'S';
	told(0);
	expect(change[0] == 2 && change[1] == 2 && !change[2] && !change[3] && p[1] == 's' && p[PAGE + 1] == 's', "two came back, exclusive: the stores copied nothing");
	say("so", "a swap area is one more file: its slots are a page cache, so a page on its way out is found there, and a store to it copies and does not wait.");
	say("without", "swap_pinned=1 lets pinned pages go: what a slow device writes then is lost (user/tests/guest_invswap.c, suite swap).");
	watch("", "pswpin", NULL);
	expect(!syscall(SYS_swapoff, SWAP) && p[15 * PAGE] == 's', "swapoff brings the others in");
	told(0);
	expect(change[0] >= 14, "fourteen reads");
	munmap(p, 16 * PAGE);
	unlink(SWAP);
}
