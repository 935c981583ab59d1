/* epoll and eventfd: what is reported when, level and edge, oneshot, exclusive, nested, closed files, threads, masks, errors. */
#include "t.h"
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

static int ep;

static void show_events(const char *what, int n, struct epoll_event *e)
{
	int err = errno;

	printf("%s: %d", what, n);
	if (n < 0)
		printf(" (%s)", strerror(err));
	for (int i = 0; i < n; i++)
		printf(" [%x %llu]", e[i].events, (unsigned long long)e[i].data.u64);
	printf("\n");
	fflush(stdout);
}

static void look(const char *what)
{
	struct epoll_event e[8];
	int n = epoll_wait(ep, e, 8, 0);

	/* by data, so that the order does not matter */
	for (int i = 1; i < n; i++)
		for (int k = i; k > 0 && e[k].data.u64 < e[k - 1].data.u64; k--) {
			struct epoll_event swap = e[k];
			e[k] = e[k - 1];
			e[k - 1] = swap;
		}
	show_events(what, n, e);
}

static int control(int op, int fd, unsigned events, unsigned long data)
{
	struct epoll_event e = { .events = events, .data.u64 = data };

	return epoll_ctl(ep, op, fd, &e);
}

static void add_one(int fd) { eventfd_write(fd, 1); }
static void take(int fd)
{
	eventfd_t v;

	eventfd_read(fd, &v);
}

static void eventfds(void)
{
	int e = eventfd(3, EFD_NONBLOCK), s = eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK);
	unsigned long v = 0;
	char small[4];
	struct stat st;
	char link[100], path[50];

	T(read(e, &v, 8));
	SAY("%lu\n", v);
	T(read(e, &v, 8));
	T(read(s, &v, 8));
	SAY("%lu\n", v);
	T(read(s, &v, 8));
	T(read(s, &v, 8));
	v = ~0UL - 1;
	T(write(e, &v, 8));
	v = 1;
	T(write(e, &v, 8));
	v = ~0UL;
	T(write(e, &v, 8));
	T(write(e, small, 4));
	T(read(e, small, 4));
	T(read(e, (void *)8, 8));
	T(write(e, (void *)8, 8));
	struct pollfd p = { .fd = e, .events = POLLIN | POLLOUT };
	T(poll(&p, 1, 0));
	SAY("%x\n", p.revents);
	T(eventfd(0, 0x1000));
	T(lseek(e, 0, SEEK_SET));
	T(fstat(e, &st));
	SAY("mode %o size %ld\n", st.st_mode, (long)st.st_size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", e);
	link[readlink(path, link, 99)] = 0;
	SAY("%s\n", link);
	T(ftruncate(e, 0));
	close(e);
	close(s);
}

static void *later(void *arg)
{
	usleep(20000);
	add_one((int)(long)arg);
	return NULL;
}

static void blocking(void)
{
	int e = eventfd(0, 0);
	unsigned long v = 0;
	pthread_t t;

	pthread_create(&t, NULL, later, (void *)(long)e);
	T(read(e, &v, 8));
	pthread_join(t, NULL);
	v = ~0UL - 1;
	write(e, &v, 8);
	close(e);
}

static void levels(void)
{
	int e = eventfd(0, EFD_NONBLOCK);

	ep = epoll_create1(EPOLL_CLOEXEC);
	T(control(EPOLL_CTL_ADD, e, EPOLLIN, 7));
	T(control(EPOLL_CTL_ADD, e, EPOLLIN, 8));
	look("nothing");
	add_one(e);
	look("level");
	look("level again");
	take(e);
	look("taken");
	T(control(EPOLL_CTL_MOD, e, EPOLLIN | EPOLLOUT, 9));
	look("out");
	add_one(e);
	look("both");
	T(control(EPOLL_CTL_MOD, e, EPOLLIN | EPOLLET, 10));
	look("edge, after mod");
	look("edge, no more");
	add_one(e);
	look("edge, written again");
	look("edge, no more");
	T(control(EPOLL_CTL_MOD, e, EPOLLIN | EPOLLONESHOT, 11));
	look("oneshot");
	add_one(e);
	look("oneshot, silent");
	T(control(EPOLL_CTL_MOD, e, EPOLLIN | EPOLLONESHOT, 12));
	look("oneshot, armed again");
	T(control(EPOLL_CTL_MOD, e, 0, 13));
	look("no events");
	T(control(EPOLL_CTL_DEL, e, 0, 0));
	T(control(EPOLL_CTL_DEL, e, 0, 0));
	T(control(EPOLL_CTL_MOD, e, EPOLLIN, 1));
	close(e);
	close(ep);
}

static void files(void)
{
	int p[2], q[2], d, i;
	char buf[70000];

	ep = epoll_create(1);
	pipe(p);
	pipe(q);
	fcntl(p[1], F_SETFL, O_NONBLOCK);
	T(control(EPOLL_CTL_ADD, p[0], EPOLLIN, 1));
	T(control(EPOLL_CTL_ADD, p[1], EPOLLOUT, 2));
	look("empty pipe");
	memset(buf, 0, sizeof(buf));
	T(write(p[1], buf, sizeof(buf)));
	look("full pipe");
	T(read(p[0], buf, sizeof(buf)));
	look("empty again");
	d = dup(p[0]);
	T(control(EPOLL_CTL_ADD, d, EPOLLIN, 3));
	write(p[1], "x", 1);
	look("two descriptors");
	close(p[0]);
	look("one closed, the file lives");
	close(d);
	look("both closed");
	T(control(EPOLL_CTL_DEL, p[0], 0, 0));
	close(p[1]);
	look("all closed");
	T(control(EPOLL_CTL_ADD, q[0], EPOLLIN | EPOLLRDHUP, 4));
	close(q[1]);
	look("writer gone");
	i = open("regular", O_RDWR | O_CREAT, 0600);
	T(control(EPOLL_CTL_ADD, i, EPOLLIN, 5));
	T(control(EPOLL_CTL_ADD, ep, EPOLLIN, 5));
	T(control(EPOLL_CTL_ADD, 999, EPOLLIN, 5));
	T(epoll_ctl(i, EPOLL_CTL_ADD, q[0], &(struct epoll_event){ 0 }));
	T(epoll_ctl(999, EPOLL_CTL_ADD, q[0], &(struct epoll_event){ 0 }));
	T(epoll_ctl(ep, EPOLL_CTL_ADD, q[0], NULL));
	T(epoll_ctl(ep, 77, q[0], &(struct epoll_event){ 0 }));
	struct epoll_event e[2];
	T(epoll_wait(ep, e, 0, 0));
	T(epoll_wait(ep, e, -1, 0));
	T(epoll_wait(i, e, 1, 0));
	T(epoll_wait(999, e, 1, 0));
	T(epoll_wait(ep, (void *)8, 1, 0));
	T(read(ep, buf, 1));
	T(epoll_create(0));
	T(epoll_create1(77));
	close(i);
	close(q[0]);
	close(ep);
	unlink("regular");
}

static void exclusive(void)
{
	int e = eventfd(1, 0), inner = epoll_create1(0);

	ep = epoll_create1(0);
	T(control(EPOLL_CTL_ADD, e, EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT, 1));
	T(control(EPOLL_CTL_ADD, inner, EPOLLIN | EPOLLEXCLUSIVE, 1));
	T(control(EPOLL_CTL_ADD, e, EPOLLIN | EPOLLEXCLUSIVE, 1));
	T(control(EPOLL_CTL_MOD, e, EPOLLIN, 1));
	T(control(EPOLL_CTL_MOD, e, EPOLLIN | EPOLLEXCLUSIVE, 1));
	look("exclusive");
	close(e);
	close(inner);
	close(ep);
}

static void nested(void)
{
	int chain[8], e = eventfd(0, EFD_NONBLOCK), r = 0, i;
	struct pollfd p;

	for (i = 0; i < 8; i++)
		chain[i] = epoll_create1(0);
	ep = chain[0];
	T(control(EPOLL_CTL_ADD, e, EPOLLIN, 1));
	ep = chain[1];
	T(control(EPOLL_CTL_ADD, chain[0], EPOLLIN, 2));
	look("inner not ready");
	add_one(e);
	look("inner ready");
	p = (struct pollfd){ .fd = chain[1], .events = POLLIN };
	T(poll(&p, 1, 0));
	take(e);
	look("inner no more");
	T(poll(&p, 1, 0));
	ep = chain[0];
	T(control(EPOLL_CTL_ADD, chain[1], EPOLLIN, 3));
	for (i = 2; i < 8 && !r; i++) {
		ep = chain[i];
		r = control(EPOLL_CTL_ADD, chain[i - 1], EPOLLIN, i);
	}
	show("a long chain", r);
	SAY("at %d\n", i);
	for (i = 0; i < 8; i++)
		close(chain[i]);
	close(e);
}

static volatile int handled;
static void handler(int sig) { handled++; }

static void waiting(void)
{
	int e = eventfd(0, EFD_NONBLOCK);
	struct sigaction sa = { .sa_handler = handler, .sa_flags = SA_RESTART };
	struct epoll_event ev;
	sigset_t block, none;
	pthread_t t;

	ep = epoll_create1(0);
	control(EPOLL_CTL_ADD, e, EPOLLIN, 5);
	T(epoll_wait(ep, &ev, 1, 10));
	pthread_create(&t, NULL, later, (void *)(long)e);
	show_events("woken", epoll_wait(ep, &ev, 1, 10000000), &ev);
	pthread_join(t, NULL);
	take(e);
	sigaction(SIGALRM, &sa, NULL);
	alarms_on();
	T(epoll_wait(ep, &ev, 1, 10000000));
	alarms_off();
	handled = 1;
	sigemptyset(&none);
	sigemptyset(&block);
	sigaddset(&block, SIGALRM);
	sigprocmask(SIG_BLOCK, &block, NULL);
	raise(SIGALRM);
	T(epoll_wait(ep, &ev, 1, 10));
	T(epoll_pwait(ep, &ev, 1, 10000000, &none));
	SAY("handled %d\n", handled);
	T(syscall(SYS_epoll_pwait2, ep, &ev, 1, &(struct timespec){ 0, 1000000 }, NULL, 8));
	T(syscall(SYS_epoll_pwait2, ep, &ev, 1, &(struct timespec){ 0, -1 }, NULL, 8));
	T(syscall(SYS_epoll_pwait, ep, &ev, 1, 0, &none, 4));
	close(e);
	close(ep);
}

/* Many threads on one epoll, many writers: every unit that is written is read once, nobody hangs. */
#define WORKERS 8
#define UNITS 2000
static int sources[4];
static long taken;
static int stop_fd;

static void *worker(void *arg)
{
	struct epoll_event e[3];
	eventfd_t v;

	for (;;) {
		int n = epoll_wait(ep, e, 3, -1);
		for (int i = 0; i < n; i++) {
			if (e[i].data.u32 == 99)
				return NULL;
			if (!eventfd_read(sources[e[i].data.u32], &v))
				__atomic_add_fetch(&taken, (long)v, __ATOMIC_SEQ_CST);
		}
	}
}

static void *writer(void *arg)
{
	for (int i = 0; i < UNITS; i++) {
		add_one(sources[(i + (int)(long)arg) % 4]);
		if (i % 64 == 0)
			sched_yield();
	}
	return NULL;
}

static void crowd(unsigned flags)
{
	pthread_t w[WORKERS], p[3];

	ep = epoll_create1(0);
	taken = 0;
	for (int i = 0; i < 4; i++) {
		sources[i] = eventfd(0, EFD_NONBLOCK);
		control(EPOLL_CTL_ADD, sources[i], EPOLLIN | flags, (unsigned)i);
	}
	stop_fd = eventfd(0, EFD_NONBLOCK);
	for (int i = 0; i < WORKERS; i++)
		pthread_create(&w[i], NULL, worker, NULL);
	for (int i = 0; i < 3; i++)
		pthread_create(&p[i], NULL, writer, (void *)(long)i);
	for (int i = 0; i < 3; i++)
		pthread_join(p[i], NULL);
	for (int i = 0; i < 1000000 && __atomic_load_n(&taken, __ATOMIC_SEQ_CST) < 3 * UNITS; i++)
		usleep(500);
	SAY("flags %x: %ld units\n", flags, taken);
	control(EPOLL_CTL_ADD, stop_fd, EPOLLIN, 99);
	add_one(stop_fd);
	for (int i = 0; i < WORKERS; i++)
		pthread_join(w[i], NULL);
	for (int i = 0; i < 4; i++)
		close(sources[i]);
	close(stop_fd);
	close(ep);
}

/* Files that are closed and reopened under the feet of a waiting epoll. */
static void *opener(void *arg)
{
	for (int i = 0; i < 500; i++) {
		int e = eventfd(1, EFD_NONBLOCK);
		control(EPOLL_CTL_ADD, e, EPOLLIN | (i % 2 ? EPOLLET : 0), 1);
		if (i % 3 == 0)
			control(EPOLL_CTL_DEL, e, 0, 0);
		close(e);
	}
	return NULL;
}

static void closing(void)
{
	pthread_t t[3];
	struct epoll_event e[8];

	ep = epoll_create1(0);
	for (int i = 0; i < 3; i++)
		pthread_create(&t[i], NULL, opener, NULL);
	for (int i = 0; i < 500; i++)
		epoll_wait(ep, e, 8, 0);
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	look("all closed");
	close(ep);
}

int main(void)
{
	eventfds();
	blocking();
	levels();
	files();
	exclusive();
	nested();
	waiting();
	crowd(0);
	crowd(EPOLLET);
	crowd(EPOLLEXCLUSIVE);
	closing();
	return 0;
}
