/*
 * The input half of the line discipline: what a character that was typed does (c_iflag, c_lflag, c_cc), and the editing of
 * the line that is being typed.
 */
#include "drivers/ttydisc.h"

#include "kernel/string.h"

static bool is_cc(const struct tty *t, int which, u8 c) { return t->termios.c_cc[which] && t->termios.c_cc[which] == c; }
static bool is_extended(const struct tty *t, int which, u8 c) { return lflag(t, IEXTEN) && is_cc(t, which, c); }

static u32 in_count(const struct tty *t) { return t->head - t->tail; }
static bool line_empty(const struct tty *t) { return t->head == t->canon; }
static u8 typed(const struct tty *t, u32 at) { return (u8)t->input[at % INPUT_SIZE]; }

/*
 * The ring is never filled to its last place but by the end of a line: a line that is too long loses what follows its
 * 4095th character, and still ends.
 */
static void put_input(struct tty *t, u16 c)
{
	if (in_count(t) >= INPUT_SIZE - 1) {
		if (!lflag(t, ICANON))
			return;		/* the caller made sure that there is room: only ^V and PARMRK get here */
		if (in_count(t) >= INPUT_SIZE)
			t->head--;
	}
	t->input[t->head % INPUT_SIZE] = c;
	WRITE_ONCE(t->head, t->head + 1);
	if (c & (CHAR_LINE_END | CHAR_EOF))
		WRITE_ONCE(t->canon, t->head);
}

void disc_flush_input(struct tty *t)
{
	t->head = t->canon = t->tail = 0;
	t->literal_next = t->erasing = false;
	wake_up_all(&t->input_wait, 0);
}

/* --- editing --- */

static void finish_erasing(struct out *o)
{
	if (o->tty->erasing) {
		out_raw(o, '/');
		o->tty->column++;
		o->tty->erasing = false;
	}
}

static void rub_out(struct out *o)
{
	out_raw(o, '\b');
	out_raw(o, ' ');
	out_raw(o, '\b');
	o->tty->column -= o->tty->column > 0;
}

/* The tab behind `end` of the line being typed goes: back to where the cursor was before it. */
static void rub_out_tab(struct out *o, u32 end)
{
	struct tty *t = o->tty;
	unsigned columns = 0;
	bool after_tab = false;

	for (u32 i = end; i != t->canon && !after_tab; i--) {
		u8 c = typed(t, i - 1);
		if (c == '\t')
			after_tab = true;
		else if (is_control(c))
			columns += lflag(t, ECHOCTL) ? 2 : 0;
		else if (!is_continuation(t, c))
			columns++;
	}
	if (!after_tab)
		columns += t->line_column;
	for (unsigned n = 8 - (columns & 7); n; n--) {
		out_raw(o, '\b');
		t->column -= t->column > 0;
	}
}

/* Take back the last character of the line; it ends at `end` afterwards, its first byte was c. Shown as ECHO* say. */
static void erase_shown(struct out *o, u8 c, u32 end, u32 length, bool one)
{
	struct tty *t = o->tty;

	if (lflag(t, ECHOPRT)) {
		if (!t->erasing) {
			out_raw(o, '\\');
			t->column++;
			t->erasing = true;
		}
		echo_char(o, c);
		for (u32 i = 1; i < length; i++)
			out_raw(o, (char)typed(t, end + i));
	} else if (one && !lflag(t, ECHOE)) {
		echo_char(o, t->termios.c_cc[VERASE]);
	} else if (c == '\t') {
		rub_out_tab(o, end);
	} else {
		if (is_control(c) && lflag(t, ECHOCTL))
			rub_out(o);
		if (!is_control(c) || lflag(t, ECHOCTL))
			rub_out(o);
	}
}

static bool in_word(u8 c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c >= 0xc0 && c != 0xd7 && c != 0xf7);
}

/* The whole line by VKILL where it is not rubbed out character by character. */
static void kill_at_once(struct out *o)
{
	struct tty *t = o->tty;

	WRITE_ONCE(t->head, t->canon);
	if (!lflag(t, ECHO))
		return;
	finish_erasing(o);
	echo_char(o, t->termios.c_cc[VKILL]);
	if (lflag(t, ECHOK))
		echo_plain(o, '\n');
}

enum erase_kind { ERASE_CHARACTER, ERASE_WORD, ERASE_LINE };

static void erase(struct out *o, enum erase_kind kind)
{
	struct tty *t = o->tty;
	bool word_seen = false;

	if (line_empty(t))
		return;
	if (kind == ERASE_LINE && (t->termios.c_lflag & (ECHO | ECHOK | ECHOKE | ECHOE)) != (ECHO | ECHOK | ECHOKE | ECHOE)) {
		kill_at_once(o);
		return;
	}
	while (!line_empty(t)) {
		u32 head = t->head;
		u8 c;
		do
			c = typed(t, --head);
		while (is_continuation(t, c) && head != t->canon);
		if (is_continuation(t, c))
			break;		/* its beginning was read by somebody: not half of it */
		if (kind == ERASE_WORD && in_word(c))
			word_seen = true;
		else if (kind == ERASE_WORD && word_seen)
			break;
		u32 length = t->head - head;
		WRITE_ONCE(t->head, head);
		if (lflag(t, ECHO))
			erase_shown(o, c, head, length, kind == ERASE_CHARACTER);
		if (kind == ERASE_CHARACTER)
			break;
	}
	if (line_empty(t) && lflag(t, ECHO))
		finish_erasing(o);
}

static void reprint(struct out *o, u8 c)
{
	finish_erasing(o);
	echo_char(o, c);
	echo_plain(o, '\n');
	for (u32 i = o->tty->canon; i != o->tty->head; i++)
		echo_char(o, typed(o->tty, i));
}

/* --- characters --- */

#define PLAIN_ECHO 1		/* for ordinary(): a newline by c_iflag, not shown as ^J */

/* A character of the text. flag: 0, CHAR_LINE_END, PLAIN_ECHO. */
static void ordinary(struct out *o, u8 c, u16 flag)
{
	struct tty *t = o->tty;

	if (lflag(t, ECHO)) {
		finish_erasing(o);
		if (line_empty(t))
			t->line_column = t->column;
		if (flag == PLAIN_ECHO)
			echo_plain(o, c);
		else
			echo_char(o, c);
	}
	if (c == 0xff && iflag(t, PARMRK))
		put_input(t, c);
	put_input(t, c | (flag & CHAR_LINE_END));
}

/* What only canonical mode knows: true if it was one of these. */
static bool canonical_special(struct out *o, u8 c)
{
	struct tty *t = o->tty;

	if (is_cc(t, VERASE, c)) {
		erase(o, ERASE_CHARACTER);
	} else if (is_cc(t, VKILL, c)) {
		erase(o, ERASE_LINE);
	} else if (is_extended(t, VWERASE, c)) {
		erase(o, ERASE_WORD);
	} else if (is_extended(t, VLNEXT, c)) {
		t->literal_next = true;
		if (lflag(t, ECHO)) {
			finish_erasing(o);
			if (lflag(t, ECHOCTL)) {
				out_raw(o, '^');
				out_raw(o, '\b');
			}
		}
	} else if (is_extended(t, VREPRINT, c) && lflag(t, ECHO)) {
		reprint(o, c);
	} else if (c == '\n') {
		if (lflag(t, ECHO | ECHONL))
			echo_plain(o, c);
		put_input(t, c | CHAR_LINE_END);
	} else if (is_cc(t, VEOF, c)) {
		put_input(t, CHAR_EOF);
	} else if (is_cc(t, VEOL, c) || is_extended(t, VEOL2, c)) {
		ordinary(o, c, CHAR_LINE_END);
	} else {
		return false;
	}
	return true;
}

static int signal_of(const struct tty *t, u8 c)
{
	if (!lflag(t, ISIG))
		return 0;
	return is_cc(t, VINTR, c) ? SIGINT : is_cc(t, VQUIT, c) ? SIGQUIT : is_cc(t, VSUSP, c) ? SIGTSTP : 0;
}

/* A character that signals: input is thrown away, output goes on. */
static void signal_char(struct out *o, u8 c)
{
	struct tty *t = o->tty;

	if (!lflag(t, NOFLSH)) {
		disc_flush_input(t);
		t->nr_held = 0;
		o->n = 0;
		tty_event(t, TIOCPKT_FLUSHREAD | TIOCPKT_FLUSHWRITE);
	}
	if (iflag(t, IXON))
		disc_set_stopped(t, false);
	if (lflag(t, ECHO))
		echo_char(o, c);
}

/* Carriage return and newline as c_iflag has them. */
static u8 map_newline(const struct tty *t, u8 c)
{
	if (c == '\r' && iflag(t, ICRNL))
		return '\n';
	return c == '\n' && iflag(t, INLCR) ? '\r' : c;
}

static int receive(struct out *o, u8 c)
{
	struct tty *t = o->tty;
	int sig;

	if (iflag(t, ISTRIP))
		c &= 0x7f;
	if (iflag(t, IUCLC) && lflag(t, IEXTEN) && c >= 'A' && c <= 'Z')
		c += 32;
	if (t->literal_next) {
		t->literal_next = false;
		ordinary(o, c, 0);
		return 0;
	}
	if (iflag(t, IXON) && (is_cc(t, VSTART, c) || is_cc(t, VSTOP, c))) {
		disc_set_stopped(t, !is_cc(t, VSTART, c));
		return 0;
	}
	sig = signal_of(t, c);
	if (sig) {
		signal_char(o, c);
		return sig;
	}
	if (t->stopped && iflag(t, IXON) && iflag(t, IXANY))
		disc_set_stopped(t, false);
	if (c == '\r' && iflag(t, IGNCR))
		return 0;
	u8 mapped = map_newline(t, c);
	if (!lflag(t, ICANON) || !canonical_special(o, mapped))
		ordinary(o, mapped, c == '\r' && mapped == '\n' ? PLAIN_ECHO : 0);
	return 0;
}

/* ^C and its like work also when nobody reads what was typed before. */
static bool may_take(const struct tty *t, u8 c) { return tty_input_room(t) || signal_of(t, c); }

size_t disc_input(struct tty *t, const char *s, size_t n, int *sig)
{
	struct out o = { .tty = t, .echo = true };
	size_t i = 0;

	for (*sig = 0; i < n && !*sig && may_take(t, (u8)s[i]); i++)
		*sig = receive(&o, (u8)s[i]);
	out_flush(&o);
	return i;
}

/* --- settings --- */

void disc_mode_changed(struct tty *t, u32 old_lflag)
{
	if (!((old_lflag ^ t->termios.c_lflag) & ICANON))
		return;
	for (u32 i = t->tail; i != t->head; i++)	/* where lines ended is forgotten */
		t->input[i % INPUT_SIZE] &= 0xff;
	if (lflag(t, ICANON) && t->head != t->tail) {	/* what was typed in raw mode is one line, whether it ends or not */
		t->input[(t->head - 1) % INPUT_SIZE] |= CHAR_LINE_END;
		WRITE_ONCE(t->canon, t->head);
	} else {
		WRITE_ONCE(t->canon, t->tail);
	}
}

void disc_init(struct tty *t)
{
	static const struct termios2 sane = {
		.c_iflag = ICRNL | IXON, .c_oflag = OPOST | ONLCR, .c_cflag = B38400 | CS8 | CREAD | HUPCL,
		.c_lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN,
		.c_cc = { [VINTR] = 3, [VQUIT] = 28, [VERASE] = 127, [VKILL] = 21, [VEOF] = 4, [VMIN] = 1, [VSTART] = 17,
			  [VSTOP] = 19, [VSUSP] = 26, [VREPRINT] = 18, [VDISCARD] = 15, [VWERASE] = 23, [VLNEXT] = 22 },
		.c_ispeed = 38400, .c_ospeed = 38400,
	};

	t->termios = sane;
	if (t->driver->pty)
		t->termios.c_cflag &= ~(u32)HUPCL;	/* there is no line */
}
