/* 64 threads: mutexes, condition variables, barriers, one ends among many, and what becomes of them at exec and exit. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define N 64
#define ROUNDS 50

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turn = PTHREAD_COND_INITIALIZER, done = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static long counter, whose, finished;
static __thread long mine;

static void *work(void *arg)
{
	long me = (long)arg;

	for (int i = 0; i < ROUNDS; i++) {
		pthread_mutex_lock(&lock);
		counter++;
		mine++;
		pthread_mutex_unlock(&lock);
	}
	pthread_barrier_wait(&barrier);
	/* One after the other, in order: each wakes all, one goes on. */
	pthread_mutex_lock(&lock);
	while (whose != me)
		pthread_cond_wait(&turn, &lock);
	whose++;
	pthread_cond_broadcast(&turn);
	pthread_mutex_unlock(&lock);
	pthread_barrier_wait(&barrier);
	pthread_mutex_lock(&lock);
	finished++;
	pthread_cond_signal(&done);
	pthread_mutex_unlock(&lock);
	return (void *)mine;
}

static void together(void)
{
	pthread_t t[N];
	long sum = 0;

	pthread_barrier_init(&barrier, NULL, N);
	for (long i = 0; i < N; i++)
		if (pthread_create(&t[i], NULL, work, (void *)i)) {
			printf("thread %ld: %s\n", i, strerror(errno));
			exit(1);
		}
	pthread_mutex_lock(&lock);
	while (finished < N)
		pthread_cond_wait(&done, &lock);
	pthread_mutex_unlock(&lock);
	for (int i = 0; i < N; i++) {
		void *r;
		pthread_join(t[i], &r);
		sum += (long)r;
	}
	printf("counter %ld, sum of the threads' own %ld, turns %ld\n", counter, sum, whose);
}

static void *sleeper(void *arg) { for (;;) pause(); return NULL; }
static void *ender(void *arg) { return arg; }

/* Threads come and go while others sleep: no number or stack is lost. */
static void coming_and_going(void)
{
	pthread_t t;
	long sum = 0;

	for (int i = 0; i < N; i++)
		if (pthread_create(&t, NULL, sleeper, NULL) == 0)
			pthread_detach(t);
	for (long i = 0; i < 500; i++) {
		void *r;
		if (pthread_create(&t, NULL, ender, (void *)i))
			break;
		pthread_join(t, &r);
		sum += (long)r;
	}
	printf("sum %ld\n", sum);
}

static void *execs(void *arg)
{
	char *argv[] = { "many_threads", "executed", NULL };

	execv("/proc/self/exe", argv);
	perror("exec");
	return NULL;
}

/* A thread that is not the first executes: it becomes the process, the others are gone. */
static void exec_from_thread(void)
{
	pid_t child = fork();
	int status;

	if (!child) {
		pthread_t t;
		for (int i = 0; i < 10; i++)
			pthread_create(&t, NULL, sleeper, NULL);
		pthread_create(&t, NULL, execs, NULL);
		for (;;)
			pause();
	}
	waitpid(child, &status, 0);
	printf("executed by a thread: exit %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : -1);
}

static void *forks(void *arg)
{
	int status;
	pid_t child = fork();

	if (!child)
		_exit(syscall(SYS_gettid) == getpid() ? 5 : 6);		/* one thread in the child, its first */
	waitpid(child, &status, 0);
	return (void *)(long)WEXITSTATUS(status);
}

static void *leaves(void *arg)
{
	syscall(SYS_exit, 3);
	return NULL;
}

static void endings(void)
{
	pthread_t t;
	void *r;
	int status;

	pthread_create(&t, NULL, forks, NULL);
	pthread_join(t, &r);
	printf("forked by a thread: %ld\n", (long)r);

	pid_t child = fork();
	if (!child) {		/* the first thread ends, another goes on and says how the process ends */
		pthread_create(&t, NULL, leaves, NULL);
		pthread_create(&t, NULL, sleeper, NULL);
		if (!fork())
			_exit(0);
		wait(NULL);
		pthread_create(&t, NULL, ender, NULL);
		pthread_join(t, NULL);
		syscall(SYS_exit_group, 9);
	}
	waitpid(child, &status, 0);
	printf("exit_group among many: %d\n", WEXITSTATUS(status));
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "executed"))
		return syscall(SYS_gettid) == getpid() ? 42 : 43;
	setvbuf(stdout, NULL, _IOLBF, 0);
	together();
	exec_from_thread();
	endings();
	coming_and_going();
	return 0;
}
