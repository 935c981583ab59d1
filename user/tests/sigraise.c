/* Signals that a thread sends to itself: kill() of its own process and raise(), as they meet masks, flags, other threads and bad stacks. */
#include "t.h"
#include <pthread.h>

static char log_text[200];
static int depth;
static char *alt_stack;
static pthread_t taken_by;

static void note(const char *s) { strcat(log_text, s); }

static void tell(const char *what)
{
	printf("%s: %s\n", what, log_text);
	log_text[0] = 0;
}

static void set_handler(int sig, void (*handler)(int, siginfo_t *, void *), int flags)
{
	struct sigaction a = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags };

	sigaction(sig, &a, NULL);
}

static void on_plain(int sig, siginfo_t *info, void *context)
{
	sigset_t set;

	sigpending(&set);
	note(sig == SIGUSR1 ? "usr1" : sig == SIGUSR2 ? "usr2" : "other");
	note(info->si_code == SI_USER ? " user" : info->si_code == SI_TKILL ? " tkill" : " code?");
	note(info->si_pid == getpid() && info->si_uid == getuid() && info->si_signo == sig ? "" : " bad siginfo");
	note(sigismember(&set, sig) ? " pending;" : ";");
	taken_by = pthread_self();
}

static void on_nested(int sig, siginfo_t *info, void *context)
{
	note("(");
	if (depth++ < 3)
		raise(sig);
	note(")");
}

static void on_alt(int sig, siginfo_t *info, void *context)
{
	char here;

	note(&here > alt_stack && &here < alt_stack + 65536 ? "on the stack" : "elsewhere");
}

/* A return value and errno are what the call left; registers survive. */
static void plain(void)
{
	set_handler(SIGUSR1, on_plain, 0);
	errno = 77;
	printf("kill %d", kill(getpid(), SIGUSR1));
	printf(" raise %d errno %d\n", raise(SIGUSR1), errno);
	tell("plain");
	printf("sig 0: %d, sig 65: %d", kill(getpid(), 0), kill(getpid(), 65));
	printf(" errno is EINVAL: %d\n", errno == EINVAL);
}

static void flags(void)
{
	struct sigaction now;

	set_handler(SIGUSR1, on_plain, SA_RESETHAND);
	kill(getpid(), SIGUSR1);
	sigaction(SIGUSR1, NULL, &now);
	printf("reset: %d\n", now.sa_handler == SIG_DFL);
	tell("resethand");
	set_handler(SIGUSR1, on_nested, 0);
	raise(SIGUSR1);
	tell("deferred");
	depth = 0;
	set_handler(SIGUSR1, on_nested, SA_NODEFER);
	raise(SIGUSR1);
	tell("nodefer");
	signal(SIGUSR1, SIG_IGN);
	printf("ignored: %d\n", kill(getpid(), SIGUSR1));
}

static void masks(void)
{
	sigset_t set, old;

	set_handler(SIGUSR1, on_plain, 0);
	set_handler(SIGUSR2, on_plain, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, &old);
	kill(getpid(), SIGUSR1);
	raise(SIGUSR2);
	note(" unblock:");
	sigprocmask(SIG_SETMASK, &old, NULL);
	tell("blocked");
}

static void job_control(void)
{
	set_handler(SIGTSTP, on_plain, 0);
	set_handler(SIGCONT, on_plain, 0);
	kill(getpid(), SIGTSTP);
	kill(getpid(), SIGCONT);
	tell("job control");
}

static void alt(void)
{
	stack_t stack = { .ss_sp = alt_stack, .ss_size = 65536 }, now;

	sigaltstack(&stack, NULL);
	set_handler(SIGUSR1, on_alt, SA_ONSTACK);
	raise(SIGUSR1);
	tell("alternate stack");
	sigaltstack(NULL, &now);
	printf("left as it was: %d\n", now.ss_sp == stack.ss_sp && now.ss_size == stack.ss_size && now.ss_flags == stack.ss_flags);
}

static void on_segv(int sig, siginfo_t *info, void *context)
{
	_exit(info->si_code == SI_KERNEL ? 42 : 43);
}

/* The frame cannot be written: SIGSEGV, to a handler with a stack of its own, or to death. */
static void bad_stack(int handled)
{
	pid_t child;
	int status;

	fflush(stdout);
	child = fork();
	if (!child) {
		long nr = SYS_kill, bad = 0x1000;

		set_handler(SIGUSR1, on_plain, 0);
		if (handled)
			set_handler(SIGSEGV, on_segv, SA_ONSTACK);
		__asm__ volatile("mov %1, %%rsp\n\tsyscall\n\tud2" : : "a"(nr), "r"(bad), "D"((long)getpid()), "S"((long)SIGUSR1) : "rcx", "r11", "memory");
	}
	waitpid(child, &status, 0);
	if (WIFSIGNALED(status))
		printf("bad stack: killed by %d\n", WTERMSIG(status));
	else
		printf("bad stack: handler said %d\n", WEXITSTATUS(status));
}

static void *second(void *main_thread)
{
	sigset_t set;

	raise(SIGUSR1);
	printf("raise: this thread %d\n", pthread_equal(taken_by, pthread_self()) != 0);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	kill(getpid(), SIGUSR1);
	return NULL;
}

static void threads(void)
{
	pthread_t thread;

	set_handler(SIGUSR1, on_plain, 0);
	pthread_create(&thread, NULL, second, NULL);
	pthread_join(thread, NULL);
	getppid();		/* whoever was not asleep takes it after a call */
	printf("kill: the other thread %d\n", pthread_equal(taken_by, pthread_self()) != 0);
	tell("threads");
}

/* A standard signal has its place whatever the limit says; a real-time one may have none. */
static void limit(void)
{
	struct rlimit none = { 0, 0 };

	set_handler(SIGRTMIN, on_plain, 0);
	setrlimit(RLIMIT_SIGPENDING, &none);
	printf("standard %d", raise(SIGUSR1));
	printf(" real-time by kill %d\n", kill(getpid(), SIGRTMIN));
	printf("real-time by tkill %d\n", raise(SIGRTMIN));
	log_text[0] = 0;		/* what siginfo a lost one has is not compared */
}

int main(void)
{
	alt_stack = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	plain();
	flags();
	masks();
	job_control();
	alt();
	bad_stack(1);
	bad_stack(0);
	threads();
	limit();
	return 0;
}
