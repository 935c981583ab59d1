/*
 * /proc as programs read it: which files there are, their modes, the form of their text, numbers that the program knows
 * itself, links, threads, a process that ends. Lines that hold numbers of the machine are shown with digits as `#`.
 */
#include "t.h"
#include <pthread.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

static char text[65536];

static ssize_t slurp(const char *path)
{
	int fd = open(path, O_RDONLY);
	ssize_t n, len = 0;

	if (fd < 0)
		return -1;
	while ((n = read(fd, text + len, sizeof(text) - 1 - (size_t)len)) > 0)
		len += n;
	close(fd);
	text[len] = 0;
	return n < 0 ? -1 : len;
}

/* Runs of digits as one '#', runs of hexadecimal digits after 0x too; blanks as one. */
static void form(const char *s)
{
	for (; *s; s++) {
		if (*s >= '0' && *s <= '9') {
			while ((s[1] >= '0' && s[1] <= '9') || (s[1] >= 'a' && s[1] <= 'f'))
				s++;
			putchar('#');
		} else if (*s == ' ') {
			while (s[1] == ' ')
				s++;
			putchar(' ');
		} else {
			putchar(*s);
		}
	}
	fflush(stdout);
}

static const char *line_of(const char *name)
{
	char key[64];
	static char line[256];
	char *at;

	snprintf(key, sizeof(key), "\n%s", name);
	at = !strncmp(text, name, strlen(name)) ? text : strstr(text, key);
	if (!at)
		return "(none)";
	at += *at == '\n';
	snprintf(line, sizeof(line), "%.*s", (int)strcspn(at, "\n"), at);
	return line;
}

static void show_form(const char *file, const char *name)
{
	printf("%s: ", file);
	form(line_of(name));
	putchar('\n');
	fflush(stdout);
}

static void modes(void)
{
	static const char *const names[] = { "stat", "statm", "status", "cmdline", "comm", "environ", "maps", "smaps", "smaps_rollup", "fd", "fdinfo", "exe",
		"cwd", "root", "wchan", "stack", "limits", "mounts", "mountinfo", "task", "oom_score_adj", "pagemap", "auxv", "personality", "nothing" };
	static const char *const others[] = { "stat", "meminfo", "uptime", "loadavg", "version", "cpuinfo", "mounts", "filesystems", "vmstat", "slabinfo", "kmsg",
		"interrupts", "partitions", "devices", "cmdline", "buddyinfo", "swaps", "diskstats", "locks", "self", "thread-self", "sys", "sys/kernel/hostname",
		"sys/kernel/ostype", "sys/vm/drop_caches", "sys/vm/overcommit_memory", "sys/kernel/osrelease", "1/stat", "0", "01", "-1" };
	struct stat st;
	char path[100];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "/proc/self/%s", names[i]);
		SAY("%s: %s %o\n", path, lstat(path, &st) ? strerror(errno) : "mode", lstat(path, &st) ? 0 : st.st_mode);
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		snprintf(path, sizeof(path), "/proc/%s", others[i]);
		if (lstat(path, &st))
			SAY("%s: %s\n", path, strerror(errno));
		else if (!strcmp(others[i], "sys/vm/overcommit_memory"))
			SAY("%s: is there\n", path);
		else
			SAY("%s: mode %o\n", path, st.st_mode);
	}
}

static void own_numbers(int argc)
{
	char name[32], want[64];
	int pid, ppid, pgid, sid, fields = 0;
	char state;

	prctl(PR_SET_NAME, "a (b) c");
	slurp("/proc/self/stat");
	sscanf(strrchr(text, ')') + 2, "%c %d %d %d", &state, &ppid, &pgid, &sid);
	pid = atoi(text);
	for (char *s = strrchr(text, ')'); *s; s++)
		fields += *s == ' ' && s[1] != '\n';
	SAY("stat: %s, state %c, pid %d ppid %d pgid %d sid %d, %d fields\n", strstr(text, "(a (b) c)") ? "name" : text, state, pid == getpid(), ppid == getppid(),
	    pgid == getpgrp(), sid == getsid(0), fields + 2);
	slurp("/proc/self/comm");
	SAY("comm: %s", text);
	slurp("/proc/self/status");
	static const char *const lines[] = { "Name", "Umask", "State", "TracerPid", "VmPeak", "VmSize", "VmLck", "VmPin", "VmRSS", "RssAnon", "RssFile", "RssShmem",
		"VmData", "VmStk", "VmExe", "VmLib", "VmPTE", "VmSwap", "Threads", "SigPnd", "ShdPnd", "SigBlk", "CapInh", "CapAmb", "NoNewPrivs", "Seccomp:",
		"voluntary", "nonvol", "Uid", "Gid", "Tgid", "Pid", "PPid", "NSpid", "FDSize" };
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		show_form("status", lines[i]);
	snprintf(want, sizeof(want), "Pid:\t%d", getpid());
	SAY("status has our pid: %d\n", !strcmp(line_of("Pid"), want));
	snprintf(name, sizeof(name), "/proc/%d/task/%ld/comm", getpid(), syscall(SYS_gettid));
	slurp(name);
	SAY("task comm: %s", text);
	T(slurp("/proc/self/cmdline") > 0 && strstr(text, "proc_files"));
	setenv("LATER", "not seen", 1);
	T(slurp("/proc/self/environ") >= 0 && !strstr(text, "LATER"));
	slurp("/proc/self/statm");
	int n = 0;
	for (char *s = text; *s; s++)
		n += *s == ' ';
	SAY("statm: %d blanks\n", n);
	slurp("/proc/self/limits");
	show_form("limits", "Limit");
	show_form("limits", "Max open files");
	slurp("/proc/self/auxv");
	SAY("auxv: page size %s\n", ((long *)text)[0] > 0 ? "there" : "missing");
	slurp("/proc/self/personality");
	SAY("personality: %s", text);
}

static void names(void)
{
	struct { char name[16]; const char *set; } cases[] = { { "", "short" }, { "", "a much longer name than fits" }, { "", "with\nnewline" } };

	for (int i = 0; i < 3; i++) {
		int fd = open("/proc/self/comm", O_RDWR | O_TRUNC);
		show("write comm", write(fd, cases[i].set, strlen(cases[i].set)));
		close(fd);
		prctl(PR_GET_NAME, cases[i].name);
		SAY("name: %s\n", cases[i].name);
	}
	int fd = open("/proc/1/comm", O_WRONLY);
	show("write comm of init", write(fd, "x", 1));
	close(fd);
}

static void links(void)
{
	char target[200], path[100];
	int p[2], fd;
	ssize_t n;
	struct stat a, b;

	n = readlink("/proc/self", target, sizeof(target) - 1);
	target[n > 0 ? n : 0] = 0;
	SAY("self is we: %d\n", n > 0 && atoi(target) == getpid());
	n = readlink("/proc/thread-self", target, sizeof(target) - 1);
	target[n > 0 ? n : 0] = 0;
	snprintf(path, sizeof(path), "%d/task/%d", getpid(), getpid());
	SAY("thread-self is we: %d\n", !strcmp(target, path));
	fd = open("a file", O_RDWR | O_CREAT, 0644);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, target, sizeof(target) - 1);
	target[n] = 0;
	SAY("fd: %s\n", strrchr(target, '/'));
	T(lstat(path, &a));
	SAY("mode %o\n", a.st_mode);
	unlink("a file");
	n = readlink(path, target, sizeof(target) - 1);
	target[n] = 0;
	SAY("fd: %s\n", strrchr(target, '/'));
	T(stat(path, &a) || fstat(fd, &b) || a.st_ino != b.st_ino);
	int again = open(path, O_RDONLY);
	SAY("opened again by its link: %d\n", again >= 0);
	close(again);
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	lseek(fd, 123, SEEK_SET);
	slurp(path);
	SAY("%s\n", line_of("pos"));
	SAY("%s\n", line_of("flags"));
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	slurp(path);
	SAY("%s\n", line_of("flags"));
	close(fd);
	T(slurp(path));
	pipe(p);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", p[0]);
	n = readlink(path, target, sizeof(target) - 1);
	target[n] = 0;
	fstat(p[0], &a);
	unsigned long ino = 0;
	sscanf(target, "pipe:[%lu]", &ino);
	SAY("pipe: %d\n", ino == a.st_ino);
	lstat(path, &a);
	SAY("mode %o\n", a.st_mode);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", p[1]);
	lstat(path, &a);
	SAY("mode %o\n", a.st_mode);
	mkdir("dir", 0755);
	chdir("dir");
	n = readlink("/proc/self/cwd", target, sizeof(target) - 1);
	target[n] = 0;
	SAY("cwd: %s\n", strrchr(target, '/'));
	rmdir("../dir");
	n = readlink("/proc/self/cwd", target, sizeof(target) - 1);
	target[n] = 0;
	SAY("cwd: %s\n", strrchr(target, '/'));
	chdir("..");
	T(slurp("/proc/self/fd/7777"));
	T(readlink("/proc/self/fd/01", target, sizeof(target)));
}

static void memory(void)
{
	char *p = mmap(NULL, 16 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), key[64];
	unsigned long long map[16];
	int fd = open("/proc/self/pagemap", O_RDONLY);

	mprotect(p + 4 * PAGE, 4 * PAGE, PROT_READ);
	mprotect(p + 8 * PAGE, 8 * PAGE, PROT_NONE);
	memset(p, 1, 2 * PAGE);
	slurp("/proc/self/maps");
	for (int i = 0; i < 3; i++) {
		static const int at[] = { 0, 4, 8 };
		snprintf(key, sizeof(key), "\n%lx-%lx ", (long)p + at[i] * (long)PAGE, (long)p + (i == 2 ? 16 : at[i] + 4) * (long)PAGE);
		SAY("maps %d: %.4s\n", i, strstr(text, key) ? strstr(text, key) + strlen(key) : "none");
	}
	SAY("maps: [stack] %d [heap] %d\n", !!strstr(text, "[stack]\n"), sbrk(PAGE) && slurp("/proc/self/maps") && strstr(text, "[heap]\n"));
	SAY("maps: our file %d\n", !!strstr(text, "proc_files\n"));
	slurp("/proc/self/smaps");
	snprintf(key, sizeof(key), "%lx-", (long)p);
	char *at = strstr(text, key);
	memmove(text, at, strlen(at) + 1);
	static const char *const lines[] = { "Size", "KernelPageSize", "Rss", "Pss:", "Shared_Clean", "Shared_Dirty", "Private_Clean", "Private_Dirty", "Anonymous",
		"AnonHugePages", "Swap:", "Locked" };
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		SAY("smaps: %s\n", line_of(lines[i]));
	SAY("smaps: %.24s\n", line_of("VmFlags"));
	show("pread of pagemap", pread(fd, map, sizeof(map), (long)p / PAGE * 8));
	for (int i = 0; i < 16; i++)
		SAY("%d", (int)(map[i] >> 63) + 2 * (int)(map[i] >> 61 & 1));
	SAY("\n");
	show("odd offset", pread(fd, map, 8, 4));
	show("odd length", pread(fd, map, 7, 0));
	close(fd);
}

static void *wait_there(void *arg)
{
	prctl(PR_SET_NAME, "second");
	pthread_barrier_wait(arg);
	pthread_barrier_wait(arg);
	return NULL;
}

static void threads(void)
{
	pthread_barrier_t barrier;
	pthread_t thread;
	int n = 0, seconds = 0;
	struct dirent *e;
	DIR *d;

	pthread_barrier_init(&barrier, NULL, 2);
	pthread_create(&thread, NULL, wait_there, &barrier);
	pthread_barrier_wait(&barrier);
	d = opendir("/proc/self/task");
	while ((e = readdir(d)))
		if (e->d_name[0] != '.') {
			char path[300];
			n++;
			snprintf(path, sizeof(path), "/proc/self/task/%s/comm", e->d_name);
			seconds += slurp(path) > 0 && !strcmp(text, "second\n");
			snprintf(path, sizeof(path), "/proc/self/task/%s/stat", e->d_name);
			slurp(path);
			SAY("thread's stat begins with its id: %d\n", atoi(text) == atoi(e->d_name));
		}
	closedir(d);
	SAY("%d threads, %d of them second\n", n, seconds);
	slurp("/proc/self/status");
	SAY("%s\n", line_of("Threads"));
	pthread_barrier_wait(&barrier);
	pthread_join(thread, NULL);
	for (int i = 0; i < 600000 && (slurp("/proc/self/status"), !strstr(text, "Threads:\t1\n")); i++)
		usleep(1000);
	SAY("%s\n", line_of("Threads"));
}

/* Open files of a process that ends, is a zombie, is gone. */
static void ends(void)
{
	char path[64], c;
	int p[2], fd, dir;
	pid_t pid;

	pipe(p);
	pid = fork();
	if (!pid) {
		read(p[0], &c, 1);
		_exit(3);
	}
	snprintf(path, sizeof(path), "/proc/%d", pid);
	dir = open(path, O_RDONLY | O_DIRECTORY);
	fd = openat(dir, "stat", O_RDONLY);
	show("read its stat", read(fd, text, 3) == 3);
	kill(pid, SIGSTOP);
	for (int i = 0; i < 600000; i++) {
		pread(fd, text, sizeof(text) - 1, 0);
		if (strrchr(text, ')')[2] == 'T')
			break;
		usleep(1000);
	}
	SAY("stopped: %c\n", strrchr(text, ')')[2]);
	kill(pid, SIGCONT);
	write(p[1], "x", 1);
	for (int i = 0; i < 600000; i++) {
		text[pread(fd, text, sizeof(text) - 1, 0)] = 0;
		if (strrchr(text, ')')[2] == 'Z')
			break;
		usleep(1000);
	}
	SAY("zombie: %c, named %s\n", strrchr(text, ')')[2], strstr(text, "(with") || strstr(text, "(second") || strchr(text, '(') ? "still" : "nothing");
	snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	T(slurp(path));
	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	T(readlink(path, text, 10));
	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	T(slurp(path));
	show_status("it", wait_for(pid));
	T(pread(fd, text, 10, 0));
	T(openat(dir, "stat", O_RDONLY));
	T(openat(dir, ".", O_RDONLY) >= 0);
	snprintf(path, sizeof(path), "/proc/%d", pid);
	T(access(path, F_OK));
	close(fd);
	close(dir);
}

/* Our lines of /proc/locks, less what belongs to the machine. */
static void show_locks(const char *what)
{
	char key[64], *at = text, lines[8][100];
	int n = 0;

	slurp("/proc/locks");
	snprintf(key, sizeof(key), " %d ", getpid());
	SAY("%s:\n", what);
	while ((at = strstr(at, key)) && n < 8) {
		char *start = at, *end = strchr(at, '\n'), *rest = strchr(at + strlen(key), ' ');
		while (start > text && start[-1] != '\n')
			start--;
		start = strchr(start, ' ');
		snprintf(lines[n++], sizeof(lines[0]), "  %.*s ... %.*s", (int)(at - start), start, (int)(end - rest), rest);
		at = end;
	}
	qsort(lines, (size_t)n, sizeof(lines[0]), (int (*)(const void *, const void *))strcmp);
	for (int i = 0; i < n; i++)
		SAY("%s\n", lines[i]);
}

static void locks(void)
{
	int fd = open("locked", O_RDWR | O_CREAT, 0644);
	struct flock range = { .l_type = F_WRLCK, .l_start = 10, .l_len = 20 }, rest = { .l_type = F_RDLCK, .l_start = 100 };

	flock(fd, LOCK_EX);
	show_locks("flock");
	flock(fd, LOCK_SH);
	fcntl(fd, F_SETLK, &range);
	fcntl(fd, F_SETLK, &rest);
	show_locks("three");
	close(fd);
	show_locks("none");
	unlink("locked");
}

static void system_files(void)
{
	static const char *const lines[][2] = { { "meminfo", "MemTotal" }, { "meminfo", "MemFree" }, { "meminfo", "MemAvailable" }, { "meminfo", "Buffers" },
		{ "meminfo", "Cached" }, { "meminfo", "SwapTotal" }, { "meminfo", "Shmem:" }, { "meminfo", "Slab" }, { "meminfo", "Dirty" }, { "stat", "cpu " },
		{ "stat", "ctxt" }, { "stat", "btime" }, { "stat", "processes" }, { "stat", "procs_running" }, { "stat", "procs_blocked" }, { "uptime", "" },
		{ "loadavg", "" }, { "slabinfo", "slabinfo" }, { "slabinfo", "# name" }, { "partitions", "major" }, { "swaps", "Filename" }, { "devices", "Character" },
		{ "devices", "Block" }, { "cpuinfo", "processor" }, { "sys/kernel/ostype", "" }, { "sys/kernel/pid_max", "" }, { "sys/kernel/random/uuid", "00" },
		{ "sys/kernel/cap_last_cap", "" }, { "sys/kernel/printk", "x" }, { "sys/fs/file-nr", "" } };

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		char path[64];
		snprintf(path, sizeof(path), "/proc/%s", lines[i][0]);
		slurp(path);
		show_form(lines[i][0], lines[i][1]);
	}
	slurp("/proc/filesystems");
	SAY("filesystems: proc %d tmpfs %d\n", !!strstr(text, "nodev\tproc\n"), !!strstr(text, "nodev\ttmpfs\n"));
	slurp("/proc/mounts");
	SAY("mounts: proc %d\n", !!strstr(text, " /proc proc rw"));
	slurp("/proc/self/mountinfo");
	SAY("mountinfo: proc %d\n", !!strstr(text, " / /proc rw") && strstr(text, " - proc "));
}

static void access_rules(void)
{
	int fd;

	OK(fd = open("/proc/self/stat", O_WRONLY));
	OK(write(fd, "x", 1));
	OK(fd = open("/proc/meminfo", O_RDWR));
	OK(write(fd, "x", 1));
	OK(open("/proc/new", O_CREAT | O_WRONLY, 0644));
	OK(mkdir("/proc/new", 0755));
	OK(unlink("/proc/self/stat"));
	OK(chmod("/proc/self/stat", 0777));
	OK(truncate("/proc/self/oom_score_adj", 0));
	fd = open("/proc/self/oom_score_adj", O_RDWR);
	T(write(fd, "77\n", 3));
	T(pread(fd, text, 10, 0));
	T(write(fd, "1001", 4));
	T(write(fd, "x", 1));
	T(lseek(fd, -1, SEEK_SET));
	T(lseek(fd, 1, SEEK_SET));
	T(read(fd, text, 10));
	close(fd);
	fd = open("/proc/self/stat", O_RDONLY);
	T(read(fd, (void *)1, 10));
	T(read(fd, text, 0));
	T(pread(fd, text, 10, 1 << 20));
	close(fd);
}

int main(int argc, char **argv)
{
	modes();
	own_numbers(argc);
	names();
	links();
	memory();
	threads();
	ends();
	locks();
	system_files();
	access_rules();
	return 0;
}
