#include "kernel/time.h"

#include "drivers/apic.h"
#include "drivers/vt.h"
#include "kernel/clock.h"
#include "kernel/cpu.h"
#include "kernel/irq.h"
#include "kernel/printk.h"
#include "kernel/sched.h"

static u64 next_tick_ns;

static LIST_HEAD(timers);		/* timers_lock: struct ktimer, sorted by deadline */
static struct spinlock timers_lock = SPINLOCK_INIT("timers", RANK_LEAF);	/* interrupts off */

static void program_timer(u64 now)
{
	u64 next = next_tick_ns, count;

	if (!list_empty(&timers))
		next = min(next, list_first(&timers, struct ktimer, node)->deadline_ns);
	next = next > now + 1000 ? next - now : 1000;
	count = next * apic_timer_khz() / 1000000;	/* next is at most a tick */
	apic_timer_start(VECTOR_TIMER, (u32)min(max(count, 1UL), 0xffffffffUL));
}

void timer_interrupt(bool user_mode)
{
	u64 flags = spin_lock_irqsave(&timers_lock), now = ktime_ns();

	while (!list_empty(&timers)) {
		struct ktimer *t = list_first(&timers, struct ktimer, node);
		if (t->deadline_ns > now)
			break;
		list_del(&t->node);
		t->expired(t);
	}
	spin_unlock_irqrestore(&timers_lock, flags);
	sched_account(user_mode);
	log_tick();
	vt_tick();
	if (now >= next_tick_ns) {
		next_tick_ns = now + TICK_NS;
		sched_tick();
	}
	program_timer(now);
}

/* --- timers --- */

void ktimer_init(struct ktimer *t, void (*expired)(struct ktimer *t))
{
	list_init(&t->node);
	t->expired = expired;
}

/* timers_lock held. */
static void insert(struct ktimer *t, u64 deadline_ns, u64 now)
{
	struct ktimer *later;

	t->deadline_ns = deadline_ns;
	list_for_each(later, &timers, node)
		if (later->deadline_ns > deadline_ns)
			break;
	list_add_tail(&t->node, &later->node);
	if (list_first(&timers, struct ktimer, node) == t)
		program_timer(now);
}

void ktimer_start(struct ktimer *t, u64 deadline_ns)
{
	u64 flags = spin_lock_irqsave(&timers_lock);

	insert(t, deadline_ns, ktime_ns());
	spin_unlock_irqrestore(&timers_lock, flags);
}

void ktimer_cancel(struct ktimer *t)
{
	u64 flags = spin_lock_irqsave(&timers_lock);

	list_del(&t->node);
	spin_unlock_irqrestore(&timers_lock, flags);
}

/* --- sleeping --- */

struct sleeper {
	struct ktimer timer;
	struct task *task;
	bool expired;
};

static void wake_sleeper(struct ktimer *t)
{
	struct sleeper *s = container_of(t, struct sleeper, timer);

	WRITE_ONCE(s->expired, true);
	task_wake(s->task);
}

bool schedule_until(u64 deadline_ns)
{
	struct sleeper me = { .task = current };
	u64 flags = spin_lock_irqsave(&timers_lock), now = ktime_ns();

	if (deadline_ns <= now) {
		WRITE_ONCE(current->state, TASK_RUNNABLE);
		spin_unlock_irqrestore(&timers_lock, flags);
		return false;
	}
	ktimer_init(&me.timer, wake_sleeper);
	insert(&me.timer, deadline_ns, now);
	spin_unlock_irqrestore(&timers_lock, flags);
	schedule();
	ktimer_cancel(&me.timer);
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
