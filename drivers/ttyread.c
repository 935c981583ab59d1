/*
 * read(2) of a terminal: one line, or what VMIN and VTIME say (termios(3)).
 *
 *	MIN  TIME
 *	0    0     what is there, maybe nothing
 *	0    t     the first bytes, or nothing after t
 *	n    0     n bytes
 *	n    t     n bytes, or what has come when t passes between two of them
 */
#include "drivers/ttydisc.h"

#include "kernel/cpu.h"

#define NO_DEADLINE (~0UL)
#define TENTH_NS 100000000UL

static u32 readable_end(const struct tty *t) { return lflag(t, ICANON) ? READ_ONCE(t->canon) : READ_ONCE(t->head); }

unsigned disc_readable(const struct tty *t)
{
	unsigned n = 0;

	for (u32 i = t->tail; i != readable_end(t); i++)
		n += !(t->input[i % INPUT_SIZE] & CHAR_EOF) || !lflag(t, ICANON);
	return n;
}

bool disc_poll_in(const struct tty *t)
{
	u32 enough = !lflag(t, ICANON) && !t->termios.c_cc[VTIME] && t->termios.c_cc[VMIN] ? t->termios.c_cc[VMIN] : 1;

	return readable_end(t) - READ_ONCE(t->tail) >= enough || READ_ONCE(t->ended);
}

/* Bytes for the reader, at most size, of `last` it has room for; *end: the line (or the end of file) is complete. */
static size_t take(struct tty *t, char *buf, size_t size, size_t last, bool *end)
{
	bool canonical = lflag(t, ICANON);
	size_t n = 0;

	mutex_lock(&t->lock);
	*end = false;
	while (n < size && !*end && t->tail != readable_end(t)) {
		u16 c = t->input[t->tail % INPUT_SIZE];
		WRITE_ONCE(t->tail, t->tail + 1);
		*end = canonical && c & (CHAR_LINE_END | CHAR_EOF);
		if (!(canonical && c & CHAR_EOF))
			buf[n++] = (char)c;
	}
	/* The reader has all of the line: its ^D is not another end of file. */
	if (n == last && canonical && !*end && t->tail != readable_end(t) && t->input[t->tail % INPUT_SIZE] & CHAR_EOF) {
		WRITE_ONCE(t->tail, t->tail + 1);
		*end = true;
	}
	mutex_unlock(&t->lock);
	wake_up_all(&t->input_wait, 0);
	return n;
}

/* Wait for at least one byte: 0, -ETIMEDOUT, -EAGAIN, -ERESTARTSYS; 1 at the end of input. */
static int wait_input(struct tty_file *f, bool nonblock, u64 deadline)
{
	struct tty *t = f->tty;
	struct wait_entry entry = { 0 };
	int r;

	for (;;) {
		wait_prepare(&t->read_wait, &entry, WAIT_INTERRUPTIBLE, 0);
		r = 0;
		if (tty_file_dead(f))
			r = 1;
		else if (readable_end(t) != READ_ONCE(t->tail))
			break;
		else if (READ_ONCE(t->ended))
			r = 1;
		else if (deadline != NO_DEADLINE && ktime_ns() >= deadline)
			r = -ETIMEDOUT;
		else if (nonblock)
			r = -EAGAIN;
		else
			r = deadline == NO_DEADLINE ? wait_sleep(WAIT_INTERRUPTIBLE) : wait_sleep_until(WAIT_INTERRUPTIBLE, deadline);
		if (r)
			break;
	}
	wait_finish(&t->read_wait, &entry);
	return r;
}

ssize_t disc_read(struct tty_file *f, struct iov_iter *to, bool nonblock)
{
	struct tty *t = f->tty;
	bool canonical = lflag(t, ICANON), end = false;
	u64 tenths = canonical ? 0 : t->termios.c_cc[VTIME], deadline = NO_DEADLINE;
	size_t minimum = canonical ? 1 : max((size_t)t->termios.c_cc[VMIN], (size_t)1), done = 0;
	bool between = !canonical && t->termios.c_cc[VMIN];
	char buf[256];
	int r = 0;

	if (!canonical && !between)
		deadline = ktime_ns() + tenths * TENTH_NS;
	while (to->count && !end) {
		r = wait_input(f, nonblock, deadline);
		if (r)
			break;
		size_t want = min(to->count, sizeof(buf)), n = take(t, buf, want, to->count, &end), k = copy_to_iter(buf, n, to);
		done += k;
		if (k < n) {
			r = -EFAULT;
			break;
		}
		if (!canonical && n < want && done >= minimum)
			break;
		if (between && tenths && n)
			deadline = ktime_ns() + tenths * TENTH_NS;
		if (n == want && done >= minimum && !canonical && readable_end(t) == READ_ONCE(t->tail))
			break;
	}
	if (done || (end && r != -EFAULT))
		return (ssize_t)done;
	return r == -ETIMEDOUT || r == 1 ? 0 : r;
}
