/*
 * Fault injection: one thing of the future fails: the n-th, or each EVERY-th from the n-th on, or the first that happens on a path through the kernel
 * (the calls that led there) on which none has failed yet. What counts is what everybody does, what one task does, or what a task and all that it
 * starts from now on do (a tree: struct task.injected, inherited by fork and clone). Requests to a disk are everybody's: a kernel thread writes back what
 * a program stored.
 *
 * Armed through /proc/fail (fs/procfail.c) and by alloc_fail=N[,EVERY] of the command line.
 */
#pragma once

#include "kernel/atomic.h"
#include "kernel/types.h"

struct task;

enum inject_kind {
	INJECT_ALLOC,		/* an allocation of frames or of an object finds none */
	INJECT_ACCESS,		/* an access to user memory fails at its first byte: the debug build only */
	INJECT_KILL,		/* a system call begins with SIGKILL pending for its process */
	INJECT_IO,		/* a request to a disk ends with EIO */
	NR_INJECT,
};

enum inject_scope { INJECT_ALL, INJECT_TASK, INJECT_TREE };

extern struct injection {
	atomic64_t left;	/* how many until the next one; 0: off */
	u64 every;
	enum inject_scope scope;
	const struct task *task;	/* INJECT_TASK: whose */
	bool (*fails)(enum inject_kind kind, u32 which);	/* instead of counting: NULL, or who takes `left` to 0 when it is time */
} injections[NR_INJECT];

/* The nth from now on fails, and each every-th after it (0: that one alone); nth 0: none. Scope: of all, of the current task, of it and its offspring. */
void inject_arm(enum inject_kind kind, u64 nth, u64 every, enum inject_scope scope);
/* The same, but `fails` says when, instead of counting. */
void inject_arm_as(enum inject_kind kind, u64 nth, u64 every, enum inject_scope scope, bool (*fails)(enum inject_kind kind, u32 which));
/*
 * kernel/injectpath.c: the next one on a new path fails, and its path is not new any more; with `each` the first on each new path. 0, -ENOMEM, -ENOSPC: more paths than are remembered, -EINVAL:
 * system calls have but one path. Sleeps.
 */
int inject_arm_new_path(enum inject_kind kind, bool each, enum inject_scope scope);
u64 inject_paths(enum inject_kind kind);		/* how many have failed */
u64 inject_left(enum inject_kind kind);	/* until the next one that fails; 0: none will */
void inject_init(void);			/* from the command line: called when the system is up */
bool inject_count(enum inject_kind kind, u32 which);

/* For those who can fail: is it this one? Anywhere, interrupt handlers too. `which` tells two apart that come on one path: a read and a write. */
static inline bool inject_now_of(enum inject_kind kind, u32 which)
{
	return unlikely(atomic64_read(&injections[kind].left)) && inject_count(kind, which);
}

static inline bool inject_now(enum inject_kind kind) { return inject_now_of(kind, 0); }
