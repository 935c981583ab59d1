/*
 * System calls that no other test program comes to: memory that is locked and populated as a whole, old forms that the C library replaces by newer
 * ones, numbers of users and groups one at a time, a mask for io_pgetevents(), robust futexes of other shapes.
 */
#include "t.h"
#include <linux/aio_abi.h>
#include <linux/futex.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/xattr.h>

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

static int created(const char *name)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0644);

	if (fd < 0 || ftruncate(fd, 3 * PAGE + 100))
		exit(1);
	return fd;
}

static char *map(long pages, int prot, int fd)
{
	char *p = mmap(NULL, pages * PAGE, prot, fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		exit(1);
	return p;
}

/* Which of the pages are in memory, "1" or "0" each. */
static void in_core(const char *what, char *p, long pages)
{
	unsigned char vec[64];

	SAY("%s: ", what);
	if (mincore(p, pages * PAGE, vec))
		SAY("%s", strerror(errno));
	else
		for (long i = 0; i < pages; i++)
			SAY("%d", vec[i] & 1);
	SAY("\n");
}

static void populating(void)
{
	int fd = created("populated");
	char *p = map(8, RW, -1), *ro = map(4, PROT_READ, -1), *none = map(2, PROT_NONE, -1), *f = map(6, RW, fd);
	unsigned char vec[8];

	in_core("fresh", p, 8);
	T(madvise(p, 3 * PAGE, MADV_POPULATE_READ));
	in_core("populated to read", p, 8);
	T(madvise(p + 2 * PAGE, 4 * PAGE, MADV_POPULATE_WRITE));
	in_core("and to write", p, 8);
	T(madvise(p + 1, PAGE, MADV_POPULATE_WRITE));
	T(madvise(ro, 4 * PAGE, MADV_POPULATE_READ));
	T(madvise(ro, 4 * PAGE, MADV_POPULATE_WRITE));
	T(madvise(none, PAGE, MADV_POPULATE_READ));
	T(madvise(f, 4 * PAGE, MADV_POPULATE_READ));
	T(madvise(f, 4 * PAGE, MADV_POPULATE_WRITE));
	T(madvise(f, 5 * PAGE, MADV_POPULATE_READ));		/* behind the file's end */
	munmap(p + 4 * PAGE, PAGE);
	T(madvise(p, 8 * PAGE, MADV_POPULATE_WRITE));
	in_core("up to the hole", p, 4);
	T(mincore(p, 8 * PAGE, vec));
	T(mincore(p + 1, PAGE, vec));
	T(mincore(p, PAGE, (void *)1));
	T(mincore(p, 0, NULL));
	T(mincore((void *)-PAGE, 2 * PAGE, vec));
	close(fd);
}

static long locked_kb(void)
{
	char line[200];
	long kb = -1;
	FILE *f = fopen("/proc/self/status", "r");

	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "VmLck: %ld", &kb);
	if (f)
		fclose(f);
	return kb;
}

static void locking(void)
{
	char *p = map(8, RW, -1), *q;
	int before;

	T(mlockall(0));
	T(mlockall(MCL_ONFAULT));
	T(mlockall(64));
	T(syscall(SYS_mlock2, p, PAGE, 4));
	T(syscall(SYS_mlock2, p, 2 * PAGE, 0));
	SAY("locked %ld\n", locked_kb());
	in_core("two locked", p, 4);
	T(munlockall());
	SAY("locked %ld\n", locked_kb());
	T(mlockall(MCL_FUTURE));
	q = map(4, RW, -1);
	in_core("mapped while all of the future is locked", q, 4);
	SAY("locked %ld\n", locked_kb());
	munmap(q, PAGE);
	SAY("locked %ld\n", locked_kb());
	T(mlockall(MCL_CURRENT | MCL_FUTURE));
	in_core("all locked", p, 8);
	SAY("more than 40 KiB: %d\n", locked_kb() > 40);
	before = fork();
	if (!before) {
		SAY("child: locked %ld\n", locked_kb());
		_exit(0);
	}
	waitpid(before, NULL, 0);
	T(munlockall());
	SAY("locked %ld\n", locked_kb());
	q = map(4, RW, -1);
	in_core("mapped afterwards", q, 4);
}

static void old_forms(void)
{
	char names[1024];
	int ep, ev, fd;
	uint64_t one = 1;
	struct epoll_event e = { .events = EPOLLIN, .data.u32 = 7 };
	sigset_t usr1;

	T(syscall(SYS_epoll_create, 0));
	ep = syscall(SYS_epoll_create, 1);
	SAY("close on exec: %d\n", fcntl(ep, F_GETFD));
	ev = syscall(SYS_eventfd, 3);
	T(read(ev, &one, 8));
	SAY("eventfd gave %d\n", (int)one);
	T(epoll_ctl(ep, EPOLL_CTL_ADD, ev, &e));
	T(syscall(SYS_epoll_wait, ep, &e, 1, 0));
	T(syscall(SYS_epoll_wait, ep, &e, 0, 0));
	T(write(ev, &one, 8));
	T(syscall(SYS_epoll_wait, ep, &e, 1, -1));
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	sigprocmask(SIG_BLOCK, &usr1, NULL);
	T(syscall(SYS_signalfd, -1, &usr1, 4));
	fd = syscall(SYS_signalfd, -1, &usr1, 8);
	kill(getpid(), SIGUSR1);
	memset(names, 0, sizeof(names));
	T(read(fd, names, sizeof(names)));
	SAY("signal %d\n", *(int *)names);
	close(fd);
	mkdir("dir", 0755);
	fd = open("dir", O_RDONLY);
	T(syscall(SYS_getdents, fd, names, 8));
	T(syscall(SYS_getdents, fd, names, sizeof(names)) > 0);
	T(syscall(SYS_getdents, fd, names, sizeof(names)));
	T(syscall(SYS_getdents, ev, names, sizeof(names)));
	close(fd);
	rmdir("dir");
	T(syscall(SYS_alarm, 100));
	T(syscall(SYS_alarm, 0x7fffffff) > 98);
	T(syscall(SYS_alarm, 0) > 1000000);
	T(syscall(SYS_alarm, 0));
	close(ep);
	close(ev);
}

static void messages(void)
{
	char text[] = "onetwothree", got[8];
	struct iovec iov[3] = { { text, 3 }, { text + 3, 3 }, { text + 6, 5 } };
	struct mmsghdr m[3];
	int pair[2];

	memset(m, 0, sizeof(m));
	for (int i = 0; i < 3; i++)
		m[i].msg_hdr = (struct msghdr){ .msg_iov = &iov[i], .msg_iovlen = 1 };
	socketpair(AF_UNIX, SOCK_DGRAM, 0, pair);
	T(syscall(SYS_sendmmsg, pair[0], m, 3, 0));
	SAY("lengths %u %u %u\n", m[0].msg_len, m[1].msg_len, m[2].msg_len);
	for (int i = 0; i < 3; i++)
		T(recv(pair[1], got, sizeof(got), MSG_DONTWAIT));
	T(syscall(SYS_sendmmsg, pair[0], m, 0, 0));
	iov[1].iov_base = (void *)1;
	T(syscall(SYS_sendmmsg, pair[0], m, 3, 0));		/* the first goes, the second cannot be read */
	T(syscall(SYS_sendmmsg, pair[0], m + 1, 2, 0));
	T(syscall(SYS_sendmmsg, pair[0], (void *)1, 1, 0));
	T(syscall(SYS_sendmmsg, 1000, m, 1, 0));
	close(pair[1]);
	signal(SIGPIPE, SIG_IGN);
	T(syscall(SYS_sendmmsg, pair[0], m, 1, 0));
	close(pair[0]);
}

/* Raw calls: the C library's change all threads, or know better. In a child each, that has given up being root. */
static void numbers(void)
{
	gid_t r, e, s;

	if (geteuid()) {
		SAY("not root\n");
		return;
	}
	for (int root = 1; root >= 0; root--) {
		pid_t pid = fork();
		if (!pid) {
			if (!root) {
				T(syscall(SYS_setresgid, 10, 20, 30));
				T(syscall(SYS_setresuid, 11, 22, 33));
			}
			T(syscall(SYS_setfsuid, 5));
			T(syscall(SYS_setfsuid, -1));
			T(syscall(SYS_setfsgid, 30));
			T(syscall(SYS_setfsgid, 77));
			T(syscall(SYS_setfsgid, -1));
			T(syscall(SYS_setregid, 99, 10));
			T(syscall(SYS_setregid, 20, 10));
			getresgid(&r, &e, &s);
			SAY("groups %d %d %d\n", (int)r, (int)e, (int)s);
			T(syscall(SYS_setregid, -1, 20));
			getresgid(&r, &e, &s);
			SAY("groups %d %d %d\n", (int)r, (int)e, (int)s);
			T(syscall(SYS_setfsgid, -1));
			_exit(0);
		}
		waitpid(pid, NULL, 0);
	}
	T(syscall(SYS_ioprio_get, 0, 0));
	T(syscall(SYS_ioprio_get, 4, 0));
	T(syscall(SYS_ioprio_get, 1, 0x3fffffff));
	T(syscall(SYS_ioprio_set, 1, 0, 2 << 13 | 4));
	T(syscall(SYS_ioprio_set, 1, 0x3fffffff, 2 << 13 | 4));
	T(syscall(SYS_ioprio_set, 0, 0, 0));
}

static volatile int caught;
static void on_signal(int sig) { caught = sig; }

static void events_with_a_mask(void)
{
	aio_context_t ctx = 0;
	struct io_event event;
	struct timespec short_time = { 0, 1000000 };
	struct { const void *mask; size_t size; } m = { 0 };
	sigset_t none, usr2;

	T(syscall(SYS_io_setup, 4, &ctx));
	T(syscall(SYS_io_pgetevents, ctx, 0, 1, &event, NULL, NULL));
	T(syscall(SYS_io_pgetevents, ctx, 1, 1, &event, &short_time, &m));
	T(syscall(SYS_io_pgetevents, ctx, 1, 1, &event, NULL, (void *)1));
	sigemptyset(&none);
	sigemptyset(&usr2);
	sigaddset(&usr2, SIGUSR2);
	m.mask = &none;
	m.size = 4;
	T(syscall(SYS_io_pgetevents, ctx, 1, 1, &event, &short_time, &m));
	m.size = 8;
	signal(SIGUSR2, on_signal);
	sigprocmask(SIG_BLOCK, &usr2, NULL);
	kill(getpid(), SIGUSR2);
	T(syscall(SYS_io_pgetevents, ctx, 1, 1, &event, NULL, &m));	/* the mask lets it in */
	SAY("signal %d\n", caught == SIGUSR2);
	sigprocmask(SIG_SETMASK, NULL, &none);
	SAY("blocked again: %d\n", sigismember(&none, SIGUSR2));
	T(syscall(SYS_io_destroy, ctx));
}

struct node { struct robust_list next; uint32_t word; };

/* A process dies with futexes on its list: held by it, waited for, somebody else's, marked already, and a pending one. */
static void robust(void)
{
	struct { struct robust_list_head head; struct node node[4], pending; } *s = mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid = fork();

	if (!pid) {
		uint32_t me = (uint32_t)syscall(SYS_gettid);

		for (int i = 0; i < 4; i++)
			s->node[i].next.next = i < 3 ? &s->node[i + 1].next : &s->head.list;
		s->head = (struct robust_list_head){ { &s->node[0].next }, offsetof(struct node, word), &s->pending.next };
		s->node[0].word = me;
		s->node[1].word = me | FUTEX_WAITERS;
		s->node[2].word = me + 1;
		s->node[3].word = me | FUTEX_OWNER_DIED;
		s->pending.word = me;
		T(syscall(SYS_set_robust_list, &s->head, 3));
		T(syscall(SYS_set_robust_list, &s->head, sizeof(s->head)));
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	for (int i = 0; i < 4; i++)
		SAY("futex %d: owner gone %d, died %d, waiters %d\n", i, (s->node[i].word & FUTEX_TID_MASK) == 0, !!(s->node[i].word & FUTEX_OWNER_DIED), !!(s->node[i].word & FUTEX_WAITERS));
	SAY("pending: owner gone %d, died %d\n", (s->pending.word & FUTEX_TID_MASK) == 0, !!(s->pending.word & FUTEX_OWNER_DIED));
}

static void attributes(void)
{
	char name[300], value[16];
	int fd = created("attributes");

	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = 0;
	memcpy(name, "user.", 5);
	T(setxattr("attributes", name, "v", 1, 0));
	T(lsetxattr("attributes", "", "v", 1, 0));
	T(fsetxattr(fd, "user.a", "v", 1, 4));
	T(fsetxattr(fd, "nowhere.a", "v", 1, 0));
	T(lgetxattr("nothing", "user.a", value, sizeof(value)));
	T(fremovexattr(-1, "user.a"));
	T(lremovexattr("nothing", "user.a"));
	T(listxattr("nothing", value, sizeof(value)));
	T(llistxattr("nothing", value, sizeof(value)));
	T(flistxattr(-1, value, sizeof(value)));
	close(fd);
}

int main(void)
{
	populating();
	locking();
	old_forms();
	messages();
	numbers();
	events_with_a_mask();
	robust();
	attributes();
	return 0;
}
