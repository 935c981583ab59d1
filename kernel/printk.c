/*
 * The kernel log: lines of text to COM1 and to a ring that syslog(2), /proc/kmsg, /dev/kmsg and a debugger read.
 *
 * Each line has a level, 0 (the system is unusable) to 7 (debugging): text that begins with "<N>" is of level N, other text
 * of LOG_DEFAULT_LEVEL. The ring keeps lines as syslog(2) gives them out, "<6>[    1.234567] text"; COM1 gets those below the
 * console level (loglevel=, 8 at the start: all) without "<6>".
 *
 * printk may be called from any context, also with the run queue locked; so it does not wake readers: the tick does (log_tick).
 */
#include "kernel/printk.h"

#include "drivers/serial.h"
#include "drivers/vt.h"
#include "kernel/cmdline.h"
#include "kernel/cpu.h"
#include "kernel/string.h"
#include "kernel/time.h"

static char log_ring[LOG_SIZE];		/* log_lock */
static u64 log_next = 1;		/* log_lock: sequence number of the next byte; 0 means "from the oldest" */
static struct spinlock log_lock = SPINLOCK_INIT("log", RANK_LOG);
static bool panic_mode;
static bool line_start = true;		/* log_lock */
static int line_level;			/* log_lock: of the line that is being written */
static int console_level = 8;		/* read and written racily */
static bool news;			/* lines that readers were not told of */
struct wait_queue log_wait = WAIT_QUEUE_INIT(log_wait);

int log_console_level(void) { return READ_ONCE(console_level); }
void log_set_console_level(int level) { WRITE_ONCE(console_level, level); }

void log_init(void)
{
	u64 level = cmdline_u64("loglevel", 8);

	log_set_console_level((int)min(max(level, 1UL), 8UL));
}

void log_panic_mode(void) { panic_mode = true; }

static void ring_bytes(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		log_ring[log_next++ % LOG_SIZE] = s[i];
}

static void log_bytes(const char *s, size_t n)
{
	ring_bytes(s, n);
	if (line_level < console_level || panic_mode) {
		serial_write(s, n);
		vt_log(s, n);
	}
}

/* A line begins: its level, and the time since boot in seconds. Returns the length of the level's mark in s. */
static size_t begin_line(const char *s, size_t n)
{
	bool marked = n >= 3 && s[0] == '<' && s[1] >= '0' && s[1] <= '7' && s[2] == '>';
	u64 us = ktime_ns() / 1000;
	char head[40];

	line_level = panic_mode ? 0 : marked ? s[1] - '0' : LOG_DEFAULT_LEVEL;
	ring_bytes(head, (size_t)ksnprintf(head, sizeof(head), "<%d>", line_level));
	if (!panic_mode)
		log_bytes(head, (size_t)ksnprintf(head, sizeof(head), "[%5lu.%06lu] ", us / 1000000, us % 1000000));
	return marked ? 3 : 0;
}

static void log_text(const char *s, size_t n)
{
	while (n) {
		size_t mark = line_start ? begin_line(s, n) : 0;
		const char *newline = memchr(s, '\n', n);
		size_t length = newline ? (size_t)(newline - s) + 1 : n;

		log_bytes(s + mark, length - mark);
		line_start = newline;
		s += length;
		n -= length;
	}
}

void printk(const char *fmt, ...)
{
	char line[512];
	__builtin_va_list ap;
	u64 flags = 0;
	int n;

	__builtin_va_start(ap, fmt);
	n = kvsnprintf(line, sizeof(line), fmt, ap);
	__builtin_va_end(ap);
	if (!panic_mode)
		flags = spin_lock_irqsave(&log_lock);
	log_text(line, min((size_t)n, sizeof(line) - 1));
	if (!READ_ONCE(news)) {
		WRITE_ONCE(news, true);
		tick_soon();
	}
	if (!panic_mode)
		spin_unlock_irqrestore(&log_lock, flags);
}

/* --- readers --- */

void log_tick(void)
{
	if (likely(!READ_ONCE(news)))
		return;
	WRITE_ONCE(news, false);
	wake_up_all(&log_wait, 0);
}

u64 log_end(void) { return READ_ONCE(log_next); }

/* Not before the oldest byte that is kept; and there, at the start of a line. log_lock held. */
static u64 settle(u64 pos)
{
	u64 oldest = log_next > LOG_SIZE ? log_next - LOG_SIZE : 1;

	if (pos >= oldest)
		return min(pos, log_next);
	for (pos = oldest; pos > 1 && pos < log_next && log_ring[(pos - 1) % LOG_SIZE] != '\n'; pos++)
		;
	return pos;
}

u64 log_line_after(u64 pos)
{
	u64 flags = spin_lock_irqsave(&log_lock);

	pos = settle(pos);
	while (pos > 1 && pos < log_next && log_ring[(pos - 1) % LOG_SIZE] != '\n')
		pos++;
	spin_unlock_irqrestore(&log_lock, flags);
	return pos;
}

size_t log_read(u64 *pos, char *buf, size_t size)
{
	u64 flags = spin_lock_irqsave(&log_lock);
	size_t n = 0;

	*pos = settle(*pos);
	while (n < size && *pos < log_next)
		buf[n++] = log_ring[(*pos)++ % LOG_SIZE];
	spin_unlock_irqrestore(&log_lock, flags);
	return n;
}

size_t log_read_line(u64 *pos, char *buf, size_t size)
{
	u64 flags = spin_lock_irqsave(&log_lock), at;
	size_t n = 0;
	bool ended = false;

	at = *pos = settle(*pos);
	while (at < log_next && !ended) {
		char c = log_ring[at++ % LOG_SIZE];
		ended = c == '\n';
		if (n < size)
			buf[n++] = c;
	}
	if (ended)
		*pos = at;
	spin_unlock_irqrestore(&log_lock, flags);
	return ended ? n : 0;
}
