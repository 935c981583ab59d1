/*
 * Locks misused on purpose (kernel/crash.h): each kind does one thing that a check of kernel/lock.c, kernel/lockcheck.c or kernel/hang.c must
 * name. tests/suite_locks.py has the messages. Kinds that only the debug build notices do no harm in the ordinary one.
 */
#include "kernel/crash.h"

#include "kernel/clock.h"
#include "kernel/cpu.h"
#include "kernel/lock.h"
#include "kernel/printk.h"
#include "kernel/smp.h"
#include "kernel/string.h"
#include "kernel/task.h"
#include "kernel/time.h"
#include "kernel/trap.h"
#include "mm/pagecache.h"
#include "mm/slab.h"
#include "mm/slot.h"
#include "mm/usercopy.h"

static struct mutex first_mutex = MUTEX_INIT(first_mutex, "crash first", RANK_FILE_POS);
static struct mutex last_mutex = MUTEX_INIT(last_mutex, "crash last", RANK_LAST_SLEEPING);
static struct rwsem middle_rwsem = RWSEM_INIT(middle_rwsem, "crash middle", RANK_MOUNT);
static struct spinlock plain_lock = SPINLOCK_INIT("crash plain", RANK_LAST_SPIN);
static struct spinlock other_lock = SPINLOCK_INIT("crash other", RANK_DCACHE);
static struct spinlock irq_lock = SPINLOCK_INIT("crash irq", RANK_IRQ);

/* --- the order --- */

static void inversion(void)
{
	mutex_lock(&last_mutex);
	mutex_lock(&first_mutex);
}

/* Behind a lock that was only tried the order holds too. */
static void inversion_after_try(void)
{
	if (down_write_trylock(&middle_rwsem))
		mutex_lock(&first_mutex);
}

static void spin_inversion(void)
{
	spin_lock(&plain_lock);
	spin_lock(&other_lock);
}

static void spin_twice(void)
{
	spin_lock(&plain_lock);
	spin_lock(&plain_lock);
}

static void mutex_twice(void)
{
	mutex_lock(&last_mutex);
	mutex_lock(&last_mutex);
}

/* --- page locks --- */

/* A file without a file system. */
static struct address_space *file(void)
{
	static const struct address_space_ops no_ops;
	static struct address_space m;

	mapping_init(&m, &no_ops, NULL, RANK_PAGE);
	m.size = 16 * PAGE_SIZE;
	return &m;
}

static struct address_space *lock_page(u64 index)
{
	struct address_space *m = file();
	entry_t *slot;

	ASSERT(!page_lock(m, 3, &slot));	/* from here on the file has a table, and each page a slot in it */
	page_unlock(m, 3, slot, 0, 0);
	ASSERT(!page_lock(m, index, &slot));
	return m;
}

static void page_twice(void)
{
	entry_t *slot;

	page_lock(lock_page(2), 2, &slot);
}

static void page_order(void)
{
	entry_t *slot;

	page_lock(lock_page(2), 1, &slot);
}

/* --- sleeping, user memory --- */

static void sleep_spin(void)
{
	spin_lock(&plain_lock);
	mutex_lock(&last_mutex);
}

static void sleep_alloc(void)
{
	spin_lock(&plain_lock);
	kfree(kmalloc(100));
	spin_unlock(&plain_lock);
}

static void sleep_preempt(void)
{
	preempt_disable();
	mutex_lock(&last_mutex);
}

static void sleep_irqs_off(void)
{
	irq_disable();
	kfree(kmalloc(100));
	irq_enable();
}

static void touch_user(void)
{
	char c;

	if (!copy_from_user(&c, (const void __user *)PAGE_SIZE, 1))
		printk("user memory in a kernel thread\n");
}

static void user_page(void)
{
	lock_page(2);
	touch_user();
}

static void user_nofault(void)
{
	pagefault_disable();
	touch_user();
}

/* --- releasing --- */

static void release_mutex(void *arg) { mutex_unlock(&last_mutex); }

static void unlock_other(void)
{
	mutex_lock(&last_mutex);
	kthread_start("other", release_mutex, NULL);
	sleep_until_ns(~0UL, WAIT_UNINTERRUPTIBLE);
}

static void release_page(void *arg)
{
	struct address_space *m = arg;

	page_unlock(m, 2, slot_find(m, 2), 0, 0);
}

static void unlock_page_other(void)
{
	kthread_start("other", release_page, lock_page(2));
	sleep_until_ns(~0UL, WAIT_UNINTERRUPTIBLE);
}

static void unlock_read(void)
{
	down_read(&middle_rwsem);
	up_read(&middle_rwsem);
	ASSERT(down_read_trylock(&middle_rwsem));
	current->held_count = 0;		/* as if another task had taken it */
	up_read(&middle_rwsem);
}

/* More locks than are recorded, and those that are go first, in another order: no misuse. */
static void many(void)
{
	const u64 n = HELD_MAX + 4;
	entry_t *slots[HELD_MAX + 4];
	struct address_space *m = lock_page(n);

	page_unlock(m, n, slot_find(m, n), 0, 0);
	for (u64 i = 0; i < n; i++)
		ASSERT(!page_lock(m, i, &slots[i]));
	for (u64 i = 0; i < 8; i++)
		page_unlock(m, i, slots[i], 0, 0);
	for (u64 i = n; i-- > 8; )
		page_unlock(m, i, slots[i], 0, 0);
	ASSERT(current->held_count == 0);
	printk("crash: got it\n");
}

/* As a system call would return. */
static void held_to_user(void)
{
	static struct trapframe frame = { .vector = SYSCALL_VECTOR };

	mutex_lock(&last_mutex);
	user_return_work(&frame);
}

static void end_holding(void *arg) { mutex_lock(&last_mutex); }

static void held_to_end(void)
{
	kthread_start("end", end_holding, NULL);
	sleep_until_ns(~0UL, WAIT_UNINTERRUPTIBLE);
}

/* --- interrupts --- */

static void take_plain(struct ktimer *t)
{
	spin_lock(&plain_lock);
	spin_unlock(&plain_lock);
}

static void irq_plain(void)
{
	static struct ktimer timer;

	ktimer_init(&timer, take_plain);
	preempt_disable();
	ktimer_start(&timer, ktime_ns());
	preempt_enable();
	sleep_until_ns(ktime_ns() + 100000000, WAIT_UNINTERRUPTIBLE);
}

static void irq_on(void)
{
	spin_lock(&irq_lock);
	spin_unlock(&irq_lock);
}

static void nothing(void *arg) { }

static void call_irqs_off(void)
{
	irq_disable();
	preempt_disable();
	smp_call(~0UL, nothing, NULL);
}

static void call_irq_lock(void)
{
	u64 flags = spin_lock_irqsave(&irq_lock);

	write_cr8(15);	/* a timer interrupt in between would be stopped by its own check (irq_on) */
	irq_enable();
	smp_call(~0UL, nothing, NULL);
	spin_unlock_irqrestore(&irq_lock, flags);
}

/* --- hangs: three tasks in a cycle over three kinds of lock; two CPUs that spin --- */

static struct address_space *cycle_file;
static atomic_t arrived;

static void meet(int nr)
{
	atomic_inc(&arrived);
	while (atomic_read(&arrived) < nr)
		sleep_until_ns(ktime_ns() + 10000000, WAIT_UNINTERRUPTIBLE);
}

static void cycle_mutex(void *arg)
{
	mutex_lock(&first_mutex);
	meet(3);
	down_write(&middle_rwsem);
}

static void cycle_rwsem(void *arg)
{
	entry_t *slot;

	down_read(&middle_rwsem);
	meet(3);
	page_lock(cycle_file, 2, &slot);
}

static void cycle_page(void *arg)
{
	entry_t *slot;

	page_lock(cycle_file, 2, &slot);
	meet(3);
	mutex_lock(&first_mutex);
}

static void hang_cycle(void)
{
	cycle_file = file();
	kthread_start("mutex", cycle_mutex, NULL);
	kthread_start("rwsem", cycle_rwsem, NULL);
	kthread_start("page", cycle_page, NULL);
}

static void spin_both(void *arg)
{
	struct spinlock *mine = arg;

	spin_lock(mine);
	atomic_inc(&arrived);
	while (atomic_read(&arrived) < 2)
		cpu_relax();
	spin_lock(mine == &plain_lock ? &other_lock : &plain_lock);
}

static struct task *spinner;

static void take_irq_lock(struct ktimer *t)
{
	spin_lock(&irq_lock);
	spin_unlock(&irq_lock);
}

/* In the middle of its spinning an interrupt spins too, and ends: the task's own wait goes on. */
static void spin_interrupted(void *arg)
{
	static struct ktimer timer;

	preempt_disable();	/* the timer is of this CPU */
	ktimer_init(&timer, take_irq_lock);
	ktimer_start(&timer, ktime_ns() + 300000000UL);
	WRITE_ONCE(spinner, current);
	spin_both(arg);
}

/* Has the interrupt's lock until that one is known to wait for it. */
static void hold_irq_lock(void *arg)
{
	u64 flags = spin_lock_irqsave(&irq_lock), end = ktime_ns() + 10000000000UL;

	while (ktime_ns() < end && !(READ_ONCE(spinner) && READ_ONCE(spinner->waits_for.object) == &irq_lock))
		cpu_relax();
	spin_unlock_irqrestore(&irq_lock, flags);
}

static void hang_spin(void)
{
	kthread_start("interrupt", hold_irq_lock, NULL);
	kthread_start("plain", spin_both, &plain_lock);
	kthread_start("other", spin_interrupted, &other_lock);
}

/* Who holds it sleeps, or computes: slow, but no cycle. */
static void hold_mutex(void *arg)
{
	mutex_lock(&last_mutex);
	meet(2);
	sleep_until_ns(~0UL, WAIT_UNINTERRUPTIBLE);
	mutex_unlock(&last_mutex);
}

static void want_mutex(void *arg)
{
	meet(2);
	mutex_lock(&last_mutex);
}

static void hang_sleeper(void)
{
	kthread_start("holder", hold_mutex, NULL);
	kthread_start("waiter", want_mutex, NULL);
}

/* Until the other one has complained; or it will not. */
static void hold_spin(void *arg)
{
	u64 end = ktime_ns() + 60000000000UL;

	spin_lock(&plain_lock);
	atomic_inc(&arrived);
	while (ktime_ns() < end && !(READ_ONCE(spinner) && READ_ONCE(spinner->hang_reported)))
		cpu_relax();
	/* It is about to say so, and says who holds the lock. */
	for (end = ktime_ns() + 3000000000UL; ktime_ns() < end; )
		cpu_relax();
	spin_unlock(&plain_lock);
}

static void want_spin(void *arg)
{
	WRITE_ONCE(spinner, current);
	meet(2);
	spin_lock(&plain_lock);
	spin_unlock(&plain_lock);
	printk("crash: got it\n");
}

/* The machine stands still for longer than the limit while somebody waits for a lock, and a moment later he gets it: no hang. */
static void hold_still(void *arg)
{
	mutex_lock(&last_mutex);
	meet(2);
	while (!READ_ONCE(spinner) || READ_ONCE(spinner->waits_for.object) != &last_mutex)
		sleep_until_ns(ktime_ns() + 1000000, WAIT_UNINTERRUPTIBLE);
	irq_disable();
	clock_delay_us(2500000);
	irq_enable();
	sleep_until_ns(ktime_ns() + 100000000, WAIT_UNINTERRUPTIBLE);
	mutex_unlock(&last_mutex);
}

static void wait_still(void *arg)
{
	WRITE_ONCE(spinner, current);
	meet(2);
	mutex_lock(&last_mutex);
	mutex_unlock(&last_mutex);
	printk("crash: got it\n");
}

static void hang_still(void)
{
	kthread_start("holder", hold_still, NULL);
	kthread_start("waiter", wait_still, NULL);
}

static void hang_spin_long(void)
{
	kthread_start("holder", hold_spin, NULL);
	kthread_start("waiter", want_spin, NULL);
}

/* --- a data race: two threads count without a lock, and say nothing of it --- */

static u64 plain_counter;

static void count(void *arg)
{
	for (u64 end = ktime_ns() + 2000000000UL; ktime_ns() < end; )
		plain_counter++;
}

static void race(void)
{
	kthread_start("count-a", count, NULL);
	kthread_start("count-b", count, NULL);
}

static const struct {
	const char *name;
	void (*fn)(void);
} kinds[] = {
	{ "inversion", inversion }, { "inversion_after_try", inversion_after_try }, { "spin_inversion", spin_inversion },
	{ "spin_twice", spin_twice }, { "mutex_twice", mutex_twice }, { "page_twice", page_twice }, { "page_order", page_order },
	{ "sleep_spin", sleep_spin }, { "sleep_alloc", sleep_alloc }, { "sleep_preempt", sleep_preempt }, { "sleep_irqs_off", sleep_irqs_off },
	{ "user_page", user_page }, { "user_nofault", user_nofault }, { "unlock_other", unlock_other }, { "unlock_page_other", unlock_page_other },
	{ "unlock_read", unlock_read }, { "many", many }, { "held_to_user", held_to_user }, { "held_to_end", held_to_end }, { "irq_plain", irq_plain },
	{ "irq_on", irq_on }, { "call_irqs_off", call_irqs_off }, { "call_irq_lock", call_irq_lock }, { "hang_cycle", hang_cycle }, { "hang_spin", hang_spin },
	{ "hang_sleeper", hang_sleeper }, { "hang_spin_long", hang_spin_long }, { "hang_still", hang_still },
	{ "race", race },
};

bool crash_locks(const char *kind)
{
	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++)
		if (!strcmp(kind, kinds[i].name)) {
			kinds[i].fn();
			return true;
		}
	return false;
}
