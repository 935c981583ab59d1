/* Wait queues. See kernel/wait.h for the protocol; the lock is taken with interrupts off, wake-ups come from anywhere. */
#include "kernel/wait.h"

#include "kernel/cpu.h"
#include "kernel/printk.h"
#include "kernel/signal.h"
#include "kernel/time.h"

static const int state_of[] = {
	[WAIT_UNINTERRUPTIBLE] = TASK_SLEEPING_HARD,
	[WAIT_KILLABLE] = TASK_SLEEPING_KILLABLE,
	[WAIT_INTERRUPTIBLE] = TASK_SLEEPING,
};

void wait_queue_init(struct wait_queue *wq)
{
	*wq = (struct wait_queue)WAIT_QUEUE_INIT(*wq);
}

void wait_prepare(struct wait_queue *wq, struct wait_entry *entry, enum wait_mode mode, u64 key)
{
	u64 flags = spin_lock_irqsave(&wq->lock);

	if (!entry->task) {
		entry->task = current;
		entry->key = key;
		list_add_tail(&entry->node, &wq->waiters);
	}
	WRITE_ONCE(current->state, state_of[mode]);
	spin_unlock_irqrestore(&wq->lock, flags);
	smp_mb();	/* the state before the caller's condition */
}

void wait_leave(struct wait_queue *wq, struct wait_entry *entry)
{
	u64 flags = spin_lock_irqsave(&wq->lock);
	WRITE_ONCE(current->state, TASK_RUNNABLE);
	if (entry->task)
		list_del(&entry->node);
	entry->task = NULL;
	spin_unlock_irqrestore(&wq->lock, flags);
}

static bool interrupted(enum wait_mode mode)
{
	return (mode == WAIT_INTERRUPTIBLE && signal_pending(current)) || (mode == WAIT_KILLABLE && fatal_signal_pending(current));
}

int wait_sleep(enum wait_mode mode)
{
	if (interrupted(mode))
		return -ERESTARTSYS;
	schedule();
	return 0;
}

int wait_sleep_until(enum wait_mode mode, u64 deadline_ns)
{
	if (interrupted(mode))
		return -ERESTARTSYS;
	return schedule_until(deadline_ns) ? 0 : -ETIMEDOUT;
}

int wake_up_nr(struct wait_queue *wq, u64 key, int nr)
{
	u64 flags = spin_lock_irqsave(&wq->lock);
	struct wait_entry *entry, *next;
	int left = nr;			/* below 0: no limit */

	list_for_each_safe(entry, next, &wq->waiters, node) {
		if (!left)
			break;
		if (key && entry->key && entry->key != key)
			continue;
		if (unlikely(entry->wake) ? !entry->wake(entry, key) : !task_wake_irqs_off(entry->task))
			continue;
		left--;
		if (entry->auto_remove) {
			list_del(&entry->node);
			smp_store_release(&entry->task, NULL);
		}
	}
	spin_unlock_irqrestore(&wq->lock, flags);
	return nr - left;
}

void wake_up_all(struct wait_queue *wq, u64 key) { wake_up_nr(wq, key, -1); }
