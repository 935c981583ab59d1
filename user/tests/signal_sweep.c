/*
 * A signal at every moment of a system call: a timer is armed a little later each time, while calls are made whose registers, results and
 * restarts are checked. With --icount one nanosecond is one instruction, so that the interrupt, and with it the signal, comes at each
 * instruction of the calls' way in and out once (argument: how many steps, how many ns each).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t came;
static volatile long in_handler_pid;
static int channel[2];

static void handler(int sig, siginfo_t *info, void *context)
{
	sigset_t now;

	came++;
	in_handler_pid = syscall(SYS_getpid);	/* a call from within */
	sigprocmask(SIG_BLOCK, NULL, &now);
	if (!sigismember(&now, sig) || info->si_signo != sig || info->si_code != SI_TIMER)
		_exit(90);
}

/* long checked_call(long nr, const uint64_t before[12], uint64_t after[12]): the call with these registers, and what they are afterwards. */
long checked_call(long nr, const uint64_t *before, uint64_t *after);
__asm__(
	".text\n"
	"checked_call:\n"
	"	push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15; push %rdx\n"
	"	mov %rdi, %rax; mov %rsi, %r11\n"
	"	mov 0(%r11), %rbx; mov 8(%r11), %rbp; mov 16(%r11), %r12; mov 24(%r11), %r13; mov 32(%r11), %r14; mov 40(%r11), %r15\n"
	"	mov 48(%r11), %rdi; mov 56(%r11), %rsi; mov 64(%r11), %rdx; mov 72(%r11), %r10; mov 80(%r11), %r8; mov 88(%r11), %r9\n"
	"	syscall\n"
	"	mov (%rsp), %r11\n"
	"	mov %rbx, 0(%r11); mov %rbp, 8(%r11); mov %r12, 16(%r11); mov %r13, 24(%r11); mov %r14, 32(%r11); mov %r15, 40(%r11)\n"
	"	mov %rdi, 48(%r11); mov %rsi, 56(%r11); mov %rdx, 64(%r11); mov %r10, 72(%r11); mov %r8, 80(%r11); mov %r9, 88(%r11)\n"
	"	pop %rdx; pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
	"	ret\n");

/* 0, or what was lost. */
static int call_keeps_registers(long nr, long want)
{
	uint64_t before[12], after[12];

	for (int i = 0; i < 12; i++)
		before[i] = 0x1111111111111111ull * (i + 1);
	if (checked_call(nr, before, after) != want)
		return 100;
	for (int i = 0; i < 12; i++)
		if (before[i] != after[i])
			return i + 1;
	return 0;
}

static void sweep(timer_t timer, long step, const char *what, int (*body)(void))
{
	struct itimerspec v = { .it_value = { 0, step } };

	came = 0;
	if (timer_settime(timer, 0, &v, NULL))
		exit(91);
	while (!came) {
		int bad = body();
		if (bad) {
			printf("%s: step %ld: %d is wrong\n", what, step, bad);
			exit(1);
		}
	}
	if (in_handler_pid != getpid())
		exit(92);
}

static long parent;
static int getppid_body(void) { return call_keeps_registers(SYS_getppid, parent); }

static int pipe_body(void)
{
	char out[8] = "seven!!", in[8] = "";

	if (write(channel[1], out, 8) != 8)
		return 1;
	return read(channel[0], in, 8) != 8 || memcmp(in, out, 8) ? 2 : 0;
}

/* Restarted, since the handler has SA_RESTART: never EINTR, never half done. */
static int yield_body(void) { return syscall(SYS_sched_yield) != 0; }

static int mask_body(void)
{
	sigset_t all, old, again;

	sigfillset(&all);
	if (sigprocmask(SIG_SETMASK, &all, &old))
		return 1;
	int before = came;
	getppid();
	if (came != before)
		return 2;		/* it came although it was blocked */
	sigprocmask(SIG_SETMASK, &old, NULL);
	sigprocmask(SIG_SETMASK, NULL, &again);
	return memcmp(&old, &again, 8) ? 3 : 0;
}

int main(int argc, char **argv)
{
	long steps = argc > 1 ? atol(argv[1]) : 100, ns = argc > 2 ? atol(argv[2]) : 1000;
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART };
	timer_t timer;

	parent = syscall(SYS_getppid);
	if (pipe(channel) || timer_create(CLOCK_MONOTONIC, &event, &timer))
		return 1;
	sigaction(SIGUSR1, &action, NULL);
	for (long i = 0; i < steps; i++) {
		sweep(timer, 1 + i * ns, "getppid", getppid_body);
		sweep(timer, 1 + i * ns, "pipe", pipe_body);
		sweep(timer, 1 + i * ns, "yield", yield_body);
		sweep(timer, 1 + i * ns, "mask", mask_body);
	}
	printf("all right\n");
	return 0;
}
