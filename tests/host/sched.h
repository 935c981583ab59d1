/*
 * The inside of the hosted scheduler, shared by its files: sched.c (tasks, CPUs, time), explore.c (who runs next),
 * locks.c (what tasks wait for and hold), tso.c (store buffers) and report.c (the log, failures, the list of tests).
 */
#pragma once

#include "host.h"

#define MAX_TASKS 24		/* each has a CPU of its own: NR_CPUS is more */
#define MAX_HELD 32

struct held {
	enum held_kind kind;
	const void *object;
	u64 index;
	unsigned rank;
	const char *name;
};

struct host_task {
	struct task t;
	struct process p;
	struct cpu *cpu;
	struct fiber *fiber;
	void (*fn)(void *);
	void *arg;
	bool used, ended, daemon;
	bool preempted;				/* switched away involuntarily: runs on whatever its state says */
	const struct spinlock *spinning;	/* waits for this lock */
	const struct host_task *joining;	/* waits for the end of this task */
	u64 deadline;				/* of a timed sleep; 0: none */
	bool killed, moving;
	s64 priority;				/* explore.c */
	struct held held[MAX_HELD];
	int nr_held;
	int nr_spins;
	const char *where;
};
extern struct host_task host_tasks[MAX_TASKS];
extern struct host_task *host_running;
#define for_each_task(h) for (struct host_task *h = host_tasks; h < host_tasks + MAX_TASKS; h++)

/* --- sched.c --- */
struct host_task *host_task_new(const char *name, void (*fn)(void *), void *arg);
bool host_can_run(const struct host_task *h);
unsigned host_others(struct host_task **able);	/* those that can run, but the running one: how many; able has MAX_TASKS places */
/* The running task cannot go on, or (yield) lets others have a turn: run another one, or itself again if it is the only one. */
void host_pick(const char *where, bool yield);
void host_can_sleep(const char *what);		/* fails if the running task must not */

/* --- explore.c --- */
/* At a point, before `object` is read or written: who is to run instead of the running task; NULL: it goes on. */
struct host_task *explore_preempt(const void *object, bool write);
/* One of the n that can run. */
struct host_task *explore_next(struct host_task **able, unsigned n, bool yield);
void explore_spawned(struct host_task *h);
bool explore_migrates(void);			/* is the running task to change its CPU, now that it may? */
void explore_describe(void);			/* after a failure: how to see it again */
bool explore_failed(void);			/* a failure is reported, by this process first? */

/* --- tso.c --- */
unsigned tso_pending(void);			/* stores of the running task that no other CPU sees yet */
void tso_drain(const struct host_task *h, unsigned keep);	/* all but its `keep` newest become visible */
bool tso_drain_all(void);			/* everybody's; was there one? */

/* --- report.c --- */
void trace_add(const char *task, const char *where);
void trace_clear(void);
