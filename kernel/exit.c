/*
 * The end of threads and processes.
 *
 * task_exit() ends one thread: it lets go of memory, files and directory while it can still sleep, then leaves
 * its process under tasklist_lock. The last thread to leave makes the process a zombie in the same critical section:
 * children go to init, the parent gets SIGCHLD and is woken (kernel/wait4.c reaps). The task itself is freed by the
 * scheduler.
 */
#include "fs/vfs.h"
#include "kernel/cpu.h"
#include "kernel/exit.h"
#include "kernel/fork.h"
#include "kernel/futex.h"
#include "kernel/printk.h"
#include "kernel/proc_syscalls.h"
#include "kernel/sched.h"
#include "kernel/sem.h"
#include "kernel/signal.h"
#include "kernel/string.h"
#include "kernel/timers.h"
#include "kernel/usermode.h"
#include "mm/mm.h"
#include "mm/usercopy.h"

struct process *init_process;
void (*session_exit_hook)(struct process *p);
void (*session_tty_hook)(const struct process *p, u32 *device, int *pgrp);

/* Let go of the address space; what watches it (vfork parent, thread joiners) is told first, while it is still ours. */
static void exit_mm(void)
{
	struct task *t = current;
	struct mm *mm = t->mm;

	if (!mm)
		return;
	exit_robust_list();
	if (t->clear_child_tid && atomic_read(&mm->users) > 1) {
		/* An unwritable address only means that nobody is told. */
		(void)put_user(0, t->clear_child_tid);
		futex_wake_address((u32 __user *)t->clear_child_tid, 1);
	}
	vfork_release();
	spin_lock(&tasklist_lock);	/* /proc takes references on what a task has under it */
	t->mm = NULL;
	spin_unlock(&tasklist_lock);
	mm_put(mm);
}

static void exit_files(void)
{
	struct task *t = current;

	struct files *files = t->files;
	struct fs_context *fs = t->fs;

	spin_lock(&tasklist_lock);	/* as in exit_mm */
	t->files = NULL;
	t->fs = NULL;
	spin_unlock(&tasklist_lock);
	if (files)
		files_put(files);
	if (fs)
		fs_context_put(fs);
}

/* What belongs to the whole process and needs to sleep: by the last thread that exits. */
static void exit_process_resources(struct process *p)
{
	spin_lock(&tasklist_lock);
	struct file *exe = p->exe;
	bool leader = p->sid == p->pid;
	p->exe = NULL;
	spin_unlock(&tasklist_lock);
	if (exe)
		file_put(exe);
	if (leader && session_exit_hook)
		session_exit_hook(p);
	timers_delete_all(p);
	sem_exit(p);
	spin_lock(&p->sig_lock);
	p->alarm_ns = 0;
	spin_unlock(&p->sig_lock);
}

/* Does the parent not want to know (SIGCHLD ignored, or SA_NOCLDWAIT)? Then nobody waits for the child. tasklist_lock held. */
static bool parent_ignores(const struct process *parent)
{
	const struct sigaction_k *action = &parent->action[SIGCHLD - 1];

	return action->handler == (void __user *)SIG_IGN || action->flags & SA_NOCLDWAIT;
}

void siginfo_child(struct ksiginfo *info, const struct process *p)
{
	*info = (struct ksiginfo){ .si_signo = SIGCHLD };
	info->si_pid = p->pid;
	info->si_uid = p->uid;
	info->si_code = p->exit_code & 0x7f ? CLD_KILLED : CLD_EXITED;
	info->si_status = p->exit_code & 0x7f ? p->exit_code & 0x7f : p->exit_code >> 8 & 0xff;
	info->si_utime = (__kernel_clock_t)(p->dead_utime_ns / 10000000);
	info->si_stime = (__kernel_clock_t)(p->dead_stime_ns / 10000000);
}

/* Tell the parent; true if the zombie reaps itself. tasklist_lock held. */
static bool notify_parent(struct process *p)
{
	struct process *parent = p->parent;
	bool reap = false;
	struct ksiginfo info;

	if (p->exit_signal == SIGCHLD)
		reap = parent_ignores(parent);
	if (p->exit_signal) {
		siginfo_child(&info, p);
		info.si_signo = p->exit_signal;
		signal_send_locked(parent, NULL, p->exit_signal, &info);
	}
	wake_up_all(&parent->child_wait, 0);
	return reap;
}

/* Children go to init; those that are already zombies are announced to it. tasklist_lock held. */
static void reparent_children(struct process *p)
{
	struct process *child, *tmp;

	list_for_each_safe(child, tmp, &p->children, sibling) {
		list_del(&child->sibling);
		child->parent = init_process;
		WRITE_ONCE(child->ppid, 1);
		list_add_tail(&child->sibling, &init_process->children);
		if (child->pdeath_signal)
			signal_send_locked(child, NULL, child->pdeath_signal, NULL);
		child->exit_signal = SIGCHLD;
		if (child->zombie && notify_parent(child))
			process_reap_locked(child);
	}
}

void process_reap_locked(struct process *p)
{
	list_del(&p->sibling);
	list_del(&p->all_node);
	p->parent->child_utime_ns += p->dead_utime_ns + p->child_utime_ns;
	p->parent->child_stime_ns += p->dead_stime_ns + p->child_stime_ns;
	p->parent->child_min_flt += p->dead_min_flt + p->child_min_flt;
	p->parent->child_maj_flt += p->dead_maj_flt + p->child_maj_flt;
	pid_free_locked(p->pid);
	process_put(p);		/* the table's reference: spinlocks may be held over kfree */
}

/* The current thread leaves its process for good; the last one makes it a zombie. */
static void leave_process(struct task *t, int code)
{
	struct process *p = t->process;

	spin_lock(&tasklist_lock);
	p->dead_utime_ns += READ_ONCE(t->utime_ns);
	p->dead_stime_ns += READ_ONCE(t->stime_ns);
	p->dead_min_flt += t->min_flt;
	p->dead_maj_flt += t->maj_flt;
	memcpy(p->last_name, t->name, sizeof(p->last_name));
	spin_lock(&p->sig_lock);
	if (!p->group_exit && t->tid == p->pid)
		p->exit_code = code;
	sigqueue_drop(p, &t->pending, ~0UL);
	if (p->nr_threads == 1)
		sigqueue_drop(p, &p->pending, ~0UL);
	spin_unlock(&p->sig_lock);
	list_del(&t->thread_node);
	p->nr_threads--;
	if (t->tid != p->pid)
		pid_free_locked(t->tid);
	if (p->nr_threads == 0) {
		jobctl_exit_locked(p);
		reparent_children(p);
		p->zombie = true;
		if (notify_parent(p))
			process_reap_locked(p);
	} else {
		wake_up_all(&p->thread_wait, 0);
		jobctl_check_stopped_locked(p);
	}
	WRITE_ONCE(t->process, &kernel_process);	/* p may be freed from now on */
	spin_unlock(&tasklist_lock);
}

void task_exit(int code)
{
	struct task *t = current;
	struct process *p = t->process;

	if (unlikely(t->held_count))
		panic("task %d ends and holds %d locks", t->tid, t->held_count);
	task_set_flag(t, TF_EXITING);		/* who sends looks at it after the signal is pending: SG4 */
	if (READ_ONCE(p->pending.signals) & ~t->sig_mask)
		signal_retarget(~t->sig_mask);
	if (atomic_dec_and_test(&p->live)) {
		if (p == init_process)
			fatal("init ended (status 0x%x)", p->group_exit ? p->exit_code : code);
		exit_process_resources(p);
	}
	exit_mm();
	exit_files();
	leave_process(t, code);
	WRITE_ONCE(t->state, TASK_DEAD);
	schedule();
	panic("dead task %d runs", t->tid);
}

void process_exit(int code)
{
	struct process *p = current->process;

	spin_lock(&tasklist_lock);
	spin_lock(&p->sig_lock);
	if (!p->group_exit) {
		p->group_exit = true;
		p->exit_code = code;
		struct task *t;
		list_for_each(t, &p->threads, thread_node) {
			if (t == current)
				continue;
			WRITE_ONCE(t->pending.signals, t->pending.signals | SIG_BIT(SIGKILL));
			task_set_flag(t, TF_SIGPENDING);
			task_wake_signal(t, true);
		}
	}
	code = p->exit_code;
	spin_unlock(&p->sig_lock);
	spin_unlock(&tasklist_lock);
	task_exit(code);
}

long sys_exit(int code)
{
	task_exit((code & 0xff) << 8);
}

long sys_exit_group(int code)
{
	process_exit((code & 0xff) << 8);
}
