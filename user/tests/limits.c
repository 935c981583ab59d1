/* RLIMIT_DATA: the break and private memory that can be written count, and nothing else. */
#include "t.h"

#define MB (1UL << 20)

static void limit(size_t n)
{
	struct rlimit r = { n, RLIM_INFINITY };

	T(setrlimit(RLIMIT_DATA, &r));
}

int main(void)
{
	char *p = mmap(NULL, 4 * MB, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *q;
	char *readonly = mmap(NULL, 64 * MB, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *brk = sbrk(0);

	limit(12 * MB);
	OK(mmap(NULL, 64 * MB, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	OK(mmap(NULL, 64 * MB, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	OK(mmap(NULL, 64 * MB, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	OK(mmap(NULL, 64 * MB, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0));
	OK(mprotect(readonly, 64 * MB, RW));
	OK(mprotect(readonly, 64 * MB, PROT_EXEC));
	OK(mprotect(readonly, 2 * MB, RW));
	OK(mremap(p, 4 * MB, 64 * MB, MREMAP_MAYMOVE));
	q = (char *)OK(mremap(p, 4 * MB, 6 * MB, MREMAP_MAYMOVE));
	SAY("break: %s\n", sbrk(32 * MB) == (void *)-1 ? "refused" : "moved");
	SAY("a little: %s\n", sbrk(MB) == brk ? "moved" : "refused");
	OK(munmap(q, 6 * MB));
	OK(mmap(NULL, 7 * MB, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	limit(0);
	OK(mmap(NULL, 4096, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	OK(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	return 0;
}
