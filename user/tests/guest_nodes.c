/*
 * Several device nodes of one disk, /dev/ram1 (swap_mb=), on different file systems: one cache, one size, one write() at a time. The current directory is on another,
 * slow disk (ramdisk_latency_us=). Prints "ok" and what for each part; with a name that part alone.
 */
#include "inv.h"
#include <linux/fs.h>
#include <sys/sysmacros.h>

#define PAGES 8		/* too few to be lent: these can be dropped */
#define SIZE (PAGES * PAGE)

static int a, b;			/* one node each */
static unsigned char *seen;		/* what b maps */

static unsigned char at_page(int fd, int page)
{
	unsigned char c;

	CHECK(pread(fd, &c, 1, page * (off_t)PAGE) == 1);
	return c;
}

static void fill(int fd, int c)
{
	static char __attribute__((aligned(PAGE))) bytes[SIZE];

	memset(bytes, c, SIZE);
	CHECK(pwrite(fd, bytes, SIZE, 0) == SIZE);
}

static int resident(void)
{
	unsigned char in[PAGES];
	int n = 0;

	CHECK(!mincore(seen, SIZE, in));
	for (int i = 0; i < PAGES; i++)
		n += in[i] & 1;
	return n;
}

/* What one writes the other reads, maps, and reads past the cache, if it goes past it. */
static void one_cache(void)
{
	int direct = open("/dev/other", O_RDWR | O_DIRECT);

	CHECK(direct >= 0);
	fill(a, 'a');
	CHECK(at_page(b, 3) == 'a' && seen[5 * PAGE] == 'a');
	seen[6 * PAGE] = 'm';
	CHECK(at_page(a, 6) == 'm');
	fill(direct, 'd');
	CHECK(at_page(a, 0) == 'd' && at_page(b, 6) == 'd' && seen[7 * PAGE] == 'd');
	fill(b, 'b');
	CHECK(pread(direct, NULL, 0, 0) == 0);
	char *page = mmap(NULL, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(pread(direct, page, PAGE, PAGE) == (ssize_t)PAGE && page[7] == 'b');
	close(direct);
	SAY("ok one cache\n");
}

static void one_size(void)
{
	uint64_t bytes[2];

	CHECK(!ioctl(a, BLKGETSIZE64, &bytes[0]) && !ioctl(b, BLKGETSIZE64, &bytes[1]));
	CHECK(bytes[0] == bytes[1] && lseek(a, 0, SEEK_END) == (off_t)bytes[0] && lseek(b, 0, SEEK_END) == (off_t)bytes[0]);
	CHECK(pwrite(b, "x", 1, (off_t)bytes[0]) < 0 && errno == ENOSPC);
	SAY("ok one size\n");
}

/* Hints and syncs through one are about what the other wrote. */
static void hints(void)
{
	long written;

	fill(a, 'h');
	written = counter("writeback");
	CHECK(!sync_file_range(b, 0, SIZE, SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER));
	CHECK(counter("writeback") >= written + PAGES);
	(void)*(volatile unsigned char *)seen;
	CHECK(resident() == PAGES);
	CHECK(!posix_fadvise(b, 0, SIZE, POSIX_FADV_DONTNEED));
	EQUAL(resident(), 0);
	CHECK(!readahead(a, 0, SIZE));
	CHECK(resident() == PAGES);
	SAY("ok hints\n");
}

static void o_sync(void)
{
	int fd = open("/tmp/node", O_WRONLY | O_SYNC);
	long written = counter("writeback");

	fill(fd, 's');
	CHECK(counter("writeback") >= written + PAGES);
	close(fd);
	SAY("ok O_SYNC\n");
}

/* A write waits in its middle, for its source; another, by the other node, comes meanwhile: all bytes are of the one or all of the other. */
static void one_at_a_time(void)
{
	int fd = open("file", O_RDWR | O_CREAT | O_TRUNC, 0600), status;
	char *source = mmap(NULL, SIZE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned char first;
	pid_t pid;

	fill(fd, 'A');
	memset(source, 'A', SIZE);
	CHECK(mmap(source + SIZE / 2, SIZE / 2, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, SIZE / 2) == source + SIZE / 2);
	CHECK(!fsync(fd) && !posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
	fill(b, '-');
	pid = fork();
	if (!pid)
		_exit(pwrite(a, source, SIZE, 0) != SIZE);
	while (at_page(b, 0) != 'A') {
		CHECK(waitpid(pid, &status, WNOHANG) == 0);
		sched_yield();
	}
	fill(b, 'B');
	CHECK(waitpid(pid, &status, 0) == pid && !status);
	first = at_page(a, 0);
	CHECK(first == 'A' || first == 'B');
	for (int i = 1; i < PAGES; i++)
		EQUAL(at_page(a, i), first);
	SAY("ok one write at a time\n");
}

static const struct part {
	const char *name;
	void (*run)(void);
} parts[] = { { "one_cache", one_cache }, { "one_size", one_size }, { "hints", hints }, { "o_sync", o_sync }, { "one_at_a_time", one_at_a_time } };

int main(int argc, char **argv)
{
	struct stat st;

	CHECK(!stat("/dev/ram1", &st) && S_ISBLK(st.st_mode));
	unlink("/tmp/node");
	unlink("/dev/other");
	CHECK(!mknod("/tmp/node", S_IFBLK | 0600, st.st_rdev) && !mknod("/dev/other", S_IFBLK | 0600, st.st_rdev));
	a = open("/tmp/node", O_RDWR);
	b = open("/dev/other", O_RDWR);
	CHECK(a >= 0 && b >= 0);
	seen = mmap(NULL, SIZE, RW, MAP_SHARED, b, 0);
	CHECK(seen != MAP_FAILED);
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		if (argc < 2 || !strcmp(argv[1], parts[i].name))
			parts[i].run();
	return 0;
}
