/*
 * Process and thread numbers, the table of processes, process groups and sessions.
 *
 * A number is in use from pid_alloc() to pid_free(): by a thread until it has gone, by a process until
 * it is reaped; and it is not given out while a group or session still bears it.
 */
#include "kernel/cpu.h"
#include "kernel/printk.h"
#include "kernel/proc_syscalls.h"
#include "kernel/string.h"
#include "kernel/usermode.h"
#include "mm/slab.h"

struct spinlock tasklist_lock = SPINLOCK_INIT("tasklist", RANK_TASKLIST);
LIST_HEAD(process_list);

struct process kernel_process = {
	.refs = ATOMIC_INIT(1),
	.threads = LIST_INIT(kernel_process.threads),
	.all_node = LIST_INIT(kernel_process.all_node),
	.children = LIST_INIT(kernel_process.children),
	.sibling = LIST_INIT(kernel_process.sibling),
	.child_wait = WAIT_QUEUE_INIT(kernel_process.child_wait),
	.thread_wait = WAIT_QUEUE_INIT(kernel_process.thread_wait),
	.timers = LIST_INIT(kernel_process.timers),
	.pending.queue = LIST_INIT(kernel_process.pending.queue),
	.stop_wait = WAIT_QUEUE_INIT(kernel_process.stop_wait),
	.sig_lock = SPINLOCK_INIT("signals", RANK_SIGNAL),
};

static u64 pid_used[PID_MAX / 64] = { 3 };	/* tasklist_lock: 0 is the kernel's, 1 init's */
static int last_pid = 1;			/* tasklist_lock */

/* Does a process still belong to the group or session `id`? tasklist_lock held. */
static bool id_is_group(int id)
{
	struct process *p;

	list_for_each(p, &process_list, all_node)
		if (p->pgid == id || p->sid == id)
			return true;
	return false;
}

int pid_last(void) { return READ_ONCE(last_pid); }

int pid_alloc(void)
{
	int pid = -EAGAIN;

	spin_lock(&tasklist_lock);
	for (int tries = 0, n = last_pid; tries < PID_MAX; tries++) {
		n = n + 1 < PID_MAX ? n + 1 : 2;
		if (pid_used[n / 64] & BIT(n % 64) || id_is_group(n))
			continue;
		pid_used[n / 64] |= BIT(n % 64);
		pid = last_pid = n;
		break;
	}
	spin_unlock(&tasklist_lock);
	return pid;
}

void pid_free_locked(int tid)
{
	pid_used[tid / 64] &= ~BIT(tid % 64);
}

void pid_free(int tid)
{
	spin_lock(&tasklist_lock);
	pid_free_locked(tid);
	spin_unlock(&tasklist_lock);
}

void task_attach(struct task *t)
{
	struct process *p = t->process;

	spin_lock(&tasklist_lock);
	list_add_tail(&t->thread_node, &p->threads);
	p->nr_threads++;
	spin_unlock(&tasklist_lock);
}

void task_detach(struct task *t)
{
	struct process *p = t->process;

	spin_lock(&tasklist_lock);
	list_del(&t->thread_node);
	p->nr_threads--;
	if (t->tid != p->pid)
		pid_free_locked(t->tid);
	spin_unlock(&tasklist_lock);
}

struct process *process_find(int pid)
{
	struct process *p;

	list_for_each(p, &process_list, all_node)
		if (p->pid == pid)
			return p;
	return NULL;
}

struct task *task_find(int tid)
{
	struct process *p;
	struct task *t;

	list_for_each(p, &process_list, all_node)
		list_for_each(t, &p->threads, thread_node)
			if (t->tid == tid)
				return t;
	return NULL;
}

struct process *process_find_get(int pid)
{
	spin_lock(&tasklist_lock);
	struct process *p = process_find(pid);
	if (p)
		atomic_inc(&p->refs);
	spin_unlock(&tasklist_lock);
	return p;
}

void process_put(struct process *p)
{
	if (atomic_dec_and_test(&p->refs))
		kfree(p);
}

long sys_gettid(void)
{
	return current->tid;
}

long sys_getpid(void)
{
	return current->process->pid;
}

long sys_getppid(void)
{
	return READ_ONCE(current->process->ppid);
}

/* The process `pid` names, itself for 0. tasklist_lock held. */
static struct process *process_or_self(int pid)
{
	return pid ? process_find(pid) : current->process;
}

long sys_getpgid(int pid)
{
	spin_lock(&tasklist_lock);
	struct process *p = process_or_self(pid);
	long id = p ? p->pgid : -ESRCH;
	spin_unlock(&tasklist_lock);
	return id;
}

long sys_getsid(int pid)
{
	spin_lock(&tasklist_lock);
	struct process *p = process_or_self(pid);
	long id = p ? p->sid : -ESRCH;
	spin_unlock(&tasklist_lock);
	return id;
}

long sys_getpgrp(void)
{
	return sys_getpgid(0);
}

/* Is there a group `pgid` in session `sid`? tasklist_lock held. */
static bool pgrp_in_session(int pgid, int sid)
{
	struct process *p;

	list_for_each(p, &process_list, all_node)
		if (p->pgid == pgid && p->sid == sid)
			return true;
	return false;
}

static long setpgid_locked(struct process *p, int pgid)
{
	struct process *self = current->process;

	if (!p || (p != self && p->parent != self))
		return -ESRCH;
	if (p != self) {
		if (p->sid != self->sid)
			return -EPERM;
		if (p->did_exec)
			return -EACCES;
	}
	if (p->sid == p->pid)
		return -EPERM;
	if (pgid != p->pid && !pgrp_in_session(pgid, self->sid))
		return -EPERM;
	p->pgid = pgid;
	return 0;
}

long sys_setpgid(int pid, int pgid)
{
	if (!pid)
		pid = current->process->pid;
	if (!pgid)
		pgid = pid;
	if (pgid < 0)
		return -EINVAL;
	spin_lock(&tasklist_lock);
	struct process *p = process_find(pid);
	long r = setpgid_locked(p, pgid);
	spin_unlock(&tasklist_lock);
	return r;
}

long sys_setsid(void)
{
	struct process *self = current->process, *p;
	long r = -EPERM;

	spin_lock(&tasklist_lock);
	if (self->sid == self->pid)
		goto out;
	list_for_each(p, &process_list, all_node)
		if (p->pgid == self->pid)
			goto out;
	self->sid = self->pgid = self->pid;
	self->tty = NULL;
	r = self->pid;
out:
	spin_unlock(&tasklist_lock);
	return r;
}
