/*
 * Stopping and continuing processes: job control's side of signals.
 *
 * A stop is the process's state, not a thread's. The thread that takes a stop signal sets `stopping` and calls the others out of their
 * interruptible sleeps; every thread parks on its way to user mode (signal_deliver); the last one to park makes the process
 * `stopped` and tells the parent. SIGCONT, when it is sent, ends it, whatever becomes of the signal itself.
 *
 * JC1 A stop signal that is sent drops a pending SIGCONT, and SIGCONT drops pending stop signals: the later one counts.
 * JC2 SIGCONT between the taking of a stop signal and the stop undoes the stop (stop_armed).
 * JC3 A parked thread is woken only by the end of the stop or by its death.
 * JC4 Nobody could continue an orphaned process group: it is not stopped by the terminal's signals, and what is stopped when
 *     it becomes orphaned gets SIGHUP and SIGCONT (POSIX, exit()).
 */
#include "kernel/cpu.h"
#include "kernel/exit.h"
#include "kernel/signal.h"
#include "kernel/usermode.h"

/* --- process groups that nobody controls --- */

/* `gone` (or NULL) no longer counts as a member or a parent. tasklist_lock held. */
static bool pgrp_is_orphaned_without(int pgid, const struct process *gone)
{
	struct process *p;

	list_for_each(p, &process_list, all_node) {
		const struct process *parent = p->parent;
		if (p->pgid == pgid && p != gone && !p->zombie && parent != gone && parent->pid > 1 && parent->pgid != pgid && parent->sid == p->sid)
			return false;
	}
	return true;
}

bool pgrp_is_orphaned_locked(int pgid)
{
	return pgrp_is_orphaned_without(pgid, NULL);
}

static bool pgrp_has_stopped(int pgid, const struct process *gone)
{
	struct process *p;

	list_for_each(p, &process_list, all_node)
		if (p->pgid == pgid && p != gone && p->stopped)
			return true;
	return false;
}

/* The group was controlled by somebody until `p` went. */
static void orphan_group(struct process *p, int pgid)
{
	struct process *member;

	if (!pgrp_is_orphaned_without(pgid, p) || !pgrp_has_stopped(pgid, p))
		return;
	list_for_each(member, &process_list, all_node)
		if (member->pgid == pgid && member != p) {
			signal_send_locked(member, NULL, SIGHUP, NULL);
			signal_send_locked(member, NULL, SIGCONT, NULL);
		}
}

void jobctl_exit_locked(struct process *p)
{
	struct process *child;

	if (p->parent->pgid != p->pgid && p->parent->sid == p->sid)
		orphan_group(p, p->pgid);
	list_for_each(child, &p->children, sibling)
		if (child->pgid != p->pgid && child->sid == p->sid)
			orphan_group(p, child->pgid);
}

/* --- what is told to the parent --- */

void siginfo_jobctl(struct ksiginfo *info, const struct process *p, enum stop_report report)
{
	*info = (struct ksiginfo){ .si_signo = SIGCHLD };
	info->si_pid = p->pid;
	info->si_uid = p->uid;
	info->si_code = report == STOP_STOPPED ? CLD_STOPPED : CLD_CONTINUED;
	info->si_status = report == STOP_STOPPED ? p->stop_signal : SIGCONT;
}

/* tasklist_lock held, sig_lock of p not. */
static void tell_parent(struct process *p, enum stop_report report)
{
	struct process *parent = p->parent;
	const struct sigaction_k *action = &parent->action[SIGCHLD - 1];
	struct ksiginfo info;

	if (action->handler != (void __user *)SIG_IGN && !(action->flags & SA_NOCLDSTOP)) {
		siginfo_jobctl(&info, p, report);
		signal_send_locked(parent, NULL, SIGCHLD, &info);
	}
	wake_up_all(&parent->child_wait, 0);
}

/* --- stopping --- */

void jobctl_check_stopped_locked(struct process *p)
{
	spin_lock(&p->sig_lock);
	bool now = p->stopping && !p->stopped && !p->group_exit && p->nr_threads && p->nr_parked == p->nr_threads;
	if (now) {
		p->stopped = true;
		p->stop_report = STOP_STOPPED;
	}
	spin_unlock(&p->sig_lock);
	if (now)
		tell_parent(p, STOP_STOPPED);
}

void jobctl_stop(int sig)
{
	struct process *p = current->process;
	struct task *t;

	spin_lock(&tasklist_lock);
	if (p->pid == 1 || (sig != SIGSTOP && pgrp_is_orphaned_locked(p->pgid))) {	/* JC4 */
		spin_unlock(&tasklist_lock);
		return;
	}
	spin_lock(&p->sig_lock);
	if (p->stop_armed && !p->stopping && !p->group_exit) {		/* JC2 */
		p->stopping = true;
		p->stop_signal = sig;
		list_for_each(t, &p->threads, thread_node) {
			task_set_flag(t, TF_SIGPENDING);
			task_wake_signal(t, false);
		}
	}
	spin_unlock(&p->sig_lock);
	spin_unlock(&tasklist_lock);
}

void jobctl_park(void)
{
	struct task *t = current;
	struct process *p = t->process;

	spin_lock(&tasklist_lock);
	spin_lock(&p->sig_lock);
	p->nr_parked++;
	task_set_flag(t, TF_STOPPED);
	spin_unlock(&p->sig_lock);
	jobctl_check_stopped_locked(p);
	spin_unlock(&tasklist_lock);
	/* JC3; a fatal signal ends it too, and the caller sees to that. */
	(void)wait_event(&p->stop_wait, WAIT_KILLABLE, !READ_ONCE(p->stopping));
	spin_lock(&p->sig_lock);
	p->nr_parked--;
	task_clear_flag(t, TF_STOPPED);
	spin_unlock(&p->sig_lock);
}

/* --- what the sending of signals does to stops: JC1 --- */

static void drop_pending_locked(struct process *p, u64 signals)
{
	struct task *t;

	sigqueue_drop(p, &p->pending, signals);
	list_for_each(t, &p->threads, thread_node)
		sigqueue_drop(p, &t->pending, signals);
}

void jobctl_sent_locked(struct process *p, int sig)
{
	bool was_stopped = false;

	if (SIG_BIT(sig) & SIG_STOPS) {
		spin_lock(&p->sig_lock);
		drop_pending_locked(p, SIG_BIT(SIGCONT));
		spin_unlock(&p->sig_lock);
		return;
	}
	if (sig != SIGCONT)
		return;
	spin_lock(&p->sig_lock);
	drop_pending_locked(p, SIG_STOPS);
	p->stop_armed = false;
	if (p->stopping) {
		was_stopped = p->stopped;
		p->stopping = p->stopped = false;
		p->stop_report = was_stopped ? STOP_CONTINUED : STOP_NOTHING;
		wake_up_all(&p->stop_wait, 0);
	}
	spin_unlock(&p->sig_lock);
	if (was_stopped)
		tell_parent(p, STOP_CONTINUED);
}
