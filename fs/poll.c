/* poll and ppoll, and the waiting that select shares: see fs/poll.h. */
#include "fs/poll.h"

#include "fs/internal.h"
#include "fs/syscalls.h"
#include "kernel/signal.h"
#include "kernel/times.h"
#include "mm/layout.h"
#include "mm/slab.h"
#include "mm/usercopy.h"

#define DEFAULT_MASK (POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM)
#define NO_DEADLINE (~0UL)

/* --- the table --- */

/* Under the queue's lock: tell the poller. It does not count as woken: others on the queue are woken as well. */
static bool poll_wake(struct wait_entry *wait, u64 key)
{
	struct poll_entry *e = container_of(wait, struct poll_entry, wait);

	__atomic_store_n(&e->waiter->triggered, 1, __ATOMIC_SEQ_CST);
	task_wake(wait->task);
	return false;
}

static void poll_join(struct poll_table *t, struct wait_queue *wq)
{
	struct poll_waiter *w = container_of(t, struct poll_waiter, table);
	struct poll_entry *e;
	u64 flags;

	if (w->nr_fast < POLL_FAST)
		e = &w->fast[w->nr_fast++];
	else
		e = kmalloc(sizeof(*e));
	if (!e) {
		w->error = -ENOMEM;
		return;
	}
	*e = (struct poll_entry){ .wait = { .task = current, .wake = poll_wake }, .wq = wq, .waiter = w, .file = w->file, .next = w->entries };
	file_get(w->file);
	w->entries = e;
	flags = spin_lock_irqsave(&wq->lock);
	list_add_tail(&e->wait.node, &wq->waiters);
	spin_unlock_irqrestore(&wq->lock, flags);
}

void poll_begin(struct poll_waiter *w)
{
	w->table = (struct poll_table){ .queue = poll_join };
	w->nr_fast = 0;
	w->entries = NULL;
	w->file = NULL;
	w->error = 0;
	w->triggered = 0;
	wait_queue_init(&w->own);
}

void poll_wait(struct poll_table *t, struct wait_queue *wq)
{
	if (t && t->queue)
		t->queue(t, wq);
}

void poll_end(struct poll_waiter *w)
{
	struct poll_entry *e, *next;

	for (e = w->entries; e; e = next) {
		u64 flags = spin_lock_irqsave(&e->wq->lock);

		list_del(&e->wait.node);
		spin_unlock_irqrestore(&e->wq->lock, flags);
		next = e->next;
		file_put(e->file);
		if (e < w->fast || e >= w->fast + POLL_FAST)
			kfree(e);
	}
	w->entries = NULL;
}

u32 poll_file(struct file *file, struct poll_table *t) { return file->ops->poll ? file->ops->poll(file, t) : DEFAULT_MASK; }

u32 poll_fd(struct poll_waiter *w, int fd, u32 want)
{
	struct file *file = fd_get_file(fd);
	u32 mask;

	if (!file)
		return POLLNVAL;
	if (w) {
		w->file = file;
		w->table.want = want;
	}
	mask = poll_file(file, w ? &w->table : NULL);
	file_put(file);
	return mask;
}

/* Until something happened: 0, -ETIMEDOUT, -ERESTARTSYS. */
static int poll_sleep(struct poll_waiter *w, u64 deadline)
{
	struct wait_entry entry = { 0 };
	int result = 0;

	w->table.queue = NULL;		/* everything is on its queue from now on */
	if (w->error)
		return w->error;
	wait_prepare(&w->own, &entry, WAIT_INTERRUPTIBLE, 0);
	if (!__atomic_load_n(&w->triggered, __ATOMIC_SEQ_CST))
		result = deadline == NO_DEADLINE ? wait_sleep(WAIT_INTERRUPTIBLE) : wait_sleep_until(WAIT_INTERRUPTIBLE, deadline);
	wait_finish(&w->own, &entry);
	__atomic_store_n(&w->triggered, 0, __ATOMIC_SEQ_CST);	/* before the files are asked again */
	return result;
}

int poll_until(int (*round)(struct poll_waiter *w, void *what), void *what, u64 deadline)
{
	struct poll_waiter *w;
	int found, error = 0;

	if (!deadline)
		return round(NULL, what);
	w = kmalloc(sizeof(*w));
	if (!w)
		return -ENOMEM;
	poll_begin(w);
	for (;;) {
		found = round(w, what);
		if (found || error)
			break;
		error = poll_sleep(w, deadline);
	}
	poll_end(w);
	kfree(w);
	if (found || error == -ETIMEDOUT)
		return found;
	return error == -ERESTARTSYS ? -ERESTARTNOHAND : error;
}

/* --- times and masks --- */

int deadline_get(const void __user *user, bool micro, u64 *deadline)
{
	s64 t[2];
	u64 now;

	*deadline = NO_DEADLINE;
	if (!user)
		return 0;
	if (copy_from_user(t, user, sizeof(t)))
		return -EFAULT;
	if (micro) {
		t[0] += t[1] / 1000000;
		t[1] = t[1] % 1000000 * 1000;
	}
	if (t[0] < 0 || t[1] < 0 || t[1] >= 1000000000)
		return -EINVAL;
	now = ktime_ns();
	if (t[0] < 1000000000)		/* else as good as for ever */
		*deadline = t[0] || t[1] ? now + (u64)t[0] * 1000000000 + (u64)t[1] : 0;
	return 0;
}

/* A fault here is ignored, as on Linux. */
void deadline_put(void __user *user, bool micro, u64 deadline)
{
	u64 now = ktime_ns(), left;
	s64 t[2];

	if (!user || deadline == NO_DEADLINE)
		return;
	left = deadline > now ? deadline - now : 0;
	t[0] = (s64)(left / 1000000000);
	t[1] = (s64)(left % 1000000000) / (micro ? 1000 : 1);
	if (copy_to_user(user, t, sizeof(t)))
		return;
}

int sigmask_begin(const u64 __user *mask, size_t size, u64 *saved, bool *changed)
{
	u64 m;

	*changed = false;
	if (!mask)
		return 0;
	if (size != sizeof(m))
		return -EINVAL;
	if (get_user(m, mask))
		return -EFAULT;
	*saved = current->sig_mask;
	*changed = true;
	signal_set_mask(m);
	return 0;
}

/* Interrupted: the handler still runs under the call's mask; its frame brings the old one back. */
void sigmask_end(bool changed, u64 saved, bool interrupted)
{
	if (!changed)
		return;
	if (interrupted) {
		current->saved_mask = saved;
		task_set_flag(current, TF_RESTORE_MASK | TF_SIGPENDING);
	} else {
		signal_set_mask(saved);
	}
}

/* --- poll --- */

struct polled { struct pollfd *fds; unsigned nr; };

/* One look at all; how many have something to tell. */
static int poll_round(struct poll_waiter *t, void *what)
{
	const struct polled *p = what;
	struct pollfd *fds = p->fds;
	int found = 0;

	for (unsigned i = 0; i < p->nr; i++) {
		u32 mask = 0;

		if (fds[i].fd >= 0)
			mask = poll_fd(found ? NULL : t, fds[i].fd, (u32)(u16)fds[i].events) & ((u32)(u16)fds[i].events | POLLERR | POLLHUP | POLLNVAL);
		fds[i].revents = (short)mask;
		found += mask != 0;
	}
	return found;
}

static long poll_user(struct pollfd __user *ufds, unsigned nr, u64 deadline)
{
	struct pollfd fast[8], *fds = fast;
	long found;

	if (nr > READ_ONCE(current->process->limits[RLIMIT_NOFILE].rlim_cur))
		return -EINVAL;
	if (nr > ARRAY_SIZE(fast)) {
		fds = kmalloc(nr * sizeof(*fds));
		if (!fds)
			return -ENOMEM;
	}
	found = -EFAULT;
	if (!copy_from_user(fds, ufds, nr * sizeof(*fds))) {
		found = poll_until(poll_round, &(struct polled){ fds, nr }, deadline);
		if (found >= 0 && (vaddr_t)ufds > USER_TOP)	/* Linux looks even if nothing is to be written */
			found = -EFAULT;
		for (unsigned i = 0; i < nr && found >= 0; i++)
			if (put_user(fds[i].revents, &ufds[i].revents))
				found = -EFAULT;
	}
	if (fds != fast)
		kfree(fds);
	return found;
}

long sys_poll(struct pollfd __user *fds, unsigned nr, int timeout_ms)
{
	u64 deadline = timeout_ms < 0 ? NO_DEADLINE : timeout_ms ? timeout_deadline((u64)timeout_ms * 1000000) : 0;
	long result = poll_user(fds, nr, deadline);

	return result == -ERESTARTNOHAND && timeout_ms > 0 ? timeout_interrupted(deadline) : result;
}

long sys_ppoll(struct pollfd __user *fds, unsigned nr, void __user *timeout, const u64 __user *mask, size_t mask_size)
{
	u64 deadline, saved = 0;
	bool changed;
	long result = deadline_get(timeout, false, &deadline);

	if (result)
		return result;
	result = sigmask_begin(mask, mask_size, &saved, &changed);
	if (result)
		return result;
	result = poll_user(fds, nr, deadline);
	sigmask_end(changed, saved, result == -ERESTARTNOHAND);
	deadline_put(timeout, false, deadline);
	return result;
}
