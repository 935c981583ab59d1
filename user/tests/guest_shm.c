/*
 * System V shared memory from the inside: what is counted, that memory comes back when a segment ends, and that nothing of it is lost while other
 * programs need all memory there is. usage: guest_shm [COMMAND...], which is run while 4 MiB of segments are filled
 */
#include "inv.h"
#include <sys/shm.h>

#define SIZE (1UL << 20)
#define SEGMENTS 4

static long resident(void)
{
	struct shm_info info;

	return shmctl(0, SHM_INFO, (void *)&info) < 0 ? -1 : (long)info.shm_rss;
}

int main(int argc, char **argv)
{
	long before = resident(), attached = counter("shm_attach"), detached = counter("shm_detach");
	unsigned char *p[SEGMENTS];

	for (int i = 0; i < SEGMENTS; i++) {
		int id = shmget(IPC_PRIVATE, SIZE, 0600);

		p[i] = shmat(id, NULL, 0);
		CHECK(p[i] != (void *)-1);
		for (size_t k = 0; k < SIZE; k++)
			p[i][k] = byte_at(i, k);
		CHECK(!shmctl(id, IPC_RMID, NULL));
	}
	SAY("pages: %ld\n", resident() - before);
	if (argc > 1)
		CHILD("the command", execvp(argv[1], argv + 1));
	for (int i = 0; i < SEGMENTS; i++) {
		SAY("%d: %s\n", i, wrong_at(p[i], SIZE, i, 0) < 0 ? "same" : "CHANGED");
		if (i % 2)
			CHECK(!shmdt(p[i]));
		else
			CHECK(!munmap(p[i], SIZE));
	}
	SAY("pages in the end: %ld, attached %ld, detached %ld\n", resident() - before, counter("shm_attach") - attached, counter("shm_detach") - detached);
	return 0;
}
