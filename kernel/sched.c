/*
 * The scheduler: one run queue per CPU (kernel/runqueue.h), fair by virtual run time. On which CPU a task runs is balance.c's story.
 *
 * A task on a queue waits in order of vruntime; the smallest runs next. schedule() puts the current task back if it
 * is still runnable, takes the first and switches. The run queue's lock is held from the choice until the task that comes runs
 * (finish_switch): who sees a task off its CPU under that lock knows that its registers are saved.
 *
 * Sleeping: a task sets its state, tests its condition, calls schedule(). A wake-up in between sets the state back
 * under the queue's lock, and schedule() finds the task runnable. Being preempted in between is harmless too:
 * schedule_preempt() keeps the task on the queue whatever its state says.
 */
#include "kernel/runqueue.h"

#include "kernel/explore.h"
#include "kernel/kstack.h"
#include "kernel/printk.h"
#include "kernel/proc_syscalls.h"
#include "kernel/smp.h"
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

struct runqueue runqueues[NR_CPUS];

extern char ret_from_fork[];

/* Weight of a nice level relative to level 0, in 1/1024: each step is about a quarter (as POSIX systems do). */
static __attribute__((noinline)) u64 weight(int nice)
{
	u64 w = 1024;

	for (; nice < 0; nice++)
		w = w * 5 / 4;
	for (; nice > 0; nice--)
		w = w * 4 / 5;
	return max(w, 8UL);
}

/* t->cpu changes only while t is on no queue and no CPU, or with its queue locked. */
struct runqueue *task_rq_lock(struct task *t)
{
	for (;;) {
		int cpu = READ_ONCE(t->cpu);
		struct runqueue *rq = &runqueues[cpu];
		rq_lock_irqs_off(rq);
		if (likely(cpu == READ_ONCE(t->cpu)))
			return rq;
		rq_unlock_irqs_off(rq);
	}
}

void enqueue(struct runqueue *rq, struct task *t)
{
	struct list_head *at = rq->tasks.prev;

	while (at != &rq->tasks && list_entry(at, struct task, run_node)->vruntime > t->vruntime)
		at = at->prev;
	list_add(&t->run_node, at);
	ADD_ONCE(rq->nr, 1);
}

void dequeue(struct runqueue *rq, struct task *t)
{
	list_del(&t->run_node);
	ADD_ONCE(rq->nr, -1);
}

void resched_cpu(int cpu)
{
	if (cpu == cpu_id())
		cpus[cpu].need_resched |= RESCHED_DUE;
	else if (!(READ_ONCE(cpus[cpu].need_resched) & RESCHED_DUE))
		smp_kick(cpu);
}

/* Charge the time since the last look to t, which runs on this CPU. Queue locked or interrupts off. */
static inline __attribute__((always_inline)) void account(struct cpu *cpu, struct task *t, u64 now, bool user)
{
	u64 used = now - t->run_start;

	t->run_start = now;
	ADD_ONCE(*(user ? &t->utime_ns : &t->stime_ns), used);
	ADD_ONCE(*(user ? &cpu->user_ns : &cpu->system_ns), used);
	if (likely(!(t->nice | t->policy)))
		ADD_ONCE(t->vruntime, used);	/* who wakes a task for this CPU looks at it */
	else
		ADD_ONCE(t->vruntime, used * 1024 / weight(t->policy == SCHED_IDLE ? 19 : t->nice));
}

void sched_account(bool user)
{
	struct cpu *cpu = this_cpu();

	if (cpu->task == cpu->idle)
		return;
	account(cpu, cpu->task, ktime_ns(), user);
	cputimer_tick();
}

void sched_tick(void)
{
	struct cpu *cpu = this_cpu();
	struct runqueue *rq = &runqueues[cpu->id];

	load_update();
	rq_lock_irqs_off(rq);
	balance_tick(rq);
	if (rq->nr && (current == cpu->idle || list_first(&rq->tasks, struct task, run_node)->vruntime < current->vruntime))
		cpu->need_resched |= RESCHED_DUE;
	rq_unlock_irqs_off(rq);
}

/* --- waking --- */

/* Make t runnable, which sleeps or is about to. Its queue is locked, and free on return. */
static inline __attribute__((always_inline)) void wake_locked(struct runqueue *rq, struct task *t)
{
	struct cpu *where;
	int cpu;
	u64 base;

	WRITE_ONCE(t->state, TASK_RUNNABLE);
	if (t->on_cpu || !list_empty(&t->run_node)) {	/* it had not gone to sleep yet */
		rq_unlock_irqs_off(rq);
		return;
	}
	cpu = nr_cpus_online == 1 ? t->cpu : place_task(t);
	if (unlikely(cpu != t->cpu)) {	/* runnable, on no queue: it is ours alone */
		rq_unlock_irqs_off(rq);
		change_queue(t, cpu);
		rq = &runqueues[cpu];
		rq_lock_irqs_off(rq);
	}
	base = rq->min_vruntime;
	if (base > SLEEPER_CREDIT_NS)
		t->vruntime = max(t->vruntime, base - SLEEPER_CREDIT_NS);
	enqueue(rq, t);
	where = &cpus[cpu];
	if (where->task == where->idle || t->vruntime + WAKEUP_GRAIN_NS < READ_ONCE(where->task->vruntime))
		resched_cpu(cpu);
	rq_unlock_irqs_off(rq);
}

/* The end of a wake-up: whoever was woken may have to run now. Interrupts off are enough to be alone before: 10 instructions less than a count, too. */
static inline void wake_end(u64 flags)
{
	irq_restore(flags);
	preempt_if_due();
}

bool task_wake_irqs_off(struct task *t)
{
	struct runqueue *rq = task_rq_lock(t);
	bool asleep = READ_ONCE(t->state) != TASK_RUNNABLE && READ_ONCE(t->state) != TASK_DEAD;

	if (likely(asleep))
		wake_locked(rq, t);
	else
		rq_unlock_irqs_off(rq);
	return asleep;
}

bool task_wake(struct task *t)
{
	u64 flags = irq_save();
	bool asleep = task_wake_irqs_off(t);

	wake_end(flags);
	return asleep;
}

bool task_wake_signal(struct task *t, bool is_fatal)
{
	u64 flags = irq_save();
	struct runqueue *rq = task_rq_lock(t);
	bool asleep = READ_ONCE(t->state) == TASK_SLEEPING || (is_fatal && READ_ONCE(t->state) == TASK_SLEEPING_KILLABLE);
	if (asleep) {
		wake_locked(rq, t);
	} else {
		if (t->on_cpu && t != current)
			smp_interrupt(t->cpu);	/* it may be in user mode: TF_SIGPENDING is looked at on the way back there */
		rq_unlock_irqs_off(rq);
	}
	wake_end(flags);
	return asleep;
}

/* --- switching --- */

/* The task that left is dead, or may not run here any more. */
static __attribute__((noinline)) void finish_last(struct runqueue *rq)
{
	struct task *dead = rq->dead, *moving = rq->moving;

	rq->dead = rq->moving = NULL;
	rq_unlock_irqs_off(rq);
	if (moving)
		move_task(moving, place_task(moving));
	irq_enable();
	if (dead)
		task_free(dead);
}

/* After a switch, as the task that came: the queue is still locked by who left. Interrupts are off before and on afterwards. */
static inline void finish_switch(struct runqueue *rq)
{
	struct mm *left = rq->left;

	rq->left = NULL;
	if (likely(!rq->dead && !rq->moving)) {
		rq_unlock_irqs_off(rq);
		irq_enable();		/* every task switches with them on */
	} else {
		finish_last(rq);
	}
	if (left)
		mm_ref_put(left);
}

/* Returns the address space that is not loaded any more, or NULL. */
static struct mm *load_task(struct task *prev, struct task *next)
{
	if (prev->fpu && READ_ONCE(prev->state) != TASK_DEAD)
		fpu_save(prev->fpu);
	if (next->fpu)
		fpu_restore(next->fpu);
	/* Asked for what they are: a program may also load the segment register, and a kernel thread leaves what it finds. */
	prev->fs_base = rdmsr(MSR_FS_BASE);
	prev->gs_base = rdmsr(MSR_KERNEL_GS_BASE);
	if (next->mm) {
		if (next->fs_base != prev->fs_base)
			wrmsr(MSR_FS_BASE, next->fs_base);
		if (next->gs_base != prev->gs_base)
			wrmsr(MSR_KERNEL_GS_BASE, next->gs_base);
	}
	cpu_set_kstack(next->kstack_top);
	return mm_switch(next->mm);
}

/* Run on next's stack. When prev runs again its registers are not what they were, but for rbp: so the compiler saves those it needs, once (kernel/switch.asm). */
static inline __attribute__((always_inline)) void switch_stacks(struct task *prev, struct task *next)
{
	u64 *save = &prev->saved_rsp, rsp = next->saved_rsp;

	__asm__ volatile("call switch_to" : "+D"(save), "+S"(rsp)
			 :: "rax", "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc");
}

/* The running task goes back on the queue, unless this is not its CPU any more. */
static void put_back(struct runqueue *rq, struct task *prev)
{
	if (unlikely(!(prev->cpus_allowed & BIT(prev->cpu)) && prev->cpus_allowed & cpus_online()))
		rq->moving = prev;
	else
		enqueue(rq, prev);
}

/* The first of the queue; if that is empty one that waits elsewhere; or the idle task. */
static struct task *pick_next(struct runqueue *rq, struct cpu *cpu)
{
	struct task *next;

	if (!rq->nr && (nr_cpus_online == 1 || !steal_task(rq, 1))) {
		idle_enter(cpu->id);
		return cpu->idle;
	}
	next = unlikely(explore_flag) ? explore_choose(&rq->tasks) : list_first(&rq->tasks, struct task, run_node);
	dequeue(rq, next);
	WRITE_ONCE(rq->min_vruntime, max(rq->min_vruntime, next->vruntime));
	return next;
}

static void switch_tasks(bool preempted)
{
	struct cpu *cpu = this_cpu();
	struct runqueue *rq = cpu->rq;		/* not computed from cpu->id anew at each use: 16 instructions */
	struct task *prev = cpu->task, *next;
	bool stays;
	u64 now;

	irq_disable();
	rq_lock_irqs_off(rq);
	stays = preempted || prev->state == TASK_RUNNABLE;	/* until it has left: no wake-up comes without the lock */
	now = ktime_ns();
	WRITE_ONCE(cpu->need_resched, explore_flag);
	if (prev == cpu->idle) {
		idle_leave(cpu->id);
	} else {
		account(cpu, prev, now, false);
		if (stays)
			put_back(rq, prev);
	}
	next = pick_next(rq, cpu);
	next->run_start = now;
	if (next == prev) {
		rq_unlock_irqs_off(rq);
		irq_enable();
		return;
	}
	if (prev == cpu->idle)
		tick_restart(now);
	if (stays) {		/* a dead task, too, that was preempted between the change of its state and schedule(): not to be freed yet */
		prev->nr_preemptions++;
	} else {
		prev->nr_switches++;
		if (prev->state == TASK_DEAD)
			rq->dead = prev;
	}
	cpu->nr_switches++;
	trace(TRACE_SWITCH, next->tid, READ_ONCE(prev->state), preempted);
	prev->on_cpu = 0;
	next->on_cpu = 1;
	WRITE_ONCE(cpu->task, next);
	rq->left = load_task(prev, next);
	switch_stacks(prev, next);
	finish_switch(this_cpu()->rq);
}

void schedule(void)
{
	might_sleep();
	preempt_off();
	switch_tasks(false);
	preempt_on();
}

/*
 * Interrupts are off whenever preemption is allowed in here: else an interrupt would preempt this preemption, and the next one that, until the
 * stack is full (tests/suite_smp.py, interrupt_storm).
 */
void schedule_preempt(void)
{
	u64 flags = irq_save();

	do {
		preempt_disable();
		switch_tasks(true);
		irq_disable();
		__asm__ volatile("decl %%gs:32" ::: "memory", "cc");
	} while (resched_due());
	irq_restore(flags);
}

void preempt_here(void)
{
	if (likely(!explore_flag) || explore_event())
		schedule_preempt();
}

void sched_yield_cpu(void)
{
	u64 flags = irq_save();
	struct runqueue *rq = &runqueues[cpu_id()];

	rq_lock_irqs_off(rq);
	if (rq->nr)			/* behind the one that would run next */
		current->vruntime = max(current->vruntime, list_first(&rq->tasks, struct task, run_node)->vruntime + 1);
	rq_unlock_irqs_off(rq);
	irq_restore(flags);
	if (unlikely(explore_flag))
		explore_yield();
	schedule();
}

/* --- birth and death --- */

/* entry.asm, on a new task's first run: the frame to go to user mode with; a kernel thread runs its function. */
struct trapframe *schedule_tail(void);
struct trapframe *schedule_tail(void)
{
	struct task *t;

	finish_switch(&runqueues[cpu_id()]);
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
	t->cpu = cpu_id();
	t->cpus_allowed = current->cpus_allowed;
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
	/* What switch_to pops: rbp and the return address, below the frame, aligned as after a call. */
	u64 *stack = (u64 *)(t->kstack_top - sizeof(struct trapframe)) - 3;

	stack[0] = stack[2] = 0;
	stack[1] = (u64)ret_from_fork;
	t->saved_rsp = (u64)stack;
	t->vruntime = READ_ONCE(runqueues[t->cpu].min_vruntime);
	task_wake(t);
}

struct task *kthread_start(const char *name, void (*fn)(void *arg), void *arg)
{
	struct task *t = task_alloc();

	if (!t)
		return NULL;
	str_copy(t->name, name, sizeof(t->name));
	t->flags = TF_KTHREAD;
	t->cpus_allowed = ~0UL;
	t->process = &kernel_process;
	t->kthread_fn = fn;
	t->kthread_arg = arg;
	task_attach(t);
	task_start(t);
	return t;
}

void sched_init(void)
{
	for (int cpu = 0; cpu < NR_CPUS; cpu++) {
		list_init(&runqueues[cpu].tasks);
		cpus[cpu].rq = &runqueues[cpu];
	}
}

void sched_idle(void)
{
	struct cpu *cpu = this_cpu();

	str_copy(current->name, "idle", sizeof(current->name));
	idle_enter(cpu->id);
	cpu->preempt_count = 0;
	for (;;) {
		irq_disable();
		if (READ_ONCE(cpu->need_resched) & RESCHED_DUE) {
			irq_enable();
			schedule();
		} else {
			__asm__ volatile("sti; hlt");
		}
	}
}
