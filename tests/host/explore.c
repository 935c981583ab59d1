/*
 * Who runs next in the hosted tests.
 *
 * Random: at each point switch with probability 1/rate to any other task that can run. PCT (Burckhardt et al., ASPLOS 2010): random
 * priorities, the highest runs, and at d random points the running task falls below all others. Exhaustive: every schedule with at
 * most k preemptions (iterative context bounding: Musuvathi and Qadeer, PLDI 2007); where a task cannot go on, whoever can
 * is tried at no charge. The process forks at each choice, the child takes the other way and ends with its schedule: nothing is
 * replayed and nothing is left over from one schedule to the next. The choices that were not the first are its name:
 * choices=N:A,... on the command line takes them again.
 *
 * A preemption just before a word that no other task uses, or that all only read, can as well come later: there is no other way
 * to take then. What tasks use is learnt on the way; if that grew, the tree is explored once more. Plain accesses belong to the point before them.
 * A scenario may say that a point is like another one of it (what a loop does with each of 500 pages to which nothing else happens): none there, either.
 */
#include "sched.h"

#define MAX_CHOICES 100000	/* in one schedule: more is no progress */

static enum { NEVER, RANDOM, PCT, EXHAUSTIVE, REPLAY } mode;
static u64 test_rng = 88172645463325252UL, sched_rng = 1, test_seed;
static unsigned rate;

/* --- random numbers --- */
static u32 next_random(u64 *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s >> 16;
}
static u64 seeded(u64 seed, u64 factor)
{
	u64 s = (seed + 1) * factor | 1;
	for (int i = 0; i < 8; i++)
		next_random(&s);
	return s;
}
u32 host_random(u32 below) { return next_random(&test_rng) % below; }
void host_seed(u64 seed)
{
	test_seed = seed;
	test_rng = seeded(seed, 0x9e3779b97f4a7c15UL);
}
void host_explore(u64 seed, unsigned one_in)
{
	mode = one_in ? RANDOM : NEVER;
	rate = one_in;
	sched_rng = seeded(seed, 0xbf58476d1ce4e5b9UL);
	trace_clear();
}

/* --- PCT --- */
#define MAX_DEPTH 5
static unsigned long step, change_at[MAX_DEPTH];
static s64 lowest;

static void pct_begin(u64 seed, unsigned depth)
{
	host_explore(seed, 1);
	unsigned long steps = 50UL << next_random(&sched_rng) % 6;	/* how many there will be: a guess */
	mode = PCT;
	step = 0;
	lowest = 0;
	for (unsigned i = 0; i < MAX_DEPTH; i++)
		change_at[i] = i < depth ? 1 + next_random(&sched_rng) % steps : 0;
	for_each_task(h)
		explore_spawned(h);
}
void explore_spawned(struct host_task *h) { h->priority = 1 + next_random(&sched_rng); }
static struct host_task *highest(struct host_task **able, unsigned n)
{
	struct host_task *best = able[0];
	for (unsigned i = 1; i < n; i++)
		if (able[i]->priority > best->priority)
			best = able[i];
	return best;
}
static struct host_task *pct_preempt(struct host_task **able, unsigned n)
{
	step++;
	for (unsigned i = 0; i < MAX_DEPTH; i++)
		if (step == change_at[i])
			host_running->priority = --lowest;
	struct host_task *best = highest(able, n);
	return best->priority > host_running->priority ? best : NULL;
}

/* --- all schedules --- */
#define NR_WORDS 65536
static struct {
	unsigned long schedules, points, limit;
	bool cut, reported, grown;
	unsigned nr_words;
	struct { const void *object; u32 readers, writers; } words[NR_WORDS];	/* a hash; bits: tasks */
} *all;			/* shared by the processes */
bool host_points;
static unsigned budget, choice_nr;
static bool (*like_another)(const void *object);		/* the scenario's, or NULL */
static char choices[1024];
static size_t choices_len;
static const char *replay;

static void note_choice(unsigned nr, unsigned alternative)
{
	choices_len += sys_snprintf(choices + choices_len, sizeof(choices) - choices_len, "%s%u:%u", choices_len ? "," : "", nr, alternative);
	if (choices_len >= sizeof(choices))
		host_fail("too many choices to write down");
}

/* The running task uses the object: does another task do so too, one of the two writing? */
static bool contended(const void *object, bool write)
{
	u32 me = 1U << (host_running - host_tasks);
	u64 at = ((u64)object >> 2) * 0x9e3779b97f4a7c15UL >> 48;
	if (like_another && like_another(object))
		return false;
	if (!object)
		return true;
	while (all->words[at].object && all->words[at].object != object)
		at = (at + 1) % NR_WORDS;
	u32 *readers = &all->words[at].readers, *writers = &all->words[at].writers, *mine = write ? writers : readers;
	bool before = *writers && (*readers | *writers) != *writers, now;
	before |= *writers & (*writers - 1);
	if (!all->words[at].object && ++all->nr_words > NR_WORDS / 2)
		host_fail("too many words are in use for one test");
	all->words[at].object = object;
	*mine |= me;
	now = (*writers & (*writers - 1)) || (*writers && (*readers & ~*writers));
	all->grown |= now && !before;
	return now;
}

static unsigned number(void)
{
	unsigned n = 0;
	while (*replay >= '0' && *replay <= '9')
		n = n * 10 + (unsigned)(*replay++ - '0');
	return n;
}

static unsigned replayed(unsigned nr, unsigned n)
{
	const char *at = replay;
	unsigned want = number(), alternative;
	if (want != nr || *replay != ':') {
		replay = at;
		return 0;
	}
	replay++;
	alternative = number();
	replay += *replay == ',';
	if (alternative >= n)
		host_fail("choice %u has %u ways, not %u: these choices belong to another kernel or test", nr, n, alternative);
	return alternative;
}

/* One of n ways to go on; 0 is the usual one. */
static unsigned choose(unsigned n, bool preempts, bool matters)
{
	unsigned nr = ++choice_nr;
	if (nr > MAX_CHOICES)
		host_fail("no end after %u choices", nr);
	if (mode == REPLAY)
		return replayed(nr, n);
	if (preempts && (!budget || !matters))
		return 0;
	for (unsigned alternative = 1; alternative < n; alternative++) {
		if (all->schedules >= all->limit) {
			all->cut = true;
			return 0;
		}
		if (!sys_fork()) {
			note_choice(nr, alternative);
			budget -= preempts;
			return alternative;
		}
		if (!sys_wait())
			continue;
		if (!all->reported) {
			note_choice(nr, alternative);
			explore_describe();
		}
		sys_exit(1);
	}
	return 0;
}

/* --- what sched.c asks --- */
struct host_task *explore_preempt(const void *object, bool write)
{
	struct host_task *able[MAX_TASKS];
	if (mode == NEVER)
		return NULL;
	bool matters = mode == EXHAUSTIVE && contended(object, write);
	host_preemptions++;
	if (mode == RANDOM && next_random(&sched_rng) % rate)
		return NULL;
	unsigned n = host_others(able), stores = tso_pending() + 1, way;
	if (!n)
		return NULL;
	if (mode == PCT) {
		struct host_task *next = pct_preempt(able, n);
		if (next)
			tso_drain(host_running, next_random(&sched_rng) % stores);
		return next;
	}
	way = mode == RANDOM ? 1 + next_random(&sched_rng) % (n * stores) : choose(1 + n * stores, true, matters);
	if (!way)
		return NULL;
	tso_drain(host_running, (way - 1) % stores);
	return able[(way - 1) / stores];
}

struct host_task *explore_next(struct host_task **able, unsigned n, bool yield)
{
	if (mode == PCT) {
		if (yield)
			host_running->priority = --lowest;
		return highest(able, n);
	}
	if (mode == NEVER || mode == RANDOM)
		return able[next_random(&sched_rng) % n];
	if (n == 1)
		return able[0];
	if (!yield)
		return able[choose(n, false, true)];
	for (unsigned i = 0; i < n; i++)	/* who only gives others a turn gets no tree of ways */
		if (able[i] > host_running)
			return able[i];
	return able[0];
}

bool explore_migrates(void) { return (mode == RANDOM || mode == PCT) && next_random(&sched_rng) % 16 == 0; }

static void died(void)	/* ASan or UBSan has printed why */
{
	if (!explore_failed())
		explore_describe();
	sys_flush();
}
bool explore_failed(void)
{
	bool before = all && all->reported;
	if (all)
		all->reported = true;
	return before;
}
void explore_describe(void)
{
	sys_printf("  again: seed=%lu%s%s\n", (unsigned long)test_seed, choices_len ? " choices=" : "", choices);
	if (host_schedules)
		sys_printf("  found after %lu schedules (if that seed alone passes, what ran before it matters: from=%lu)\n", host_schedules, test_seed - host_schedules + 1);
}

/* --- what tests call --- */
static void run_together(const struct scenario *s)
{
	static const char *const names[] = { "A", "B", "C", "D" };
	struct task *t[4];
	unsigned n = 0;
	for (; n < 4 && s->fn[n]; n++)
		t[n] = host_spawn(names[n], s->mm ? *s->mm : NULL, s->fn[n], NULL);
	for (unsigned i = 0; i < n; i++)
		host_join(t[i]);
	mode = NEVER;
	host_points = false;
	tso_drain_all();
	s->finish();
}

void explore_random(const struct scenario *s, unsigned schedules)
{
	static const unsigned rates[] = { 2, 3, 5, 10, 30, 100 };
	sys_on_death(died);
	u64 one = sys_option("seed", 0), first = sys_option("from", 1), last = first + sys_option("schedules", schedules) - 1;
	if (one)
		first = last = one;
	for (u64 seed = first; seed <= last; seed++) {
		host_seed(seed);
		s->setup();
		if (s->pct && seed % 2)
			pct_begin(seed, (unsigned)(seed / 2 % (MAX_DEPTH + 1)));
		else
			host_explore(seed, s->rate ? s->rate : rates[seed % ARRAY_SIZE(rates)]);
		host_schedules++;
		run_together(s);
	}
}

/* One process is the whole tree of schedules with at most k preemptions; its parent waits for the end. */
static void explore_tree(const struct scenario *s, unsigned k)
{
	budget = k;
	sys_on_death(died);
	host_seed(1);
	s->setup();
	host_explore(1, 1);
	mode = replay ? REPLAY : EXHAUSTIVE;
	host_points = true;
	choice_nr = 0;
	run_together(s);
	__atomic_fetch_add(&all->schedules, 1, __ATOMIC_SEQ_CST);
	all->points = max(all->points, (unsigned long)choice_nr);
	sys_exit(0);
}

void explore_exhaustive(const struct scenario *s, unsigned bound)
{
	unsigned long total = 0;
	like_another = s->like_another;
	bound = (unsigned)sys_option("bound", bound + sys_option("deeper", 0));
	all = sys_shared(sizeof(*all));
	all->limit = sys_option("limit", 10000000);
	replay = sys_option_text("choices");
	if (sys_option("random", 0)) {
		explore_random(s, (unsigned)sys_option("random", 0));
		return;
	}
	/* Fewer preemptions first: what they find is easier to read. The last tree is repeated until nothing more is learnt. */
	for (unsigned k = replay ? bound : 0; k <= bound; k += k < bound || !all->grown || all->cut) {
		all->schedules = all->points = 0;
		all->grown = false;
		if (!sys_fork())
			explore_tree(s, k);
		if (sys_wait()) {
			if (!all->reported)
				sys_printf("FAIL: the test's process ended\n");
			sys_printf("  found after %lu schedules, with %u preemptions\n", total + all->schedules + 1, k);
			sys_exit(1);
		}
		if (replay) {
			sys_printf("these choices lead to no failure\n");
			return;
		}
		total += all->schedules;
	}
	sys_printf("  %lu schedules of at most %lu choices, at most %u preemptions: %s\n", all->schedules, all->points, bound,
		   all->cut ? "not all, the limit is reached" : "all there are");
}
