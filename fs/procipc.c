/* /proc/sysvipc: the objects of System V IPC; and their limits in /proc/sys/kernel. */
#include "fs/procfs.h"

#include "kernel/sem.h"
#include "kernel/shm.h"
#include "kernel/string.h"

#define KEY_ID_MODE "%10d %10d  %4o "

static void shm_line(const struct ipc_object *o, void *arg)
{
	const struct shm *s = container_of(o, const struct shm, ipc);

	text_printf(arg, KEY_ID_MODE "%21lu %5d %5d  %5lu ", o->key, o->id, o->mode, s->size, s->cpid, s->lpid, s->attached);
	text_printf(arg, "%5u %5u %5u %5u %10ld %10ld %10ld ", o->uid, o->gid, o->cuid, o->cgid, s->atime, s->dtime, o->ctime);
	text_printf(arg, "%21lu %21lu\n", shm_resident(s) * PAGE_SIZE, 0UL);
}

static int show_shm(struct text *t, const struct proc_subject *s)
{
	text_string(t, "       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid      atime      dtime      ctime"
		       "                   rss                  swap\n");
	ipc_each(&shm_ids, shm_line, t);
	return 0;
}

static void sem_line(const struct ipc_object *o, void *arg)
{
	const struct sem_set *s = container_of(o, const struct sem_set, ipc);

	text_printf(arg, KEY_ID_MODE "%10u %5u %5u %5u %5u %10ld %10ld\n", o->key, o->id, o->mode, s->nr, o->uid, o->gid, o->cuid, o->cgid, s->otime, o->ctime);
}

static int show_sem(struct text *t, const struct proc_subject *s)
{
	text_string(t, "       key      semid perms      nsems   uid   gid  cuid  cgid      otime      ctime\n");
	ipc_each(&sem_ids, sem_line, t);
	return 0;
}

const struct proc_item proc_sysvipc_items[] = {
	PROC_FILE("sem", show_sem),
	PROC_FILE("shm", show_shm),
	{ .name = NULL },
};

/* --- limits --- */

static int set_u64(u64 *limit, const char *buf)
{
	u64 v;

	if (proc_digits(&buf, &v) || (*buf && *buf != '\n' && *buf != ' '))
		return -EINVAL;
	WRITE_ONCE(*limit, v);
	return 0;
}

static int set_places(u32 *limit, const char *buf)
{
	s64 v;
	int error = proc_number(buf, 0, IPC_PLACES, &v);

	if (!error)
		WRITE_ONCE(*limit, (u32)v);
	return error;
}

int proc_show_shmmax(struct text *t, const struct proc_subject *s) { text_printf(t, "%lu\n", READ_ONCE(shm_limits.max)); return 0; }
int proc_show_shmall(struct text *t, const struct proc_subject *s) { text_printf(t, "%lu\n", READ_ONCE(shm_limits.all)); return 0; }
int proc_show_shmmni(struct text *t, const struct proc_subject *s) { text_printf(t, "%u\n", READ_ONCE(shm_ids.limit)); return 0; }
int proc_write_shmmax(const struct proc_subject *s, char *buf, size_t n) { return set_u64(&shm_limits.max, buf); }
int proc_write_shmall(const struct proc_subject *s, char *buf, size_t n) { return set_u64(&shm_limits.all, buf); }
int proc_write_shmmni(const struct proc_subject *s, char *buf, size_t n) { return set_places(&shm_ids.limit, buf); }

int proc_show_sem(struct text *t, const struct proc_subject *s)
{
	text_printf(t, "%u\t%u\t%u\t%u\n", sem_limits.per_set, sem_limits.all, sem_limits.ops, sem_ids.limit);
	return 0;
}

/* Up to four numbers: those that are there are set, or none of them. */
int proc_write_sem(const struct proc_subject *s, char *buf, size_t n)
{
	u32 *const limits[] = { &sem_limits.per_set, &sem_limits.all, &sem_limits.ops, &sem_ids.limit };
	static const u64 most[] = { 65536, 0x7fffffff, 1000, IPC_PLACES };
	u64 v[ARRAY_SIZE(limits)];
	const char *at = buf;
	size_t count = 0;

	for (; count < ARRAY_SIZE(limits); count++) {
		while (*at == ' ' || *at == '\t')
			at++;
		if (!*at || *at == '\n')
			break;
		if (proc_digits(&at, &v[count]) || v[count] > most[count] || (*at && !strchr(" \t\n", *at)))
			return -EINVAL;
	}
	for (size_t i = 0; i < count; i++)
		WRITE_ONCE(*limits[i], (u32)v[i]);
	return 0;
}
