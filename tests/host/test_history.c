/*
 * Random histories in the manner of the model (forest.py): processes and files, every operation that can
 * share, copy or drop a page, against plain arrays; after every few operations everything that can be seen is
 * compared and the ownership words are recounted. ops=N, histories=N, seed=N, every=N (operations between two recounts),
 * from=N (the first seed).
 */
#include "history.h"
#include "mm/reclaim.h"
#include "mm/switches.h"
#include "mm/vmstat.h"

struct proc procs[NPROCS];
struct hfile *files[NFILES];
u64 fvalue[NFILES][FPAGES], fsize[NFILES], counter;
struct pin pins[3];
unsigned long step, seed;
static unsigned check_every;		/* operations between two recounts: every=N */

bool pinned(const struct proc *p, unsigned v)
{
	for (unsigned i = 0; i < ARRAY_SIZE(pins); i++)
		if (pins[i].page && pins[i].proc == p && pins[i].v == v)
			return true;
	return false;
}
bool pinned_range(const struct proc *p, unsigned v, unsigned n)
{
	while (n--)
		if (pinned(p, v + n))
			return true;
	return false;
}

int expect(const struct proc *p, unsigned v, u64 *value)
{
	const struct cell *c = &p->cell[v];
	if (c->kind == NONE || !(c->prot & PROT_READ))
		return SIGSEGV;
	*value = c->value;
	if (c->kind == ANON || (c->kind == FILE_PRIVATE && c->own))
		return 0;
	if (c->index >= fsize[c->file])
		return SIGBUS;
	*value = fvalue[c->file][c->index];
	return 0;
}
void load_and_compare(struct proc *p, unsigned v)
{
	u64 want = 0, got = 0;
	int sig = expect(p, v, &want), s;
	proc_run(p->mm);
	s = user_load(ADDR(v), &got);
	if (s != sig || (!s && got != want)) {
		const struct cell *c = &p->cell[v];
		sys_printf("  page %u: kind %u file %u index %u own %d prot %u; entry %lx; slot %lx, zero page %lx, file size %lu\n", v, c->kind, c->file, c->index, c->own, c->prot,
			   (unsigned long)mm_entry(p->mm, ADDR(v)), c->kind > ANON ? (unsigned long)pagecache_peek(&files[c->file]->inode.mapping, c->index) : 0, (unsigned long)page_to_phys(zero_page), (unsigned long)fsize[c->file]);
		host_fail("seed %lu step %lu: load of page %u by process %ld: signal %d value %lu, want %d %lu", seed, step, v, (long)(p - procs), s, (unsigned long)got, sig, (unsigned long)want);
	}
}
void do_store(struct proc *p, unsigned v)
{
	struct cell *c = &p->cell[v];
	u64 value = ++counter;
	int want = c->kind == NONE || !(c->prot & PROT_WRITE) ? SIGSEGV : c->kind >= FILE_PRIVATE && !c->own && c->index >= fsize[c->file] ? SIGBUS : 0;
	proc_run(p->mm);
	int got = user_store(ADDR(v), value);
	if (got != want)
		host_fail("seed %lu step %lu: store to page %u: signal %d, want %d", seed, step, v, got, want);
	if (got)
		return;
	if (c->kind == FILE_SHARED) {
		fvalue[c->file][c->index] = value;
	} else {
		c->own = true;
		c->value = value;
	}
}
static void compare_all(void)
{
	for (struct proc *p = procs; p < procs + NPROCS; p++)
		if (p->mm)
			for (unsigned v = 0; v < VPAGES; v++)
				load_and_compare(p, v);
	for (unsigned i = 0; i < NFILES; i++)
		for (unsigned k = 0; k < fsize[i]; k++) {
			u64 got;
			CHECK_EQ(hfile_pread(files[i], &got, 8, k * PAGE_SIZE), 8);
			if (got != fvalue[i][k])
				host_fail("seed %lu step %lu: page %u of file %u reads %lu, want %lu", seed, step, k, i, (unsigned long)got, (unsigned long)fvalue[i][k]);
		}
}

/* INV-G1: what is pinned exclusively is what the program sees there, whatever anybody did since. */
static void compare_pins(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(pins); i++)
		if (pins[i].page && *(u64 *)page_address(pins[i].page) != pins[i].proc->cell[pins[i].v].value)
			host_fail("INV-G1: seed %lu step %lu: page %u of process %ld is pinned, and another one is mapped", seed, step, pins[i].v, (long)(pins[i].proc - procs));
}

/* Background: writes back, reclaims, reads ahead of everybody, all the time, on "CPUs" of their own. */
static bool background, stop;
static void background_sync(void *arg)
{
	while (!stop) {
		CHECK_EQ(hfile_sync(files[host_random(NFILES)]), 0);
		sched_yield_cpu();
	}
}
static void background_reclaim(void *arg)
{
	while (!stop) {
		reclaim_pages(1 + host_random(8));
		sched_yield_cpu();
	}
}
static void background_read(void *arg)
{
	u64 word;
	while (!stop) {
		hfile_pread(files[host_random(NFILES)], &word, 8, host_random(FPAGES) * PAGE_SIZE);
		sched_yield_cpu();
	}
}

static void history(unsigned ops, u64 s)
{
	struct task *tasks[3];
	seed = s;
	host_seed(s);
	memset(fvalue, 0, sizeof(fvalue));
	for (unsigned i = 0; i < NFILES; i++) {
		static u64 init[FPAGES * 512];
		for (unsigned k = 0; k < FPAGES; k++)
			init[k * 512] = fvalue[i][k] = ++counter;
		fsize[i] = FPAGES;
		files[i] = hfile_create(i ? "g" : "f", (FPAGES + 16) * PAGE_SIZE, init, sizeof(init));
	}
	procs[0].mm = proc_create();
	if (background) {
		stop = false;
		host_explore(s, 4 + s % 40);
		tasks[0] = host_spawn("sync", NULL, background_sync, NULL);
		tasks[1] = host_spawn("reclaim", NULL, background_reclaim, NULL);
		tasks[2] = host_spawn("read", NULL, background_read, NULL);
	}
	for (step = 0; step < ops; step++) {
		one_step();
		if (background)
			tlb_check(false);
		else if (step % check_every == 0)
			check_all();
		compare_pins();
		if (step % 16 == 0)
			compare_all();
	}
	compare_all();
	stop = true;
	for (unsigned i = 0; i < 3 && background; i++)
		host_join(tasks[i]);
	host_explore(0, 0);
	check_all();
	for (unsigned i = 0; i < ARRAY_SIZE(pins); i++)
		op_unpin(i);
	for (unsigned i = 0; i < NFILES; i++)	/* what is on the disk in the end */
		CHECK_EQ(hfile_sync(files[i]), 0);
	for (unsigned i = 0; i < NFILES; i++)
		for (unsigned k = 0; k < fsize[i]; k++)
			CHECK_EQ(files[i]->block_state[k] ? *(u64 *)(files[i]->disk + k * PAGE_SIZE) : 0, fvalue[i][k]);
	for (struct proc *p = procs; p < procs + NPROCS; p++)
		if (p->mm) {
			proc_run(p->mm);
			proc_exit(p->mm);
			p->mm = NULL;
			forget(p, 0, VPAGES);
		}
	for (unsigned i = 0; i < NFILES; i++)
		hfile_destroy(files[i]);
	check_all();
}

static void histories(unsigned count, unsigned ops)
{
	u64 one = sys_option("seed", 0);
	check_every = sys_option("every", 1);
	switch_share_min = 2;
	check_leaks_begin();
	u64 first = one ? one : sys_option("from", 1);
	for (u64 s = first; s < first + (one ? 1 : sys_option("histories", count)); s++)
		history(sys_option("ops", ops), s);
	check_leaks_end();
}
TEST(history_random, "random histories of processes and files agree with plain arrays; own words recounted after every operation")
{
	histories(60, 400);
	if (!sys_option("seed", 0) && !sys_option("ops", 0))	/* all that it is for did happen */
		CHECK(vmstat_read(VM_LOAN_READ) && vmstat_read(VM_LOAN_WRITE) && vmstat_read(VM_LOAN_COPY) && vmstat_read(VM_FORK_COPY) && vmstat_read(VM_TABLE_SHARE) &&
		      vmstat_read(VM_TABLE_COPY) && vmstat_read(VM_TABLE_TAKE));
}
TEST(history_copy_fail, "the same with every first copy stopped at a random byte")
{
	switch_copy_fail = 77;
	histories(20, 400);
}
TEST(history_prefault, "the same with prefault=1")
{
	switch_prefault = true;
	histories(15, 400);
}
TEST(history_background, "the same while writeback, reclaim and reads go on beside it, switched at random: contents do not depend on them")
{
	background = true;
	histories(60, 300);
}
