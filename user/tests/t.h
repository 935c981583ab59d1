/*
 * For the user tests: plain Linux programs whose output is compared, line by line, between the host's Linux and
 * Cowslip. So they print nothing that may differ: no addresses, pids, times or sizes of the machine.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096UL
#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#define renameat2(a, b, c, d, f) syscall(SYS_renameat2, a, b, c, d, f)
#endif
#define RW (PROT_READ | PROT_WRITE)

/* "text -> result" or "text -> -1 (message)"; gives the result. */
static inline long show(const char *text, long r)
{
	int e = errno;
	if (r == -1)
		printf("%s -> -1 (%s)\n", text, strerror(e));
	else
		printf("%s -> %ld\n", text, r);
	fflush(stdout);
	errno = e;
	return r;
}
#define T(call) show(#call, (long)(call))
/* Only whether it worked: for results that are addresses or numbers of the machine. */
#define OK(call) ({ errno = 0; long ok_ = (long)(call); int e_ = errno; \
	printf("%s -> %s\n", #call, ok_ == -1 ? strerror(e_) : "ok"); fflush(stdout); ok_; })
#define SAY(...) do { printf(__VA_ARGS__); fflush(stdout); } while (0)

/* How the child ended. */
static inline void show_status(const char *text, int status)
{
	if (WIFEXITED(status))
		SAY("%s: exit %d\n", text, WEXITSTATUS(status));
	else
		SAY("%s: signal %d\n", text, WTERMSIG(status));
}
static inline int wait_for(pid_t pid)
{
	int status = -1;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}
/* Run the statement in a child and tell how it ended. */
#define CHILD(text, ...) do { fflush(stdout); pid_t p_ = fork(); if (!p_) { __VA_ARGS__; fflush(stdout); _exit(0); } show_status(text, wait_for(p_)); } while (0)

/* SIGALRM again and again until alarms_off(): one alone may come before the call that it shall interrupt. */
static inline void alarms_on(void)
{
	setitimer(ITIMER_REAL, &(struct itimerval){ { 0, 20000 }, { 0, 20000 } }, NULL);
}
static inline void alarms_off(void)
{
	setitimer(ITIMER_REAL, &(struct itimerval){ 0 }, NULL);
}
/* The state in /proc/PID/stat; '-': there is no such process. */
static inline char process_state(pid_t pid)
{
	char path[64], text[512] = "", *p;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return '-';
	if (read(fd, text, sizeof(text) - 1) < 0)
		text[0] = 0;
	close(fd);
	p = strrchr(text, ')');
	return p ? p[2] : '?';
}
/* Until the process waits: for what it is on its way to wait for, in a call that does not end by itself. Its caller says when that is all it can wait for. */
static inline void until_it_waits(pid_t pid)
{
	for (char s; (s = process_state(pid)) != 'S' && s != '-' && s != 'Z'; )
		usleep(1000);
}

/* A program with names that are the whole machine's: waits until no other such one runs, for others may test on this machine, too. */
static inline void alone_on_this_machine(void)
{
	int fd = open("/tmp", O_RDONLY | O_DIRECTORY), high = fcntl(fd, F_DUPFD_CLOEXEC, 900);

	flock(high, LOCK_EX);
	close(fd);
}

/* An address that the compiler does not see through. */
static inline volatile int *at(uintptr_t a)
{
	__asm__("" : "+r"(a));
	return (volatile int *)a;
}

/* The signal of an access: 0, or the signal, with fault_code and fault_addr. */
static sigjmp_buf fault_jump;
static volatile int fault_signal, fault_code;
static void *volatile fault_addr;
static void fault_handler(int sig, siginfo_t *info, void *context)
{
	fault_signal = sig;
	fault_code = info->si_code;
	fault_addr = info->si_addr;
	siglongjmp(fault_jump, 1);
}
static inline void catch_faults(void)
{
	struct sigaction sa = { .sa_sigaction = fault_handler, .sa_flags = SA_SIGINFO };
	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
}
static inline int touch(volatile char *p, int write)
{
	fault_signal = 0;
	if (!sigsetjmp(fault_jump, 1)) {
		if (write)
			*p = 'w';
		else
			(void)*p;
	}
	return fault_signal;
}
/* "what: fine" or "what: signal N code C at the right address". */
static inline void show_touch(const char *what, volatile char *p, int write)
{
	if (touch(p, write))
		SAY("%s: signal %d code %d at %s\n", what, fault_signal, fault_code, fault_addr == (void *)p ? "its address" : "another address");
	else
		SAY("%s: fine\n", what);
}
static inline unsigned checksum(const void *p, size_t n)
{
	const unsigned char *b = p;
	unsigned h = 2166136261u;
	while (n--)
		h = (h ^ *b++) * 16777619u;
	return h;
}
static inline void pattern(void *p, size_t n, unsigned seed)
{
	unsigned char *b = p;
	for (size_t i = 0; i < n; i++)
		b[i] = (i * 2654435761u >> 11) + seed + i;
}

/* The number behind `key` at the beginning of a line of a file of /proc; -1: there is none. */
static inline long proc_number(const char *path, const char *key)
{
	static char text[32768];
	char line[80], *found;
	int fd = open(path, O_RDONLY);
	size_t n = 0;
	ssize_t k;

	text[n++] = '\n';
	while ((k = read(fd, text + n, sizeof(text) - 1 - n)) > 0)
		n += k;
	close(fd);
	text[n] = 0;
	snprintf(line, sizeof(line), "\n%.70s", key);
	found = strstr(text, line);
	return found ? atol(found + strlen(line)) : -1;
}
/* A counter of Cowslip's /proc/vmstat; -1 where there is none of that name (on Linux). */
static inline long counter(const char *name)
{
	char key[64];

	snprintf(key, sizeof(key), "%.60s ", name);
	return proc_number("/proc/vmstat", key);
}
