/*
 * System V shared memory: what shmget, shmat, shmdt and shmctl answer, who may, what counts as an attachment, when a segment ends; and that all that
 * reads and writes memory sees one memory there. Root on both sides.
 */
#include "t.h"
#include <grp.h>
#include <sys/shm.h>

#ifndef SHM_STAT_ANY
#define SHM_STAT_ANY 15
#endif
#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

static char key_text[32];
static key_t key;		/* of this process: a machine may have others */

static struct shmid_ds ds_of(int id)
{
	struct shmid_ds ds;

	memset(&ds, 0, sizeof(ds));
	if (shmctl(id, IPC_STAT, &ds))
		SAY("IPC_STAT: %s\n", strerror(errno));
	return ds;
}

static void show_ds(const char *when, int id)
{
	struct shmid_ds ds = ds_of(id);

	SAY("%s: size %zu attached %lu mode %o key %s, made by us %d, last by us %d, times %d %d %d\n", when, ds.shm_segsz, (unsigned long)ds.shm_nattch,
	    ds.shm_perm.mode, ds.shm_perm.__ipc_perm_key == key ? "ours" : ds.shm_perm.__ipc_perm_key ? "another" : "private", ds.shm_cpid == getpid(),
	    ds.shm_lpid == getpid(), ds.shm_atime != 0, ds.shm_dtime != 0, ds.shm_ctime != 0);
}

static unsigned long attached(int id) { return (unsigned long)ds_of(id).shm_nattch; }

/* Addresses differ from machine to machine. */
static char *at_(const char *text, int id, const void *addr, int flags)
{
	char *p = shmat(id, addr, flags);

	SAY("%s -> %s\n", text, p == (void *)-1 ? strerror(errno) : addr && p == addr ? "there" : "ok");
	return p;
}
#define AT(id, addr, flags) at_("shmat(" #id ", " #addr ", " #flags ")", id, addr, flags)

static void keys(void)
{
	int id = OK(shmget(key, 3 * PAGE + 5, IPC_CREAT | IPC_EXCL | 0640)), other;

	OK(shmget(key, 3 * PAGE + 5, IPC_CREAT | IPC_EXCL | 0640));
	SAY("the same: %d\n", shmget(key, 0, 0) == id && shmget(key, 3 * PAGE + 5, IPC_CREAT) == id);
	OK(shmget(key, 3 * PAGE + 6, 0));
	OK(shmget(key + 1, PAGE, 0));
	OK(shmget(IPC_PRIVATE, 0, 0600));
	OK(shmget(IPC_PRIVATE, (size_t)-1, 0600));
	OK(shmget(IPC_PRIVATE, 1UL << 50, 0600));
	OK(shmget(IPC_PRIVATE, 2 << 20, 0600 | SHM_HUGETLB));
	show_ds("new", id);
	T(shmctl(id, IPC_RMID, NULL));
	OK(shmctl(id, IPC_STAT, NULL));
	OK(shmget(key, 1, 0));
	T(shmctl(id, IPC_RMID, NULL));
	T(shmctl(-1, IPC_RMID, NULL));
	AT(id, NULL, 0);
	other = shmget(key, PAGE, IPC_CREAT | 0600);
	SAY("another id: %d\n", other != id && other >= 0);
	T(shmctl(other, 99, NULL));
	T(shmctl(other, IPC_STAT, (void *)8));
	T(shmctl(other, IPC_SET, (void *)8));
	T(shmctl(other, IPC_RMID, NULL));
}

static void attachments(void)
{
	int id = shmget(IPC_PRIVATE, 4 * PAGE, 0600);
	char *a = AT(id, NULL, 0), *b, *place;
	char text[32];

	show_ds("attached", id);
	b = AT(id, NULL, SHM_RDONLY);
	strcpy(a + PAGE, "through the other");
	SAY("%s, %lu\n", b + PAGE, attached(id));
	catch_faults();
	show_touch("store to a read-only one", b, 1);
	OK(mprotect(b, PAGE, RW));
	OK(mprotect(b, PAGE, PROT_READ | PROT_EXEC));
	SAY("in two pieces: %lu\n", attached(id));
	T(shmdt(b + 1));
	T(shmdt(b + PAGE));
	T(shmdt(b));
	SAY("left %lu\n", attached(id));
	T(shmdt(b));
	show_touch("gone", b, 0);

	place = mmap(NULL, 16 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	AT(id, place, 0);
	AT(id, place + 5, 0);
	AT(id, place + 5, SHM_RND);
	AT(id, place, SHM_REMAP);
	AT(id, NULL, SHM_REMAP);
	AT(id, (void *)5, SHM_RND | SHM_REMAP);
	munmap(place + 4 * PAGE, 12 * PAGE);
	AT(id, place + 4 * PAGE + 77, SHM_RND | SHM_EXEC);
	SAY("%s %s\n", place + PAGE, place + 5 * PAGE);
	SAY("three: %lu\n", attached(id));
	T(munmap(place + PAGE, PAGE));
	SAY("a hole: %lu\n", attached(id));
	T(shmdt(place));
	SAY("both pieces: %lu\n", attached(id));
	show_touch("the piece behind the hole", place + 2 * PAGE, 0);
	T(munmap(place + 4 * PAGE, 4 * PAGE));
	SAY("as munmap() does: %lu\n", attached(id));

	b = mremap(a, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, place);
	SAY("moved: %d %s %lu\n", b == place, b + PAGE, attached(id));
	T(shmdt(a));
	b = mremap(b, 4 * PAGE, 6 * PAGE, MREMAP_MAYMOVE);
	show_touch("its last page", b + 3 * PAGE, 1);
	show_touch("past its end", b + 5 * PAGE, 0);
	OK(mlock(b, 4 * PAGE));
	OK(madvise(b, 4 * PAGE, MADV_DONTNEED));
	SAY("%s\n", b + PAGE);
	T(munmap(b, 6 * PAGE));
	snprintf(text, sizeof(text), "none: %lu", attached(id));
	show_ds(text, id);
	a = shmat(id, NULL, 0);
	SAY("it has stayed: %s\n", a + PAGE);
	T(shmctl(id, IPC_RMID, NULL));
	T(shmdt(a));
	OK(shmctl(id, IPC_STAT, NULL));
}

static void processes(void)
{
	int id = shmget(key, 2 * PAGE, IPC_CREAT | 0600), status;
	int *p = shmat(id, NULL, 0), ready[2];
	pid_t pid;

	if (pipe(ready))
		return;
	if (!(pid = fork())) {
		char c;

		p[0] = 41;
		shmat(id, NULL, SHM_RDONLY);
		write(ready[1], "r", 1);
		while (!__atomic_load_n(&p[1], __ATOMIC_SEQ_CST))
			usleep(1000);
		execl("/proc/self/exe", "sysvshm", "exec", NULL);
		_exit(read(ready[0], &c, 1));
	}
	read(ready[0], &status, 1);
	SAY("the child stored %d; its two and ours: %lu\n", p[0], attached(id));
	T(shmctl(id, IPC_RMID, NULL));
	show_ds("removed", id);
	OK(shmget(key, 1, 0));
	AT(id, NULL, 0);	/* Linux: by its id it goes on */
	SAY("%lu\n", attached(id));
	__atomic_store_n(&p[1], 1, __ATOMIC_SEQ_CST);
	show_status("the child", wait_for(pid));
	SAY("after its exec and exit: %lu, last by us %d\n", attached(id), ds_of(id).shm_lpid == getpid());
	CHILD("a child that is killed", raise(SIGKILL));
	SAY("after it: %lu\n", attached(id));
	CHILD("a child that has nothing to detach with", shmdt(p); SAY("in the child: %lu\n", attached(id)));
	T(shmdt(p));
	SAY("one left: %lu\n", attached(id));
}

static void as_user(int id)
{
	struct shmid_ds ds = ds_of(id);
	struct rlimit none = { 0, 0 };

	AT(id, NULL, 0);
	AT(id, NULL, SHM_RDONLY);
	AT(id, NULL, SHM_RDONLY | SHM_EXEC);
	OK(shmget(key, 1, 0));
	OK(shmget(key, 1, 0600));
	OK(shmget(key, 1, 0400));
	T(shmctl(id, IPC_SET, &ds));
	T(shmctl(id, IPC_RMID, NULL));
	T(shmctl(id, SHM_LOCK, NULL));
	OK(shmget(IPC_PRIVATE, 2 << 20, 0600 | SHM_HUGETLB));
	id = shmget(IPC_PRIVATE, PAGE, 0);
	SAY("one's own, without any permission\n");
	AT(id, NULL, SHM_RDONLY);
	OK(shmctl(id, IPC_STAT, &ds));
	ds.shm_perm.mode = 0777 | 01000;
	ds.shm_perm.uid = getuid();
	ds.shm_perm.gid = getgid();
	T(shmctl(id, IPC_SET, &ds));
	SAY("mode %o\n", ds_of(id).shm_perm.mode);
	T(shmctl(id, SHM_LOCK, NULL));
	SAY("mode %o\n", ds_of(id).shm_perm.mode);
	T(shmctl(id, SHM_UNLOCK, NULL));
	setrlimit(RLIMIT_MEMLOCK, &none);
	T(shmctl(id, SHM_LOCK, NULL));
	ds.shm_perm.uid = 0;
	T(shmctl(id, IPC_SET, &ds));
	SAY("given away, the creator may still\n");
	T(shmctl(id, IPC_RMID, NULL));
}

static void permissions(void)
{
	int id = shmget(key, PAGE, IPC_CREAT | 0640);
	struct shmid_ds ds = ds_of(id);

	for (int i = 0; i < 3; i++) {
		SAY("%s\n", i == 0 ? "others" : i == 1 ? "the group" : "the owner");
		CHILD("user", setgroups(0, NULL); T(setgid(i == 1 ? 77 : 88)); T(setuid(99)); as_user(id));
		ds.shm_perm.gid = 77;
		ds.shm_perm.uid = i ? 99 : 0;
		ds.shm_perm.mode = 0640;
		T(shmctl(id, IPC_SET, &ds));
	}
	ds.shm_perm.uid = -1;
	T(shmctl(id, IPC_SET, &ds));
	T(shmctl(id, IPC_RMID, NULL));
}

static void lists(void)
{
	int id = shmget(key, 5000, IPC_CREAT | 0604), highest, place = -1;
	char *p = shmat(id, NULL, 0), line[512];
	struct shm_info info;
	struct shminfo limits;
	struct shmid_ds ds;
	FILE *f;

	p[0] = 1;
	highest = shmctl(0, SHM_INFO, (void *)&info);
	SAY("used %d, pages %d, resident %d\n", info.used_ids >= 1, info.shm_tot >= 2, info.shm_rss >= 1);
	SAY("IPC_INFO %d, ", shmctl(0, IPC_INFO, (void *)&limits) == highest);
	SAY("minimum %lu, segments %d, all %d\n", limits.shmmin, limits.shmseg == limits.shmmni, limits.shmall > 1 << 20);
	for (int i = 0; i <= highest && place < 0; i++)		/* and no further: others on the host have segments, too */
		if (shmctl(i, SHM_STAT, &ds) == id)
			place = i;
	SAY("found by its place: %d, size %zu\n", place >= 0, ds.shm_segsz);
	SAY("by anybody: %d\n", shmctl(place, SHM_STAT_ANY, &ds) == id);
	T(shmctl(highest + 1, SHM_STAT, &ds));
	snprintf(key_text, sizeof(key_text), "%10d %10d", key, id);
	f = fopen("/proc/sysvipc/shm", "r");
	while (f && fgets(line, sizeof(line), f)) {
		unsigned mode, n, owner[4];
		unsigned long size, resident;

		if (!strncmp(line, key_text, strlen(key_text)) && sscanf(line + 21, "%o %lu %*d %*d %u %u %u %u %u %*d %*d %*d %lu", &mode, &size, &n, owner, owner + 1,
									 owner + 2, owner + 3, &resident) == 8)
			SAY("mode %o size %lu attached %u owner %u %u %u %u resident %d, %zu characters\n", mode, size, n, owner[0], owner[1], owner[2], owner[3], resident >= PAGE,
			    strlen(line));
		else if (strstr(line, "shmid"))
			SAY("%s", line);
	}
	fclose(f);
	snprintf(key_text, sizeof(key_text), "/SYSV%08x", key);
	f = fopen("/proc/self/maps", "r");
	while (f && fgets(line, sizeof(line), f))
		if (strstr(line, key_text))
			SAY("maps:%.5s %.8s %d %s\n", strchr(line, ' '), strchr(line, ' ') + 6, atoi(strchr(line, ' ') + 21) == id, strstr(line, " (del"));
	fclose(f);
	T(shmctl(id, IPC_RMID, NULL));
	T(shmdt(p));
}

/* read, write, process_vm, futex and the like on it; zero-copy read must not lend into shared memory: others would not see it. */
static void uses(void)
{
	int id = shmget(IPC_PRIVATE, 64 * PAGE, 0600), fd = open("sysvshm.file", O_RDWR | O_CREAT | O_TRUNC, 0600);
	char *a = shmat(id, NULL, 0), *b = shmat(id, NULL, 0), *private = mmap(NULL, 64 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pid_t pid, parent = getpid();

	unlink("sysvshm.file");
	pattern(private, 64 * PAGE, 3);
	T(pwrite(fd, private, 64 * PAGE, 0));
	T(pread(fd, a, 64 * PAGE, 0));
	OK(madvise(b, 64 * PAGE, MADV_PAGEOUT));
	SAY("both see what was read: %d %d\n", !memcmp(a, private, 64 * PAGE), !memcmp(b, private, 64 * PAGE));
	if (!(pid = fork())) {
		struct iovec local = { private, PAGE }, remote = { b, PAGE };

		memset(a, 'c', 64 * PAGE);
		SAY("process_vm_readv: %ld, ", (long)process_vm_readv(parent, &local, 1, &remote, 1, 0));
		SAY("%d\n", private[7] == 'c');
		_exit(pwrite(fd, b, 64 * PAGE, 0) != 64 * PAGE);
	}
	show_status("the child", wait_for(pid));
	SAY("stored by the child: %d\n", b[0] == 'c' && a[64 * PAGE - 1] == 'c');
	a[5] = 'd';	/* what was written from it has been copied */
	T(pread(fd, private, 64 * PAGE, 0));
	SAY("the file has: %c%c\n", private[5], private[63 * PAGE]);
	T(shmctl(id, IPC_RMID, NULL));
	T(shmdt(a));
	T(shmdt(b));
	close(fd);
}

int main(int argc, char **argv)
{
	if (argc > 1)
		return 0;
	unshare(CLONE_NEWIPC);		/* where there is such: nobody else's come and go beside ours */
	key = 0x5e000000 + getpid();
	keys();
	attachments();
	processes();
	permissions();
	lists();
	uses();
	return 0;
}
