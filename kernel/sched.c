/*
 * The scheduler: one run queue per CPU, fair by virtual run time.
 *
 * A task on a queue waits in order of vruntime; the smallest runs next. schedule() puts the current task back if it
 * is still runnable, takes the first and switches. The run queue's lock is taken by the task that leaves and released by the
 * one that comes (switch_to lies in between), so it keeps no record of an owner.
 *
 * Sleeping: a task sets its state, tests its condition, calls schedule(). A wake-up in between sets the state back
 * under the queue's lock, and schedule() finds the task runnable. Being preempted in between is harmless too:
 * schedule_preempt() keeps the task on the queue whatever its state says.
 */
#include "kernel/sched.h"

#include "kernel/cpu.h"
#include "kernel/kstack.h"
#include "kernel/printk.h"
#include "kernel/proc_syscalls.h"
#include "kernel/string.h"
#include "kernel/time.h"
#include "kernel/timers.h"
#include "kernel/trace.h"
#include "kernel/trap.h"
#include "kernel/usermode.h"
#include "mm/mm.h"
#include "mm/slab.h"

#define SLEEPER_CREDIT_NS 3000000UL	/* how far behind the others a woken task may start */
#define WAKEUP_GRAIN_NS 500000UL	/* a woken task preempts only if it is that much behind */

static struct runqueue {
	atomic_t locked;
	struct list_head tasks;		/* by vruntime */
	u64 min_vruntime;		/* never goes back */
	struct task *dead;		/* to be freed by the task that runs next */
} runqueues[NR_CPUS] = {
	[0] = { .tasks = LIST_INIT(runqueues[0].tasks) },
};

void switch_to(u64 *save_rsp, u64 next_rsp);
extern char ret_from_fork[];

/* Weight of a nice level relative to level 0, in 1/1024: each step is about a quarter (as POSIX systems do). */
static u64 weight(int nice)
{
	u64 w = 1024;

	for (; nice < 0; nice++)
		w = w * 5 / 4;
	for (; nice > 0; nice--)
		w = w * 4 / 5;
	return max(w, 8UL);
}

static u64 rq_lock(struct runqueue *rq)
{
	u64 flags = irq_save();

	while (atomic_xchg(&rq->locked, 1))
		while (atomic_read(&rq->locked))
			cpu_relax();
	return flags;
}

static void rq_unlock(struct runqueue *rq, u64 flags)
{
	smp_store_release(&rq->locked.v, 0);
	irq_restore(flags);
}

/* One CPU runs tasks now; every task belongs to its queue. */
static struct runqueue *task_rq(const struct task *t)
{
	(void)t;
	return &runqueues[0];
}

static void enqueue(struct runqueue *rq, struct task *t)
{
	struct list_head *at = rq->tasks.prev;

	while (at != &rq->tasks && list_entry(at, struct task, run_node)->vruntime > t->vruntime)
		at = at->prev;
	list_add(&t->run_node, at);
}

/* Charge the time since the last look to the running task. Queue locked or interrupts off. */
static void account(struct task *t, u64 now, bool user)
{
	u64 used = now - t->run_start;

	t->run_start = now;
	t->runtime_ns += used;
	*(user ? &t->utime_ns : &t->stime_ns) += used;
	if (likely(!(t->nice | t->policy)))
		t->vruntime += used;
	else
		t->vruntime += used * 1024 / weight(t->policy == SCHED_IDLE ? 19 : t->nice);
}

void sched_account(bool user)
{
	if (current == this_cpu()->idle)
		return;
	account(current, ktime_ns(), user);
	cputimer_tick();
}

/*
 * Load averages as /proc/loadavg gives them: every 5 s the number of tasks that run or want to goes into three
 * exponential means, of 1, 5 and 15 minutes; fixed point, 1/2048. The factors are 2048 * exp(-5 s / period).
 */
static u64 load_averages[3], next_load_ns;	/* run queue's lock */
#define LOAD_PERIOD_NS 5000000000UL

static void update_load(struct runqueue *rq)
{
	static const u64 factors[3] = { 1884, 2014, 2037 };
	u64 now = ktime_ns(), active = current != this_cpu()->idle;
	struct task *t;

	if (now < next_load_ns)
		return;
	next_load_ns = now + LOAD_PERIOD_NS;
	list_for_each(t, &rq->tasks, run_node)
		active++;
	for (int i = 0; i < 3; i++)
		load_averages[i] = (load_averages[i] * factors[i] + active * 2048 * (2048 - factors[i])) / 2048;
}

void sched_load(u64 hundredths[3])
{
	for (int i = 0; i < 3; i++)
		hundredths[i] = (READ_ONCE(load_averages[i]) * 100 + 1024) / 2048;
}

void sched_tick(void)
{
	struct runqueue *rq = &runqueues[this_cpu()->id];
	u64 flags = rq_lock(rq);

	update_load(rq);
	if (!list_empty(&rq->tasks) && (current == this_cpu()->idle ||
	    list_first(&rq->tasks, struct task, run_node)->vruntime < current->vruntime))
		this_cpu()->need_resched = 1;
	rq_unlock(rq, flags);
}

static bool wake_locked(struct runqueue *rq, struct task *t)
{
	struct cpu *cpu = &cpus[0];
	u64 floor = rq->min_vruntime > SLEEPER_CREDIT_NS ? rq->min_vruntime - SLEEPER_CREDIT_NS : 0;

	t->state = TASK_RUNNABLE;
	if (t->on_cpu || !list_empty(&t->run_node))
		return true;		/* it had not gone to sleep yet */
	t->vruntime = max(t->vruntime, floor);
	enqueue(rq, t);
	if (cpu->task == cpu->idle || t->vruntime + WAKEUP_GRAIN_NS < cpu->task->vruntime)
		cpu->need_resched = 1;
	return true;
}

bool task_wake(struct task *t)
{
	struct runqueue *rq = task_rq(t);
	u64 flags;
	bool woken;

	preempt_disable();
	flags = rq_lock(rq);
	woken = t->state != TASK_RUNNABLE && t->state != TASK_DEAD && wake_locked(rq, t);
	rq_unlock(rq, flags);
	preempt_enable();
	return woken;
}

bool task_wake_signal(struct task *t, bool is_fatal)
{
	struct runqueue *rq = task_rq(t);
	u64 flags;
	bool woken;

	preempt_disable();
	flags = rq_lock(rq);
	woken = (t->state == TASK_SLEEPING || (is_fatal && t->state == TASK_SLEEPING_KILLABLE)) && wake_locked(rq, t);
	rq_unlock(rq, flags);
	preempt_enable();
	return woken;
}

/* After a switch, as the task that came: the queue is still locked by who left. */
static void finish_switch(struct runqueue *rq)
{
	struct task *dead = rq->dead;

	rq->dead = NULL;
	rq_unlock(rq, 0x200);		/* interrupts on: every task switches with them on */
	if (dead)
		task_free(dead);
}

static void load_task(struct task *prev, struct task *next)
{
	if (prev->fpu && prev->state != TASK_DEAD)
		fpu_save(prev->fpu);
	if (prev->mm) {
		prev->fs_base = rdmsr(MSR_FS_BASE);	/* a program may also load the segment register */
		prev->gs_base = rdmsr(MSR_KERNEL_GS_BASE);
	}
	if (next->fpu)
		fpu_restore(next->fpu);
	if (next->mm) {
		wrmsr(MSR_FS_BASE, next->fs_base);
		wrmsr(MSR_KERNEL_GS_BASE, next->gs_base);
	}
	mm_switch(next->mm);
	cpu_set_kstack(next->kstack_top);
}

static void switch_tasks(bool preempted)
{
	struct cpu *cpu = this_cpu();
	struct runqueue *rq = &runqueues[cpu->id];
	struct task *prev = cpu->task, *next = cpu->idle;
	u64 now;

	rq_lock(rq);
	now = ktime_ns();
	cpu->need_resched = 0;
	if (prev != cpu->idle) {
		account(prev, now, false);
		if (prev->state == TASK_RUNNABLE || preempted)
			enqueue(rq, prev);
	}
	if (!list_empty(&rq->tasks)) {
		next = list_first(&rq->tasks, struct task, run_node);
		list_del(&next->run_node);
		rq->min_vruntime = max(rq->min_vruntime, next->vruntime);
	}
	next->run_start = now;
	if (next == prev) {
		rq_unlock(rq, 0x200);
		return;
	}
	/* Preempted between the change of its state and schedule(), a dead task is still on the queue: not to be freed yet. */
	if (prev->state == TASK_DEAD && !preempted)
		rq->dead = prev;
	*(preempted || prev->state == TASK_RUNNABLE ? &prev->nr_preemptions : &prev->nr_switches) += 1;
	cpu->nr_switches++;
	trace(TRACE_SWITCH, next->tid, prev->state, preempted);
	prev->on_cpu = 0;
	next->on_cpu = 1;
	cpu->task = next;
	load_task(prev, next);
	switch_to(&prev->saved_rsp, next->saved_rsp);
	finish_switch(&runqueues[this_cpu()->id]);
}

void schedule(void)
{
	might_sleep();
	preempt_disable();
	switch_tasks(false);
	preempt_enable();
}

void schedule_preempt(void)
{
	do {
		preempt_disable();
		switch_tasks(true);
		__asm__ volatile("decl %%gs:32" ::: "memory", "cc");
	} while (this_cpu()->need_resched);
}

void sched_yield_cpu(void)
{
	struct runqueue *rq = &runqueues[0];
	u64 flags = rq_lock(rq);

	if (!list_empty(&rq->tasks))	/* behind the one that would run next */
		current->vruntime = max(current->vruntime, list_first(&rq->tasks, struct task, run_node)->vruntime + 1);
	rq_unlock(rq, flags);
	schedule();
}

/* --- birth and death --- */

/* entry.asm, on a new task's first run: the frame to go to user mode with; a kernel thread runs its function. */
struct trapframe *schedule_tail(void);
struct trapframe *schedule_tail(void)
{
	struct task *t;

	finish_switch(&runqueues[this_cpu()->id]);
	preempt_enable();
	t = current;
	if (t->kthread_fn) {
		t->kthread_fn(t->kthread_arg);
		task_exit(0);
	}
	return (struct trapframe *)t->kstack_top - 1;
}

struct task *task_alloc(void)
{
	struct task *t = kzalloc(sizeof(*t));

	if (!t)
		return NULL;
	t->kstack_top = kstack_alloc();
	if (!t->kstack_top) {
		kfree(t);
		return NULL;
	}
	t->state = TASK_SLEEPING_HARD;
	t->nice = current->nice;
	list_init(&t->run_node);
	list_init(&t->pending.queue);
	list_init(&t->thread_node);
	return t;
}

void task_free(struct task *t)
{
	fpu_free(t->fpu);
	kstack_free(t->kstack_top);
	kfree(t);
}

void task_start(struct task *t)
{
	/* What switch_to pops: six registers and the return address, below the frame, aligned as after a call. */
	u64 *stack = (u64 *)(t->kstack_top - sizeof(struct trapframe)) - 8;

	memset(stack, 0, 8 * sizeof(u64));
	stack[6] = (u64)ret_from_fork;
	t->saved_rsp = (u64)stack;
	t->vruntime = runqueues[0].min_vruntime;
	task_wake(t);
}

struct task *kthread_start(const char *name, void (*fn)(void *arg), void *arg)
{
	struct task *t = task_alloc();

	if (!t)
		return NULL;
	str_copy(t->name, name, sizeof(t->name));
	t->flags = TF_KTHREAD;
	t->process = &kernel_process;
	t->kthread_fn = fn;
	t->kthread_arg = arg;
	task_attach(t);
	task_start(t);
	return t;
}

void sched_idle(void)
{
	str_copy(current->name, "idle", sizeof(current->name));
	this_cpu()->preempt_count = 0;
	for (;;) {
		irq_disable();
		if (this_cpu()->need_resched) {
			irq_enable();
			schedule();
		} else {
			__asm__ volatile("sti; hlt");
		}
	}
}

