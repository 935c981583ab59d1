/*
 * Both sides of a pseudo-terminal: opening and locking, who sees the other's end, polls, window size, packet mode,
 * VMIN and VTIME, full and stopped lines, devpts.
 */
#include "t.h"

#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <termios.h>

static char name[32];
static int number;

static int new_master(void)
{
	int m = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK);

	ioctl(m, TIOCGPTN, &number);
	snprintf(name, sizeof(name), "/dev/pts/%d", number);
	return m;
}

static void unlock(int m)
{
	int zero = 0;

	ioctl(m, TIOCSPTLCK, &zero);
}

static int open_slave(int flags) { return open(name, O_RDWR | O_NOCTTY | flags); }

/* What was typed at the other end has arrived, and its echo gone out: Linux' worker does that later; who polls or reads does its work for it. */
static void settle(int slave)
{
	struct pollfd p = { slave, POLLIN, 0 };

	poll(&p, 1, 0);
}

static void show_poll(const char *what, int fd)
{
	struct pollfd p = { fd, POLLIN | POLLOUT | POLLPRI, 0 };

	settle(fd);
	poll(&p, 1, 0);
	SAY("%s: poll%s%s%s%s%s\n", what, p.revents & POLLIN ? " IN" : "", p.revents & POLLOUT ? " OUT" : "", p.revents & POLLPRI ? " PRI" : "",
	    p.revents & POLLERR ? " ERR" : "", p.revents & POLLHUP ? " HUP" : "");
}

static void show_bytes(const char *what, const char *buf, ssize_t n)
{
	if (n < 0) {
		SAY("%s: %s\n", what, strerror(errno));
		return;
	}
	SAY("%s: %zd \"", what, n);
	for (ssize_t i = 0; i < n; i++)
		printf(buf[i] >= ' ' && buf[i] < 127 ? "%c" : "\\%02x", (unsigned char)buf[i]);
	SAY("\"\n");
}

static void show_read(const char *what, int fd, size_t size)
{
	char buf[512];

	show_bytes(what, buf, read(fd, buf, size));
}

/* All that is there: Linux gives what has arrived, and looks whether more is on its way only if nothing has. */
static void show_all(const char *what, int fd)
{
	char buf[512];
	ssize_t n, got = 0;

	while ((n = read(fd, buf + got, sizeof(buf) - (size_t)got)) > 0)
		got += n;
	show_bytes(what, buf, got ? got : n);
}

static void opening(void)
{
	int m = new_master(), lock = -1, s;
	struct statfs fs;
	struct stat st;

	ioctl(m, TIOCGPTLCK, &lock);
	SAY("locked %d\n", lock);
	T(open_slave(0));
	unlock(m);
	ioctl(m, TIOCGPTLCK, &lock);
	SAY("locked %d\n", lock);
	show_poll("master, slave never opened", m);
	show_read("master, slave never opened", m, 10);
	OK(s = open_slave(0));
	T(stat(name, &st));
	SAY("major %u, same minor %d, character device %d\n", major(st.st_rdev), minor(st.st_rdev) == (unsigned)number, S_ISCHR(st.st_mode));
	T(fchmod(s, 0622));
	T(chown(name, 5, 6));
	T(stat(name, &st));
	SAY("mode %o owner %d %d\n", st.st_mode, st.st_uid, st.st_gid);
	T(fstat(s, &st));
	SAY("mode %o owner %d %d\n", st.st_mode, st.st_uid, st.st_gid);
	T(statfs("/dev/pts", &fs));
	SAY("type %lx\n", (long)fs.f_type);
	T(access("/dev/pts/ptmx", F_OK));
	T(access("/dev/pts/01", F_OK));
	T(access("/dev/pts/9999", F_OK));
	T(mkdir("/dev/pts/x", 0700));
	T(unlink(name));
	T(isatty(s));
	T(isatty(m));
	T(lseek(s, 0, SEEK_SET));
	T(pread(s, &st, 1, 0));
	T(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, s, 0) == MAP_FAILED ? -1 : 0);
	T(ioctl(s, TIOCGPTN, &lock));
	T(ioctl(s, 0x1234, 0));
	close(s);
	int peer = ioctl(m, TIOCGPTPEER, O_RDWR | O_NOCTTY);
	T(write(peer, "by the peer", 11));
	show_read("master", m, 100);
	close(peer);
	close(m);
	T(open_slave(0));
	T(access(name, F_OK));
}

static void slave_closes(void)
{
	int m = new_master(), s;

	unlock(m);
	s = open_slave(0);
	write(s, "last words", 10);
	close(s);
	show_poll("master, slave closed, something to read", m);
	show_read("master", m, 4);
	show_read("master", m, 100);
	show_poll("master, slave closed", m);
	show_read("master", m, 100);
	T(write(m, "typed\n", 6));
	s = open_slave(O_NONBLOCK);
	settle(s);
	show_read("slave opened again", s, 100);
	show_all("its echo", m);
	show_poll("master, slave open again", m);
	close(s);
	close(m);
}

static void master_closes(void)
{
	int m = new_master(), s, v;
	struct termios t;

	unlock(m);
	s = open_slave(O_NONBLOCK);
	write(m, "unread\n", 7);
	settle(s);
	show_poll("slave", s);
	close(m);
	show_poll("slave, master closed", s);
	show_read("slave", s, 100);
	T(write(s, "x", 1));
	T(tcgetattr(s, &t));
	T(ioctl(s, TIOCGWINSZ, &v));
	T(ioctl(s, TIOCSPGRP, &v));
	T(isatty(s));
	close(s);
}

static volatile sig_atomic_t resized;
static void on_winch(int sig) { resized++; }

static void sizes(void)
{
	int m = new_master(), s;
	struct winsize w = { 0 };

	unlock(m);
	s = open_slave(0);
	signal(SIGWINCH, on_winch);
	T(ioctl(s, TIOCGWINSZ, &w));
	SAY("%d %d\n", w.ws_row, w.ws_col);
	T(ioctl(s, TIOCSCTTY, 0));
	for (int i = 0; i < 4; i++) {
		w.ws_row = (unsigned short)(25 + i / 2);
		w.ws_col = 80;
		T(ioctl(i & 1 ? m : s, TIOCSWINSZ, &w));
		SAY("resized %d\n", resized);
	}
	w.ws_xpixel = 5;
	T(ioctl(m, TIOCSWINSZ, &w));
	SAY("resized %d\n", resized);
	memset(&w, 0, sizeof(w));
	T(ioctl(s, TIOCGWINSZ, &w));
	SAY("%d %d %d\n", w.ws_row, w.ws_col, w.ws_xpixel);
	T(ioctl(m, TIOCGWINSZ, (void *)1));
	signal(SIGHUP, SIG_IGN);
	T(ioctl(s, TIOCNOTTY, 0));
	close(s);
	close(m);
}

static void packets(void)
{
	int m = new_master(), s, on = 1, v = -1;
	struct termios t;

	unlock(m);
	s = open_slave(O_NONBLOCK);
	T(ioctl(m, TIOCPKT, &on));
	T(ioctl(m, TIOCGPKT, &v));
	SAY("packet mode %d\n", v);
	T(write(s, "data", 4));
	show_poll("data", m);
	show_read("data", m, 100);
	show_read("nothing", m, 100);
	T(tcflow(s, TCOOFF));
	show_poll("stopped", m);
	show_read("stopped", m, 100);
	T(tcflow(s, TCOON));
	show_read("started", m, 100);
	tcgetattr(s, &t);
	t.c_iflag &= ~IXON;
	tcsetattr(s, TCSANOW, &t);
	show_read("no ^S", m, 100);
	t.c_iflag |= IXON;
	tcsetattr(s, TCSANOW, &t);
	show_read("^S", m, 100);
	T(tcflush(s, TCIFLUSH));
	show_read("flush of input", m, 100);
	T(tcflush(s, TCIOFLUSH));
	T(write(s, "more", 4));
	show_read("flush of both", m, 100);
	show_read("more", m, 3);
	show_read("more", m, 3);
	T(ioctl(s, TIOCPKT, &on));
	close(s);
	close(m);
}

static void mode(int s, int canonical, int vmin, int vtime)
{
	struct termios t;

	tcgetattr(s, &t);
	t.c_lflag = canonical ? t.c_lflag | ICANON : t.c_lflag & ~(tcflag_t)(ICANON | ECHO);
	t.c_cc[VMIN] = (cc_t)vmin;
	t.c_cc[VTIME] = (cc_t)vtime;
	tcsetattr(s, TCSANOW, &t);
}

/* A child types `text` byte by byte, with a pause after each byte. */
static pid_t typist(int m, const char *text, int pause_ms)
{
	pid_t p = fork();

	if (p)
		return p;
	for (; *text; text++) {
		usleep((unsigned)pause_ms * 1000);
		write(m, text, 1);
	}
	_exit(0);
}

static void minimum_and_time(void)
{
	static const struct { int vmin, vtime, nonblock; const char *text; int pause; size_t size; } c[] = {
		{ 0, 0, 0, "", 0, 10 }, { 0, 1, 0, "", 0, 10 }, { 0, 255, 0, "a", 20, 10 }, { 3, 0, 0, "abcde", 5, 3 }, { 3, 0, 0, "abc", 5, 10 },
		{ 5, 0, 0, "abcde", 5, 2 }, { 5, 30, 0, "ab", 10, 10 }, { 2, 255, 0, "ab", 10, 10 }, { 5, 0, 1, "", 0, 10 }, { 0, 0, 1, "", 0, 10 },
		{ 0, 5, 1, "", 0, 10 }, { 4, 5, 1, "", 0, 10 },
	};

	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		int m = new_master(), s;
		char what[64];
		unlock(m);
		s = open_slave(c[i].nonblock ? O_NONBLOCK : 0);
		mode(s, 0, c[i].vmin, c[i].vtime);
		snprintf(what, sizeof(what), "MIN %d TIME %d%s \"%s\"", c[i].vmin, c[i].vtime, c[i].nonblock ? " nonblocking" : "", c[i].text);
		pid_t p = typist(m, c[i].text, c[i].pause);
		show_read(what, s, c[i].size);
		wait_for(p);
		close(s);
		close(m);
	}
	int m = new_master(), s;
	unlock(m);
	s = open_slave(O_NONBLOCK);
	mode(s, 0, 3, 0);
	write(m, "ab", 2);
	show_poll("MIN 3, two bytes", s);
	write(m, "c", 1);
	show_poll("MIN 3, three bytes", s);
	mode(s, 0, 5, 1);
	show_poll("MIN 5 TIME 1, three bytes", s);
	show_read("nonblocking read", s, 10);
	mode(s, 1, 0, 0);
	write(m, "half", 4);
	show_poll("canonical, half a line", s);
	write(m, "\n", 1);
	show_poll("canonical, a line", s);
	T(read(s, NULL, 0));
	T(read(s, (void *)1, 5));
	close(s);
	close(m);
}

static void full(void)
{
	static char block[4096];
	int m = new_master(), s;
	long total = 0;
	ssize_t n;

	unlock(m);
	s = open_slave(O_NONBLOCK);
	memset(block, 'y', sizeof(block));
	mode(s, 0, 1, 0);
	while ((n = write(s, block, sizeof(block))) > 0)
		total += n;
	SAY("output that nobody reads: stops %d (%s)\n", total >= 4096, strerror(errno));
	long got = 0;
	while ((n = read(m, block, sizeof(block))) > 0)
		got += n;
	SAY("all of it arrives: %d\n", got == total);
	show_poll("slave", s);
	total = got = 0;
	for (int i = 0; i < 100 && (n = write(m, block, sizeof(block))) > 0; i++) {
		total += n;
		usleep(5000);
	}
	SAY("input that nobody reads: stops %d\n", total >= 4095);
	for (int i = 0; i < 100000; i++) {
		while ((n = read(s, block, sizeof(block))) > 0)
			got += n;
		if (got >= total)
			break;
		usleep(5000);
	}
	SAY("all of it arrives: %d\n", got == total);
	close(s);
	/* A writer that blocks, and a reader that comes later. */
	s = open_slave(0);
	pid_t p = fork();
	if (!p) {
		memset(block, 'z', sizeof(block));
		for (int i = 0; i < 40; i++)
			if (write(s, block, sizeof(block)) != sizeof(block))
				_exit(1);
		_exit(0);
	}
	fcntl(m, F_SETFL, 0);
	for (got = 0; got < 40 * 4096; got += n) {
		n = read(m, block, 1000);
		if (n <= 0)
			break;
	}
	SAY("read %ld\n", got);
	show_status("the writer", wait_for(p));
	close(s);
	close(m);
}

static void stopped(void)
{
	int m = new_master(), s;

	unlock(m);
	s = open_slave(O_NONBLOCK);
	write(m, "\023", 1);
	settle(s);
	T(write(s, "x", 1));
	show_poll("stopped", s);
	write(m, "abc", 3);
	settle(s);
	show_all("echo of what is typed while it is stopped", m);
	write(m, "\021", 1);
	settle(s);
	T(write(s, "y", 1));
	settle(s);
	show_all("after ^Q", m);
	write(m, "\023", 1);
	settle(s);
	struct termios t;
	tcgetattr(s, &t);
	t.c_iflag &= ~IXON;
	tcsetattr(s, TCSANOW, &t);
	T(write(s, "z", 1));
	close(s);
	close(m);
}

static void settings(void)
{
	int m = new_master(), s;
	struct termios t;

	unlock(m);
	s = open_slave(0);
	T(tcgetattr(m, &t));
	SAY("%x %x %x %x\n", t.c_iflag, t.c_oflag, t.c_cflag, t.c_lflag);
	for (int i = 0; i < 19; i++)
		SAY(" %d", t.c_cc[i]);
	SAY("\n");
	t.c_cflag = CS7 | PARENB | B9600;
	T(tcsetattr(m, TCSANOW, &t));
	T(tcgetattr(s, &t));
	SAY("%x\n", t.c_cflag);
	cfsetispeed(&t, B300);
	cfsetospeed(&t, B115200);
	T(tcsetattr(s, TCSAFLUSH, &t));
	T(tcgetattr(s, &t));
	SAY("%d %d\n", cfgetispeed(&t), cfgetospeed(&t));
	T(ioctl(s, TCGETS, (void *)1));
	T(ioctl(s, TCSETS, (void *)1));
	int v = 0;
	T(ioctl(s, TIOCEXCL));
	T(ioctl(s, TIOCGEXCL, &v));
	SAY("%d\n", v);
	T(ioctl(s, TIOCNXCL));
	T(ioctl(s, TIOCGETD, &v));
	SAY("%d\n", v);
	struct { unsigned i, o, c, l; unsigned char line, cc[19]; unsigned ispeed, ospeed; } t2;
	T(ioctl(s, 0x802c542a /* TCGETS2 */, &t2));
	SAY("%u %u\n", t2.ispeed, t2.ospeed);
	t2.c = (t2.c & ~(unsigned)CBAUD) | 0x1000 /* BOTHER */;
	t2.ospeed = 12345;
	T(ioctl(s, 0x402c542b /* TCSETS2 */, &t2));
	T(ioctl(s, 0x802c542a, &t2));
	SAY("%u %x\n", t2.ospeed, t2.c & CBAUD);
	close(s);
	close(m);
}

int main(void)
{
	setsid();
	T(open("/dev/tty", O_RDWR));
	opening();
	slave_closes();
	master_closes();
	sizes();
	packets();
	minimum_and_time();
	full();
	stopped();
	settings();
	return 0;
}
