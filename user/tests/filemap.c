/* Mapped files: shared and private, what read and write see of them, the last page, SIGBUS, truncate, fork, fsync. */
#include "t.h"

static char page[PAGE * 4];
static int fd;

static void show_file(const char *what)
{
	struct stat st;
	char *b = malloc(1 << 20);
	fstat(fd, &st);
	long n = pread(fd, b, 1 << 20, 0);
	SAY("%s: size %ld, read %ld, checksum %08x\n", what, (long)st.st_size, n, checksum(b, n));
	free(b);
}

int main(void)
{
	catch_faults();
	fd = open("map", O_RDWR | O_CREAT | O_TRUNC, 0644);
	pattern(page, sizeof(page), 1);
	T(write(fd, page, 2 * PAGE + 100));
	char *s = mmap(NULL, 8 * PAGE, RW, MAP_SHARED, fd, 0), *p = mmap(NULL, 8 * PAGE, RW, MAP_PRIVATE, fd, 0);
	SAY("same: %d %d\n", memcmp(s, page, 2 * PAGE + 100), memcmp(p, page, 2 * PAGE + 100));
	SAY("tail is zero: %d %d\n", s[2 * PAGE + 100], s[3 * PAGE - 1]);
	show_touch("load past the end", s + 3 * PAGE, 0);
	show_touch("store past the end", s + 3 * PAGE + 5, 1);
	show_touch("private load past the end", p + 7 * PAGE, 0);
	strcpy(s + PAGE, "shared store");
	strcpy(p, "private store");
	show_file("after stores");
	SAY("private sees shared: %s\n", p + PAGE);
	T(pwrite(fd, "written", 8, PAGE + 200));
	SAY("maps see write: %s %s\n", s + PAGE + 200, p + PAGE + 200);
	T(pwrite(fd, "WRITE", 6, 0));
	SAY("private copy does not: %s, shared: %s\n", p, s);
	s[2 * PAGE + 500] = 'x';				/* past the end, in the last page */
	T(ftruncate(fd, 4 * PAGE));
	SAY("grown tail: %d\n", s[2 * PAGE + 500]);
	show_touch("now there", s + 3 * PAGE, 1);
	show_file("grown");
	p[3 * PAGE] = 'p';
	T(ftruncate(fd, PAGE + 10));
	show_touch("truncated away", s + 2 * PAGE, 0);
	show_touch("private copy of what was truncated", p + 3 * PAGE, 0);
	show_touch("private copy of what is still there", p, 0);
	SAY("kept: %s, cut %d\n", p, s[PAGE + 11]);
	show_file("truncated");
	T(ftruncate(fd, 3 * PAGE));
	SAY("zero again: %d %d\n", s[PAGE + 200], s[2 * PAGE]);
	s[2 * PAGE] = 'm';
	T(msync(s, 8 * PAGE, MS_SYNC));
	T(fsync(fd));
	T(fdatasync(fd));
	CHILD("child stores", s[PAGE] = 'c'; p[PAGE] = 'q');
	SAY("parent: %c %c\n", s[PAGE], p[PAGE] ? p[PAGE] : '0');
	T(munmap(s, 8 * PAGE));
	show_file("unmapped");

	int ro = open("map", O_RDONLY), wo = open("map", O_WRONLY);
	OK(mmap(NULL, PAGE, RW, MAP_SHARED, ro, 0));
	OK(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, wo, 0));
	OK(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, wo, 0));
	OK(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 100));
	OK(mmap(NULL, PAGE, PROT_READ, MAP_SHARED_VALIDATE | 0x800000, fd, 0));
	char *r = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, ro, 0);
	T(mprotect(r, PAGE, RW));
	r = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, ro, 0);
	T(mprotect(r, PAGE, RW));
	r[0] = 'z';
	show_file("private copy of a read-only file");
	close(ro);
	close(wo);

	/* The mapping outlives descriptor and name. */
	s = mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0);
	int again = open("map", O_RDWR);
	T(unlink("map"));
	close(fd);
	fd = again;
	strcpy(s, "still here");
	show_file("unlinked");
	close(fd);
	SAY("%s\n", s);
	int dir = open(".", O_RDONLY);
	OK(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, dir, 0));
	int zero = open("/dev/zero", O_RDWR);
	char *z = mmap(NULL, PAGE, RW, MAP_PRIVATE, zero, 0);
	SAY("/dev/zero: %d\n", z == MAP_FAILED ? -1 : z[5]);
	int exec = open("/proc/self/exe", O_RDONLY);
	char *e = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_POPULATE, exec, 0);
	SAY("exe: %d\n", memcmp(e, "\177ELF", 4));
	return 0;
}
