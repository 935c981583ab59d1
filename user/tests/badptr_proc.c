/*
 * Every pointer argument of the system calls of processes, signals, time and identity with bad addresses: the
 * errno must be Linux's. One line per call, argument and address; each call in a child of its own.
 */
#include "badptr.h"

/* Argument templates: values, or pointers to good data of a kind that the call accepts. */
enum { Z = 0, OUT = -1000, TS0, ITV, SET, ACT, ALT, PATHN, ARGV, RLIM, CAPH, FUT, NAME, IDS, CLONE3, INFO };

static const struct call calls[] = {
	{ "execve", SYS_execve, { PATHN, ARGV, ARGV }, "123" },
	{ "execveat", SYS_execveat, { AT_FDCWD, PATHN, ARGV, ARGV, 0 }, "234" },
	{ "wait4", SYS_wait4, { -1, OUT, 0, OUT }, "24" },
	{ "waitid", SYS_waitid, { P_ALL, 0, OUT, WEXITED, OUT }, "35" },
	{ "rt_sigaction", SYS_rt_sigaction, { SIGUSR1, ACT, OUT, 8 }, "23" },
	{ "rt_sigaction badsig", SYS_rt_sigaction, { 65, ACT, OUT, 8 }, "23" },
	{ "rt_sigaction kill", SYS_rt_sigaction, { SIGKILL, ACT, OUT, 8 }, "23" },
	{ "rt_sigaction size", SYS_rt_sigaction, { SIGUSR1, ACT, OUT, 4 }, "23" },
	{ "rt_sigprocmask", SYS_rt_sigprocmask, { SIG_BLOCK, SET, OUT, 8 }, "23" },
	{ "rt_sigprocmask how", SYS_rt_sigprocmask, { 77, SET, OUT, 8 }, "23" },
	{ "rt_sigprocmask size", SYS_rt_sigprocmask, { SIG_BLOCK, SET, OUT, 16 }, "23" },
	{ "rt_sigpending", SYS_rt_sigpending, { OUT, 8 }, "1" },
	{ "rt_sigpending size", SYS_rt_sigpending, { OUT, 16 }, "1" },
	{ "rt_sigpending 4", SYS_rt_sigpending, { OUT, 4 }, "1" },
	{ "rt_sigsuspend", SYS_rt_sigsuspend, { SET, 8 }, "1" },
	{ "rt_sigtimedwait", SYS_rt_sigtimedwait, { SET, OUT, TS0, 8 }, "123" },
	{ "rt_sigqueueinfo", SYS_rt_sigqueueinfo, { 1, 0, INFO }, "3" },
	{ "rt_tgsigqueueinfo", SYS_rt_tgsigqueueinfo, { 1, 1, 0, INFO }, "4" },
	{ "rt_tgsigqueueinfo 0", SYS_rt_tgsigqueueinfo, { 0, 1, 0, INFO }, "4" },
	{ "sigaltstack", SYS_sigaltstack, { ALT, OUT }, "12" },
	{ "setitimer", SYS_setitimer, { ITIMER_REAL, ITV, OUT }, "23" },
	{ "setitimer which", SYS_setitimer, { 7, ITV, OUT }, "23" },
	{ "getitimer", SYS_getitimer, { ITIMER_REAL, OUT }, "2" },
	{ "getitimer which", SYS_getitimer, { 7, OUT }, "2" },
	{ "futex wait", SYS_futex, { FUT, 0, 12345, TS0 }, "14" },
	{ "futex wait private", SYS_futex, { FUT, 128, 12345, TS0 }, "14" },
	{ "futex wake", SYS_futex, { FUT, 1, 1 }, "1" },
	{ "futex wake private", SYS_futex, { FUT, 129, 1 }, "1" },
	{ "futex wait_bitset", SYS_futex, { FUT, 9, 12345, TS0, 0, 1 }, "14" },
	{ "futex requeue", SYS_futex, { FUT, 3, 1, 1, FUT, 0 }, "15" },
	{ "futex cmp_requeue", SYS_futex, { FUT, 4, 1, 1, FUT, 0 }, "15" },
	{ "futex wake_op", SYS_futex, { FUT, 5, 1, 1, FUT, 0 }, "15" },
	{ "futex bad op", SYS_futex, { FUT, 99, 1, 1, FUT, 0 }, "15" },
	{ "set_robust_list", SYS_set_robust_list, { OUT, 24 }, "1" },
	{ "set_robust_list size", SYS_set_robust_list, { OUT, 23 }, "1" },
	{ "get_robust_list", SYS_get_robust_list, { 0, OUT, OUT }, "23" },
	{ "set_tid_address", SYS_set_tid_address, { OUT }, "1" },
	{ "getresuid", SYS_getresuid, { OUT, OUT, OUT }, "123" },
	{ "getresgid", SYS_getresgid, { OUT, OUT, OUT }, "123" },
	{ "getgroups", SYS_getgroups, { 1000, OUT }, "2" },
	{ "getgroups -1", SYS_getgroups, { -1, OUT }, "2" },
	{ "setgroups", SYS_setgroups, { 2, IDS }, "2" },
	{ "setgroups huge", SYS_setgroups, { 100000, IDS }, "2" },
	{ "capget", SYS_capget, { CAPH, OUT }, "12" },
	{ "uname", SYS_uname, { OUT }, "1" },
	{ "sethostname -1", SYS_sethostname, { NAME, -1 }, "1" },
	{ "sethostname 65", SYS_sethostname, { NAME, 65 }, "1" },
	{ "sysinfo", SYS_sysinfo, { OUT }, "1" },
	{ "getcpu", SYS_getcpu, { OUT, OUT, 0 }, "12" },
	{ "getrlimit", SYS_getrlimit, { 8, OUT }, "2" },
	{ "getrlimit bad", SYS_getrlimit, { 77, OUT }, "2" },
	{ "setrlimit", SYS_setrlimit, { 8, RLIM }, "2" },
	{ "setrlimit bad", SYS_setrlimit, { 77, RLIM }, "2" },
	{ "prlimit64", SYS_prlimit64, { 0, 8, RLIM, OUT }, "34" },
	{ "prlimit64 bad", SYS_prlimit64, { 0, 77, RLIM, OUT }, "34" },
	{ "prlimit64 esrch", SYS_prlimit64, { 999999, 8, RLIM, OUT }, "34" },
	{ "getrusage", SYS_getrusage, { 0, OUT }, "2" },
	{ "getrusage bad", SYS_getrusage, { 7, OUT }, "2" },
	{ "times", SYS_times, { OUT }, "1" },
	{ "prctl set_name", SYS_prctl, { 15, NAME }, "2" },
	{ "prctl get_name", SYS_prctl, { 16, OUT }, "2" },
	{ "prctl get_pdeathsig", SYS_prctl, { 2, OUT }, "2" },
	{ "arch_prctl get_fs", SYS_arch_prctl, { 0x1003, OUT }, "2" },
	{ "sched_getaffinity", SYS_sched_getaffinity, { 0, 128, OUT }, "3" },
	{ "sched_getaffinity 3", SYS_sched_getaffinity, { 0, 3, OUT }, "3" },
	{ "sched_setaffinity", SYS_sched_setaffinity, { 0, 8, SET }, "3" },
	{ "sched_getparam", SYS_sched_getparam, { 0, OUT }, "2" },
	{ "sched_setscheduler", SYS_sched_setscheduler, { 0, 0, FUT }, "3" },
	{ "sched_rr_get_interval", SYS_sched_rr_get_interval, { 0, OUT }, "2" },
	{ "clock_gettime", SYS_clock_gettime, { 0, OUT }, "2" },
	{ "clock_gettime bad", SYS_clock_gettime, { 77, OUT }, "2" },
	{ "clock_getres", SYS_clock_getres, { 0, OUT }, "2" },
	{ "nanosleep", SYS_nanosleep, { TS0, OUT }, "12" },
	{ "clock_nanosleep", SYS_clock_nanosleep, { 1, 0, TS0, OUT }, "34" },
	{ "clock_nanosleep bad", SYS_clock_nanosleep, { 77, 0, TS0, OUT }, "34" },
	{ "gettimeofday", SYS_gettimeofday, { OUT, OUT }, "12" },
	{ "time", SYS_time, { OUT }, "1" },
	{ "getrandom", SYS_getrandom, { OUT, 16, 0 }, "1" },
	{ "getrandom flags", SYS_getrandom, { OUT, 16, 99 }, "1" },
	{ "getrandom 0", SYS_getrandom, { OUT, 0, 0 }, "1" },
	{ "clone3", SYS_clone3, { CLONE3, 64 }, "1" },
	{ "clone3 size", SYS_clone3, { CLONE3, 8 }, "1" },
	{ "clone3 huge", SYS_clone3, { CLONE3, 5000 }, "1" },
};

/* --- good data --- */

static long good_pointer(long kind, int slot)
{
	unsigned char *p = good_page + slot * 512;
	static char *const argv[] = { "x", NULL };
	static long itv[4], limit[2] = { -1, -1 }, action[4] = { (long)SIG_IGN }, clone3[8] = { 1UL << 40 };

	memset(p, 0, 512);
	switch (kind) {
	case SET: case FUT: *p = 1; break;
	case ITV: return (long)itv;
	case ACT: return (long)action;
	case ALT: ((stack_t *)p)->ss_flags = SS_DISABLE; break;
	case PATHN: return (long)"/nonexistent";
	case ARGV: return (long)argv;
	case RLIM: syscall(SYS_getrlimit, 8, limit); return (long)limit;
	case CAPH: *(uint32_t *)p = 0x20080522; break;
	case NAME: strcpy((char *)p, "name"); break;
	case CLONE3: return (long)clone3;
	}
	return (long)p;
}

static int is_template(long v) { return v <= INFO && v >= OUT; }

static void handler(int sig) { (void)sig; }

/* musl has no strerrorname_np(). */
static const char *error_name(int error)
{
	static char number[16];
	static const struct { int error; const char *name; } names[] = {
		{ EFAULT, "EFAULT" }, { EINVAL, "EINVAL" }, { ESRCH, "ESRCH" }, { EPERM, "EPERM" }, { ENOENT, "ENOENT" },
		{ ECHILD, "ECHILD" }, { EAGAIN, "EAGAIN" }, { ENOSYS, "ENOSYS" }, { E2BIG, "E2BIG" }, { EINTR, "EINTR" },
		{ ENAMETOOLONG, "ENAMETOOLONG" }, { ENOMEM, "ENOMEM" }, { ETIMEDOUT, "ETIMEDOUT" },
	};

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].error == error)
			return names[i].name;
	snprintf(number, sizeof(number), "%d", error);
	return number;
}

/* --- running --- */

static void call_once(const struct call *c, int bad, const char *kind, unsigned long address)
{
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		long a[6];
		struct sigaction act = { .sa_handler = handler };
		/* Two wait for ever: a time that is none, a mask that can be read. The signal comes again: it may come before they wait. */
		bool for_ever = (c->number == SYS_rt_sigtimedwait && bad == 2 && !strcmp(kind, "null")) || (c->number == SYS_rt_sigsuspend && !strcmp(kind, "readonly"));
		struct itimerval soon = { { 0, 100000 }, { for_ever ? 0 : 500, 100000 } };

		for (int i = 0; i < 6; i++)
			a[i] = i == bad ? (long)address : is_template(c->args[i]) ? good_pointer(c->args[i], i) : c->args[i];
		if (c->number != SYS_setitimer && c->number != SYS_getitimer) {
			sigaction(SIGALRM, &act, NULL);
			setitimer(ITIMER_REAL, &soon, NULL);
		}
		/* Linux leaves the flags of what ran before exec: begin from a known state. */
		sigaltstack(&(stack_t){ .ss_flags = SS_DISABLE }, NULL);
		errno = 0;
		long r = syscall(c->number, a[0], a[1], a[2], a[3], a[4], a[5]);
		if (c->number == SYS_clone3 && r == 0)
			_exit(0);		/* the child that it made */
		printf("%s arg%d %s -> %s\n", c->name, bad + 1, kind, r >= 0 ? "ok" : error_name(errno));
		fflush(stdout);
		_exit(0);
	}
	int status;
	waitpid(pid, &status, 0);
	if (!WIFEXITED(status))
		printf("%s arg%d %s -> killed by %d\n", c->name, bad + 1, kind, WTERMSIG(status));
}

int main(void)
{
	CALL_ALL(0);
	return 0;
}
