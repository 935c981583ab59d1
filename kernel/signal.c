/*
 * Signals: sending, and taking them on the way to user mode. kernel/signal.h has the rules, sigcalls.c the
 * system calls, sigframe.c the frame on the user's stack.
 *
 * Locks: tasklist_lock keeps threads on their process's list while we choose who is woken; inside it sig_lock.
 */
#include "kernel/signal.h"

#include "kernel/cpu.h"
#include "kernel/printk.h"
#include "kernel/proc_syscalls.h"
#include "kernel/string.h"
#include "kernel/timers.h"
#include "kernel/usermode.h"
#include "mm/usercopy.h"

enum sig_default signal_default(int sig)
{
	switch (sig) {
	case SIGCHLD: case SIGCONT: case SIGURG: case SIGWINCH:
		return SIGDEF_IGNORE;
	case SIGSTOP: case SIGTSTP: case SIGTTIN: case SIGTTOU:
		return SIGDEF_STOP;
	case SIGQUIT: case SIGILL: case SIGTRAP: case SIGABRT: case SIGFPE: case SIGSEGV: case SIGBUS: case SIGSYS:
	case SIGXCPU: case SIGXFSZ:
		return SIGDEF_CORE;
	}
	return SIGDEF_KILL;
}

bool signal_pending(const struct task *t)
{
	const struct process *p = t->process;

	return (READ_ONCE(t->pending.signals) | READ_ONCE(p->pending.signals)) & ~t->sig_mask || READ_ONCE(p->group_exit) || READ_ONCE(p->stopping);
}

bool fatal_signal_pending(const struct task *t)
{
	return READ_ONCE(t->pending.signals) & SIG_BIT(SIGKILL) || READ_ONCE(t->process->group_exit);
}

void siginfo_user(siginfo_t *info, int sig, int code)
{
	memset(info, 0, sizeof(*info));
	info->si_signo = sig;
	info->si_code = code;
	info->si_pid = current->process->pid;
	info->si_uid = current->process->uid;
}

/* --- sending --- */

static void __user *handler_of(const struct process *p, int sig) { return p->action[sig - 1].handler; }

/* SG1, and init takes only what it has a handler for. sig_lock held. */
static bool is_ignored(const struct process *p, int sig, bool from_kernel)
{
	enum sig_default def = signal_default(sig);

	if (handler_of(p, sig) == (void __user *)SIG_IGN)
		return true;
	if (handler_of(p, sig) != (void __user *)SIG_DFL)
		return false;
	return def == SIGDEF_IGNORE || (p->pid == 1 && !from_kernel);
}

/* Can the signal be acted upon now? A parked thread looks at it when it goes on (JC3); SIGKILL comes through everything. */
static bool is_open(const struct task *t, int sig)
{
	return sig == SIGKILL || !(t->sig_mask & SIG_BIT(sig) || READ_ONCE(t->flags) & TF_STOPPED);
}

/* The thread that should see a signal to the process: one that does not block it, the leader if possible. */
static struct task *choose_thread(const struct process *p, int sig)
{
	struct task *t;

	list_for_each(t, &p->threads, thread_node)
		if (is_open(t, sig) && !(READ_ONCE(t->flags) & TF_EXITING))
			return t;
	return NULL;
}

static void notify_thread(struct task *t, bool fatal)
{
	task_set_flag(t, TF_SIGPENDING);
	if (t != current || READ_ONCE(t->state) != TASK_RUNNABLE)	/* it does not sleep, then, and looks before it does */
		task_wake_signal(t, fatal);
}

/* The whole process dies of sig: every thread leaves its sleep, whatever it is waiting for (SG2). Locks held. */
static void kill_process_locked(struct process *p, int sig)
{
	struct task *t;

	p->group_exit = true;
	p->exit_code = sig;
	list_for_each(t, &p->threads, thread_node) {
		WRITE_ONCE(t->pending.signals, t->pending.signals | SIG_BIT(SIGKILL));
		notify_thread(t, true);
	}
}

struct wait_queue signalfd_wait = WAIT_QUEUE_INIT(signalfd_wait);

int signal_send_locked(struct process *p, struct task *t, int sig, const siginfo_t *info)
{
	bool from_kernel = !info || info->si_code > 0;
	int r = 0;

	if (sig < 1 || sig > NR_SIGNALS)
		return -EINVAL;
	if (p == &kernel_process)
		return 0;
	jobctl_sent_locked(p, sig);
	spin_lock(&p->sig_lock);
	struct task *target = t ? t : choose_thread(p, sig);
	bool blocked = t ? !is_open(t, sig) : !target;
	if (p->zombie || p->group_exit || (!blocked && is_ignored(p, sig, from_kernel)))
		goto out;
	if (SIG_BIT(sig) & SIG_UNBLOCKABLE && p->pid == 1)
		goto out;
	enum sig_default def = signal_default(sig);
	if (sig == SIGKILL || (!blocked && def == SIGDEF_KILL && handler_of(p, sig) == (void __user *)SIG_DFL)) {
		kill_process_locked(p, sig);
		goto out;
	}
	r = sigqueue_add(p, t ? &t->pending : &p->pending, sig, info);
	if (r)
		goto out;
	smp_mb();			/* pending before the look at the queue; who waits joins it before he looks */
	if (READ_ONCE(signalfd_wait.waiters.next) != &signalfd_wait.waiters)
		wake_up_all(&signalfd_wait, 0);
	if (target && !blocked)
		notify_thread(target, false);
	else
		/* Blocked, but a thread may be in sigtimedwait() for it: it looks again. */
		list_for_each(target, &p->threads, thread_node)
			if (target->sig_wait & SIG_BIT(sig))
				notify_thread(target, false);
out:
	spin_unlock(&p->sig_lock);
	return r;
}

int signal_send(struct process *p, int sig, const siginfo_t *info)
{
	spin_lock(&tasklist_lock);
	int r = signal_send_locked(p, NULL, sig, info);
	spin_unlock(&tasklist_lock);
	return r;
}

int signal_send_task(struct task *t, int sig, const siginfo_t *info)
{
	spin_lock(&tasklist_lock);
	int r = signal_send_locked(t->process, t, sig, info);
	spin_unlock(&tasklist_lock);
	return r;
}

int signal_send_pgrp(int pgid, int sig)
{
	struct process *p;
	int r = -ESRCH;

	spin_lock(&tasklist_lock);
	list_for_each(p, &process_list, all_node)
		if (p->pgid == pgid)
			r = signal_send_locked(p, NULL, sig, NULL);
	spin_unlock(&tasklist_lock);
	return r;
}

void signal_fault(int sig, int code, vaddr_t address)
{
	struct task *t = current;
	struct process *p = t->process;
	struct trapframe *f = t->frame;
	siginfo_t info = { .si_signo = sig, .si_code = code };

	if (code > 0 && code != SI_KERNEL)
		info.si_addr = (void *)address;		/* the UAPI structure knows no __user */
	if (f && f->vector != SYSCALL_VECTOR) {
		t->trap_nr = f->vector;
		t->trap_error = f->error;
		t->trap_address = address;
	}
	spin_lock(&tasklist_lock);
	spin_lock(&p->sig_lock);
	struct sigaction_k *action = &p->action[sig - 1];
	bool blocked = t->sig_mask & SIG_BIT(sig) || action->handler == (void __user *)SIG_IGN;
	if (blocked) {		/* it cannot be put off: the instruction would only fault again */
		*action = (struct sigaction_k){ 0 };
		t->sig_mask &= ~SIG_BIT(sig);
	}
	bool unhandled = action->handler == (void __user *)SIG_DFL;
	sigqueue_drop(p, &t->pending, SIG_BIT(sig));	/* this one's siginfo counts */
	(void)sigqueue_add(p, &t->pending, sig, &info);
	task_set_flag(t, TF_SIGPENDING);
	spin_unlock(&p->sig_lock);
	spin_unlock(&tasklist_lock);
	if (unhandled && f)
		printk("%s[%d]: signal %d code %d at ip %lx sp %lx address %lx\n", t->name, t->tid, sig, code, f->rip, f->rsp, address);
}

bool signal_is_ignored(int sig)
{
	return current->sig_mask & SIG_BIT(sig) || handler_of(current->process, sig) == (void __user *)SIG_IGN;
}

void signal_flush_handlers(struct process *p)
{
	spin_lock(&p->sig_lock);
	for (int i = 0; i < NR_SIGNALS; i++) {
		if (p->action[i].handler != (void __user *)SIG_IGN)
			p->action[i].handler = (void __user *)SIG_DFL;
		p->action[i].flags = 0;
		p->action[i].restorer = NULL;
		p->action[i].mask = 0;
	}
	spin_unlock(&p->sig_lock);
}

/* --- taking --- */

void signal_set_mask(u64 mask)
{
	struct task *t = current;

	spin_lock(&t->process->sig_lock);
	t->sig_mask = mask & ~SIG_UNBLOCKABLE;
	spin_unlock(&t->process->sig_lock);
	if (signal_pending(t))
		task_set_flag(t, TF_SIGPENDING);
}

int signal_take_locked(u64 which, siginfo_t *info)
{
	struct task *t = current;
	struct process *p = t->process;
	struct sigpending *pending = t->pending.signals & which ? &t->pending : &p->pending;
	u64 set = pending->signals & which;

	if (!set)
		return 0;
	if (set & SIG_SYNCHRONOUS)
		set &= SIG_SYNCHRONOUS;
	int sig = __builtin_ctzl(set) + 1;
	sigqueue_take(p, pending, sig, info);
	return sig;
}

/* The next signal with something to do: its number with info and action, or 0. Dies here if the process is to die. */
static int next_signal(siginfo_t *info, struct sigaction_k *action)
{
	struct task *t = current;
	struct process *p = t->process;
	int sig;

	info->si_code = 0;		/* until there is one */
	for (;;) {
		spin_lock(&p->sig_lock);
		bool die = p->group_exit, gone = p->exec_task && p->exec_task != t && t->pending.signals & SIG_BIT(SIGKILL);
		bool park = p->stopping && !die && !gone;
		sig = park ? 0 : signal_take_locked(~t->sig_mask, info);
		if (sig) {
			p->stop_armed |= (SIG_BIT(sig) & SIG_STOPS) != 0;
			*action = p->action[sig - 1];
			if (action->flags & SA_RESETHAND && action->handler != (void __user *)SIG_IGN)
				p->action[sig - 1].handler = (void __user *)SIG_DFL;
		}
		bool unkillable = p->pid == 1 && info->si_code <= 0;
		spin_unlock(&p->sig_lock);
		if (die)
			process_exit(0);	/* the exit code is already fixed */
		if (gone)
			task_exit(0);		/* another thread's execve */
		if (park) {
			jobctl_park();
			continue;
		}
		if (!sig)
			return 0;
		if (action->handler == (void __user *)SIG_IGN)
			continue;
		if (action->handler != (void __user *)SIG_DFL)
			return sig;
		enum sig_default def = signal_default(sig);
		if (def == SIGDEF_IGNORE || unkillable)
			continue;
		if (def != SIGDEF_STOP)
			process_exit(sig);
		jobctl_stop(sig);	/* parks in the next round */
	}
}

/* A system call was interrupted: give EINTR to a handler that does not restart it, or run the instruction again. */
static void restart_syscall(struct trapframe *frame, const struct sigaction_k *action)
{
	long result = (long)frame->rax;

	if (frame->vector != SYSCALL_VECTOR || (result != -ERESTARTSYS && result != -ERESTARTNOHAND && result != -ERESTART_RESTARTBLOCK))
		return;
	if (action && (result != -ERESTARTSYS || !(action->flags & SA_RESTART))) {
		frame->rax = (u64)-EINTR;
		return;
	}
	frame->rax = frame->error;	/* the number */
	frame->rip -= 2;		/* SYSCALL is two bytes long */
	frame->vector = 0;		/* changed: entry.asm */
}

static void run_handler(struct trapframe *frame, int sig, const siginfo_t *info, const struct sigaction_k *action)
{
	struct task *t = current;
	u64 mask = READ_ONCE(t->flags) & TF_RESTORE_MASK ? t->saved_mask : t->sig_mask;

	task_clear_flag(t, TF_RESTORE_MASK);
	t->restart_deadline = 0;	/* the handler's own calls have their own */
	if (sigframe_setup(frame, sig, info, action, mask)) {
		if (sig == SIGSEGV) {	/* its own handler's frame cannot be made */
			spin_lock(&t->process->sig_lock);
			t->process->action[sig - 1].handler = (void __user *)SIG_DFL;
			spin_unlock(&t->process->sig_lock);
		}
		signal_fault(SIGSEGV, SI_KERNEL, 0);
		return;
	}
	u64 block = action->mask | (action->flags & SA_NODEFER ? 0 : SIG_BIT(sig));
	signal_set_mask(t->sig_mask | block);
}

void signal_deliver(struct trapframe *frame)
{
	struct task *t = current;
	struct sigaction_k action;
	siginfo_t info;
	bool handled = false;
	int sig;

	t->frame = frame;
	if (t->set_child_tid) {		/* a new child's first way to user mode; a bad address is its own fault */
		(void)put_user(t->tid, t->set_child_tid);
		t->set_child_tid = NULL;
	}
	task_clear_flag(t, TF_SIGPENDING);
	if (unlikely(READ_ONCE(t->flags) & TF_CPU_TIMER)) {
		task_clear_flag(t, TF_CPU_TIMER);
		cputimer_expire();
	}
	while ((!handled || signal_pending(t)) && (sig = next_signal(&info, &action)) != 0) {
		if (!handled)
			restart_syscall(frame, &action);
		handled = true;
		frame->vector = 0;	/* decided: the frames made from now on are no system call's */
		run_handler(frame, sig, &info, &action);
	}
	if (handled)
		return;
	restart_syscall(frame, NULL);
	if (READ_ONCE(t->flags) & TF_RESTORE_MASK) {
		task_clear_flag(t, TF_RESTORE_MASK);
		signal_set_mask(t->saved_mask);
	}
}
