/*
 * Signals inside the kernel: sets, dispositions, and what its parts (signal.c: sending and taking;
 * sigcalls.c: the calls; sigframe.c: the user stack frame) need of each other.
 *
 * A signal is pending for one task or for its process (struct sigpending, kernel/sigqueue.c).
 *
 * SG1 A signal whose action is to ignore it is dropped when sent, unless blocked.
 * SG2 group_exit once set stays set: every thread dies on its next way to user mode; exit_code is fixed with it.
 * SG3 SIGKILL and SIGSTOP are in no mask.
 */
#pragma once

#include "kernel/task.h"
#include "kernel/trap.h"

#define SIG_BIT(sig) (1UL << ((sig) - 1))
#define SIG_UNBLOCKABLE (SIG_BIT(SIGKILL) | SIG_BIT(SIGSTOP))
#define SIG_SYNCHRONOUS (SIG_BIT(SIGSEGV) | SIG_BIT(SIGBUS) | SIG_BIT(SIGILL) | SIG_BIT(SIGTRAP) | SIG_BIT(SIGFPE) | SIG_BIT(SIGSYS))
#define SIG_STOPS (SIG_BIT(SIGSTOP) | SIG_BIT(SIGTSTP) | SIG_BIT(SIGTTIN) | SIG_BIT(SIGTTOU))
#define NR_SIGNALS 64

enum sig_default { SIGDEF_KILL, SIGDEF_CORE, SIGDEF_IGNORE, SIGDEF_STOP };
enum sig_default signal_default(int sig);

static inline void task_set_flag(struct task *t, u32 flag) { __atomic_fetch_or(&t->flags, flag, __ATOMIC_SEQ_CST); }
static inline void task_clear_flag(struct task *t, u32 flag) { __atomic_fetch_and(&t->flags, ~flag, __ATOMIC_SEQ_CST); }

/* Who waits for signals by fs/signalfd.c: woken whenever one becomes pending for anybody. */
extern struct wait_queue signalfd_wait;
/* Set the current task's mask (SG3 is seen to) and look whether something is deliverable now. Takes sig_lock. */
void signal_set_mask(u64 mask);
/* Take one pending signal of `which` (bits) off the current task or its process: its number, or 0. sig_lock held. */
int signal_take_locked(u64 which, siginfo_t *info);
/* A siginfo as kill(2) and tkill(2) make it. */
void siginfo_user(siginfo_t *info, int sig, int code);
/* May the current process send sig to p? 0 or -EPERM. tasklist_lock held. */
int signal_may_send(const struct process *p, int sig);

/* kernel/sigframe.c: make the handler's frame on the user stack and enter the handler; `mask` is what sigreturn restores.
 * 0 or -EFAULT (the caller kills). Sleeps. */
int sigframe_setup(struct trapframe *frame, int sig, const siginfo_t *info, const struct sigaction_k *action, u64 mask);
/* sigreturn: as sigaltstack(2), errors ignored. */
void sigaltstack_restore(const stack_t *stack);
/* --- kernel/sigqueue.c: pending signals; sig_lock held --- */
/* Make it pending. -EAGAIN: a real-time signal whose siginfo would be lost (RLIMIT_SIGPENDING, no memory). Does not sleep. */
int sigqueue_add(struct process *p, struct sigpending *pending, int sig, const siginfo_t *info);
/* Take one that is pending, with its siginfo. */
void sigqueue_take(struct process *p, struct sigpending *pending, int sig, siginfo_t *info);
void sigqueue_drop(struct process *p, struct sigpending *pending, u64 signals);

/* --- kernel/jobctl.c: stop and continue --- */
/* The current thread took a stop signal whose action is to stop, with stop_armed set under the same sig_lock. Does not wait. */
void jobctl_stop(int sig);
/* The current thread, on its way to user mode, stays here until the process is continued or the thread is to die. Sleeps. */
void jobctl_park(void);
/* A signal is being sent to p, whether it is blocked or ignored or not. tasklist_lock held; takes sig_lock. */
void jobctl_sent_locked(struct process *p, int sig);
/* A thread has parked or left: is the stop complete? Tells the parent. tasklist_lock held. */
void jobctl_check_stopped_locked(struct process *p);
/* p is about to be a zombie, its children still its own: groups that lose their last link to a shell. tasklist_lock held. */
void jobctl_exit_locked(struct process *p);
/* The siginfo of SIGCHLD and waitid() for a child that stopped or was continued. */
void siginfo_jobctl(siginfo_t *info, const struct process *p, enum stop_report report);

/* Is sp on the current task's alternate stack? */
bool on_alt_stack(u64 sp);
