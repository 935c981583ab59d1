/* See drivers/tty.h. Here: terminals, their open files, and hanging up. */
#include "drivers/tty.h"

#include "kernel/cpu.h"
#include "kernel/exit.h"
#include "kernel/printk.h"
#include "kernel/usermode.h"
#include "mm/slab.h"

struct mutex tty_mutex = MUTEX_INIT(tty_mutex, "tty_mutex", RANK_TTY);
static struct tty *console;		/* M: what /dev/console is */
static const struct file_ops device_ops;

/* --- life --- */

struct tty *tty_create(const struct tty_driver *driver, void *data, u64 rdev, unsigned rows, unsigned cols)
{
	struct tty *t = kzalloc(sizeof(*t));

	if (!t)
		return NULL;
	t->input = kzalloc(INPUT_SIZE * sizeof(t->input[0]));
	if (!t->input) {
		kfree(t);
		return NULL;
	}
	mutex_init(&t->lock, "tty", RANK_LAST_SLEEPING);
	t->driver = driver;
	t->data = data;
	t->rdev = rdev;
	t->size.ws_row = (u16)rows;
	t->size.ws_col = (u16)cols;
	wait_queue_init(&t->read_wait);
	wait_queue_init(&t->write_wait);
	wait_queue_init(&t->input_wait);
	disc_init(t);
	return t;
}

void tty_free(struct tty *t)
{
	ASSERT(!t->count);
	tty_forget_session(t);
	kfree(t->input);
	kfree(t);
}

void tty_register(struct tty *t, const char *name)
{
	if (device_register(name, S_IFCHR | 0620, t->rdev, &device_ops, t))
		printk("tty: cannot register /dev/%s\n", name);
}

void tty_console(struct tty *t)
{
	mutex_lock(&tty_mutex);
	console = t;
	mutex_unlock(&tty_mutex);
}

/* --- for the drivers --- */

bool tty_input_room(const struct tty *t)
{
	u32 tail = READ_ONCE(t->tail), n = READ_ONCE(t->head) - tail;

	/* A single line that fills everything is cut instead of waited for: nobody could read it. */
	return n < INPUT_SIZE - 1 || (t->termios.c_lflag & ICANON && READ_ONCE(t->canon) == tail);
}

size_t tty_input(struct tty *t, const char *s, size_t n)
{
	size_t done = 0, took;
	int sig;

	do {
		mutex_lock(&t->lock);
		took = disc_input(t, s + done, n - done, &sig);
		mutex_unlock(&t->lock);
		if (sig)
			tty_signal_foreground(t, sig);
		done += took;
	} while (done < n && sig);
	wake_up_all(&t->read_wait, 0);
	return done;
}

int tty_input_wait(struct tty *t, enum wait_mode mode)
{
	return wait_event(&t->input_wait, mode, tty_input_room(t));
}

void tty_input_all(struct tty *t, const char *s, size_t n)
{
	for (size_t done = 0; (done += tty_input(t, s + done, n - done)) < n; )
		tty_input_wait(t, WAIT_UNINTERRUPTIBLE);
}

void tty_end_of_input(struct tty *t)
{
	WRITE_ONCE(t->ended, true);
	wake_up_all(&t->read_wait, 0);
}

void tty_output_room(struct tty *t)
{
	mutex_lock(&t->lock);
	disc_release_held(t);
	mutex_unlock(&t->lock);
	wake_up_all(&t->write_wait, 0);
}

void tty_resize(struct tty *t, const struct winsize *size)
{
	mutex_lock(&t->lock);
	bool changed = __builtin_memcmp(&t->size, size, sizeof(*size)) != 0;
	t->size = *size;
	mutex_unlock(&t->lock);
	if (changed)
		tty_signal_foreground(t, SIGWINCH);
}

void tty_hangup(struct tty *t, bool session_ends)
{
	WRITE_ONCE(t->hangups, t->hangups + 1);
	tty_hangup_session(t, session_ends);
	mutex_lock(&t->lock);
	disc_flush_input(t);
	t->nr_held = 0;
	t->stopped = t->exclusive = false;
	disc_init(t);			/* the next one finds sane settings */
	mutex_unlock(&t->lock);
	wake_up_all(&t->read_wait, 0);
	wake_up_all(&t->write_wait, 0);
	wake_up_all(&t->input_wait, 0);
}

/* --- open files --- */

bool tty_file_dead(const struct tty_file *f) { return !f->console && f->hangups != READ_ONCE(f->tty->hangups); }

int tty_open_file(struct tty *t, struct file *file, bool is_console)
{
	struct tty_file *f;

	if (t->exclusive && t->count && current->process->euid)
		return -EBUSY;
	f = kmalloc(sizeof(*f));
	if (!f)
		return -ENOMEM;
	*f = (struct tty_file){ .tty = t, .hangups = t->hangups, .console = is_console };
	t->count++;
	file->private = f;
	file->mode |= FMODE_STREAM;
	if (!(file->flags & O_NOCTTY) && !is_console && file->mode & FMODE_READ)
		tty_open_controlling(t);
	return 0;
}

static int device_open(struct inode *inode, struct file *file)
{
	mutex_lock(&tty_mutex);
	int error = tty_open_file(file->private, file, false);
	mutex_unlock(&tty_mutex);
	return error;
}

static int console_open(struct inode *inode, struct file *file)
{
	mutex_lock(&tty_mutex);
	int error = console ? tty_open_file(console, file, true) : -ENODEV;
	mutex_unlock(&tty_mutex);
	return error;
}

/* /dev/tty is the caller's controlling terminal. */
static int own_open(struct inode *inode, struct file *file)
{
	mutex_lock(&tty_mutex);
	spin_lock(&tasklist_lock);
	struct tty *t = current->process->tty;
	spin_unlock(&tasklist_lock);
	/* t lives: who frees it takes it from its processes first, under tty_mutex. */
	int error = t ? tty_open_file(t, file, false) : -ENXIO;
	mutex_unlock(&tty_mutex);
	return error;
}

static void file_release(struct file *file)
{
	struct tty_file *f = file->private;

	mutex_lock(&tty_mutex);
	f->tty->count--;
	if (f->tty->driver->closed)
		f->tty->driver->closed(f->tty);
	mutex_unlock(&tty_mutex);
	kfree(f);
}

static ssize_t file_read(struct file *file, struct iov_iter *to, loff_t *pos)
{
	struct tty_file *f = file->private;
	int error = 0;

	if (tty_file_dead(f))
		return 0;
	if (!f->console)
		error = tty_check_change(f->tty, SIGTTIN);
	return error ? error : disc_read(f, to, file->flags & O_NONBLOCK);
}

static ssize_t file_write(struct file *file, struct iov_iter *from, loff_t *pos)
{
	struct tty_file *f = file->private;
	int error = 0;

	if (tty_file_dead(f))
		return -EIO;
	if (!f->console && f->tty->termios.c_lflag & TOSTOP)
		error = tty_check_change(f->tty, SIGTTOU);
	return error ? error : disc_write(f, from, file->flags & O_NONBLOCK);
}

static u32 file_poll(struct file *file, struct poll_table *table)
{
	struct tty_file *f = file->private;
	struct tty *t = f->tty;

	poll_wait(table, &t->read_wait);
	poll_wait(table, &t->write_wait);
	if (tty_file_dead(f))
		return POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDNORM | POLLWRNORM;
	u32 mask = disc_poll_in(t) ? POLLIN | POLLRDNORM : 0;
	if (READ_ONCE(t->ended) && t->head == t->tail)
		mask |= POLLHUP;
	if (!READ_ONCE(t->stopped) && (!t->driver->room || t->driver->room(t)))
		mask |= POLLOUT | POLLWRNORM;
	return mask;
}

static long file_ioctl(struct file *file, unsigned cmd, unsigned long arg)
{
	struct tty_file *f = file->private;

	if (tty_file_dead(f))
		return cmd == TIOCSPGRP ? -ENOTTY : -EIO;
	return tty_ioctl(f->tty, cmd, arg, false);
}

#define TTY_OPERATIONS .release = file_release, .read = file_read, .write = file_write, .ioctl = file_ioctl, .poll = file_poll
static const struct file_ops device_ops = { .open = device_open, TTY_OPERATIONS };
static const struct file_ops console_ops = { .open = console_open, TTY_OPERATIONS };
static const struct file_ops own_ops = { .open = own_open, TTY_OPERATIONS };
const struct file_ops tty_file_ops = { TTY_OPERATIONS };

void tty_init(void)
{
	session_exit_hook = tty_leader_exit;
	session_tty_hook = tty_of_process;
	if (device_register("console", S_IFCHR | 0600, make_dev(5, 1), &console_ops, NULL) ||
	    device_register("tty", S_IFCHR | 0666, make_dev(5, 0), &own_ops, NULL))
		printk("tty: cannot register the devices\n");
	pty_init();
}
