/*
 * FS and GS bases belong to a thread: they survive switches between threads and processes with the same and with other bases, on
 * whichever processor, and signal handlers; fork copies them, exec clears them.
 */
#include "t.h"

#include <asm/prctl.h>
#include <pthread.h>

#define ROUNDS 300
#define THREADS 6

static unsigned long base_of(int which)
{
	unsigned long base = 1;

	return syscall(SYS_arch_prctl, which, &base) ? 1 : base;
}

static int set_gs(const void *base) { return (int)syscall(SYS_arch_prctl, ARCH_SET_GS, base); }

static long at_gs(void)
{
	long value;

	__asm__ volatile("mov %%gs:0, %0" : "=r"(value));
	return value;
}

/* 0, or in which way the bases were not ours: GS's `gs` (NULL: 0), FS's what it is now. Others run in between. */
static int keeps(const long *gs)
{
	unsigned long fs = base_of(ARCH_GET_FS);

	for (int i = 0; i < ROUNDS; i++) {
		if (base_of(ARCH_GET_GS) != (unsigned long)gs || base_of(ARCH_GET_FS) != fs)
			return 1;
		if (gs && at_gs() != *gs)
			return 2;
		if (i % 3)
			sched_yield();
		else
			usleep(1);
	}
	return 0;
}

static long values[THREADS];

/* Every third has none, and two have the same one. */
static const long *gs_of(int i) { return i % 3 == 0 ? NULL : i == 1 ? &values[2] : &values[i]; }

static void *thread(void *arg)
{
	const long *gs = gs_of((int)(long)arg);

	if (set_gs(gs))
		return (void *)9L;
	return (void *)(long)keeps(gs);
}

static volatile int handled;

static void handler(int sig)
{
	handled += at_gs() == 77 ? 1 : 100;
	sched_yield();
}

int main(int argc, char **argv)
{
	static long mine = 77, other = 78;
	pthread_t threads[THREADS];
	pid_t children[THREADS];

	if (argc > 1) {
		SAY("after exec: %lu\n", base_of(ARCH_GET_GS));
		return 0;
	}
	for (int i = 0; i < THREADS; i++)
		values[i] = 100 + i;
	for (int i = 0; i < THREADS; i++)
		if (!(children[i] = fork()))
			_exit(set_gs(gs_of(i)) ? 9 : keeps(gs_of(i)));
	for (int i = 0; i < THREADS; i++)
		SAY("process %d: %d\n", i, WEXITSTATUS(wait_for(children[i])));
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, thread, (void *)(long)i);
	SAY("beside threads: %d\n", keeps(NULL));
	for (int i = 0; i < THREADS; i++) {
		void *result;

		pthread_join(threads[i], &result);
		SAY("thread %d: %ld\n", i, (long)result);
	}

	T(set_gs(&mine));
	signal(SIGUSR1, handler);
	for (int i = 0; i < 10; i++)
		raise(SIGUSR1);
	SAY("handlers that saw it: %d\n", handled);
	CHILD("a child has it too", SAY("%ld\n", at_gs()); set_gs(&other); SAY("then %ld, kept %d\n", at_gs(), keeps(&other)));
	SAY("the parent's: %ld, kept %d\n", at_gs(), keeps(&mine));
	CHILD("a child that clears it", T(set_gs(NULL)); SAY("kept %d\n", keeps(NULL)));
	SAY("the parent's: %ld\n", at_gs());
	CHILD("exec", execl("/proc/self/exe", "segbase", "exec", NULL));

	/* Loading a selector loads a base, of 0, which is kept as well. */
	__asm__ volatile("mov %%ss, %%eax; mov %%eax, %%gs" ::: "eax");
	SAY("with a selector: %d\n", keeps(NULL));
	T(set_gs(&mine));
	SAY("and after that: kept %d\n", keeps(&mine));
	return 0;
}
