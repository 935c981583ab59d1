#include "kernel/time.h"

#include "drivers/apic.h"
#include "drivers/vt.h"
#include "kernel/clock.h"
#include "kernel/cpu.h"
#include "kernel/irq.h"
#include "kernel/printk.h"
#include "kernel/sched.h"

static u64 next_tick_ns;

struct sleeper {
	struct list_head node;
	struct task *task;
	u64 deadline_ns;
	bool expired;
};
static LIST_HEAD(sleepers);		/* sleepers_lock: sorted by deadline */
static struct spinlock sleepers_lock = SPINLOCK_INIT("sleepers", RANK_LEAF);	/* interrupts off */

static void program_timer(u64 now)
{
	u64 next = next_tick_ns, count;

	if (!list_empty(&sleepers))
		next = min(next, list_first(&sleepers, struct sleeper, node)->deadline_ns);
	next = next > now + 1000 ? next - now : 1000;
	count = next * apic_timer_khz() / 1000000;	/* next is at most a tick */
	apic_timer_start(VECTOR_TIMER, (u32)min(max(count, 1UL), 0xffffffffUL));
}

void timer_interrupt(bool user_mode)
{
	u64 flags = spin_lock_irqsave(&sleepers_lock), now = ktime_ns();

	while (!list_empty(&sleepers)) {
		struct sleeper *s = list_first(&sleepers, struct sleeper, node);
		if (s->deadline_ns > now)
			break;
		list_del(&s->node);
		WRITE_ONCE(s->expired, true);
		task_wake(s->task);
	}
	spin_unlock_irqrestore(&sleepers_lock, flags);
	sched_account(user_mode);
	log_tick();
	vt_tick();
	if (now >= next_tick_ns) {
		next_tick_ns = now + TICK_NS;
		sched_tick();
	}
	program_timer(now);
}

bool schedule_until(u64 deadline_ns)
{
	struct sleeper me = { .task = current, .deadline_ns = deadline_ns }, *s;
	u64 flags = spin_lock_irqsave(&sleepers_lock), now = ktime_ns();

	if (deadline_ns <= now) {
		WRITE_ONCE(current->state, TASK_RUNNABLE);
		spin_unlock_irqrestore(&sleepers_lock, flags);
		return false;
	}
	list_for_each(s, &sleepers, node)
		if (s->deadline_ns > deadline_ns)
			break;
	list_add_tail(&me.node, &s->node);
	if (list_first(&sleepers, struct sleeper, node) == &me)
		program_timer(now);
	spin_unlock_irqrestore(&sleepers_lock, flags);
	schedule();
	flags = spin_lock_irqsave(&sleepers_lock);
	list_del(&me.node);
	spin_unlock_irqrestore(&sleepers_lock, flags);
	return !me.expired;
}

int sleep_until_ns(u64 deadline_ns, enum wait_mode mode)
{
	struct wait_queue nobody = WAIT_QUEUE_INIT(nobody);
	struct wait_entry entry = { 0 };
	int result;

	do {
		wait_prepare(&nobody, &entry, mode, 0);
		result = wait_sleep_until(mode, deadline_ns);
	} while (!result);
	wait_finish(&nobody, &entry);
	return result == -ETIMEDOUT ? 0 : result;
}

void time_init(void)
{
	clock_init();
	next_tick_ns = ktime_ns() + TICK_NS;
	program_timer(ktime_ns());
}
