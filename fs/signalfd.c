/*
 * signalfd: signals that are read instead of handled. The reader takes from its own pending signals, whoever opened the file, as on
 * Linux. All waiters share one queue (kernel/signal.c wakes it), so that no queue ends before who watches it.
 */
#include "fs/internal.h"

#include "fs/poll.h"
#include "fs/syscalls.h"
#include "kernel/signal.h"
#include "mm/slab.h"
#include "mm/usercopy.h"

struct signalfd {
	u64 mask;			/* changed by signalfd4(), read racily */
};

static const struct file_ops signalfd_ops;

static void fill(struct signalfd_siginfo *to, const struct ksiginfo *info)
{
	*to = (struct signalfd_siginfo){ .ssi_signo = (u32)info->si_signo, .ssi_errno = info->si_errno, .ssi_code = info->si_code };
	if (info->si_signo == SIGCHLD && info->si_code > 0) {
		to->ssi_pid = (u32)info->si_pid;
		to->ssi_uid = info->si_uid;
		to->ssi_status = info->si_status;
		to->ssi_utime = (u64)info->si_utime;
		to->ssi_stime = (u64)info->si_stime;
	} else if (info->si_code == SI_TIMER) {
		to->ssi_tid = (u32)info->si_tid;
		to->ssi_overrun = (u32)info->si_overrun;
		to->ssi_int = info->si_int;
		to->ssi_ptr = (u64)(__force unsigned long)info->si_ptr;
	} else if (info->si_code > 0 && info->si_code != SI_KERNEL) {
		to->ssi_addr = (u64)(__force unsigned long)info->si_addr;
	} else {
		to->ssi_pid = (u32)info->si_pid;
		to->ssi_uid = info->si_uid;
		if (info->si_code == SI_QUEUE) {
			to->ssi_int = info->si_int;
			to->ssi_ptr = (u64)(__force unsigned long)info->si_ptr;
		}
	}
}

static bool waits(u64 mask)
{
	struct process *p = current->process;

	spin_lock(&p->sig_lock);
	bool any = (current->pending.signals | p->pending.signals) & mask;
	spin_unlock(&p->sig_lock);
	return any;
}

static int take(u64 mask, struct ksiginfo *info)
{
	struct process *p = current->process;

	spin_lock(&p->sig_lock);
	int sig = signal_take_locked(mask, info);
	spin_unlock(&p->sig_lock);
	return sig;
}

static ssize_t signalfd_read(struct file *file, struct iov_iter *to, loff_t *pos)
{
	struct signalfd *s = file->private;
	struct signalfd_siginfo out;
	ssize_t done = 0;
	struct ksiginfo info;

	if (to->count < sizeof(out))
		return -EINVAL;
	while (to->count >= sizeof(out)) {
		if (take(READ_ONCE(s->mask), &info)) {
			fill(&out, &info);
			if (copy_to_iter(&out, sizeof(out), to) < sizeof(out))
				return done ? done : -EFAULT;
			done += (ssize_t)sizeof(out);
			continue;
		}
		if (done)
			break;
		if (file->flags & O_NONBLOCK)
			return -EAGAIN;
		int error = wait_event(&signalfd_wait, WAIT_INTERRUPTIBLE, waits(READ_ONCE(s->mask)));
		if (error)
			return error;
	}
	return done;
}

static u32 signalfd_poll(struct file *file, struct poll_table *t)
{
	struct signalfd *s = file->private;

	poll_wait(t, &signalfd_wait);
	return waits(READ_ONCE(s->mask)) ? POLLIN : 0;
}

static void signalfd_release(struct file *file) { kfree(file->private); }

static const struct file_ops signalfd_ops = { .release = signalfd_release, .read = signalfd_read, .poll = signalfd_poll, .llseek = anon_llseek };

static long change(int fd, u64 mask)
{
	struct file *file = fd_get_file(fd);
	long r = fd;

	if (!file)
		return -EBADF;
	if (file->ops == &signalfd_ops)
		WRITE_ONCE(((struct signalfd *)file->private)->mask, mask);
	else
		r = -EINVAL;
	file_put(file);
	wake_up_all(&signalfd_wait, 0);
	return r;
}

long sys_signalfd4(int fd, const u64 __user *umask, size_t size, int flags)
{
	struct signalfd *s;
	struct file *file;
	u64 mask;

	if (size != sizeof(mask) || flags & ~(SFD_CLOEXEC | SFD_NONBLOCK))
		return -EINVAL;
	if (get_user(mask, umask))
		return -EFAULT;
	mask &= ~SIG_UNBLOCKABLE;
	if (fd != -1)
		return change(fd, mask);
	s = kzalloc(sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->mask = mask;
	file = anon_file("[signalfd]", &signalfd_ops, s, flags & SFD_NONBLOCK);
	if (IS_ERR(file)) {
		kfree(s);
		return PTR_ERR(file);
	}
	return fd_give(file, flags & SFD_CLOEXEC);
}

long sys_signalfd(int fd, const u64 __user *mask, size_t size) { return sys_signalfd4(fd, mask, size, 0); }
