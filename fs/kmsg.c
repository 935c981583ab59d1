/*
 * The kernel log as files. /proc/kmsg gives out each line once, to whoever comes first (it is syslog(2)'s READ). /dev/kmsg has a position for
 * each open file and gives one record a read, "level,sequence,microseconds,-;text"; what is written to it is logged.
 */
#include "fs/internal.h"

#include "fs/poll.h"
#include "kernel/klog.h"
#include "kernel/string.h"
#include "mm/slab.h"

#define RECORD_MAX 600

/* --- /proc/kmsg --- */

static int proc_kmsg_open(struct inode *inode, struct file *file)
{
	return file->mode & FMODE_WRITE ? -EACCES : fsuid() ? -EPERM : 0;
}

static ssize_t proc_kmsg_read(struct file *file, struct iov_iter *to, loff_t *pos)
{
	char *buf;
	ssize_t n;

	if (!to->count)
		return 0;
	buf = kmalloc(PAGE_SIZE);
	if (!buf)
		return -ENOMEM;
	n = klog_take(buf, min(to->count, PAGE_SIZE), !(file->flags & O_NONBLOCK));
	if (n > 0)
		n = (ssize_t)copy_to_iter(buf, (size_t)n, to) ?: -EFAULT;
	kfree(buf);
	return n;
}

static u32 proc_kmsg_poll(struct file *file, struct poll_table *table)
{
	poll_wait(table, &log_wait);
	return klog_unread() ? POLLIN | POLLRDNORM : 0;
}

const struct file_ops proc_kmsg_ops = { .open = proc_kmsg_open, .read = proc_kmsg_read, .poll = proc_kmsg_poll };

/* --- /dev/kmsg; file->pos is the log's position --- */

static bool unread(const struct file *file) { return log_line_after((u64)READ_ONCE(file->pos)) < log_end(); }

/* A line of the log, "<6>[    1.234567] text\n", as a record. */
static size_t make_record(const char *line, size_t n, u64 sequence, char *out, size_t size)
{
	u64 numbers[2] = { 0 };		/* seconds, microseconds */
	size_t i = 3;
	int which = 0, length;

	if (i < n && line[i] == '[') {	/* a panic's lines have no time */
		for (i++; i < n && line[i] != ']'; i++)
			if (line[i] == '.')
				which = 1;
			else if (line[i] >= '0' && line[i] <= '9')
				numbers[which] = numbers[which] * 10 + (u64)(line[i] - '0');
		i = min(i + 2, n);
	}
	length = ksnprintf(out, size, "%c,%lu,%lu,-;", line[1], sequence, numbers[0] * 1000000 + numbers[1]);
	memcpy(out + length, line + i, n - i);
	return (size_t)length + n - i;
}

static ssize_t dev_kmsg_read(struct file *file, struct iov_iter *to, loff_t *pos)
{
	char line[512], record[RECORD_MAX];
	u64 at = (u64)*pos, start;
	size_t n;

	for (;;) {
		n = log_read_line(&at, line, sizeof(line));
		if (n)
			break;
		if (file->flags & O_NONBLOCK)
			return -EAGAIN;
		int error = wait_event(&log_wait, WAIT_INTERRUPTIBLE, unread(file));
		if (error)
			return error;
	}
	line[n - 1] = '\n';		/* also if it was cut */
	start = log_line_after((u64)*pos);
	n = make_record(line, n, start, record, sizeof(record));
	if (n > to->count)
		return -EINVAL;
	if (copy_to_iter(record, n, to) < n)
		return -EFAULT;
	*pos = (loff_t)at;
	return (ssize_t)n;
}

/* "<N>" at the start is the level, as in printk. */
static ssize_t dev_kmsg_write(struct file *file, struct iov_iter *from, loff_t *pos)
{
	char buf[256], level[4] = "";
	size_t want = from->count, n = copy_from_iter(buf, min(want, sizeof(buf) - 1), from), skip = 0;

	if (!n && want)
		return -EFAULT;
	while (n && buf[n - 1] == '\n')
		n--;
	buf[n] = 0;
	if (n >= 3 && buf[0] == '<' && buf[1] >= '0' && buf[1] <= '7' && buf[2] == '>') {
		str_copy(level, buf, sizeof(level));
		skip = 3;
	}
	printk("%s%s[%d]: %s\n", level, current->name, current->tid, buf + skip);
	return (ssize_t)want;
}

static loff_t dev_kmsg_llseek(struct file *file, loff_t offset, int whence)
{
	if (offset)
		return -ESPIPE;
	switch (whence) {
	case SEEK_SET:
	case SEEK_DATA:
		file->pos = 0;
		return 0;
	case SEEK_END:
		file->pos = (loff_t)log_end();
		return 0;
	}
	return -EINVAL;
}

static u32 dev_kmsg_poll(struct file *file, struct poll_table *table)
{
	poll_wait(table, &log_wait);
	return (unread(file) ? POLLIN | POLLRDNORM : 0) | POLLOUT | POLLWRNORM;
}

const struct file_ops dev_kmsg_ops = { .read = dev_kmsg_read, .write = dev_kmsg_write, .llseek = dev_kmsg_llseek, .poll = dev_kmsg_poll };
