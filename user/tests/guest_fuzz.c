/*
 * Random system calls with random arguments, in many short-lived processes: whatever they are, the kernel goes on. Only
 * for the guest: as root it would do harm to a host. usage: guest_fuzz DIRECTORY SEED PROCESSES
 */
#include "t.h"

#define CALLS 60
#define NR_CALLS 452

static uint64_t state;
static char *buffer, *readonly, *shared;
static char directory[64];

static unsigned rnd(void)
{
	state = state * 6364136223846793005ULL + 1442695040888963407ULL;
	return state >> 33;
}

static long random_value(void)
{
	switch (rnd() % 16) {
	case 0: return 0;
	case 1: return -1;
	case 2: return rnd() % 8;			/* descriptors, small flags */
	case 3: return rnd() % 100;
	case 4: return (long)buffer + rnd() % PAGE;
	case 5: return (long)readonly;
	case 6: return 0xffff888000000000;
	case 7: return 0x8000000000000000;
	case 8: return 1L << (rnd() % 64);
	case 9: return (long)buffer + 4 * PAGE - rnd() % 16;	/* runs over the end */
	case 10: return -(long)(rnd() % 4096);
	case 11: return (long)shared + rnd() % 64;
	case 12: return PAGE * (rnd() % 16);
	case 13: return rnd();
	case 14: return (long)rnd() << 32 | rnd();
	default: return (long)directory;
	}
}

/* Calls that end the test itself, or take away what it stands on. */
static int left_out(long nr)
{
	static const long numbers[] = {
		SYS_reboot, SYS_kill, SYS_tkill, SYS_tgkill, SYS_rt_sigqueueinfo, SYS_rt_tgsigqueueinfo, SYS_umount2, SYS_mount, SYS_pause,
		SYS_exit, SYS_exit_group, SYS_chroot, SYS_setitimer, SYS_alarm, SYS_vfork, SYS_fork,
	};

	for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (numbers[i] == nr)
			return 1;
	return (nr == SYS_clone || nr == 435 /* clone3 */) && rnd() % 4;
}

static void prepare(void)
{
	struct rlimit memory = { 64 << 20, 64 << 20 };
	struct itimerval timer = { { 0, 20000 }, { 0, 100000 } };

	buffer = mmap(NULL, 4 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	readonly = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	shared = mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (unsigned i = 0; i < 4 * PAGE; i += 4)
		*(uint32_t *)(buffer + i) = rnd() % 4 ? rnd() % 16 : rnd();
	strcpy(buffer, directory);
	setrlimit(RLIMIT_AS, &memory);
	setsid();
	if (chdir(directory))
		_exit(1);
	for (int fd = 0; fd < 3; fd++)
		close(fd);
	open("/dev/null", O_RDWR);
	open("f", O_RDWR | O_CREAT, 0666);
	dup(1);
	setitimer(ITIMER_REAL, &timer, NULL);	/* SIGALRM kills who waits */
}

static void child(void)
{
	for (int i = 0; i < 10; i++)
		rnd();
	prepare();
	for (int i = 0; i < CALLS; i++) {
		long nr = rnd() % NR_CALLS, a[6];
		if (left_out(nr))
			continue;
		for (int k = 0; k < 6; k++)
			a[k] = random_value();
		long r = syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
		if ((nr == SYS_clone || nr == 435) && r == 0)
			_exit(0);
	}
	_exit(0);
}

/* It ends by itself or by SIGKILL; nothing may hold it. */
static void reap(pid_t pid, int number)
{
	int status;

	for (int i = 0; i < 1500; i++) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return;
		if (i == 500) {
			kill(-pid, SIGKILL);
			kill(pid, SIGKILL);
		}
		usleep(2000);
	}
	SAY("process %d cannot be killed\n", number);
	exit(1);
}

int main(int argc, char **argv)
{
	if (argc != 4)
		return 2;
	snprintf(directory, sizeof(directory), "%s/fuzz", argv[1]);
	mkdir(directory, 0777);
	for (int i = 0; i < atoi(argv[3]); i++) {
		state = atoi(argv[2]) * 100003ULL + i;
		pid_t pid = fork();
		if (pid == 0)
			child();
		reap(pid, i);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
	SAY("done\n");
	return 0;
}
