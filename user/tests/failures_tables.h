/*
 * The operations of guest_failures.c on page tables that are shared with the parent, who looks afterwards whether his memory is as it was.
 */
#pragma once

#define WINDOW (512 * PAGE)		/* what a page table has */
#define WINDOWS 3

static int two;				/* a file of one window, all 't' */
static char *wide;			/* private memory of WINDOWS windows, each page with its number: all page tables of it are shared with the operation */

static volatile int *wide_page(int i) { return (volatile int *)(wide + i * (long)PAGE); }

/* All pages but [from, to) have their numbers. */
static void look_at_wide(int from, int to)
{
	for (int i = 0; i < WINDOWS * 512; i++)
		if (i < from || i >= to)
			MUST(*wide_page(i) == i);
}

static int do_table_store(void)
{
	for (int i = 5; i < WINDOWS * 512; i += 512)
		*wide_page(i) = -i;
	for (int i = 5; i < WINDOWS * 512; i += 512) {
		MUST(*wide_page(i) == -i);
		*wide_page(i) = i;
	}
	look_at_wide(0, 0);
	return 0;
}

static int do_table_unmap(void)
{
	int failed = munmap((void *)wide_page(1020), 10 * PAGE) != 0;	/* of two tables */

	look_at_wide(failed ? 0 : 1020, failed ? 0 : 1030);
	if (!failed)
		MUST(msync((void *)wide_page(1020), PAGE, MS_ASYNC) && errno == ENOMEM);
	return failed;
}

static int do_table_protect(void)
{
	int failed = mprotect((void *)wide_page(100), 1000L * PAGE, PROT_READ) || mprotect((void *)wide_page(200), 1000L * PAGE, RW);

	look_at_wide(0, 0);
	if (!failed)
		*wide_page(1150) = 1150;
	return failed;
}

/* A part, which is moved page by page, then a whole window. */
static int do_table_move(void)
{
	volatile int *part, *rest;

	part = mremap((void *)wide_page(500), 20 * PAGE, 30 * PAGE, MREMAP_MAYMOVE);
	look_at_wide(part == MAP_FAILED ? 0 : 500, part == MAP_FAILED ? 0 : 520);
	if (part == MAP_FAILED)
		return 1;
	for (int i = 0; i < 20; i++)
		MUST(part[i * PAGE / 4] == 500 + i);
	rest = mremap((void *)wide_page(1024), WINDOW, WINDOW + PAGE, MREMAP_MAYMOVE);
	if (rest == MAP_FAILED)
		return 1;
	for (int i = 0; i < 512; i++)
		MUST(rest[i * PAGE / 4] == 1024 + i);
	return 0;
}

static int do_table_forget(void)
{
	int failed = madvise((void *)wide_page(400), 300L * PAGE, MADV_DONTNEED) != 0;

	look_at_wide(400, 700);
	for (int i = 400; i < 700; i++)
		MUST(*wide_page(i) == 0 || (failed && *wide_page(i) == i));
	return failed;
}

static int do_table_fork(void)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		*wide_page(7) = 0;
		look_at_wide(7, 8);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return 1;
	look_at_wide(0, 0);
	MUST(!WIFEXITED(status) || WEXITSTATUS(status) != 9);
	return status != 0;
}

/* The kernel writes to pages of a shared table: by a copy, by loans, by the device. */
static int do_table_read(void)
{
	int ends[2], failed;

	failed = pipe(ends) || whole(write(ends[1], "1234", 4), 4) || whole(read(ends[0], (void *)wide_page(3), 4), 4);
	MUST(*wide_page(3) == 3 || !memcmp((void *)wide_page(3), "1234", 4));
	failed |= whole(pread(f, (void *)wide_page(600), SIZE, 0), SIZE) || whole(pread(direct, (void *)wide_page(1100), SIZE, 0), SIZE);
	for (int i = 600; i < 616; i++)
		MUST(*(char *)wide_page(i) == 'o' || (failed && *wide_page(i) == i));
	look_at_wide(3, 1116);
	return failed;
}

/* `two` is read so many times, each time to new memory; in the end one byte is stored there. */
static int read_two(int times)
{
	char *memory[3], *to[3];
	int failed = 0;

	for (int i = 0; i < times; i++) {
		memory[i] = fresh(2L * WINDOW);
		if (memory[i] == MAP_FAILED)
			return 1;
		to[i] = memory[i] + -(uintptr_t)memory[i] % WINDOW;
		failed |= whole(pread(two, to[i], WINDOW, 0), WINDOW);
	}
	to[times - 1][WINDOW / 2] = 's';
	for (int i = 0; i < times; i++) {
		for (int k = 0; k < WINDOW; k += PAGE)
			MUST(to[i][k] == (i == times - 1 && k == WINDOW / 2 ? 's' : 't') || (failed && !to[i][k]));
		munmap(memory[i], 2L * WINDOW);
	}
	return failed;
}

/* The file's first reader went page by page (prepare()); the second makes a table of it, the next is given that. */
static int do_table_given(void) { return read_two(2); }

/* A file and memory whose page tables are shared. */
static void prepare_tables(void)
{
	two = open("failures.t", O_RDWR | O_CREAT | O_TRUNC, 0600);
	memset(now, 't', SIZE);
	for (int i = 0; i < WINDOW / SIZE; i++)
		MUST(two >= 0 && write(two, now, SIZE) == SIZE);
	wide = fresh((WINDOWS + 1) * (long)WINDOW);
	MUST(wide != MAP_FAILED);
	wide += -(uintptr_t)wide % WINDOW;
	for (int i = 0; i < WINDOWS * 512; i++)
		*wide_page(i) = i;
}
