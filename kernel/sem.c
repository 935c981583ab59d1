/*
 * System V semaphores: semget, semop, semtimedop, and what SEM_UNDO undoes at exit. (semctl: kernel/semctl.c.)
 *
 * A semop() is all of its operations or none: they are tried one after the other on the values, and those done are taken back when one cannot be done.
 * Then it sleeps, on the set's list. Whoever changes values tries those on the list in their order, does for them what can be done now, and wakes them:
 * who is woken has what he wanted, and nobody can come in between. All under sem_ids.lock, which the sleeper takes before he leaves, so that his
 * record stays as long as anybody looks at it.
 *
 * Undos belong to the process; on Linux clone() can share them between processes (CLONE_SYSVSEM without CLONE_THREAD), here not.
 */
#include "kernel/semset.h"

#include "kernel/cpu.h"
#include "kernel/proc_syscalls.h"
#include "kernel/string.h"
#include "kernel/times.h"
#include "mm/slab.h"
#include "mm/usercopy.h"

struct ipc_ids sem_ids = IPC_IDS_INIT(sem_ids, "semaphore ids", SEMMNI);
struct sem_limits sem_limits = { SEMMSL, SEMMNS, SEMOPM };
static u32 total;			/* sem_ids.lock */

u32 sem_total(void) { return total; }

/* --- sets --- */

static struct ipc_object *make(const void *how)
{
	u32 nr = *(const u32 *)how;

	if (!nr)
		return ERR_PTR(-EINVAL);
	if (total + nr > READ_ONCE(sem_limits.all))
		return ERR_PTR(-ENOSPC);
	struct sem_set *s = kzalloc(sizeof(*s) + nr * sizeof(s->sems[0]));
	if (!s)
		return ERR_PTR(-ENOMEM);
	s->nr = nr;
	list_init(&s->waiting);
	total += nr;
	return &s->ipc;
}

static void unmake(struct ipc_object *o)
{
	struct sem_set *s = sem_set_of(o);

	total -= s->nr;
	kfree(s);
}

static bool fits(const struct ipc_object *o, const void *how) { return container_of(o, struct sem_set, ipc)->nr >= *(const u32 *)how; }

static const struct ipc_kind sem_kind = { make, unmake, fits };

long sys_semget(int key, int nr, int flags)
{
	if (nr < 0 || (u32)nr > READ_ONCE(sem_limits.per_set))
		return -EINVAL;
	return ipc_get(&sem_ids, &sem_kind, key, flags, &nr);
}

/* --- operations --- */

/* Add n to a semaphore, and take it from what the end of the process adds, if that is wanted. 0, or -ERANGE. */
static int add(struct sem_set *s, const struct sembuf *op, int n, struct sem_undo *undo)
{
	struct sem *sem = &s->sems[op->sem_num];
	int value = sem->value + n;

	if (value > SEMVMX)
		return -ERANGE;
	if (op->sem_flg & SEM_UNDO) {
		int adjust = undo->adjust[op->sem_num] - n;
		if (adjust < -SEMAEM - 1 || adjust > SEMAEM)
			return -ERANGE;
		undo->adjust[op->sem_num] = (s16)adjust;
	}
	sem->value = value;
	return 0;
}

/* All or nothing: 0, -ERANGE, -EAGAIN (IPC_NOWAIT), or 1: w->blocked_by says what has to wait. */
static int try_ops(struct sem_set *s, struct sem_wait *w)
{
	struct sembuf *op = w->ops, *end = op + w->nr_ops;
	int result = 0;

	for (; op < end; op++) {
		int value = s->sems[op->sem_num].value;
		if (op->sem_op ? value + op->sem_op < 0 : value != 0) {
			w->blocked_by = op;
			result = op->sem_flg & IPC_NOWAIT ? -EAGAIN : 1;
			break;
		}
		result = add(s, op, op->sem_op, w->undo);
		if (result)
			break;
	}
	if (result) {
		while (op-- > w->ops)
			(void)add(s, op, -op->sem_op, w->undo);		/* it was in range before */
		return result;
	}
	while (op-- > w->ops)
		s->sems[op->sem_num].pid = w->pid;
	s->otime = ipc_now();
	return 0;
}

static void finish(struct sem_wait *w, int result)
{
	list_del(&w->node);
	w->result = result;
	smp_store_release(&w->done, true);
	task_wake(w->task);
}

/* One that changed values may let others go on that were tried before it. */
void sem_try_waiting(struct sem_set *s)
{
	struct sem_wait *w, *next;
	bool again;

	do {
		again = false;
		list_for_each_safe(w, next, &s->waiting, node) {
			int result = try_ops(s, w);
			if (result > 0)
				continue;
			again |= !result;
			finish(w, result);
		}
	} while (again);
}

/* --- undo --- */

/* The current process's for this set; NULL: no memory. */
static struct sem_undo *undo_for(struct sem_set *s)
{
	struct process *p = current->process;
	struct sem_undo *u;

	for (u = p->sem_undos; u; u = u->next)
		if (u->set == s)
			return u;
	u = kzalloc(sizeof(*u) + s->nr * sizeof(u->adjust[0]));
	if (!u)
		return NULL;
	u->process = p;
	u->set = s;
	u->next = p->sem_undos;
	p->sem_undos = u;
	u->next_here = s->undos;
	s->undos = u;
	return u;
}

static void unlink_from_set(struct sem_undo *u)
{
	struct sem_undo **at = &u->set->undos;

	while (*at != u)
		at = &(*at)->next_here;
	*at = u->next_here;
}

static void unlink_from_process(struct sem_undo *u)
{
	struct sem_undo **at = &u->process->sem_undos;

	while (*at != u)
		at = &(*at)->next;
	*at = u->next;
}

void sem_exit(struct process *p)
{
	if (!READ_ONCE(p->sem_undos))		/* only its own threads add some */
		return;
	mutex_lock(&sem_ids.lock);
	for (struct sem_undo *u; (u = p->sem_undos); ) {
		struct sem_set *s = u->set;

		for (u32 i = 0; i < s->nr; i++) {
			if (!u->adjust[i])
				continue;
			s->sems[i].value = max(0, min(s->sems[i].value + u->adjust[i], SEMVMX));
			s->sems[i].pid = p->pid;
		}
		s->otime = ipc_now();
		unlink_from_set(u);
		p->sem_undos = u->next;
		kfree(u);
		sem_try_waiting(s);
	}
	mutex_unlock(&sem_ids.lock);
}

void sem_remove(struct sem_set *s)
{
	for (struct sem_undo *u; (u = s->undos); ) {
		s->undos = u->next_here;
		unlink_from_process(u);
		kfree(u);
	}
	while (!list_empty(&s->waiting))
		finish(list_first(&s->waiting, struct sem_wait, node), -EIDRM);
	ipc_remove(&sem_ids, &s->ipc);
	total -= s->nr;
	kfree(s);
}

/* --- semop() --- */

/* May the operations be tried? They change values, and want undoing: known from the look at them. lock held. */
static int check_ops(struct sem_set *s, struct sem_wait *w)
{
	bool change = false, undo = false;
	u32 highest = 0;

	for (u32 i = 0; i < w->nr_ops; i++) {
		change |= w->ops[i].sem_op != 0;
		undo |= w->ops[i].sem_flg & SEM_UNDO;
		highest = max(highest, (u32)w->ops[i].sem_num);
	}
	if (highest >= s->nr)
		return -EFBIG;
	int error = ipc_permission(&s->ipc, change ? 0222 : 0444);
	if (error || !undo)
		return error;
	w->undo = undo_for(s);
	return w->undo ? 0 : -ENOMEM;
}

/* -EAGAIN: the deadline has passed. -EINTR: a signal; Linux does not begin again after it either. */
static long do_ops(int id, struct sem_wait *w, u64 deadline)
{
	mutex_lock(&sem_ids.lock);
	struct sem_set *s = sem_set_of(ipc_find(&sem_ids, id));
	int result = s ? check_ops(s, w) : -EINVAL;
	if (!result)
		result = try_ops(s, w);
	if (!result)
		sem_try_waiting(s);
	if (result <= 0) {
		mutex_unlock(&sem_ids.lock);
		return result;
	}
	list_add_tail(&w->node, &s->waiting);
	mutex_unlock(&sem_ids.lock);
	(void)wait_woken(deadline, READ_ONCE(w->done));
	mutex_lock(&sem_ids.lock);
	if (!w->done) {
		list_del(&w->node);
		w->result = ktime_ns() >= deadline ? -EAGAIN : -EINTR;
	}
	mutex_unlock(&sem_ids.lock);
	return w->result;
}

#define FEW 16				/* operations that need no allocation */

static long semop(int id, struct sembuf __user *ops, unsigned nr, u64 deadline)
{
	struct sembuf few[FEW], *all = few;
	struct sem_wait w = { .task = current, .nr_ops = nr, .pid = current->process->pid };
	long result = -EFAULT;

	if (nr > READ_ONCE(sem_limits.ops))
		return -E2BIG;
	if (!nr || id < 0)
		return -EINVAL;
	if (nr > FEW)
		all = kmalloc(nr * sizeof(*all));
	if (!all)
		return -ENOMEM;
	w.ops = all;
	if (!copy_from_user(all, ops, nr * sizeof(*all)))
		result = do_ops(id, &w, deadline);
	if (all != few)
		kfree(all);
	return result;
}

long sys_semop(int id, struct sembuf __user *ops, unsigned nr) { return semop(id, ops, nr, ~0UL); }

long sys_semtimedop(int id, struct sembuf __user *ops, unsigned nr, const struct __kernel_timespec __user *timeout)
{
	u64 ns;

	if (!timeout)
		return semop(id, ops, nr, ~0UL);
	int error = timespec_get(timeout, &ns);
	return error ? error : semop(id, ops, nr, deadline_after(ns));
}
