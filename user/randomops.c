/*
 * Random operations on files and memory, each checked against plain arrays: every way in which bytes get from a file to memory and back, in any
 * order. An ordinary Linux program: what it checks is what Linux promises.
 *
 * usage: randomops [-w WORKERS] [-t] [-l] [-v] [-o N] SEED COUNT [DIRECTORY]
 *   -w  so many workers at the same time, each with its own files and its own part of memory
 *   -t  the workers are threads of one process, not processes
 *   -l  memory has a part of 2 MiB besides, and there is a file of 2 MiB: for kernels that share page tables
 *   -v  print each operation and its numbers before it is done
 *   -o  read /proc/check_ownership after each Nth operation (Cowslip's debug build), which must say "ok"
 * "randomops: COUNT operations by each of WORKERS workers: all right" and 0, or "FAIL ..." and 1: with the same words the same happens again.
 */
#include "randomops_children.h"
#include <pthread.h>
#include <sys/wait.h>

/* --- running --- */

static const char *const names[] = {
	"map", "store", "store", "write", "write", "read", "read", "read_fresh", "truncate", "punch", "unmap", "protect", "move", "advise", "sync", "direct_write",
	"direct_read", "copy", "copy", "vmsplice", "remote_write", "remote_read", "fork", "check",
	/* with -l */
	"window", "window", "window_read", "window_read", "window_advise", "window_move", "window_protect", "fillers", "fillers", "large_write", "large_change", "fork", "fork",
};
#define WITHOUT_WINDOW 24
#define OPERATIONS (sizeof(names) / sizeof(*names))

static void window_step(unsigned which)
{
	switch (which) {
	case 24: case 25: op_window(); break;
	case 26: case 27: op_window_read(); break;
	case 28: op_window_advise(); break;
	case 29: op_window_move(); break;
	case 30: op_window_protect(); break;
	case 31: case 32: store_fillers(WCELLS + below(WPAGES - WCELLS - 4), 1 + below(4)); break;
	case 33: op_large_write(); break;
	case 34: op_large_change(); break;
	default: op_fork(); break;
	}
}

static void one_step(void)
{
	long v = below(w->vpages), n = 1 + below(smaller(8, w->vpages - v));
	long bytes = below(4) ? 1 + below(3 * PAGE) : (1 + below(4)) * PAGE, off = below(4) ? below(w->vpages * PAGE - bytes) : smaller(v, w->vpages - 4) * PAGE;
	long pos = below(3) ? below(FPAGES * PAGE - bytes) : below(FPAGES - 4) * PAGE;
	struct file *f = &w->file[below(NFILES)], *g = &w->file[below(NFILES)];
	unsigned which = (unsigned)below(with_window ? OPERATIONS : WITHOUT_WINDOW);

	w->op = names[which];
	if (verbose)
		printf("%d.%ld %s: page %ld n %ld; bytes %ld at %ld; file %ld at %ld, other %ld\n", w->id, w->step, w->op, v, n, bytes, off, (long)(f - w->file), pos, (long)(g - w->file));
	switch (which) {
	case 0: op_map(v, n); break;
	case 1: case 2: op_store(off, bytes); break;
	case 3: case 4: op_write(f, pos, off, bytes); break;
	case 5: case 6: op_read(f, pos, off, bytes); break;
	case 7: op_read_fresh(f, v, n); break;
	case 8: op_truncate(f); break;
	case 9: op_punch(f, pos, bytes); break;
	case 10: op_unmap(v, n); break;
	case 11: op_protect(v, n); break;
	case 12: op_move(v, n); break;
	case 13: op_advise(v, n); break;
	case 14: op_sync(f); break;
	case 15: case 16: op_direct(f, off, pos, bytes, which == 15); break;
	case 17: case 18: op_copy(f, g, pos, below(FPAGES * PAGE), bytes); break;
	case 19: op_vmsplice(off, bytes); break;
	case 20: case 21: op_remote(off, bytes, which == 20); break;
	case 22: op_fork(); break;
	case 23: check_page(v); check_file((int)below(NFILES)); break;
	default: window_step(which); break;
	}
	if (look_every && w->step % look_every == 0)
		check_ownership();
	if (w->step % 32 == 0)
		check_all();
	else
		check_page(below(w->vpages));
	if (with_window)
		check_filler(WCELLS + below(WPAGES - WCELLS));
}

/* Where there is room for the arena: with the window aligned, and as much again behind it. */
static char *find_room(void)
{
	long span = WPAGES * PAGE, bytes = with_window ? w->vpages * PAGE + 3 * span : w->vpages * PAGE;
	char *room = mmap(NULL, (size_t)bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0), *base = room;

	MUST(room != MAP_FAILED);
	if (with_window) {
		base = (char *)(((unsigned long)room + (unsigned long)(WINDOW_AT * PAGE + span - 1)) & -(unsigned long)span) - WINDOW_AT * PAGE;
		w->spare = base + WINDOW_AT * PAGE + span;	/* stays PROT_NONE */
		return base;
	}
	MUST(munmap(room, (size_t)bytes) == 0);
	return base;
}

static void prepare(struct world *world, int id)
{
	char name[32];

	w = world;
	w->id = id;
	w->op = "prepare";
	w->random = (unsigned long)seed * 1000003UL + (unsigned long)id * 7919UL;
	w->vpages = with_window ? MOST_VPAGES : VPAGES;
	w->base = mmap(find_room(), (size_t)(w->vpages * PAGE), RW, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	w->data = calloc((size_t)w->vpages, PAGE);
	w->buffer = aligned_alloc(PAGE, (FPAGES + 1) * PAGE);
	w->other = aligned_alloc(PAGE, (FPAGES + 1) * PAGE);
	MUST(w->base != MAP_FAILED && w->data && w->buffer && w->other);
	for (long v = 0; v < w->vpages; v++)
		w->cell[v] = (struct cell){ .kind = ANON, .prot = RW };
	for (int i = 0; i < NFILES; i++) {
		struct file *f = &w->file[i];
		snprintf(name, sizeof(name), "random.%d.%d", id, i);
		f->fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		f->direct = open(name, O_RDWR | O_DIRECT | O_CLOEXEC);
		f->data = calloc(FPAGES, PAGE);
		MUST(f->fd >= 0 && f->data && unlink(name) == 0);
	}
	if (with_window)
		prepare_large(name);
}

static void *worker(void *world)
{
	w = world;
	for (w->step = 0; w->step < count; w->step++)
		one_step();
	w->op = "end";
	check_all();
	for (int i = 0; i < NCHILDREN; i++)
		if (w->child[i].pid)
			end_child(i);
	return NULL;
}

static int run_threads(struct world *worlds, int workers)
{
	pthread_t threads[workers];

	for (int i = 0; i < workers; i++)
		if (pthread_create(&threads[i], NULL, worker, &worlds[i]))
			return 1;
	for (int i = 0; i < workers; i++)
		pthread_join(threads[i], NULL);
	return 0;
}

static int run_processes(struct world *worlds, int workers)
{
	int status, bad = 0;

	for (int i = 0; i < workers; i++) {
		pid_t pid = fork();
		if (!pid) {
			worker(&worlds[i]);
			_exit(0);
		}
		bad |= pid < 0;
	}
	while (wait(&status) > 0)
		bad |= status != 0;
	return bad;
}

int main(int argc, char **argv)
{
	static struct world worlds[64];
	struct sigaction action = { .sa_handler = on_fault };
	int c, workers = 1, threads = 0;

	while ((c = getopt(argc, argv, "w:to:vl")) > 0) {
		if (c == 'w')
			workers = atoi(optarg);
		else if (c == 't')
			threads = 1;
		else if (c == 'l')
			with_window = 1;
		else if (c == 'v')
			verbose = 1;
		else if (c == 'o')
			look_every = atol(optarg);
		else
			return 2;
	}
	if (argc - optind < 2 || workers < 1 || workers > 64) {
		fprintf(stderr, "usage: randomops [-w WORKERS] [-t] [-l] [-v] [-o N] SEED COUNT [DIRECTORY]\n");
		return 2;
	}
	seed = atol(argv[optind]);
	count = atol(argv[optind + 1]);
	if (chdir(argc - optind > 2 ? argv[optind + 2] : "/tmp"))
		return 2;
	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	for (int i = 0; i < workers; i++)	/* all before anybody unmaps a part of the arena: nobody else's memory may come there */
		prepare(&worlds[i], i);
	if (threads ? run_threads(worlds, workers) : run_processes(worlds, workers))
		return 1;
	printf("randomops: %ld operations by each of %d workers: all right\n", count, workers);
	return 0;
}
