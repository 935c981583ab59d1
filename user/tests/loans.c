/*
 * read(), write() and copy_file_range() of whole pages, which Cowslip does by handing frames over (mm/loan.h): every byte is where copying
 * would have put it, and no later store, write, truncate or fork shows on the other side. Each part is named after the invariant
 * of the design that it shows.
 */
#include "t.h"

#define N 40UL				/* pages in a file */
static unsigned char want[N * PAGE], other[N * PAGE], back[N * PAGE];
static int fd;

static int make(const char *name, const void *from, size_t n)
{
	int f = open(name, O_RDWR | O_CREAT | O_TRUNC, 0644);

	if (f < 0 || write(f, from, n) != (ssize_t)n)
		SAY("%s cannot be made\n", name);
	return f;
}
static unsigned char *fresh(size_t n) { return mmap(NULL, n, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); }
static void same(const char *what, const void *a, const void *b, size_t n) { SAY("%s: %s\n", what, memcmp(a, b, n) ? "DIFFERS" : "same"); }
static void file_is(const char *what, int f, const void *b, size_t n)
{
	memset(back, 0xee, sizeof(back));
	ssize_t got = pread(f, back, sizeof(back), 0);
	SAY("%s: %zd bytes, %s\n", what, got, got == (ssize_t)n && !memcmp(back, b, n) ? "same" : "DIFFER");
}

/* For every start, length and place in the page, into memory that is untouched, lent, or the program's own. */
static void inv_r1(void)
{
	unsigned bad = 0, runs = 0;

	for (unsigned state = 0; state < 3; state++)
		for (unsigned off = 0; off < 3; off++)
			for (unsigned at = 0; at < 3; at++)
				for (size_t n = PAGE - 1; n <= 3 * PAGE + 1; n += PAGE / 2 + (n % PAGE ? 1 : 0)) {
					static const unsigned shift[] = { 0, 1, PAGE - 1 };
					unsigned char *p = fresh(6 * PAGE);
					if (state == 1)
						pread(fd, p, 5 * PAGE, 7 * PAGE);
					if (state == 2)
						memset(p, 7, 6 * PAGE);
					ssize_t got = pread(fd, p + shift[at], n, 2 * PAGE + shift[off]);
					bad += got != (ssize_t)n || memcmp(p + shift[at], want + 2 * PAGE + shift[off], n) != 0;
					for (size_t i = 0; i < shift[at]; i++)
						bad += p[i] != (state == 0 ? 0 : state == 1 ? want[7 * PAGE + i] : 7);
					runs++;
					munmap(p, 6 * PAGE);
				}
	SAY("INV-R1: %u reads, %u wrong\n", runs, bad);
}

/* What happens to one side is not seen on the other. */
static void inv_r4(void)
{
	unsigned char *p = fresh(N * PAGE), *m = mmap(NULL, N * PAGE, RW, MAP_SHARED, fd, 0), *q = fresh(N * PAGE);

	pread(fd, p, N * PAGE, 0);
	pread(fd, q, N * PAGE, 0);
	memset(p + 3 * PAGE, 'p', PAGE);
	same("INV-R4: a store to the buffer and the file", m, want, N * PAGE);
	same("INV-R4: a store to the buffer and another reader", q, want, N * PAGE);
	memcpy(other, want, sizeof(other));
	memset(other + 5 * PAGE, 'w', 2 * PAGE + 10);
	pwrite(fd, other + 5 * PAGE, 2 * PAGE + 10, 5 * PAGE);
	other[9 * PAGE] = m[9 * PAGE] = 's';
	same("INV-R4: write() and shared store, the mapping", m, other, N * PAGE);
	same("INV-R4: write() and shared store, the buffer", q, want, N * PAGE);
	fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 12 * PAGE, 2 * PAGE);
	ftruncate(fd, 20 * PAGE + 100);
	same("INV-R4, R11: punched and truncated, the buffer", q, want, N * PAGE);
	ftruncate(fd, N * PAGE);
	memset(other + 12 * PAGE, 0, 2 * PAGE);
	memset(other + 20 * PAGE + 100, 0, N * PAGE - 20 * PAGE - 100);
	file_is("INV-R4: the file", fd, other, N * PAGE);
	memset(q, 'q', N * PAGE);
	file_is("INV-R4: the file after stores to all of the buffer", fd, other, N * PAGE);
	pwrite(fd, want, N * PAGE, 0);
	munmap(p, N * PAGE);
	munmap(q, N * PAGE);
	munmap(m, N * PAGE);
}

/* Mapped shared and stored to while it is read: each read has what was stored before it. */
static void inv_r10(void)
{
	unsigned char *m = mmap(NULL, N * PAGE, RW, MAP_SHARED, fd, 0);
	unsigned bad = 0;

	for (unsigned i = 0; i < 20; i++) {
		unsigned char *p = fresh(N * PAGE);
		memset(m + (i % N) * PAGE, i, PAGE);
		pread(fd, p, N * PAGE, 0);
		bad += p[(i % N) * PAGE] != i || memcmp(p, m, N * PAGE) != 0;
		m[(i % N) * PAGE] = 99;
		bad += p[(i % N) * PAGE] != i;
		munmap(p, N * PAGE);
	}
	SAY("INV-R10: %u wrong\n", bad);
	memcpy(m, want, N * PAGE);
	munmap(m, N * PAGE);
}

/* The same buffer again, with other data, by threads of control that share it, in parts. */
static void inv_r7(void)
{
	int f2 = make("loans.r7", other, sizeof(other));
	unsigned char *p = fresh(N * PAGE);
	unsigned bad = 0;

	for (unsigned i = 0; i < 50; i++) {
		pread(i % 2 ? f2 : fd, p, N * PAGE, 0);
		bad += memcmp(p, i % 2 ? other : want, N * PAGE) != 0;
		if (i % 5 == 0)
			p[(i % N) * PAGE + i] ^= 1;
		if (i % 7 == 0)
			pread(fd, p + 3 * PAGE, 4 * PAGE, 9 * PAGE);
	}
	SAY("INV-R7: %u wrong\n", bad);
	munmap(p, N * PAGE);
	close(f2);
	unlink("loans.r7");
}

/* The end of the file, holes, read-only and shared destinations. */
static void inv_r8_r9(void)
{
	int f2 = open("loans.hole", O_RDWR | O_CREAT | O_TRUNC, 0644);
	unsigned char *p = fresh(8 * PAGE);

	ftruncate(f2, 6 * PAGE + 100);
	pwrite(f2, want, 2 * PAGE, 2 * PAGE);
	pwrite(f2, want, 100, 6 * PAGE);
	SAY("INV-R8: read %zd\n", pread(f2, p, 8 * PAGE, 0));
	memset(other, 0, sizeof(other));
	memcpy(other + 2 * PAGE, want, 2 * PAGE);
	memcpy(other + 6 * PAGE, want, 100);
	same("INV-R8, R15: holes and end", p, other, 8 * PAGE);
	memset(p, 'x', 8 * PAGE);
	file_is("INV-R15: the file", f2, other, 6 * PAGE + 100);
	munmap(p, 8 * PAGE);
	p = mmap(NULL, 4 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	OK(pread(fd, p, 2 * PAGE, 0));
	munmap(p, 4 * PAGE);
	p = mmap(NULL, 4 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	T(pread(fd, p, 4 * PAGE, 0));
	CHILD("INV-R9: child stores to shared memory", p[PAGE] = 'c');
	SAY("INV-R9: parent sees %c\n", p[PAGE]);
	munmap(p, 4 * PAGE);
	p = fresh(4 * PAGE);
	mprotect(p + 2 * PAGE, PAGE, PROT_READ);
	SAY("INV-R9: read up to a read-only page: %zd\n", pread(fd, p, 4 * PAGE, 0));
	same("INV-R9: bytes", p, want, 2 * PAGE);
	munmap(p, 4 * PAGE);
	close(f2);
	unlink("loans.hole");
}

/* Lent pages through everything that can be done to memory. */
static void lent_memory(void)
{
	unsigned char *p = fresh(8 * PAGE), *q;

	pread(fd, p, 8 * PAGE, 0);
	CHILD("child", memset(p, 'c', 4 * PAGE); same("child's rest", p + 4 * PAGE, want + 4 * PAGE, 4 * PAGE));
	same("after the child", p, want, 8 * PAGE);
	T(mprotect(p, 8 * PAGE, PROT_READ));
	T(mprotect(p, 8 * PAGE, RW));
	same("after mprotect", p, want, 8 * PAGE);
	p[0] ^= 1;
	SAY("INV-E6: the file after a store then: %d\n", pread(fd, back, PAGE, 0) == (ssize_t)PAGE && !memcmp(back, want, PAGE));
	q = mremap(p, 8 * PAGE, 16 * PAGE, MREMAP_MAYMOVE);
	same("moved", q + PAGE, want + PAGE, 7 * PAGE);
	p = q;
	T(madvise(p + 2 * PAGE, PAGE, MADV_DONTNEED));
	SAY("given up: %d\n", p[2 * PAGE]);
	T(munmap(p + 4 * PAGE, 2 * PAGE));
	same("what is left", p + 6 * PAGE, want + 6 * PAGE, 2 * PAGE);
	T(pread(fd, p + 6 * PAGE, 2 * PAGE, 0));
	same("read again", p + 6 * PAGE, want, 2 * PAGE);
	file_is("the file", fd, want, N * PAGE);
	munmap(p, 4 * PAGE);
	munmap(p + 6 * PAGE, 10 * PAGE);
}

/* The kernel's own stores to lent memory break the loan as the program's do. */
static void inv_r14(void)
{
	unsigned char *p = fresh(2 * PAGE);
	int f = make("loans.r14", "poked", 5);

	pread(fd, p, 2 * PAGE, 0);
	SAY("INV-R14: %zd\n", pread(f, p + PAGE, 5, 0));
	SAY("INV-R14: %.5s\n", p + PAGE);
	SAY("INV-R14: %d\n", fstat(f, (struct stat *)p));
	close(f);
	unlink("loans.r14");
	file_is("INV-R14: the file", fd, want, N * PAGE);
	munmap(p, 2 * PAGE);
}

/* write() of many pages: what is stored to the source afterwards is not in the file, and the other way round. */
static void inv_z1(void)
{
	unsigned char *p = fresh(N * PAGE);
	int f2 = open("loans.z", O_RDWR | O_CREAT | O_TRUNC, 0644);

	pattern(p, N * PAGE, 5);
	memcpy(other, p, N * PAGE);
	T(write(f2, p, N * PAGE));
	memset(p, 'd', 10 * PAGE);
	file_is("INV-Z1: the file after stores to the source", f2, other, N * PAGE);
	pwrite(f2, "changed", 7, 20 * PAGE);
	same("INV-Z1: the source after a write to the file", p + 10 * PAGE, other + 10 * PAGE, 30 * PAGE);
	memcpy(other + 20 * PAGE, "changed", 7);
	unsigned char *m = mmap(NULL, N * PAGE, RW, MAP_SHARED, f2, 0);
	m[25 * PAGE] = other[25 * PAGE] = 'm';
	SAY("INV-Z1: the source after a shared store: %d\n", p[25 * PAGE] != 'm');
	T(pwrite(f2, p + 10 * PAGE, 30 * PAGE, 10 * PAGE));		/* over a mapped file */
	memcpy(other + 10 * PAGE, p + 10 * PAGE, 30 * PAGE);
	same("INV-Z1: the mapping after a write", m, other, N * PAGE);
	CHILD("INV-Z1: child", memset(p + 30 * PAGE, 'C', 5 * PAGE); same("child: the mapping", m, other, N * PAGE));
	p[39 * PAGE] ^= 1;
	file_is("INV-Z1: the file", f2, other, N * PAGE);
	T(ftruncate(f2, 15 * PAGE + 7));
	same("INV-Z1: the source after truncate", p + 12 * PAGE, other + 12 * PAGE, 20 * PAGE);
	T(pwrite(f2, p, 20 * PAGE, 30 * PAGE));			/* behind the end: a hole between */
	memset(other + 15 * PAGE + 7, 0, 15 * PAGE - 7);
	memcpy(other + 30 * PAGE, p, 10 * PAGE);
	file_is("INV-Z1: the file with a hole", f2, other, N * PAGE);
	munmap(p, N * PAGE);
	file_is("INV-Z1: the file when the source is gone", f2, other, N * PAGE);
	munmap(m, N * PAGE);
	close(f2);
	unlink("loans.z");
}

/* A buffer that is filled, written and filled again, as cp and dd do. */
static void inv_z4(void)
{
	unsigned char *p = fresh(20 * PAGE);
	int f2 = open("loans.z4", O_RDWR | O_CREAT | O_TRUNC, 0644);
	unsigned bad = 0;

	for (unsigned i = 0; i < 30; i++) {
		pattern(p, 20 * PAGE, i);
		pwrite(f2, p, 20 * PAGE, (i % 3) * 20 * PAGE);
		pattern(p, 20 * PAGE, i + 100);
		pread(f2, back, 20 * PAGE, (i % 3) * 20 * PAGE);
		pattern(other, 20 * PAGE, i);
		bad += memcmp(back, other, 20 * PAGE) != 0;
	}
	SAY("INV-Z4: %u wrong\n", bad);
	munmap(p, 20 * PAGE);
	close(f2);
	unlink("loans.z4");
}

static void inv_c1(void)
{
	int f2 = make("loans.c", "short", 5);
	loff_t from = 0, to = PAGE;
	unsigned char *p;

	memset(other, 0, sizeof(other));
	memcpy(other, "short", 5);
	memcpy(other + PAGE, want, 20 * PAGE);
	SAY("INV-C1: %zd\n", copy_file_range(fd, &from, f2, &to, 20 * PAGE, 0));
	SAY("INV-C1: from %ld to %ld\n", (long)from, (long)to);
	file_is("INV-C1: the copy", f2, other, 21 * PAGE);
	pwrite(fd, "source", 6, 3 * PAGE);
	file_is("INV-C1: the copy after a write to the source", f2, other, 21 * PAGE);
	pwrite(fd, want + 3 * PAGE, 6, 3 * PAGE);
	pwrite(f2, "target", 6, 7 * PAGE);
	memcpy(other + 7 * PAGE, "target", 6);
	file_is("INV-C1: the source after a write to the copy", fd, want, N * PAGE);
	p = mmap(NULL, 21 * PAGE, RW, MAP_SHARED, f2, 0);
	p[9 * PAGE] = other[9 * PAGE] = '!';
	file_is("INV-C1: the source after a store to the copy", fd, want, N * PAGE);
	from = 5 * PAGE, to = 2 * PAGE;
	SAY("INV-C1: over a mapped file: %zd\n", copy_file_range(fd, &from, f2, &to, 6 * PAGE + 1, 0));
	memcpy(other + 2 * PAGE, want + 5 * PAGE, 6 * PAGE + 1);
	same("INV-C1: its mapping", p, other, 21 * PAGE);
	from = 39 * PAGE, to = 30 * PAGE;
	ftruncate(fd, 39 * PAGE + 50);
	SAY("INV-C2: the end: %zd\n", copy_file_range(fd, &from, f2, &to, 5 * PAGE, 0));
	memcpy(other + 30 * PAGE, want + 39 * PAGE, 50);
	file_is("INV-C2: the copy", f2, other, 30 * PAGE + 50);
	from = 0, to = 20 * PAGE;
	SAY("INV-C1: within one file: %zd\n", copy_file_range(f2, &from, f2, &to, 10 * PAGE, 0));
	memcpy(other + 20 * PAGE, other, 10 * PAGE);
	file_is("INV-C1: that file", f2, other, 30 * PAGE + 50);
	T(ftruncate(fd, 0));
	file_is("INV-C1: the copy when the source is gone", f2, other, 30 * PAGE + 50);
	T(pwrite(fd, want, N * PAGE, 0));
	T(fsync(f2));
	munmap(p, 21 * PAGE);
	close(f2);
	unlink("loans.c");
}

int main(void)
{
	pattern(want, sizeof(want), 1);
	pattern(other, sizeof(other), 2);
	fd = make("loans.f", want, sizeof(want));
	inv_r1();
	inv_r4();
	inv_r10();
	inv_r7();
	inv_r8_r9();
	lent_memory();
	inv_r14();
	inv_z1();
	inv_z4();
	inv_c1();
	file_is("at the end", fd, want, N * PAGE);
	unlink("loans.f");
	return 0;
}
