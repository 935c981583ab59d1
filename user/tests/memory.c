/* Anonymous memory as a program sees it: mmap, mprotect, mremap, brk, the stack, copy on write after fork, faults. */
#include "t.h"

static int deep(int n)
{
	volatile char frame[4000];
	frame[0] = n;
	return n ? deep(n - 1) + frame[0] - (char)n : 0;
}

static void mappings(void)
{
	char *p = mmap(NULL, 8 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	SAY("zeroes: %d\n", p[0] | p[3 * PAGE] | p[8 * PAGE - 1]);
	strcpy(p + PAGE, "hello");
	OK(mmap(p + 2 * PAGE, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0));
	SAY("fixed takes its place: %d\n", mmap(p, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == p);
	T(munmap(p + 3 * PAGE, PAGE));
	show_touch("load of the hole", p + 3 * PAGE, 0);
	show_touch("store to the hole", p + 3 * PAGE, 1);
	show_touch("behind the hole", p + 4 * PAGE, 1);
	T(mprotect(p + PAGE, PAGE, PROT_READ));
	show_touch("load of read-only", p + PAGE, 0);
	show_touch("store to read-only", p + PAGE, 1);
	T(mprotect(p + PAGE, PAGE, PROT_NONE));
	show_touch("load of none", p + PAGE, 0);
	T(mprotect(p + PAGE, PAGE, RW));
	SAY("kept: %s\n", p + PAGE);
	T(mprotect(p, 8 * PAGE, RW));			/* the hole */
	T(mprotect(p + 1, PAGE, RW));
	T(mprotect(p, PAGE, 0x100));
	T(munmap(p + 1, PAGE));
	T(munmap(p, 0));
	OK(mmap(NULL, 0, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	OK(mmap(NULL, PAGE, RW, MAP_ANONYMOUS, -1, 0));
	OK(mmap(NULL, PAGE, RW, MAP_PRIVATE, 99, 0));
	OK(mmap(NULL, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 1));
	OK(mmap((void *)0x1001, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	OK(mmap((void *)0x7ffffffff000, 2 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	OK(mmap(NULL, 1UL << 47, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	OK(mmap(NULL, -1UL, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	T(madvise(p + 4 * PAGE, 4 * PAGE, MADV_DONTNEED));
	SAY("after DONTNEED: %d\n", p[4 * PAGE]);
	T(madvise(p, 8 * PAGE, MADV_DONTNEED));
	T(madvise(p + 1, PAGE, MADV_DONTNEED));
	T(madvise(p, PAGE, 999));
	T(madvise(p, PAGE, MADV_WILLNEED));
	T(madvise(p, PAGE, MADV_SEQUENTIAL));
	T(msync(p, PAGE, MS_SYNC));
	T(msync(p, PAGE, MS_SYNC | MS_ASYNC));
	T(msync(p + 3 * PAGE, PAGE, MS_SYNC));
}

static void remaps(void)
{
	char *p = mmap(NULL, 64 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *q;
	munmap(p + 8 * PAGE, 56 * PAGE);
	for (int i = 0; i < 8; i++)
		p[i * PAGE] = i + 1;
	SAY("shrink: %d\n", mremap(p, 8 * PAGE, 4 * PAGE, 0) == p);
	show_touch("cut off", p + 5 * PAGE, 0);
	SAY("grow in place: %d\n", mremap(p, 4 * PAGE, 16 * PAGE, 0) == p);
	SAY("new part: %d\n", p[5 * PAGE] | p[15 * PAGE]);
	mmap(p + 16 * PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	OK(mremap(p, 16 * PAGE, 32 * PAGE, 0));
	q = mremap(p, 16 * PAGE, 32 * PAGE, MREMAP_MAYMOVE);
	SAY("moved: %d, contents %d %d %d\n", q != p && q != MAP_FAILED, q[0], q[3 * PAGE], q[31 * PAGE]);
	show_touch("old place", p, 0);
	OK(mremap(q + 1, PAGE, PAGE, 0));
	OK(mremap(q, PAGE, 0, 0));
	OK(mremap((void *)0x700000000000, PAGE, 2 * PAGE, MREMAP_MAYMOVE));
	OK(mremap(q, PAGE, PAGE, 77));
	OK(mremap(q, 2 * PAGE, PAGE, MREMAP_FIXED, q + 8 * PAGE));
	OK(mremap(q, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, q + PAGE));
	SAY("fixed: %d\n", mremap(q, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, q + 8 * PAGE) == q + 8 * PAGE);
	SAY("there: %d %d\n", q[8 * PAGE], q[9 * PAGE]);
}

static char *set_brk(char *p) { return (char *)syscall(SYS_brk, p); }
static void heap(void)
{
	char *old = set_brk(0), *start = (char *)(((uintptr_t)old + PAGE - 1) & -PAGE);
	SAY("grow: %d\n", set_brk(start + 3 * PAGE + 5) == start + 3 * PAGE + 5);
	start[3 * PAGE + 4000] = 1;			/* the rest of the last page is there */
	SAY("zero: %d\n", start[2 * PAGE]);
	show_touch("behind it", start + 4 * PAGE, 0);
	SAY("back: %d\n", set_brk(start) == start);
	show_touch("gone", start + PAGE, 0);
	SAY("grown again: %d\n", set_brk(start + 2 * PAGE) == start + 2 * PAGE);
	SAY("zero: %d\n", start[PAGE]);
	SAY("below the start: %d\n", set_brk((char *)0x1000) == start + 2 * PAGE);
	SAY("too much: %d\n", set_brk((char *)0x7f0000000000) == start + 2 * PAGE);
}

int main(void);
static void forks(void)
{
	char *private = mmap(NULL, 3 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *shared = mmap(NULL, 3 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	strcpy(private, "before");
	strcpy(shared, "before");
	CHILD("child", SAY("child has %s %s\n", private, shared); strcpy(private, "child"); strcpy(shared, "child");
		private[PAGE] = 1; shared[PAGE] = 1);
	SAY("parent has %s %s %d %d\n", private, shared, private[PAGE], shared[PAGE]);
	/* Many generations write the same page: each its own. */
	for (int i = 0; i < 5; i++)
		CHILD("generation", private[0] = 'A' + i; CHILD("grandchild", SAY("%c%s\n", private[0], private + 1); private[0] = 'x'); SAY("%c\n", private[0]));
	SAY("parent still %s\n", private);
	madvise(private + PAGE, PAGE, MADV_DONTFORK);
	madvise(private + 2 * PAGE, PAGE, MADV_WIPEONFORK);
	private[PAGE] = private[2 * PAGE] = 5;
	CHILD("advice", catch_faults(); show_touch("DONTFORK page", private + PAGE, 0); SAY("WIPEONFORK page %d\n", private[2 * PAGE]));
	CHILD("killed by a store to nothing", *at(16) = 1);
	CHILD("read-only code", *(volatile char *)at((uintptr_t)main) = 1);
	CHILD("jump to nothing", ((void (*)(void))at(16))());
	CHILD("no execution from data", ((void (*)(void))private)());
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	catch_faults();
	mappings();
	remaps();
	heap();
	SAY("deep stack: %d\n", deep(1000));		/* 4 MiB */
	signal(SIGSEGV, SIG_DFL);
	forks();
	CHILD("endless stack", deep(1000000));
	return 0;
}
