/*
 * Signals inside the kernel: sets, dispositions, and what its parts (signal.c: sending and taking;
 * sigcalls.c: the calls; sigframe.c: the user stack frame) need of each other.
 *
 * A signal is pending for one task or for its process (struct sigpending, kernel/sigqueue.c).
 *
 * SG1 A signal whose action is to ignore it is dropped when sent, unless blocked.
 * SG2 group_exit once set stays set: every thread dies on its next way to user mode; exit_code is fixed with it.
 * SG3 SIGKILL and SIGSTOP are in no mask.
 * SG4 Masks change without a lock, by their own task. Who sends makes the signal pending, then looks at masks for whom to notify; who changes
 *     his mask looks at what is pending afterwards: at what he has opened, to take it, and at what he has blocked and was perhaps to
 *     take for the process, to notify another thread. So one of the two sees the other.
 */
#pragma once

#include "kernel/task.h"
#include "kernel/trap.h"

#define SIG_BIT(sig) (1UL << ((sig) - 1))
#define SIG_UNBLOCKABLE (SIG_BIT(SIGKILL) | SIG_BIT(SIGSTOP))
#define SIG_SYNCHRONOUS (SIG_BIT(SIGSEGV) | SIG_BIT(SIGBUS) | SIG_BIT(SIGILL) | SIG_BIT(SIGTRAP) | SIG_BIT(SIGFPE) | SIG_BIT(SIGSYS))
#define SIG_STOPS (SIG_BIT(SIGSTOP) | SIG_BIT(SIGTSTP) | SIG_BIT(SIGTTIN) | SIG_BIT(SIGTTOU))
#define NR_SIGNALS 64

/* What a signal does without a handler. */
enum sig_default { SIGDEF_KILL, SIGDEF_CORE, SIGDEF_IGNORE, SIGDEF_STOP };
#define SIG_IGNORED (SIG_BIT(SIGCHLD) | SIG_BIT(SIGCONT) | SIG_BIT(SIGURG) | SIG_BIT(SIGWINCH))
#define SIG_CORES (SIG_BIT(SIGQUIT) | SIG_BIT(SIGILL) | SIG_BIT(SIGTRAP) | SIG_BIT(SIGABRT) | SIG_BIT(SIGFPE) | SIG_BIT(SIGSEGV) | \
		   SIG_BIT(SIGBUS) | SIG_BIT(SIGSYS) | SIG_BIT(SIGXCPU) | SIG_BIT(SIGXFSZ))
static inline enum sig_default signal_default(int sig)
{
	u64 bit = SIG_BIT(sig);

	return bit & SIG_IGNORED ? SIGDEF_IGNORE : bit & SIG_STOPS ? SIGDEF_STOP : bit & SIG_CORES ? SIGDEF_CORE : SIGDEF_KILL;
}
/* Does this action run a program's function? */
static inline bool signal_handled(const struct sigaction_k *action) { return (u64)action->handler > (u64)SIG_IGN; }

static inline void task_set_flag(struct task *t, u32 flag) { __atomic_fetch_or(&t->flags, flag, __ATOMIC_SEQ_CST); }
static inline void task_clear_flag(struct task *t, u32 flag) { __atomic_fetch_and(&t->flags, ~flag, __ATOMIC_SEQ_CST); }

/* Who waits for signals by fs/signalfd.c: woken whenever one becomes pending for anybody. */
extern struct wait_queue signalfd_wait;
/* Set the current task's mask (SG3 is seen to) and look whether something is deliverable now. Takes no lock if nothing is. */
void signal_set_mask(u64 mask);
/* The current thread will not take these any more, which may be pending for its process: another one that can is notified. Takes tasklist_lock. */
void signal_retarget(u64 signals);
/* Take one pending signal of `which` (bits) off the current task or its process: its number, or 0. sig_lock held. */
int signal_take_locked(u64 which, struct ksiginfo *info);
/*
 * From a system call, for a signal that its thread sends to itself: if a handler is to run for it now, and no other signal waits, the handler is
 * entered when the call returns 0, without the signal having been pending. False: nothing has happened, it is to be sent. Takes sig_lock, sleeps.
 */
bool signal_raise(int sig, const struct ksiginfo *info);
/* A siginfo as kill(2) and tkill(2) of process `from` make it. */
static inline void siginfo_user(struct ksiginfo *info, int sig, int code, const struct process *from)
{
	*info = (struct ksiginfo){ .si_signo = sig, .si_code = code };
	info->si_pid = from->pid;
	info->si_uid = from->uid;
}
/* May the current process send sig to p? 0 or -EPERM. tasklist_lock held. */
int signal_may_send(const struct process *p, int sig);

/* kernel/sigframe.c: make the handler's frame on the user stack and enter the handler; `mask` is what sigreturn restores.
 * 0 or -EFAULT (the caller kills). Sleeps. */
int sigframe_setup(struct trapframe *frame, int sig, const struct ksiginfo *info, const struct sigaction_k *action, u64 mask);
/* All of a siginfo_t: what it carries, and zeroes for its padding. 0 or -EFAULT. Sleeps. */
int siginfo_put_user(siginfo_t __user *to, const struct ksiginfo *info);
/* sigreturn: as sigaltstack(2), errors ignored. */
void sigaltstack_restore(const stack_t *stack);
/* --- kernel/sigqueue.c: pending signals; sig_lock held --- */
/* Make it pending. -EAGAIN: a real-time signal whose siginfo would be lost (RLIMIT_SIGPENDING, no memory). Does not sleep. */
int sigqueue_add(struct process *p, struct sigpending *pending, int sig, const struct ksiginfo *info);
/* Take one that is pending, with its siginfo. */
void sigqueue_take(struct process *p, struct sigpending *pending, int sig, struct ksiginfo *info);
void sigqueue_drop(struct process *p, struct sigpending *pending, u64 signals);

/* --- kernel/jobctl.c: stop and continue --- */
/* The current thread took a stop signal whose action is to stop, with stop_armed set under the same sig_lock. Does not wait. */
void jobctl_stop(int sig);
/* The current thread, on its way to user mode, stays here until the process is continued or the thread is to die. Sleeps. */
void jobctl_park(void);
/* A stop signal or SIGCONT is being sent to p, whether it is blocked or ignored or not. tasklist_lock held; takes sig_lock. */
void jobctl_sent_locked(struct process *p, int sig);
/* A thread has parked or left: is the stop complete? Tells the parent. tasklist_lock held. */
void jobctl_check_stopped_locked(struct process *p);
/* p is about to be a zombie, its children still its own: groups that lose their last link to a shell. tasklist_lock held. */
void jobctl_exit_locked(struct process *p);
/* The siginfo of SIGCHLD and waitid() for a child that stopped or was continued. */
void siginfo_jobctl(struct ksiginfo *info, const struct process *p, enum stop_report report);

/* Is sp on the current task's alternate stack? */
bool on_alt_stack(u64 sp);
