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

static struct sig_entry *entry_alloc(struct sigpending *pending)
{
	if (pending->first_used)
		return kmalloc_atomic(sizeof(struct sig_entry));
	pending->first_used = true;
	return &pending->first;
}

static void entry_free(struct process *p, struct sigpending *pending, struct sig_entry *entry)
{
	list_del(&entry->node);
	p->nr_queued--;
	if (entry == &pending->first)
		pending->first_used = false;
	else
		kfree(entry);
}

static bool queue_full(const struct process *p)
{
	return p->nr_queued >= READ_ONCE(p->limits[RLIMIT_SIGPENDING].rlim_cur);
}

/* Linux: only what kill() or the kernel sent may get along without its siginfo. */
static bool needs_info(int sig, const siginfo_t *info)
{
	return sig >= SIGRTMIN && info && info->si_code != SI_USER && info->si_code <= 0;
}

int sigqueue_add(struct process *p, struct sigpending *pending, int sig, const siginfo_t *info)
{
	const siginfo_t from_kernel = { .si_signo = sig, .si_code = SI_KERNEL };
	struct sig_entry *entry = NULL;

	if (sig < SIGRTMIN && pending->signals & SIG_BIT(sig))
		return 0;
	/* A standard signal's place is always there; Linux's too are refused only where there is no memory. */
	if (sig < SIGRTMIN || !queue_full(p))
		entry = entry_alloc(pending);
	if (entry) {
		entry->sig = sig;
		memcpy(&entry->info, info ? info : &from_kernel, sizeof(entry->info));
		list_add_tail(&entry->node, &pending->queue);
		p->nr_queued++;
	} else if (needs_info(sig, info)) {
		return -EAGAIN;
	}
	WRITE_ONCE(pending->signals, pending->signals | SIG_BIT(sig));	/* signal_pending() looks without the lock */
	return 0;
}

void sigqueue_take(struct process *p, struct sigpending *pending, int sig, siginfo_t *info)
{
	struct sig_entry *entry, *found = NULL;
	bool more = false;

	list_for_each(entry, &pending->queue, node) {
		if (entry->sig != sig)
			continue;
		if (found) {
			more = true;
			break;
		}
		found = entry;
	}
	if (!more)
		WRITE_ONCE(pending->signals, pending->signals & ~SIG_BIT(sig));
	if (!found) {			/* there was no room for more than the bit: si_code SI_USER from nobody */
		memset(info, 0, sizeof(*info));
		info->si_signo = sig;
		return;
	}
	memcpy(info, &found->info, sizeof(found->info));
	memset((char *)info + sizeof(found->info), 0, sizeof(*info) - sizeof(found->info));
	if (info->si_code == SI_TIMER)
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
		const siginfo_t *info = (const siginfo_t *)&entry->info;	/* its first part */
		if (!(SIG_BIT(entry->sig) & signals))
			continue;
		if (info->si_code == SI_TIMER)
			timer_signal_gone(p, NULL, info->si_tid);
		entry_free(p, pending, entry);
	}
}
