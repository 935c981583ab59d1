#include "kernel/time.h"

#include "drivers/apic.h"
#include "drivers/vt.h"
#include "kernel/clock.h"
#include "kernel/cpu.h"
#include "kernel/explore.h"
#include "kernel/irq.h"
#include "kernel/printk.h"
#include "kernel/sched.h"

#define NEVER (~0UL)

/* A CPU's timers. Its own CPU adds to them and lets them expire; others cancel. */
static struct cpu_time {
	struct spinlock lock;		/* interrupts off */
	struct list_head timers;	/* lock: struct ktimer, sorted by deadline */
	u64 next_tick_ns;		/* its own CPU, interrupts off; NEVER while it is idle */
} cpu_times[NR_CPUS];

/* A clock that is a narrow counter must be read before it wraps: then CPU 0 ticks also when idle, but rarely. */
#define IDLE_TICK_NS 1000000000UL

static void program_timer(struct cpu_time *time, u64 now)
{
	u64 next = time->next_tick_ns, count;

	if (!list_empty(&time->timers))
		next = min(next, list_first(&time->timers, struct ktimer, node)->deadline_ns);
	if (unlikely(explore_flag) && next != NEVER)
		next = min(next, now + explore_timer_ns());
	if (next == NEVER) {
		apic_timer_start(VECTOR_TIMER, 0);
		return;
	}
	next = min(next > now + 1000 ? next - now : 1000, IDLE_TICK_NS);
	count = next * apic_timer_khz() / 1000000;
	apic_timer_start(VECTOR_TIMER, (u32)min(max(count, 1UL), 0xffffffffUL));
}

static u64 tick_after(u64 now)
{
	if (current != this_cpu()->idle)
		return now + TICK_NS;
	return !cpu_id() && clock_needs_reading() ? now + IDLE_TICK_NS : NEVER;
}

static void expire(struct cpu_time *time, u64 now)
{
	u64 flags = spin_lock_irqsave(&time->lock);

	while (!list_empty(&time->timers)) {
		struct ktimer *t = list_first(&time->timers, struct ktimer, node);
		if (t->deadline_ns > now)
			break;
		list_del(&t->node);
		t->expired(t);
	}
	spin_unlock_irqrestore(&time->lock, flags);
}

void timer_interrupt(bool user_mode)
{
	struct cpu_time *time = &cpu_times[cpu_id()];
	u64 now = ktime_ns();

	expire(time, now);
	sched_account(user_mode);
	log_tick();
	vt_tick();
	if (now >= time->next_tick_ns) {
		time->next_tick_ns = tick_after(now);
		clock_tick();
		sched_tick();
	}
	program_timer(time, now);
}

void tick_restart(u64 now)
{
	struct cpu_time *time = &cpu_times[cpu_id()];

	if (time->next_tick_ns <= now + TICK_NS)
		return;
	time->next_tick_ns = now + TICK_NS;
	clock_tick();
	program_timer(time, now);
}

void tick_soon(void)
{
	u64 flags = irq_save();

	tick_restart(ktime_ns());
	irq_restore(flags);
}

/* --- timers --- */

void ktimer_init(struct ktimer *t, void (*expired)(struct ktimer *t))
{
	list_init(&t->node);
	t->cpu = 0;
	t->expired = expired;
}

/* On this CPU's list, which is locked. */
static void insert(struct cpu_time *time, struct ktimer *t, u64 deadline_ns, u64 now)
{
	struct ktimer *later;

	t->deadline_ns = deadline_ns;
	t->cpu = cpu_id();
	list_for_each(later, &time->timers, node)
		if (later->deadline_ns > deadline_ns)
			break;
	list_add_tail(&t->node, &later->node);
	if (list_first(&time->timers, struct ktimer, node) == t)
		program_timer(time, now);
}

/* This CPU's, locked; it stays this CPU until the lock is free. */
static struct cpu_time *lock_mine(u64 *flags)
{
	struct cpu_time *time;

	preempt_disable();
	time = &cpu_times[cpu_id()];
	*flags = spin_lock_irqsave(&time->lock);
	return time;
}

static void unlock_mine(struct cpu_time *time, u64 flags)
{
	spin_unlock_irqrestore(&time->lock, flags);
	preempt_enable();
}

void ktimer_start(struct ktimer *t, u64 deadline_ns)
{
	u64 flags;
	struct cpu_time *time = lock_mine(&flags);

	insert(time, t, deadline_ns, ktime_ns());
	unlock_mine(time, flags);
}

void ktimer_cancel(struct ktimer *t)
{
	struct cpu_time *time = &cpu_times[t->cpu];
	u64 flags = spin_lock_irqsave(&time->lock);

	list_del(&t->node);
	spin_unlock_irqrestore(&time->lock, flags);
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
	u64 flags, now;
	struct cpu_time *time = lock_mine(&flags);

	now = ktime_ns();

	if (deadline_ns <= now) {
		WRITE_ONCE(current->state, TASK_RUNNABLE);
		unlock_mine(time, flags);
		return false;
	}
	ktimer_init(&me.timer, wake_sleeper);
	insert(time, &me.timer, deadline_ns, now);
	unlock_mine(time, flags);
	schedule();
	ktimer_cancel(&me.timer);
	return !READ_ONCE(me.expired);
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
	for (int cpu = 0; cpu < NR_CPUS; cpu++) {
		spin_init(&cpu_times[cpu].lock, "timers", RANK_IRQ);
		list_init(&cpu_times[cpu].timers);
		cpu_times[cpu].next_tick_ns = NEVER;
	}
	time_init_cpu();
}

void time_init_cpu(void) { tick_restart(ktime_ns()); }
