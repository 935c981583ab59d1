#include "drivers/hostio.h"

#include "drivers/debugcon.h"
#include "drivers/fwcfg.h"
#include "drivers/tty.h"
#include "fs/vfs.h"
#include "kernel/cpu.h"
#include "kernel/printk.h"
#include "kernel/string.h"
#include "kernel/trap.h"
#include "mm/slab.h"
#include "mm/usercopy.h"

#define COM2 0x2f8
#define UART_IER 1		/* interrupt enable: bit 0 = data arrived */
#define UART_FCR 2
#define UART_LCR 3
#define UART_MCR 4
#define UART_LSR 5
#define UART_SCRATCH 7
#define LSR_DATA 1

#define RING_SIZE 32768		/* power of two */
#define PACKET_MAX 4096		/* of the protocol */
#define SIZE_MESSAGE 0xffff	/* a "length": window size follows */

enum { TTY_STDIN = 1, TTY_STDOUT = 2, TTY_STDERR = 4 };

/* --- bytes from the UART: the interrupt fills the ring, the receiver thread empties it --- */

static struct {
	u16 port;
	u8 data[RING_SIZE];
	u32 head;		/* written by the interrupt handler (or with interrupts off) */
	u32 tail;		/* written by the receiver */
	bool paused;		/* the ring was full: the UART keeps the rest; interrupts off */
	struct wait_queue wait;
} rx = { .wait = WAIT_QUEUE_INIT(rx.wait) };

static void rx_collect(void)
{
	while (inb(rx.port + UART_LSR) & LSR_DATA) {
		if (rx.head - READ_ONCE(rx.tail) == RING_SIZE) {
			rx.paused = true;
			outb(rx.port + UART_IER, 0);
			return;
		}
		rx.data[rx.head % RING_SIZE] = inb(rx.port);
		smp_store_release(&rx.head, rx.head + 1);
	}
}

static void rx_interrupt(void *arg)
{
	rx_collect();
	wake_up_all(&rx.wait, 0);
}

/* Wait for bytes; at most n of them. */
static size_t rx_get(u8 *buf, size_t n)
{
	size_t done = 0;

	wait_event(&rx.wait, WAIT_UNINTERRUPTIBLE, smp_load_acquire(&rx.head) != rx.tail);
	while (done < n && smp_load_acquire(&rx.head) != rx.tail) {
		buf[done++] = rx.data[rx.tail % RING_SIZE];
		smp_store_release(&rx.tail, rx.tail + 1);
	}
	u64 flags = irq_save();
	if (rx.paused) {
		rx.paused = false;
		outb(rx.port + UART_IER, 1);
		rx_collect();
	}
	irq_restore(flags);
	return done;
}

static void rx_get_exactly(u8 *buf, size_t n)
{
	for (size_t done = 0; done < n; )
		done += rx_get(buf + done, n - done);
}

static bool uart_init(u16 port, unsigned irq)
{
	outb(port + UART_SCRATCH, 0xa5);
	if (inb(port + UART_SCRATCH) != 0xa5)
		return false;
	rx.port = port;
	outb(port + UART_IER, 0);
	outb(port + UART_LCR, 0x80);	/* divisor: 115200 */
	outb(port, 1);
	outb(port + UART_IER, 0);
	outb(port + UART_LCR, 3);	/* 8N1 */
	outb(port + UART_FCR, 0xc7);	/* FIFO on, cleared, interrupt at 14 bytes: at 1 QEMU hands over byte by byte */
	outb(port + UART_MCR, 0x0b);	/* DTR RTS OUT2 (the interrupt line) */
	irq_register(irq, rx_interrupt, NULL);
	outb(port + UART_IER, 1);
	return true;
}

/* --- a standard input that is no terminal: one packet at a time, asked for when somebody reads --- */

/*
 * IN1 A packet is asked for only while the buffer is empty and none is on its way; so `data` is stable while there are
 * bytes, and the reader that has `busy` copies from it with no lock held.
 */
static struct {
	struct spinlock lock;		/* protects the fields below */
	u8 data[PACKET_MAX];
	size_t pos, length;
	bool requested, end;
	bool busy;			/* a reader is copying */
	struct wait_queue wait;
} in = { .lock = SPINLOCK_INIT("hostin", RANK_LAST_SPIN), .wait = WAIT_QUEUE_INIT(in.wait) };

static void request_packet(void)
{
	spin_lock(&in.lock);
	bool ask = !in.end && !in.requested && in.pos == in.length && !in.busy;
	if (ask)
		in.requested = true;
	spin_unlock(&in.lock);
	if (ask)
		debugcon_control("R\n", 2);
}

/* From the receiver: a packet has come (length 0: end of file). */
static void packet_arrived(const u8 *data, size_t length)
{
	spin_lock(&in.lock);
	ASSERT(length <= PACKET_MAX && in.pos == in.length);
	memcpy(in.data, data, length);
	in.pos = 0;
	in.length = length;
	in.requested = false;
	in.end |= length == 0;
	spin_unlock(&in.lock);
	wake_up_all(&in.wait, 0);
}

static bool in_ready(void) { return in.end || in.pos < in.length; }

/* Become the reader of what is there: true with *n bytes at *data, or 0 bytes at the end. */
static bool in_take(const u8 **data, size_t *n)
{
	spin_lock(&in.lock);
	bool ok = in_ready() && !in.busy;
	if (ok) {
		in.busy = true;
		*data = in.data + in.pos;
		*n = in.length - in.pos;
	}
	spin_unlock(&in.lock);
	return ok;
}

static void in_release(size_t used)
{
	spin_lock(&in.lock);
	in.pos += used;
	in.busy = false;
	spin_unlock(&in.lock);
	wake_up_all(&in.wait, 0);
}

static ssize_t hostin_read(struct file *file, struct iov_iter *to, loff_t *pos)
{
	const u8 *data;
	size_t n;

	if (!to->count)
		return 0;
	while (!in_take(&data, &n)) {
		request_packet();
		if (file->flags & O_NONBLOCK)
			return -EAGAIN;
		int r = wait_event(&in.wait, WAIT_INTERRUPTIBLE, in_ready() && !in.busy);
		if (r)
			return r;
	}
	size_t want = min(n, to->count), copied = copy_to_iter(data, want, to);
	in_release(copied);
	return copied || !want ? (ssize_t)copied : -EFAULT;
}

static u32 hostin_poll(struct file *file, struct poll_table *table)
{
	poll_wait(table, &in.wait);
	request_packet();
	return in_ready() ? POLLIN | POLLRDNORM : 0;
}

static int stream_open(struct inode *inode, struct file *file)
{
	file->mode |= FMODE_STREAM;
	return 0;
}

static const struct file_ops hostin_ops = { .open = stream_open, .read = hostin_read, .poll = hostin_poll };

/* --- output streams --- */

/* All of `from` to a debugcon port, in pieces. */
static ssize_t port_write(u16 port, struct iov_iter *from)
{
	size_t total = 0, size = min(from->count, (size_t)PACKET_MAX);
	u8 small[256], *buf = size <= sizeof(small) ? small : kmalloc(size);

	if (!buf)
		return -ENOMEM;
	while (from->count) {
		size_t want = min(from->count, size), n = copy_from_iter(buf, want, from);
		debugcon_write(port, buf, n);
		total += n;
		if (n < want)
			break;
		if (fatal_signal_pending(current))
			break;
	}
	bool fault = from->count && !total;
	if (buf != small)
		kfree(buf);
	return fault ? (fatal_signal_pending(current) ? -ERESTARTSYS : -EFAULT) : (ssize_t)total;
}

static ssize_t hostout_write(struct file *file, struct iov_iter *from, loff_t *pos) { return port_write(DEBUGCON_STDOUT, from); }
static ssize_t hosterr_write(struct file *file, struct iov_iter *from, loff_t *pos) { return port_write(DEBUGCON_STDERR, from); }
static ssize_t control_write(struct file *file, struct iov_iter *from, loff_t *pos) { return port_write(DEBUGCON_CONTROL, from); }

static const struct file_ops hostout_ops = { .open = stream_open, .write = hostout_write };
static const struct file_ops hosterr_ops = { .open = stream_open, .write = hosterr_write };
static const struct file_ops control_ops = { .open = stream_open, .write = control_write };

/* --- the job --- */

static char *job;		/* fixed after hostio_init; NULL: no runner */
static size_t job_size;
static unsigned tty_mask, tty_rows, tty_cols;
static struct tty *terminal;	/* fixed after hostio_init */

static ssize_t job_read(struct file *file, struct iov_iter *to, loff_t *pos)
{
	if (*pos < 0 || (size_t)*pos >= job_size)
		return 0;
	size_t want = min(job_size - (size_t)*pos, to->count), n = copy_to_iter(job + *pos, want, to);
	*pos += (loff_t)n;
	return n || !want ? (ssize_t)n : -EFAULT;
}

static const struct file_ops job_ops = { .read = job_read, .llseek = generic_llseek };

static unsigned parse_number(const char **p)
{
	unsigned v = 0;

	for (; **p >= '0' && **p <= '9'; (*p)++)
		v = v * 10 + (unsigned)(**p - '0');
	return v;
}

/* The first two strings: which streams are terminals, ROWSxCOLS. The rest is init's. */
static void job_parse(void)
{
	const char *p = job, *end = job + job_size;

	tty_mask = parse_number(&p);
	p = memchr(p, 0, (size_t)(end - p));
	if (!p || ++p >= end)
		return;
	tty_rows = parse_number(&p);
	if (*p == 'x') {
		p++;
		tty_cols = parse_number(&p);
	}
}

/* --- the receiver --- */

static void framed_receiver(void *arg)
{
	static u8 packet[PACKET_MAX];	/* only this thread's */
	u8 head[4];

	for (;;) {
		rx_get_exactly(head, 2);
		size_t length = head[0] | (size_t)head[1] << 8;
		if (length == SIZE_MESSAGE) {
			rx_get_exactly(head, 4);
			tty_resize(terminal, &(struct winsize){ .ws_row = (u16)(head[0] | head[1] << 8), .ws_col = (u16)(head[2] | head[3] << 8) });
			continue;
		}
		for (size_t left = length; left > PACKET_MAX; left--)	/* not of this protocol: skipped */
			rx_get_exactly(head, 1), length--;
		rx_get_exactly(packet, length);
		if (!(tty_mask & TTY_STDIN))
			packet_arrived(packet, length);
		else if (length)
			tty_input_all(terminal, (const char *)packet, length);
		else
			tty_end_of_input(terminal);
	}
}

static size_t screen_write(struct tty *t, const char *s, size_t n)
{
	if (tty_mask & TTY_STDOUT)
		debugcon_write(DEBUGCON_STDOUT, s, n);
	else if (tty_mask & TTY_STDERR)
		debugcon_write(DEBUGCON_STDERR, s, n);
	return n;
}

/* The runner's terminal has Linux's name for a hypervisor's console. */
static void register_terminal(void)
{
	static const struct tty_driver driver = { .write = screen_write };

	terminal = tty_create(&driver, NULL, make_dev(229, 0), tty_rows, tty_cols);
	if (!terminal)
		fatal("no memory for the terminal");
	tty_register(terminal, "hvc0");
}

static void register_devices(void)
{
	static const struct { const char *name; u32 mode; const struct file_ops *ops; } devices[] = {
		{ "hostin", 0444, &hostin_ops }, { "hostout", 0222, &hostout_ops }, { "hosterr", 0222, &hosterr_ops },
		{ "control", 0200, &control_ops }, { "job", 0400, &job_ops },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(devices); i++)
		if (device_register(devices[i].name, S_IFCHR | devices[i].mode, make_dev(240, i), devices[i].ops, NULL))
			printk("hostio: cannot register /dev/%s\n", devices[i].name);
}

struct tty *hostio_init(void)
{
	if (fwcfg_read_file("opt/cowslip/job", (void **)&job, &job_size))
		return NULL;
	job_parse();
	register_terminal();
	register_devices();
	if (!uart_init(COM2, 3)) {
		printk("hostio: no serial port for input\n");
		packet_arrived(NULL, 0);
		return terminal;
	}
	if (!kthread_start("hostio", framed_receiver, NULL))
		fatal("no memory for the host's input");
	if (tty_mask & TTY_STDIN)
		debugcon_control("R\n", 2);	/* from now on what is typed may be sent */
	return terminal;
}
