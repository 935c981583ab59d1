/*
 * Kernel stacks of tasks that have ended are given back, frames and addresses (kernel/kstack.c): KernelStack and MemFree of /proc/meminfo. Prints "ok" and what for each
 * part that went well. With a name that part alone; `slots`, which is not done else: more stacks fail to be made than there are addresses for, some seconds.
 */
#include "t.h"
#include <pthread.h>
#include <stdbool.h>

#define MUST(x) do { if (!(x)) { SAY("line %d: %s failed (errno %d)\n", __LINE__, #x, errno); exit(1); } } while (0)
#include "fail.h"

#define STACK 16L		/* KiB */
#define KEPT (32 * STACK)	/* of those that wait for the next tasks, at most */
#define MANY 400
#define SLOTS 65536
#define THREADS 48
#define MEMORY (48 * (long)PAGE)

static long stacks(void) { return proc_number("/proc/meminfo", "KernelStack:"); }
static long free_memory(void) { return proc_number("/proc/meminfo", "MemFree:"); }

/* A task ends a little after its parent knows, and its stack is counted as given back a little after that. So each is waited for, however long it takes. */
static bool becomes(long (*number)(void), long least, long most)
{
	for (int i = 0; i < 20000 && (number() < least || number() > most); i++)
		usleep(20000);
	return number() >= least && number() <= most;
}
static bool at_most(long most) { return becomes(stacks, 0, most); }
static long unmapped(void) { return counter("kstack_unmap"); }

/* Without those that are about to end: they make it too large, which harms no test. */
static long stacks_at_rest(void)
{
	usleep(500000);
	return stacks();
}

/* `n` children that live until the pipe is closed; how many could be made. */
static int many(int n, int *hold)
{
	int ends[2], made = 0;

	MUST(!pipe(ends));
	for (; made < n; made++) {
		pid_t pid = fork();
		if (pid < 0)
			break;
		if (!pid) {
			close(ends[1]);
			read(ends[0], ends, 1);
			_exit(0);
		}
	}
	close(ends[0]);
	*hold = ends[1];
	return made;
}

static void end(int hold)
{
	close(hold);
	while (wait(NULL) > 0)
		;
}

/* MANY at once, twice: what they had is free afterwards. */
static void come_back(void)
{
	long before = stacks_at_rest(), memory = 0, unmapped_before = unmapped();
	int hold;

	for (int i = 0; i < 2; i++) {
		MUST(many(MANY, &hold) == MANY);
		MUST(stacks() >= MANY * STACK);
		end(hold);
		MUST(at_most(before + KEPT));
		if (!i)
			memory = free_memory();		/* tables and slabs have been made by now */
	}
	MUST(free_memory() > memory - 2048);
	MUST(becomes(unmapped, unmapped_before + 2 * (MANY - KEPT / STACK), LONG_MAX));
	SAY("ok come_back\n");
}

/* Several processes do so at the same time, so that several CPUs give back stacks, and take some meanwhile. */
static void together(void)
{
	long before = stacks_at_rest();
	int hold, status;

	for (int i = 0; i < 4; i++)
		if (!fork()) {
			for (int round = 0; round < 4; round++) {
				MUST(many(100 - 10 * i, &hold) == 100 - 10 * i);
				end(hold);
			}
			_exit(0);
		}
	for (int i = 0; i < 4; i++)
		MUST(wait(&status) > 0 && !status);
	MUST(at_most(before + KEPT));
	SAY("ok together\n");
}

static volatile int go;
static void *lives(void *unused)
{
	while (!go)
		usleep(1000);
	return unused;
}

/* THREADS at once. */
static void live_and_end(void)
{
	static pthread_t thread[THREADS];
	pthread_attr_t small;

	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 16384);
	go = 0;
	for (int i = 0; i < THREADS; i++)
		MUST(!pthread_create(&thread[i], &small, lives, NULL));
	go = 1;
	for (int i = 0; i < THREADS; i++)
		MUST(!pthread_join(thread[i], NULL));
}

/* Threads of one process, between which no address space is loaded: whose frames the stacks' addresses had in the round before, nobody may go on to use. */
static void threads(void)
{
	long words = MEMORY / (long)sizeof(long);

	for (long round = 1; round <= 20; round++) {
		long *memory;

		live_and_end();
		memory = mmap(NULL, MEMORY, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		MUST(memory != MAP_FAILED);
		for (long i = 0; i < words; i++)
			memory[i] = round * words + i;
		live_and_end();
		for (long i = 0; i < words; i++)
			MUST(memory[i] == round * words + i);
		munmap(memory, MEMORY);
	}
	SAY("ok threads\n");
}

/* None waits: the next task's stack has to be made. */
static int none_waits(void)
{
	long before = stacks();
	int hold;

	for (int n = KEPT / STACK; ; n++) {
		MUST(many(n, &hold) == n);
		if (stacks() > before)		/* the last of them at least */
			return hold;
		end(hold);
	}
}

/* A child whose nth allocation from now on fails, which is one of its fork(): 0 if that went through untouched. */
static int fork_failing(long n)
{
	int status;
	pid_t pid = fork();

	MUST(pid >= 0);
	if (!pid) {
		arm(n, 0, false);
		pid = fork();
		if (pid > 0)
			wait(NULL);
		_exit(pid < 0);
	}
	MUST(waitpid(pid, &status, 0) == pid);
	arm(0, 0, false);
	return status;		/* a signal: it was a page of its own */
}

/*
 * The first allocation of making a task fails, then the second...: what was allocated before is free again. A stack that waits for the next task is
 * counted, too, and how many do depends on when the tasks before have quite ended: so often that one lost in each series would be more than may wait.
 */
static void failing(void)
{
	long before = stacks_at_rest(), memory = 0;
	int whole = 0;

	kind = "alloc";
	fail_open();
	for (int series = 0; whole < KEPT / STACK + 8; series++) {
		int hold = none_waits(), failed = 0;

		while (fork_failing(failed + 1))
			failed++;
		whole += failed > 5;		/* the task, and the four frames of its stack: none came back just now */
		MUST(series < 1000);
		end(hold);
		if (!series)
			memory = free_memory();
	}
	MUST(at_most(before + KEPT));
	MUST(free_memory() > memory - 512);
	look_at_owners();
	SAY("ok failing\n");
}

/* The addresses of a stack that could not be made are used again. */
static void slots(void)
{
	int hold = none_waits();
	long before = stacks();
	pid_t pid;

	kind = "alloc";
	fail_open();
	for (int i = 0; i < SLOTS + 100; i++) {
		arm(3, 0, false);				/* the task itself, a frame, and then no more */
		MUST(fork() < 0);
	}
	arm(0, 0, false);
	MUST(stacks() == before);
	pid = fork();
	MUST(pid >= 0);
	if (!pid)
		_exit(0);
	end(hold);
	SAY("ok slots\n");
}

static const struct part {
	const char *name;
	void (*run)(void);
} parts[] = { { "come_back", come_back }, { "together", together }, { "threads", threads }, { "failing", failing }, { "slots", slots } };

int main(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		if (argc < 2 ? parts[i].run != slots : !strcmp(argv[1], parts[i].name))
			parts[i].run();
	return 0;
}
