/* See drivers/pty.h. */
#include "drivers/pty.h"

#include "kernel/cpu.h"
#include "kernel/printk.h"
#include "kernel/string.h"
#include "mm/slab.h"
#include "mm/usercopy.h"

#define SLAVE_MAJOR 136

static struct pty *ptys[NR_PTYS];	/* M: those with an open master */
static u64 next_serial = 1;		/* M */

/* --- the slave's driver; tty->lock held --- */

static u32 ring_count(const struct pty *p) { return READ_ONCE(p->head) - READ_ONCE(p->tail); }
static size_t slave_room(struct tty *t) { return PTY_RING - ring_count(t->data); }

static size_t slave_write(struct tty *t, const char *s, size_t n)
{
	struct pty *p = t->data;

	n = min(n, slave_room(t));
	for (size_t i = 0; i < n; i++)
		p->ring[(p->head + i) % PTY_RING] = (u8)s[i];
	WRITE_ONCE(p->head, p->head + (u32)n);
	if (n)
		wake_up_all(&p->master_wait, 0);
	return n;
}

static void slave_event(struct tty *t, u8 event)
{
	static const u8 opposite[][2] = { { TIOCPKT_STOP, TIOCPKT_START }, { TIOCPKT_START, TIOCPKT_STOP },
					  { TIOCPKT_DOSTOP, TIOCPKT_NOSTOP }, { TIOCPKT_NOSTOP, TIOCPKT_DOSTOP } };
	struct pty *p = t->data;

	if (!p->packet)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(opposite); i++)
		if (event & opposite[i][0])
			p->status &= (u8)~opposite[i][1];
	p->status |= event;
	wake_up_all(&p->master_wait, 0);
}

static void pty_free(struct pty *p)
{
	tty_free(p->tty);
	kfree(p->ring);
	kfree(p);
}

/* tty_mutex held. */
static void slave_closed(struct tty *t)
{
	struct pty *p = t->data;

	if (t->count)
		return;
	wake_up_all(&p->master_wait, 0);	/* it gets EIO when it has read everything */
	if (!p->master_open)
		pty_free(p);
}

static const struct tty_driver slave_driver = {
	.write = slave_write, .room = slave_room, .closed = slave_closed, .event = slave_event, .pty = true,
};

/* --- names; tty_mutex taken --- */

static struct pty *find_locked(u64 serial)
{
	for (int i = 0; i < NR_PTYS; i++)
		if (ptys[i] && ptys[i]->serial == serial)
			return ptys[i];
	return NULL;
}

bool pty_attributes(u64 serial, struct pty_attributes *a)
{
	mutex_lock(&tty_mutex);
	struct pty *p = find_locked(serial);
	if (p)
		*a = (struct pty_attributes){ p->index, p->mode, p->uid, p->gid, p->time };
	mutex_unlock(&tty_mutex);
	return p;
}

void pty_set_attributes(u64 serial, const struct iattr *attr)
{
	mutex_lock(&tty_mutex);
	struct pty *p = find_locked(serial);
	if (p && attr->valid & ATTR_MODE)
		p->mode = attr->mode & 07777;
	if (p && attr->valid & ATTR_UID)
		p->uid = attr->uid;
	if (p && attr->valid & ATTR_GID)
		p->gid = attr->gid;
	mutex_unlock(&tty_mutex);
}

u64 pty_serial(int index)
{
	mutex_lock(&tty_mutex);
	u64 serial = index >= 0 && index < NR_PTYS && ptys[index] ? ptys[index]->serial : 0;
	mutex_unlock(&tty_mutex);
	return serial;
}

int pty_next(int index)
{
	mutex_lock(&tty_mutex);
	while (index < NR_PTYS && !ptys[index])
		index++;
	mutex_unlock(&tty_mutex);
	return index < NR_PTYS ? index : -1;
}

int pty_open_slave(u64 serial, struct file *file)
{
	mutex_lock(&tty_mutex);
	struct pty *p = find_locked(serial);
	int error = p && !p->locked ? tty_open_file(p->tty, file, false) : -EIO;
	if (!error)
		p->slave_opened = true;
	mutex_unlock(&tty_mutex);
	return error;
}

/* --- the master --- */

static struct pty *pty_alloc(void)
{
	struct pty *p = kzalloc(sizeof(*p));

	if (!p)
		return NULL;
	p->ring = kmalloc(PTY_RING);
	p->tty = p->ring ? tty_create(&slave_driver, p, 0, 0, 0) : NULL;
	if (!p->tty) {
		kfree(p->ring);
		kfree(p);
		return NULL;
	}
	p->master_open = p->locked = true;
	wait_queue_init(&p->master_wait);
	u64 now = realtime_ns();
	p->time = (struct timespec64){ (s64)(now / 1000000000), (s64)(now % 1000000000) };
	p->uid = current->process->fsuid;
	p->gid = current->process->fsgid;
	devpts_defaults(&p->mode, &p->uid, &p->gid);
	return p;
}

static int ptmx_open(struct inode *inode, struct file *file)
{
	struct pty *p = pty_alloc();
	int i = 0;

	if (!p)
		return -ENOMEM;
	mutex_lock(&tty_mutex);
	while (i < NR_PTYS && ptys[i])
		i++;
	if (i < NR_PTYS) {
		ptys[i] = p;
		p->index = i;
		p->tty->rdev = make_dev(SLAVE_MAJOR, (u32)i);
		p->serial = next_serial++;
	} else {
		pty_free(p);
	}
	mutex_unlock(&tty_mutex);
	if (i == NR_PTYS)
		return -ENOSPC;
	file->private = p;
	file->mode |= FMODE_STREAM;
	return 0;
}

static void master_release(struct file *file)
{
	struct pty *p = file->private;

	mutex_lock(&tty_mutex);
	ptys[p->index] = NULL;
	p->master_open = false;
	tty_hangup(p->tty, false);
	if (!p->tty->count)
		pty_free(p);
	mutex_unlock(&tty_mutex);
}

static bool slave_gone(const struct pty *p) { return READ_ONCE(p->slave_opened) && !READ_ONCE(p->tty->count); }

/* Bytes for the master, at most size; in packet mode the first says what they are. */
static size_t take(struct pty *p, char *buf, size_t size)
{
	size_t n = 0;

	mutex_lock(&p->tty->lock);
	if (p->packet && (p->status || ring_count(p))) {
		buf[n++] = (char)p->status;
		if (p->status)
			size = n;		/* a status comes alone */
		p->status = 0;
	}
	while (n < size && p->tail != p->head) {
		buf[n++] = (char)p->ring[p->tail % PTY_RING];
		WRITE_ONCE(p->tail, p->tail + 1);
	}
	mutex_unlock(&p->tty->lock);
	if (n)
		tty_output_room(p->tty);
	return n;
}

static bool master_readable(const struct pty *p) { return ring_count(p) || READ_ONCE(p->status); }

static ssize_t master_read(struct file *file, struct iov_iter *to, loff_t *pos)
{
	struct pty *p = file->private;
	size_t done = 0;
	char buf[256];

	while (to->count) {
		size_t n = take(p, buf, min(to->count, sizeof(buf))), k = copy_to_iter(buf, n, to);
		done += k;
		if (k < n)
			return done ? (ssize_t)done : -EFAULT;
		if (done && (p->packet || !ring_count(p)))
			break;
		if (n)
			continue;
		if (slave_gone(p) && !master_readable(p))
			return -EIO;
		if (file->flags & O_NONBLOCK)
			return -EAGAIN;
		int r = wait_event(&p->master_wait, WAIT_INTERRUPTIBLE, master_readable(p) || slave_gone(p));
		if (r)
			return r;
	}
	return (ssize_t)done;
}

static ssize_t master_write(struct file *file, struct iov_iter *from, loff_t *pos)
{
	struct pty *p = file->private;
	size_t done = 0;
	char buf[256];

	while (from->count) {
		size_t want = min(from->count, sizeof(buf)), n = copy_from_iter(buf, want, from), put = 0;
		while ((put += tty_input(p->tty, buf + put, n - put)) < n) {
			int r = file->flags & O_NONBLOCK ? -EAGAIN : tty_input_wait(p->tty, WAIT_INTERRUPTIBLE);
			if (r)
				return done + put ? (ssize_t)(done + put) : r;
		}
		done += n;
		if (n < want)
			return done ? (ssize_t)done : -EFAULT;
	}
	return (ssize_t)done;
}

static u32 master_poll(struct file *file, struct poll_table *table)
{
	struct pty *p = file->private;

	poll_wait(table, &p->master_wait);
	poll_wait(table, &p->tty->input_wait);
	u32 mask = master_readable(p) ? POLLIN | POLLRDNORM : 0;
	if (READ_ONCE(p->status))
		mask |= POLLPRI;
	if (slave_gone(p))
		mask |= POLLHUP;
	if (tty_input_room(p->tty))
		mask |= POLLOUT | POLLWRNORM;
	return mask;
}

/* --- the master's calls --- */

static long set_flag(struct pty *p, bool *flag, const int __user *from)
{
	int v;

	if (get_user(v, from))
		return -EFAULT;
	mutex_lock(&p->tty->lock);
	if (flag == &p->packet && v && !p->packet)
		p->status = 0;
	WRITE_ONCE(*flag, v != 0);
	mutex_unlock(&p->tty->lock);
	return 0;
}

static long open_peer(struct pty *p, unsigned flags)
{
	char name[32];
	struct path path;
	struct file *file;
	int fd;

	ksnprintf(name, sizeof(name), "/dev/pts/%d", p->index);
	int error = path_lookup(name, LOOKUP_FOLLOW, &path);
	if (error)
		return error;
	file = file_open_path(&path, flags);
	path_put(&path);
	if (IS_ERR(file))
		return PTR_ERR(file);
	fd = fd_alloc(file, 0, flags & O_CLOEXEC);
	if (fd < 0)
		file_put(file);
	return fd;
}

static long flush(struct pty *p, unsigned long which)
{
	if (which > TCIOFLUSH)
		return -EINVAL;
	if (which != TCOFLUSH) {
		mutex_lock(&p->tty->lock);
		WRITE_ONCE(p->tail, p->head);
		mutex_unlock(&p->tty->lock);
		tty_output_room(p->tty);
	}
	return 0;
}

static long send_signal(struct pty *p, unsigned long sig)
{
	if (sig != SIGINT && sig != SIGQUIT && sig != SIGTSTP)
		return -EINVAL;
	tty_signal_foreground(p->tty, (int)sig);
	return 0;
}

static long master_ioctl(struct file *file, unsigned cmd, unsigned long arg)
{
	struct pty *p = file->private;
	int __user *to = (int __user *)arg;

	switch (cmd) {
	case TIOCGPTN: return put_user(p->index, to);
	case TIOCSPTLCK: return set_flag(p, &p->locked, to);
	case TIOCGPTLCK: return put_user((int)p->locked, to);
	case TIOCPKT: return set_flag(p, &p->packet, to);
	case TIOCGPKT: return put_user((int)p->packet, to);
	case TIOCGPTPEER: return open_peer(p, (unsigned)arg);
	case TIOCSIG: return send_signal(p, arg);
	case FIONREAD: return put_user((int)ring_count(p), to);
	case TIOCOUTQ: return put_user(0, to);		/* what it writes arrives at once */
	case TCFLSH: return flush(p, arg);
	case TCXONC: return -EINVAL;
	}
	return tty_ioctl(p->tty, cmd, arg, true);
}

const struct file_ops ptmx_ops = {
	.open = ptmx_open, .release = master_release, .read = master_read, .write = master_write, .poll = master_poll, .ioctl = master_ioctl,
};

void pty_init(void)
{
	if (device_register("ptmx", S_IFCHR | 0666, make_dev(5, 2), &ptmx_ops, NULL))
		printk("pty: cannot register /dev/ptmx\n");
	devpts_init();
}
