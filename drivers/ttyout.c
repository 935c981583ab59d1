/*
 * The output half of the line discipline: processing (c_oflag), the column, echo, and write(2).
 *
 * What a program writes waits for room at the terminal, and while output is stopped (^S, tcflow). Echo cannot wait:
 * what finds no room is held, up to ECHO_HELD bytes, and shown before anything else.
 */
#include "drivers/ttydisc.h"

#include "kernel/cpu.h"
#include "kernel/string.h"

static size_t driver_room(struct tty *t)
{
	if (t->stopped)
		return 0;
	return t->driver->room ? t->driver->room(t) : ~0UL >> 1;
}

void out_flush(struct out *o)
{
	struct tty *t = o->tty;
	size_t took = 0;

	if (!o->n)
		return;
	if (!o->echo || (!t->stopped && !t->nr_held))
		took = t->driver->write(t, o->buf, o->n);
	if (o->echo) {
		size_t keep = min(o->n - took, (size_t)(ECHO_HELD - t->nr_held));
		memcpy(t->held + t->nr_held, o->buf + took, keep);
		t->nr_held += (unsigned)keep;
	}
	o->n = 0;
}

void disc_release_held(struct tty *t)
{
	if (!t->nr_held || t->stopped)
		return;
	size_t took = t->driver->write(t, t->held, t->nr_held);
	memmove(t->held, t->held + took, t->nr_held - took);
	t->nr_held -= (unsigned)took;
}

void out_raw(struct out *o, char c)
{
	if (o->n == sizeof(o->buf))
		out_flush(o);
	o->buf[o->n++] = c;
}

static u8 upper(u8 c) { return c >= 'a' && c <= 'z' ? c - 32 : c; }

unsigned out_char(struct out *o, u8 c, size_t room)
{
	struct tty *t = o->tty;
	unsigned width = c == '\t' ? 8 - (t->column & 7) : 1;
	bool expand = c == '\t' && (t->termios.c_oflag & TABDLY) == XTABS, crlf = c == '\n' && oflag(t, ONLCR);

	if (!oflag(t, OPOST))
		goto plain;
	if (room < (expand ? width : crlf ? 2U : 1U))
		return 0;
	if (c == '\r' && oflag(t, ONOCR) && !t->column)
		return 1;
	if ((c == '\n' && oflag(t, ONLCR | ONLRET)) || (c == '\r' && (!oflag(t, OCRNL) || oflag(t, ONLRET))))
		t->column = t->line_column = 0;
	else if (c == '\n')
		t->line_column = t->column;
	else if (c == '\t')
		t->column += width;
	else if (c == '\b')
		t->column -= t->column > 0;
	else if (!is_control(c) && !is_continuation(t, c))
		t->column++;
	if (crlf)
		out_raw(o, '\r');
	if (c == '\r' && oflag(t, OCRNL))
		c = '\n';
	for (; expand && width; width--)
		out_raw(o, ' ');
	if (expand)
		return 8;
	if (oflag(t, OLCUC))
		c = upper(c);
plain:
	if (!room)
		return 0;
	out_raw(o, (char)c);
	return 1 + crlf;
}

void echo_plain(struct out *o, u8 c) { out_char(o, c, ~0UL); }

void echo_char(struct out *o, u8 c)
{
	if (lflag(o->tty, ECHOCTL) && is_control(c) && c != '\t') {
		out_raw(o, '^');
		out_raw(o, (char)(c ^ 64));
		o->tty->column += 2;
	} else {
		echo_plain(o, c);
	}
}

void disc_set_stopped(struct tty *t, bool stopped)
{
	if (t->stopped == stopped)
		return;
	WRITE_ONCE(t->stopped, stopped);
	tty_event(t, stopped ? TIOCPKT_STOP : TIOCPKT_START);
	if (!stopped) {
		disc_release_held(t);
		wake_up_all(&t->write_wait, 0);
	}
}

/* --- write(2) --- */

/* As much of s as there is room for: how many characters of it. */
static size_t put_some(struct tty *t, const char *s, size_t n)
{
	struct out o = { .tty = t };
	size_t room, done = 0;

	mutex_lock(&t->lock);
	disc_release_held(t);
	room = t->nr_held ? 0 : driver_room(t);
	while (done < n) {
		size_t before = o.n;
		if (!out_char(&o, (u8)s[done], room - before))
			break;
		done++;
		if (o.n < before || o.n > sizeof(o.buf) - 16) {	/* the next tab might not fit */
			out_flush(&o);
			room = driver_room(t);
		}
	}
	out_flush(&o);
	mutex_unlock(&t->lock);
	return done;
}

/* No lock: somebody else may fill the room before we come. */
static bool may_go_on(struct tty_file *f)
{
	struct tty *t = f->tty;

	mutex_lock(&t->lock);
	disc_release_held(t);
	bool room = !t->nr_held && driver_room(t) >= 8;
	mutex_unlock(&t->lock);
	return room || tty_file_dead(f);
}

/* wait_event() does not do: looking takes the lock, which may itself sleep. */
static int wait_output(struct tty_file *f)
{
	struct wait_entry entry = { 0 };
	int r = 0;

	while (!may_go_on(f)) {
		wait_prepare(&f->tty->write_wait, &entry, WAIT_INTERRUPTIBLE, 0);
		bool stuck = READ_ONCE(f->tty->stopped) || (f->tty->driver->room && f->tty->driver->room(f->tty) < 8);
		if (stuck && !tty_file_dead(f))
			r = wait_sleep(WAIT_INTERRUPTIBLE);
		wait_finish(&f->tty->write_wait, &entry);
		if (r)
			break;
	}
	return r;
}

ssize_t disc_write(struct tty_file *f, struct iov_iter *from, bool nonblock)
{
	char buf[256];
	size_t done = 0;
	ssize_t error = 0;

	while (from->count && !error) {
		size_t want = min(from->count, sizeof(buf)), n = copy_from_iter(buf, want, from), put = 0;

		while (put < n && !error) {
			size_t k = put_some(f->tty, buf + put, n - put);
			put += k;
			done += k;
			if (put == n)
				break;
			if (tty_file_dead(f))
				error = -EIO;
			else
				error = nonblock ? (k ? 0 : -EAGAIN) : wait_output(f);
		}
		if (n < want && !error)
			error = -EFAULT;
	}
	return done ? (ssize_t)done : error;
}
