/*
 * The system calls about signals: actions, masks, waiting, sending.
 */
#include "kernel/cpu.h"
#include "kernel/proc_syscalls.h"
#include "kernel/signal.h"
#include "kernel/string.h"
#include "kernel/times.h"
#include "kernel/usermode.h"
#include "mm/usercopy.h"

/* struct sigaction as the kernel's ABI has it. */
struct user_sigaction {
	u64 handler, flags, restorer, mask;
};

#define MIN_ALT_STACK 2048

/* --- actions and masks --- */

/* Forget pending signals that are ignored from now on (POSIX). sig_lock and tasklist_lock held. */
static void drop_pending(struct process *p, int sig)
{
	struct task *t;

	sigqueue_drop(p, &p->pending, SIG_BIT(sig));
	list_for_each(t, &p->threads, thread_node)
		sigqueue_drop(p, &t->pending, SIG_BIT(sig));
}

long sys_rt_sigaction(int sig, const void __user *act, void __user *old, size_t size)
{
	struct process *p = current->process;
	struct user_sigaction new_v = { 0 }, old_v;

	if (size != sizeof(u64))
		return -EINVAL;
	if (act && copy_from_user(&new_v, act, sizeof(new_v)))
		return -EFAULT;
	if (sig < 1 || sig > NR_SIGNALS || (act && SIG_BIT(sig) & SIG_UNBLOCKABLE))
		return -EINVAL;
	spin_lock(&tasklist_lock);
	spin_lock(&p->sig_lock);
	struct sigaction_k *a = &p->action[sig - 1];
	old_v = (struct user_sigaction){ (u64)a->handler, a->flags, (u64)a->restorer, a->mask };
	if (act) {
		*a = (struct sigaction_k){
			.handler = (void __user *)new_v.handler,
			.flags = new_v.flags & (SA_NOCLDSTOP | SA_NOCLDWAIT | SA_SIGINFO | SA_ONSTACK | SA_RESTART | SA_NODEFER |
						SA_RESETHAND | SA_EXPOSE_TAGBITS | SA_RESTORER),
			.restorer = (void __user *)new_v.restorer, .mask = new_v.mask & ~SIG_UNBLOCKABLE,
		};
		if (a->handler == (void __user *)SIG_IGN ||
		    (a->handler == (void __user *)SIG_DFL && signal_default(sig) == SIGDEF_IGNORE))
			drop_pending(p, sig);
	}
	spin_unlock(&p->sig_lock);
	spin_unlock(&tasklist_lock);
	return old && copy_to_user(old, &old_v, sizeof(old_v)) ? -EFAULT : 0;
}

long sys_rt_sigprocmask(int how, const u64 __user *set, u64 __user *old, size_t size)
{
	u64 mask = current->sig_mask, old_mask = mask, v;

	if (size != sizeof(u64))
		return -EINVAL;
	if (set) {
		if (get_user(v, set))
			return -EFAULT;
		v &= ~SIG_UNBLOCKABLE;
		switch (how) {
		case SIG_BLOCK: mask |= v; break;
		case SIG_UNBLOCK: mask &= ~v; break;
		case SIG_SETMASK: mask = v; break;
		default: return -EINVAL;
		}
		signal_set_mask(mask);
	}
	return old && put_user(old_mask, old) ? -EFAULT : 0;
}

long sys_rt_sigpending(u64 __user *set, size_t size)
{
	struct task *t = current;

	if (size > sizeof(u64))
		return -EINVAL;
	spin_lock(&t->process->sig_lock);
	u64 v = (t->pending.signals | t->process->pending.signals) & t->sig_mask;
	spin_unlock(&t->process->sig_lock);
	return copy_to_user(set, &v, size) ? -EFAULT : 0;
}

/* --- the alternate stack --- */

static inline bool is_alt_stack(const stack_t *stack)
{
	const stack_t *alt = &current->sig_stack;

	return stack->ss_sp == alt->ss_sp && stack->ss_size == alt->ss_size && stack->ss_flags == alt->ss_flags;
}

static long set_alt_stack(const stack_t *new, size_t min_size)
{
	stack_t *alt = &current->sig_stack;
	int mode = new->ss_flags & ~(int)SS_AUTODISARM;

	if (on_alt_stack(current->frame->rsp))
		return -EPERM;
	if (is_alt_stack(new))
		return 0;		/* also what could not be set anew: size 0 */
	if (mode != SS_DISABLE && mode != SS_ONSTACK && mode != 0)
		return -EINVAL;
	if (mode == SS_DISABLE) {
		*alt = (stack_t){ .ss_flags = new->ss_flags };
		return 0;
	}
	if (new->ss_size < min_size)
		return -ENOMEM;
	*alt = (stack_t){ .ss_sp = new->ss_sp, .ss_size = new->ss_size, .ss_flags = new->ss_flags };
	return 0;
}

/* The frame says what the stack is, unless the handler wrote to it. */
void sigaltstack_restore(const stack_t *stack)
{
	if (likely(is_alt_stack(stack)))
		return;
	(void)set_alt_stack(stack, MIN_ALT_STACK);
}

long sys_sigaltstack(const stack_t __user *stack, stack_t __user *old)
{
	const stack_t *alt = &current->sig_stack;
	stack_t new_v, old_v = { 0 };

	if (stack && copy_from_user(&new_v, stack, sizeof(new_v)))
		return -EFAULT;
	old_v.ss_sp = alt->ss_sp;
	old_v.ss_size = alt->ss_size;
	old_v.ss_flags = !alt->ss_size ? SS_DISABLE : on_alt_stack(current->frame->rsp) ? SS_ONSTACK : 0;
	old_v.ss_flags |= alt->ss_flags & (int)SS_AUTODISARM;
	if (stack) {
		long r = set_alt_stack(&new_v, MIN_ALT_STACK);
		if (r)
			return r;
	}
	return old && copy_to_user(old, &old_v, sizeof(old_v)) ? -EFAULT : 0;
}

/* --- waiting --- */

static long sleep_for_signal(void)
{
	struct wait_queue nobody;	/* woken by signals only */

	wait_queue_init(&nobody);
	wait_event(&nobody, WAIT_INTERRUPTIBLE, signal_pending(current));
	return -ERESTARTNOHAND;
}

long sys_pause(void)
{
	return sleep_for_signal();
}

long sys_rt_sigsuspend(const u64 __user *mask, size_t size)
{
	u64 v;

	if (size != sizeof(u64))
		return -EINVAL;
	if (get_user(v, mask))
		return -EFAULT;
	current->saved_mask = current->sig_mask;
	task_set_flag(current, TF_RESTORE_MASK | TF_SIGPENDING);
	signal_set_mask(v);
	return sleep_for_signal();
}

/* Take one of `which`, or note that we are waiting for it. */
static int take_or_wait(u64 which, struct ksiginfo *info)
{
	struct task *t = current;

	spin_lock(&t->process->sig_lock);
	int sig = signal_take_locked(which, info);
	t->sig_wait = sig ? 0 : which;
	spin_unlock(&t->process->sig_lock);
	return sig;
}

long sys_rt_sigtimedwait(const u64 __user *set, siginfo_t __user *uinfo, const struct __kernel_timespec __user *timeout, size_t size)
{
	struct task *t = current;
	struct wait_queue nobody;
	struct wait_entry entry = { 0 };
	u64 which, ns = 0;
	struct ksiginfo info;
	int sig, r = 0;

	if (size != sizeof(u64))
		return -EINVAL;
	if (get_user(which, set))
		return -EFAULT;
	if (timeout) {
		r = timespec_get(timeout, &ns);
		if (r)
			return r;
	}
	which &= ~SIG_UNBLOCKABLE;
	u64 deadline = deadline_after(ns);
	/* They stay blocked: who sends one looks at sig_wait, and wakes us instead of doing what the default action is. */
	wait_queue_init(&nobody);
	for (;;) {
		wait_prepare(&nobody, &entry, WAIT_INTERRUPTIBLE, 0);
		sig = take_or_wait(which, &info);
		if (sig || (timeout && !ns))
			break;
		r = timeout ? wait_sleep_until(WAIT_INTERRUPTIBLE, deadline) : wait_sleep(WAIT_INTERRUPTIBLE);
		if (r) {
			sig = take_or_wait(which, &info);
			break;
		}
	}
	wait_finish(&nobody, &entry);
	spin_lock(&t->process->sig_lock);
	t->sig_wait = 0;
	spin_unlock(&t->process->sig_lock);
	if (!sig)
		return r && r != -ETIMEDOUT ? -EINTR : -EAGAIN;
	return uinfo && siginfo_put_user(uinfo, &info) ? -EFAULT : sig;
}

long sys_restart_syscall(void)
{
	return -EINTR;		/* no call of ours needs it */
}

/* --- sending --- */

int signal_may_send(const struct process *p, int sig)
{
	const struct process *self = current->process;

	if (p == self || self->euid == 0 || self->euid == p->suid || self->euid == p->uid || self->uid == p->suid ||
	    self->uid == p->uid || (sig == SIGCONT && self->sid == p->sid))
		return 0;
	return -EPERM;
}

/* To one process, with permission; sig 0 only asks. tasklist_lock held. */
static int kill_one(struct process *p, int sig, const struct ksiginfo *info)
{
	int r = sig < 0 || sig > NR_SIGNALS ? -EINVAL : signal_may_send(p, sig);

	return r || !sig ? r : signal_send_locked(p, NULL, sig, info);
}

/* To a group (pgid > 0), or to all but init and ourselves (0). tasklist_lock held. */
static __attribute__((noinline)) int kill_many(int pgid, int sig, const struct ksiginfo *info)
{
	struct process *p;
	int result = -ESRCH;

	list_for_each(p, &process_list, all_node) {
		if (pgid ? p->pgid != pgid : p->pid == 1 || p == current->process)
			continue;
		int r = kill_one(p, sig, info);
		if (!r || result == -ESRCH)
			result = r;
	}
	return result;
}

long sys_kill(int pid, int sig)
{
	const struct process *self = current->process;
	struct ksiginfo info;
	long r = -ESRCH;

	if (pid == -2147483647 - 1)
		return -ESRCH;
	siginfo_user(&info, sig, SI_USER, self);
	/* The only thread sees it; only that thread, this one, could make it two. */
	if (pid == self->pid && READ_ONCE(self->nr_threads) == 1 && signal_raise(sig, &info))
		return 0;
	spin_lock(&tasklist_lock);
	struct process *p = pid > 0 ? process_find(pid) : NULL;
	if (p)
		r = kill_one(p, sig, &info);
	else if (pid <= 0)
		r = kill_many(pid == 0 ? self->pgid : pid == -1 ? 0 : -pid, sig, &info);
	spin_unlock(&tasklist_lock);
	return r;
}

/* tgid < 0: any process. */
static long send_thread(int tgid, int tid, int sig, const struct ksiginfo *info)
{
	long r = -ESRCH;

	spin_lock(&tasklist_lock);
	struct task *t = task_find(tid);
	if (t && (tgid < 0 || t->process->pid == tgid)) {
		r = sig < 0 || sig > NR_SIGNALS ? -EINVAL : signal_may_send(t->process, sig);
		if (!r && sig)
			r = signal_send_locked(t->process, t, sig, info);
	}
	spin_unlock(&tasklist_lock);
	return r;
}

long sys_tgkill(int tgid, int tid, int sig)
{
	struct ksiginfo info;

	if (tgid <= 0 || tid <= 0)
		return -EINVAL;
	siginfo_user(&info, sig, SI_TKILL, current->process);
	if (tid == current->tid && tgid == current->process->pid && signal_raise(sig, &info))	/* raise(3) */
		return 0;
	return send_thread(tgid, tid, sig, &info);
}

long sys_tkill(int tid, int sig)
{
	struct ksiginfo info;

	if (tid <= 0)
		return -EINVAL;
	siginfo_user(&info, sig, SI_TKILL, current->process);
	return send_thread(-1, tid, sig, &info);
}

/* May the caller claim what this siginfo claims? Only about itself, or with a code that says "from a user". */
static bool info_allowed(const struct ksiginfo *info, int pid)
{
	return !((info->si_code >= 0 || info->si_code == SI_TKILL) && current->process->pid != pid);
}

long sys_rt_sigqueueinfo(int pid, int sig, siginfo_t __user *uinfo)
{
	struct ksiginfo info;
	long r = -ESRCH;

	if (copy_from_user(&info, uinfo, sizeof(info)))
		return -EFAULT;
	info.si_signo = sig;
	if (!info_allowed(&info, pid))
		return -EPERM;
	spin_lock(&tasklist_lock);
	struct process *p = process_find(pid);
	if (p)
		r = kill_one(p, sig, &info);
	spin_unlock(&tasklist_lock);
	return r;
}

long sys_rt_tgsigqueueinfo(int tgid, int tid, int sig, siginfo_t __user *uinfo)
{
	struct ksiginfo info;

	if (copy_from_user(&info, uinfo, sizeof(info)))
		return -EFAULT;
	if (tgid <= 0 || tid <= 0)
		return -EINVAL;
	info.si_signo = sig;
	if (!info_allowed(&info, tgid))
		return -EPERM;
	return send_thread(tgid, tid, sig, &info);
}
