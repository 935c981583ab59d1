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

bool signal_pending(const struct task *t)
{
	const struct process *p = t->process;

	return (READ_ONCE(t->pending.signals) | READ_ONCE(p->pending.signals)) & ~t->sig_mask || READ_ONCE(p->group_exit) || READ_ONCE(p->stopping);
}

bool fatal_signal_pending(const struct task *t)
{
	return READ_ONCE(t->pending.signals) & SIG_BIT(SIGKILL) || READ_ONCE(t->process->group_exit);
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
	return sig == SIGKILL || !(READ_ONCE(t->sig_mask) & SIG_BIT(sig) || READ_ONCE(t->flags) & TF_STOPPED);
}

/* The thread that should see a signal to the process: one that does not block it, the leader if possible. */
static inline struct task *choose_thread(const struct process *p, int sig)
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

/* Is a signal without a handler done with already? It is ignored, or kills the process at once. Locks held. */
static __attribute__((noinline)) bool done_at_once(struct process *p, const struct task *t, int sig, bool from_kernel)
{
	bool blocked = t ? !is_open(t, sig) : !choose_thread(p, sig);

	if (!blocked && is_ignored(p, sig, from_kernel))
		return true;
	if (SIG_BIT(sig) & SIG_UNBLOCKABLE && p->pid == 1)
		return true;
	if (sig != SIGKILL && (blocked || signal_default(sig) != SIGDEF_KILL || handler_of(p, sig) != (void __user *)SIG_DFL))
		return false;
	kill_process_locked(p, sig);
	return true;
}

int signal_send_locked(struct process *p, struct task *t, int sig, const struct ksiginfo *info)
{
	struct task *target;
	int r = 0;

	if (sig < 1 || sig > NR_SIGNALS)
		return -EINVAL;
	if (unlikely(p == &kernel_process))
		return 0;
	if (unlikely(SIG_BIT(sig) & (SIG_STOPS | SIG_BIT(SIGCONT))))
		jobctl_sent_locked(p, sig);
	spin_lock(&p->sig_lock);
	if (unlikely(p->zombie || p->group_exit))
		goto out;
	if (!signal_handled(&p->action[sig - 1]) && done_at_once(p, t, sig, !info || info->si_code > 0))
		goto out;
	r = sigqueue_add(p, t ? &t->pending : &p->pending, sig, info);
	if (r)
		goto out;
	/* Pending before the look at masks and queues: who opens his mask, or joins the queue, looks at what is pending after that (SG4). */
	smp_mb();
	if (unlikely(READ_ONCE(signalfd_wait.waiters.next) != &signalfd_wait.waiters))
		wake_up_all(&signalfd_wait, 0);
	target = t ? (is_open(t, sig) ? t : NULL) : choose_thread(p, sig);
	if (likely(target))
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

int signal_send(struct process *p, int sig, const struct ksiginfo *info)
{
	spin_lock(&tasklist_lock);
	int r = signal_send_locked(p, NULL, sig, info);
	spin_unlock(&tasklist_lock);
	return r;
}

int signal_send_task(struct task *t, int sig, const struct ksiginfo *info)
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
	struct ksiginfo info = { .si_signo = sig, .si_code = code };

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

void signal_retarget(u64 signals)
{
	struct process *p = current->process;
	struct task *target;

	spin_lock(&tasklist_lock);
	spin_lock(&p->sig_lock);
	for (signals &= p->pending.signals; signals; signals &= signals - 1) {
		target = choose_thread(p, __builtin_ctzl(signals) + 1);
		if (target)
			notify_thread(target, false);
	}
	spin_unlock(&p->sig_lock);
	spin_unlock(&tasklist_lock);
}

/* Without a lock, SG4. */
static inline void change_mask(struct task *t, u64 mask)
{
	u64 blocked = mask & ~t->sig_mask;

	WRITE_ONCE(t->sig_mask, mask);
	smp_mb();			/* the mask before the look at what is pending: signal_send_locked() */
	if (unlikely(blocked & READ_ONCE(t->process->pending.signals)))
		signal_retarget(blocked);
}

void signal_set_mask(u64 mask)
{
	struct task *t = current;

	change_mask(t, mask & ~SIG_UNBLOCKABLE);
	if (signal_pending(t))
		task_set_flag(t, TF_SIGPENDING);
}

int signal_take_locked(u64 which, struct ksiginfo *info)
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

/* The action for a signal that was just taken. sig_lock held. */
static inline void take_action(struct process *p, int sig, struct sigaction_k *action)
{
	*action = p->action[sig - 1];
	if (unlikely(action->flags & SA_RESETHAND) && action->handler != (void __user *)SIG_IGN)
		p->action[sig - 1].handler = (void __user *)SIG_DFL;
}

/* The next signal with a handler: its number with info and action, 0 if there is none. Dies here if the process is to die. */
static int next_signal(struct ksiginfo *info, struct sigaction_k *action)
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
			take_action(p, sig, action);
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
		if (likely(signal_handled(action)))
			return sig;
		if (action->handler == (void __user *)SIG_IGN)
			continue;
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

static void run_handler(struct trapframe *frame, int sig, const struct ksiginfo *info, const struct sigaction_k *action)
{
	struct task *t = current;
	u64 mask = t->sig_mask;

	if (unlikely(READ_ONCE(t->flags) & TF_RESTORE_MASK)) {
		mask = t->saved_mask;
		task_clear_flag(t, TF_RESTORE_MASK);
	}
	t->restart_deadline = 0;	/* the handler's own calls have their own */
	if (likely(!sigframe_setup(frame, sig, info, action, mask))) {
		change_mask(t, t->sig_mask | action->mask | (action->flags & SA_NODEFER ? 0 : SIG_BIT(sig)));
		return;
	}
	if (sig == SIGSEGV) {		/* its own handler's frame cannot be made */
		spin_lock(&t->process->sig_lock);
		t->process->action[sig - 1].handler = (void __user *)SIG_DFL;
		spin_unlock(&t->process->sig_lock);
	}
	signal_fault(SIGSEGV, SI_KERNEL, 0);
}

bool signal_raise(int sig, const struct ksiginfo *info)
{
	struct task *t = current;
	struct process *p = t->process;
	struct sigaction_k action;

	/* What has side effects when sent, or counts against a limit, is sent. */
	if (sig < 1 || sig >= SIGRTMIN || SIG_BIT(sig) & (t->sig_mask | SIG_STOPS | SIG_BIT(SIGCONT)))
		return false;
	spin_lock(&p->sig_lock);
	bool now = signal_handled(&p->action[sig - 1]) && !signal_pending(t);
	if (now)
		take_action(p, sig, &action);
	spin_unlock(&p->sig_lock);
	if (!now)
		return false;
	t->frame->rax = 0;		/* the call's result, where the handler returns to */
	t->frame->vector = 0;		/* changed: entry.asm */
	run_handler(t->frame, sig, info, &action);
	return true;
}

void signal_deliver(struct trapframe *frame)
{
	struct task *t = current;
	struct sigaction_k action;
	struct ksiginfo info;
	bool handled = false;
	int sig;

	t->frame = frame;
	if (unlikely(t->set_child_tid)) {	/* a new child's first way to user mode; a bad address is its own fault */
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
