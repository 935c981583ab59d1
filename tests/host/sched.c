/*
 * Tasks, simulated CPUs and time for the hosted tests.
 *
 * One task runs at a time, each on a CPU of its own; host_preempt() is called before every atomic operation, lock and
 * unlock, and may let any other runnable task go on from where it is. Who that is, explore.c decides. Interrupts
 * do not exist but for calls from other CPUs, which wait while interrupts are off there. Nobody able to run is a deadlock.
 */
#include "sched.h"

#include "kernel/smp.h"
#include "kernel/time.h"

struct host_task host_tasks[MAX_TASKS];
struct host_task *host_running;
static struct host_task idle;		/* whoever an interrupt finds on a CPU without a task */
struct cpu cpus[NR_CPUS] = { [0 ... NR_CPUS - 1] = { .idle = &idle.t } };
int nr_cpus_online = NR_CPUS;
static u64 now_ns = 1000000000;
unsigned long host_preemptions;
void (*host_on_deadlock)(void);
struct cpu_features cpu_features = { .nx = true, .smap = true, .smep = true };
struct spinlock tasklist_lock = SPINLOCK_INIT("tasklist", RANK_TASKLIST);
struct list_head process_list = LIST_INIT(process_list);

/* --- the processor --- */
static struct cpu *visiting;		/* whose interrupt runs now, on behalf of a caller elsewhere */

struct cpu *this_cpu(void) { return visiting ? visiting : host_running->cpu; }
struct task *get_current(void)
{
	struct task *task = this_cpu()->task;
	return task ? task : visiting->idle;
}
u64 ktime_ns(void) { return now_ns; }
u64 realtime_ns(void) { return now_ns; }
u64 recent_realtime_ns;
u64 rdtsc(void) { return now_ns; }

u64 irq_save(void)
{
	struct cpu *cpu = this_cpu();
	u64 flags = cpu->irqs_off ? 0 : 0x200;
	cpu->irqs_off = true;
	return flags;
}
void irq_restore(u64 flags) { this_cpu()->irqs_off = !(flags & 0x200); }
void irq_disable(void) { this_cpu()->irqs_off = true; }
void irq_enable(void) { this_cpu()->irqs_off = false; }
bool irqs_off(void) { return this_cpu()->irqs_off; }

void smp_call(u64 set, void (*fn)(void *arg), void *arg)
{
	struct cpu *me = this_cpu();
	if (visiting || me->irqs_off)
		host_fail("INV-S4: smp_call with interrupts off");
	if (!me->preempt_count)
		host_fail("smp_call with preemption enabled");
	tso_drain(host_running, 0);
	for (int id = 0; id < NR_CPUS; id++) {
		struct cpu *cpu = &cpus[id];
		if (!(set & BIT(id)) || cpu == me)
			continue;
		host_preempt("smp_call");
		while (cpu->irqs_off)
			host_pick("smp_call waits", true);
		visiting = cpu;
		cpu->preempt_count++;
		cpu->irqs_off = true;
		fn(arg);
		cpu->irqs_off = false;
		cpu->preempt_count--;
		visiting = NULL;
	}
}
void smp_kick(int cpu) { (void)cpu; }
void smp_interrupt(int cpu) { (void)cpu; }

/* --- who can run --- */
bool host_can_run(const struct host_task *h)
{
	if (!h->used || h->ended)
		return false;
	if (h->spinning)
		return !h->spinning->locked.v;
	if (h->joining)
		return h->joining->ended;
	return h->preempted || h->t.state == TASK_RUNNABLE;
}

unsigned host_others(struct host_task **able)
{
	unsigned n = 0;
	for_each_task(h)
		if (h != host_running && host_can_run(h))
			able[n++] = h;
	return n;
}

/* Nobody can run: let time pass to the next deadline; false if there is none. */
static bool pass_time(void)
{
	struct host_task *first = NULL;
	for_each_task(h)
		if (h->used && !h->ended && h->deadline && (!first || h->deadline < first->deadline))
			first = h;
	if (!first)
		return false;
	now_ns = max(now_ns, first->deadline);
	first->deadline = 0;
	first->t.state = TASK_RUNNABLE;
	return true;
}

static void maybe_migrate(void);
static void switch_to(struct host_task *next, const char *where)
{
	struct host_task *prev = host_running;
	if (next == prev)
		return;
	trace_add(prev->t.name, where);
	host_running = next;
	fiber_switch(prev->fiber, next->fiber);
}

void host_pick(const char *where, bool yield)
{
	struct host_task *able[MAX_TASKS];
	if (visiting)
		host_fail("an interrupt waits (%s)", where);
	host_running->where = where;
	now_ns += 100;
	for_each_task(h)
		if (h->used && h->deadline && h->deadline <= now_ns)
			task_wake(&h->t);
	for (;;) {
		unsigned n = host_others(able);
		if (n) {
			switch_to(explore_next(able, n, yield), where);
			return;
		}
		if (host_can_run(host_running))
			return;
		if (!tso_drain_all() && !pass_time()) {
			if (host_on_deadlock)
				host_on_deadlock();
			host_fail("deadlock: no task can run");
		}
	}
}

void host_access(const char *where, const void *object, bool write)
{
	if (!host_running || visiting)
		return;
	struct host_task *me = host_running, *next = explore_preempt(object, write);
	if (!next)
		return;
	now_ns += 100;
	me->where = where;
	me->preempted = true;
	switch_to(next, where);
	me->preempted = false;
	maybe_migrate();
}

void host_preempt(const char *where) { host_access(where, NULL, true); }
void cpu_relax(void) { host_pick("cpu_relax", true); }
void sched_yield_cpu(void) { host_pick("yield", true); }

/* --- sleeping and waking --- */
void host_can_sleep(const char *what)
{
	struct host_task *me = host_running;
	if (visiting || me->cpu->irqs_off)
		host_fail("%s with interrupts off", what);
	if (me->nr_spins)
		host_fail("%s with a spinlock held (%s)", what, me->held[me->nr_held - 1].name);
	if (me->t.pagefault_disabled)
		host_fail("%s with page faults disabled", what);
	if (me->cpu->preempt_count)
		host_fail("%s with preemption disabled", what);
}
void might_sleep(void)
{
	host_can_sleep("might_sleep");
	host_preempt("might_sleep");
}

void schedule(void)
{
	struct host_task *me = host_running;
	host_can_sleep("sleeping");
	host_preempt("schedule");
	if (!host_lenient_faults && me->t.state != TASK_RUNNABLE && me->t.waits_for.object)
		for (int i = 0; i < me->nr_held; i++)
			if (me->held[i].rank == RANK_MMAP)
				host_fail("INV-T5, W7: sleeps for a page lock with mmap_lock held");
	tso_drain(me, 0);		/* the run queue's lock */
	if (me->t.state == TASK_RUNNABLE)
		host_pick("schedule", true);
	while (me->t.state != TASK_RUNNABLE)
		host_pick("schedule", false);
	maybe_migrate();
}

bool schedule_until(u64 deadline_ns)
{
	if (now_ns >= deadline_ns) {
		host_running->t.state = TASK_RUNNABLE;
		return false;
	}
	host_running->deadline = deadline_ns;
	schedule();
	host_running->deadline = 0;
	return now_ns < deadline_ns;
}
int sleep_until_ns(u64 deadline_ns, enum wait_mode mode)
{
	(void)mode;
	host_running->t.state = TASK_SLEEPING_HARD;
	schedule_until(deadline_ns);
	return 0;
}

bool task_wake(struct task *task)
{
	bool asleep = task->state != TASK_RUNNABLE && task->state != TASK_DEAD;
	if (asleep) {
		task->state = TASK_RUNNABLE;
		container_of(task, struct host_task, t)->deadline = 0;
	}
	return asleep;
}
bool task_wake_irqs_off(struct task *task) { return task_wake(task); }
bool task_wake_signal(struct task *task, bool fatal)
{
	if (task->state == TASK_SLEEPING || (fatal && task->state == TASK_SLEEPING_KILLABLE))
		return task_wake(task);
	return false;
}

/* --- the life of a task --- */

/* As a switch of tasks does it: interrupts off, and the old address space dropped when that is over. */
static void load_mm(struct mm *mm)
{
	u64 flags = irq_save();
	struct mm *left = mm_switch(mm);
	irq_restore(flags);
	if (left)
		mm_ref_put(left);
}
void host_set_mm(struct mm *mm)
{
	host_running->t.mm = mm;
	load_mm(mm);
}

void host_run_on(int id)
{
	struct host_task *me = host_running;
	struct mm *mm = me->t.mm;
	if (cpus[id].task)
		host_fail("CPU %d is taken", id);
	me->moving = true;
	cpus[id].self = &cpus[id];
	cpus[id].id = id;
	cpus[id].task = &me->t;
	load_mm(NULL);
	me->cpu->task = NULL;
	me->cpu = &cpus[id];
	load_mm(mm);
	me->moving = false;
}
/* Where the scheduler could move the task, it does now and then, to a CPU that others may have just left. */
static void maybe_migrate(void)
{
	struct host_task *me = host_running;
	unsigned id;
	if (me->nr_spins || me->cpu->preempt_count || me->cpu->irqs_off || visiting || me->moving || !explore_migrates())
		return;
	for (id = 0; id < MAX_TASKS && cpus[id].task; id++)
		;
	if (id == MAX_TASKS)
		return;
	host_run_on((int)id);
}

static void entry(void *arg)
{
	struct host_task *h = arg;
	load_mm(h->t.mm);
	h->fn(h->arg);
	if (h->nr_held)
		host_fail("task %s ended holding %s", h->t.name, h->held[h->nr_held - 1].name);
	if (h->t.pagefault_disabled || h->cpu->preempt_count || h->cpu->irqs_off)
		host_fail("task %s ended with faults, preemption or interrupts disabled", h->t.name);
	host_set_mm(NULL);
	tso_drain(h, 0);
	h->cpu->task = NULL;
	h->ended = true;
	for (;;)
		host_pick("end", false);
}

struct host_task *host_task_new(const char *name, void (*fn)(void *), void *arg)
{
	for_each_task(h) {
		int id = (int)(h - host_tasks);
		if (h->used)
			continue;
		if (h->fiber)
			fiber_free(h->fiber);
		memset(h, 0, sizeof(*h));
		h->used = true;
		str_copy(h->t.name, name, sizeof(h->t.name));
		h->t.tid = 100 + id;
		h->t.process = &h->p;
		h->p.pid = h->t.tid;
		for (int i = 0; i < RLIM_NLIMITS; i++)
			h->p.limits[i] = (struct rlimit64){ RLIM64_INFINITY, RLIM64_INFINITY };
		h->p.limits[RLIMIT_STACK].rlim_cur = 8 << 20;
		list_init(&h->p.threads);
		list_init(&h->t.thread_node);
		for (h->cpu = cpus; h->cpu->task; h->cpu++)
			;
		h->cpu->self = h->cpu;
		h->cpu->id = (int)(h->cpu - cpus);
		h->cpu->task = &h->t;
		h->fn = fn;
		h->arg = arg;
		h->fiber = fiber_create(entry, h);
		explore_spawned(h);
		return h;
	}
	host_fail("too many tasks");
}

struct task *host_spawn(const char *name, struct mm *mm, void (*fn)(void *), void *arg)
{
	struct host_task *h = host_task_new(name, fn, arg);
	h->t.mm = mm;
	return &h->t;
}
void host_spawn_daemon(const char *name, void (*fn)(void *), void *arg) { host_task_new(name, fn, arg)->daemon = true; }
struct task *kthread_start(const char *name, void (*fn)(void *arg), void *arg)
{
	struct host_task *h = host_task_new(name, fn, arg);
	h->daemon = true;
	h->t.flags = TF_KTHREAD;
	return &h->t;
}
void host_join(struct task *t)
{
	struct host_task *h = container_of(t, struct host_task, t);
	host_running->joining = h;
	while (!h->ended)
		host_pick("join", false);
	host_running->joining = NULL;
	h->used = false;		/* only now may its place be taken */
}
/* --- signals: only fatal ones --- */
bool fatal_signal_pending(const struct task *task) { return container_of(task, struct host_task, t)->killed; }
bool signal_pending(const struct task *task) { return fatal_signal_pending(task); }
void host_kill(struct task *t)
{
	container_of(t, struct host_task, t)->killed = true;
	task_wake_signal(t, true);
}
void host_revive(void) { host_running->killed = false; }
int signal_send(struct process *p, int sig, const siginfo_t *info)
{
	(void)info;
	if (sig == SIGKILL)
		host_kill(&container_of(p, struct host_task, p)->t);
	return 0;
}
int signal_send_task(struct task *t, int sig, const siginfo_t *info)
{
	return signal_send(t->process, sig, info);
}
