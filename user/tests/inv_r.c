/*
 * INV-R, INV-Z, INV-C: read(), write() and copy_file_range() of whole pages, which Cowslip does by handing frames over (mm/loan.h): every byte is where copying
 * would have put it, and no later store, write, truncate or fork shows on the other side. The counts are in
 * guest_loans.c.
 */
#include "inv.h"
#include <sys/shm.h>

#define N 40UL				/* pages in a file */
static unsigned char want[N * PAGE], other[N * PAGE], back[N * PAGE];
static int fd;

static int make(const char *name, const void *from, size_t n)
{
	int f = open(name, O_RDWR | O_CREAT | O_TRUNC, 0644);

	if (f < 0 || write(f, from, n) != (ssize_t)n)
		CHECK(!"a file can be made");
	return f;
}
static unsigned char *fresh(size_t n) { return mmap(NULL, n, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); }
static void same(const char *what, const void *a, const void *b, size_t n)
{
	if (memcmp(a, b, n)) {
		SAY("FAIL: differs: %s\n", what);
		_exit(1);
	}
}
static void file_is(const char *what, int f, const void *b, size_t n)
{
	memset(back, 0xee, sizeof(back));
	EQUAL(pread(f, back, sizeof(back), 0), n);
	same(what, back, b, n);
}
static void setup(void)
{
	pattern(want, sizeof(want), 1);
	pattern(other, sizeof(other), 2);
	fd = make("inv_r.file", want, sizeof(want));
	unlink("inv_r.file");
}

/* For every start, length and place in the page, into memory that is untouched, lent, or the program's own. */
INV(INV_R1_everywhere, "every start, length and place in a page, into memory that is untouched, lent or the program's own")
{
	setup();
	unsigned bad = 0;

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
					munmap(p, 6 * PAGE);
				}
	EQUAL(bad, 0);
}

/* What happens to one side is not seen on the other. */
INV(INV_R4_both_sides, "stores, writes, truncate and holes on one side are not seen on the other")
{
	setup();
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
INV(INV_R10_mapped_writable, "a file that is mapped and stored to while it is read")
{
	setup();
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
	EQUAL(bad, 0);
	memcpy(m, want, N * PAGE);
	munmap(m, N * PAGE);
}

/* The same buffer again, with other data, by threads of control that share it, in parts. */
INV(INV_R7_again, "the same buffer read into again, with other data")
{
	setup();
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
	EQUAL(bad, 0);
	munmap(p, N * PAGE);
	close(f2);
	unlink("loans.r7");
}

/* The end of the file, holes, read-only and shared destinations. */
INV(INV_R8_end_and_holes, "the end of the file, and holes")
{
	setup();
	int f2 = open("loans.hole", O_RDWR | O_CREAT | O_TRUNC, 0644);
	unsigned char *p = fresh(8 * PAGE);

	ftruncate(f2, 6 * PAGE + 100);
	pwrite(f2, want, 2 * PAGE, 2 * PAGE);
	pwrite(f2, want, 100, 6 * PAGE);
	EQUAL(pread(f2, p, 8 * PAGE, 0), 6 * PAGE + 100);
	memset(other, 0, sizeof(other));
	memcpy(other + 2 * PAGE, want, 2 * PAGE);
	memcpy(other + 6 * PAGE, want, 100);
	same("INV-R8, R15: holes and end", p, other, 8 * PAGE);
	memset(p, 'x', 8 * PAGE);
	file_is("INV-R15: the file", f2, other, 6 * PAGE + 100);
	munmap(p, 8 * PAGE);
	close(f2);
	unlink("loans.hole");
}

INV(INV_R9_destinations, "memory that is read-only, shared, or read-only from the third page on")
{
	setup();
	unsigned char *p;

	p = mmap(NULL, 4 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(pread(fd, p, 2 * PAGE, 0) == -1 && errno == EFAULT);
	munmap(p, 4 * PAGE);
	p = mmap(NULL, 4 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(pread(fd, p, 4 * PAGE, 0) >= 0);
	CHILD("INV-R9: child stores to shared memory", p[PAGE] = (unsigned char)~want[PAGE]);
	EQUAL(p[PAGE], (unsigned char)~want[PAGE]);
	munmap(p, 4 * PAGE);
	p = fresh(4 * PAGE);
	mprotect(p + 2 * PAGE, PAGE, PROT_READ);
	EQUAL(pread(fd, p, 4 * PAGE, 0), 2 * PAGE);
	same("INV-R9: bytes", p, want, 2 * PAGE);
	munmap(p, 4 * PAGE);
}

INV(INV_R9_segment, "a segment of System V shared memory: read into by one, seen by all who have it attached, in whatever place")
{
	setup();
	int id = shmget(IPC_PRIVATE, N * PAGE, 0600);
	unsigned char *p = shmat(id, NULL, 0), *q = shmat(id, NULL, SHM_RDONLY);

	CHECK(p != (void *)-1 && q != (void *)-1);
	EQUAL(shmctl(id, IPC_RMID, NULL), 0);
	long lent = counter("loan_read");
	EQUAL(pread(fd, p, N * PAGE, 0), N * PAGE);
	EQUAL(counter("loan_read"), lent);
	same("the other place", q, want, N * PAGE);
	CHILD("INV-R9: a child reads into the segment", CHECK(pread(fd, p, 8 * PAGE, PAGE) == 8 * PAGE); p[0]++);
	EQUAL(q[0], (unsigned char)(want[PAGE] + 1));
	same("what the child read", q + 1, want + PAGE + 1, 8 * PAGE - 1);
	EQUAL(pread(fd, q, PAGE, 0), -1);
	file_is("nobody stored to the file", fd, want, N * PAGE);
	EQUAL(pwrite(fd, p, 20 * PAGE, 0), 20 * PAGE);		/* not lent either: */
	memcpy(back, q, 20 * PAGE);
	memset(p, 0, N * PAGE);
	memcpy(want, back, 20 * PAGE);
	file_is("what was written", fd, want, N * PAGE);
	EQUAL(shmdt(p), 0);
	EQUAL(q[5], 0);
	EQUAL(shmdt(q), 0);
}

/* Lent pages through everything that can be done to memory. */
INV(INV_R11_lent_memory, "lent pages through fork, mprotect, mremap, madvise and munmap")
{
	setup();
	unsigned char *p = fresh(8 * PAGE), *q;

	pread(fd, p, 8 * PAGE, 0);
	CHILD("child", memset(p, 'c', 4 * PAGE); same("child's rest", p + 4 * PAGE, want + 4 * PAGE, 4 * PAGE));
	same("after the child", p, want, 8 * PAGE);
	CHECK(mprotect(p, 8 * PAGE, PROT_READ) >= 0);
	CHECK(mprotect(p, 8 * PAGE, RW) >= 0);
	same("after mprotect", p, want, 8 * PAGE);
	p[0] ^= 1;
	EQUAL(pread(fd, back, PAGE, 0), PAGE);
	same("the file after a store then", back, want, PAGE);
	q = mremap(p, 8 * PAGE, 16 * PAGE, MREMAP_MAYMOVE);
	same("moved", q + PAGE, want + PAGE, 7 * PAGE);
	p = q;
	CHECK(madvise(p + 2 * PAGE, PAGE, MADV_DONTNEED) >= 0);
	EQUAL(p[2 * PAGE], 0);
	CHECK(munmap(p + 4 * PAGE, 2 * PAGE) >= 0);
	same("what is left", p + 6 * PAGE, want + 6 * PAGE, 2 * PAGE);
	CHECK(pread(fd, p + 6 * PAGE, 2 * PAGE, 0) >= 0);
	same("read again", p + 6 * PAGE, want, 2 * PAGE);
	file_is("the file", fd, want, N * PAGE);
	munmap(p, 4 * PAGE);
	munmap(p + 6 * PAGE, 10 * PAGE);
}

/* The kernel's own stores to lent memory break the loan as the program's do. */
INV(INV_R14_kernel_stores, "the kernel's own stores to lent memory break the loan")
{
	setup();
	unsigned char *p = fresh(2 * PAGE);
	int f = make("loans.r14", "poked", 5);

	pread(fd, p, 2 * PAGE, 0);
	EQUAL(pread(f, p + PAGE, 5, 0), 5);
	same("a few bytes", p + PAGE, "poked", 5);
	EQUAL(fstat(f, (struct stat *)p), 0);
	close(f);
	unlink("loans.r14");
	file_is("INV-R14: the file", fd, want, N * PAGE);
	munmap(p, 2 * PAGE);
}

/* write() of many pages: what is stored to the source afterwards is not in the file, and the other way round. */
INV(INV_Z1_source, "after write() stores to the source are not in the file, and the other way round")
{
	setup();
	unsigned char *p = fresh(N * PAGE);
	int f2 = open("loans.z", O_RDWR | O_CREAT | O_TRUNC, 0644);

	pattern(p, N * PAGE, 5);
	memcpy(other, p, N * PAGE);
	CHECK(write(f2, p, N * PAGE) >= 0);
	memset(p, 'd', 10 * PAGE);
	file_is("INV-Z1: the file after stores to the source", f2, other, N * PAGE);
	pwrite(f2, "changed", 7, 20 * PAGE);
	same("INV-Z1: the source after a write to the file", p + 10 * PAGE, other + 10 * PAGE, 30 * PAGE);
	memcpy(other + 20 * PAGE, "changed", 7);
	unsigned char *m = mmap(NULL, N * PAGE, RW, MAP_SHARED, f2, 0);
	m[25 * PAGE] = other[25 * PAGE] = 'm';
	CHECK(p[25 * PAGE] != 'm');
	CHECK(pwrite(f2, p + 10 * PAGE, 30 * PAGE, 10 * PAGE) >= 0);		/* over a mapped file */
	memcpy(other + 10 * PAGE, p + 10 * PAGE, 30 * PAGE);
	same("INV-Z1: the mapping after a write", m, other, N * PAGE);
	CHILD("INV-Z1: child", memset(p + 30 * PAGE, 'C', 5 * PAGE); same("child: the mapping", m, other, N * PAGE));
	p[39 * PAGE] ^= 1;
	file_is("INV-Z1: the file", f2, other, N * PAGE);
	CHECK(ftruncate(f2, 15 * PAGE + 7) >= 0);
	same("INV-Z1: the source after truncate", p + 12 * PAGE, other + 12 * PAGE, 20 * PAGE);
	CHECK(pwrite(f2, p, 20 * PAGE, 30 * PAGE) >= 0);			/* behind the end: a hole between */
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
INV(INV_Z4_rewritten, "a buffer that is filled, written and filled again, as cp and dd do")
{
	setup();
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
	EQUAL(bad, 0);
	munmap(p, 20 * PAGE);
	close(f2);
	unlink("loans.z4");
}

INV(INV_C1_file_to_file, "copy_file_range(): either side's writes, stores and truncates are its own")
{
	setup();
	int f2 = make("loans.c", "short", 5);
	loff_t from = 0, to = PAGE;
	unsigned char *p;

	memset(other, 0, sizeof(other));
	memcpy(other, "short", 5);
	memcpy(other + PAGE, want, 20 * PAGE);
	EQUAL(copy_file_range(fd, &from, f2, &to, 20 * PAGE, 0), 20 * PAGE);
	EQUAL(from, 20 * PAGE);
	EQUAL(to, 21 * PAGE);
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
	EQUAL(copy_file_range(fd, &from, f2, &to, 6 * PAGE + 1, 0), 6 * PAGE + 1);
	memcpy(other + 2 * PAGE, want + 5 * PAGE, 6 * PAGE + 1);
	same("INV-C1: its mapping", p, other, 21 * PAGE);
	from = 39 * PAGE, to = 30 * PAGE;
	ftruncate(fd, 39 * PAGE + 50);
	EQUAL(copy_file_range(fd, &from, f2, &to, 5 * PAGE, 0), 50);
	memcpy(other + 30 * PAGE, want + 39 * PAGE, 50);
	file_is("INV-C2: the copy", f2, other, 30 * PAGE + 50);
	from = 0, to = 20 * PAGE;
	EQUAL(copy_file_range(f2, &from, f2, &to, 10 * PAGE, 0), 10 * PAGE);
	memcpy(other + 20 * PAGE, other, 10 * PAGE);
	file_is("INV-C1: that file", f2, other, 30 * PAGE + 50);
	CHECK(ftruncate(fd, 0) >= 0);
	file_is("INV-C1: the copy when the source is gone", f2, other, 30 * PAGE + 50);
	CHECK(pwrite(fd, want, N * PAGE, 0) >= 0);
	CHECK(fsync(f2) >= 0);
	munmap(p, 21 * PAGE);
	close(f2);
	unlink("loans.c");
}

int main(int argc, char **argv) { return inv_main(argc, argv); }
