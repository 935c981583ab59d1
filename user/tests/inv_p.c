/*
 * Page tables that several processes have by fork: the invariants INV-P of docs/mechanisms.md, as far as any Unix keeps them. Whatever one does to its
 * windows (tables.h), nobody else sees. Every operation by two processes: user/tests/tables.c; threads:
 * inv_pthreads.c; tables that come from read(): inv_pfile.c.
 */
#include "tables.h"

#ifndef O_DIRECT
#define O_DIRECT 040000
#endif

/* --- P1: nobody changes what others have --- */

INV(INV_P1_generations, "seven generations, each forked from the last and storing to pages of its own: each has its own and its ancestors' values, whoever ends first")
{
	for (int oldest_first = 0; oldest_first < 2; oldest_first++) {
		int ready[2], all[2];
		char c;

		CHECK(!pipe(ready) && !pipe(all));
		make_windows();
		put_each(0, PAGES, chosen);
		for (unsigned g = 0; g < 7; g++) {
			pid_t pid = fork();

			CHECK(pid >= 0);
			if (pid) {		/* the ancestor waits, or goes on and ends; what it has must not change */
				if (!oldest_first)
					EQUAL(wait_for(pid), 0);
				EQUAL(wrong_page(false), -1);
				if (g)
					_exit(0);
				close(all[1]);
				EQUAL(read(all[0], &c, 1), 1);	/* the last one says so, and has ended by the time the pipe does */
				EQUAL(read(all[0], &c, 1), 0);
				EQUAL(wrong_page(true), -1);
				drop_windows();
				if (oldest_first)
					EQUAL(wait_for(pid), 0);
				break;
			}
			tag = 10 + g;
			for (unsigned i = g; i < PAGES; i += 97)
				put(i);
			EQUAL(wrong_page(false), -1);
			if (g == 6) {
				EQUAL(wrong_page(true), -1);
				EQUAL(write(all[1], "x", 1), 1);
				_exit(0);
			}
		}
	}
}

INV(INV_P1_siblings, "eight children of one process, all there at once, store to the same pages in turn, and the parent between them")
{
	int to[8][2], from[2];
	pid_t pids[8];

	make_windows();
	put_each(0, PAGES, chosen);
	CHECK(!pipe(from));
	for (unsigned k = 0; k < 8; k++) {
		CHECK(!pipe(to[k]));
		pids[k] = fork();
		if (pids[k])
			continue;
		tag = 10 + k;
		for (int round = 0; round < 3; round++) {
			take(to[k]);
			EQUAL(wrong_page(false), -1);
			for (unsigned i = round; i < PAGES; i += 61)
				put(i);
			EQUAL(wrong_page(false), -1);
			give(from);
		}
		_exit(0);
	}
	for (int round = 0; round < 3; round++)
		for (unsigned k = 0; k < 8; k++) {
			give(to[(k * 3 + round) % 8]);
			take(from);
			tag = 100 + k;
			put(k * 60);
			EQUAL(wrong_page(false), -1);
		}
	for (unsigned k = 0; k < 8; k++)
		EQUAL(wait_for(pids[k]), 0);
	EQUAL(wrong_page(true), -1);
}

/* --- P2: who changes something has his own from then on --- */

INV(INV_P2_exec, "a child that has it all calls execve, or ends by a signal: nothing of the parent's changes; again, with stores between")
{
	make_windows();
	put_each(0, PAGES, chosen);
	for (int round = 0; round < 6; round++) {
		pid_t pid = round == 3 ? vfork() : fork();

		if (!pid) {
			if (round == 5)
				raise(SIGKILL);
			execl("/proc/self/exe", "inv_p", "INV_P_none", NULL);
			_exit(1);
		}
		if (round & 1)
			put(round * 50);
		EQUAL(WIFSIGNALED(wait_for(pid)), round == 5);
		EQUAL(wrong_page(false), -1);
		put(round * 50 + 1);
	}
	EQUAL(wrong_page(true), -1);
}

/* What smaps says of [base, base + windows), in pages. */
static long usage(const char *key)
{
	char line[300];
	FILE *f = fopen("/proc/self/smaps", "r");
	unsigned long at = 0, start, end, sum = 0, kb;

	CHECK(f);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			at = start;
		else if (at >= (uintptr_t)base && at < (uintptr_t)base + ROOM * WINDOW && !strncmp(line, key, strlen(key)) && sscanf(line + strlen(key), ": %lu", &kb) == 1)
			sum += kb;
	}
	fclose(f);
	return sum / 4;
}
static long shared(void) { return usage("Shared_Clean") + usage("Shared_Dirty"); }
static long private(void) { return usage("Private_Clean") + usage("Private_Dirty"); }

INV(INV_P2_accounts, "smaps: pages that are there, shared and private, proportional; after fork, a store, mprotect, MADV_DONTNEED, munmap, in child and parent, and when the child is gone")
{
	int up[2], down[2];

	make_windows();
	put_each(0, PAGES, chosen);
	EQUAL(usage("Rss"), 344);
	EQUAL(private(), 344);
	CHECK(!pipe(up) && !pipe(down));
	pid_t pid = fork();
	if (!pid) {
		EQUAL(usage("Rss"), 344);
		EQUAL(usage("Pss"), 172);
		EQUAL(usage("Anonymous"), 344);
		EQUAL(shared(), 344);
		give(up);
		take(down);
		put(0), put(1), put(PER_WINDOW);
		EQUAL(private(), 3);
		EQUAL(shared(), 341);
		put(310);				/* was absent */
		EQUAL(usage("Rss"), 345);
		CHECK(!madvise(base + 290 * PAGE, PAGE * 20, MADV_DONTNEED));
		EQUAL(usage("Rss"), 335);
		EQUAL(shared(), 331);
		CHECK(!mprotect(base, 100 * PAGE, PROT_READ));
		EQUAL(shared(), 331);
		CHECK(!munmap(base + WINDOW, WINDOW));
		EQUAL(usage("Rss"), 295);
		give(up);
		take(down);
		_exit(0);
	}
	take(up);
	EQUAL(shared(), 344);
	EQUAL(usage("Pss"), 172);
	give(down);
	take(up);
	EQUAL(usage("Rss"), 344);
	EQUAL(shared(), 344 - 2 - 40 - 10);
	EQUAL(private(), 52);
	give(down);
	EQUAL(wait_for(pid), 0);
	EQUAL(private(), 344);
	EQUAL(usage("Pss"), 344);
	EQUAL(wrong_page(true), -1);
}

static long other(pid_t pid, unsigned i, bool write_it)
{
	uint64_t value = write_it ? 0xabcd : 0;
	struct iovec l = { &value, 8 }, r = { page[i].at + 64, 8 };

	if (write_it)
		return process_vm_writev(pid, &l, 1, &r, 1, 0);
	EQUAL(process_vm_readv(pid, &l, 1, &r, 1, 0), 8);
	return (long)value;
}

INV(INV_P2_from_outside, "process_vm_writev and readv into a child's memory and a parent's: only that process's memory changes")
{
	int up[2], down[2];

	make_windows();
	put_each(0, PAGES, any);
	CHECK(!pipe(up) && !pipe(down));
	pid_t parent = getpid(), pid = fork();
	if (!pid) {
		long mine;

		take(down);
		memcpy(&mine, page[9].at + 64, 8);
		EQUAL(mine, 0xabcd);
		mine = other(parent, 11, true);		/* may be forbidden: it is the parent */
		CHECK(mine == 8 || errno == EPERM);
		memcpy(&mine, page[11].at + 64, 8);
		EQUAL(mine, 0);
		give(up);
		take(down);
		_exit(wrong_page(true) >= 0);
	}
	EQUAL(other(pid, 9, true), 8);
	EQUAL(other(pid, 9, false), 0xabcd);
	EQUAL(*(volatile uint64_t *)(page[9].at + 64), 0);
	EQUAL(other(pid, 10, false), 0);
	give(down);
	take(up);
	EQUAL(other(pid, 11, false), 0);
	give(down);
	EQUAL(wait_for(pid), 0);
	EQUAL(wrong_page(true), -1);
}

/* --- P4: a right is what all levels allow --- */

/* Pages in windows of their own: what comes first does not make the window the caller's alone. */
#define DIRECT (PER_WINDOW + 30)
#define GIVEN (2 * PER_WINDOW + 88)

INV(INV_P4_system_calls, "read(), direct reads, vmsplice of inherited windows, by child and by parent: only the caller's change")
{
	int fd = make_file(0, 16 * PAGE), direct, ends[2];
	char name[64], got[8];

	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	direct = open(name, O_RDWR | O_DIRECT);
	for (int child_does = 0; child_does < 2; child_does++) {
		int up[2], down[2];

		make_windows();
		put_each(0, PAGES, any);
		CHECK(!pipe(up) && !pipe(down) && !pipe(ends));
		pid_t pid = fork();
		bool doer = child_does == !pid;
		if (doer) {
			EQUAL(read(fd, page[20].at + 100, 50), 50);	/* copies into what it may not store to yet */
			EQUAL(wrong_at(page[20].at + 100, 50, 0, 0), -1);
			memset(page[20].at + 100, 0, 50);
			EQUAL(lseek(fd, 0, SEEK_SET), 0);
			if (direct >= 0) {
				EQUAL(pread(direct, page[DIRECT].at, 4 * PAGE, 0), 4 * PAGE);
				EQUAL(wrong_at(page[DIRECT].at, 4 * PAGE, 0, 0), -1);
			}
			for (unsigned i = DIRECT; i < DIRECT + 4; i++) {
				memset(page[i].at, 0, PAGE);
				put(i);
			}
			EQUAL(vmsplice(ends[1], &(struct iovec){ page[GIVEN].at, 8 }, 1, 0), 8);
			unsigned was = page[GIVEN].value, now = 0;
			if (pid)		/* the pipe may show what is stored to the page later, but not what another process stores */
				give(down), take(up);
			EQUAL(read(ends[0], got, 8), 8);
			memcpy(&now, got, 4);
			EQUAL(now, was);
			tag = 3;
			put(GIVEN);
			EQUAL(wrong_page(true), -1);
		} else {
			if (!pid)
				take(down);
			tag = 4;
			put(GIVEN), put(20), put(DIRECT + 1);
			EQUAL(wrong_page(true), -1);
			if (!pid)
				give(up);
		}
		if (!pid)
			_exit(0);
		EQUAL(wait_for(pid), 0);
		EQUAL(wrong_page(true), -1);
		drop_windows();
		tag = 1;
		for (int i = 0; i < 2; i++)
			close(up[i]), close(down[i]), close(ends[i]);
	}
}

INV(INV_P4_read_only, "windows that were made read-only before or after the fork stay so for system calls and stores; what may store again changes only its own")
{
	int fd = make_file(0, PAGE);

	catch_faults();
	for (int before = 0; before < 2; before++) {
		make_windows();
		put_each(0, PAGES, any);
		if (before)
			CHECK(!mprotect(base, WINDOW, PROT_READ));
		pid_t pid = fork();
		if (!pid) {
			if (!before)
				CHECK(!mprotect(base, WINDOW, PROT_READ));
			EQUAL(pread(fd, page[7].at, 100, 0), -1);
			EQUAL(errno, EFAULT);
			EQUAL(touch((volatile char *)page[7].at, 1), SIGSEGV);
			CHECK(!mprotect(base, WINDOW, RW));
			tag = 2;
			put(7);
			_exit(wrong_page(true) >= 0);
		}
		EQUAL(wait_for(pid), 0);
		EQUAL(wrong_page(true), -1);
		EQUAL(touch((volatile char *)page[7].at, 1), before ? SIGSEGV : 0);
		drop_windows();
	}
}

int main(int argc, char **argv) { return inv_main(argc, argv); }
