/*
 * System V semaphores: what semget, semop, semtimedop and semctl answer, operations that are all done or none, who waits and who is let go on, undoing at
 * exit, permissions. Root on both sides.
 */
#include "t.h"
#include <grp.h>
#include <pthread.h>
#include <sys/sem.h>

#ifndef SEM_STAT_ANY
#define SEM_STAT_ANY 20
#endif
#define N 4

static key_t key;		/* of this process: a machine may have others */

union semun { int val; struct semid_ds *buf; unsigned short *array; struct seminfo *info; };
static int set_value(int id, int nr, int value) { return semctl(id, nr, SETVAL, (union semun){ .val = value }); }
static int value(int id, int nr) { return semctl(id, nr, GETVAL); }

static struct semid_ds ds_of(int id)
{
	struct semid_ds ds;

	memset(&ds, 0, sizeof(ds));
	if (semctl(id, 0, IPC_STAT, (union semun){ .buf = &ds }))
		SAY("IPC_STAT: %s\n", strerror(errno));
	return ds;
}

static void values(const char *when, int id)
{
	unsigned short v[N];

	SAY("%s: ", when);
	if (T(semctl(id, 0, GETALL, (union semun){ .array = v })) == 0)
		SAY("  %d %d %d %d, last %d, otime %d\n", v[0], v[1], v[2], v[3], semctl(id, 0, GETPID) == getpid(), ds_of(id).sem_otime != 0);
}

static int op(int id, unsigned n, ...)
{
	struct sembuf ops[8];
	__builtin_va_list ap;

	__builtin_va_start(ap, n);
	for (unsigned i = 0; i < n; i++) {
		ops[i].sem_num = (unsigned short)__builtin_va_arg(ap, int);
		ops[i].sem_op = (short)__builtin_va_arg(ap, int);
		ops[i].sem_flg = (short)__builtin_va_arg(ap, int);
	}
	__builtin_va_end(ap);
	return semop(id, ops, n);
}

/* Until so many wait for that semaphore. */
static void wait_until(int id, int nr, int cmd, int n)
{
	for (int i = 0; i < 600000 && semctl(id, nr, cmd) != n; i++)
		usleep(1000);
	SAY("waiting: %d\n", semctl(id, nr, cmd));
}

static void calls(void)
{
	int id = OK(semget(key, N, IPC_CREAT | IPC_EXCL | 0600));
	unsigned short big[N] = { 1, 2, 32768, 4 };
	struct sembuf many[501] = { { 0, 0, 0 } };
	struct timespec bad = { 0, 1000000000 };

	OK(semget(key, N, IPC_CREAT | IPC_EXCL | 0600));
	SAY("the same: %d\n", semget(key, 0, 0) == id && semget(key, N - 1, IPC_CREAT) == id);
	OK(semget(key, N + 1, 0));
	OK(semget(key + 1, N, 0));
	OK(semget(IPC_PRIVATE, 0, 0600));
	OK(semget(IPC_PRIVATE, -1, 0600));
	OK(semget(IPC_PRIVATE, 32001, 0600));
	SAY("size %lu mode %o\n", (unsigned long)ds_of(id).sem_nsems, ds_of(id).sem_perm.mode);
	values("new", id);
	T(op(id, 2, 0, 5, 0, 1, 7, 0));
	values("added", id);
	T(op(id, 3, 0, -5, 0, 1, -7, 0, 2, -1, IPC_NOWAIT));
	T(op(id, 3, 0, -5, 0, 0, 0, 0, 3, 32767, 0));
	values("all or none", id);
	T(op(id, 2, 0, 3, 0, 3, 1, 0));
	T(op(id, 1, 3, 0, IPC_NOWAIT));
	T(op(id, 1, 4, 1, 0));
	values("after what cannot be done", id);
	T(set_value(id, 1, 32767));
	T(set_value(id, 1, 32768));
	T(set_value(id, 1, -1));
	T(set_value(id, N, 1));
	T(set_value(id, -1, 1));
	T(value(id, 1));
	T(value(id, N));
	T(semctl(id, 0, SETALL, (union semun){ .array = big }));
	big[2] = 3;
	T(semctl(id, 0, SETALL, (union semun){ .array = big }));
	T(semctl(id, 0, SETALL, (union semun){ .array = (void *)8 }));
	T(semctl(id, 0, GETALL, (union semun){ .array = (void *)8 }));
	values("set", id);
	T(semop(id, many, 0));
	T(semop(id, many, 501));
	T(semop(id, (void *)8, 1));
	T(semop(-1, many, 1));
	T(semop(id + 1000000, many, 1));
	T(semtimedop(id, many, 1, &bad));
	T(semtimedop(id, many, 1, (void *)8));
	set_value(id, 0, 0);
	T(semop(id, many, 500));
	T(semctl(id, 0, 99));
	T(semctl(-1, 0, IPC_STAT, (union semun){ .buf = NULL }));
	T(semctl(id, 0, IPC_RMID));
	T(semctl(id, 0, IPC_RMID));
	T(op(id, 1, 0, 1, 0));
}

static void on_alarm(int sig) { (void)sig; }

static void waits(void)
{
	int id = semget(IPC_PRIVATE, N, 0600);
	struct timespec soon = { 0, 20000000 }, now = { 0, 0 };
	struct sembuf take = { 0, -1, 0 };
	struct sigaction sa = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
	pid_t a, b, c;

	T(semtimedop(id, &take, 1, &now));
	T(semtimedop(id, &take, 1, &soon));
	sigaction(SIGALRM, &sa, NULL);
	alarms_on();
	T(semop(id, &take, 1));
	alarms_off();
	fflush(stdout);
	if (!(a = fork()))
		_exit(op(id, 2, 0, -2, 0, 1, 1, 0));
	wait_until(id, 0, GETNCNT, 1);
	if (!(b = fork()))
		_exit(op(id, 2, 1, -1, 0, 2, 1, 0));
	wait_until(id, 1, GETNCNT, 1);
	set_value(id, 3, 1);
	if (!(c = fork()))
		_exit(op(id, 1, 3, 0, 0));
	wait_until(id, 3, GETZCNT, 1);
	T(op(id, 1, 0, 1, 0));
	SAY("not enough: %d wait\n", semctl(id, 0, GETNCNT));
	T(op(id, 2, 0, 1, 0, 3, -1, 0));	/* a may go on, after it b, and c */
	show_status("a", wait_for(a));
	show_status("b", wait_for(b));
	show_status("c", wait_for(c));
	values("after them", id);
	SAY("the last at 2 was b: %d\n", semctl(id, 2, GETPID) == b);
	if (!(a = fork()))
		_exit(op(id, 1, 0, -1, 0) ? errno : 0);
	wait_until(id, 0, GETNCNT, 1);
	if (!(b = fork()))
		_exit(op(id, 1, 0, -3, 0) ? errno : 0);
	wait_until(id, 0, GETNCNT, 2);
	kill(b, SIGKILL);
	show_status("killed while it waits", wait_for(b));
	wait_until(id, 0, GETNCNT, 1);
	T(semctl(id, 0, IPC_RMID));
	SAY("removed: EIDRM %d\n", WEXITSTATUS(wait_for(a)) == EIDRM);
}

static void undo(void)
{
	int id = semget(IPC_PRIVATE, N, 0600);
	pid_t waiter;

	set_value(id, 0, 10);
	CHILD("with SEM_UNDO", op(id, 2, 0, -4, SEM_UNDO, 1, 3, SEM_UNDO); op(id, 1, 0, -1, SEM_UNDO); SAY("inside %d %d\n", value(id, 0), value(id, 1)));
	values("after it", id);
	CHILD("fork inherits none", op(id, 1, 0, -2, SEM_UNDO); CHILD("the grandchild", op(id, 1, 1, 1, SEM_UNDO)); SAY("inside %d %d\n", value(id, 0), value(id, 1)));
	values("after it", id);
	CHILD("SETVAL forgets", op(id, 1, 0, -2, SEM_UNDO); set_value(id, 0, 10));
	values("after it", id);
	CHILD("never below zero", op(id, 1, 2, 5, SEM_UNDO); op(id, 1, 2, -4, 0));
	values("after it", id);
	CHILD("killed", op(id, 1, 0, -10, SEM_UNDO); raise(SIGKILL));
	values("after it", id);
	CHILD("exec keeps it", op(id, 1, 0, -10, SEM_UNDO); execl("/proc/self/exe", "sysvsem", "exec", NULL));
	values("after it", id);
	CHILD("too much", T(op(id, 1, 3, 32767, SEM_UNDO)); T(op(id, 1, 3, -32767, 0)); T(op(id, 1, 3, 1, SEM_UNDO)); T(op(id, 1, 3, 2, SEM_UNDO)));
	set_value(id, 0, 1);
	fflush(stdout);
	if (!(waiter = fork())) {
		op(id, 1, 0, -2, 0);
		_exit(value(id, 0));
	}
	wait_until(id, 0, GETNCNT, 1);
	CHILD("whose undoing lets another go on", op(id, 1, 0, -1, SEM_UNDO); set_value(id, 1, 0); op(id, 1, 0, 1, 0));
	show_status("the other", wait_for(waiter));
	CHILD("removed before", op(id, 1, 1, 1, SEM_UNDO); T(semctl(id, 0, IPC_RMID)));
	T(semctl(id, 0, GETVAL));
}

static void as_user(int id)
{
	struct semid_ds ds = ds_of(id);
	unsigned short v[N] = { 0 };

	T(op(id, 1, 0, 1, 0));
	T(op(id, 1, 1, 0, IPC_NOWAIT));
	T(op(id, 1, 9, 1, 0));
	T(value(id, 0));
	T(set_value(id, 0, 1));
	T(set_value(id, 9, 1));
	T(value(id, 9));
	T(semctl(id, 0, GETALL, (union semun){ .array = v }));
	T(semctl(id, 0, SETALL, (union semun){ .array = v }));
	T(semctl(id, 0, IPC_SET, (union semun){ .buf = &ds }));
	T(semctl(id, 0, IPC_RMID));
}

static void permissions(void)
{
	int id = semget(key, N, IPC_CREAT | 0640);
	struct semid_ds ds = ds_of(id);

	CHILD("others", setgroups(0, NULL); T(setgid(88)); T(setuid(99)); as_user(id));
	ds.sem_perm.gid = 77;
	T(semctl(id, 0, IPC_SET, (union semun){ .buf = &ds }));
	CHILD("the group", setgroups(0, NULL); T(setgid(77)); T(setuid(99)); as_user(id));
	ds.sem_perm.uid = 99;
	T(semctl(id, 0, IPC_SET, (union semun){ .buf = &ds }));
	CHILD("the owner", setgroups(0, NULL); T(setgid(88)); T(setuid(99)); as_user(id));
	T(semctl(id, 0, IPC_RMID));
}

static void lists(void)
{
	int id = semget(key, N, IPC_CREAT | 0604), highest, place = -1;
	char start[32], line[512];
	struct seminfo info;
	struct semid_ds ds;
	FILE *f;

	highest = semctl(0, 0, SEM_INFO, (union semun){ .info = &info });
	SAY("sets %d, semaphores %d\n", info.semusz >= 1, info.semaem >= N);
	SAY("IPC_INFO %d: ", semctl(0, 0, IPC_INFO, (union semun){ .info = &info }) == highest);
	SAY("%d %d %d %d\n", info.semmsl, info.semopm, info.semvmx, info.semaem);
	for (int i = 0; i <= highest; i++)
		if (semctl(i, 0, SEM_STAT, (union semun){ .buf = &ds }) == id)
			place = i;
	SAY("found by its place: %d, %lu; by anybody: %d\n", place >= 0, (unsigned long)ds.sem_nsems, semctl(place, 0, SEM_STAT_ANY, (union semun){ .buf = &ds }) == id);
	snprintf(start, sizeof(start), "%10d %10d", key, id);
	f = fopen("/proc/sysvipc/sem", "r");
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, start, strlen(start)) || strstr(line, "semid"))
			SAY("%.*s %zu\n", 50, line + 21, strlen(line));
	fclose(f);
	T(semctl(id, 0, IPC_RMID));
}

/* A mutex of two semaphores for eight threads and as many processes: nothing is lost. */
static int contended, *shared;
static void *add_all(void *unused)
{
	for (int i = 0; i < 200; i++) {
		op(contended, 1, 0, -1, SEM_UNDO);
		int old = *(volatile int *)shared;
		if (i % 50 == 0)
			sched_yield();
		*(volatile int *)shared = old + 1;
		op(contended, 1, 0, 1, SEM_UNDO);
	}
	return unused;
}

static void contention(void)
{
	pthread_t t[4];
	pid_t pids[4];

	contended = semget(IPC_PRIVATE, 1, 0600);
	shared = mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	fflush(stdout);
	for (int i = 0; i < 4; i++)
		if (!(pids[i] = fork())) {
			add_all(NULL);
			_exit(0);
		}
	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, add_all, NULL);
	set_value(contended, 0, 1);
	for (int i = 0; i < 4; i++) {
		pthread_join(t[i], NULL);
		wait_for(pids[i]);
	}
	SAY("added: %d, free: %d\n", *shared, value(contended, 0));
	T(semctl(contended, 0, IPC_RMID));
}

int main(int argc, char **argv)
{
	if (argc > 1)
		return 0;
	(void)argv;
	unshare(CLONE_NEWIPC);		/* where there is such: nobody else's come and go beside ours */
	key = 0x5f000000 + getpid();
	calls();
	waits();
	undo();
	permissions();
	lists();
	contention();
	return 0;
}
