/* Random histories (test_history.c): the operations. Each leaves out what the reference cannot say. */
#include "history.h"
#include "mm/reclaim.h"
#include "mm/syscalls.h"

void forget(struct proc *p, unsigned v, unsigned n)
{
	memset(p->cell + v, 0, n * sizeof(struct cell));
}
static void op_map(struct proc *p, unsigned v, unsigned n)
{
	unsigned kind = host_random(5), fi = host_random(NFILES), index = host_random(FPAGES);
	u64 flags = MAP_FIXED | (kind == 4 ? MAP_SHARED : MAP_PRIVATE) | (host_random(8) ? 0 : MAP_POPULATE);
	if (pinned_range(p, v, n))
		return;
	proc_run(p->mm);
	if (kind < 2)
		CHECK_EQ(map_anon(ADDR(v), n * PAGE_SIZE, PROT_READ | PROT_WRITE, flags), ADDR(v));
	else
		CHECK_EQ(hfile_mmap(files[fi], ADDR(v), n * PAGE_SIZE, PROT_READ | PROT_WRITE, flags, index), ADDR(v));
	for (unsigned i = 0; i < n; i++)
		p->cell[v + i] = (struct cell){ .kind = kind < 2 ? ANON : kind == 4 ? FILE_SHARED : FILE_PRIVATE, .file = fi, .prot = PROT_READ | PROT_WRITE, .index = index + i };
	if (kind == 2 || kind == 3)		/* populating a writable private mapping breaks COW at once, as on Linux */
		for (unsigned i = 0; i < n && (flags & MAP_POPULATE) && index + i < fsize[fi]; i++) {
			p->cell[v + i].own = true;
			p->cell[v + i].value = fvalue[fi][index + i];
		}
}
static void op_write(unsigned fi, struct proc *p)
{
	/* From a page of the process, whose first word is known, into whole pages or the first word of one. */
	unsigned v = host_random(VPAGES), k = host_random(FPAGES);
	u64 value = 0, n = host_random(2) ? PAGE_SIZE : 8 + host_random(3000);
	if (sys_option("trace", 0))
		sys_printf("  write file %u page %u from page %u, %lu bytes\n", fi, k, v, (unsigned long)n);
	if (host_random(3) == 0 || expect(p, v, &value)) {
		u64 word = ++counter;
		proc_run(p->mm);
		CHECK_EQ(hfile_pwrite(files[fi], &word, 8, k * PAGE_SIZE), 8);
		value = word;
		n = 8;
	} else {
		proc_run(p->mm);
		ssize_t r = hfile_pwrite_user(files[fi], ADDR(v), n, k * PAGE_SIZE);
		if (r != (ssize_t)n)
			host_fail("seed %lu step %lu: write of %lu gave %ld", seed, step, (unsigned long)n, (long)r);
	}
	fvalue[fi][k] = value;
	for (unsigned i = fsize[fi]; i < k; i++)
		fvalue[fi][i] = 0;
	fsize[fi] = max(fsize[fi], (u64)k + 1);
}
static void op_read(unsigned fi, struct proc *p)
{
	unsigned v = host_random(VPAGES), k = host_random(FPAGES);
	struct cell *c = &p->cell[v];
	proc_run(p->mm);
	if (c->kind != ANON || !(c->prot & PROT_WRITE) || k >= fsize[fi])
		return;
	u64 size = files[fi]->inode.mapping.size, n = min((u64)PAGE_SIZE, size - k * PAGE_SIZE);
	ssize_t r = hfile_pread_user(files[fi], ADDR(v), PAGE_SIZE, k * PAGE_SIZE);
	if (r != (ssize_t)n)
		host_fail("seed %lu step %lu: read gave %ld of %lu", seed, step, (long)r, (unsigned long)n);
	if (n < 8)
		n = 8;
	c->own = true;
	c->value = fvalue[fi][k];
	if (size - k * PAGE_SIZE < 8) {		/* the word is cut by the end of the file: unknown, rewrite it */
		CHECK_EQ(user_store(ADDR(v), ++counter), 0);
		c->value = counter;
	}
}
/* Whole pages into private memory: if it was never touched, or still shows what was read before, they are lent instead of copied. */
static bool writable_anon(const struct proc *p, unsigned v, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (p->cell[v + i].kind != ANON || p->cell[v + i].prot != (PROT_READ | PROT_WRITE))
			return false;
	return true;
}
static void op_read_pages(unsigned fi, struct proc *p, unsigned v, unsigned n)
{
	unsigned k = host_random(FPAGES);
	n = min(n, FPAGES - k);
	if (!writable_anon(p, v, n) || (k + n) * PAGE_SIZE > files[fi]->inode.mapping.size)
		return;
	proc_run(p->mm);
	CHECK_EQ(hfile_pread_user(files[fi], ADDR(v), n * PAGE_SIZE, k * PAGE_SIZE), n * PAGE_SIZE);
	for (unsigned i = 0; i < n; i++) {
		p->cell[v + i].own = true;
		p->cell[v + i].value = fvalue[fi][k + i];
	}
}
/* A write so long that the program's pages are lent to the file. */
static void op_write_pages(unsigned fi, struct proc *p)
{
	unsigned v = host_random(LOW_PAGES - FPAGES + 1);
	if (pinned_range(p, v, FPAGES))
		return;
	proc_run(p->mm);
	if (!writable_anon(p, v, FPAGES)) {
		CHECK_EQ(map_anon(ADDR(v), FPAGES * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE), ADDR(v));
		for (unsigned i = 0; i < FPAGES; i++) {
			p->cell[v + i] = (struct cell){ .kind = ANON, .prot = PROT_READ | PROT_WRITE };
			do_store(p, v + i);
		}
	}
	CHECK_EQ(hfile_pwrite_user(files[fi], ADDR(v), FPAGES * PAGE_SIZE, 0), FPAGES * PAGE_SIZE);
	for (unsigned k = 0; k < FPAGES; k++)
		fvalue[fi][k] = p->cell[v + k].value;
	fsize[fi] = FPAGES;
}
/* copy_file_range() by sharing: as many pages as it says, the others are not touched. */
static void op_share(unsigned fi, unsigned n)
{
	unsigned to = 1 - fi, a = host_random(FPAGES), b = host_random(FPAGES);
	loff_t from = a * PAGE_SIZE, at = b * PAGE_SIZE;
	n = min(n, FPAGES - max(a, b));
	if ((a + n) * PAGE_SIZE > files[fi]->inode.mapping.size)
		return;
	down_write(&files[to]->inode.i_rwsem);
	ssize_t done = pagecache_share(&files[fi]->inode.mapping, &from, &files[to]->inode.mapping, &at, n * PAGE_SIZE);
	up_write(&files[to]->inode.i_rwsem);
	if (done < 0 || done % PAGE_SIZE || done > (ssize_t)(n * PAGE_SIZE) || at != (loff_t)(b * PAGE_SIZE) + done)
		host_fail("seed %lu step %lu: sharing %u pages gave %ld", seed, step, n, (long)done);
	for (unsigned i = 0; i < done / PAGE_SIZE; i++)
		fvalue[to][b + i] = fvalue[fi][a + i];
	for (unsigned i = fsize[to]; done && i < b; i++)
		fvalue[to][i] = 0;
	if (done)
		fsize[to] = max(fsize[to], b + (u64)done / PAGE_SIZE);
}
static void op_punch(unsigned fi, unsigned n)
{
	unsigned k = host_random(FPAGES);
	CHECK_EQ(hfile_punch(files[fi], k * PAGE_SIZE, (k + n) * PAGE_SIZE), 0);
	for (unsigned i = k; i < k + n && i < fsize[fi]; i++)
		fvalue[fi][i] = 0;
}
static void op_truncate(unsigned fi)
{
	unsigned k = host_random(FPAGES + 1);
	for (unsigned i = 0; i < ARRAY_SIZE(pins); i++)	/* pinned cache pages: the pin then shows old data, as it should; not modelled */
		if (pins[i].page && pins[i].proc->cell[pins[i].v].kind >= FILE_PRIVATE)
			return;
	CHECK_EQ(hfile_truncate(files[fi], k * PAGE_SIZE), 0);
	for (unsigned i = min((u64)k, fsize[fi]); i < FPAGES; i++)
		fvalue[fi][i] = 0;
	for (struct proc *p = procs; p < procs + NPROCS; p++)
		for (unsigned v = 0; v < VPAGES; v++) {
			struct cell *c = &p->cell[v];
			if (c->kind == FILE_PRIVATE && c->file == fi && c->index >= k)
				c->own = false;		/* INV-T1: truncate takes private copies past the end too */
		}
	fsize[fi] = k;
}
static void op_fork(struct proc *p)
{
	for (struct proc *c = procs; c < procs + NPROCS; c++)
		if (!c->mm) {
			proc_run(p->mm);
			c->mm = proc_fork();
			CHECK(c->mm);
			memcpy(c->cell, p->cell, sizeof(c->cell));
			return;
		}
}
static void op_exit(struct proc *p)
{
	unsigned alive = 0;
	for (unsigned i = 0; i < NPROCS; i++)
		alive += procs[i].mm != NULL;
	if (alive == 1 || pinned_range(p, 0, VPAGES))
		return;
	proc_run(p->mm);
	proc_exit(p->mm);
	p->mm = NULL;
	forget(p, 0, VPAGES);
	for (struct proc *q = procs; q < procs + NPROCS; q++)
		if (q->mm)
			proc_run(q->mm);
}
static void op_protect(struct proc *p, unsigned v, unsigned n)
{
	static const u8 prots[] = { PROT_READ, PROT_READ | PROT_WRITE, PROT_NONE };
	u8 prot = prots[host_random(3)];
	for (unsigned i = 0; i < n; i++)
		if (p->cell[v + i].kind == NONE)
			return;
	proc_run(p->mm);
	CHECK_EQ(sys_mprotect(ADDR(v), n * PAGE_SIZE, prot), 0);
	for (unsigned i = 0; i < n; i++)
		p->cell[v + i].prot = prot;
}
static void op_move(struct proc *p, unsigned v, unsigned to, unsigned n)
{
	struct cell moved[8];
	for (unsigned i = 0; i < n; i++) {
		const struct cell *a = &p->cell[v], *b = &p->cell[v + i];
		if (b->kind == NONE || b->kind != a->kind || b->prot != a->prot || (b->kind != ANON && (b->file != a->file || b->index != a->index + i)))
			return;			/* not one VMA */
	}
	if (n > together(to) || (v < to + n && to < v + n) || pinned_range(p, v, n) || pinned_range(p, to, n))
		return;
	proc_run(p->mm);
	long r = sys_mremap(ADDR(v), n * PAGE_SIZE, n * PAGE_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, ADDR(to));
	if (r == -EFAULT)
		return;				/* several VMAs that did not merge */
	CHECK_EQ(r, ADDR(to));
	memcpy(moved, p->cell + v, n * sizeof(moved[0]));
	forget(p, v, n);
	memcpy(p->cell + to, moved, n * sizeof(moved[0]));
}
static void op_dontneed(struct proc *p, unsigned v, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (p->cell[v + i].kind == NONE || pinned(p, v + i))
			return;
	proc_run(p->mm);
	CHECK_EQ(sys_madvise(ADDR(v), n * PAGE_SIZE, MADV_DONTNEED), 0);
	for (unsigned i = 0; i < n; i++) {
		p->cell[v + i].own = false;
		p->cell[v + i].value = 0;
	}
}
static void op_dontneed_all(struct proc *p, unsigned v, vaddr_t window)
{
	int error = (int)sys_madvise(window, LEAF_SPAN, MADV_DONTNEED);
	CHECK(error == 0 || error == -ENOMEM);		/* a part is not mapped */
	for (struct cell *c = &p->cell[v]; c < &p->cell[v + WINDOW_PAGES]; c++) {
		c->own = false;
		c->value = 0;
	}
}
/* A whole page table's worth of address space: mapped anew, unmapped, emptied, moved. */
static void op_window(struct proc *p, unsigned w)
{
	unsigned v = LOW_PAGES + w * WINDOW_PAGES, to = (w + 1) % WINDOWS, at = LOW_PAGES + to * WINDOW_PAGES, what = host_random(8);
	if (pinned_range(p, v, WINDOW_PAGES) || (what == 2 && pinned_range(p, at, WINDOW_PAGES)))
		return;
	proc_run(p->mm);
	if (what == 0) {
		CHECK_EQ(mm_unmap(p->mm, WINDOW(w), LEAF_SPAN), 0);
		forget(p, v, WINDOW_PAGES);
	} else if (what == 1) {
		op_dontneed_all(p, v, WINDOW(w));
	} else if (what == 2) {
		long r = sys_mremap(WINDOW(w), LEAF_SPAN, LEAF_SPAN, MREMAP_MAYMOVE | MREMAP_FIXED, WINDOW(to));
		if (r == -EFAULT)
			return;
		CHECK_EQ(r, WINDOW(to));
		memcpy(p->cell + at, p->cell + v, WINDOW_PAGES * sizeof(p->cell[0]));
		forget(p, v, WINDOW_PAGES);
	} else {
		CHECK_EQ(map_anon(WINDOW(w), LEAF_SPAN, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE), WINDOW(w));
		for (unsigned i = 0; i < WINDOW_PAGES; i++)
			p->cell[v + i] = (struct cell){ .kind = ANON, .prot = PROT_READ | PROT_WRITE };
		for (unsigned i = 0; i < WINDOW_PAGES; i += 2)
			do_store(p, v + i);
	}
}
static void op_pin(struct proc *p, unsigned v)
{
	struct cell *c = &p->cell[v];
	for (unsigned i = 0; i < ARRAY_SIZE(pins); i++) {
		if (pins[i].page)
			continue;
		if (c->kind != ANON || !(c->prot & PROT_WRITE))
			return;
		proc_run(p->mm);
		CHECK_EQ(pin_user_pages(ADDR(v), 1, host_random(2) ? PIN_WRITE : PIN_LONG, &pins[i].page), 1);
		pin_note(pins[i].page, 1, 0);
		pins[i].proc = p;
		pins[i].v = v;
		return;
	}
}
static void op_dma(unsigned i)
{
	if (!pins[i].page)
		return;
	struct cell *c = &pins[i].proc->cell[pins[i].v];
	*(u64 *)page_address(pins[i].page) = ++counter;
	c->own = true;
	c->value = counter;
}
void op_unpin(unsigned i)
{
	if (!pins[i].page)
		return;
	page_unpin_exclusive(pins[i].page);
	pin_note(pins[i].page, -1, 0);
	pins[i].page = NULL;
}

void one_step(void)
{
	struct proc *p;
	do
		p = &procs[host_random(NPROCS)];
	while (!p->mm);
	unsigned v = host_random(VPAGES), n = min(1 + host_random(8), together(v)), fi = host_random(NFILES);
	unsigned op = host_random(40);
	if (sys_option("trace", 0))
		sys_printf("%lu: op %u process %ld page %u n %u file %u next value %lu\n", step, op, (long)(p - procs), v, n, fi, (unsigned long)counter + 1);
	switch (op) {
	case 0: case 1: case 2: op_map(p, v, n); break;
	case 3: case 4: case 5: case 6: load_and_compare(p, v); break;
	case 7: case 8: case 9: case 10: case 11: do_store(p, v); break;
	case 12: case 13: case 14: op_write(fi, p); break;
	case 15: case 16: op_read(fi, p); break;
	case 17: op_truncate(fi); break;
	case 18: case 19: case 36: op_fork(p); break;
	case 20: op_exit(p); break;
	case 21:
		if (!pinned_range(p, v, n)) {
			proc_run(p->mm);
			CHECK_EQ(mm_unmap(p->mm, ADDR(v), n * PAGE_SIZE), 0);
			forget(p, v, n);
		}
		break;
	case 22: op_protect(p, v, n); break;
	case 23: op_move(p, v, host_random(VPAGES), n); break;
	case 24: op_dontneed(p, v, n); break;
	case 25: op_pin(p, v); break;
	case 26: op_dma(host_random(ARRAY_SIZE(pins))); break;
	case 27: op_unpin(host_random(ARRAY_SIZE(pins))); break;
	case 28: CHECK_EQ(hfile_sync(files[fi]), 0); break;
	case 29: reclaim_pages(8); break;
	case 30: case 31: op_read_pages(fi, p, v, n); break;
	case 32: op_write_pages(fi, p); break;
	case 33: case 34: op_share(fi, n); break;
	case 35: op_punch(fi, n); break;
	case 37: case 38: case 39: op_window(p, host_random(WINDOWS)); break;
	}
}
