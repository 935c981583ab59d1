/*
 * AIO contexts: their life, their rings, and taking events.
 *
 * A context is named by the address of its ring of events, which lies in the program's memory: programs (QEMU, for one) may take events from there
 * themselves. The kernel writes it through long pins, from any context, whatever the program does with the mapping; what it reads there it does not trust.
 *
 * Contexts are found by (address space, name). io_destroy() and the end of the address space wait for what is on its way.
 */
#include "fs/aio.h"

#include "fs/internal.h"
#include "fs/poll.h"
#include "fs/syscalls.h"
#include "kernel/printk.h"
#include "kernel/usermode.h"
#include "mm/gup.h"
#include "mm/slab.h"
#include "mm/usercopy.h"

#define NO_DEADLINE (~0UL)
#define MAX_EVENTS 65536U	/* of all contexts: /proc/sys/fs/aio-max-nr */

struct aio_context {
	struct list_head node;		/* contexts_lock */
	const struct mm *mm;		/* I: only its address is used */
	u64 id;				/* I */
	unsigned max;			/* I: events */
	atomic_t refs;			/* A: the list, callers, requests on their way */
	unsigned nr, nr_pages;		/* I: places in the ring; its pages */
	struct page **pages;		/* I: pinned until the context goes */
	struct mutex reader;		/* one takes events at a time */
	struct spinlock lock;		/* protects: */
	unsigned in_flight;		/*   requests without an event; read by who waits for 0 */
	unsigned tail;			/*   where the next event goes: ours, the ring has a copy */
	struct wait_queue wait;		/* for events, and for in_flight */
};

/* The ring as programs know it; then its events. One of these lies where the header is, so that none crosses a page. */
struct aio_ring {
	u32 id, nr, head, tail, magic, compat_features, incompat_features, header_length;
};
_Static_assert(sizeof(struct aio_ring) == sizeof(struct io_event), "an event lies in one page");
#define RING_MAGIC 0xa10a10a1U
#define RING_COMPAT 1U
#define PER_PAGE (unsigned)(PAGE_SIZE / sizeof(struct io_event))

static struct spinlock contexts_lock = SPINLOCK_INIT("aio contexts", RANK_LAST_SPIN);
static LIST_HEAD(contexts);			/* contexts_lock */
static unsigned total_events;			/* contexts_lock: of all contexts' max */

unsigned aio_total_events(void) { return READ_ONCE(total_events); }
unsigned aio_max_events(void) { return MAX_EVENTS; }

/* --- contexts --- */

static void context_free(struct aio_context *c)
{
	unpin_user_pages(c->pages, c->nr_pages, PIN_WRITE | PIN_LONG);
	kfree(c->pages);
	kfree(c);
}

void aio_context_put(struct aio_context *c)
{
	if (atomic_dec_and_test(&c->refs))
		context_free(c);
}

void aio_context_hold(struct aio_context *c) { atomic_inc(&c->refs); }

static struct aio_ring *ring_of(const struct aio_context *c) { return page_address(c->pages[0]); }

static struct io_event *ring_event(const struct aio_context *c, unsigned i)
{
	return (struct io_event *)page_address(c->pages[(i + 1) / PER_PAGE]) + (i + 1) % PER_PAGE;
}

/* Where the program is; it may have written anything there. */
static unsigned ring_head(const struct aio_context *c) { return READ_ONCE(ring_of(c)->head) % c->nr; }
static unsigned ring_unread(const struct aio_context *c) { return (READ_ONCE(c->tail) + c->nr - ring_head(c)) % c->nr; }

/* A context of that address space, with a reference: the one called `id`, or (NULL) any. NULL: none. */
static struct aio_context *context_find(const struct mm *mm, const u64 *id)
{
	struct aio_context *c, *found = NULL;

	spin_lock(&contexts_lock);
	list_for_each(c, &contexts, node)
		if (c->mm == mm && (!id || c->id == *id)) {
			found = c;
			atomic_inc(&c->refs);
			break;
		}
	spin_unlock(&contexts_lock);
	return found;
}

struct aio_context *aio_context_get(u64 id) { return context_find(current->mm, &id); }

/* Take it off the list, so that nothing more is submitted; wait; let go. False: somebody else does. */
static bool context_end(struct aio_context *c)
{
	bool mine;

	spin_lock(&contexts_lock);
	mine = !list_empty(&c->node);
	if (mine) {
		list_del(&c->node);
		total_events -= c->max;
	}
	spin_unlock(&contexts_lock);
	if (!mine)
		return false;
	wait_event(&c->wait, WAIT_UNINTERRUPTIBLE, !READ_ONCE(c->in_flight));
	aio_context_put(c);
	return true;
}

/* mm_put(): the last user of an address space that has contexts is gone. */
static void end_all(struct mm *mm)
{
	struct aio_context *c;

	while ((c = context_find(mm, NULL))) {
		context_end(c);
		aio_context_put(c);
	}
}

/* --- events --- */

/* A place for one more event. */
bool aio_event_reserve(struct aio_context *c)
{
	bool room;

	spin_lock(&c->lock);
	room = c->in_flight + ring_unread(c) < c->max;
	if (room)
		WRITE_ONCE(c->in_flight, c->in_flight + 1);
	spin_unlock(&c->lock);
	return room;
}

void aio_event_unreserve(struct aio_context *c)
{
	spin_lock(&c->lock);
	WRITE_ONCE(c->in_flight, c->in_flight - 1);
	spin_unlock(&c->lock);
	wake_up_all(&c->wait, 0);
}

void aio_event_add(struct aio_context *c, const struct io_event *event)
{
	spin_lock(&c->lock);
	*ring_event(c, c->tail) = *event;
	WRITE_ONCE(c->tail, (c->tail + 1) % c->nr);
	smp_store_release(&ring_of(c)->tail, c->tail);
	WRITE_ONCE(c->in_flight, c->in_flight - 1);
	spin_unlock(&c->lock);
	wake_up_all(&c->wait, 0);
}

/* Those that are there, up to nr: how many, or -EFAULT if none could be delivered. */
static long deliver(struct aio_context *c, struct io_event __user *to, long nr)
{
	unsigned head, tail;
	long done = 0;

	mutex_lock(&c->reader);		/* over the copy to the program's memory */
	head = ring_head(c);
	tail = smp_load_acquire(&c->tail);
	for (; done < nr && head != tail; done++) {
		struct io_event event = *ring_event(c, head);

		if (copy_to_user(to + done, &event, sizeof(event))) {
			done = done ? done : -EFAULT;
			break;
		}
		head = (head + 1) % c->nr;
	}
	if (done > 0)
		smp_store_release(&ring_of(c)->head, head);
	mutex_unlock(&c->reader);
	return done;
}

static long get_events(u64 id, long min_nr, long nr, struct io_event __user *to, u64 deadline)
{
	struct aio_context *c = aio_context_get(id);
	struct wait_entry entry = { 0 };
	long done = 0, k = 0;
	int error = 0;

	if (!c)
		return -EINVAL;
	if (min_nr > nr || min_nr < 0) {
		aio_context_put(c);
		return -EINVAL;
	}
	for (;;) {
		k = deliver(c, to + done, nr - done);
		if (k > 0)
			done += k;
		if (k < 0 || done >= min_nr || error || !deadline)
			break;
		wait_prepare(&c->wait, &entry, WAIT_INTERRUPTIBLE, 0);
		smp_mb();
		if (!ring_unread(c))
			error = deadline == NO_DEADLINE ? wait_sleep(WAIT_INTERRUPTIBLE) : wait_sleep_until(WAIT_INTERRUPTIBLE, deadline);
		wait_finish(&c->wait, &entry);
	}
	aio_context_put(c);
	return done ? done : k < 0 ? k : !error || error == -ETIMEDOUT ? 0 : -EINTR;
}

/* A time that makes no sense has passed, as on Linux. */
static int times_get(const void __user *timeout, u64 *deadline)
{
	int error = deadline_get(timeout, false, deadline);

	if (error != -EINVAL)
		return error;
	*deadline = 0;
	return 0;
}

long sys_io_getevents(u64 id, long min_nr, long nr, struct io_event __user *events, const void __user *timeout)
{
	u64 deadline;
	int error = times_get(timeout, &deadline);

	return error ? error : get_events(id, min_nr, nr, events, deadline);
}

long sys_io_pgetevents(u64 id, long min_nr, long nr, struct io_event __user *events, const void __user *timeout, const void __user *user_mask)
{
	struct { const u64 __user *mask; size_t size; } m = { 0 };
	u64 deadline, saved = 0;
	bool changed;
	long result = times_get(timeout, &deadline);

	if (!result && user_mask && copy_from_user(&m, user_mask, sizeof(m)))
		result = -EFAULT;
	if (!result)
		result = sigmask_begin(m.mask, m.size, &saved, &changed);
	if (result)
		return result;
	result = get_events(id, min_nr, nr, events, deadline);
	sigmask_end(changed, saved, result == -EINTR);
	return result;
}

/* --- setup --- */

/* Its ring: made in the program's memory, and pinned there. */
static int ring_make(struct aio_context *c)
{
	struct map_request ring = { .prot = PROT_READ | PROT_WRITE, .map_flags = MAP_PRIVATE | MAP_ANONYMOUS };
	long got, id;

	c->nr_pages = DIV_UP(c->max + 2, PER_PAGE);
	c->nr = c->nr_pages * PER_PAGE - 1;
	c->pages = kmalloc(c->nr_pages * sizeof(*c->pages));
	if (!c->pages)
		return -ENOMEM;
	ring.length = (u64)c->nr_pages << PAGE_SHIFT;
	id = mm_map(current->mm, &ring);
	got = id < 0 ? id : pin_user_pages((vaddr_t)id, c->nr_pages, PIN_WRITE | PIN_LONG, c->pages);
	if (got == (long)c->nr_pages) {
		c->id = (u64)id;
		*ring_of(c) = (struct aio_ring){ .nr = c->nr, .magic = RING_MAGIC, .compat_features = RING_COMPAT, .header_length = sizeof(struct aio_ring) };
		return 0;
	}
	if (got > 0)
		unpin_user_pages(c->pages, (unsigned)got, PIN_WRITE | PIN_LONG);
	if (id >= 0)
		mm_unmap(current->mm, (vaddr_t)id, ring.length);
	kfree(c->pages);
	return got < 0 ? (int)got : -ENOMEM;
}

static struct aio_context *context_make(unsigned nr)
{
	struct aio_context *c = kzalloc(sizeof(*c));
	int error;

	if (!c)
		return ERR_PTR(-ENOMEM);
	c->mm = current->mm;
	c->max = nr;
	atomic_set(&c->refs, 1);
	mutex_init(&c->reader, "aio reader", RANK_SOCKET_READER);
	spin_init(&c->lock, "aio context", RANK_LAST_SPIN);
	list_init(&c->node);
	wait_queue_init(&c->wait);
	error = ring_make(c);
	if (!error)
		return c;
	kfree(c);
	return ERR_PTR(error);
}

static void ring_unmap(u64 id, unsigned pages) { mm_unmap(current->mm, id, (u64)pages << PAGE_SHIFT); }

static bool context_publish(struct aio_context *c)
{
	bool room;

	WRITE_ONCE(current->mm->has_aio, true);
	spin_lock(&contexts_lock);
	room = c->max <= MAX_EVENTS - total_events;
	if (room) {
		total_events += c->max;
		list_add(&c->node, &contexts);
	}
	spin_unlock(&contexts_lock);
	return room;
}

long sys_io_setup(unsigned nr, u64 __user *to)
{
	struct aio_context *c;
	u64 old, id;

	if (get_user(old, to))
		return -EFAULT;
	if (old || !nr)
		return -EINVAL;
	if (nr > MAX_EVENTS)
		return -EAGAIN;
	if (aio_start())
		return -ENOMEM;
	WRITE_ONCE(mm_exit_hook, end_all);
	c = context_make(nr);
	if (IS_ERR(c))
		return PTR_ERR(c);
	id = c->id;
	if (!context_publish(c)) {
		ring_unmap(id, c->nr_pages);
		context_free(c);
		return -EAGAIN;
	}
	if (!put_user(id, to))
		return 0;
	sys_io_destroy(id);
	return -EFAULT;
}

long sys_io_destroy(u64 id)
{
	struct aio_context *c = aio_context_get(id);
	bool ended;

	if (!c)
		return -EINVAL;
	ended = context_end(c);
	if (ended)
		ring_unmap(id, c->nr_pages);
	aio_context_put(c);
	return ended ? 0 : -EINVAL;
}
