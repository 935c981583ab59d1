/*
 * INV-E8 and stable pages on slow devices (ramdisk_latency_us=, so that what is under way can be met; --icount, so that the host's load does not
 * matter). Turns /dev/ram1 (swap_mb=) into a swap area. With swap_pinned=1 the first test sees what is lost.
 */
#include "inv.h"
#include <pthread.h>

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif
#ifndef O_DIRECT
#define O_DIRECT 040000
#endif

static void turn_on(void)
{
	static unsigned char page[PAGE];
	int fd = open("/dev/ram1", O_RDWR);

	memcpy(page + PAGE - 10, "SWAPSPACE2", 10);
	*(uint32_t *)(page + 1024) = 1;
	*(uint32_t *)(page + 1028) = 200;
	CHECK(fd >= 0 && pwrite(fd, page, PAGE, 0) == (long)PAGE);
	close(fd);
	CHECK(!syscall(SYS_swapon, "/dev/ram1", 0) || errno == EBUSY);
}

static bool resident(void *p)
{
	unsigned char c;

	CHECK(!mincore(p, PAGE, &c));
	return c & 1;
}

static struct { int fd; unsigned char *m; long got; } dio;
static void *read_directly(void *arg)
{
	dio.got = pread(dio.fd, dio.m, PAGE, PAGE);
	return arg;
}

INV(INV_E8_pinned, "while a device writes to a page, it is not swapped out; what the device wrote is what the program sees")
{
	pthread_t thread;
	long pins;

	turn_on();
	int fd = make_file(3, 4 * PAGE);
	char name[64];
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	dio.fd = open(name, O_RDONLY | O_DIRECT);
	CHECK(dio.fd >= 0);
	dio.m = mmap(NULL, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(dio.m, 'o', PAGE);
	pins = counter("pin");
	CHECK(!pthread_create(&thread, NULL, read_directly, NULL));
	while (counter("pin") == pins)
		sched_yield();
	CHECK(!madvise(dio.m, PAGE, MADV_PAGEOUT));
	bool stayed = resident(dio.m);
	CHECK(dio.m[0] == 'o');			/* or the device was faster, and nothing is shown */
	pthread_join(thread, NULL);
	EQUAL(dio.got, PAGE);
	for (size_t i = 0; i < PAGE; i++)
		EQUAL(dio.m[i], byte_at(3, PAGE + i));
	CHECK(stayed);
	CHECK(!madvise(dio.m, PAGE, MADV_PAGEOUT));
	CHECK(!resident(dio.m));			/* it goes when the pin is gone */
	EQUAL(dio.m[5], byte_at(3, PAGE + 5));
}

INV(INV_E8_exclusive_across, "a page that was the program's alone is so when it comes back: a store does not copy; no other holder is left behind")
{
	unsigned char *p = mmap(NULL, 2 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	turn_on();
	memset(p, 'x', 2 * PAGE);
	CHECK(!madvise(p, 2 * PAGE, MADV_PAGEOUT));
	CHECK(!resident(p) && p[0] == 'x' && resident(p));
	for (int i = 0; i < 2; i++)			/* counter()'s own memory was copied for this child by then */
		counter("cow_copy");
	long copies = counter("cow_copy"), reuses = counter("cow_reuse");
	p[0] = 'y';
	EQUAL(counter("cow_copy") - copies, 0);
	EQUAL(counter("cow_reuse") - reuses, 0);
	CHECK(p[0] == 'y' && p[1] == 'x' && p[PAGE] == 'x');
}

static unsigned char *going;
static void *send_out(void *arg)
{
	madvise(going, PAGE, MADV_PAGEOUT);
	return arg;
}

INV(INV_W3_swap_write, "a store to a page that is on its way out waits for nothing: it goes to a copy, and the device reads stable data")
{
	pthread_t thread;
	long writes, errors = counter("swap_error");

	turn_on();
	going = mmap(NULL, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(going, '1', PAGE);
	writes = counter("pswpout");
	long copies = counter("cow_copy"), reads = counter("pswpin");
	CHECK(!pthread_create(&thread, NULL, send_out, NULL));
	while (counter("pswpout") == writes)
		sched_yield();
	going[7] = '2';
	CHECK(counter("cow_copy") > copies);
	EQUAL(counter("pswpin"), reads);
	CHECK(going[7] == '2' && going[8] == '1');
	pthread_join(thread, NULL);
	CHECK(going[7] == '2' && going[8] == '1');
	EQUAL(counter("swap_error"), errors);
}

INV(INV_W3_stable_writeback, "a write() and a store to a page under writeback wait for nothing: the page is replaced by a copy, and both get to the disk")
{
	int fd = make_file(4, 2 * PAGE);
	unsigned char *m = map_file(fd, PAGE, RW, MAP_SHARED), c = 'w';
	long breaks, waits, writes;

	for (int round = 0; round < 2; round++) {
		CHECK(!fsync(fd));
		m[10] = 'a';
		writes = counter("writeback");
		CHECK(!sync_file_range(fd, 0, PAGE, SYNC_FILE_RANGE_WRITE));	/* begins */
		EQUAL(counter("writeback") - writes, 1);
		breaks = counter("write_break") + counter("write_swap");
		waits = counter("page_lock_wait");
		if (round)
			m[20] = c;
		else
			EQUAL(pwrite(fd, &c, 1, 20), 1);
		EQUAL(counter("page_lock_wait"), waits);
		CHECK(counter("write_break") + counter("write_swap") > breaks);	/* it was under way, or nothing was shown */
		c++;
	}
	CHECK(!fsync(fd));
	munmap(m, PAGE);
	forget(fd);
	unsigned char got[32];
	EQUAL(pread(fd, got, sizeof(got), 0), sizeof(got));
	CHECK(got[10] == 'a' && got[20] == 'w' + 1);
}

int main(int argc, char **argv) { return inv_main(argc, argv); }
