/* Between kernel/sem.c, which does the operations, and kernel/semctl.c. Everything with sem_ids.lock held. */
#pragma once

#include "kernel/sem.h"

#include "kernel/list.h"

/* A semop() that sleeps; on its stack. */
struct sem_wait {
	struct list_head node;			/* set->waiting, until `done` */
	struct task *task;
	struct sembuf *ops;
	u32 nr_ops;
	struct sem_undo *undo;			/* or NULL: none of them has SEM_UNDO */
	const struct sembuf *blocked_by;	/* the operation that cannot be done now */
	int pid;
	int result;
	bool done;				/* read without the lock by the sleeper, who then takes it */
};

/* What the end of a process does to a set. It goes with the process or with the set. */
struct sem_undo {
	struct sem_undo *next_here;		/* set->undos */
	struct sem_undo *next;			/* process->sem_undos */
	struct process *process;
	struct sem_set *set;
	s16 adjust[];				/* is added to each semaphore */
};

static inline struct sem_set *sem_set_of(struct ipc_object *o) { return o ? container_of(o, struct sem_set, ipc) : NULL; }
/* Values have changed: who waits and can go on now has it done and is woken. */
void sem_try_waiting(struct sem_set *s);
void sem_remove(struct sem_set *s);		/* IPC_RMID: who waits gets EIDRM; s is gone */
u32 sem_total(void);				/* semaphores in all sets */
