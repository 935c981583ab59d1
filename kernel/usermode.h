/*
 * What fork, exec, exit and the drivers need of each other: process creation and the like.
 */
#pragma once

#include "kernel/task.h"

/* kernel/exec.c: replace the current program. Kernel strings. 0 (then the frame is the new program's) or errno. */
int exec_kernel(const char *path, const char *const argv[], const char *const envp[]);

/* kernel/init.c: start /sbin/init as PID 1 in a task of its own. Called once by kmain when the root is mounted. */
void init_start(void);

/* kernel/signal.c. signal_send and _task take tasklist_lock, the _locked form wants it held. info NULL: SI_KERNEL. */
int signal_send(struct process *p, int sig, const struct ksiginfo *info);	/* to a process; info NULL: SI_KERNEL. 0 or -ESRCH... */
int signal_send_task(struct task *t, int sig, const struct ksiginfo *info);
int signal_send_locked(struct process *p, struct task *t, int sig, const struct ksiginfo *info);	/* t NULL: the process */
int signal_send_pgrp(int pgid, int sig);		/* 0, or -ESRCH if nobody is in it */
bool signal_is_ignored(int sig);				/* current ignores or blocks it */
void signal_flush_handlers(struct process *p);		/* exec: handlers to default */

/*
 * Set by drivers/tty.c, for /proc: of a process with a terminal, the terminal's device number as /proc/PID/stat has it and its
 * foreground group (0: none, -1: not its terminal). tasklist_lock held. NULL: no terminals.
 */
extern void (*session_tty_hook)(const struct process *p, u32 *device, int *pgrp);

/* kernel/exit.c */
__noreturn void task_exit(int code);			/* this thread; code as in wait4 */
__noreturn void process_exit(int code);			/* exit_group or a fatal signal */

/* kernel/pid.c: tasklist_lock held, or the result is referenced */
struct task *task_find(int tid);			/* tasklist_lock held */
struct process *process_find(int pid);			/* tasklist_lock held */
struct process *process_find_get(int pid);		/* with a reference, or NULL */
void process_put(struct process *p);
int pid_alloc(void);					/* from 2 on (1 is init's); -EAGAIN */
void pid_free(int tid);
void pid_free_locked(int tid);				/* tasklist_lock held */
bool pgrp_is_orphaned_locked(int pgid);		/* no member has a parent in another group of its session. tasklist_lock held */
extern struct process kernel_process;			/* pid 0: all kernel threads; not on process_list */
/* Put the task into t->process, tid set (fork, kthread_start); take it out at its death. Take tasklist_lock. */
void task_attach(struct task *t);
void task_detach(struct task *t);

#define PID_MAX 32768					/* numbers are below */
int pid_last(void);					/* the last one given out */

/* kernel/sysinfo.c: the names of the system; at most 64 characters */
void uts_read(struct new_utsname *out);
void uts_write(const char *name, bool domain);

/* FPU (kernel/fpu.c): XSAVE or FXSAVE areas; fpu_save(), fpu_restore(): kernel/cpu.h */
void fpu_init(void);					/* boot: sizes */
void *fpu_alloc(void);					/* initial state; NULL */
void fpu_free(void *area);
void fpu_reset(void);					/* the current task's registers: as those of a new one */
/* A signal frame's image: its size, marks included; to the user's stack, 64-byte aligned; and back (0: the initial state). 0, -EFAULT, -ENOMEM. Sleep. */
size_t fpu_image_size(void);
int fpu_save_image(void __user *image);
int fpu_load_image(const void __user *image);

/* user_mode entry of a new task: kernel/entry.asm */
__noreturn void return_to_user(struct trapframe *frame);
