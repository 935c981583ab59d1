/* Addresses differ from one start of a program to the next, and do not with personality(ADDR_NO_RANDOMIZE). */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/wait.h>
#include <unistd.h>

static void report(void)
{
	int local;
	void *places[3] = { &local, mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), sbrk(0) };

	if (write(1, places, sizeof(places)) != sizeof(places))
		_exit(1);
}

/* Where a fresh start of this program has its stack, a mapping, its heap. */
static void start(unsigned long places[3])
{
	int fds[2];

	if (pipe(fds) || fflush(stdout))
		exit(1);
	if (fork() == 0) {
		dup2(fds[1], 1);
		execl("/proc/self/exe", "aslr", "report", NULL);
		_exit(1);
	}
	close(fds[1]);
	if (read(fds[0], places, 3 * sizeof(*places)) != 3 * sizeof(*places))
		printf("no answer\n");
	close(fds[0]);
	wait(NULL);
}

static void compare(const char *what)
{
	static const char *const names[] = { "stack", "mapping", "heap" };
	unsigned long first[3], next[3];
	int different[3] = { 0 }, aligned = 1;

	start(first);
	for (int i = 0; i < 4; i++) {
		start(next);
		for (int j = 0; j < 3; j++)
			different[j] |= first[j] != next[j];
		aligned &= next[1] % 4096 == 0 && next[2] % 4096 == 0 && next[0] > next[1];
	}
	for (int j = 0; j < 3; j++)
		printf("%s: %s %s\n", what, names[j], different[j] ? "moves" : "stays");
	printf("%s: order %d\n", what, aligned);
}

int main(int argc, char **argv)
{
	if (argc > 1) {
		report();
		return 0;
	}
	compare("randomised");
	printf("personality %#x\n", (unsigned)personality(0xffffffff) & ADDR_NO_RANDOMIZE);
	personality(ADDR_NO_RANDOMIZE);
	printf("personality %#x\n", (unsigned)personality(0xffffffff) & ADDR_NO_RANDOMIZE);
	compare("personality");
	return 0;
}
