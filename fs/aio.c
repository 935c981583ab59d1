/*
 * Linux AIO: requests, from io_submit() to their events (contexts and events: fs/aioring.c).
 *
 * Reads and writes of files opened with O_DIRECT go on after the call: their pages stay pinned until the device is done, whoever forks, unmaps or
 * stores meanwhile. Everything else is done while io_submit() runs, as on Linux, and its event is there when it returns. The device's completion
 * comes in a context that may not sleep, so it only hands the transfer to the thread "aio", which takes the pages out of the cache that were read
 * in meanwhile, unpins, and adds the event.
 */
#include "fs/aio.h"

#include "fs/direct.h"
#include "fs/internal.h"
#include "fs/syscalls.h"
#include "kernel/task.h"
#include "mm/slab.h"
#include "mm/usercopy.h"
#include "mm/vmstat.h"

struct aio_request {
	struct direct_io direct;
	struct aio_context *ctx;	/* a reference until the event is there */
	struct file *file, *eventfd;
	u64 data, iocb;
};

static struct slab_cache *request_cache;

/* Transfers whose device is done, for the thread. */
static struct spinlock done_lock = SPINLOCK_INIT("aio done", RANK_IRQ);	/* irqsave */
static LIST_HEAD(done_list);			/* done_lock: direct_io.node */
static struct wait_queue thread_wait = WAIT_QUEUE_INIT(thread_wait);
static atomic_t thread_state;			/* 0: none, 1: being started, 2: there */

/* --- completion --- */

static void complete(struct aio_request *r, s64 result)
{
	struct io_event event = { .data = r->data, .obj = r->iocb, .res = result };

	if (result == -ERESTARTSYS || result == -ERESTARTNOHAND || result == -ERESTART_RESTARTBLOCK)
		event.res = -EINTR;
	aio_event_add(r->ctx, &event);
	if (r->eventfd) {
		eventfd_add(r->eventfd, 1);
		file_put(r->eventfd);
	}
	file_put(r->file);
	aio_context_put(r->ctx);
	slab_free(request_cache, r);
}

static void transfer_done(struct direct_io *d)
{
	u64 flags = spin_lock_irqsave(&done_lock);

	list_add_tail(&d->node, &done_list);
	spin_unlock_irqrestore(&done_lock, flags);
	wake_up_all(&thread_wait, 0);
}

static struct direct_io *next_done(void)
{
	struct direct_io *d = NULL;
	u64 flags = spin_lock_irqsave(&done_lock);

	if (!list_empty(&done_list)) {
		d = list_first(&done_list, struct direct_io, node);
		list_del(&d->node);
	}
	spin_unlock_irqrestore(&done_lock, flags);
	return d;
}

static void aio_thread(void *arg)
{
	for (;;) {
		struct direct_io *d;

		wait_event(&thread_wait, WAIT_UNINTERRUPTIBLE, (d = next_done()) != NULL);
		complete(container_of(d, struct aio_request, direct), direct_finish(d));
	}
}

int aio_start(void)
{
	int state = 0;

	while (!atomic_cmpxchg(&thread_state, &state, 1)) {
		if (state == 2)
			return 0;
		sleep_until_ns(ktime_ns() + 1000000, WAIT_UNINTERRUPTIBLE);	/* somebody is at it */
		state = 0;
	}
	if (!request_cache)
		request_cache = slab_cache_create("aio_request", sizeof(struct aio_request));
	state = request_cache && kthread_start("aio", aio_thread, NULL) ? 2 : 0;
	atomic_set(&thread_state, state);
	return state ? 0 : -ENOMEM;
}

/* --- submission --- */

/* Start it, if it can go on by itself. -ENOTBLK: not that. */
static int start_direct(struct aio_request *r, const struct iov_iter *it, loff_t pos, bool write)
{
	struct iov_iter at = *it;

	if (!(r->file->flags & O_DIRECT) || !S_ISREG(r->file->inode->mode) || !r->file->inode->fops->direct_map || it->rwf)
		return -ENOTBLK;
	r->direct = (struct direct_io){ .inode = r->file->inode, .write = write, .done = transfer_done };
	return direct_start(&r->direct, r->file, &at, pos);
}

/* 0: it is on its way, or over; else it was not accepted. */
static int transfer(struct aio_request *r, const struct iocb *cb, bool write, bool vector)
{
	struct iovec fast[FAST_IOV], *iov = fast;
	void __user *buf = (void __user *)cb->aio_buf;
	struct file *file = r->file;
	loff_t pos = cb->aio_offset;
	struct iov_iter it;
	ssize_t n;

	if (cb->aio_rw_flags & ~(RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_APPEND))
		return -EOPNOTSUPP;
	if (!(file->mode & (write ? FMODE_WRITE : FMODE_READ)))
		return -EBADF;
	if (!(write ? file->ops->write : file->ops->read))
		return -EINVAL;
	if (vector) {
		iov = iter_import(&it, buf, cb->aio_nbytes, fast, FAST_IOV);
		if (IS_ERR(iov))
			return (int)PTR_ERR(iov);
	} else if (iter_init_user_buf(&it, buf, cb->aio_nbytes)) {
		return -EFAULT;
	}
	it.rwf = cb->aio_rw_flags & ~RWF_HIPRI;
	n = pos < 0 && !(file->mode & FMODE_STREAM) ? -EINVAL : start_direct(r, &it, pos, write);
	if (n == -ENOTBLK)
		n = it.count ? (write ? file->ops->write : file->ops->read)(file, &it, &pos) : 0;
	else if (!n)
		goto out;
	complete(r, n);
	n = 0;
out:
	if (iov != fast)
		kfree(iov);
	return (int)n;
}

static int sync_file(struct aio_request *r, const struct iocb *cb, bool data_only)
{
	if (cb->aio_buf || cb->aio_offset || cb->aio_nbytes || cb->aio_rw_flags || !r->file->ops->fsync)
		return -EINVAL;
	complete(r, r->file->ops->fsync(r->file, data_only));
	return 0;
}

static int dispatch(struct aio_request *r, const struct iocb *cb)
{
	switch (cb->aio_lio_opcode) {
	case IOCB_CMD_PREAD:
		return transfer(r, cb, false, false);
	case IOCB_CMD_PWRITE:
		return transfer(r, cb, true, false);
	case IOCB_CMD_PREADV:
		return transfer(r, cb, false, true);
	case IOCB_CMD_PWRITEV:
		return transfer(r, cb, true, true);
	case IOCB_CMD_FSYNC:
		return sync_file(r, cb, false);
	case IOCB_CMD_FDSYNC:
		return sync_file(r, cb, true);
	}
	return -EINVAL;
}

static int find_files(struct aio_request *r, const struct iocb *cb)
{
	r->file = fd_get_file((int)cb->aio_fildes);
	if (!r->file)
		return -EBADF;
	if (!(cb->aio_flags & IOCB_FLAG_RESFD))
		return 0;
	r->eventfd = fd_get_file((int)cb->aio_resfd);
	if (!r->eventfd)
		return -EBADF;
	return file_is_eventfd(r->eventfd) ? 0 : -EINVAL;
}

static int submit_one(struct aio_context *c, struct iocb __user *user)
{
	struct aio_request *r;
	struct iocb cb;
	int error;

	if (copy_from_user(&cb, user, sizeof(cb)))
		return -EFAULT;
	if (cb.aio_reserved2 || (ssize_t)cb.aio_nbytes < 0)
		return -EINVAL;
	if (!aio_event_reserve(c))
		return -EAGAIN;
	r = slab_alloc(request_cache);
	if (!r) {
		aio_event_unreserve(c);
		return -EAGAIN;
	}
	*r = (struct aio_request){ .ctx = c, .data = cb.aio_data, .iocb = (u64)user };
	error = find_files(r, &cb);
	if (!error && put_user((__u32)0, &user->aio_key))
		error = -EFAULT;
	if (!error) {
		aio_context_hold(c);
		vmstat_inc(VM_AIO);
		error = dispatch(r, &cb);
		if (!error)
			return 0;	/* r may be gone */
		aio_context_put(c);
	}
	if (r->eventfd)
		file_put(r->eventfd);
	if (r->file)
		file_put(r->file);
	slab_free(request_cache, r);
	aio_event_unreserve(c);
	return error;
}

long sys_io_submit(u64 id, long nr, struct iocb __user *__user *iocbs)
{
	struct aio_context *c;
	long done = 0;
	int error = 0;

	if (nr < 0)
		return -EINVAL;
	c = aio_context_get(id);
	if (!c)
		return -EINVAL;
	for (; done < nr; done++) {
		struct iocb __user *cb;

		error = get_user(cb, iocbs + done) ? -EFAULT : submit_one(c, cb);
		if (error)
			break;
	}
	aio_context_put(c);
	return done ? done : error;
}

/* There is none that can still be stopped. */
long sys_io_cancel(u64 id, struct iocb __user *iocb, struct io_event __user *result)
{
	__u32 key;

	return get_user(key, &iocb->aio_key) ? -EFAULT : -EINVAL;
}
