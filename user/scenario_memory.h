/*
 * Scenarios of user/scenario.c, of a program's own memory: fork() against stores, swapping, munmap() against a copy. What they use, check with and tell by is there.
 */
#pragma once

/* --- fork against faults: the child has one moment's memory, and neither sees the other's --- */

static volatile int *first, *second;

static void *count_up(void *unused)
{
	for (int i = 1; i <= 12; i++) {
		*first = i;
		*second = i;
	}
	return NULL;
}

static void look_at_snapshot(void)
{
	int a = *first, b = *second;

	if (a != b && a != b + 1)
		_exit(1);
	*first = 99;
	for (int i = 0; i < 20; i++)
		if (*second != b || *first != 99)
			_exit(2);
}

/* What the child said, and what the parent has. */
static void look_at_both(int status)
{
	CHECK(WEXITSTATUS(status) != 1, "the child's two pages are of different moments");
	CHECK(status == 0, "the child's memory changed under it");
	CHECK(*first == 12 && *second == 12, "the parent has %d %d", *first, *second);
	munmap((void *)first, PAGE);
	munmap((void *)second, PAGE);
}

static void fork_fault(void)
{
	pthread_t thread;
	pid_t child;

	first = mmap(NULL, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	second = mmap(NULL, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pthread_create(&thread, NULL, count_up, NULL);
	child = start(look_at_snapshot);
	pthread_join(thread, NULL);
	look_at_both(end(child));
}

/* --- the same while these pages go out to a swap area and come back (without one: MADV_PAGEOUT does nothing) --- */

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

/* /dev/ram1 of Cowslip (swap_mb=), if it is there: nowhere else is it known to be ours. */
static void swap_on(void)
{
	static char header[PAGE];
	int fd = access("/proc/explore", W_OK) ? -1 : open("/dev/ram1", O_RDWR);

	if (fd < 0)
		return;
	memcpy(header + PAGE - 10, "SWAPSPACE2", 10);
	header[1024] = 1;
	header[1028] = 100;
	if (write(fd, header, PAGE) == (ssize_t)PAGE)
		syscall(SYS_swapon, "/dev/ram1", 0);	/* on already: EBUSY */
	close(fd);
}

static void page_out(void)
{
	madvise((void *)first, PAGE, MADV_PAGEOUT);
	madvise((void *)second, PAGE, MADV_PAGEOUT);
}

static void *page_out_often(void *unused)
{
	for (int i = 0; i < 4; i++)
		page_out();
	return NULL;
}

static void look_and_page_out(void)
{
	page_out();
	look_at_snapshot();
	page_out();
	if (*first != 99)
		_exit(3);
}

static void swap_fork(void)
{
	pthread_t thread, pager;
	pid_t child;

	swap_on();
	first = mmap(NULL, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	second = mmap(NULL, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pthread_create(&thread, NULL, count_up, NULL);
	pthread_create(&pager, NULL, page_out_often, NULL);
	child = start(look_and_page_out);
	pthread_join(thread, NULL);
	pthread_join(pager, NULL);
	look_at_both(end(child));
}

/* --- munmap against a copy in progress: what was copied is right, the rest is missing --- */

static char *map;
static void *unmap_second(void *unused)
{
	munmap(map + PAGE, PAGE);
	return NULL;
}

static void munmap_copy(void)
{
	pthread_t thread;
	ssize_t n;

	fd1 = file("mc", 0, 0);
	map = mmap(NULL, 4 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(map, 'm', 4 * PAGE);
	pthread_create(&thread, NULL, unmap_second, NULL);
	n = pwrite(fd1, map, 4 * PAGE, 0);
	pthread_join(thread, NULL);
	CHECK(n >= PAGE && n <= 4 * PAGE, "write gave %ld", (long)n);
	CHECK(load(fd1) == (size_t)n && all(0, (size_t)n, 'm'), "what was written");
	munmap(map, 4 * PAGE);
	/* And into the memory. */
	map = mmap(NULL, 4 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	close(fd1);
	fd1 = file("mc", 4 * PAGE, 'r');
	pthread_create(&thread, NULL, unmap_second, NULL);
	n = pread(fd1, map, 4 * PAGE, 0);
	pthread_join(thread, NULL);
	CHECK(n >= PAGE && n <= 4 * PAGE, "read gave %ld", (long)n);
	memcpy(content, map, PAGE);
	CHECK(all(0, PAGE, 'r'), "what was read");
	munmap(map, 4 * PAGE);
	close(fd1);
}
