/*
 * The line discipline, case by case: what is typed at the master of a pseudo-terminal, under which settings; what the
 * reader gets, and what is echoed.
 */
#include "t.h"

#include <termios.h>

static int master, slave;

static void pair(void)
{
	int zero = 0, n = -1;

	master = open("/dev/ptmx", O_RDWR | O_NOCTTY);
	ioctl(master, TIOCSPTLCK, &zero);
	ioctl(master, TIOCGPTN, &n);
	char name[32];
	snprintf(name, sizeof(name), "/dev/pts/%d", n);
	slave = open(name, O_RDWR | O_NOCTTY | O_NONBLOCK);
	fcntl(master, F_SETFL, O_NONBLOCK);
	if (master < 0 || slave < 0) {
		perror("pair");
		exit(1);
	}
}

static void close_pair(void)
{
	close(slave);
	close(master);
}

/* The kernel's worker takes what is typed to the line discipline: on a busy machine a little later. */
static void settle(void)
{
	struct pollfd p = { slave, POLLIN, 0 };

	usleep(15000);
	poll(&p, 1, 0);
}

static void show_bytes(const char *what, const char *s, ssize_t n)
{
	if (n < 0) {
		SAY("  %s: %s\n", what, strerror(errno));
		return;
	}
	SAY("  %s: \"", what);
	for (ssize_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];
		if (c >= ' ' && c < 127)
			putchar(c);
		else
			printf("\\%02x", c);
	}
	SAY("\"\n");
}

static void drain_slave(size_t chunk)
{
	char buf[8192];

	for (int i = 0; i < 12; i++) {
		ssize_t n = read(slave, buf, chunk);
		if (n < 0)
			break;
		show_bytes("read", buf, n);
		if (n == 0 && i > 8)
			break;
	}
}

static void show_echo(void)
{
	char buf[16384];
	ssize_t n = 0, got;

	while ((got = read(master, buf + n, sizeof(buf) - (size_t)n)) > 0)
		n += got;
	show_bytes("echo", buf, n);
}

struct setting { tcflag_t iset, iclear, oset, oclear, lset, lclear; };

static void set(const struct setting *s, int vmin)
{
	struct termios t;

	tcgetattr(slave, &t);
	t.c_iflag = (t.c_iflag | s->iset) & ~s->iclear;
	t.c_oflag = (t.c_oflag | s->oset) & ~s->oclear;
	t.c_lflag = (t.c_lflag | s->lset) & ~s->lclear;
	t.c_cc[VMIN] = (cc_t)vmin;
	t.c_cc[VTIME] = 0;
	t.c_cc[VEOL] = '|';
	t.c_cc[VEOL2] = '@';
	tcsetattr(slave, TCSANOW, &t);
}

#define RAW .lclear = ICANON
static const struct { const char *name; struct setting s; const char *typed; size_t chunk; } cases[] = {
	{ "a line", { 0 }, "hello\n", 100 },
	{ "two lines", { 0 }, "one\ntwo\n", 100 },
	{ "half a line", { 0 }, "half", 100 },
	{ "carriage return", { 0 }, "a\rb\r", 100 },
	{ "small reads", { 0 }, "abcdef\nx\n", 4 },
	{ "a read of the line's length", { 0 }, "abc\n", 3 },
	{ "end of file", { 0 }, "\004", 100 },
	{ "end of file within a line", { 0 }, "abc\004def\n", 100 },
	{ "end of file twice", { 0 }, "abc\004\004", 100 },
	{ "end of file at the reader's size", { 0 }, "abc\004def\n", 3 },
	{ "VEOL", { 0 }, "ab|cd\n", 100 },
	{ "VEOL2", { 0 }, "ab@cd\n", 100 },
	{ "VEOL2 without IEXTEN", { .lclear = IEXTEN }, "ab@cd\n", 100 },
	{ "erase", { 0 }, "abc\177\177x\n", 100 },
	{ "erase at the start", { 0 }, "\177\177a\177\177b\n", 100 },
	{ "erase of a control character", { 0 }, "a\001\177b\n", 100 },
	{ "erase of a tab", { 0 }, "a\tb\177\177c\n", 100 },
	{ "erase of two tabs", { 0 }, "abc\t\t\177\177d\n", 100 },
	{ "erase of a tab after control characters", { 0 }, "\001\002x\t\177d\n", 100 },
	{ "erase without ECHOE", { .lclear = ECHOE }, "abc\177d\n", 100 },
	{ "erase without ECHO", { .lclear = ECHO }, "abc\177d\n", 100 },
	{ "erase, ECHOPRT", { .lset = ECHOPRT }, "abc\177\177d\177\177\177e\n", 100 },
	{ "kill, ECHOPRT", { .lset = ECHOPRT }, "abc\025d\n", 100 },
	{ "erase, no ECHOCTL", { .lclear = ECHOCTL }, "a\001b\177\177c\n", 100 },
	{ "kill", { 0 }, "abc\025def\n", 100 },
	{ "kill without ECHOKE", { .lclear = ECHOKE }, "abc\025def\n", 100 },
	{ "kill without ECHOKE and ECHOK", { .lclear = ECHOKE | ECHOK }, "abc\025def\n", 100 },
	{ "kill without ECHOE", { .lclear = ECHOE }, "abc\025def\n", 100 },
	{ "kill of nothing", { .lclear = ECHOKE }, "\025abc\n", 100 },
	{ "kill without ECHO", { .lclear = ECHO }, "abc\025def\n", 100 },
	{ "word erase", { 0 }, "one two-three  \027x\n", 100 },
	{ "word erase of punctuation", { 0 }, "one two...\027x\n", 100 },
	{ "word erase, underscore", { 0 }, "a_b c_d\027\027\027x\n", 100 },
	{ "word erase without IEXTEN", { .lclear = IEXTEN }, "a b\027x\n", 100 },
	{ "literal next", { 0 }, "a\026\177b\026\026\026\nc\n", 100 },
	{ "literal next of ^C ^D ^J", { 0 }, "\026\003\026\004\026\n\n", 100 },
	{ "literal next without IEXTEN", { .lclear = IEXTEN }, "a\026\177b\n", 100 },
	{ "literal next without ECHOCTL", { .lclear = ECHOCTL }, "a\026\001b\n", 100 },
	{ "reprint", { 0 }, "abc\022d\n", 100 },
	{ "reprint without ECHO", { .lclear = ECHO }, "abc\022d\n", 100 },
	{ "ECHONL", { .lset = ECHONL, .lclear = ECHO }, "abc\n", 100 },
	{ "no ECHOCTL", { .lclear = ECHOCTL }, "a\001\033b\n", 100 },
	{ "control characters", { 0 }, "\001\002\006\033[A\037\n", 100 },
	{ "all bytes from 128 on", { 0 }, "\200\377\303\244\n", 100 },
	{ "erase UTF-8", { .iset = IUTF8 }, "a\303\244\342\202\254\177\177b\n", 100 },
	{ "erase UTF-8 without IUTF8", { .iclear = IUTF8 }, "a\303\244\177b\n", 100 },
	{ "word erase UTF-8", { .iset = IUTF8 }, "ab \303\244\303\266\027c\n", 100 },
	{ "tab after UTF-8", { .iset = IUTF8 }, "\303\244\t\177c\n", 100 },
	{ "interrupt flushes", { 0 }, "abc\003def\n", 100 },
	{ "quit flushes", { 0 }, "abc\ndef\034ghi\n", 100 },
	{ "suspend flushes", { 0 }, "abc\032def\n", 100 },
	{ "interrupt with NOFLSH", { .lset = NOFLSH }, "abc\003def\n", 100 },
	{ "no ISIG", { .lclear = ISIG }, "abc\003\034\032def\n", 100 },
	{ "stop and start", { 0 }, "a\023b\021c\n", 100 },
	{ "no IXON", { .iclear = IXON }, "a\023b\021c\n", 100 },
	{ "stopped, interrupt goes on", { 0 }, "a\023b\003c\n", 100 },
	{ "IXANY", { .iset = IXANY }, "a\023bc\n", 100 },
	{ "ISTRIP", { .iset = ISTRIP }, "\341\342\215x\n", 100 },
	{ "IUCLC", { .iset = IUCLC }, "ABCxyz\n", 100 },
	{ "IUCLC without IEXTEN", { .iset = IUCLC, .lclear = IEXTEN }, "ABCxyz\n", 100 },
	{ "INLCR", { .iset = INLCR }, "a\nb\r", 100 },
	{ "INLCR IGNCR", { .iset = INLCR | IGNCR }, "a\nb\rc", 100 },
	{ "IGNCR", { .iset = IGNCR }, "a\rb\n", 100 },
	{ "no ICRNL", { .iclear = ICRNL }, "a\rb\n", 100 },
	{ "PARMRK", { .iset = PARMRK }, "a\377b\n", 100 },
	{ "OLCUC", { .oset = OLCUC }, "abc\n", 100 },
	{ "no OPOST", { .oclear = OPOST }, "a\tb\177\177c\n", 100 },
	{ "no ONLCR", { .oclear = ONLCR }, "ab\n\tc\177d\n", 100 },
	{ "OCRNL", { .oset = OCRNL, .iclear = ICRNL }, "ab\rc\n", 100 },
	{ "ONOCR", { .oset = ONOCR, .iclear = ICRNL, .lclear = ECHOCTL }, "\rab\r\rc\n", 100 },
	{ "ONLRET", { .oset = ONLRET, .oclear = ONLCR }, "ab\n\tc\177\177d\n", 100 },
	{ "XTABS", { .oset = XTABS }, "a\tb\t\177\177\177c\n", 100 },
	{ "raw", { RAW }, "a\177\025\004\n\r", 100 },
	{ "raw, small reads", { RAW }, "abcdefgh", 3 },
	{ "raw, no echo", { .lclear = ICANON | ECHO }, "abc\n", 100 },
	{ "raw, ECHONL", { .lset = ECHONL, .lclear = ICANON | ECHO }, "abc\n", 100 },
	{ "raw, nothing processed", { .lclear = ICANON | ECHO | ISIG | IEXTEN, .iclear = ICRNL | IXON, .oclear = OPOST }, "\001\003\021\023\032\r\n\377", 100 },
	{ "raw, interrupt flushes", { RAW }, "abc\003def", 100 },
	{ "raw, ^V", { RAW }, "a\026\003b", 100 },
	{ "raw, PARMRK", { .iset = PARMRK, RAW }, "a\377b", 100 },
};

static void matrix(void)
{
	signal(SIGINT, SIG_IGN);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		pair();
		SAY("%s\n", cases[i].name);
		set(&cases[i].s, 1);
		if (write(master, cases[i].typed, strlen(cases[i].typed)) < 0)
			perror("write");
		settle();
		drain_slave(cases[i].chunk);
		show_echo();
		close_pair();
	}
}

/* From one mode to the other while something is there. */
static void changes(void)
{
	static const struct setting to_raw = { RAW }, to_lines = { .lset = ICANON };
	int n;

	for (int flush = 0; flush < 3; flush++) {
		pair();
		SAY("canonical to raw, action %d\n", flush);
		write(master, "one\ntwo\004three", 13);
		settle();
		struct termios t;
		tcgetattr(slave, &t);
		t.c_lflag &= ~ICANON;
		T(tcsetattr(slave, flush, &t));
		ioctl(slave, FIONREAD, &n);
		SAY("  %d readable\n", n);
		drain_slave(100);
		close_pair();
	}
	pair();
	SAY("raw to canonical\n");
	set(&to_raw, 1);
	write(master, "abc\ndef", 7);
	settle();
	set(&to_lines, 1);
	ioctl(slave, FIONREAD, &n);
	SAY("  %d readable\n", n);
	drain_slave(100);
	write(master, "ghi\n", 4);
	settle();
	drain_slave(100);
	close_pair();
	pair();
	SAY("raw to canonical to raw\n");
	set(&to_raw, 1);
	write(master, "abc", 3);
	settle();
	set(&to_lines, 1);
	set(&to_raw, 1);
	drain_slave(100);
	close_pair();
}

static void long_lines(void)
{
	static char line[6000];
	char buf[8192];
	int n;

	memset(line, 'x', sizeof(line));
	for (int echo = 0; echo < 2; echo++) {
		pair();
		set(&(struct setting){ .lclear = ECHO }, 1);
		for (int i = 0; i < 50; i++) {
			write(master, line, 100);
			settle();
		}
		T(write(master, "\n", 1));
		settle();
		ioctl(slave, FIONREAD, &n);
		SAY("a line of 5000: %d readable\n", n);
		ssize_t got = read(slave, buf, echo ? 8192 : 1000);
		SAY("  read %zd, ends with %02x\n", got, (unsigned char)buf[got - 1]);
		if (!echo) {
			got = read(slave, buf, 8192);
			SAY("  read %zd, ends with %02x\n", got, (unsigned char)buf[got - 1]);
		}
		close_pair();
	}
}

static void counts(void)
{
	int n;

	pair();
	write(master, "abc\nde\004fg", 9);
	settle();
	ioctl(slave, FIONREAD, &n);
	SAY("FIONREAD canonical: %d\n", n);
	ioctl(slave, TIOCOUTQ, &n);
	SAY("TIOCOUTQ: %d\n", n);
	T(tcflush(slave, TCIFLUSH));
	ioctl(slave, FIONREAD, &n);
	SAY("after a flush: %d\n", n);
	T(tcflush(slave, 7));
	T(tcflow(slave, 9));
	T(tcdrain(slave));
	T(tcsendbreak(slave, 0));
	show_echo();
	T(tcflow(slave, TCIOFF));
	T(tcflow(slave, TCION));
	show_echo();
	T(tcflow(slave, TCOOFF));
	T(write(slave, "x", 1));
	struct pollfd p = { slave, POLLOUT, 0 };
	T(poll(&p, 1, 0));
	T(tcflow(slave, TCOON));
	T(write(slave, "y\n", 2));
	show_echo();
	close_pair();
}

int main(void)
{
	setsid();
	matrix();
	changes();
	long_lines();
	counts();
	return 0;
}
