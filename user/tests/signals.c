/* Signals: handlers, masks, what they interrupt, alternate stacks, what the handler is told. */
#include "t.h"

static volatile int count, last, order[20], norder;
static void handler(int sig) { count++; last = sig; if (norder < 20) order[norder++] = sig; }
static void nothing(int sig) { }
static void set(int sig, void (*fn)(int), int flags)
{
	struct sigaction sa = { .sa_handler = fn, .sa_flags = flags };
	sigaction(sig, &sa, NULL);
}
static siginfo_t seen;
static char altstack[32768];
static volatile int on_alt, rip_ok;
static void info(int sig, siginfo_t *si, void *uc)
{
	char here;
	seen = *si;
	on_alt = &here >= altstack && &here < altstack + sizeof(altstack);
	ucontext_t *c = uc;
	rip_ok = c->uc_mcontext.gregs[16] != 0 && c->uc_mcontext.gregs[18] == 0x33 + 0 * sig;
}
static void nested(int sig)
{
	if (norder < 20)
		order[norder++] = sig;
	if (sig == SIGUSR1)
		raise(SIGUSR2);
	if (norder < 20)
		order[norder++] = -sig;
}
static void show_order(const char *what)
{
	SAY("%s:", what);
	for (int i = 0; i < norder; i++)
		SAY(" %d", order[i]);
	SAY("\n");
	norder = 0;
}
static void modify(int sig, siginfo_t *si, void *uc)
{
	((ucontext_t *)uc)->uc_mcontext.gregs[13] = 4242;	/* rax */
}

int main(int argc, char **argv)
{
	sigset_t s, old;
	struct sigaction sa;
	char c;
	int p[2];

	if (argc > 1) {			/* after exec: ignored stays ignored, a handler becomes the default */
		sigaction(SIGUSR1, NULL, &sa);
		SAY("USR1 default %d", sa.sa_handler == SIG_DFL);
		sigaction(SIGHUP, NULL, &sa);
		SAY(", HUP ignored %d\n", sa.sa_handler == SIG_IGN);
		return 3;
	}
	set(SIGUSR1, handler, 0);
	T(raise(SIGUSR1));
	SAY("count %d last %d\n", count, last);
	T(kill(getpid(), 0));
	T(kill(getpid(), 65));
	T(kill(999999, SIGUSR1));
	T(sigaction(SIGKILL, &(struct sigaction){ .sa_handler = handler }, NULL));
	T(sigaction(65, NULL, &sa));
	T(sigaction(SIGUSR1, NULL, &sa));
	SAY("handler read back %d\n", sa.sa_handler == handler);

	/* masks */
	sigemptyset(&s);
	sigaddset(&s, SIGUSR1);
	sigaddset(&s, SIGKILL);
	T(sigprocmask(SIG_BLOCK, &s, &old));
	raise(SIGUSR1);
	raise(SIGUSR1);
	SAY("blocked: count %d\n", count);
	sigpending(&s);
	SAY("pending: %d, SIGKILL blocked: %d\n", sigismember(&s, SIGUSR1), (sigprocmask(0, NULL, &s), sigismember(&s, SIGKILL)));
	T(sigprocmask(SIG_SETMASK, &old, NULL));
	SAY("delivered once: count %d\n", count);
	T(sigprocmask(77, &old, NULL));
	set(SIGUSR1, SIG_IGN, 0);
	raise(SIGUSR1);
	SAY("ignored: count %d\n", count);

	/* nesting, order, sa_mask, flags */
	set(SIGUSR1, nested, 0);
	set(SIGUSR2, nested, 0);
	raise(SIGUSR1);
	show_order("nested");
	sa = (struct sigaction){ .sa_handler = nested };
	sigaddset(&sa.sa_mask, SIGUSR2);
	sigaction(SIGUSR1, &sa, NULL);
	raise(SIGUSR1);
	show_order("masked");
	set(SIGUSR1, handler, SA_RESETHAND);
	raise(SIGUSR1);
	sigaction(SIGUSR1, NULL, &sa);
	SAY("RESETHAND: default again %d\n", sa.sa_handler == SIG_DFL);
	set(SIGHUP, handler, 0);
	set(SIGTERM, handler, 0);
	set(SIGUSR1, handler, 0);
	sigfillset(&s);
	sigprocmask(SIG_BLOCK, &s, &old);
	norder = 0;
	kill(getpid(), SIGTERM);
	kill(getpid(), SIGHUP);
	kill(getpid(), SIGUSR1);
	sigprocmask(SIG_SETMASK, &old, NULL);
	SAY("%d delivered\n", norder);
	norder = 0;

	/* siginfo, context, alternate stack */
	sa = (struct sigaction){ .sa_sigaction = info, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	sigaction(SIGUSR1, &sa, NULL);
	stack_t st = { .ss_sp = altstack, .ss_size = sizeof(altstack) }, ost;
	T(sigaltstack(&st, NULL));
	T(sigaltstack(NULL, &ost));
	SAY("alternate stack %d %d\n", ost.ss_sp == altstack, ost.ss_flags);
	kill(getpid(), SIGUSR1);
	SAY("from kill: signo %d code %d self %d alt %d context %d\n", seen.si_signo, seen.si_code, seen.si_pid == getpid(), on_alt, rip_ok);
	raise(SIGUSR1);
	SAY("from raise: code %d\n", seen.si_code);
	st.ss_size = 100;
	T(sigaltstack(&st, NULL));
	sigaction(SIGCHLD, &sa, NULL);
	pid_t pid = fork();
	if (!pid)
		_exit(7);
	wait_for(pid);
	SAY("SIGCHLD: code %d status %d child %d\n", seen.si_code, seen.si_status, seen.si_pid == pid);
	signal(SIGCHLD, SIG_DFL);

	/* the handler may change the context */
	sa = (struct sigaction){ .sa_sigaction = modify, .sa_flags = SA_SIGINFO };
	sigaction(SIGUSR1, &sa, NULL);
	long r = syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGUSR1);
	SAY("changed result %ld\n", r);

	/* what is interrupted and what starts again */
	T(pipe(p));
	set(SIGALRM, nothing, 0);
	alarms_on();
	T(read(p[0], &c, 1));
	set(SIGALRM, nothing, SA_RESTART);
	pid = fork();
	if (!pid) {
		usleep(100000);
		write(p[1], "r", 1);
		_exit(0);
	}
	T(read(p[0], &c, 1));
	wait_for(pid);
	T(pause());
	T(poll(NULL, 0, 1000000));
	struct timespec ts = { 100000, 0 }, rem = { 0, 0 };
	T(nanosleep(&ts, &rem));
	alarms_off();
	SAY("rest %d\n", rem.tv_sec > 90000 && rem.tv_sec < 100000);
	sigemptyset(&s);
	sigaddset(&s, SIGALRM);
	sigprocmask(SIG_BLOCK, &s, &old);
	ualarm(20000, 0);
	T(sigsuspend(&old));
	sigpending(&s);
	SAY("still blocked, pending %d\n", sigismember(&s, SIGALRM));
	sigemptyset(&s);
	sigaddset(&s, SIGUSR2);
	raise(SIGUSR2);
	norder = 0;
	sigprocmask(SIG_BLOCK, &s, NULL);
	raise(SIGUSR2);
	siginfo_t si;
	T(sigwaitinfo(&s, &si));
	SAY("signo %d\n", si.si_signo);
	ts = (struct timespec){ 0, 1000000 };
	T(sigtimedwait(&s, &si, &ts));
	sigprocmask(SIG_SETMASK, &old, NULL);

	/* deaths */
	CHILD("SIGTERM", signal(SIGTERM, SIG_DFL); raise(SIGTERM));
	CHILD("SIGKILL", raise(SIGKILL));
	CHILD("SIGCHLD is ignored", raise(SIGCHLD));
	CHILD("abort", abort());
	CHILD("divide", volatile int z = 0; z = 1 / z);
	CHILD("illegal", __asm__ volatile("ud2"));
	CHILD("privileged", __asm__ volatile("hlt"));
	CHILD("blocked SIGSEGV", sigfillset(&s); sigprocmask(SIG_BLOCK, &s, NULL); *at(8) = 1);
	CHILD("ignored SIGSEGV", signal(SIGSEGV, SIG_IGN); *at(8) = 1);
	CHILD("bad frame", __asm__ volatile("mov $15, %%eax; mov $8, %%esp; syscall" ::: "rax", "rcx", "r11", "memory"));
	CHILD("exec resets handlers", signal(SIGHUP, SIG_IGN); execl("/proc/self/exe", "signals", "exec", NULL));
	return 0;
}
