/*
 * Executing damaged copies of this very program: it runs, fails with an errno or dies of a signal, and nothing worse. Only
 * for the guest, whose status matters. usage: guest_elf SEED COPIES
 */
#include "t.h"

#define HEADERS 1024

static uint64_t state;
static unsigned char image[1 << 20];

static unsigned rnd(void)
{
	state = state * 6364136223846793005ULL + 1442695040888963407ULL;
	return state >> 33;
}

static void damage(unsigned char *headers)
{
	const uint64_t values[] = { 0, -1ULL, 1ULL << 63, 0x7ffffffff000, 0x1000, 0xfff, 1ULL << 32, ~0ULL >> 1, 1ULL << 47, rnd() };
	unsigned at = rnd() % (64 + 56 * 7);		/* ELF header and a few program headers */

	if (rnd() % 2)
		headers[at] = (unsigned char)rnd();
	else
		memcpy(headers + at / 8 * 8, &values[rnd() % 10], 8);
}

static void write_copy(size_t size)
{
	unsigned char headers[HEADERS];
	int fd = open("/tmp/damaged", O_CREAT | O_WRONLY | O_TRUNC, 0755);

	memcpy(headers, image, HEADERS);
	for (int n = 1 + rnd() % 4; n > 0; n--)
		damage(headers);
	if (rnd() % 8 == 0)
		size = rnd() % size;
	if (write(fd, headers, HEADERS) < 0 || (size > HEADERS && write(fd, image + HEADERS, size - HEADERS) < 0))
		perror("write");
	close(fd);
}

static void execute(void)
{
	struct rlimit memory = { 256 << 20, 256 << 20 };

	setrlimit(RLIMIT_AS, &memory);
	alarm(1);
	close(1);
	close(2);
	execl("/tmp/damaged", "damaged", NULL);
	_exit(77);
}

int main(int argc, char **argv)
{
	int ran = 0, failed = 0, died = 0, status;

	if (argc != 3)
		return 0;		/* a copy that works */
	state = atoi(argv[1]);
	int fd = open(argv[0], O_RDONLY);
	ssize_t size = read(fd, image, sizeof(image));
	close(fd);
	for (int i = 0; i < atoi(argv[2]); i++) {
		write_copy(size);
		pid_t pid = fork();
		if (pid == 0)
			execute();
		status = wait_for(pid);
		if (WIFSIGNALED(status))
			died++;
		else if (WEXITSTATUS(status) == 77)
			failed++;
		else
			ran++;
	}
	SAY("%s\n", ran && failed && died ? "done" : "nothing was tested");
	return 0;
}
