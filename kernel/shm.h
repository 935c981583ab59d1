/* System V shared memory (kernel/shm.c): for /proc (fs/procipc.c). */
#pragma once

#include "kernel/ipcid.h"

#define SHM_DEST	01000	/* in the mode: removed, gone with the last attachment */
#define SHM_LOCKED	02000

struct shmem;

/* A segment. All: shm_ids.lock, or I. */
struct shm {
	struct ipc_object ipc;
	struct shmem *memory;		/* I: its pages; a reference */
	u64 size;			/* I: bytes, as they were asked for */
	u64 attached;			/* VMAs, and calls of shmat() that are about to make one */
	s64 atime, dtime;		/* seconds; 0: never */
	int cpid, lpid;			/* who made it (I), who attached or detached last */
};

extern struct ipc_ids shm_ids;
extern struct shm_limits { u64 max, all; } shm_limits;	/* racy: bytes of one segment, pages of all */

u64 shm_resident(const struct shm *s);	/* pages */
