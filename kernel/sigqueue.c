/*
 * Pending signals: a set, and what was sent with each. A standard signal is pending once and keeps its first siginfo; real-time signals
 * queue, first come first served, the lowest number first. How many a process may have queued is RLIMIT_SIGPENDING's.
 *
 * All functions: sig_lock of the process held.
 */
#include "kernel/cpu.h"
#include "kernel/signal.h"
#include "kernel/string.h"
#include "kernel/timers.h"
#include "mm/slab.h"

static inline struct sig_entry *entry_alloc(struct sigpending *pending)
{
	if (unlikely(pending->first_used))
		return kmalloc_atomic(sizeof(struct sig_entry));
	pending->first_used = true;
	return &pending->first;
}

static inline void entry_free(struct process *p, struct sigpending *pending, struct sig_entry *entry)
{
	list_del(&entry->node);
	p->nr_queued--;
	if (likely(entry == &pending->first))
		pending->first_used = false;
	else
		kfree(entry);
}

static bool queue_full(const struct process *p)
{
	return p->nr_queued >= READ_ONCE(p->limits[RLIMIT_SIGPENDING].rlim_cur);
}

/* Linux: only what kill() or the kernel sent may get along without its siginfo. */
static bool needs_info(int sig, const struct ksiginfo *info)
{
	return sig >= SIGRTMIN && info && info->si_code != SI_USER && info->si_code <= 0;
}

int sigqueue_add(struct process *p, struct sigpending *pending, int sig, const struct ksiginfo *info)
{
	struct sig_entry *entry = NULL;

	if (sig < SIGRTMIN && pending->signals & SIG_BIT(sig))
		return 0;
	/* A standard signal's place is always there; Linux's too are refused only where there is no memory. */
	if (sig < SIGRTMIN || !queue_full(p))
		entry = entry_alloc(pending);
	if (likely(entry)) {
		entry->sig = sig;
		entry->info = info ? *info : (struct ksiginfo){ .si_signo = sig, .si_code = SI_KERNEL };
		list_add_tail(&entry->node, &pending->queue);
		p->nr_queued++;
	} else if (needs_info(sig, info)) {
		return -EAGAIN;
	}
	WRITE_ONCE(pending->signals, pending->signals | SIG_BIT(sig));	/* signal_pending() looks without the lock */
	return 0;
}

/* The first entry of sig, if there is one, and whether there is another. */
static __attribute__((noinline)) void find_entry(struct sigpending *pending, int sig, struct sig_entry **found, bool *more)
{
	struct sig_entry *entry;

	list_for_each(entry, &pending->queue, node) {
		if (entry->sig != sig)
			continue;
		if (*found) {
			*more = true;
			break;
		}
		*found = entry;
	}
}

void sigqueue_take(struct process *p, struct sigpending *pending, int sig, struct ksiginfo *info)
{
	struct sig_entry *found = NULL;
	bool more = false;

	if (likely(pending->queue.next == pending->queue.prev && pending->queue.next == &pending->first.node && pending->first.sig == sig))
		found = &pending->first;	/* mostly nothing else is pending */
	else
		find_entry(pending, sig, &found, &more);
	if (!more)
		WRITE_ONCE(pending->signals, pending->signals & ~SIG_BIT(sig));
	if (!found) {			/* there was no room for more than the bit: si_code SI_USER from nobody */
		*info = (struct ksiginfo){ .si_signo = sig };
		return;
	}
	*info = found->info;
	if (unlikely(info->si_code == SI_TIMER))
		timer_signal_gone(p, info, info->si_tid);
	entry_free(p, pending, found);
}

void sigqueue_drop(struct process *p, struct sigpending *pending, u64 signals)
{
	struct sig_entry *entry, *next;

	if (!(pending->signals & signals))
		return;
	WRITE_ONCE(pending->signals, pending->signals & ~signals);
	list_for_each_safe(entry, next, &pending->queue, node) {
		if (!(SIG_BIT(entry->sig) & signals))
			continue;
		if (entry->info.si_code == SI_TIMER)
			timer_signal_gone(p, NULL, entry->info.si_tid);
		entry_free(p, pending, entry);
	}
}
