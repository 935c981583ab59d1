/*
 * Reads everything in /proc, in odd pieces, while processes and threads come and go. argv[1]: rounds. What a read gives does not
 * matter here (processes end meanwhile, memory may run out): the kernel goes on.
 */
#include "t.h"
#include <pthread.h>

static long files, errors;
static char buf[3001];

static void *nothing(void *arg) { return arg; }

/* Children that fork, start threads, run a program, and end. */
static void churn(void)
{
	int running = 0;

	for (unsigned i = 0;; i++) {
		pid_t pid = fork();

		if (!pid) {
			pthread_t t[3];
			int n = 0;
			while (n < 3 && !pthread_create(&t[n], NULL, nothing, NULL))
				n++;
			while (n--)
				pthread_join(t[n], NULL);
			if (i % 4 == 0)
				execl("/bin/true", "true", (char *)NULL);
			_exit(0);
		}
		running += pid > 0;
		while (running && waitpid(-1, NULL, running > 8 ? 0 : WNOHANG) > 0)
			running--;
		if (pid < 0)
			usleep(1000);
	}
}

static void read_all(const char *path)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK);
	ssize_t n;

	files++;
	if (fd < 0) {
		errors++;
		return;
	}
	for (int i = 0; i < 200 && (n = read(fd, buf, i % 2 ? 3000 : 7)) > 0; i++)
		;
	pread(fd, buf, 100, 0);
	close(fd);
}

static void walk(const char *path, int depth)
{
	DIR *d = opendir(path);
	struct dirent *e;
	char name[300], target[200];

	while (d && (e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%.150s/%.100s", path, e->d_name);
		if (e->d_type == DT_DIR && depth < 6)
			walk(name, depth + 1);
		else if (e->d_type == DT_LNK)
			readlink(name, target, sizeof(target));
		else if (strcmp(e->d_name, "pagemap"))
			read_all(name);
	}
	if (d)
		closedir(d);
}

int main(int argc, char **argv)
{
	pid_t children[2];

	for (int i = 0; i < 2; i++) {
		children[i] = fork();
		if (!children[i])
			churn();
	}
	for (int i = 0; i < (argc > 1 ? atoi(argv[1]) : 1); i++)
		walk("/proc", 0);
	for (int i = 0; i < 2; i++)
		if (children[i] > 0)
			kill(children[i], SIGKILL);
	SAY("%s\n", files > 100 ? "done" : "few files");
	return 0;
}
