/*
 * Futexes: sleep while a word in user memory has a value, wake those who sleep on it.
 *
 * A word is named by a key: (address space, address) if private; (file mapping, page index, offset) if it lies in a shared
 * mapping, so that processes meet. Waiters sit on hashed buckets. A waiter checks the word under its bucket's lock,
 * so a wake-up between check and sleep is not lost. The word is read without faulting there; if that
 * fails the page is faulted in outside the lock and everything begins again.
 *
 * Supported: WAIT, WAKE, their BITSET forms, REQUEUE, CMP_REQUEUE, WAKE_OP, futex_waitv. PI futexes are -ENOSYS.
 */
#include "kernel/futex.h"

#include "kernel/cpu.h"
#include "kernel/proc_syscalls.h"
#include "kernel/times.h"
#include "kernel/usermode.h"
#include "mm/mm.h"
#include "mm/slab.h"
#include "mm/usercopy.h"

#define NR_BUCKETS 64

struct futex_key {
	const void *space;	/* struct mm or struct address_space */
	u64 where;		/* address, or page index * PAGE_SIZE + offset */
};

struct futex_waiter {
	struct list_head node;		/* bucket lock */
	struct futex_key key;		/* bucket lock */
	struct bucket *bucket;		/* bucket lock (of both when it moves) */
	u32 bitset;			/* fixed */
	bool woken;			/* bucket lock; read without it */
	bool left;			/* who woke does not look at it any more */
	struct task *task;		/* fixed: who sleeps; futex_waitv has several waiters for one */
};

static struct bucket {
	struct spinlock lock;
	struct list_head waiters;
} __attribute__((aligned(64))) buckets[NR_BUCKETS];

void futex_init(void)
{
	for (int i = 0; i < NR_BUCKETS; i++) {
		spin_init(&buckets[i].lock, "futex", RANK_FUTEX);
		list_init(&buckets[i].waiters);
	}
}

static inline struct bucket *bucket_of(const struct futex_key *key)
{
	u64 h = ((u64)key->space >> 4) ^ (key->where >> 2);

	return &buckets[h * 0x9e3779b97f4a7c15UL >> 58];
}

static bool same_key(const struct futex_key *a, const struct futex_key *b)
{
	return a->space == b->space && a->where == b->where;
}

/* A word that may lie in a shared mapping must be mapped (Linux looks at the page): -EFAULT otherwise. */
static __attribute__((noinline)) int shared_key(u32 __user *uaddr, struct futex_key *key)
{
	vaddr_t va = (vaddr_t)uaddr;
	struct mm *mm = current->mm;
	u32 word;

	if (get_user(word, uaddr))
		return -EFAULT;
	down_read(&mm->mmap_lock);
	struct vma *vma = vma_lookup(mm, va);
	if (vma && vma->mapping && vma->flags & VM_SHARED) {
		key->space = vma->mapping;
		key->where = va - vma->start + vma->pgoff * PAGE_SIZE;
	}
	/* As Linux: a private page that cannot be written has no lasting identity. */
	bool bad = !vma || (!vma->mapping && !(vma->flags & VM_WRITE));
	up_read(&mm->mmap_lock);
	return bad ? -EFAULT : 0;
}

/* Name the word. */
static inline int get_key(u32 __user *uaddr, bool private, struct futex_key *key)
{
	vaddr_t va = (vaddr_t)uaddr;

	if (unlikely(va % sizeof(u32)))
		return -EINVAL;
	if (unlikely(va >= USER_TOP))
		return -EFAULT;
	key->space = current->mm;
	key->where = va;
	return likely(private) ? 0 : shared_key(uaddr, key);
}

static void wake_waiter(struct futex_waiter *w)
{
	list_del(&w->node);
	WRITE_ONCE(w->woken, true);	/* the waiter looks without the lock */
	task_wake(w->task);		/* it does not leave, and its stack stays, before this: */
	smp_store_release(&w->left, true);
}

static int wake_key(const struct futex_key *key, int nr, u32 bitset)
{
	struct bucket *b = bucket_of(key);
	struct futex_waiter *w, *tmp;
	int woken = 0;

	spin_lock(&b->lock);
	list_for_each_safe(w, tmp, &b->waiters, node) {
		if (woken >= nr)
			break;
		if (!same_key(&w->key, key) || !(w->bitset & bitset))
			continue;
		wake_waiter(w);
		woken++;
	}
	spin_unlock(&b->lock);
	return woken;
}

static long futex_wake(u32 __user *uaddr, bool private, int nr, u32 bitset)
{
	struct futex_key key;

	if (!bitset)
		return -EINVAL;
	int r = get_key(uaddr, private, &key);
	return r ? r : wake_key(&key, max(nr, 1), bitset);	/* Linux wakes one for 0 */
}

/* The bucket a waiter is on now, locked: a requeue may move it between our look and our lock. */
static struct bucket *lock_waiter(struct futex_waiter *w)
{
	for (;;) {
		struct bucket *b = READ_ONCE(w->bucket);
		spin_lock(&b->lock);
		if (b == w->bucket)
			return b;
		spin_unlock(&b->lock);
	}
}

/* Off the queue: was it woken? Mostly by somebody who has gone on since: no need of the lock, which keeps him from being still at it. */
static bool unqueue_waiter(struct futex_waiter *w)
{
	if (likely(smp_load_acquire(&w->left)))
		return true;
	struct bucket *b = lock_waiter(w);
	bool woken = w->woken;

	if (!woken)
		list_del(&w->node);
	spin_unlock(&b->lock);
	return woken;
}

/* Queue up if *uaddr is val: 0, -EAGAIN, -EFAULT. */
static int queue_waiter(struct futex_waiter *w, u32 __user *uaddr, u32 val)
{
	struct bucket *b = bucket_of(&w->key);
	u32 now;

	for (;;) {
		spin_lock(&b->lock);
		bool read = !copy_from_user_nofault(&now, uaddr, sizeof(now));
		if (read && now == val) {
			w->bucket = b;
			list_add_tail(&w->node, &b->waiters);
			spin_unlock(&b->lock);
			return 0;
		}
		spin_unlock(&b->lock);
		if (read)
			return -EAGAIN;
		if (get_user(now, uaddr))	/* fault it in, then look again under the lock */
			return -EFAULT;
	}
}

static bool any_woken(const struct futex_waiter *w, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++)
		if (READ_ONCE(w[i].woken))
			return true;
	return false;
}

static long futex_wait(u32 __user *uaddr, bool private, u32 val, u64 deadline, u32 bitset)
{
	struct futex_waiter w;

	if (!bitset)
		return -EINVAL;
	w.bitset = bitset;
	w.woken = w.left = false;
	w.task = current;
	int r = get_key(uaddr, private, &w.key);
	if (r)
		return r;
	r = queue_waiter(&w, uaddr, val);
	if (r)
		return r;
	r = wait_woken(deadline, any_woken(&w, 1));
	if (unqueue_waiter(&w))
		return 0;
	return r == -ETIMEDOUT ? -ETIMEDOUT : deadline == ~0UL ? -ERESTARTSYS : -ERESTARTNOHAND;
}

static void lock_two(struct bucket *a, struct bucket *b)
{
	if (a > b) {
		struct bucket *t = a;
		a = b;
		b = t;
	}
	spin_lock(&a->lock);
	if (a != b)
		spin_lock(&b->lock);
}

static void unlock_two(struct bucket *a, struct bucket *b)
{
	spin_unlock(&a->lock);
	if (a != b)
		spin_unlock(&b->lock);
}

/* Move waiters of the first key beyond the first nr_wake to the second. Both buckets locked. */
static long requeue_locked(const struct futex_key *k1, const struct futex_key *k2, struct bucket *b1, struct bucket *b2, int nr_wake, int nr_requeue)
{
	struct futex_waiter *w, *tmp;
	long done = 0;
	int moved = 0;

	list_for_each_safe(w, tmp, &b1->waiters, node) {
		if (!same_key(&w->key, k1))
			continue;
		if (done < nr_wake) {
			wake_waiter(w);
		} else if (moved < nr_requeue) {
			moved++;
			w->key = *k2;
			if (b1 != b2) {
				list_del(&w->node);
				list_add_tail(&w->node, &b2->waiters);
				WRITE_ONCE(w->bucket, b2);
			}
		} else {
			break;
		}
		done++;
	}
	return done;
}

static long futex_requeue(u32 __user *uaddr, u32 __user *uaddr2, bool private, int nr_wake, int nr_requeue, const u32 *expected)
{
	struct futex_key k1, k2;
	u32 now;
	long r;

	if (nr_wake < 0 || nr_requeue < 0)
		return -EINVAL;
	r = get_key(uaddr, private, &k1);
	if (!r)
		r = get_key(uaddr2, private, &k2);
	if (r)
		return r;
	struct bucket *b1 = bucket_of(&k1), *b2 = bucket_of(&k2);
	for (;;) {
		lock_two(b1, b2);
		bool read = !expected || !copy_from_user_nofault(&now, uaddr, sizeof(now));
		if (read) {
			r = expected && now != *expected ? -EAGAIN : requeue_locked(&k1, &k2, b1, b2, nr_wake, nr_requeue);
			unlock_two(b1, b2);
			return r;
		}
		unlock_two(b1, b2);
		if (get_user(now, uaddr))
			return -EFAULT;
	}
}

/* FUTEX_WAKE_OP: change the second word by an encoded operation, then wake on the first, and on the second by its old value. */
static int wake_op_change(u32 __user *uaddr2, u32 code, bool *wake_second)
{
	int op = code >> 28 & 7, cmp = code >> 24 & 15, oparg = (int)(code << 8) >> 20, cmparg = (int)(code << 20) >> 20;
	u32 old, new, found;

	if (code >> 31)
		oparg = 1 << (oparg & 31);
	do {
		if (get_user(old, uaddr2))
			return -EFAULT;
		switch (op) {
		case FUTEX_OP_SET: new = (u32)oparg; break;
		case FUTEX_OP_ADD: new = old + (u32)oparg; break;
		case FUTEX_OP_OR: new = old | (u32)oparg; break;
		case FUTEX_OP_ANDN: new = old & ~(u32)oparg; break;
		case FUTEX_OP_XOR: new = old ^ (u32)oparg; break;
		default: return -ENOSYS;
		}
		if (user_cmpxchg32(uaddr2, old, new, &found)) {
			if (fault_in_writeable(uaddr2, sizeof(u32)))
				return -EFAULT;
			found = ~old;
		}
	} while (found != old);
	switch (cmp) {
	case FUTEX_OP_CMP_EQ: *wake_second = (int)old == cmparg; break;
	case FUTEX_OP_CMP_NE: *wake_second = (int)old != cmparg; break;
	case FUTEX_OP_CMP_LT: *wake_second = (int)old < cmparg; break;
	case FUTEX_OP_CMP_GE: *wake_second = (int)old >= cmparg; break;
	case FUTEX_OP_CMP_LE: *wake_second = (int)old <= cmparg; break;
	case FUTEX_OP_CMP_GT: *wake_second = (int)old > cmparg; break;
	default: return -ENOSYS;
	}
	return 0;
}

static long futex_wake_op(u32 __user *uaddr, u32 __user *uaddr2, bool private, int nr1, int nr2, u32 code)
{
	struct futex_key k1, k2;
	bool second;

	int r = get_key(uaddr, private, &k1);
	if (!r)
		r = get_key(uaddr2, private, &k2);
	if (!r)
		r = wake_op_change(uaddr2, code, &second);
	if (r)
		return r;
	r = wake_key(&k1, nr1, FUTEX_BITSET_MATCH_ANY);
	return second ? r + wake_key(&k2, nr2, FUTEX_BITSET_MATCH_ANY) : r;
}

/* The timeout argument as a deadline of ktime_ns(): relative for WAIT, absolute for the others. */
static int get_deadline(int command, bool realtime, const struct __kernel_timespec __user *timeout, u64 *deadline)
{
	u64 ns;

	*deadline = ~0UL;
	if (!timeout)
		return 0;
	int r = timespec_get(timeout, &ns);
	if (r)
		return r;
	if (command == FUTEX_WAIT) {
		*deadline = timeout_deadline(ns);
	} else if (realtime) {
		u64 now = realtime_ns();
		*deadline = deadline_after(ns > now ? ns - now : 0);
	} else {
		*deadline = ns;
	}
	return 0;
}

static __attribute__((noinline)) long futex_any(u32 __user *uaddr, int op, u32 val, const struct __kernel_timespec __user *timeout,
						u32 __user *uaddr2, u32 val3)
{
	bool private = op & FUTEX_PRIVATE_FLAG, realtime = op & FUTEX_CLOCK_REALTIME;
	int command = op & FUTEX_CMD_MASK, val2 = (int)(u64)timeout;
	u64 deadline = ~0UL;
	long r;

	if (command == FUTEX_WAIT || command == FUTEX_WAIT_BITSET) {
		r = get_deadline(command, realtime, timeout, &deadline);
		if (r)
			return r;
	}
	if (realtime && command != FUTEX_WAIT_BITSET)
		return -ENOSYS;
	switch (command) {
	case FUTEX_WAIT:
		r = futex_wait(uaddr, private, val, deadline, FUTEX_BITSET_MATCH_ANY);
		return r == -ERESTARTNOHAND ? timeout_interrupted(deadline) : r;
	case FUTEX_WAIT_BITSET:
		return futex_wait(uaddr, private, val, deadline, val3);
	case FUTEX_WAKE:
		return futex_wake(uaddr, private, (int)val, FUTEX_BITSET_MATCH_ANY);
	case FUTEX_WAKE_BITSET:
		return futex_wake(uaddr, private, (int)val, val3);
	case FUTEX_REQUEUE:
		return futex_requeue(uaddr, uaddr2, private, (int)val, val2, NULL);
	case FUTEX_CMP_REQUEUE:
		return futex_requeue(uaddr, uaddr2, private, (int)val, val2, &val3);
	case FUTEX_WAKE_OP:
		return futex_wake_op(uaddr, uaddr2, private, (int)val, val2, val3);
	}
	return -ENOSYS;
}

long sys_futex(u32 __user *uaddr, int op, u32 val, const struct __kernel_timespec __user *timeout, u32 __user *uaddr2, u32 val3)
{
	/* What mutexes are made of, without the frame and the tests that the other operations need: 50 instructions less. */
	if (likely(op == (FUTEX_WAKE | FUTEX_PRIVATE_FLAG)))
		return futex_wake(uaddr, true, (int)val, FUTEX_BITSET_MATCH_ANY);
	if (op == (FUTEX_WAIT | FUTEX_PRIVATE_FLAG) && !timeout)
		return futex_wait(uaddr, true, val, ~0UL, FUTEX_BITSET_MATCH_ANY);
	return futex_any(uaddr, op, val, timeout, uaddr2, val3);
}

/* --- futex_waitv: on several words at once --- */

/* Leave the first nr queues: the number of the first that was woken, or -1. */
static long unqueue_all(struct futex_waiter *w, unsigned nr)
{
	long first = -1;

	for (unsigned i = 0; i < nr; i++)
		if (unqueue_waiter(&w[i]) && first < 0)
			first = i;
	return first;
}

static long wait_many(const struct futex_waitv *spec, struct futex_waiter *w, unsigned nr, u64 deadline)
{
	long r = 0, first;

	for (unsigned i = 0; i < nr; i++) {
		w[i] = (struct futex_waiter){ .bitset = FUTEX_BITSET_MATCH_ANY, .task = current };
		r = get_key((u32 __user *)spec[i].uaddr, spec[i].flags & FUTEX_PRIVATE_FLAG, &w[i].key);
		if (r)
			return r;
	}
	for (unsigned i = 0; i < nr; i++) {
		r = queue_waiter(&w[i], (u32 __user *)spec[i].uaddr, (u32)spec[i].val);
		if (r) {
			first = unqueue_all(w, i);
			return first >= 0 ? first : r;	/* a wake-up that was meant for us is not lost */
		}
	}
	r = wait_woken(deadline, any_woken(w, nr));
	first = unqueue_all(w, nr);
	return first >= 0 ? first : r;
}

static int check_waitv(const struct futex_waitv *spec, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++)
		if (spec[i].flags & ~(u32)(FUTEX_32 | FUTEX_PRIVATE_FLAG) || !(spec[i].flags & FUTEX_32) || spec[i].__reserved || spec[i].val >> 32)
			return -EINVAL;
	return 0;
}

long sys_futex_waitv(const struct futex_waitv __user *waiters, unsigned nr, unsigned flags, const struct __kernel_timespec __user *timeout, int clock)
{
	u64 deadline = ~0UL;
	struct futex_waitv *spec;
	long r;

	if (flags || !nr || nr > FUTEX_WAITV_MAX || !waiters)
		return -EINVAL;
	if (timeout && clock != CLOCK_MONOTONIC && clock != CLOCK_REALTIME)
		return -EINVAL;
	r = get_deadline(FUTEX_WAIT_BITSET, clock == CLOCK_REALTIME, timeout, &deadline);
	if (r)
		return r;
	spec = kmalloc(nr * (sizeof(*spec) + sizeof(struct futex_waiter)));
	if (!spec)
		return -ENOMEM;
	r = copy_from_user(spec, waiters, nr * sizeof(*spec)) ? -EFAULT : check_waitv(spec, nr);
	if (!r)
		r = wait_many(spec, (struct futex_waiter *)(spec + nr), nr, deadline);
	kfree(spec);
	return r;
}

void futex_wake_address(u32 __user *uaddr, int nr)
{
	/* Who waits may have said private or not. */
	futex_wake(uaddr, true, nr, FUTEX_BITSET_MATCH_ANY);
	futex_wake(uaddr, false, nr, FUTEX_BITSET_MATCH_ANY);
}
