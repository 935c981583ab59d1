/*
 * The terminal's ioctl calls: settings, window size, flow, queues. Sessions and groups: drivers/ttyjob.c.
 */
#include "drivers/tty.h"

#include "kernel/cpu.h"
#include "kernel/string.h"
#include "mm/usercopy.h"

#define NCC_TERMIOS sizeof(struct termios)	/* struct termios2 is this and two speeds */

/* The speeds of CBAUD, in order: B0 to B38400, then from B57600 (CBAUDEX) on. */
static const unsigned speeds[] = {
	0, 50, 75, 110, 134, 150, 200, 300, 600, 1200, 1800, 2400, 4800, 9600, 19200, 38400,
	57600, 115200, 230400, 460800, 500000, 576000, 921600, 1000000, 1152000, 1500000, 2000000, 2500000, 3000000, 3500000, 4000000,
};

/* The number in termios.c_cflag as bits per second; BOTHER: `other`. */
static unsigned speed_of(u32 cbaud, unsigned other)
{
	unsigned i = (cbaud & 15) + (cbaud & CBAUDEX ? 15 : 0);

	return (cbaud & CBAUD) == BOTHER ? other : speeds[min(i, (unsigned)ARRAY_SIZE(speeds) - 1)];
}

/* For packet mode: are ^S and ^Q flow control? */
static bool uses_ctrl_s(const struct termios2 *v) { return v->c_iflag & IXON && v->c_cc[VSTART] == 17 && v->c_cc[VSTOP] == 19; }

static long set_termios(struct tty *t, const void __user *from, size_t size, bool flush)
{
	struct termios2 v;
	long r = tty_check_change(t, SIGTTOU);

	if (r)
		return r;
	mutex_lock(&t->lock);
	v = t->termios;
	mutex_unlock(&t->lock);
	if (copy_from_user(&v, from, size))
		return -EFAULT;
	v.c_ospeed = speed_of(v.c_cflag, v.c_ospeed);
	v.c_ispeed = v.c_cflag & CIBAUD ? speed_of(v.c_cflag >> IBSHIFT, v.c_ispeed) : v.c_ospeed;
	if (t->driver->pty)		/* no line, no parity */
		v.c_cflag = (v.c_cflag & ~(u32)(CSIZE | PARENB)) | CS8 | CREAD;
	mutex_lock(&t->lock);
	u32 old_lflag = t->termios.c_lflag;
	bool was_flow = uses_ctrl_s(&t->termios);
	t->termios = v;
	if (flush)
		disc_flush_input(t);
	disc_mode_changed(t, old_lflag);
	if (!(v.c_iflag & IXON))
		disc_set_stopped(t, false);
	if (was_flow != uses_ctrl_s(&v))
		tty_event(t, was_flow ? TIOCPKT_NOSTOP : TIOCPKT_DOSTOP);
	mutex_unlock(&t->lock);
	wake_up_all(&t->read_wait, 0);
	wake_up_all(&t->input_wait, 0);
	return 0;
}

static long get_termios(struct tty *t, void __user *to, size_t size)
{
	struct termios2 v;

	mutex_lock(&t->lock);
	v = t->termios;
	mutex_unlock(&t->lock);
	return copy_to_user(to, &v, size) ? -EFAULT : 0;
}

static long get_size(struct tty *t, struct winsize __user *to)
{
	struct winsize v;

	mutex_lock(&t->lock);
	v = t->size;
	mutex_unlock(&t->lock);
	return copy_to_user(to, &v, sizeof(v)) ? -EFAULT : 0;
}

static long set_size(struct tty *t, const struct winsize __user *from)
{
	struct winsize v;

	if (copy_from_user(&v, from, sizeof(v)))
		return -EFAULT;
	tty_resize(t, &v);
	return 0;
}

static long flush(struct tty *t, unsigned long which)
{
	long r = tty_check_change(t, SIGTTOU);

	if (r)
		return r;
	if (which > TCIOFLUSH)
		return -EINVAL;
	mutex_lock(&t->lock);
	if (which != TCOFLUSH)
		disc_flush_input(t);
	if (which != TCIFLUSH)
		t->nr_held = 0;
	tty_event(t, which == TCIFLUSH ? TIOCPKT_FLUSHREAD : which == TCOFLUSH ? TIOCPKT_FLUSHWRITE : TIOCPKT_FLUSHREAD | TIOCPKT_FLUSHWRITE);
	mutex_unlock(&t->lock);
	wake_up_all(&t->read_wait, 0);
	return 0;
}

static long flow(struct tty *t, unsigned long what)
{
	long r = tty_check_change(t, SIGTTOU);

	if (r)
		return r;
	if (what > TCION)
		return -EINVAL;
	mutex_lock(&t->lock);
	if (what == TCOOFF || what == TCOON) {
		disc_set_stopped(t, what == TCOOFF);
	} else {
		char c = (char)t->termios.c_cc[what == TCIOFF ? VSTOP : VSTART];
		if (c)
			t->driver->write(t, &c, 1);
	}
	mutex_unlock(&t->lock);
	return 0;
}

/* Output is never behind: what a driver took, it has shown. Only stopped output is waited for. */
static long drain(struct tty *t)
{
	long r = tty_check_change(t, SIGTTOU);

	return r ? r : wait_event(&t->write_wait, WAIT_INTERRUPTIBLE, !READ_ONCE(t->stopped) || !READ_ONCE(t->nr_held));
}

static long type_character(struct tty *t, const char __user *from, bool master)
{
	struct process *p = current->process;
	char c;

	if (p->euid && (master || p->tty != t))
		return -EPERM;
	if (p->euid)
		return -EIO;		/* as Linux with dev.tty.legacy_tiocsti=0 */
	if (copy_from_user(&c, from, 1))
		return -EFAULT;
	tty_input(t, &c, 1);
	return 0;
}

static long count_input(struct tty *t, int __user *to)
{
	mutex_lock(&t->lock);
	int n = (int)disc_readable(t);
	mutex_unlock(&t->lock);
	return put_user(n, to);
}

long tty_ioctl(struct tty *t, unsigned cmd, unsigned long arg, bool master)
{
	void __user *p = (void __user *)arg;
	long r;

	switch (cmd) {
	case TCGETS: return get_termios(t, p, NCC_TERMIOS);
	case TCGETS2: return get_termios(t, p, sizeof(struct termios2));
	case TCSETS: case TCSETSW: case TCSETSF:
		r = cmd == TCSETS ? 0 : drain(t);
		return r ? r : set_termios(t, p, NCC_TERMIOS, cmd == TCSETSF);
	case TCSETS2: case TCSETSW2: case TCSETSF2:
		r = cmd == TCSETS2 ? 0 : drain(t);
		return r ? r : set_termios(t, p, sizeof(struct termios2), cmd == TCSETSF2);
	case TIOCGWINSZ: return get_size(t, p);
	case TIOCSWINSZ: return set_size(t, p);
	case TCFLSH: return flush(t, arg);
	case TCXONC: return flow(t, arg);
	case TCSBRK: case TCSBRKP: return drain(t);	/* there is no break to send */
	case TIOCOUTQ: return put_user((int)t->nr_held, (int __user *)p);
	case TIOCSTI: return type_character(t, p, master);
	case FIONREAD: return count_input(t, p);
	case TIOCEXCL: case TIOCNXCL: WRITE_ONCE(t->exclusive, cmd == TIOCEXCL); return 0;
	case TIOCGEXCL: return put_user((int)t->exclusive, (int __user *)p);
	case TIOCGETD: return put_user(0, (int __user *)p);
	}
	return tty_job_ioctl(t, cmd, arg, master);
}
