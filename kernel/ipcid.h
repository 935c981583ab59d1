/*
 * What the kinds of System V IPC have in common (kernel/shm.c, kernel/sem.c): objects that live without a process, found by an id, which
 * is handed out, or by a key, which programs agree on; with owner, creator and nine permission bits.
 *
 * An id is its place in the table and a generation, so that the id of an object that is gone is not soon the id of another one. One mutex for
 * all objects of a kind protects the table and what is in the objects: everything done under it is short, and nothing of it touches user memory.
 */
#pragma once

#include "kernel/abi.h"
#include "kernel/lock.h"

#define IPC_PLACES 32768		/* at most so many of a kind; id = generation * IPC_PLACES + place */

struct ipc_object {			/* all: ids->lock, or I */
	int id;				/* I */
	int key;			/* IPC_PRIVATE: found by its id alone */
	int first_key;			/* I: the one it was made with */
	u32 uid, gid;
	u32 cuid, cgid;			/* I: who made it */
	u32 mode;			/* permissions, and flags of its kind above them */
	s64 ctime;			/* seconds: made, or changed by IPC_SET */
};

struct ipc_ids {
	struct mutex lock;		/* RANK_IPC */
	struct ipc_object **table;	/* lock: `size` places */
	int size, used;			/* lock */
	int last;			/* lock: the place taken last; the next ones first */
	int generation;			/* lock */
	u32 limit;			/* the most there may be at a time; racy */
};
#define IPC_IDS_INIT(var, text, most) { .lock = MUTEX_INIT((var).lock, text, RANK_IPC), .last = -1, .limit = (most) }

/* How xxxget() makes and judges objects of a kind. `how`: its arguments. lock held. */
struct ipc_kind {
	struct ipc_object *(*make)(const void *how);	/* ERR_PTR; id, owner, mode and time are filled in by ipc_get() */
	void (*unmake)(struct ipc_object *o);		/* one that got no id */
	bool (*fits)(const struct ipc_object *o, const void *how);	/* is that one large enough? */
};

/*
 * shmget(), semget(): the id of the object with that key, made if flags (IPC_CREAT, IPC_EXCL, permissions) say so and there is none.
 * ENOENT, EEXIST, EACCES, EINVAL (does not fit), ENOSPC, ENOMEM, and what `make` says. Takes the lock.
 */
long ipc_get(struct ipc_ids *ids, const struct ipc_kind *kind, int key, int flags, const void *how);

/* Every object, in the order of their places; fn may allocate, and take locks after RANK_IPC. Takes the lock. */
void ipc_each(struct ipc_ids *ids, void (*fn)(const struct ipc_object *o, void *arg), void *arg);

/* --- lock held --- */

/*
 * The object that is asked about: IPC_STAT, by id. By place: xxx_STAT, and xxx_STAT_ANY, for which it need not be readable. ERR_PTR: -EINVAL, -EACCES.
 */
enum ipc_look { IPC_BY_ID, IPC_BY_PLACE, IPC_BY_PLACE_ANY };
struct ipc_object *ipc_look(const struct ipc_ids *ids, int id, enum ipc_look how);

struct ipc_object *ipc_find(const struct ipc_ids *ids, int id);		/* NULL: there is none of that id */
struct ipc_object *ipc_at(const struct ipc_ids *ids, int id);		/* whatever its generation, as *_STAT count; NULL */
int ipc_last_place(const struct ipc_ids *ids);				/* the highest in use, 0 if none is */
void ipc_remove(struct ipc_ids *ids, struct ipc_object *o);		/* its id is nobody's; the caller frees it */
int ipc_permission(const struct ipc_object *o, u32 mode);		/* access with such bits, in any of the three places: 0 or -EACCES */
int ipc_may_control(const struct ipc_object *o);			/* IPC_SET, IPC_RMID: 0 or -EPERM */
void ipc_fill_perm(const struct ipc_object *o, struct ipc64_perm *out);
int ipc_set_perm(struct ipc_object *o, const struct ipc64_perm *from);	/* IPC_SET: owner, permissions, ctime. -EINVAL: such owner cannot be */

s64 ipc_now(void);			/* seconds since 1970 */
