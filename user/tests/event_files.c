/* timerfd and signalfd: reading, waiting, poll and epoll, intervals, absolute times, what a signal's record says, errors. */
#include "t.h"
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

static void set(const char *what, int t, int flags, long value_us, long interval_us)
{
	struct itimerspec v = { { interval_us / 1000000, interval_us % 1000000 * 1000 }, { value_us / 1000000, value_us % 1000000 * 1000 } };

	show(what, timerfd_settime(t, flags, &v, NULL));
}

static void timers(void)
{
	int t = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK), ep = epoll_create1(0);
	struct pollfd p = { .fd = t, .events = POLLIN | POLLOUT };
	struct epoll_event e = { .events = EPOLLIN | EPOLLET };
	struct itimerspec v;
	struct timespec now;
	unsigned long n = 0;

	T(timerfd_create(99, 0));
	T(timerfd_create(CLOCK_MONOTONIC, 1));
	T(timerfd_create(CLOCK_PROCESS_CPUTIME_ID, 0));
	T(timerfd_gettime(t, &v));
	SAY("%ld %ld %ld %ld\n", v.it_value.tv_sec, v.it_value.tv_nsec, v.it_interval.tv_sec, v.it_interval.tv_nsec);
	T(read(t, &n, 8));
	T(read(t, &n, 4));
	T(poll(&p, 1, 0));
	epoll_ctl(ep, EPOLL_CTL_ADD, t, &e);
	set("20 ms", t, 0, 20000, 0);
	T(poll(&p, 1, 10000000));
	SAY("%x\n", p.revents);
	T(epoll_wait(ep, &e, 1, 0));
	T(read(t, &n, 8));
	SAY("%lu\n", n);
	T(read(t, &n, 8));
	set("each ms", t, 0, 1000, 1000);
	usleep(30000);
	T(read(t, &n, 8));
	SAY("several: %d\n", n >= 20);
	fcntl(t, F_SETFL, 0);
	T(read(t, &n, 8));
	SAY("blocking: %d\n", n >= 1);
	timerfd_gettime(t, &v);
	SAY("interval %ld, left %d\n", v.it_interval.tv_nsec, v.it_value.tv_nsec > 0 && v.it_value.tv_nsec <= 1000000);
	set("off", t, 0, 0, 1000);
	timerfd_gettime(t, &v);
	SAY("%ld %ld\n", v.it_value.tv_nsec, v.it_interval.tv_nsec);
	clock_gettime(CLOCK_MONOTONIC, &now);
	v = (struct itimerspec){ { 0, 0 }, { now.tv_sec, now.tv_nsec } };
	T(timerfd_settime(t, TFD_TIMER_ABSTIME, &v, NULL));
	T(read(t, &n, 8));
	SAY("in the past: %lu\n", n);
	v.it_value.tv_sec += 100000;
	T(timerfd_settime(t, TFD_TIMER_ABSTIME, &v, NULL));
	struct itimerspec old;
	v = (struct itimerspec){ { 0, 0 }, { 0, 1 } };
	T(timerfd_settime(t, 0, &v, &old));
	SAY("left %d\n", old.it_value.tv_sec >= 90000 && old.it_value.tv_sec <= 100000);
	T(read(t, &n, 8));
	v.it_value.tv_nsec = 1000000000;
	T(timerfd_settime(t, 0, &v, NULL));
	v.it_value.tv_nsec = 1;
	T(timerfd_settime(t, 99, &v, NULL));
	T(timerfd_settime(ep, 0, &v, NULL));
	T(timerfd_settime(999, 0, &v, NULL));
	T(timerfd_settime(t, 0, (void *)8, NULL));
	T(write(t, &n, 8));
	close(t);
	t = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC);
	clock_gettime(CLOCK_REALTIME, &now);
	v = (struct itimerspec){ { 0, 0 }, { now.tv_sec, now.tv_nsec } };
	v.it_value.tv_nsec += 20000000;
	if (v.it_value.tv_nsec >= 1000000000) {
		v.it_value.tv_nsec -= 1000000000;
		v.it_value.tv_sec++;
	}
	T(timerfd_settime(t, TFD_TIMER_ABSTIME, &v, NULL));
	T(read(t, &n, 8));
	clock_gettime(CLOCK_REALTIME, &now);
	SAY("realtime: %d\n", now.tv_sec > v.it_value.tv_sec || (now.tv_sec == v.it_value.tv_sec && now.tv_nsec >= v.it_value.tv_nsec));
	close(t);
	close(ep);
}

static void record(const char *what, int s)
{
	struct signalfd_siginfo i;
	ssize_t n = read(s, &i, sizeof(i));

	if (n < 0)
		SAY("%s: %s\n", what, strerror(errno));
	else
		SAY("%s: %ld signo %u code %d pid %d uid %d status %d int %d\n", what, (long)n, i.ssi_signo, i.ssi_code, i.ssi_pid == getpid(), i.ssi_uid == getuid(),
		    i.ssi_status, i.ssi_int);
}

static void signals(void)
{
	sigset_t set, two;
	struct signalfd_siginfo several[3];
	int s, ep = epoll_create1(0);
	struct epoll_event e = { .events = EPOLLIN };
	struct pollfd p;
	pid_t pid;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGRTMIN);
	sigaddset(&set, SIGALRM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	s = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	p = (struct pollfd){ .fd = s, .events = POLLIN };
	T(poll(&p, 1, 0));
	epoll_ctl(ep, EPOLL_CTL_ADD, s, &e);
	record("none", s);
	kill(getpid(), SIGUSR1);
	T(poll(&p, 1, 0));
	T(epoll_wait(ep, &e, 1, 0));
	record("kill", s);
	T(epoll_wait(ep, &e, 1, 0));
	sigqueue(getpid(), SIGRTMIN, (union sigval){ .sival_int = 42 });
	sigqueue(getpid(), SIGRTMIN, (union sigval){ .sival_int = 43 });
	record("queued", s);
	record("queued", s);
	pid = fork();
	if (!pid)
		_exit(7);
	T(epoll_wait(ep, &e, 1, 10000000));
	struct signalfd_siginfo i;
	T(read(s, &i, sizeof(i)) == sizeof(i));
	SAY("child: signo %u code %d status %d pid %d\n", i.ssi_signo, i.ssi_code, i.ssi_status, i.ssi_pid == (unsigned)pid);
	wait_for(pid);
	raise(SIGUSR1);
	sigqueue(getpid(), SIGRTMIN, (union sigval){ .sival_int = 1 });
	T(read(s, several, sizeof(several)) / (long)sizeof(several[0]));
	T(read(s, several, 10));
	sigemptyset(&two);
	sigaddset(&two, SIGALRM);
	T(signalfd(s, &two, 0) == s);
	raise(SIGUSR1);
	record("not in the mask any more", s);
	fcntl(s, F_SETFL, 0);
	ualarm(20000, 0);
	record("waited for", s);
	T(signalfd(s, &set, 0) == s);
	record("still pending", s);
	T(signalfd(ep, &set, 0));
	T(signalfd(999, &set, 0));
	T(syscall(SYS_signalfd4, -1, &set, 4, 0));
	T(syscall(SYS_signalfd4, -1, 8, 8, 0));
	T(syscall(SYS_signalfd4, -1, &set, 8, 1));
	T(write(s, several, 10));
	close(s);
	close(ep);
}

int main(void)
{
	timers();
	signals();
	return 0;
}
