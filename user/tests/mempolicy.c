/* Memory policies as on a machine with one node: what set_mempolicy, get_mempolicy and mbind accept and tell. */
#include "t.h"

static unsigned long none = 0, node0 = 1, node1 = 2, high[20];
static int mode;
static unsigned long nodes;

static void get(void)
{
	mode = -1;
	nodes = 99;
	long r = syscall(SYS_get_mempolicy, &mode, &nodes, 64L, NULL, 0);
	SAY("  get: %ld mode %d nodes %lx\n", r, mode, nodes);
}
#define SET(mode, mask, max) do { T(syscall(SYS_set_mempolicy, mode, mask, (long)(max))); get(); } while (0)

int main(void)
{
	char *p = mmap(NULL, 4 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	munmap(p + 3 * PAGE, PAGE);
	SET(0, NULL, 0);
	SET(0, &node0, 64);
	SET(2, &node0, 64);		/* MPOL_BIND */
	SET(2, &none, 64);
	SET(2, &node1, 64);
	SET(2, NULL, 0);
	SET(2, (void *)16, 64);
	SET(2, &node0, 1);
	SET(2, &node0, 2);
	SET(3, &node0, 64);		/* MPOL_INTERLEAVE */
	T(syscall(SYS_get_mempolicy, &mode, NULL, 0L, NULL, 1L));
	SAY("next node %d\n", mode);
	SET(3 | 1 << 15, &node0, 64);
	SET(3 | 3 << 14, &node0, 64);
	SET(1, &node0, 64);		/* MPOL_PREFERRED */
	SET(1, NULL, 0);
	SET(4, NULL, 0);		/* MPOL_LOCAL */
	SET(4, &node0, 64);
	SET(99, &node0, 64);
	high[19] = 1;
	SET(2, high, 1280);
	SET(2, &node0, 1L << 30);
	CHILD("fork", SET(2, &node0, 64));
	get();
	T(syscall(SYS_get_mempolicy, NULL, NULL, 0L, NULL, 1L));
	T(syscall(SYS_get_mempolicy, NULL, &nodes, 64L, NULL, 4L));
	SAY("allowed %lx\n", nodes & 1);
	T(syscall(SYS_get_mempolicy, NULL, &nodes, 0L, NULL, 0L));
	T(syscall(SYS_get_mempolicy, NULL, NULL, 0L, p, 0L));
	T(syscall(SYS_get_mempolicy, &mode, NULL, 0L, p, 2L));
	T(syscall(SYS_get_mempolicy, NULL, NULL, 0L, p + 3 * PAGE, 2L));
	p[0] = 1;
	T(syscall(SYS_get_mempolicy, &mode, NULL, 0L, p, 3L));
	SAY("node of a page %d\n", mode);
	T(syscall(SYS_get_mempolicy, NULL, NULL, 0L, NULL, 64L));
	T(syscall(SYS_get_mempolicy, (void *)16, NULL, 0L, NULL, 0L));
	T(syscall(SYS_mbind, p, 3 * PAGE, 2, &node0, 64L, 0));
	T(syscall(SYS_mbind, p, 3 * PAGE, 2, &node0, 64L, 3));
	T(syscall(SYS_mbind, p, 4 * PAGE, 2, &node0, 64L, 0));
	T(syscall(SYS_mbind, p + 1, PAGE, 2, &node0, 64L, 0));
	T(syscall(SYS_mbind, p, 0L, 2, &node0, 64L, 0));
	T(syscall(SYS_mbind, p, 100L, 0, NULL, 0L, 0));
	T(syscall(SYS_mbind, p, PAGE, 2, &node1, 64L, 0));
	T(syscall(SYS_mbind, p, PAGE, 2, &none, 64L, 0));
	T(syscall(SYS_mbind, p, PAGE, 77, &node0, 64L, 0));
	T(syscall(SYS_mbind, p, PAGE, 2, &node0, 64L, 32));
	return 0;
}
