/*
 * Futexes: sleep while a word in user memory has a value, wake those who sleep on it.
 *
 * A word is named by a key: (address space, address) if private; (file mapping, page index, offset) if it lies in a shared
 * mapping, so that processes meet. Waiters sit on hashed buckets. A waiter checks the word under its bucket's lock,
 * so a wake-up between check and sleep is not lost. The word is read without faulting there; if that
 * fails the page is faulted in outside the lock and everything begins again.
 *
 * Supported: WAIT, WAKE, their BITSET forms, REQUEUE, CMP_REQUEUE, WAKE_OP. PI futexes are -ENOSYS.
 */
#include "kernel/futex.h"

#include "kernel/cpu.h"
#include "kernel/proc_syscalls.h"
#include "kernel/times.h"
#include "kernel/usermode.h"
#include "mm/mm.h"
#include "mm/usercopy.h"

#define NR_BUCKETS 64
#define ROBUST_LIST_LIMIT 2048

struct futex_key {
	const void *space;	/* struct mm or struct address_space */
	u64 where;		/* address, or page index * PAGE_SIZE + offset */
};

struct futex_waiter {
	struct list_head node;		/* bucket lock */
	struct futex_key key;		/* bucket lock */
	struct bucket *bucket;		/* bucket lock (of both when it moves) */
	u32 bitset;			/* fixed */
	bool woken;			/* bucket lock */
	struct wait_queue wq;
};

static struct bucket {
	struct spinlock lock;
	struct list_head waiters;
} buckets[NR_BUCKETS];
static struct spinlock init_lock = SPINLOCK_INIT("futex init", RANK_LEAF);
static bool buckets_ready;

static void init_buckets(void)
{
	spin_lock(&init_lock);
	for (int i = 0; i < NR_BUCKETS && !buckets_ready; i++) {
		spin_init(&buckets[i].lock, "futex", RANK_LEAF);
		list_init(&buckets[i].waiters);
	}
	smp_store_release(&buckets_ready, true);
	spin_unlock(&init_lock);
}

static struct bucket *bucket_of(const struct futex_key *key)
{
	if (!smp_load_acquire(&buckets_ready))
		init_buckets();
	u64 h = ((u64)key->space >> 4) ^ (key->where >> 2);
	h *= 0x9e3779b97f4a7c15UL;
	return &buckets[h >> 58];
}

static bool same_key(const struct futex_key *a, const struct futex_key *b)
{
	return a->space == b->space && a->where == b->where;
}

/* Name the word. `touch`: a shared word must be mapped (Linux looks at the page): -EFAULT otherwise. */
static int get_key(u32 __user *uaddr, bool private, struct futex_key *key)
{
	vaddr_t va = (vaddr_t)uaddr;
	struct mm *mm = current->mm;
	u32 word;

	if (va % sizeof(u32))
		return -EINVAL;
	if (va >= USER_TOP)
		return -EFAULT;
	key->space = mm;
	key->where = va;
	if (private)
		return 0;
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

static void wake_waiter(struct futex_waiter *w)
{
	list_del(&w->node);
	w->woken = true;
	wake_up_all(&w->wq, 0);		/* the waiter takes the bucket lock before its stack goes away */
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

static long futex_wait(u32 __user *uaddr, bool private, u32 val, u64 deadline, u32 bitset)
{
	struct futex_waiter w = { .bitset = bitset };
	struct wait_entry entry = { 0 };

	if (!bitset)
		return -EINVAL;
	int r = get_key(uaddr, private, &w.key);
	if (r)
		return r;
	wait_queue_init(&w.wq);
	r = queue_waiter(&w, uaddr, val);
	if (r)
		return r;
	for (;;) {
		wait_prepare(&w.wq, &entry, WAIT_INTERRUPTIBLE, 0);
		if (READ_ONCE(w.woken))
			break;
		r = deadline == ~0UL ? wait_sleep(WAIT_INTERRUPTIBLE) : wait_sleep_until(WAIT_INTERRUPTIBLE, deadline);
		if (r)
			break;
	}
	wait_finish(&w.wq, &entry);
	struct bucket *b = lock_waiter(&w);
	bool woken = w.woken;
	if (!woken)
		list_del(&w.node);
	spin_unlock(&b->lock);
	if (woken)
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

long sys_futex(u32 __user *uaddr, int op, u32 val, const struct __kernel_timespec __user *timeout, u32 __user *uaddr2, u32 val3)
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

/* --- robust lists and the end of threads --- */

void futex_wake_address(u32 __user *uaddr, int nr)
{
	/* Who waits may have said private or not. */
	futex_wake(uaddr, true, nr, FUTEX_BITSET_MATCH_ANY);
	futex_wake(uaddr, false, nr, FUTEX_BITSET_MATCH_ANY);
}

/* The owner of this futex dies: say so in the word and wake one waiter. False: bad memory. */
static bool mark_owner_died(u32 __user *uaddr)
{
	u32 old, found;

	if ((u64)uaddr % sizeof(u32))
		return false;
	do {
		if (get_user(old, uaddr))
			return false;
		if ((old & FUTEX_TID_MASK) != (u32)current->tid)
			return true;
		if (user_cmpxchg32(uaddr, old, (old & FUTEX_WAITERS) | FUTEX_OWNER_DIED, &found)) {
			if (fault_in_writeable(uaddr, sizeof(u32)))
				return false;
			found = ~old;
		}
	} while (found != old);
	if (old & FUTEX_WAITERS)
		futex_wake_address(uaddr, 1);
	return true;
}

void exit_robust_list(void)
{
	struct robust_list_head head;
	u64 list = (u64)current->robust_list, entry, next;

	current->robust_list = NULL;
	if (!list || copy_from_user(&head, (void __user *)list, sizeof(head)))
		return;
	u64 pending = (u64)head.list_op_pending & ~1UL;
	entry = (u64)head.list.next;
	for (int i = 0; entry != list && i < ROBUST_LIST_LIMIT; i++) {
		bool ok = !get_user(next, (u64 __user *)(entry & ~1UL));	/* first: the entry may be freed by who we wake */
		if ((entry & ~1UL) != pending && !(entry & 1) && !mark_owner_died((u32 __user *)(entry + (u64)head.futex_offset)))
			return;
		if (!ok)
			return;
		entry = next;
	}
	if (pending && !((u64)head.list_op_pending & 1))
		mark_owner_died((u32 __user *)(pending + (u64)head.futex_offset));
}

long sys_set_robust_list(void __user *head, size_t len)
{
	if (len != sizeof(struct robust_list_head))
		return -EINVAL;
	current->robust_list = head;
	return 0;
}

long sys_get_robust_list(int pid, void __user *__user *head, size_t __user *len)
{
	struct task *t = current;
	u64 list = 0;
	long r = 0;

	spin_lock(&tasklist_lock);
	if (pid)
		t = task_find(pid);
	if (!t)
		r = -ESRCH;
	else if (t != current && current->process->euid && current->process->uid != t->process->uid)
		r = -EPERM;
	else
		list = (u64)t->robust_list;
	spin_unlock(&tasklist_lock);
	if (r)
		return r;
	if (put_user(sizeof(struct robust_list_head), len))
		return -EFAULT;
	return put_user(list, (u64 __user *)head);
}
