/*
 * ext2: blocks of copies are reserved many at a time (fs/ext2/map.c). Two files that grow in turns, one with a hole in it, then as many as there is room for:
 * what comes back from the disk is what was copied, room is given up to the last block, and all of it comes back. tests/suite_ext2.py runs
 * e2fsck on the disk afterwards. Guest only: it looks at one file system that nobody else uses.
 */
#include "t.h"
#include <sys/statfs.h>

#define PAGE 4096UL
#define PAGES 700UL		/* of the source: a piece past the first indirect block */

static char page[PAGE];

static void fill(unsigned long n)
{
	for (unsigned i = 0; i < PAGE; i++)
		page[i] = (char)(n * 31 + i * 7 + (n >> 3));
}

static unsigned long room(void)
{
	struct statfs s;

	sync();
	return statfs("/root", &s) ? 0 : s.f_bfree;
}

/* n pages of the source from `from` on, to `to` of fd. How many arrived. */
static long copy(int source, int fd, unsigned long from, unsigned long to, unsigned long n)
{
	loff_t in = (loff_t)(from * PAGE), out = (loff_t)(to * PAGE);
	long k, done = 0;

	while (done < (long)(n * PAGE) && (k = copy_file_range(source, &in, fd, &out, n * PAGE - (size_t)done, 0)) > 0)
		done += k;
	return done / (long)PAGE;
}

/* Are pages [to, to + n) of the file, read from the disk, pages [from, from + n) of the source? */
static int same(int fd, unsigned long from, unsigned long to, unsigned long n)
{
	static char got[PAGE];

	fsync(fd);
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	for (unsigned long i = 0; i < n; i++) {
		fill(from + i);
		if (pread(fd, got, PAGE, (off_t)((to + i) * PAGE)) != (ssize_t)PAGE || memcmp(got, page, PAGE))
			return 0;
	}
	return 1;
}

static int make(const char *name) { return open(name, O_RDWR | O_CREAT | O_TRUNC, 0600); }

int main(void)
{
	int source = make("/root/runs.source"), a = make("/root/runs.a"), b = make("/root/runs.b"), files = 0, fds[64];
	unsigned long before, left;
	long n;
	char name[32];

	for (unsigned long i = 0; i < PAGES; i++) {
		fill(i);
		if (write(source, page, PAGE) != (ssize_t)PAGE)
			return 1;
	}
	before = room();
	for (unsigned long i = 0; i < 650; i += 50) {	/* in turns: runs come to an end at each other */
		if (copy(source, a, i, i, 50) != 50 || copy(source, b, i + 50, i, 37) != 37)
			return 2;
	}
	SAY("in turns: %d\n", same(a, 0, 0, 650));
	for (unsigned long i = 0; i < 650; i += 50)
		if (!same(b, i + 50, i, 37))
			return 3;
	n = copy(source, b, 100, 37, 13);
	SAY("into holes: %ld, %d\n", n, same(b, 100, 37, 13));
	n = copy(source, a, 5, 5000, 300);
	SAY("behind a hole: %ld, %d\n", n, same(a, 5, 5000, 300));
	for (files = 0; files < 64; files++) {
		long k;

		snprintf(name, sizeof(name), "/root/runs.%d", files);
		fds[files] = make(name);
		k = copy(source, fds[files], 0, 0, PAGES);
		if (!same(fds[files], 0, 0, (unsigned long)k))
			return 4;
		if (k < (long)PAGES)
			break;
	}
	left = room();		/* a page of blocks of 1 KiB takes four, and up to three of pointers: fewer may be left */
	SAY("full: %d, errno %d\n", files > 5 && files < 64 && left < 7, errno);
	for (int i = 0; i <= files && i < 64; i++) {
		snprintf(name, sizeof(name), "/root/runs.%d", i);
		close(fds[i]);
		unlink(name);
	}
	ftruncate(a, 0);
	ftruncate(b, 0);
	left = room();
	SAY("given back: %d\n", left == before);
	return 0;
}
