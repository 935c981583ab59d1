/* System V semaphores (kernel/sem.c): for exit, and for /proc (fs/procipc.c). */
#pragma once

#include "kernel/ipcid.h"

struct process;
struct sem_undo;

/* A set of semaphores. All: sem_ids.lock, or I. */
struct sem_set {
	struct ipc_object ipc;
	s64 otime;			/* seconds: the last semop() that went through; 0: none */
	u32 nr;				/* I */
	struct list_head waiting;	/* struct sem_wait: first come, first tried */
	struct sem_undo *undos;		/* of all processes that have one here */
	struct sem {
		int value;
		int pid;		/* who changed it last */
	} sems[];
};

extern struct ipc_ids sem_ids;
extern struct sem_limits { u32 per_set, all, ops; } sem_limits;	/* racy: semaphores in a set, in all sets, operations of one semop() */

/* The process ends: what it did with SEM_UNDO is undone. By its last thread; takes the lock. */
void sem_exit(struct process *p);
