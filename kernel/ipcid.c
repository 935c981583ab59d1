/* Ids, keys and permissions of System V IPC (kernel/ipcid.h). */
#include "kernel/ipcid.h"

#include "fs/vfs.h"
#include "kernel/cpu.h"
#include "kernel/string.h"
#include "mm/slab.h"

#define FIRST_SIZE 64
#define GENERATIONS (0x7fffffff / IPC_PLACES)

s64 ipc_now(void) { return (s64)(realtime_ns() / 1000000000); }

/* --- the table --- */

struct ipc_object *ipc_at(const struct ipc_ids *ids, int id)
{
	int place = id % IPC_PLACES;

	return id >= 0 && place < ids->size ? ids->table[place] : NULL;
}

struct ipc_object *ipc_find(const struct ipc_ids *ids, int id)
{
	struct ipc_object *o = ipc_at(ids, id);

	return o && o->id == id ? o : NULL;
}

int ipc_last_place(const struct ipc_ids *ids)
{
	int place = ids->size - 1;

	while (place > 0 && !ids->table[place])
		place--;
	return max(place, 0);
}

void ipc_each(struct ipc_ids *ids, void (*fn)(const struct ipc_object *o, void *arg), void *arg)
{
	mutex_lock(&ids->lock);
	for (int i = 0; i < ids->size; i++)
		if (ids->table[i])
			fn(ids->table[i], arg);
	mutex_unlock(&ids->lock);
}

static struct ipc_object *find_key(const struct ipc_ids *ids, int key)
{
	for (int i = 0; i < ids->size; i++)
		if (ids->table[i] && ids->table[i]->key == key)
			return ids->table[i];
	return NULL;
}

/* Twice the table, so that places are not used again at once. */
static int grow(struct ipc_ids *ids)
{
	int size = ids->size ? ids->size * 2 : FIRST_SIZE;
	struct ipc_object **table = kzalloc((size_t)size * sizeof(*table));

	if (!table)
		return -ENOMEM;
	if (ids->size)
		memcpy(table, ids->table, (size_t)ids->size * sizeof(*table));
	kfree(ids->table);
	ids->table = table;
	ids->size = size;
	return 0;
}

/* The next free place after the last one; where it begins anew, a new generation begins. */
static int take_place(struct ipc_ids *ids)
{
	int place = ids->last;

	do
		place = place + 1 < ids->size ? place + 1 : 0;
	while (ids->table[place]);
	if (place <= ids->last)
		ids->generation = (ids->generation + 1) % GENERATIONS;
	ids->last = place;
	return place;
}

static int add(struct ipc_ids *ids, struct ipc_object *o)
{
	int error = 0;

	if ((u32)ids->used >= READ_ONCE(ids->limit))
		return -ENOSPC;
	if (ids->used * 3 / 2 >= ids->size && ids->size < IPC_PLACES)
		error = grow(ids);
	if (error)
		return error;
	int place = take_place(ids);
	o->id = ids->generation * IPC_PLACES + place;
	ids->table[place] = o;
	ids->used++;
	return 0;
}

void ipc_remove(struct ipc_ids *ids, struct ipc_object *o)
{
	ids->table[o->id % IPC_PLACES] = NULL;
	ids->used--;
}

/* --- who may --- */

int ipc_permission(const struct ipc_object *o, u32 mode)
{
	u32 wanted = (mode >> 6 | mode >> 3 | mode) & 7, granted = o->mode, uid = current->process->euid;

	if (uid == 0)
		return 0;
	if (uid == o->cuid || uid == o->uid)
		granted >>= 6;
	else if (in_group(o->cgid) || in_group(o->gid))
		granted >>= 3;
	return wanted & ~granted ? -EACCES : 0;
}

int ipc_may_control(const struct ipc_object *o)
{
	u32 uid = current->process->euid;

	return uid == 0 || uid == o->cuid || uid == o->uid ? 0 : -EPERM;
}

struct ipc_object *ipc_look(const struct ipc_ids *ids, int id, enum ipc_look how)
{
	struct ipc_object *o = how == IPC_BY_ID ? ipc_find(ids, id) : ipc_at(ids, id);
	int error = !o ? -EINVAL : how == IPC_BY_PLACE_ANY ? 0 : ipc_permission(o, 0444);

	return error ? ERR_PTR(error) : o;
}

void ipc_fill_perm(const struct ipc_object *o, struct ipc64_perm *out)
{
	*out = (struct ipc64_perm){ .key = o->key, .uid = o->uid, .gid = o->gid, .cuid = o->cuid, .cgid = o->cgid, .mode = o->mode };
	out->seq = (unsigned short)(o->id / IPC_PLACES);
}

int ipc_set_perm(struct ipc_object *o, const struct ipc64_perm *from)
{
	if (from->uid == (u32)-1 || from->gid == (u32)-1)
		return -EINVAL;
	o->uid = from->uid;
	o->gid = from->gid;
	o->mode = (o->mode & ~0777U) | (from->mode & 0777);
	o->ctime = ipc_now();
	return 0;
}

/* --- xxxget() --- */

static long get_old(const struct ipc_kind *kind, const struct ipc_object *o, int flags, const void *how)
{
	if ((flags & (IPC_CREAT | IPC_EXCL)) == (IPC_CREAT | IPC_EXCL))
		return -EEXIST;
	if (!kind->fits(o, how))
		return -EINVAL;
	int error = ipc_permission(o, (u32)flags);
	return error ? error : o->id;
}

static long get_new(struct ipc_ids *ids, const struct ipc_kind *kind, int key, int flags, const void *how)
{
	const struct process *p = current->process;
	struct ipc_object *o = kind->make(how);

	if (IS_ERR(o))
		return PTR_ERR(o);
	o->key = o->first_key = key;
	o->uid = o->cuid = p->euid;
	o->gid = o->cgid = p->egid;
	o->mode = (u32)flags & 0777;
	o->ctime = ipc_now();
	int error = add(ids, o);
	if (error)
		kind->unmake(o);
	return error ? error : o->id;
}

long ipc_get(struct ipc_ids *ids, const struct ipc_kind *kind, int key, int flags, const void *how)
{
	long result;

	mutex_lock(&ids->lock);
	const struct ipc_object *o = key == IPC_PRIVATE ? NULL : find_key(ids, key);
	if (o)
		result = get_old(kind, o, flags, how);
	else if (key != IPC_PRIVATE && !(flags & IPC_CREAT))
		result = -ENOENT;
	else
		result = get_new(ids, kind, key, flags, how);
	mutex_unlock(&ids->lock);
	return result;
}
