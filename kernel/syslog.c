/*
 * syslog(2), by which dmesg and klogd read the kernel log and set what of it goes to the console.
 *
 * Two positions: `taken`, what SYSLOG_ACTION_READ (and /proc/kmsg) have given out, each line once; and `cleared`, from where on
 * READ_ALL shows the log.
 */
#include "kernel/klog.h"

#include "kernel/cpu.h"
#include "kernel/printk.h"
#include "kernel/proc_syscalls.h"
#include "mm/slab.h"
#include "mm/usercopy.h"

#define CHUNK 4096UL

enum {	/* of syslog(2); no UAPI header has them */
	ACTION_CLOSE, ACTION_OPEN, ACTION_READ, ACTION_READ_ALL, ACTION_READ_CLEAR, ACTION_CLEAR, ACTION_CONSOLE_OFF,
	ACTION_CONSOLE_ON, ACTION_CONSOLE_LEVEL, ACTION_SIZE_UNREAD, ACTION_SIZE_BUFFER,
};

static struct mutex klog_mutex = MUTEX_INIT(klog_mutex, "klog", RANK_KLOG);
static u64 taken, cleared;		/* klog_mutex; read racily */
static int saved_level = -1;		/* klog_mutex: before CONSOLE_OFF */

bool klog_unread(void) { return log_line_after(READ_ONCE(taken)) < log_end(); }

ssize_t klog_take(char *buf, size_t size, bool wait)
{
	size_t n;

	do {
		int error = 0;
		if (wait)
			error = wait_event(&log_wait, WAIT_INTERRUPTIBLE, klog_unread());
		if (error)
			return error;
		mutex_lock(&klog_mutex);
		n = log_read(&taken, buf, size);
		mutex_unlock(&klog_mutex);
	} while (!n && wait);
	return n ? (ssize_t)n : -EAGAIN;
}

static long read_new(char __user *to, size_t size)
{
	char *buf = kmalloc(CHUNK);
	ssize_t n;

	if (!buf)
		return -ENOMEM;
	n = klog_take(buf, min(size, CHUNK), true);
	if (n > 0 && copy_to_user(to, buf, (size_t)n))
		n = -EFAULT;
	kfree(buf);
	return n;
}

/* The last lines since the log was cleared, as many as fit. klog_mutex held. */
static long read_all(char __user *to, size_t size)
{
	u64 end = log_end(), pos = max(cleared, end > size ? end - size : 0);
	char *buf = kmalloc(CHUNK);
	size_t n, done = 0;

	if (!buf)
		return -ENOMEM;
	pos = pos == cleared ? pos : log_line_after(pos);
	while (done < size && (n = log_read(&pos, buf, min(size - done, CHUNK))) > 0) {
		if (copy_to_user(to + done, buf, n)) {
			kfree(buf);
			return -EFAULT;
		}
		done += n;
	}
	kfree(buf);
	return (long)done;
}

static long set_level(int level)
{
	if (level < 1 || level > 8)
		return -EINVAL;
	log_set_console_level(level);
	saved_level = -1;
	return 0;
}

/* What needs the mutex. */
static long act(int type, char __user *buf, size_t len)
{
	long r = 0;

	switch (type) {
	case ACTION_READ_ALL:
	case ACTION_READ_CLEAR:
		r = read_all(buf, len);
		if (r < 0 || type == ACTION_READ_ALL)
			return r;
		cleared = log_end();
		return r;
	case ACTION_CLEAR:
		cleared = log_end();
		return 0;
	case ACTION_CONSOLE_OFF:
		if (saved_level < 0)
			saved_level = log_console_level();
		log_set_console_level(1);
		return 0;
	case ACTION_CONSOLE_ON:
		if (saved_level >= 0)
			log_set_console_level(saved_level);
		saved_level = -1;
		return 0;
	case ACTION_SIZE_UNREAD:
		return (long)(log_end() - log_line_after(taken));
	}
	return r;
}

long sys_syslog(int type, char __user *buf, int len)
{
	long r;

	if (type < ACTION_CLOSE || type > ACTION_SIZE_BUFFER)
		return -EINVAL;
	if (current->process->euid && type != ACTION_READ_ALL && type != ACTION_SIZE_BUFFER)
		return -EPERM;
	if (type == ACTION_READ || type == ACTION_READ_ALL || type == ACTION_READ_CLEAR) {
		if (!buf || len < 0)
			return -EINVAL;
		if (!len)
			return 0;
	}
	if (type == ACTION_READ)
		return read_new(buf, (size_t)len);
	if (type == ACTION_SIZE_BUFFER)
		return LOG_SIZE;
	mutex_lock(&klog_mutex);
	r = type == ACTION_CONSOLE_LEVEL ? set_level(len) : act(type, buf, (size_t)len);
	mutex_unlock(&klog_mutex);
	return r;
}
