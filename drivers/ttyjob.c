/*
 * Sessions, process groups and their terminal: whose terminal it is, which group is in the foreground, and what happens to a
 * background group that wants to use it.
 */
#include "drivers/tty.h"

#include "kernel/cpu.h"
#include "kernel/proc_syscalls.h"
#include "kernel/signal.h"
#include "kernel/usermode.h"
#include "mm/usercopy.h"

/* --- tasklist_lock held --- */

bool tty_controls_caller(const struct tty *t)
{
	return current->process->tty == t && t->session == current->process->sid;
}

static bool is_leader(const struct process *p) { return p->sid == p->pid; }

static void clear_processes(struct tty *t)
{
	struct process *p;

	list_for_each(p, &process_list, all_node)
		if (p->tty == t)
			p->tty = NULL;
	t->session = t->pgrp = 0;
}

static void make_controlling(struct tty *t)
{
	struct process *p = current->process;

	t->session = p->sid;
	t->pgrp = p->pgid;
	p->tty = t;
	p->tty_old_pgrp = 0;
}

/* --- signals --- */

void tty_signal_foreground(struct tty *t, int sig)
{
	spin_lock(&tasklist_lock);
	int pgrp = t->pgrp;
	spin_unlock(&tasklist_lock);
	if (pgrp)
		signal_send_pgrp(pgrp, sig);
}

int tty_check_change(struct tty *t, int sig)
{
	struct process *p = current->process;
	int r = 0;

	spin_lock(&tasklist_lock);
	if (p->tty == t && t->pgrp && p->pgid != t->pgrp) {
		if (signal_is_ignored(sig))
			r = sig == SIGTTIN ? -EIO : 0;
		else
			r = pgrp_is_orphaned_locked(p->pgid) ? -EIO : -ERESTARTSYS;
	}
	spin_unlock(&tasklist_lock);
	if (r == -ERESTARTSYS) {
		signal_send_pgrp(p->pgid, sig);
		task_set_flag(current, TF_SIGPENDING);
	}
	return r;
}

void tty_forget_session(struct tty *t)
{
	spin_lock(&tasklist_lock);
	clear_processes(t);
	spin_unlock(&tasklist_lock);
}

void tty_hangup_session(struct tty *t, bool session_ends)
{
	struct process *leader;

	spin_lock(&tasklist_lock);
	int pgrp = t->pgrp;
	leader = t->session ? process_find(t->session) : NULL;
	if (leader && is_leader(leader)) {
		signal_send_locked(leader, NULL, SIGHUP, NULL);
		signal_send_locked(leader, NULL, SIGCONT, NULL);
		leader->tty_old_pgrp = pgrp;
	}
	clear_processes(t);
	spin_unlock(&tasklist_lock);
	if (session_ends && pgrp)
		signal_send_pgrp(pgrp, SIGHUP);
}

static void hangup_group(int pgrp, bool and_continue)
{
	if (!pgrp)
		return;
	signal_send_pgrp(pgrp, SIGHUP);
	if (and_continue)
		signal_send_pgrp(pgrp, SIGCONT);
}

void tty_of_process(const struct process *p, u32 *device, int *pgrp)
{
	const struct tty *t = p->tty;

	*device = (u32)t->rdev;
	*pgrp = t->session == p->sid ? t->pgrp : -1;
}

void tty_leader_exit(struct process *p)
{
	mutex_lock(&tty_mutex);
	spin_lock(&tasklist_lock);
	struct tty *t = p->tty;
	int pgrp = t ? t->pgrp : p->tty_old_pgrp;
	if (t && t->driver->pty)
		clear_processes(t);
	p->tty_old_pgrp = 0;
	spin_unlock(&tasklist_lock);
	if (t && !t->driver->pty)
		tty_hangup(t, true);
	else
		hangup_group(pgrp, !t);
	mutex_unlock(&tty_mutex);
}

void tty_open_controlling(struct tty *t)
{
	struct process *p = current->process;

	spin_lock(&tasklist_lock);
	if (is_leader(p) && !p->tty && !t->session)
		make_controlling(t);
	spin_unlock(&tasklist_lock);
}

/* --- calls --- */

static long set_controlling(struct tty *t, unsigned long steal)
{
	struct process *p = current->process;
	long r = 0;

	spin_lock(&tasklist_lock);
	if (is_leader(p) && t->session == p->sid) {
		;
	} else if (!is_leader(p) || p->tty || (t->session && (steal != 1 || p->euid))) {
		r = -EPERM;
	} else {
		clear_processes(t);
		make_controlling(t);
	}
	spin_unlock(&tasklist_lock);
	return r;
}

static long give_up(struct tty *t)
{
	struct process *p = current->process;
	int pgrp = 0;
	long r = -ENOTTY;

	spin_lock(&tasklist_lock);
	if (p->tty == t) {
		r = 0;
		if (is_leader(p)) {
			pgrp = t->pgrp;
			clear_processes(t);
		}
		p->tty = NULL;
	}
	spin_unlock(&tasklist_lock);
	hangup_group(pgrp, true);
	return r;
}

/* tasklist_lock held. */
static long set_foreground_locked(struct tty *t, int pgrp)
{
	struct process *p;

	if (!tty_controls_caller(t))
		return -ENOTTY;
	list_for_each(p, &process_list, all_node) {
		if (p->pgid != pgrp)
			continue;
		if (p->sid != current->process->sid)
			return -EPERM;
		t->pgrp = pgrp;
		return 0;
	}
	return -ESRCH;
}

static long set_foreground(struct tty *t, const int __user *from)
{
	int pgrp, r = tty_check_change(t, SIGTTOU);

	if (r)
		return r == -EIO ? -ENOTTY : r;
	if (get_user(pgrp, from))
		return -EFAULT;
	if (pgrp < 0)
		return -EINVAL;
	spin_lock(&tasklist_lock);
	long result = set_foreground_locked(t, pgrp);
	spin_unlock(&tasklist_lock);
	return result;
}

static long get_id(struct tty *t, bool session, bool master, int __user *to)
{
	spin_lock(&tasklist_lock);
	int id = !master && current->process->tty != t ? -1 : session ? t->session : t->pgrp;
	spin_unlock(&tasklist_lock);
	return id < 0 || (session && !id) ? -ENOTTY : put_user(id, to);
}

long tty_job_ioctl(struct tty *t, unsigned cmd, unsigned long arg, bool master)
{
	switch (cmd) {
	case TIOCSCTTY: return set_controlling(t, arg);
	case TIOCNOTTY: return master ? -ENOTTY : give_up(t);
	case TIOCGPGRP: return get_id(t, false, master, (int __user *)arg);
	case TIOCGSID: return get_id(t, true, master, (int __user *)arg);
	case TIOCSPGRP: return set_foreground(t, (const int __user *)arg);
	}
	return -ENOTTY;
}

long sys_vhangup(void)
{
	struct process *p = current->process;

	if (p->euid)
		return -EPERM;
	mutex_lock(&tty_mutex);
	spin_lock(&tasklist_lock);
	struct tty *t = p->tty;
	spin_unlock(&tasklist_lock);
	if (t)
		tty_hangup(t, false);
	mutex_unlock(&tty_mutex);
	return 0;
}
