#include "drivers/tty.h"

#include "drivers/tty_state.h"
#include "fs/vfs.h"
#include "kernel/cpu.h"
#include "kernel/exit.h"
#include "kernel/printk.h"
#include "kernel/string.h"
#include "kernel/usermode.h"
#include "mm/usercopy.h"

struct tty console = {
	.lock = MUTEX_INIT(console.lock, "tty", RANK_SLEEPING),
	.read_wait = WAIT_QUEUE_INIT(console.read_wait),
	.termios = {
		.c_iflag = ICRNL | IXON, .c_oflag = OPOST | ONLCR, .c_cflag = B38400 | CS8 | CREAD | HUPCL,
		.c_lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN,
		.c_cc = { [VINTR] = 3, [VQUIT] = 28, [VERASE] = 127, [VKILL] = 21, [VEOF] = 4, [VMIN] = 1, [VSTART] = 17,
			  [VSTOP] = 19, [VSUSP] = 26, [VREPRINT] = 18, [VDISCARD] = 15, [VWERASE] = 23, [VLNEXT] = 22 },
	},
};

static bool iflag(u32 f) { return console.termios.c_iflag & f; }
static bool oflag(u32 f) { return console.termios.c_oflag & f; }
static bool lflag(u32 f) { return console.termios.c_lflag & f; }
static bool is_cc(int which, u8 c) { return console.termios.c_cc[which] && console.termios.c_cc[which] == c; }

/* --- output; lock held --- */

struct out {
	char buf[256];
	size_t n;
};

static void out_flush(struct out *o)
{
	if (o->n && console.write)
		console.write(o->buf, o->n);
	o->n = 0;
}

static void out_raw(struct out *o, char c)
{
	if (o->n == sizeof(o->buf))
		out_flush(o);
	o->buf[o->n++] = c;
}

/* One character with output processing. */
static void out_char(struct out *o, char c)
{
	if (oflag(OPOST)) {
		if (c == '\n' && oflag(ONLCR))
			out_raw(o, '\r');
		else if (c == '\r' && oflag(OCRNL))
			c = '\n';
	}
	out_raw(o, c);
	if (c == '\n' || c == '\r')
		console.column = 0;
	else if (c == '\t')
		console.column = (console.column | 7) + 1;
	else if (c == '\b')
		console.column -= console.column > 0;
	else if ((u8)c >= ' ')
		console.column++;
}

static bool shown_as_caret(u8 c)
{
	return lflag(ECHOCTL) && (c < ' ' || c == 127) && c != '\t' && c != '\n';
}

static void echo(struct out *o, u8 c)
{
	if (!lflag(ECHO)) {
		if (c == '\n' && lflag(ECHONL) && lflag(ICANON))
			out_char(o, '\n');
		return;
	}
	if (shown_as_caret(c)) {
		out_char(o, '^');
		out_char(o, (char)(c ^ 64));
	} else {
		out_char(o, (char)c);
	}
}

/* --- input; lock held --- */

static u32 in_count(void) { return console.head - console.tail; }

static void put_input(u16 c)
{
	console.input[console.head % INPUT_SIZE] = c;
	WRITE_ONCE(console.head, console.head + 1);
	if (!lflag(ICANON) || c & (CHAR_LINE_END | CHAR_EOF))
		WRITE_ONCE(console.canon, console.head);
}

void tty_flush_input(void)
{
	console.head = console.canon = console.tail = 0;
}

/* Take back the last character of the line being typed, on the screen too. */
static void erase_one(struct out *o)
{
	u8 c = (u8)console.input[--console.head % INPUT_SIZE];
	int width = shown_as_caret(c) ? 2 : (c & 0xc0) == 0x80 ? 0 : 1;	/* UTF-8: only a first byte has a column */

	if (!lflag(ECHO))
		return;
	if (!lflag(ECHOE)) {
		echo(o, console.termios.c_cc[VERASE]);
		return;
	}
	if (c == '\t')
		width = 1;
	for (; width > 0; width--) {
		out_char(o, '\b');
		out_char(o, ' ');
		out_char(o, '\b');
	}
}

static u8 last_typed(void) { return (u8)console.input[(console.head - 1) % INPUT_SIZE]; }
static bool line_empty(void) { return console.head == console.canon; }

/* Erase, kill, word erase: true if c was one of them. */
static bool edit_line(struct out *o, u8 c)
{
	if (is_cc(VERASE, c)) {
		while (!line_empty() && (last_typed() & 0xc0) == 0x80)
			erase_one(o);
		if (!line_empty())
			erase_one(o);
	} else if (is_cc(VKILL, c)) {
		while (!line_empty())
			erase_one(o);
	} else if (is_cc(VWERASE, c) && lflag(IEXTEN)) {
		while (!line_empty() && last_typed() == ' ')
			erase_one(o);
		while (!line_empty() && last_typed() != ' ')
			erase_one(o);
	} else {
		return false;
	}
	return true;
}

static int signal_of(u8 c)
{
	if (!lflag(ISIG))
		return 0;
	return is_cc(VINTR, c) ? SIGINT : is_cc(VQUIT, c) ? SIGQUIT : is_cc(VSUSP, c) ? SIGTSTP : 0;
}

/* One character typed. Returns the signal that it means, or 0. */
static int input_char(struct out *o, u8 c)
{
	int sig = signal_of(c);

	if (sig) {
		if (!lflag(NOFLSH))
			tty_flush_input();
		echo(o, c);
		return sig;
	}
	if (iflag(IXON) && (is_cc(VSTART, c) || is_cc(VSTOP, c)))
		return 0;		/* flow control is the host terminal's */
	if (c == '\r') {
		if (iflag(IGNCR))
			return 0;
		if (iflag(ICRNL))
			c = '\n';
	} else if (c == '\n' && iflag(INLCR)) {
		c = '\r';
	}
	if (!lflag(ICANON)) {
		echo(o, c);
		put_input(c);
		return 0;
	}
	if (edit_line(o, c))
		return 0;
	if (is_cc(VEOF, c)) {
		put_input(CHAR_EOF);
		return 0;
	}
	bool ends = c == '\n' || is_cc(VEOL, c) || is_cc(VEOL2, c);
	if (!ends && in_count() >= INPUT_SIZE - 1) {
		out_raw(o, '\a');	/* the line is too long */
		return 0;
	}
	echo(o, c);
	put_input(ends ? c | CHAR_LINE_END : c);
	return 0;
}

static bool ring_full(void) { return READ_ONCE(console.head) - READ_ONCE(console.tail) >= INPUT_SIZE; }
/* Full, and a reader can make room. (A single line that fills everything is cut instead.) */
static bool must_wait(void) { return ring_full() && READ_ONCE(console.canon) != READ_ONCE(console.tail); }

static void signal_foreground(int sig)
{
	spin_lock(&tasklist_lock);
	int pgrp = console.pgrp;
	spin_unlock(&tasklist_lock);
	if (pgrp)
		signal_send_pgrp(pgrp, sig);
}

void tty_input(const char *s, size_t n)
{
	struct out o = { .n = 0 };

	for (size_t i = 0; i < n; i++) {
		/* Characters that signal work also when the ring is full. */
		if (must_wait() && !signal_of((u8)s[i]))
			wait_event(&console.read_wait, WAIT_UNINTERRUPTIBLE, !must_wait());
		mutex_lock(&console.lock);
		int sig = input_char(&o, (u8)s[i]);
		out_flush(&o);
		mutex_unlock(&console.lock);
		if (sig)
			signal_foreground(sig);
	}
	wake_up_all(&console.read_wait, 0);
}

void tty_end_of_input(void)
{
	WRITE_ONCE(console.ended, true);
	wake_up_all(&console.read_wait, 0);
}

void tty_resize(unsigned rows, unsigned cols)
{
	mutex_lock(&console.lock);
	bool changed = console.size.ws_row != rows || console.size.ws_col != cols;
	console.size.ws_row = (u16)rows;
	console.size.ws_col = (u16)cols;
	mutex_unlock(&console.lock);
	if (changed)
		signal_foreground(SIGWINCH);
}

/* --- reading --- */

static u32 raw_minimum(size_t want)
{
	u32 vmin = console.termios.c_cc[VMIN];

	if (console.termios.c_cc[VTIME])
		return min(vmin, 1U);	/* the timer between bytes is not kept: what is there is given */
	return (u32)min((size_t)vmin, want);
}

static bool readable(size_t want)
{
	if (READ_ONCE(console.ended))
		return true;
	if (lflag(ICANON))
		return READ_ONCE(console.canon) != READ_ONCE(console.tail);
	return READ_ONCE(console.head) - READ_ONCE(console.tail) >= raw_minimum(want);
}

/* Bytes for one read(): a line or part of it, or what is there. Lock held. */
static size_t take_input(char *buf, size_t size)
{
	u32 end = lflag(ICANON) ? console.canon : console.head;
	size_t n = 0;

	while (n < size && console.tail != end) {
		u16 c = console.input[console.tail % INPUT_SIZE];
		WRITE_ONCE(console.tail, console.tail + 1);
		if (lflag(ICANON) && c & CHAR_EOF)
			break;
		buf[n++] = (char)c;
		if (lflag(ICANON) && c & CHAR_LINE_END)
			break;
	}
	return n;
}

/* Wait for input: 0, or -ERESTARTSYS, -EAGAIN, -ETIMEDOUT. */
static int wait_input(struct file *file, size_t want)
{
	struct wait_entry entry = { 0 };
	u64 tenths = console.termios.c_cc[VTIME];
	bool timed = !lflag(ICANON) && !console.termios.c_cc[VMIN] && tenths;
	u64 deadline = ktime_ns() + tenths * 100000000UL;
	int r = 0;

	if (file->flags & O_NONBLOCK)
		return readable(want) ? 0 : -EAGAIN;
	for (;;) {
		wait_prepare(&console.read_wait, &entry, WAIT_INTERRUPTIBLE, 0);
		if (timed ? in_count() || console.ended : readable(want))
			break;
		r = timed ? wait_sleep_until(WAIT_INTERRUPTIBLE, deadline) : wait_sleep(WAIT_INTERRUPTIBLE);
		if (r)
			break;
	}
	wait_finish(&console.read_wait, &entry);
	return r;
}

static ssize_t tty_read(struct file *file, struct iov_iter *to, loff_t *pos)
{
	char buf[256];
	size_t done = 0;

	if (!to->count)
		return 0;
	int r = wait_input(file, to->count);
	if (r)
		return r == -ETIMEDOUT ? 0 : r;
	for (;;) {
		size_t want = min(to->count, sizeof(buf));
		mutex_lock(&console.lock);
		size_t n = take_input(buf, want);
		bool more = n == want && (!lflag(ICANON) || buf[n - 1] != '\n');
		mutex_unlock(&console.lock);
		wake_up_all(&console.read_wait, 0);	/* there is room */
		size_t copied = copy_to_iter(buf, n, to);
		done += copied;
		if (copied < n)
			return done ? (ssize_t)done : -EFAULT;
		if (!more || !to->count || (lflag(ICANON) && console.canon == console.tail))
			return (ssize_t)done;
	}
}

static u32 tty_poll(struct file *file, struct poll_table *table)
{
	poll_wait(table, &console.read_wait);
	bool in = lflag(ICANON) ? console.canon != console.tail : console.head != console.tail;
	return POLLOUT | POLLWRNORM | (in || console.ended ? POLLIN | POLLRDNORM : 0) | (console.ended && !in ? POLLHUP : 0);
}

/* --- writing --- */

static ssize_t tty_write(struct file *file, struct iov_iter *from, loff_t *pos)
{
	char buf[256];
	size_t done = 0;

	while (from->count) {
		size_t want = min(from->count, sizeof(buf)), n = copy_from_iter(buf, want, from);
		struct out o = { .n = 0 };
		mutex_lock(&console.lock);
		for (size_t i = 0; i < n; i++)
			out_char(&o, buf[i]);
		out_flush(&o);
		mutex_unlock(&console.lock);
		done += n;
		if (n < want)
			return done ? (ssize_t)done : -EFAULT;
	}
	return (ssize_t)done;
}

/* --- devices --- */

static int console_open(struct inode *inode, struct file *file)
{
	file->mode |= FMODE_STREAM;
	return 0;
}

/* /dev/tty is only there for processes that the terminal controls. */
static int terminal_open(struct inode *inode, struct file *file)
{
	file->mode |= FMODE_STREAM;
	spin_lock(&tasklist_lock);
	bool ok = tty_controls_caller();
	spin_unlock(&tasklist_lock);
	return ok ? 0 : -ENXIO;
}

#define TTY_OPERATIONS .read = tty_read, .write = tty_write, .ioctl = tty_ioctl, .poll = tty_poll
static const struct file_ops console_ops = { .open = console_open, TTY_OPERATIONS };
static const struct file_ops terminal_ops = { .open = terminal_open, TTY_OPERATIONS };

void tty_init(void (*write)(const char *s, size_t n), unsigned rows, unsigned cols)
{
	console.write = write;
	console.size.ws_row = (u16)rows;
	console.size.ws_col = (u16)cols;
	session_exit_hook = tty_leader_exit;
	if (device_register("console", S_IFCHR | 0600, make_dev(5, 1), &console_ops, NULL) ||
	    device_register("tty", S_IFCHR | 0666, make_dev(5, 0), &terminal_ops, NULL))
		printk("tty: cannot register the devices\n");
}
