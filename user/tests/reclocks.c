/* Record locks of fcntl: ranges, conflicts between processes, what close and exec do, waiting, circles; F_OFD_*; flock. */
#include "t.h"
#include <sys/file.h>

#ifndef F_OFD_GETLK
#define F_OFD_GETLK 36
#define F_OFD_SETLK 37
#define F_OFD_SETLKW 38
#endif

static int fd;

static int lock(int f, int cmd, int type, long start, long len)
{
	struct flock l = { .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len };
	return fcntl(f, cmd, &l);
}
#define L(cmd, type, start, len) T(lock(fd, cmd, type, start, len))

/* What a child would have to wait for, byte by byte of the first 20: r, w or '.'. */
static void picture(const char *what)
{
	fflush(stdout);
	pid_t p = fork(), parent = getppid();
	(void)parent;
	if (!p) {
		char text[21] = { 0 };
		int other = 0;
		for (int i = 0; i < 20; i++) {
			struct flock l = { .l_type = F_WRLCK, .l_start = i, .l_len = 1 };
			if (fcntl(fd, F_GETLK, &l))
				text[i] = '?';
			else
				text[i] = l.l_type == F_UNLCK ? '.' : l.l_type == F_RDLCK ? 'r' : 'w';
			other |= l.l_type != F_UNLCK && l.l_pid != getppid();
		}
		SAY("%s: %s%s\n", what, text, other ? " (another pid)" : "");
		_exit(0);
	}
	wait_for(p);
}

static void ranges(void)
{
	struct flock l = { .l_type = F_WRLCK };
	L(F_SETLK, F_WRLCK, 2, 10);
	picture("2+10 w");
	L(F_SETLK, F_RDLCK, 5, 3);
	picture("5+3 r");
	L(F_SETLK, F_UNLCK, 6, 1);
	picture("6 free");
	L(F_SETLK, F_WRLCK, 5, 3);
	picture("5+3 w");
	L(F_SETLK, F_RDLCK, 12, 0);
	picture("12 on r");
	L(F_SETLK, F_UNLCK, 15, 2);
	picture("15+2 free");
	CHILD("child", T(fcntl(fd, F_GETLK, &l)); SAY("type %d start %ld len %ld\n", l.l_type, (long)l.l_start, (long)l.l_len));
	l = (struct flock){ .l_type = F_WRLCK, .l_start = 30 };
	CHILD("child", T(fcntl(fd, F_GETLK, &l)); SAY("type %d whence %d start %ld len %ld\n", l.l_type, l.l_whence, (long)l.l_start, (long)l.l_len));
	l = (struct flock){ .l_type = F_WRLCK, .l_start = 16, .l_len = 1 };
	CHILD("child", T(fcntl(fd, F_GETLK, &l)); SAY("type %d start %ld len %ld\n", l.l_type, (long)l.l_start, (long)l.l_len));
	CHILD("child takes what is free", L(F_SETLK, F_WRLCK, 0, 1), L(F_SETLK, F_WRLCK, 0, 3), L(F_SETLK, F_RDLCK, 13, 1), L(F_SETLK, F_WRLCK, 13, 1), L(F_SETLK, F_RDLCK, 3, 1));
	L(F_SETLK, F_UNLCK, 0, 0);
	picture("all free");
	/* whence and negative lengths */
	ftruncate(fd, 10);
	lseek(fd, 5, SEEK_SET);
	l = (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_CUR, .l_start = 1, .l_len = -3 };
	T(fcntl(fd, F_SETLK, &l));
	l = (struct flock){ .l_type = F_RDLCK, .l_whence = SEEK_END, .l_start = -1, .l_len = 4 };
	T(fcntl(fd, F_SETLK, &l));
	picture("3+3 w, 9+4 r");
	L(F_SETLK, F_UNLCK, 0, 0);
}

static void errors(void)
{
	struct flock l = { .l_type = 7 };
	int r = open("locks", O_RDONLY), w = open("locks", O_WRONLY), p[2];
	T(fcntl(fd, F_SETLK, &l));
	l.l_type = F_UNLCK;
	T(fcntl(fd, F_GETLK, &l));
	l = (struct flock){ .l_type = F_RDLCK, .l_whence = 9 };
	T(fcntl(fd, F_SETLK, &l));
	L(F_SETLK, F_WRLCK, -1, 1);
	L(F_SETLK, F_WRLCK, 1, -2);
	L(F_SETLK, F_WRLCK, LONG_MAX, 1);
	L(F_SETLK, F_WRLCK, LONG_MAX, 2);
	L(F_SETLK, F_UNLCK, 0, 0);
	T(fcntl(fd, F_SETLK, (void *)16));
	T(lock(r, F_SETLK, F_WRLCK, 0, 0));
	T(lock(w, F_SETLK, F_RDLCK, 0, 0));
	T(lock(r, F_SETLK, F_RDLCK, 0, 0));
	T(lock(99, F_SETLK, F_RDLCK, 0, 0));
	l = (struct flock){ .l_type = F_RDLCK, .l_pid = 1 };
	T(fcntl(fd, F_OFD_SETLK, &l));
	pipe(p);
	T(lock(p[0], F_SETLK, F_RDLCK, 0, 0));
	close(p[0]), close(p[1]), close(r), close(w);
}

static void closing(void)
{
	L(F_SETLK, F_WRLCK, 0, 5);
	int other = open("locks", O_RDONLY);
	picture("before");
	close(other);				/* any descriptor of the file */
	picture("after close of another");
	L(F_SETLK, F_WRLCK, 0, 5);
	other = dup(fd);
	close(other);
	picture("after close of a dup");
	L(F_SETLK, F_WRLCK, 0, 5);
	CHILD("fork inherits none", close(fd));
	picture("child closed");
	other = open("another", O_RDWR | O_CREAT, 0600);
	dup2(fd, other);
	picture("dup2 over another file");
	dup2(0, other);
	picture("dup2 over it");
}

/* A child that takes [start, +len) and tells; then waits for a byte. */
static pid_t holder(int type, long start, long len, int *go)
{
	int up[2], down[2];
	char c;
	pipe(up), pipe(down);
	pid_t p = fork();
	if (!p) {
		lock(fd, F_SETLK, type, start, len);
		write(up[1], "x", 1);
		read(down[0], &c, 1);
		usleep(50000);
		_exit(0);
	}
	read(up[0], &c, 1);
	close(up[0]), close(up[1]), close(down[0]);
	*go = down[1];
	return p;
}

static void on_alarm(int sig) { (void)sig; }

static void waiting(void)
{
	struct sigaction sa = { .sa_handler = on_alarm };
	int go;
	pid_t p = holder(F_WRLCK, 0, 10, &go);
	L(F_SETLK, F_RDLCK, 5, 10);
	sigaction(SIGALRM, &sa, NULL);
	alarms_on();
	L(F_SETLKW, F_RDLCK, 5, 10);		/* EINTR */
	alarms_off();
	write(go, "x", 1);
	L(F_SETLKW, F_RDLCK, 5, 10);		/* when it has ended */
	wait_for(p);
	picture("got it");
	L(F_SETLK, F_UNLCK, 0, 0);
	/* a circle: the child has 0 and waits for 1, which we have */
	fflush(stdout);
	int up[2];
	char c;
	pipe(up);
	L(F_SETLK, F_WRLCK, 1, 1);
	fflush(stdout);
	p = fork();
	if (!p) {
		lock(fd, F_SETLK, F_WRLCK, 0, 1);
		write(up[1], "x", 1);
		int r = lock(fd, F_SETLKW, F_WRLCK, 1, 1);
		_exit(r ? 1 : 0);
	}
	read(up[0], &c, 1);
	until_it_waits(p);
	L(F_SETLKW, F_WRLCK, 0, 1);
	L(F_SETLK, F_UNLCK, 1, 1);
	show_status("the other", wait_for(p));
	L(F_SETLKW, F_WRLCK, 0, 1);
	L(F_SETLK, F_UNLCK, 0, 0);
}

static void open_file(void)
{
	int a = open("locks", O_RDWR), b = open("locks", O_RDWR), c = dup(a);
	struct flock l = { .l_type = F_WRLCK };
	T(lock(a, F_OFD_SETLK, F_WRLCK, 0, 4));
	T(lock(b, F_OFD_SETLK, F_RDLCK, 2, 4));
	T(lock(c, F_OFD_SETLK, F_RDLCK, 2, 4));
	T(lock(b, F_OFD_SETLK, F_RDLCK, 2, 4));
	T(lock(b, F_SETLK, F_WRLCK, 0, 1));
	T(fcntl(b, F_OFD_GETLK, &l));
	SAY("type %d start %ld len %ld pid %d\n", l.l_type, (long)l.l_start, (long)l.l_len, l.l_pid);
	close(a);
	T(lock(b, F_OFD_SETLK, F_WRLCK, 0, 4));
	close(c);
	T(lock(b, F_OFD_SETLK, F_WRLCK, 0, 4));
	CHILD("shares the open file", T(lock(b, F_OFD_SETLK, F_WRLCK, 0, 4)), T(lock(fd, F_SETLK, F_RDLCK, 0, 4)));
	close(b);
}

static void flocks(void)
{
	int a = open("locks", O_RDWR), b = open("locks", O_RDONLY);
	T(flock(a, LOCK_SH));
	T(flock(b, LOCK_SH | LOCK_NB));
	T(flock(a, LOCK_EX | LOCK_NB));
	T(flock(b, LOCK_EX | LOCK_NB));
	T(flock(a, LOCK_UN));
	T(flock(b, LOCK_EX | LOCK_NB));
	T(flock(a, LOCK_SH | LOCK_NB));
	T(lock(a, F_SETLK, F_WRLCK, 0, 0));	/* another world */
	CHILD("the open file's", T(flock(b, LOCK_EX | LOCK_NB)), T(flock(a, LOCK_EX | LOCK_NB)));
	close(b);
	T(flock(a, LOCK_EX | LOCK_NB));
	T(flock(a, 99));
	T(flock(77, LOCK_SH));
	close(a);
}

int main(void)
{
	fd = open("locks", O_RDWR | O_CREAT, 0600);
	ranges();
	errors();
	closing();
	waiting();
	open_file();
	flocks();
	return 0;
}
