/* Descriptors: numbers, duplicates, flags, limits, and waiting on them with poll and select. */
#include "t.h"

int main(void)
{
	struct rlimit rl;
	int fd = open("f", O_RDWR | O_CREAT | O_TRUNC, 0644), p[2], q[2];
	char c;
	SAY("lowest %d\n", fd);
	T(dup(fd));
	T(dup2(fd, 10));
	T(dup2(fd, fd));
	T(dup2(99, 11));
	T(dup2(fd, -1));
	T(dup2(fd, 1 << 30));
	T(dup3(fd, fd, 0));
	T(dup3(fd, 12, O_CLOEXEC));
	T(fcntl(12, F_GETFD));
	T(dup3(fd, 12, 1));
	T(fcntl(fd, F_DUPFD, 20));
	T(fcntl(fd, F_DUPFD, -1));
	T(fcntl(fd, F_DUPFD_CLOEXEC, 21));
	T(fcntl(21, F_GETFD));
	T(fcntl(21, F_SETFD, 0));
	T(fcntl(21, F_GETFD));
	T(fcntl(99, F_GETFD));
	T(fcntl(fd, 12345));
	SAY("access mode %d\n", fcntl(fd, F_GETFL) & O_ACCMODE);
	T(fcntl(fd, F_SETFL, O_APPEND | O_NONBLOCK));
	SAY("shared flags %d\n", (fcntl(10, F_GETFL) & (O_APPEND | O_NONBLOCK)) == (O_APPEND | O_NONBLOCK));
	T(write(fd, "abc", 3));
	SAY("shared position %ld\n", (long)lseek(10, 0, SEEK_CUR));
	T(close(10));
	T(close(10));
	T(close(-1));
	T(syscall(SYS_close_range, 20, 30, 0));
	T(fcntl(20, F_GETFD));

	getrlimit(RLIMIT_NOFILE, &rl);
	rl.rlim_cur = 16;
	T(setrlimit(RLIMIT_NOFILE, &rl));
	for (int i = 0; i < 20; i++)
		if (dup(fd) < 0) {
			SAY("dup: %s\n", strerror(errno));
			break;
		}
	T(open("f", O_RDONLY));
	T(pipe(p));
	T(fcntl(fd, F_DUPFD, 16));
	T(dup2(fd, 16));
	for (int i = 5; i < 16; i++)
		close(i);

	/* poll */
	T(pipe(p));
	T(pipe(q));
	struct pollfd v[4] = { { p[0], POLLIN }, { q[1], POLLOUT }, { -1, POLLIN }, { 99, POLLIN } };
	T(poll(v, 4, 0));
	SAY("%x %x %x %x\n", v[0].revents, v[1].revents, v[2].revents, v[3].revents);
	write(p[1], "x", 1);
	T(poll(v, 1, -1));
	SAY("%x\n", v[0].revents);
	T(poll(NULL, 0, 1));
	v[0] = (struct pollfd){ fd, POLLIN | POLLOUT | POLLPRI };
	T(poll(v, 1, 0));
	SAY("file %x\n", v[0].revents);
	fflush(stdout);
	pid_t pid = fork();
	if (!pid) {
		usleep(50000);
		write(q[1], "y", 1);
		_exit(0);
	}
	v[0] = (struct pollfd){ q[0], POLLIN };
	T(poll(v, 1, 10000000));
	SAY("woken %x\n", v[0].revents);
	wait_for(pid);
	read(q[0], &c, 1);

	/* select */
	fd_set r, w;
	FD_ZERO(&r);
	FD_ZERO(&w);
	FD_SET(p[0], &r);
	FD_SET(q[0], &r);
	FD_SET(p[1], &w);
	struct timeval tv = { 100000, 0 };
	T(select(20, &r, &w, NULL, &tv));
	SAY("%d %d %d, time left %d\n", !!FD_ISSET(p[0], &r), !!FD_ISSET(q[0], &r), !!FD_ISSET(p[1], &w), tv.tv_sec >= 90000);
	FD_ZERO(&r);
	FD_SET(q[0], &r);
	tv = (struct timeval){ 0, 1000 };
	T(select(20, &r, NULL, NULL, &tv));
	SAY("left %ld %ld\n", (long)tv.tv_sec, (long)tv.tv_usec);
	FD_ZERO(&r);
	FD_SET(15, &r);
	close(15);
	T(select(20, &r, NULL, NULL, &tv));
	T(select(-1, NULL, NULL, NULL, &tv));
	struct timespec ts = { 0, 2000000000 };
	T(pselect(0, NULL, NULL, NULL, &ts, NULL));
	close(q[1]);
	v[0] = (struct pollfd){ q[0], POLLIN };
	T(poll(v, 1, 0));
	SAY("hang-up %x\n", v[0].revents);

	int null = open("/dev/null", O_RDWR), zero = open("/dev/zero", O_RDWR), full = open("/dev/full", O_RDWR);
	char buf[16] = "xxxxxxxx";
	T(read(null, buf, 8));
	T(write(null, buf, 8));
	T(read(zero, buf, 8));
	SAY("zero %d\n", buf[0] | buf[7]);
	T(write(full, buf, 8));
	T(read(full, buf, 8));
	T(write(full, buf, 0));
	T(ioctl(null, TIOCGWINSZ, buf));
	T(isatty(null));
	T(open("/dev/urandom", O_RDONLY) >= 0);
	T(open("/dev/fd/0", O_RDONLY) >= 0 || errno == ENXIO || errno == EACCES);
	unlink("f");
	return 0;
}
