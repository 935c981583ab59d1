/* epoll_wait and its relatives: events of the ready list to the user (fs/epoll.h). */
#include "fs/epoll.h"

#include "fs/internal.h"
#include "fs/syscalls.h"
#include "kernel/times.h"
#include "mm/layout.h"
#include "mm/usercopy.h"

#define BATCH 32			/* events delivered under one hold of the mutex */
#define NO_DEADLINE (~0UL)

/* Up to BATCH events of those on the ready list now; level-triggered items go back to its end. */
static int collect(struct epoll *ep, struct epoll_event *out, int max_events)
{
	struct epitem *again[BATCH], *item;
	int nr = 0, nr_again = 0;

	mutex_lock(&ep->mutex);
	while (nr < min(max_events, BATCH) && (item = epoll_take_ready(ep))) {
		u32 events = epoll_ask(item);
		if (!events)
			continue;
		out[nr++] = (struct epoll_event){ .events = events, .data = item->event.data };
		if (item->event.events & EPOLLONESHOT)
			item->event.events &= PRIVATE_BITS;
		else if (!(item->event.events & EPOLLET))
			again[nr_again++] = item;
	}
	for (int i = 0; i < nr_again; i++)
		epoll_make_ready(again[i]);
	mutex_unlock(&ep->mutex);
	return nr;
}

/* Events to the user, more than one batch if that many are ready at once. Bytes that cannot be written: EFAULT if none were. */
static long deliver(struct epoll *ep, struct epoll_event __user *to, int max_events)
{
	struct epoll_event events[BATCH];
	long done = 0;
	int n;

	do {
		n = collect(ep, events, max_events - (int)done);
		if (n && copy_to_user(to + done, events, (size_t)n * sizeof(*events)))
			return done ? done : -EFAULT;
		done += n;
	} while (n == BATCH && done < max_events && done < 4 * BATCH);
	return done;
}

static int sleep_for_events(struct epoll *ep, u64 deadline)
{
	struct wait_entry entry = { 0 };
	int error = 0;

	wait_prepare(&ep->wait, &entry, WAIT_INTERRUPTIBLE, 0);
	if (!epoll_any_ready(ep))
		error = deadline == NO_DEADLINE ? wait_sleep(WAIT_INTERRUPTIBLE) : wait_sleep_until(WAIT_INTERRUPTIBLE, deadline);
	wait_finish(&ep->wait, &entry);
	return error;
}

/* deadline 0: only look. */
static long wait_events(struct epoll *ep, struct epoll_event __user *to, int max_events, u64 deadline)
{
	long done;
	int error = 0;

	for (;;) {
		done = epoll_any_ready(ep) ? deliver(ep, to, max_events) : 0;
		if (done || error || !deadline)
			break;
		error = sleep_for_events(ep, deadline);
	}
	if (epoll_any_ready(ep))
		wake_up_nr(&ep->wait, 0, 1);	/* we were the one that was woken: what is left is for another */
	if (done || !error || error == -ETIMEDOUT)
		return done;
	return -EINTR;
}

static long do_wait(int epfd, struct epoll_event __user *to, int max_events, u64 deadline)
{
	struct file *file;
	long result;

	if (max_events <= 0 || max_events > 0x7fffffff / (int)sizeof(*to))
		return -EINVAL;
	if ((vaddr_t)to > USER_TOP - (u64)max_events * sizeof(*to))
		return -EFAULT;
	file = fd_get_file(epfd);
	if (!file)
		return -EBADF;
	result = is_epoll(file) ? wait_events(file->private, to, max_events, deadline) : -EINVAL;
	file_put(file);
	return result;
}

static u64 deadline_of(int timeout_ms) { return timeout_ms < 0 ? NO_DEADLINE : timeout_ms ? deadline_after((u64)timeout_ms * 1000000) : 0; }

long sys_epoll_wait(int epfd, struct epoll_event __user *to, int max_events, int timeout_ms)
{
	return do_wait(epfd, to, max_events, deadline_of(timeout_ms));
}

static long wait_masked(int epfd, struct epoll_event __user *to, int max_events, u64 deadline, const u64 __user *mask, size_t size)
{
	u64 saved = 0;
	bool changed;
	long result = sigmask_begin(mask, size, &saved, &changed);

	if (result)
		return result;
	result = do_wait(epfd, to, max_events, deadline);
	sigmask_end(changed, saved, result == -EINTR);
	return result;
}

long sys_epoll_pwait(int epfd, struct epoll_event __user *to, int max_events, int timeout_ms, const u64 __user *mask, size_t size)
{
	return wait_masked(epfd, to, max_events, deadline_of(timeout_ms), mask, size);
}

long sys_epoll_pwait2(int epfd, struct epoll_event __user *to, int max_events, const void __user *timeout, const u64 __user *mask, size_t size)
{
	u64 deadline;
	long error = deadline_get(timeout, false, &deadline);

	return error ? error : wait_masked(epfd, to, max_events, deadline, mask, size);
}
