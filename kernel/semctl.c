/* semctl(): System V semaphores looked at and set (kernel/sem.c has what they do). */
#include "kernel/semset.h"

#include "kernel/cpu.h"
#include "kernel/proc_syscalls.h"
#include "kernel/string.h"
#include "mm/slab.h"
#include "mm/usercopy.h"

/* --- one semaphore --- */

/* How many wait for it to grow, or to become zero. */
static int count_waiting(const struct sem_set *s, u32 nr, bool zero)
{
	const struct sem_wait *w;
	int n = 0;

	list_for_each(w, &s->waiting, node)
		n += w->blocked_by->sem_num == nr && (w->blocked_by->sem_op == 0) == zero;
	return n;
}

static long get_one(const struct sem_set *s, u32 nr, int cmd)
{
	switch (cmd) {
	case GETVAL: return s->sems[nr].value;
	case GETPID: return s->sems[nr].pid;
	case GETNCNT: return count_waiting(s, nr, false);
	}
	return count_waiting(s, nr, true);
}

static void set_one(struct sem_set *s, u32 nr, int value)
{
	for (struct sem_undo *u = s->undos; u; u = u->next_here)
		u->adjust[nr] = 0;
	s->sems[nr].value = value;
	s->sems[nr].pid = current->process->pid;
	s->ipc.ctime = ipc_now();
}

static long one_semaphore(int id, int nr, int cmd, int value)
{
	long result;

	if (cmd == SETVAL && (value < 0 || value > SEMVMX))
		return -ERANGE;
	mutex_lock(&sem_ids.lock);
	struct sem_set *s = sem_set_of(ipc_find(&sem_ids, id));
	int error = !s ? -EINVAL : ipc_permission(&s->ipc, cmd == SETVAL ? 0222 : 0444);
	if (s && (nr < 0 || (u32)nr >= s->nr) && (!error || cmd == SETVAL))
		error = -EINVAL;
	if (!error && cmd == SETVAL) {
		set_one(s, (u32)nr, value);
		sem_try_waiting(s);
	}
	result = error ? error : cmd == SETVAL ? 0 : get_one(s, (u32)nr, cmd);
	mutex_unlock(&sem_ids.lock);
	return result;
}

/* --- all of a set --- */

/* The set is looked for, and looked for again with memory for its values. -EIDRM: it went in between. */
static int count_of(int id, u32 access)
{
	mutex_lock(&sem_ids.lock);
	const struct sem_set *s = sem_set_of(ipc_find(&sem_ids, id));
	int n = !s ? -EINVAL : ipc_permission(&s->ipc, access);
	if (!n)
		n = (int)s->nr;
	mutex_unlock(&sem_ids.lock);
	return n;
}

/* Still that set? lock held. */
static struct sem_set *same_set(int id, int n)
{
	struct sem_set *s = sem_set_of(ipc_find(&sem_ids, id));

	return s && s->nr == (u32)n ? s : NULL;
}

static long get_values(int id, u16 *values, int n)
{
	mutex_lock(&sem_ids.lock);
	const struct sem_set *s = same_set(id, n);
	for (int i = 0; s && i < n; i++)
		values[i] = (u16)s->sems[i].value;
	mutex_unlock(&sem_ids.lock);
	return s ? 0 : -EIDRM;
}

static long set_values(int id, const u16 *values, int n)
{
	mutex_lock(&sem_ids.lock);
	struct sem_set *s = same_set(id, n);
	for (int i = 0; s && i < n; i++)
		set_one(s, (u32)i, values[i]);
	if (s)
		sem_try_waiting(s);
	mutex_unlock(&sem_ids.lock);
	return s ? 0 : -EIDRM;
}

static long all_values(int id, int cmd, u16 __user *user)
{
	int n = count_of(id, cmd == SETALL ? 0222 : 0444);
	if (n < 0)
		return n;
	size_t size = (size_t)n * sizeof(u16);
	u16 *values = kmalloc(size);
	long result = values ? 0 : -ENOMEM;

	if (!result && cmd == GETALL) {
		result = get_values(id, values, n);
		if (!result && copy_to_user(user, values, size))
			result = -EFAULT;
	} else if (!result) {
		result = copy_from_user(values, user, size) ? -EFAULT : 0;
		for (int i = 0; i < n && !result; i++)
			result = values[i] > SEMVMX ? -ERANGE : 0;
		if (!result)
			result = set_values(id, values, n);
	}
	kfree(values);
	return result;
}

/* --- sets --- */

/* By id: 0. By place: the id. */
static long sem_stat(int id, enum ipc_look how, struct semid64_ds __user *to)
{
	struct semid64_ds ds = { .sem_nsems = 0 };

	mutex_lock(&sem_ids.lock);
	struct ipc_object *o = ipc_look(&sem_ids, id, how);
	long result = IS_ERR(o) ? PTR_ERR(o) : how == IPC_BY_ID ? 0 : o->id;
	if (!IS_ERR(o)) {
		const struct sem_set *s = sem_set_of(o);

		ipc_fill_perm(o, &ds.sem_perm);
		ds.sem_otime = s->otime;
		ds.sem_ctime = o->ctime;
		ds.sem_nsems = s->nr;
	}
	mutex_unlock(&sem_ids.lock);
	return result >= 0 && copy_to_user(to, &ds, sizeof(ds)) ? -EFAULT : result;
}

static long sem_info(int cmd, struct seminfo __user *to)
{
	struct seminfo info = { .semmap = SEMMAP, .semmni = (int)sem_ids.limit, .semmns = (int)sem_limits.all, .semmnu = SEMMNU,
				.semmsl = (int)sem_limits.per_set, .semopm = (int)sem_limits.ops, .semume = SEMUME, .semusz = SEMUSZ, .semvmx = SEMVMX, .semaem = SEMAEM };

	mutex_lock(&sem_ids.lock);
	if (cmd == SEM_INFO) {
		info.semusz = sem_ids.used;
		info.semaem = (int)sem_total();
	}
	int last = ipc_last_place(&sem_ids);
	mutex_unlock(&sem_ids.lock);
	return copy_to_user(to, &info, sizeof(info)) ? -EFAULT : last;
}

static long sem_change(int id, int cmd, const struct semid64_ds __user *from)
{
	struct semid64_ds ds;

	if (cmd == IPC_SET && copy_from_user(&ds, from, sizeof(ds)))
		return -EFAULT;
	mutex_lock(&sem_ids.lock);
	struct sem_set *s = sem_set_of(ipc_find(&sem_ids, id));
	int error = s ? ipc_may_control(&s->ipc) : -EINVAL;
	if (!error && cmd == IPC_SET)
		error = ipc_set_perm(&s->ipc, &ds.sem_perm);
	else if (!error)
		sem_remove(s);
	mutex_unlock(&sem_ids.lock);
	return error;
}

/* arg is an int or an address, as the command wants it. */
long sys_semctl(int id, int nr, int cmd, unsigned long arg)
{
	void __user *buf = (__force void __user *)arg;

	if (id < 0)
		return -EINVAL;
	switch (cmd) {
	case IPC_INFO:
	case SEM_INFO:
		return sem_info(cmd, buf);
	case IPC_STAT:
		return sem_stat(id, IPC_BY_ID, buf);
	case SEM_STAT:
		return sem_stat(id, IPC_BY_PLACE, buf);
	case SEM_STAT_ANY:
		return sem_stat(id, IPC_BY_PLACE_ANY, buf);
	case GETVAL:
	case GETPID:
	case GETNCNT:
	case GETZCNT:
	case SETVAL:
		return one_semaphore(id, nr, cmd, (int)arg);
	case GETALL:
	case SETALL:
		return all_values(id, cmd, buf);
	case IPC_SET:
	case IPC_RMID:
		return sem_change(id, cmd, buf);
	}
	return -EINVAL;
}
