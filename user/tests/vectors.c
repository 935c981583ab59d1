/* readv and writev: order, partial counts, bad segments in the middle (LTP writev03, writev07), limits, positions. */
#include "t.h"

static char a[3 * PAGE], b[3 * PAGE];
static int fd;

static void show_file(void)
{
	static char all[64 * PAGE];
	long n = pread(fd, all, sizeof(all), 0);
	SAY("  file: %ld bytes %08x, position %ld\n", n, checksum(all, n), (long)lseek(fd, 0, SEEK_CUR));
}
static void fresh(void)
{
	ftruncate(fd, 0);
	lseek(fd, 0, SEEK_SET);
	pattern(a, sizeof(a), 9);
	pwrite(fd, a, 2 * PAGE, 0);
}

int main(void)
{
	char *hole = mmap(NULL, 3 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct iovec v[1200];
	int p[2];
	munmap(hole + PAGE, PAGE);
	pattern(hole, PAGE, 1);
	pattern(hole + 2 * PAGE, PAGE, 2);
	fd = open("vec", O_RDWR | O_CREAT | O_TRUNC, 0644);

	fresh();
	for (int i = 0; i < 64; i++)
		v[i] = (struct iovec){ a + i * 50, i };
	T(writev(fd, v, 64));
	show_file();
	v[0] = (struct iovec){ a, 100 };
	v[1] = (struct iovec){ hole + PAGE, 100 };
	v[2] = (struct iovec){ a + 200, 100 };
	T(writev(fd, v, 3));				/* bad in the middle */
	show_file();
	v[0] = (struct iovec){ hole + PAGE, 100 };
	T(writev(fd, v, 3));				/* bad first */
	show_file();
	v[0] = (struct iovec){ NULL, 0 };
	v[1] = (struct iovec){ a, 10 };
	v[2] = (struct iovec){ NULL, 0 };
	T(writev(fd, v, 3));
	v[1] = (struct iovec){ NULL, 0 };
	T(writev(fd, v, 3));
	show_file();
	v[0] = (struct iovec){ a, -1UL };
	T(writev(fd, v, 1));
	T(writev(fd, v, -1));
	T(writev(fd, v, 1025));
	T(writev(fd, v, 0));
	for (int i = 0; i < 1024; i++)
		v[i] = (struct iovec){ a + i, 3 };
	T(writev(fd, v, 1024));
	show_file();

	/* a source that ends inside the page, at every kind of target */
	for (int i = 0; i < 6; i++) {
		static const long target[] = { 0, 100, PAGE, PAGE - 50, 2 * PAGE, 5 * PAGE + 1 };
		fresh();
		long r = pwrite(fd, hole + PAGE - 300, PAGE, target[i]);
		if (r == -1)
			SAY("pwrite at %ld: %s\n", target[i], strerror(errno));
		else
			SAY("pwrite at %ld: got bytes: %d\n", target[i], r > 0 && r <= 300);
		ftruncate(fd, target[i] + (r > 0 ? 0 : 0));
		show_file();
	}
	T(pwrite(fd, hole + PAGE, 10, 3) );
	T(pwrite(fd, hole + PAGE, 0, 3));

	/* reading */
	fresh();
	v[0] = (struct iovec){ b, 10 };
	v[1] = (struct iovec){ b + 100, 0 };
	v[2] = (struct iovec){ b + 200, 5000 };
	T(readv(fd, v, 3));
	SAY("%d %d\n", memcmp(b, a, 10), memcmp(b + 200, a + 10, 5000));
	v[1] = (struct iovec){ hole + PAGE, 10 };
	T(lseek(fd, 0, SEEK_SET));
	T(readv(fd, v, 3));
	SAY("position %ld\n", (long)lseek(fd, 0, SEEK_CUR));
	v[0] = (struct iovec){ (void *)show_file, 10 };
	T(readv(fd, v, 1));
	T(preadv(fd, v + 2, 1, 2 * PAGE - 5));
	T(preadv(fd, v + 2, 1, -5));
	T(read(fd, hole + PAGE, 0));
	T(pipe(p));
	v[0] = (struct iovec){ "one ", 4 };
	v[1] = (struct iovec){ "two", 3 };
	T(writev(p[1], v, 2));
	v[0] = (struct iovec){ b, 2 };
	v[1] = (struct iovec){ b + 2, 100 };
	T(readv(p[0], v, 2));
	SAY("%.7s\n", b);
	T(preadv(p[0], v, 2, 0));
	unlink("vec");
	return 0;
}
