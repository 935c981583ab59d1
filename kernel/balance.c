/*
 * Which CPU a task runs on. It is decided in four places: when it wakes up (where it ran before if that CPU is idle, else on an idle one),
 * when it starts, when a CPU has nothing to do (it takes a task that waits elsewhere), and now and then by the tick, for queues that
 * became unequal. task->cpus_allowed restricts all of them.
 *
 * idle_cpus is a hint that is claimed: who sends a task to an idle CPU clears its bit, so that two wake-ups choose two CPUs. Wrong bits cost
 * time only: the queue that a task is on is always right, and its CPU looks at it.
 */
#include "kernel/runqueue.h"

#include "kernel/explore.h"
#include "kernel/smp.h"

#define BALANCE_TICKS 8		/* between two looks at the other queues */

static atomic64_t idle_cpus;

void idle_enter(int cpu)
{
	if (!(atomic64_read(&idle_cpus) & BIT(cpu)))
		atomic64_fetch_or(&idle_cpus, BIT(cpu));
}

void idle_leave(int cpu)
{
	if (atomic64_read(&idle_cpus) & BIT(cpu))
		atomic64_fetch_and(&idle_cpus, ~BIT(cpu));
}

static bool claim_idle(int cpu)
{
	return atomic64_fetch_and(&idle_cpus, ~BIT(cpu)) & BIT(cpu);
}

static int claim_one_of(u64 cpus_wanted)
{
	u64 idle;

	while ((idle = atomic64_read(&idle_cpus) & cpus_wanted)) {
		int cpu = __builtin_ctzl(idle);
		if (claim_idle(cpu))
			return cpu;
	}
	return -1;
}

/* Tasks that run or want to. Racy. */
static u32 load(int cpu)
{
	const struct cpu *c = &cpus[cpu];

	return READ_ONCE(runqueues[cpu].nr) + (READ_ONCE(c->task) != c->idle);
}

static int least_loaded(u64 allowed, int first)
{
	u32 best = load(first);
	int found = first;

	for (int cpu = 0; cpu < nr_cpus_online; cpu++)
		if (allowed & BIT(cpu) && load(cpu) < best) {
			best = load(cpu);
			found = cpu;
		}
	return found;
}

static bool has_run(const struct task *t) { return READ_ONCE(t->utime_ns) | READ_ONCE(t->stime_ns); }

int place_task(struct task *t)
{
	int cpu = t->cpu, idle;
	u64 allowed;

	if (nr_cpus_online == 1)
		return 0;
	allowed = READ_ONCE(t->cpus_allowed) & cpus_online();
	if (!allowed)
		allowed = cpus_online();	/* none of them is there: better anywhere than nowhere */
	if (unlikely(explore_flag))
		return explore_cpu(allowed);
	if (allowed & BIT(cpu) && claim_idle(cpu))
		return cpu;
	idle = claim_one_of(allowed);
	if (idle >= 0)
		return idle;
	return allowed & BIT(cpu) && has_run(t) ? cpu : least_loaded(allowed, __builtin_ctzl(allowed));
}

void change_queue(struct task *t, int to)
{
	u64 from = READ_ONCE(runqueues[t->cpu].min_vruntime), base = READ_ONCE(runqueues[to].min_vruntime);

	if (t->vruntime < from)
		t->vruntime = base - min(from - t->vruntime, base);
	else
		t->vruntime = base + (t->vruntime - from);
	WRITE_ONCE(t->cpu, to);
}

void move_task(struct task *t, int cpu)
{
	struct runqueue *rq = &runqueues[cpu];

	if (cpu != t->cpu)
		change_queue(t, cpu);
	rq_lock_irqs_off(rq);
	enqueue(rq, t);
	resched_cpu(cpu);
	rq_unlock_irqs_off(rq);
}

static struct runqueue *busiest(const struct runqueue *mine)
{
	struct runqueue *best = NULL;
	u32 most = 0;

	for (int cpu = 0; cpu < nr_cpus_online; cpu++) {
		struct runqueue *rq = &runqueues[cpu];
		if (rq != mine && READ_ONCE(rq->nr) > most) {
			most = READ_ONCE(rq->nr);
			best = rq;
		}
	}
	return best;
}

bool steal_task(struct runqueue *rq, u32 at_least)
{
	struct runqueue *from = busiest(rq);
	int cpu = (int)(rq - runqueues);
	struct task *t;

	if (!from || READ_ONCE(from->nr) < at_least || !rq_trylock(from))
		return false;
	list_for_each(t, &from->tasks, run_node)
		if (t->cpus_allowed & BIT(cpu)) {
			dequeue(from, t);
			change_queue(t, cpu);
			enqueue(rq, t);
			rq_unlock_irqs_off(from);
			return true;
		}
	rq_unlock_irqs_off(from);
	return false;
}

void balance_tick(struct runqueue *rq)
{
	int cpu = (int)(rq - runqueues);

	if (nr_cpus_online == 1)
		return;
	if (rq->nr) {			/* somebody waits here: is there a CPU with nothing to do? */
		int idle = claim_one_of(list_first(&rq->tasks, struct task, run_node)->cpus_allowed & cpus_online());
		if (idle >= 0 && idle != cpu)
			smp_kick(idle);
	}
	if (++rq->ticks % BALANCE_TICKS == 0)
		steal_task(rq, rq->nr + 2);
}

/* --- affinity --- */

void sched_set_affinity(struct task *t, u64 allowed)
{
	u64 flags = irq_save();
	struct runqueue *rq = task_rq_lock(t);
	bool queued = !list_empty(&t->run_node);

	WRITE_ONCE(t->cpus_allowed, allowed);
	if (allowed & BIT(t->cpu)) {
		rq_unlock_irqs_off(rq);
	} else if (t->on_cpu) {		/* its CPU puts it elsewhere when it looks: switch_tasks() */
		resched_cpu(t->cpu);
		rq_unlock_irqs_off(rq);
	} else if (queued) {
		dequeue(rq, t);
		rq_unlock_irqs_off(rq);
		move_task(t, place_task(t));
	} else {
		rq_unlock_irqs_off(rq);	/* asleep: place_task() will see to it */
	}
	irq_restore(flags);
}
