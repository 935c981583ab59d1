/* Who is killed when there is no memory, and who waits for that (mm/oom.h). */
#include "mm/oom.h"

#include "kernel/inject.h"
#include "kernel/printk.h"
#include "kernel/string.h"
#include "kernel/usermode.h"
#include "mm/mm.h"
#include "mm/page.h"
#include "mm/swap.h"
#include "mm/switches.h"
#include "mm/usage.h"
#include "mm/vmstat.h"

#define MAX_TRIES 32			/* for one address: then it is not others who have the memory */
#define LISTED 5			/* the largest, in the log */
#define POLL_NS 2000000UL
#define SPARE 64			/* frames above the reserve: so many free ones, and nobody need die */

static struct mutex oom_mutex = MUTEX_INIT(oom_mutex, "out of memory", RANK_OOM);	/* protects: */
static struct mm *dying;		/* the victim's, a reference; NULL: there is none just now */
static u64 dying_since;

struct candidate {
	int pid, adjust;
	char name[16];
	struct mm *mm;			/* a reference */
	struct mm_usage usage;
	s64 points;
};

/* --- who is there. tasklist_lock held --- */

static struct mm *mm_of(const struct process *p)
{
	const struct task *t;

	list_for_each(t, &p->threads, thread_node)
		if (t->mm)
			return t->mm;
	return NULL;
}

static bool is_spared(const struct process *p) { return p->pid == 1 || READ_ONCE(p->oom_score_adj) == OOM_ADJ_NEVER; }

static bool mm_is_spared(const struct mm *mm)
{
	const struct process *p;

	list_for_each(p, &process_list, all_node)
		if (is_spared(p) && mm_of(p) == mm)
			return true;
	return false;
}

static void describe(struct candidate *c, const struct process *p, struct mm *mm)
{
	const struct task *first = list_first(&p->threads, struct task, thread_node);

	c->pid = p->pid;
	c->adjust = READ_ONCE(p->oom_score_adj);
	memcpy(c->name, first->name, sizeof(c->name));
	c->name[sizeof(c->name) - 1] = 0;
	c->mm = mm;
	mm_ref_get(mm);
}

/* The next one in the order of pids after `pid` that may be killed. Takes tasklist_lock. */
static bool next_candidate(int pid, struct candidate *c)
{
	const struct process *p, *best = NULL;
	struct mm *mm = NULL;

	spin_lock(&tasklist_lock);
	list_for_each(p, &process_list, all_node) {
		struct mm *its = p->pid > pid && (!best || p->pid < best->pid) && !is_spared(p) ? mm_of(p) : NULL;
		if (!its || its->oom_given_up || mm_is_spared(its))
			continue;
		best = p;
		mm = its;
	}
	if (best)
		describe(c, best, mm);
	spin_unlock(&tasklist_lock);
	return best;
}

/* --- how much they have --- */

static u64 used_pages(const struct mm_usage *u) { return u->anonymous + u->file + u->shmem + u->swap + u->tables; }

static s64 points_of(const struct mm_usage *u, int adjust)
{
	s64 total = (s64)(page_total_count() + swap_total());

	return (s64)used_pages(u) + adjust * total / 1000;
}

int oom_score(struct process *p)
{
	s64 total = (s64)(page_total_count() + swap_total());
	struct mm_usage usage;
	struct mm *mm;

	spin_lock(&tasklist_lock);
	mm = mm_of(p);
	if (mm && !is_spared(p) && !mm_is_spared(mm))
		mm_ref_get(mm);
	else
		mm = NULL;
	spin_unlock(&tasklist_lock);
	if (!mm)
		return 0;
	mm_usage(mm, &usage);
	mm_ref_put(mm);
	return (int)max((1000 + points_of(&usage, READ_ONCE(p->oom_score_adj)) * 1000 / total) * 2 / 3, (s64)0);
}

/* c among the largest, or let go. */
static void insert_candidate(struct candidate largest[LISTED], unsigned *nr, const struct candidate *c)
{
	unsigned i = *nr;

	if (i == LISTED && largest[i - 1].points >= c->points) {
		mm_ref_put(c->mm);
		return;
	}
	if (i == LISTED)
		mm_ref_put(largest[--i].mm);
	else
		++*nr;
	for (; i > 0 && largest[i - 1].points < c->points; i--)
		largest[i] = largest[i - 1];
	largest[i] = *c;
}

static unsigned find_largest(struct candidate largest[LISTED])
{
	struct candidate c = { .pid = 1 };
	unsigned nr = 0;

	while (next_candidate(c.pid, &c)) {
		mm_usage(c.mm, &c.usage);
		c.points = points_of(&c.usage, c.adjust);
		insert_candidate(largest, &nr, &c);
	}
	return nr;
}

/* --- the choice. oom_mutex held --- */

static void forget_dying(void)
{
	mm_ref_put(dying);
	dying = NULL;
}

static void kill_all_of(struct mm *mm)
{
	struct process *p;

	spin_lock(&tasklist_lock);
	list_for_each(p, &process_list, all_node)
		if (mm_of(p) == mm)
			signal_send_locked(p, NULL, SIGKILL, NULL);
	spin_unlock(&tasklist_lock);
	vmstat_inc(VM_OOM_KILL);
}

static void log_largest(const struct candidate *c, unsigned nr, vaddr_t address)
{
	printk("out of memory: %s (%d) asks for %lx; KiB of the largest:\n", current->name, current->process->pid, address);
	for (; nr; nr--, c++) {
		const struct mm_usage *u = &c->usage;
		printk("  %s (%d): %lu anonymous, %lu file, %lu shared, %lu swap, %lu tables, oom_score_adj %d\n", c->name, c->pid, u->anonymous * 4, u->file * 4,
		       u->shmem * 4, u->swap * 4, u->tables * 4, c->adjust);
	}
}

/* False: there is nobody. Else `dying` is set. */
static bool choose(vaddr_t address)
{
	struct candidate largest[LISTED];
	unsigned nr = find_largest(largest);

	if (!nr)
		return false;
	log_largest(largest, nr, address);
	printk("out of memory: killing %s (%d)\n", largest[0].name, largest[0].pid);
	dying = largest[0].mm;
	dying_since = ktime_ns();
	kill_all_of(dying);
	while (--nr)
		mm_ref_put(largest[nr].mm);
	return true;
}

/* The address space to wait for, with a reference, in *mm; NULL: there is memory. False: there is nobody to wait for. */
static bool find_victim(vaddr_t address, struct mm **mm)
{
	bool found = true;

	*mm = NULL;
	mutex_lock(&oom_mutex);
	if (dying && READ_ONCE(dying->emptied))
		forget_dying();
	if (dying && ktime_ns() - dying_since > OOM_WAIT_NS) {
		printk("out of memory: who was killed does not come to its end\n");
		dying->oom_given_up = true;
		forget_dying();
	}
	if (!dying && page_free_count() <= page_reserve() + SPARE)
		found = choose(address);
	if (dying) {
		*mm = dying;
		mm_ref_get(dying);
	}
	mutex_unlock(&oom_mutex);
	return found;
}

/* --- who asks --- */

/* Is it gone? False: the time is over, or we are to die. */
static bool wait_for_end(struct mm *mm, u64 ns)
{
	u64 end = ktime_ns() + ns;

	vmstat_inc(VM_OOM_WAIT);
	while (!READ_ONCE(mm->emptied)) {
		if (fatal_signal_pending(current) || ktime_ns() >= end)
			return false;
		sleep_until_ns(ktime_ns() + POLL_NS, WAIT_KILLABLE);
	}
	return true;
}

static bool die(vaddr_t address)
{
	printk("out of memory: killing %s (%d), which asked for %lx\n", current->name, current->tid, address);
	vmstat_inc(VM_OOM_KILL);
	signal_send(current->process, SIGKILL, NULL);
	return false;
}

/* It comes again for the same address? */
static bool tried_enough(vaddr_t address)
{
	struct task *t = current;

	if (t->oom_address != address)
		t->oom_tries = 0;
	t->oom_address = address;
	return ++t->oom_tries > MAX_TRIES;
}

bool out_of_memory(vaddr_t address)
{
	bool locked = current->held_count;
	struct mm *mm;

	if (fatal_signal_pending(current))
		return false;
	/* A failure that somebody asked for is to be seen by whom it hits. */
	if (!switch_oom_choose || inject_used(INJECT_ALLOC) || tried_enough(address) || !find_victim(address, &mm))
		return die(address);
	if (!mm)
		return true;
	bool gone = !fatal_signal_pending(current) && wait_for_end(mm, locked ? OOM_WAIT_LOCKED_NS : OOM_WAIT_NS);
	mm_ref_put(mm);
	if (fatal_signal_pending(current))
		return false;
	return gone || !locked || die(address);
}
