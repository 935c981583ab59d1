/*
 * Ways through system calls that no other test program takes (./cowslip coverage tells): prctl, ioctls of any file, options of sockets, futex operations,
 * advice that is taken back, what copying between files refuses, a full eventfd, signals to threads, alternate stacks.
 */
#include "t.h"
#include <linux/fs.h>
#include <linux/futex.h>
#include <linux/sockios.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1U << 31)
#endif

static volatile int caught, code;

static void on_signal(int sig, siginfo_t *info, void *context)
{
	(void)context;
	caught = sig;
	code = info->si_code == SI_QUEUE ? info->si_value.sival_int : info->si_code;
}

static void catch(int sig, int flags)
{
	struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | flags };

	sigaction(sig, &sa, NULL);
	caught = code = 0;
}

static void processes(void)
{
	int sig = -1, status, ready[2];
	char c;
	pid_t pid, child;

	T(prctl(PR_GET_DUMPABLE));
	T(prctl(PR_SET_DUMPABLE, 0));
	T(prctl(PR_GET_DUMPABLE));
	T(prctl(PR_SET_DUMPABLE, 2));
	T(prctl(PR_SET_DUMPABLE, 1));
	T(prctl(PR_SET_PDEATHSIG, 65));
	T(prctl(PR_SET_PDEATHSIG, SIGUSR1));
	T(prctl(PR_GET_PDEATHSIG, &sig));
	SAY("signal %d\n", sig);
	T(prctl(PR_GET_PDEATHSIG, (void *)1));
	T(prctl(PR_SET_PDEATHSIG, 0));
	/* A parent dies: its child has asked for a signal. */
	T(pipe(ready));
	pid = fork();
	if (!pid) {
		child = fork();
		if (!child) {
			sigset_t set;

			sigemptyset(&set);
			sigaddset(&set, SIGUSR1);
			sigprocmask(SIG_BLOCK, &set, NULL);
			prctl(PR_SET_PDEATHSIG, SIGUSR1);
			write(ready[1], "r", 1);
			sigwait(&set, &sig);
			SAY("the parent is gone: signal %d\n", sig);
			_exit(0);
		}
		read(ready[0], &c, 1);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	close(ready[1]);
	read(ready[0], &c, 1);			/* until the last writer, the grandchild, has ended */
	close(ready[0]);
	setpgid(0, 0);
	pid = fork();
	if (!pid)
		_exit(4);
	T(waitpid(0, &status, 0) == pid);
	show_status("child of our group", status);
}

static void any_file(void)
{
	int fd = open("any", O_RDWR | O_CREAT | O_TRUNC, 0644), dir = open(".", O_RDONLY), n = -1;
	long long size = -1;
	struct stat st;

	write(fd, "12345", 5);
	fsync(fd);
	T(ioctl(fd, FIOCLEX));
	T(fcntl(fd, F_GETFD));
	T(ioctl(fd, FIONCLEX));
	T(fcntl(fd, F_GETFD));
	T(ioctl(fd, FIOQSIZE, &size));
	fstat(fd, &st);
	SAY("what is allocated: %d\n", size == st.st_blocks * 512);
	T(ioctl(fd, FIOQSIZE, (void *)1));
	T(ioctl(fd, FIGETBSZ, &n));
	SAY("block %d\n", n);
	T(ioctl(fd, FIGETBSZ, (void *)1));
	T(ioctl(fd, TCGETS, &size));
	T(copy_file_range(dir, NULL, fd, NULL, 10, 0));
	T(copy_file_range(fd, NULL, dir, NULL, 10, 0));
	T(copy_file_range(fd, NULL, fd, NULL, 10, 1));
	close(dir);
	dir = open("any", O_WRONLY | O_APPEND);
	T(copy_file_range(fd, NULL, dir, NULL, 3, 0));
	T(copy_file_range(dir, NULL, fd, NULL, 3, 0));
	T(ioctl(fd, FICLONE, 1000));
	close(dir);
	close(fd);
}

static void options(void)
{
	static const int names[] = { SO_REUSEADDR, SO_KEEPALIVE, SO_BROADCAST, SO_LINGER, SO_TYPE, SO_DOMAIN, SO_PROTOCOL, SO_ACCEPTCONN, SO_ERROR };
	int pair[2], n = -1, size = 0;
	socklen_t len;
	struct linger linger = { 1, 5 };
	struct timeval t = { 1, 500000 };

	socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		int v[2] = { -1, -1 };

		len = sizeof(v);
		T(getsockopt(pair[0], SOL_SOCKET, names[i], v, &len));
		SAY("option %zu: %d, length %d\n", i, v[0], (int)len);
	}
	n = 1;
	T(setsockopt(pair[0], SOL_SOCKET, SO_REUSEADDR, &n, sizeof(n)));
	T(setsockopt(pair[0], SOL_SOCKET, SO_REUSEADDR, &n, 2));
	T(setsockopt(pair[0], SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
	len = sizeof(linger);
	memset(&linger, 0, sizeof(linger));
	T(getsockopt(pair[0], SOL_SOCKET, SO_LINGER, &linger, &len));
	SAY("linger %d %d\n", linger.l_onoff, linger.l_linger);
	T(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t)));
	len = sizeof(t);
	T(getsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &t, &len));
	SAY("timeout %ld.%06ld\n", (long)t.tv_sec, (long)t.tv_usec);
	n = 1;
	T(setsockopt(pair[0], SOL_SOCKET, SO_RCVBUF, &n, sizeof(n)));
	len = sizeof(size);
	T(getsockopt(pair[0], SOL_SOCKET, SO_RCVBUF, &size, &len));
	SAY("at least %d\n", size >= 2048);
	write(pair[0], "hello", 5);
	T(ioctl(pair[1], SIOCINQ, &n));
	SAY("to read: %d\n", n);
	T(ioctl(pair[0], SIOCOUTQ, &n));
	SAY("not read yet: %d\n", n > 0);
	T(ioctl(pair[0], SIOCOUTQ, (void *)1));
	close(pair[0]);
	close(pair[1]);
	socketpair(AF_UNIX, SOCK_DGRAM, 0, pair);
	write(pair[0], "four", 4);
	write(pair[0], "sixsix", 6);
	T(ioctl(pair[1], SIOCINQ, &n));
	SAY("the next message: %d\n", n);
	close(pair[0]);
	close(pair[1]);
}

#define WAKE_OP(op, arg, cmp, cmparg) ((op) << 28 | (cmp) << 24 | ((arg) & 0xfff) << 12 | ((cmparg) & 0xfff))

/* Nobody waits: what the operation does to the second word. */
static void futex_operations(void)
{
	static uint32_t a, b;
	static const int ops[] = { FUTEX_OP_SET, FUTEX_OP_ADD, FUTEX_OP_OR, FUTEX_OP_ANDN, FUTEX_OP_XOR };

	for (int op = 0; op < 5; op++)
		for (int cmp = 0; cmp < 6; cmp++) {
			b = 12;
			long r = syscall(SYS_futex, &a, FUTEX_WAKE_OP, 1, 1, &b, WAKE_OP(ops[op], 6, cmp, 12));
			if (!cmp || r)
				SAY("operation %d: %ld, %u\n", op, r, b);
		}
	b = 12;
	T(syscall(SYS_futex, &a, FUTEX_WAKE_OP, 1, 1, &b, WAKE_OP(FUTEX_OP_OR | FUTEX_OP_OPARG_SHIFT, 4, 0, 0)));
	SAY("shifted: %u\n", b);
	T(syscall(SYS_futex, &a, FUTEX_WAKE_OP, 1, 1, &b, WAKE_OP(7, 4, 0, 0)));
	T(syscall(SYS_futex, &a, FUTEX_WAKE_OP, 1, 1, (void *)8, WAKE_OP(0, 4, 0, 0)));
	T(syscall(SYS_futex, &a, FUTEX_WAKE_OP, 1, 1, (char *)&b + 1, WAKE_OP(0, 4, 0, 0)));
}

static void advice(void)
{
	char *p = mmap(NULL, 4 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *low;
	int status;
	pid_t pid;

	memset(p, 'p', 4 * PAGE);
	T(madvise(p, PAGE, MADV_DONTFORK));
	T(madvise(p, PAGE, MADV_DOFORK));
	T(madvise(p + PAGE, PAGE, MADV_WIPEONFORK));
	T(madvise(p + 2 * PAGE, PAGE, MADV_WIPEONFORK));
	T(madvise(p + 2 * PAGE, PAGE, MADV_KEEPONFORK));
	pid = fork();
	if (!pid) {
		SAY("child: %d %d %d\n", p[0], p[PAGE], p[2 * PAGE]);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	T(madvise(p, 2 * PAGE, MADV_FREE));
	p[0] = 'n';
	SAY("stored after it: %c\n", p[0]);
	mlock(p, PAGE);
	T(madvise(p, PAGE, MADV_DONTNEED));
	T(madvise(p, PAGE, MADV_FREE));
	T(madvise(p, PAGE, 99));
	munlock(p, PAGE);
	low = mmap(NULL, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	SAY("below 2 GiB: %d\n", (uintptr_t)low < 1UL << 31);
	low = mmap(NULL, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0);
	unsigned char vec = 0;
	T(mincore(low, PAGE, &vec));
	SAY("locked: %d\n", vec & 1);
	p = mremap(low, PAGE, 3 * PAGE, MREMAP_MAYMOVE);
	T(mincore(p + 2 * PAGE, PAGE, &vec));
	SAY("grown and locked: %d\n", vec & 1);
	OK(mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0));
	OK(mmap(NULL, 0, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}

/* Pages of a file that are locked in memory stay there, whoever wants to have the file out of memory. */
static void locked_pages(void)
{
	enum { N = 8 };
	int fd = open("locked", O_RDWR | O_CREAT | O_TRUNC, 0600), here = 0;
	char *shared = mmap(NULL, N * PAGE, PROT_READ, MAP_SHARED, fd, 0), *private = mmap(NULL, N * PAGE, RW, MAP_PRIVATE, fd, N * PAGE), text[PAGE];
	unsigned char vec[2 * N];
	struct rusage before, after;

	memset(text, 't', sizeof(text));
	for (int i = 0; i < 2 * N; i++)
		write(fd, text, sizeof(text));
	T(mlock(shared, N * PAGE));
	T(mlock(private, N * PAGE));
	T(fsync(fd));
	T(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
	T(mincore(shared, N * PAGE, vec));
	T(mincore(private, N * PAGE, vec + N));
	getrusage(RUSAGE_SELF, &before);
	for (int i = 0; i < 2 * N; i++) {
		here += vec[i] & 1;
		if (((volatile char *)(i < N ? shared : private))[i % N * PAGE] != 't')
			SAY("page %d is wrong\n", i);
	}
	getrusage(RUSAGE_SELF, &after);
	SAY("locked and here: %d, faults: %ld\n", here, after.ru_majflt - before.ru_majflt + after.ru_minflt - before.ru_minflt);
	munmap(shared, N * PAGE);
	munmap(private, N * PAGE);
	close(fd);
	unlink("locked");
}

static void full_event(void)
{
	int fd = eventfd(0, EFD_NONBLOCK), status;
	uint64_t v = ~0UL - 1, got;
	struct pollfd p = { fd, POLLIN | POLLOUT, 0 };
	pid_t pid;

	T(write(fd, &v, 8));
	T(poll(&p, 1, 0));
	SAY("events %x\n", p.revents);
	v = 1;
	T(write(fd, &v, 8));
	v = ~0UL;
	T(write(fd, &v, 8));
	T(write(fd, &v, 4));
	fcntl(fd, F_SETFL, 0);
	pid = fork();
	if (!pid) {
		v = 5;
		_exit(write(fd, &v, 8) != 8);		/* waits for the read */
	}
	usleep(20000);
	T(read(fd, &got, 8));
	waitpid(pid, &status, 0);
	show_status("who waited for room", status);
	T(read(fd, &got, 8));
	SAY("%lu\n", (unsigned long)got);
	close(fd);
}

static void signals(void)
{
	static char memory[65536];
	siginfo_t info = { .si_code = SI_QUEUE, .si_value.sival_int = 42 };
	stack_t stack = { .ss_sp = memory, .ss_size = sizeof(memory), .ss_flags = SS_AUTODISARM }, old;

	catch(SIGUSR2, 0);
	T(syscall(SYS_rt_tgsigqueueinfo, getpid(), syscall(SYS_gettid), SIGUSR2, &info));
	SAY("signal %d, value %d\n", caught == SIGUSR2, code);
	info.si_code = SI_TKILL;
	T(syscall(SYS_rt_tgsigqueueinfo, getpid(), syscall(SYS_gettid), 0, &info));
	T(syscall(SYS_rt_tgsigqueueinfo, 0, syscall(SYS_gettid), SIGUSR2, &info));
	T(syscall(SYS_rt_tgsigqueueinfo, getpid(), syscall(SYS_gettid), SIGUSR2, (void *)1));
	T(sigaltstack(&stack, NULL));
	catch(SIGUSR2, SA_ONSTACK);
	raise(SIGUSR2);
	T(sigaltstack(NULL, &old));
	SAY("stack there again: %d, size %d, disarmed by itself %d\n", old.ss_sp == memory, (int)old.ss_size, (unsigned)old.ss_flags == SS_AUTODISARM);
	stack.ss_size = 100;
	T(sigaltstack(&stack, NULL));
	stack.ss_flags = 77;
	T(sigaltstack(&stack, NULL));
	stack.ss_flags = SS_DISABLE;
	T(sigaltstack(&stack, NULL));
	T(sigaltstack(NULL, &old));
	SAY("flags %d\n", old.ss_flags);
}

int main(void)
{
	processes();
	any_file();
	options();
	futex_operations();
	advice();
	locked_pages();
	full_event();
	signals();
	return 0;
}
