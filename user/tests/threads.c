/* Threads and futexes: create and join, mutexes, condition variables, exit and exec with threads, robust futexes, FPU state. */
#include "t.h"
#include <linux/futex.h>
#include <pthread.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int stage;
static long count;
static volatile int stop;

static long futex(uint32_t *word, int op, uint32_t value, const struct timespec *timeout, uint32_t *word2, uint32_t value3)
{
	return syscall(SYS_futex, word, op, value, timeout, word2, value3);
}

static void *set_42(void *arg) { *(int *)arg = 42; return (void *)7; }

static void *wait_stage(void *arg)
{
	pthread_mutex_lock(&mutex);
	while (stage != 1)
		pthread_cond_wait(&cond, &mutex);
	stage = 2;
	pthread_mutex_unlock(&mutex);
	return NULL;
}

static void *add(void *arg)
{
	for (int i = 0; i < 20000; i++) {
		pthread_mutex_lock(&mutex);
		count++;
		pthread_mutex_unlock(&mutex);
	}
	return NULL;
}

/* Each thread keeps its own number in floating point, also across signals and switches. */
static void *compute(void *arg)
{
	volatile double mine = (long)arg + 0.25, x = mine;
	long bad = 0;

	while (!stop) {
		x = x * 1.5;
		sched_yield();
		x = x / 1.5;
		bad += x != mine;
	}
	return (void *)bad;
}

static void *sleep_for_ever(void *arg) { for (;;) pause(); return arg; }
static void *lock_and_die(void *arg) { pthread_mutex_lock(arg); return NULL; }
static volatile int signals;
static void count_signal(int sig) { volatile double d = signals; d = d * 3 + 1; signals++; }

static void create(int n)
{
	pthread_t t;

	while (n--)
		pthread_create(&t, NULL, sleep_for_ever, NULL);
	usleep(10000);
}

static void basics(void)
{
	pthread_t t[4];
	void *result;
	int value = 0;

	T(pthread_create(&t[0], NULL, set_42, &value));
	T(pthread_join(t[0], &result));
	SAY("value %d result %ld\n", value, (long)result);
	pthread_create(&t[0], NULL, wait_stage, NULL);
	usleep(5000);
	pthread_mutex_lock(&mutex);
	stage = 1;
	pthread_cond_signal(&cond);
	pthread_mutex_unlock(&mutex);
	pthread_join(t[0], NULL);
	SAY("stage %d\n", stage);
	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, add, NULL);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	SAY("counter %ld\n", count);
}

static void floating_point(void)
{
	struct itimerval timer = { { 0, 2000 }, { 0, 2000 } };
	pthread_t t[3];
	void *result;

	signal(SIGALRM, count_signal);
	for (long i = 0; i < 3; i++)
		pthread_create(&t[i], NULL, compute, (void *)i);
	setitimer(ITIMER_REAL, &timer, NULL);
	while (signals < 20)
		usleep(1000);
	setitimer(ITIMER_REAL, &(struct itimerval){ 0 }, NULL);
	stop = 1;
	for (int i = 0; i < 3; i++) {
		pthread_join(t[i], &result);
		SAY("thread %d: %ld wrong\n", i, (long)result);
	}
}

static void futexes(void)
{
	struct timespec soon = { 0, 10000000 }, bad = { 0, 1000000000 };
	uint32_t word = 1;
	uint32_t *shared = mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	T(futex(&word, FUTEX_WAIT, 2, NULL, NULL, 0));
	T(futex(&word, FUTEX_WAIT, 1, &soon, NULL, 0));
	T(futex(&word, FUTEX_WAIT, 1, &bad, NULL, 0));
	T(futex(&word, FUTEX_WAIT_BITSET, 1, NULL, NULL, 0));
	T(futex((uint32_t *)((char *)&word + 1), FUTEX_WAKE, 1, NULL, NULL, 0));
	T(futex(&word, FUTEX_WAKE, 1, NULL, NULL, 0));
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		until_it_waits(getppid());
		*shared = 1;
		_exit((int)futex(shared, FUTEX_WAKE, 1, NULL, NULL, 0));
	}
	while (*shared == 0)
		futex(shared, FUTEX_WAIT, 0, NULL, NULL, 0);
	show_status("woken through shared memory", wait_for(pid));
}

static void robust(void)
{
	pthread_mutexattr_t attr;
	pthread_mutex_t m;
	pthread_t t;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&m, &attr);
	pthread_create(&t, NULL, lock_and_die, &m);
	pthread_join(t, NULL);
	SAY("lock of a dead owner: %s\n", strerror(pthread_mutex_lock(&m)));
	T(pthread_mutex_consistent(&m));
	T(pthread_mutex_unlock(&m));
}

int main(int argc, char **argv)
{
	if (argc > 1) {
		SAY("executed with %s\n", argv[1]);
		return 12;
	}
	basics();
	floating_point();
	futexes();
	robust();
	CHILD("exit_group with threads", create(3); exit(11));
	CHILD("exec with threads", create(3); execl(argv[0], argv[0], "threads", NULL));
	CHILD("a fatal signal ends all threads", create(3); raise(SIGTERM));
	return 0;
}
