/* Forks, execs, threads, pipes, signals and kills at the same time, from several processes that a timer interrupts all the while. */
#include "t.h"
#include <pthread.h>

#define WORKERS 6
#define ROUNDS 100
#define SIZE (1 << 20)

static volatile int interrupted, stop;
static char *memory;
static int id;

static void handler(int sig) { volatile double d = ++interrupted; d *= 3; }

static void bad(const char *what, int value)
{
	SAY("worker %d: %s: %x\n", id, what, value);
}

static int wait_child(pid_t pid)
{
	return pid < 0 ? -1 : wait_for(pid);
}

static void *compute(void *arg)
{
	volatile double mine = (long)arg + 0.5, x = mine;

	while (!stop) {
		x = x * 1.5;
		sched_yield();
		x = x / 1.5;
		if (x != mine)
			bad("floating point", 0);
	}
	return NULL;
}

/* A child sees the memory of its parent, and its changes stay its own. */
static void copy_on_write(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		for (int i = 0; i < SIZE; i += PAGE)
			if (memory[i] != (char)id)
				_exit(66);
		memory[0] = 99;
		_exit(3);
	}
	int status = wait_child(pid);
	if (WEXITSTATUS(status) != 3 || memory[0] != (char)id)
		bad("fork", status);
}

static void spawn(void)
{
	pid_t pid = vfork();

	if (pid == 0) {
		execl("/proc/self/exe", "stress", "exit", NULL);
		_exit(9);
	}
	int status = wait_child(pid);
	if (WEXITSTATUS(status) != 4)
		bad("vfork and exec", status);
}

static void threads(void)
{
	pthread_t t[3];

	stop = 0;
	for (long i = 0; i < 3; i++)
		pthread_create(&t[i], NULL, compute, (void *)i);
	usleep(2000);
	stop = 1;
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
}

static void pipes(void)
{
	char data[5000];
	int ends[2], total = 0;

	if (pipe(ends))
		return bad("pipe", errno);
	pid_t pid = fork();
	if (pid == 0) {
		for (int left = 70000; left > 0; ) {
			ssize_t n = write(ends[1], data, left < (int)sizeof(data) ? left : (int)sizeof(data));
			left -= n > 0 ? n : 0;
		}
		_exit(0);
	}
	close(ends[1]);
	for (;;) {
		ssize_t n = read(ends[0], data, 1 + rand() % sizeof(data));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		total += n;
	}
	close(ends[0]);
	int status = wait_child(pid);
	if (total != 70000 || status)
		bad("pipe data", total);
}

/* Killed at a random moment: while it starts threads, computes, or executes another program. */
static void killed(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		pthread_t t;
		for (long i = 0; i < 4; i++)
			pthread_create(&t, NULL, compute, (void *)i);
		usleep(rand() % 2000);
		if (id & 1)
			execl("/proc/self/exe", "stress", "exit", NULL);
		for (;;)
			pause();
	}
	usleep(rand() % 4000);
	if (pid > 0)
		kill(pid, SIGKILL);
	int status = wait_child(pid);
	if (!(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) && !(WIFEXITED(status) && WEXITSTATUS(status) == 4))
		bad("kill", status);
}

static void orphan(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		if (fork() == 0) {
			usleep(rand() % 3000);
			_exit(1);
		}
		_exit(2);
	}
	int status = wait_child(pid);
	if (WEXITSTATUS(status) != 2)
		bad("orphan", status);
}

static void worker(void)
{
	void (*const actions[])(void) = { copy_on_write, spawn, threads, pipes, killed, orphan };
	struct sigaction sa = { .sa_handler = handler, .sa_flags = SA_RESTART };
	struct itimerval timer = { { 0, 3000 }, { 0, 3000 } };

	srand(id * 77 + 1);
	memory = mmap(NULL, SIZE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(memory, id, SIZE);
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
	for (int i = 0; i < ROUNDS; i++)
		actions[rand() % 6]();
	while (!interrupted)
		pause();
	_exit(0);
}

int main(int argc, char **argv)
{
	pid_t pids[WORKERS];

	if (argc > 1)
		return 4;
	for (int i = 0; i < WORKERS; i++) {
		id = i + 1;
		fflush(stdout);
		if ((pids[i] = fork()) == 0)
			worker();
	}
	for (int i = 0; i < WORKERS; i++)
		show_status("worker", wait_for(pids[i]));
	return 0;
}
