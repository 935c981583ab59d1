/*
 * System calls, and ways through them, that no other test program comes to (./cowslip coverage tells): memory that is locked and populated as a whole,
 * old forms that the C library replaces by newer ones, numbers of users and groups one at a time, a mask for io_pgetevents(), robust futexes of other
 * shapes, the limit of the size of files, positions in directories, shared tables of descriptors.
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

static long locked_kb(void) { return proc_number("/proc/self/status", "VmLck:"); }

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
	T(syscall(SYS_alarm, 100000));
	T(syscall(SYS_alarm, 0x7fffffff) > 90000);
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

/* Where a limit of the size of files lies: what fits is written; then nothing, and SIGXFSZ. */
static void size_limit(void)
{
	struct rlimit old, limit = { 10000, 0 };
	int fd = open("limited", O_RDWR | O_CREAT | O_TRUNC, 0644), appending = open("limited", O_WRONLY | O_APPEND);
	static char bytes[8192];
	struct iovec iov[2] = { { bytes, 100 }, { bytes, 200 } };

	getrlimit(RLIMIT_FSIZE, &old);
	limit.rlim_max = old.rlim_max;
	setrlimit(RLIMIT_FSIZE, &limit);
	signal(SIGXFSZ, on_signal);
	caught = 0;
	T(write(fd, bytes, sizeof(bytes)));
	T(write(appending, bytes, sizeof(bytes)));
	SAY("signal %d\n", caught != 0);
	T(write(fd, bytes, 1900));		/* after 8192: 92 of them are over */
	SAY("signal %d\n", caught != 0);
	T(write(appending, bytes, 1));
	SAY("signal %d\n", caught == SIGXFSZ);
	caught = 0;
	T(pwritev(fd, iov, 2, 9850));
	T(pwrite(fd, bytes, 1, 10000));
	SAY("signal %d\n", caught == SIGXFSZ);
	caught = 0;
	T(pwrite(fd, bytes, 0, 20000));
	T(ftruncate(fd, 10001));
	SAY("signal %d\n", caught == SIGXFSZ);
	setrlimit(RLIMIT_FSIZE, &old);
	SAY("size %ld\n", (long)lseek(fd, 0, SEEK_END));
	close(fd);
	close(appending);
}

/* A position of a directory leads to the same name again. */
static void positions(void)
{
	char name[20], after[300] = "";
	struct dirent *e;
	long at = 0;
	int n = 0, same;
	DIR *d;

	mkdir("many", 0755);
	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "many/%d", i);
		close(open(name, O_CREAT | O_WRONLY, 0644));
	}
	d = opendir("many");
	for (int i = 0; i < 9; i++)
		readdir(d);
	at = telldir(d);
	e = readdir(d);
	strcpy(after, e->d_name);
	while (readdir(d))
		;
	seekdir(d, at);
	e = readdir(d);
	same = e && !strcmp(after, e->d_name);
	SAY("the same name: %d\n", same);
	rewinddir(d);
	while (readdir(d))
		n++;
	SAY("%d names\n", n);
	T(lseek(dirfd(d), -1, SEEK_SET));
	T(lseek(dirfd(d), 0, 77));
	closedir(d);
}

/* Descriptors shared with a child, until one of them says otherwise. */
static void descriptors(void)
{
	int a = dup(0), status;
	pid_t pid = syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);

	if (!pid) {
		T(syscall(SYS_close_range, a, a, 2));		/* CLOSE_RANGE_UNSHARE */
		T(fcntl(a, F_GETFD));
		_exit(0);
	}
	waitpid(pid, &status, 0);
	T(fcntl(a, F_GETFD));
	pid = syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
	if (!pid) {
		T(syscall(SYS_close_range, a, a, 0));
		_exit(0);
	}
	waitpid(pid, &status, 0);
	T(fcntl(a, F_GETFD));
	T(syscall(SYS_close_range, 5, 4, 0));
	T(syscall(SYS_close_range, 1000, 2000, 2));
	T(syscall(SYS_close_range, 1000, 2000, 8));
}

static void special_files(void)
{
	char line[200] = "";
	uint64_t entry = 0;
	char *p = map(2, RW, -1);
	int fd = open("/dev/urandom", O_WRONLY), found = 0;
	FILE *f;

	T(write(fd, "entropy", 7));
	T(write(fd, (void *)1, 7));
	close(fd);
	*p = 1;
	fd = open("/proc/self/pagemap", O_RDONLY);
	T(lseek(fd, (off_t)((uintptr_t)p / PAGE * 8), SEEK_SET) > 0);
	T(read(fd, &entry, 8));
	SAY("present %d\n", (int)(entry >> 63));
	T(read(fd, &entry, 8));
	SAY("present %d\n", (int)(entry >> 63));
	T(read(fd, &entry, 7));
	close(fd);
	f = fopen("/proc/self/smaps_rollup", "r");
	while (f && fgets(line, sizeof(line), f))
		found += !strncmp(line, "Rss:", 4) || !strncmp(line, "Pss:", 4) || !strncmp(line, "Anonymous:", 10) || strstr(line, "[rollup]");
	if (f)
		fclose(f);
	SAY("of 4 lines %d\n", found);
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
	size_limit();
	positions();
	descriptors();
	special_files();
	return 0;
}
