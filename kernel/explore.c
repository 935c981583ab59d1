#include "kernel/explore.h"

#include "drivers/debugcon.h"
#include "kernel/cmdline.h"
#include "kernel/printk.h"
#include "kernel/runqueue.h"
#include "kernel/string.h"

#define MAX_CHANGES 16
#define PATIENCE 400		/* events in a row that a task may have while others wait: it may be waiting for them */

int explore_flag;

/* Under icount the CPUs take turns, so these are never changed by two at once but where said. */
static u64 seed, random_state;
static atomic64_t events;		/* since the seed was set */
static u64 generation;			/* of the seed: priorities of the last one are void */
static u64 length = 2000;		/* k */
static unsigned depth = 3;		/* d */
static u64 changes[MAX_CHANGES];	/* events at which the running task falls */
static u64 lowest;			/* given to who fell last: below all random ones, and falling */
static u64 stop_at, stop_seed;		/* event, and seed (0: any), at which the machine waits for GDB; 0: none */
static const struct task *runner;	/* who had the last events, and how many */
static unsigned streak;

#define LOW 0x40000000UL		/* random priorities are above */

/* SplitMix64 (Steele, Lea, Flood: OOPSLA 2014). */
static u64 next_random(void)
{
	u64 z = random_state += 0x9e3779b97f4a7c15UL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9UL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebUL;
	return z ^ z >> 31;
}

static void start(u64 new_seed)
{
	explore_flag = RESCHED_EXPLORE;
	seed = random_state = new_seed;
	generation++;
	lowest = LOW;
	runner = NULL;
	atomic64_set(&events, 0);
	for (unsigned i = 0; i < MAX_CHANGES; i++)
		changes[i] = i + 1 < depth ? 1 + next_random() % length : 0;
	for (int cpu = 0; cpu < nr_cpus_online; cpu++)
		WRITE_ONCE(cpus[cpu].need_resched, RESCHED_DUE | RESCHED_EXPLORE);
}

static u64 priority(struct task *t)
{
	if (t->explore_generation != generation) {
		t->explore_generation = generation;
		t->explore_priority = LOW + 1 + (next_random() >> 33);
	}
	return t->explore_priority;
}

static void fall(struct task *t)
{
	t->explore_generation = generation;
	t->explore_priority = --lowest;
}

/* A function of its own, for breakpoints. */
__attribute__((noinline)) void explore_stop(u64 event);
static volatile bool explore_go;	/* GDB sets it */
void explore_stop(u64 event)
{
	printk("explore: seed %lu: stopped at event %lu; in GDB, `set var explore_go = 1` and `continue` go on\n", seed, event);
	debugcon_control("X\n", 2);
	while (!explore_go)
		;
	explore_go = false;
}

struct task *explore_choose(struct list_head *tasks)
{
	struct task *best = NULL, *t;

	list_for_each(t, tasks, run_node)
		if (!best || priority(t) > priority(best))
			best = t;
	return best;
}

/* Does somebody wait on this CPU's queue who comes before the current task? */
static bool must_give_way(struct runqueue *rq)
{
	struct task *best;
	bool yes;

	rq_lock_irqs_off(rq);
	best = explore_choose(&rq->tasks);
	yes = best && (current == this_cpu()->idle || priority(best) > priority(current));
	rq_unlock_irqs_off(rq);
	return yes;
}

bool explore_event(void)
{
	u64 flags = irq_save(), number = atomic64_add_return(&events, 1);
	bool yes;

	if (unlikely(number == stop_at && (!stop_seed || stop_seed == seed)))
		explore_stop(number);
	for (unsigned i = 0; i < MAX_CHANGES; i++)
		if (changes[i] == number)
			fall(current);
	if (runner != current) {
		runner = current;
		streak = 0;
	} else if (++streak > PATIENCE) {
		fall(current);
		streak = 0;
	}
	yes = this_cpu()->need_resched & RESCHED_DUE || must_give_way(&runqueues[cpu_id()]);
	irq_restore(flags);
	return yes;
}

void explore_atomic(void)
{
	if (!preempt_count() && !irqs_off())
		preempt_here();
}

/*
 * An emulator that counts instructions takes long for a PAUSE; but without any it may not come to another CPU for a second, if
 * this one waits with interrupts off.
 */
bool explore_pauses(void)
{
	static u32 turns;

	return ++turns % 256 == 0;
}

void explore_yield(void) { fall(current); }

u64 explore_timer_ns(void) { return 2000 + next_random() % 30000; }

int explore_cpu(u64 allowed)
{
	unsigned n = 0, which;

	for (u64 left = allowed; left; left &= left - 1)
		n++;
	for (which = (unsigned)(next_random() % n); which; which--)
		allowed &= allowed - 1;
	return __builtin_ctzl(allowed);
}

/* --- words: SEED, d=N, k=N, stop=N, off; separated by commas or blanks --- */

static bool number_of(const char *s, u64 *n)
{
	for (*n = 0; *s >= '0' && *s <= '9'; s++)
		*n = *n * 10 + (u64)(*s - '0');
	return !*s;
}

static bool word(const char *w, u64 *new_seed, bool *on)
{
	u64 n;

	if (!strcmp(w, "off")) {
		explore_flag = 0;
		return true;
	}
	if (w[0] && w[1] == '=' && w[2] && number_of(w + 2, &n)) {
		if (w[0] == 'd' && n >= 1 && n <= MAX_CHANGES)
			depth = (unsigned)n;
		else if (w[0] == 'k' && n)
			length = n;
		else
			return false;
		return true;
	}
	if (!strncmp(w, "stop=", 5))
		return number_of(w + 5, &stop_at);
	*on = true;
	return *w && number_of(w, new_seed);
}

int explore_command(char *words)
{
	u64 new_seed = 0;
	bool on = false;
	char *end;

	for (char *w = words; w; w = end ? end + 1 : NULL) {
		for (end = w; *end && *end != ',' && *end != ' ' && *end != '\n'; end++)
			;
		end = *end ? end : NULL;
		if (end)
			*end = 0;
		if (*w && !word(w, &new_seed, &on))
			return -EINVAL;
	}
	if (on)
		start(new_seed);
	return 0;
}

int explore_show(char *buf, size_t size)
{
	return ksnprintf(buf, size, "%s seed %lu events %lu d %u k %lu\n", explore_flag ? "on" : "off", seed, atomic64_read(&events), depth, length);
}

void explore_init(void)
{
	char text[64];

	stop_at = cmdline_u64("stop_at", 0);
	stop_seed = cmdline_u64("stop_seed", 0);
	if (!cmdline_get("sched", text, sizeof(text)))
		return;
	if (strncmp(text, "explore:", 8) || explore_command(text + 8) || !explore_flag) {
		printk("sched=%s: only explore:SEED[,d=N][,k=N] is known\n", text);
		explore_flag = 0;
	}
}
