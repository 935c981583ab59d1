/*
 * Tasks, locks and wait queues for the hosted tests.
 *
 * One task runs at a time; host_preempt() is called before every atomic operation, lock and unlock and may
 * switch to any other runnable task, as if each had a CPU of its own (sequentially consistent). Checked on
 * the way: lock ranks, recursion, foreign unlock, sleeping under a spinlock or with page faults off, sleeping
 * for a page with mmap_lock held, and deadlock (nobody can run): then the schedule is printed.
 */
#include "host.h"
#include "kernel/cmdline.h"
#include "kernel/usermode.h"

#define MAX_TASKS 24
#define MAX_HELD 32
#define TRACE 120

struct held {
	enum held_kind kind;
	const void *object;
	u64 index;
	unsigned rank;
	const char *name;
};

struct host_task {
	struct task t;
	struct process p;
	struct cpu cpu;
	struct fiber *fiber;
	void (*fn)(void *);
	void *arg;
	bool used, ended, daemon;
	bool preempted;				/* switched away involuntarily: runs on whatever its state says */
	const struct spinlock *spinning;	/* waits for this lock */
	u64 deadline;				/* of a timed sleep; 0: none */
	bool killed;
	struct held held[MAX_HELD];
	int nr_held;
	int nr_spins;
	const char *where;
};

struct lock_waiter {
	struct list_head node;
	struct host_task *task;
	bool write, granted;
};

static struct host_task tasks[MAX_TASKS];
static struct host_task *running;
static u64 now_ns = 1000000000;
static u64 test_rng = 88172645463325252UL, sched_rng = 1;
static unsigned explore_rate;
unsigned long host_preemptions;
bool host_lenient_faults;
void (*host_on_deadlock)(void);
int nr_cpus_online = MAX_TASKS;
struct cpu_features cpu_features = { .nx = true, .smap = true, .smep = true };
struct spinlock tasklist_lock = SPINLOCK_INIT("tasklist", RANK_TASKLIST);
struct list_head process_list = LIST_INIT(process_list);
char cmdline[4096];

/* --- log, trace, failing --- */
static struct { const char *task, *where; } trace[TRACE];
static unsigned trace_next;
static char log_text[1 << 16];
static size_t log_len;

static void trace_add(const char *task, const char *where)
{
	trace[trace_next % TRACE].task = task;
	trace[trace_next++ % TRACE].where = where;
}

static const char *state_name(struct host_task *h)
{
	if (h->ended)
		return "ended";
	if (h->spinning)
		return h->spinning->name ? h->spinning->name : "spinlock";
	return h->t.state == TASK_RUNNABLE ? "runnable" : "asleep";
}

static void show_tasks(void)
{
	for (struct host_task *h = tasks; h < tasks + MAX_TASKS; h++) {
		if (!h->used || h->ended)
			continue;
		sys_printf("  task %s (%s at %s) holds:", h->t.name, state_name(h), h->where ? h->where : "?");
		for (int i = 0; i < h->nr_held; i++)
			sys_printf(" %s%s", h->held[i].name ? h->held[i].name : "?", h->held[i].kind == HELD_READ ? "(read)" : "");
		if (h->t.wait_page_mapping)
			sys_printf("; waits for page %lu of %s", (unsigned long)h->t.wait_page_index,
				   container_of(h->t.wait_page_mapping, struct hfile, mapping)->name);
		sys_printf("\n");
	}
}

void host_fail(const char *fmt, ...)
{
	__builtin_va_list ap;
	char buf[1024];
	explore_rate = 0;
	__builtin_va_start(ap, fmt);
	sys_vsnprintf(buf, sizeof(buf), fmt, ap);
	__builtin_va_end(ap);
	sys_printf("FAIL: %s\n", buf);
	sys_printf("  in task %s\n", running ? running->t.name : "main");
	show_tasks();
	if (trace_next) {
		sys_printf("  last switches:");
		for (unsigned i = trace_next > TRACE ? trace_next - TRACE : 0; i < trace_next; i++)
			sys_printf(" %s@%s", trace[i % TRACE].task, trace[i % TRACE].where);
		sys_printf("\n");
	}
	if (log_len)
		sys_printf("  log: %s\n", log_text + (log_len > 2000 ? log_len - 2000 : 0));
	volatile int *crash = NULL;
	if (sys_option("crash", 0))
		*crash = 1;			/* ASan prints the stack */
	sys_exit(1);
}

void panic(const char *fmt, ...)
{
	__builtin_va_list ap;
	char buf[1024];
	__builtin_va_start(ap, fmt);
	sys_vsnprintf(buf, sizeof(buf), fmt, ap);
	__builtin_va_end(ap);
	host_fail("panic: %s", buf);
}

void fatal(const char *fmt, ...)
{
	host_fail("fatal: %s", fmt);
}

void printk(const char *fmt, ...)
{
	__builtin_va_list ap;
	__builtin_va_start(ap, fmt);
	int n = sys_vsnprintf(log_text + log_len, sizeof(log_text) - log_len, fmt, ap);
	__builtin_va_end(ap);
	if (n > 0 && log_len + n < sizeof(log_text))
		log_len += n;
}

bool host_log_contains(const char *text)
{
	size_t n = strlen(text);
	for (size_t i = 0; i + n <= log_len; i++)
		if (!memcmp(log_text + i, text, n))
			return true;
	return false;
}
void host_log_clear(void) { log_len = 0; log_text[0] = 0; }
void symbol_name(const void *address, char *buf, size_t size) { sys_snprintf(buf, size, "%p", address); }
int ksnprintf(char *buf, size_t size, const char *fmt, ...)
{
	__builtin_va_list ap;
	__builtin_va_start(ap, fmt);
	int n = sys_vsnprintf(buf, size, fmt, ap);
	__builtin_va_end(ap);
	return n;
}
size_t str_copy(char *dst, const char *src, size_t size)
{
	size_t n = strlen(src);
	if (size) {
		size_t k = n < size - 1 ? n : size - 1;
		memcpy(dst, src, k);
		dst[k] = 0;
	}
	return n;
}
bool cmdline_get(const char *name, char *buf, size_t size) { (void)name; (void)buf; (void)size; return false; }
u64 cmdline_u64(const char *name, u64 def) { (void)name; return def; }

/* --- random numbers --- */
static u32 next_random(u64 *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s >> 16;
}
u32 host_random(u32 below) { return next_random(&test_rng) % below; }
void host_seed(u64 seed)
{
	test_rng = (seed + 1) * 0x9e3779b97f4a7c15UL;
	for (int i = 0; i < 8; i++)
		next_random(&test_rng);
}
void host_explore(u64 seed, unsigned rate)
{
	explore_rate = rate;
	sched_rng = (seed + 1) * 0xbf58476d1ce4e5b9UL | 1;
	for (int i = 0; i < 8; i++)
		next_random(&sched_rng);
	trace_next = 0;
}

/* --- the scheduler --- */
struct cpu *this_cpu(void) { return &running->cpu; }
struct task *get_current(void) { return &running->t; }
u64 ktime_ns(void) { return now_ns; }
u64 realtime_ns(void) { return now_ns; }
u64 rdtsc(void) { return now_ns; }

static bool can_run(struct host_task *h)
{
	if (!h->used || h->ended)
		return false;
	if (h->spinning)
		return !h->spinning->locked.v;
	return h->preempted || h->t.state == TASK_RUNNABLE;
}

/* Nobody can run: let time pass to the next deadline; false if there is none. */
static bool pass_time(void)
{
	struct host_task *first = NULL;
	for (struct host_task *h = tasks; h < tasks + MAX_TASKS; h++)
		if (h->used && !h->ended && h->deadline && (!first || h->deadline < first->deadline))
			first = h;
	if (!first)
		return false;
	if (now_ns < first->deadline)
		now_ns = first->deadline;
	first->deadline = 0;
	first->t.state = TASK_RUNNABLE;
	return true;
}

static void switch_to(struct host_task *next)
{
	struct host_task *prev = running;
	if (next == prev)
		return;
	running = next;
	fiber_switch(prev->fiber, next->fiber);
}

/* Run any other task that can, or the same one if it is the only one. */
static void pick(const char *where)
{
	running->where = where;
	now_ns += 100;
	for (struct host_task *h = tasks; h < tasks + MAX_TASKS; h++)
		if (h->used && h->deadline && h->deadline <= now_ns)
			task_wake(&h->t);
	for (;;) {
		struct host_task *able[MAX_TASKS];
		unsigned n = 0;
		for (struct host_task *h = tasks; h < tasks + MAX_TASKS; h++)
			if (can_run(h) && h != running)
				able[n++] = h;
		if (n) {
			struct host_task *next = able[next_random(&sched_rng) % n];
			trace_add(running->t.name, where);
			switch_to(next);
			return;
		}
		if (can_run(running))
			return;
		if (!pass_time()) {
			if (host_on_deadlock)
				host_on_deadlock();
			host_fail("deadlock: no task can run");
		}
	}
}

void host_preempt(const char *where)
{
	if (!running || !explore_rate)
		return;
	host_preemptions++;
	if (next_random(&sched_rng) % explore_rate)
		return;
	running->preempted = true;
	pick(where);
	running->preempted = false;
}

void cpu_relax(void) { pick("cpu_relax"); }

static void must_be_able_to_sleep(const char *what)
{
	if (running->nr_spins)
		host_fail("%s with a spinlock held (%s)", what, running->held[running->nr_held - 1].name);
	if (running->t.pagefault_disabled)
		host_fail("%s with page faults disabled", what);
	if (running->cpu.preempt_count)
		host_fail("%s with preemption disabled", what);
}
void might_sleep(void)
{
	must_be_able_to_sleep("might_sleep");
	host_preempt("might_sleep");
}

void schedule(void)
{
	must_be_able_to_sleep("sleeping");
	if (!host_lenient_faults && running->t.state != TASK_RUNNABLE && running->t.wait_page_mapping)
		for (int i = 0; i < running->nr_held; i++)
			if (running->held[i].rank == RANK_MMAP)
				host_fail("INV-T5, W7: sleeps for a page lock with mmap_lock held");
	pick("schedule");
	while (running->t.state != TASK_RUNNABLE)
		pick("schedule");
}
void sched_yield_cpu(void) { pick("yield"); }

bool task_wake(struct task *task)
{
	bool asleep = task->state != TASK_RUNNABLE;
	if (asleep && task->state != TASK_DEAD) {
		task->state = TASK_RUNNABLE;
		container_of(task, struct host_task, t)->deadline = 0;
	}
	return asleep;
}
bool task_wake_signal(struct task *task, bool fatal) { (void)fatal; return task_wake(task); }

static void entry(void *arg)
{
	struct host_task *h = arg;
	h->fn(h->arg);
	if (h->nr_held)
		host_fail("task %s ended holding %s", h->t.name, h->held[h->nr_held - 1].name);
	if (h->t.pagefault_disabled || h->cpu.preempt_count)
		host_fail("task %s ended with faults or preemption disabled", h->t.name);
	h->ended = true;
	for (;;)
		pick("end");
}

static struct host_task *task_new(const char *name, void (*fn)(void *), void *arg)
{
	for (struct host_task *h = tasks; h < tasks + MAX_TASKS; h++) {
		if (h->used)
			continue;
		if (h->fiber)
			fiber_free(h->fiber);
		memset(h, 0, sizeof(*h));
		h->used = true;
		str_copy(h->t.name, name, sizeof(h->t.name));
		h->t.tid = 100 + (int)(h - tasks);
		h->t.process = &h->p;
		h->p.pid = h->t.tid;
		for (int i = 0; i < RLIM_NLIMITS; i++)
			h->p.limits[i] = (struct rlimit64){ RLIM64_INFINITY, RLIM64_INFINITY };
		h->p.limits[RLIMIT_STACK].rlim_cur = 8 << 20;
		list_init(&h->p.threads);
		list_init(&h->t.thread_node);
		h->cpu.self = &h->cpu;
		h->cpu.id = (int)(h - tasks);
		h->fn = fn;
		h->arg = arg;
		h->fiber = fiber_create(entry, h);
		return h;
	}
	host_fail("too many tasks");
}

struct task *host_spawn(const char *name, struct mm *mm, void (*fn)(void *), void *arg)
{
	struct host_task *h = task_new(name, fn, arg);
	h->t.mm = mm;
	h->cpu.active_mm = mm;
	return &h->t;
}
void host_spawn_daemon(const char *name, void (*fn)(void *), void *arg) { task_new(name, fn, arg)->daemon = true; }
struct task *kthread_start(const char *name, void (*fn)(void *arg), void *arg)
{
	struct host_task *h = task_new(name, fn, arg);
	h->daemon = true;
	h->t.flags = TF_KTHREAD;
	return &h->t;
}
void host_join(struct task *t)
{
	struct host_task *h = container_of(t, struct host_task, t);
	while (!h->ended) {
		running->deadline = 0;
		pick("join");
		if (!h->ended) {
			/* Only us left to run? Then time must pass or everybody hangs. */
			bool other = false;
			for (struct host_task *o = tasks; o < tasks + MAX_TASKS; o++)
				other |= o != running && can_run(o);
			if (!other && !pass_time()) {
				if (host_on_deadlock)
					host_on_deadlock();
				host_fail("deadlock: %s never ends", t->name);
			}
		}
	}
	h->used = false;		/* only now may its place be taken */
}
void host_set_mm(struct mm *mm)
{
	running->t.mm = mm;
	running->cpu.active_mm = mm;
}

bool fatal_signal_pending(const struct task *task) { return container_of(task, struct host_task, t)->killed; }
bool signal_pending(const struct task *task) { return fatal_signal_pending(task); }
void host_kill(struct task *t)
{
	container_of(t, struct host_task, t)->killed = true;
	if (t->state == TASK_SLEEPING || t->state == TASK_SLEEPING_KILLABLE)
		task_wake(t);
}
int signal_send(struct process *p, int sig, const siginfo_t *info)
{
	(void)info;
	struct host_task *h = container_of(p, struct host_task, p);
	if (sig == SIGKILL)
		host_kill(&h->t);
	return 0;
}
int signal_send_task(struct task *t, int sig, const siginfo_t *info)
{
	return signal_send(t->process, sig, info);
}
int sleep_until_ns(u64 deadline_ns, enum wait_mode mode) { return wait_sleep_until(mode, deadline_ns) == -ERESTARTSYS ? -ERESTARTSYS : 0; }

/* --- what is held --- */
static void hold(enum held_kind kind, const void *object, u64 index, unsigned rank, const char *name, bool tried)
{
	for (int i = 0; i < running->nr_held; i++) {
		struct held *h = &running->held[i];
		bool same_ok = rank == h->rank && (rank == RANK_INODE || rank == RANK_TABLE_FILE || rank == RANK_TABLE_PROCESS);
		if (!tried && !host_lenient_faults && rank != RANK_NONE && h->rank != RANK_NONE && h->rank >= rank && !same_ok)
			host_fail("lock order: %s (rank %u) taken while %s (rank %u) is held", name, rank, h->name, h->rank);
	}
	if (running->nr_held == MAX_HELD)
		host_fail("too many locks held");
	running->held[running->nr_held++] = (struct held){ kind, object, index, rank, name };
	running->nr_spins += kind == HELD_SPIN;
}
static void unhold(enum held_kind kind, const void *object, u64 index, const char *name)
{
	for (int i = running->nr_held - 1; i >= 0; i--) {
		struct held *h = &running->held[i];
		if (h->object != object || h->index != index || h->kind != kind)
			continue;
		memmove(h, h + 1, (running->nr_held - 1 - i) * sizeof(*h));
		running->nr_held--;
		running->nr_spins -= kind == HELD_SPIN;
		return;
	}
	host_fail("%s released by %s, which does not hold it", name, running->t.name);
}
/* Page locks: the order is checked for what is taken below them; taking them is often a try. */
void held_add(enum held_kind kind, const void *object, u64 index, void *caller)
{
	(void)caller;
	unsigned rank = kind == HELD_PAGE ? ((const struct address_space *)object)->lock_rank : RANK_NONE;
	hold(kind, object, index, rank, kind == HELD_PAGE ? "page lock" : "held", true);
}
void held_remove(enum held_kind kind, const void *object, u64 index) { unhold(kind, object, index, "page lock"); }

/* --- preemption --- */
void preempt_disable(void) { running->cpu.preempt_count++; }
void preempt_enable(void)
{
	if (running->cpu.preempt_count-- <= 0)
		host_fail("preempt_enable without preempt_disable");
}

/* --- spinlocks: a task that finds one taken waits as a spinning CPU would --- */
void spin_init(struct spinlock *lock, const char *name, enum lock_rank rank)
{
	*lock = (struct spinlock)SPINLOCK_INIT(name, rank);
}
static void spin_take(struct spinlock *lock, bool tried)
{
	hold(HELD_SPIN, lock, 0, lock->rank, lock->name, tried);
	lock->locked.v = running->cpu.id + 1;
	lock->caller = NULL;
}
void spin_lock(struct spinlock *lock)
{
	host_preempt(lock->name);
	while (lock->locked.v) {
		if (lock->locked.v == running->cpu.id + 1)
			host_fail("spinlock %s taken twice", lock->name);
		running->spinning = lock;
		pick(lock->name);
		running->spinning = NULL;
	}
	spin_take(lock, false);
}
bool spin_trylock(struct spinlock *lock)
{
	host_preempt(lock->name);
	if (lock->locked.v)
		return false;
	spin_take(lock, true);
	return true;
}
void spin_unlock(struct spinlock *lock)
{
	unhold(HELD_SPIN, lock, 0, lock->name);
	lock->locked.v = 0;
	host_preempt(lock->name);
}
u64 spin_lock_irqsave(struct spinlock *lock) { spin_lock(lock); return 0; }
void spin_unlock_irqrestore(struct spinlock *lock, u64 flags) { (void)flags; spin_unlock(lock); }
bool spin_held(const struct spinlock *lock) { return lock->locked.v == running->cpu.id + 1; }

/* --- sleeping locks, first come first served, handed over directly; here state is the owner, or the number of readers --- */
static void lock_wait(struct list_head *waiters, bool write, const char *name)
{
	struct lock_waiter w = { .task = running, .write = write };
	list_add_tail(&w.node, waiters);
	while (!w.granted) {
		running->t.state = TASK_SLEEPING_HARD;
		pick(name);
	}
}
static void grant(struct lock_waiter *w)
{
	list_del(&w->node);
	w->granted = true;
	w->task->t.state = TASK_RUNNABLE;
}

void mutex_init(struct mutex *m, const char *name, enum lock_rank rank)
{
	memset(m, 0, sizeof(*m));
	list_init(&m->waiters);
	m->name = name;
	m->rank = rank;
}
void mutex_lock(struct mutex *m)
{
	must_be_able_to_sleep(m->name);
	host_preempt(m->name);
	if (m->state.v == (u64)&running->t)
		host_fail("mutex %s taken twice", m->name);
	hold(HELD_MUTEX, m, 0, m->rank, m->name, false);
	if (m->state.v)
		lock_wait(&m->waiters, true, m->name);
	m->state.v = (u64)&running->t;
}
bool mutex_trylock(struct mutex *m)
{
	host_preempt(m->name);
	if (m->state.v || !list_empty(&m->waiters))
		return false;
	hold(HELD_MUTEX, m, 0, m->rank, m->name, true);
	m->state.v = (u64)&running->t;
	return true;
}
void mutex_unlock(struct mutex *m)
{
	unhold(HELD_MUTEX, m, 0, m->name);
	if (list_empty(&m->waiters)) {
		m->state.v = 0;
	} else {
		struct lock_waiter *w = list_first(&m->waiters, struct lock_waiter, node);
		m->state.v = (u64)&w->task->t;
		grant(w);
	}
	host_preempt(m->name);
}
bool mutex_held(const struct mutex *m) { return m->state.v == (u64)&running->t; }

void rwsem_init(struct rwsem *s, const char *name, enum lock_rank rank)
{
	memset(s, 0, sizeof(*s));
	list_init(&s->waiters);
	s->name = name;
	s->rank = rank;
}
static void rwsem_grant(struct rwsem *s)
{
	while (!list_empty(&s->waiters) && !s->writer) {
		struct lock_waiter *w = list_first(&s->waiters, struct lock_waiter, node);
		if (w->write && s->state.v)
			return;
		if (w->write)
			s->writer = &w->task->t;
		else
			s->state.v++;
		grant(w);
	}
}
void down_read(struct rwsem *s)
{
	must_be_able_to_sleep(s->name);
	host_preempt(s->name);
	hold(HELD_READ, s, 0, s->rank, s->name, false);
	if (s->writer || !list_empty(&s->waiters))
		lock_wait(&s->waiters, false, s->name);
	else
		s->state.v++;
}
bool down_read_trylock(struct rwsem *s)
{
	host_preempt(s->name);
	if (s->writer || !list_empty(&s->waiters))
		return false;
	hold(HELD_READ, s, 0, s->rank, s->name, true);
	s->state.v++;
	return true;
}
void up_read(struct rwsem *s)
{
	unhold(HELD_READ, s, 0, s->name);
	s->state.v--;
	rwsem_grant(s);
	host_preempt(s->name);
}
void down_write(struct rwsem *s)
{
	must_be_able_to_sleep(s->name);
	host_preempt(s->name);
	hold(HELD_WRITE, s, 0, s->rank, s->name, false);
	if (s->writer || s->state.v || !list_empty(&s->waiters))
		lock_wait(&s->waiters, true, s->name);
	else
		s->writer = &running->t;
}
bool down_write_trylock(struct rwsem *s)
{
	host_preempt(s->name);
	if (s->writer || s->state.v || !list_empty(&s->waiters))
		return false;
	hold(HELD_WRITE, s, 0, s->rank, s->name, true);
	s->writer = &running->t;
	return true;
}
void up_write(struct rwsem *s)
{
	unhold(HELD_WRITE, s, 0, s->name);
	s->writer = NULL;
	rwsem_grant(s);
	host_preempt(s->name);
}
bool rwsem_held(const struct rwsem *s) { return s->writer || s->state.v; }

/* --- wait queues --- */
void wait_queue_init(struct wait_queue *wq) { *wq = (struct wait_queue)WAIT_QUEUE_INIT(*wq); }
void wait_prepare(struct wait_queue *wq, struct wait_entry *e, enum wait_mode mode, u64 key)
{
	e->task = &running->t;
	e->key = key;
	if (!wq->waiters.next)
		list_init(&wq->waiters);
	if (!e->node.next || list_empty(&e->node))
		list_add_tail(&e->node, &wq->waiters);
	running->t.state = mode == WAIT_INTERRUPTIBLE ? TASK_SLEEPING : mode == WAIT_KILLABLE ? TASK_SLEEPING_KILLABLE : TASK_SLEEPING_HARD;
}
void wait_finish(struct wait_queue *wq, struct wait_entry *e)
{
	(void)wq;
	if (e->node.next && !list_empty(&e->node))
		list_del(&e->node);
	running->t.state = TASK_RUNNABLE;
	host_preempt("wait_finish");
}
static bool interrupted(enum wait_mode mode) { return mode != WAIT_UNINTERRUPTIBLE && running->killed; }
int wait_sleep(enum wait_mode mode)
{
	if (interrupted(mode)) {
		running->t.state = TASK_RUNNABLE;
		return -ERESTARTSYS;
	}
	schedule();
	return interrupted(mode) ? -ERESTARTSYS : 0;
}
int wait_sleep_until(enum wait_mode mode, u64 deadline_ns)
{
	if (now_ns >= deadline_ns)
		return -ETIMEDOUT;
	if (running->t.state == TASK_RUNNABLE)
		running->t.state = TASK_SLEEPING_HARD;
	running->deadline = deadline_ns;
	int r = wait_sleep(mode);
	running->deadline = 0;
	return r ? r : now_ns >= deadline_ns ? -ETIMEDOUT : 0;
}
int wake_up_nr(struct wait_queue *wq, u64 key, int nr)
{
	struct wait_entry *e, *tmp;
	int woken = 0;
	if (!wq->waiters.next)
		return 0;
	host_preempt("wake_up");
	list_for_each_safe(e, tmp, &wq->waiters, node)
		if (woken < nr && (!key || !e->key || e->key == key))
			woken += e->wake ? e->wake(e, key) : task_wake(e->task);
	return woken;
}
void wake_up_all(struct wait_queue *wq, u64 key) { wake_up_nr(wq, key, 1 << 30); }

/* --- tests --- */
static struct test *tests;
void test_register(struct test *t)
{
	struct test **p = &tests;
	while (*p && strcmp((*p)->name, t->name) < 0)
		p = &(*p)->next;
	t->next = *p;
	*p = t;
}
void host_list(void)
{
	for (struct test *t = tests; t; t = t->next)
		sys_printf("%s\t%s\n", t->name, t->what);
}
static void run_test(void *arg)
{
	struct test *t = arg;
	host_boot(sys_option("ram", 24));
	host_seed(sys_option("seed", 1));
	t->run();
	sys_exit(0);
}
int host_main(const char *name)
{
	for (struct test *t = tests; t; t = t->next) {
		if (strcmp(t->name, name))
			continue;
		static struct host_task boot;
		boot.fiber = fiber_main();
		struct host_task *h = task_new("test", run_test, t);
		running = h;
		fiber_switch(boot.fiber, h->fiber);
	}
	sys_printf("no test named %s\n", name);
	return 2;
}

void host_revive(void) { running->killed = false; }
