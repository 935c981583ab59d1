/* futex_waitv: waiting on several words, woken by one; what it refuses. */
#include "t.h"

struct waitv { uint64_t val, uaddr; uint32_t flags, reserved; };
#define WAITV(w, n, flags, timeout, clock) syscall(449, w, n, flags, timeout, clock)

static uint32_t *word;

static void after(int i, int n)
{
	fflush(stdout);
	if (!fork()) {
		until_it_waits(getppid());
		word[i] = 7;
		for (int k = 0; k < 200 && syscall(SYS_futex, &word[i], 1, n, NULL, NULL, 0) == 0; k++)
			usleep(10000);
		_exit(0);
	}
}
static void on_alarm(int sig) { (void)sig; }

int main(void)
{
	struct waitv w[4], many[129];
	struct timespec t;
	word = mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < 4; i++)
		w[i] = (struct waitv){ 0, (uintptr_t)&word[i], 2, 0 };
	for (int i = 0; i < 3; i++) {
		after(i, 1);
		T(WAITV(w, 4, 0, NULL, 0));
		wait(NULL);
		word[i] = 0;
	}
	w[2].val = 5;
	T(WAITV(w, 4, 0, NULL, 0));
	w[2].val = 0;
	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_nsec += 20000000;
	if (t.tv_nsec >= 1000000000)
		t.tv_sec++, t.tv_nsec -= 1000000000;
	T(WAITV(w, 4, 0, &t, CLOCK_MONOTONIC));
	clock_gettime(CLOCK_REALTIME, &t);
	T(WAITV(w, 1, 0, &t, CLOCK_REALTIME));
	T(WAITV(w, 1, 0, &t, CLOCK_BOOTTIME));
	t.tv_nsec = -1;
	T(WAITV(w, 1, 0, &t, CLOCK_MONOTONIC));
	T(WAITV(w, 1, 0, (void *)16, CLOCK_MONOTONIC));
	T(WAITV(w, 0, 0, NULL, 0));
	T(WAITV(w, 4, 1, NULL, 0));
	T(WAITV(NULL, 4, 0, NULL, 0));
	T(WAITV((void *)16, 4, 0, NULL, 0));
	for (int i = 0; i < 129; i++)
		many[i] = w[3];
	T(WAITV(many, 129, 0, NULL, 0));
	after(3, 1);
	T(WAITV(many, 128, 0, NULL, 0));
	wait(NULL);
	word[3] = 0;
	w[1].flags = 0;
	T(WAITV(w, 2, 0, NULL, 0));
	w[1].flags = 2 | 64;
	T(WAITV(w, 2, 0, NULL, 0));
	w[1].flags = 2, w[1].reserved = 1;
	T(WAITV(w, 2, 0, NULL, 0));
	w[1].reserved = 0, w[1].uaddr += 1;
	T(WAITV(w, 2, 0, NULL, 0));
	w[1].uaddr = 16;
	T(WAITV(w, 2, 0, NULL, 0));
	w[1].uaddr = (uintptr_t)&word[1];
	struct sigaction sa = { .sa_handler = on_alarm };
	sigaction(SIGALRM, &sa, NULL);
	alarms_on();
	T(WAITV(w, 2, 0, NULL, 0));
	alarms_off();
	return 0;
}
