/*
 * Corners of memory and processes that no other test program comes to (./cowslip coverage tells): where a stack may not grow, what is locked before it exists,
 * mappings that become shorter when they move, vectors that lead out of the user's half, one instruction at a time, a signal whose frame has no place, a timer
 * whose signal nobody wants, futexes in pages that are not there, a parent that is killed while it waits for its vfork() child.
 */
#include "t.h"
#include <linux/futex.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <ucontext.h>

static volatile int caught, code;

static void on_signal(int sig, siginfo_t *info, void *context)
{
	(void)context;
	caught++;
	code = sig == SIGALRM ? 0 : info->si_code;
}

static void catch(int sig, int flags)
{
	struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | flags };

	sigaction(sig, &sa, NULL);
	caught = code = 0;
}

static void in_core(const char *what, void *p, long pages)
{
	unsigned char vec[16];

	if (mincore(p, (size_t)pages * PAGE, vec))
		SAY("%s: %s\n", what, strerror(errno));
	else
		for (long i = 0; i < pages; i++)
			SAY("%s%d%s", i ? "" : what, vec[i] & 1, i < pages - 1 ? "" : "\n");
}

/* --- memory --- */

#define ROOM (512 * PAGE)

/* A stack at the end of some room, with other memory `below` pages under it. */
static char *stack_above(long below, int prot)
{
	char *room = mmap(NULL, ROOM, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *top = room + ROOM - PAGE;

	munmap(room, ROOM);
	if (below)
		mmap(top - (below + 1) * (long)PAGE, PAGE, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	return mmap(top, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_GROWSDOWN, -1, 0);
}

static void deep(char *stack, long pages) { stack[-pages * (long)PAGE] = 1; }

static void limited(long pages)
{
	struct rlimit limit = { 16 * PAGE, 16 * PAGE };

	setrlimit(RLIMIT_STACK, &limit);
	deep(stack_above(0, 0), pages);
}

static void stacks(void)
{
	CHILD("deep(stack_above(0, 0), 100)", deep(stack_above(0, 0), 100));
	CHILD("deep(stack_above(300, RW), 20)", deep(stack_above(300, RW), 20));
	CHILD("deep(stack_above(200, RW), 20)", deep(stack_above(200, RW), 20));		/* less than the gap of 256 pages would be left */
	CHILD("deep(stack_above(200, PROT_NONE), 20)", deep(stack_above(200, PROT_NONE), 20));
	CHILD("limited(15)", limited(15));
	CHILD("limited(16)", limited(16));
}

static char *heap(long more)		/* musl's sbrk() does not */
{
	char *old = (char *)syscall(SYS_brk, 0);
	return (char *)syscall(SYS_brk, old + more) == old + more ? old : NULL;
}

static void heap_to_come(void)
{
	char *end;

	heap((long)(PAGE - (uintptr_t)syscall(SYS_brk, 0) % PAGE));
	end = heap(2 * PAGE);
	in_core("heap: ", end, 2);
	T(mlockall(MCL_FUTURE));
	end = heap(4 * PAGE);
	in_core("heap of the locked future: ", end, 4);
	SAY("%d %d\n", end[0], end[4 * PAGE - 1]);
}

static void named(const char *what, void *p)
{
	char line[300], start[40];
	FILE *f = fopen("/proc/self/maps", "r");

	snprintf(start, sizeof(start), "%lx-", (unsigned long)p);
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, start, strlen(start)))
			SAY("%s: %.4s %s", what, strchr(line, ' ') + 1, strchr(line, '/') ? strchr(line, '/') : "none\n");
	fclose(f);
}

static long shared_pages(void) { return proc_number("/proc/self/status", "RssShmem:"); }

static void mappings(void)
{
	char *p = mmap(NULL, 4 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *to = mmap(NULL, 4 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *shared;
	long before = shared_pages();

	for (int i = 0; i < 4; i++)
		p[i * (long)PAGE] = (char)('a' + i);
	SAY("moved and cut: %d\n", mremap(p, 4 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
	SAY("%c %c, ", to[0], to[PAGE]);
	in_core("behind them as before: ", to + 2 * PAGE, 2);
	in_core("from where: ", p, 1);
	in_core("what was cut: ", p + 3 * PAGE, 1);
	OK(mremap(to, 2 * PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to));	/* onto itself */
	shared = mmap(NULL, 16 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	memset(shared, 1, 16 * PAGE);
	SAY("RssShmem: %ld KiB more\n", shared_pages() - before);
	named("shared", shared);
	named("private", to);
	p = mmap((void *)PAGE, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	SAY("asked for page 1: low, but not there: %d\n", p > (char *)PAGE && p < (char *)(16UL << 20));
	T(syscall(SYS_get_mempolicy, NULL, (void *)8, 1024UL, NULL, 0UL));
}

static void vectors(void)
{
	char c;
	struct iovec iov[12];
	int fd = open("/dev/zero", O_RDONLY);

	for (int i = 0; i < 12; i++)
		iov[i] = (struct iovec){ &c, 1 };
	T(readv(fd, iov, 12));
	iov[11].iov_base = (void *)-PAGE;
	T(readv(fd, iov, 12));
	T(readv(fd, iov + 11, 1));
	iov[11] = (struct iovec){ &c, (size_t)-1 };
	T(readv(fd, iov, 12));
	T(process_vm_readv(getpid(), iov, 1, iov + 11, 1, 0));
	T(process_vm_readv(getpid(), iov, 1, iov, 1, 1));
	T(process_vm_readv(getpid(), iov, 1, (void *)8, 1, 0));
	T(process_vm_readv(getpid(), iov, 1, iov, 2000, 0));
	close(fd);
}

/* --- signals --- */

static void on_step(int sig, siginfo_t *info, void *context)
{
	ucontext_t *u = context;

	(void)sig;
	code = info->si_code;
	if (++caught == 3)
		u->uc_mcontext.gregs[REG_EFL] &= ~0x100L;
}

static void steps(void)
{
	struct sigaction sa = { .sa_sigaction = on_step, .sa_flags = SA_SIGINFO };

	sigaction(SIGTRAP, &sa, NULL);
	__asm__ volatile("pushfq\n\torq $0x100, (%%rsp)\n\tpopfq\n\tnop\n\tnop\n\tnop\n\tnop\n\tnop" ::: "memory", "cc");
	SAY("steps: %d, code %d\n", caught, code);
}

static void no_frame(int sig)
{
	char *gone = mmap(NULL, 16 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	stack_t stack = { .ss_sp = gone, .ss_size = 16 * PAGE };
	struct rlimit none = { 0, 0 };

	setrlimit(RLIMIT_CORE, &none);
	T(sigaltstack(&stack, NULL));
	catch(sig, SA_ONSTACK);
	raise(sig);
	SAY("not reached\n");
}

static void on_told(int sig, siginfo_t *info, void *context)
{
	(void)sig, (void)context;
	SAY("told: code %d\n", info->si_code);
	_exit(3);
}
static void frames(void)
{
	struct sigaction sa = { .sa_sigaction = on_told, .sa_flags = SA_SIGINFO };

	CHILD("no_frame(SIGUSR1)", no_frame(SIGUSR1));
	CHILD("no_frame(SIGSEGV)", no_frame(SIGSEGV));
	sigaction(SIGSEGV, &sa, NULL);
	CHILD("no_frame(SIGUSR1)", no_frame(SIGUSR1));
	signal(SIGSEGV, SIG_DFL);
}

static void unwanted_timer(void)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM };
	struct itimerspec every = { { 0, 1000000 }, { 0, 1000000 } };
	timer_t timer;

	signal(SIGALRM, SIG_IGN);
	T(timer_create(CLOCK_MONOTONIC, &event, &timer));
	T(timer_settime(timer, 0, &every, NULL));
	usleep(20000);			/* some that nobody takes */
	catch(SIGALRM, 0);
	while (caught < 2)
		usleep(1000);
	SAY("wanted again, and it comes\n");
	T(timer_delete(timer));
}

/* --- processes --- */

static void clear_handlers(void)
{
	struct clone_args args = { .flags = CLONE_CLEAR_SIGHAND, .exit_signal = SIGCHLD };
	struct sigaction sa;
	siginfo_t info = { 0 };
	long pid;

	catch(SIGUSR1, 0);
	signal(SIGUSR2, SIG_IGN);
	pid = syscall(SYS_clone3, &args, sizeof(args));
	if (!pid) {
		sigaction(SIGUSR1, NULL, &sa);
		SAY("child: handler gone %d", sa.sa_handler == SIG_DFL);
		sigaction(SIGUSR2, NULL, &sa);
		SAY(", ignored still %d\n", sa.sa_handler == SIG_IGN);
		_exit(4);
	}
	T(waitid(P_PGID, 0, &info, WEXITED));
	SAY("the child of this group: %d, status %d\n", info.si_pid == pid, info.si_status);
	T(waitid(P_PGID, 0, &info, WEXITED));
	T(waitid(P_PGID, -1, &info, WEXITED));
	signal(SIGUSR2, SIG_DFL);
}

/* The parent of a vfork() child is killed by it, and the child goes on. */
static void parent_killed(void)
{
	int fd[2], status;
	char c = 0;
	pid_t pid;

	T(pipe(fd));
	pid = fork();
	if (!pid) {
		pid_t me = getpid();
		if (!vfork()) {
			kill(me, SIGKILL);
			while (getppid() == me)
				;
			write(fd[1], "c", 1);
			_exit(0);
		}
		_exit(1);
	}
	waitpid(pid, &status, 0);
	show_status("parent", status);
	close(fd[1]);
	T(read(fd[0], &c, 1));
	SAY("its child: %c\n", c);
	close(fd[0]);
}

static void futexes(void)
{
	unsigned *fresh = mmap(NULL, 2 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *other = fresh + 8;

	T(syscall(SYS_futex, fresh, FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)1, other, 0));
	T(syscall(SYS_futex, fresh, FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)1, other, 1));
	munmap(fresh + PAGE / 4, PAGE);
	T(syscall(SYS_futex, fresh + PAGE / 4, FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)1, other, 0));
	T(syscall(SYS_futex, fresh, FUTEX_CMP_REQUEUE_PRIVATE, -1, (void *)1, other, 0));
}

/* --- a robust lock whose owner ends --- */

static struct robust {
	struct robust_list_head head;
	struct robust_list node;
	unsigned lock;
} *robust;
static int ready[2], end[2];

static void *owner(void *arg)
{
	char c;

	(void)arg;
	robust->head.list.next = &robust->node;
	robust->head.futex_offset = (char *)&robust->lock - (char *)&robust->node;
	robust->node.next = &robust->head.list;
	robust->lock = (unsigned)syscall(SYS_gettid);
	syscall(SYS_set_robust_list, &robust->head, sizeof(robust->head));
	write(ready[1], "r", 1);
	read(end[0], &c, 1);
	return NULL;
}

/* In a page of which a child has a copy since, or which may only be read. */
static void owner_ends(const char *what, int prot, int forks)
{
	pthread_t thread;
	int hold[2], status;
	char c;
	pid_t pid = 0;

	robust = mmap(NULL, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pipe(hold);
	pipe(ready);
	pipe(end);
	pthread_create(&thread, NULL, owner, NULL);
	read(ready[0], &c, 1);
	if (forks) {
		pid = fork();
		if (!pid) {
			close(hold[1]);
			read(hold[0], &c, 1);		/* until the owner has ended */
			_exit((robust->lock & FUTEX_OWNER_DIED) != 0);
		}
	}
	mprotect(robust, PAGE, prot);
	write(end[1], "e", 1);
	pthread_join(thread, NULL);
	SAY("%s: marked %d\n", what, (robust->lock & FUTEX_OWNER_DIED) != 0);
	close(hold[1]);
	if (forks) {
		waitpid(pid, &status, 0);
		show_status("in the child", status);
	}
	close(hold[0]);
	for (int i = 0; i < 2; i++)
		close(ready[i]), close(end[i]);
	munmap(robust, PAGE);
}

static void robust_locks(void)
{
	owner_ends("stored to", RW, 0);
	owner_ends("after a fork", RW, 1);
	owner_ends("read-only", PROT_READ, 0);
}

static void no_new_rights(void)
{
	int fd = open("program", O_RDWR | O_CREAT | O_TRUNC, 0700);
	char *argv[] = { "program", NULL };

	T(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	T(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	T(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	T(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
	write(fd, "#!/bin/true\n", 12);
	T(execve("program", argv, argv + 1));		/* open for writing */
	close(fd);
	unlink("program");
}

int main(void)
{
	stacks();
	CHILD("heap_to_come()", heap_to_come());
	mappings();
	vectors();
	steps();
	frames();
	unwanted_timer();
	clear_handlers();
	parent_killed();
	futexes();
	robust_locks();
	CHILD("no_new_rights()", no_new_rights());
	return 0;
}
