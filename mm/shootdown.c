/*
 * Which CPUs have translations of an address space, and how they lose them (MECHANISMS.md, section H).
 *
 * mm->cpus has the bit of every CPU whose CR3 holds the root. A CPU sets its bit before it loads CR3; a flush changes the entries, then reads
 * the mask; both with a full barrier in between. So either the flush sees the bit and asks that CPU, or the CPU's first walk sees
 * the new entries (INV-S3). With several CPUs none stays on an address space that it does not run: the idle task and kernel
 * threads use tables without a user half. So a program with one thread never needs another CPU.
 *
 * Where the processor has PCIDs, translations outlive a change of CR3, and then CPUs without a bit have some too. Each CPU remembers for a few
 * address spaces the number of flushes (mm->flushes) up to which its translations are good. If there was one more when it comes back, it drops
 * them. The count is raised between the change of the entries and the look at the mask, by an atomic operation: the barrier above.
 *
 * The interrupt that a flush sends is also the grace period of walks without a lock: they run with interrupts off, on a CPU whose bit is set, and
 * tables are freed only when all have answered (INV-S5).
 */
#include "kernel/smp.h"
#include "mm/mm.h"
#include "mm/tlb.h"

/* What this CPU keeps under a PCID: entry n has PCID n + 1; the kernel's own tables have 0. By its own CPU, preemption off. */
#define NR_PCIDS 7
static struct pcid_cache {
	struct pcid { u64 mm_id, flushes; } known[NR_PCIDS];	/* mm_id 0: free */
	unsigned next;			/* to be given away */
	struct pcid *loaded;
} pcid_caches[NR_CPUS];

#define CR3_KEEP (1UL << 63)		/* do not drop what the PCID has (SDM vol. 3, 4.10.4.1) */

/* The low bits of CR3 for mm, and CR3_KEEP if nothing was flushed since this CPU had it. Its bit in mm->cpus is set. */
static u64 pcid_of(struct pcid_cache *cache, const struct mm *mm)
{
	u64 flushes = atomic64_read(&mm->flushes), keep = 0;
	unsigned i;

	for (i = 0; i < NR_PCIDS; i++)
		if (cache->known[i].mm_id == mm->id)
			break;
	if (i == NR_PCIDS)
		i = cache->next++ % NR_PCIDS;
	else if (cache->known[i].flushes == flushes)
		keep = CR3_KEEP;
	cache->known[i] = (struct pcid){ mm->id, flushes };
	cache->loaded = &cache->known[i];
	return (i + 1) | keep;
}

/* Flush number `number` is done here. If one before it is still to come (another CPU asks), nothing is remembered, and the next load drops all. */
static void pcid_flushed(struct pcid_cache *cache, u64 number)
{
	if (cache->loaded && cache->loaded->flushes == number - 1)
		cache->loaded->flushes = number;
}

/* The kernel's own tables, without a user half. */
static __attribute__((noinline)) struct mm *load_none(struct cpu *cpu, struct mm *old)
{
	if (nr_cpus_online == 1)	/* nobody would have to ask this one */
		return NULL;
	arch_load_root(kernel_root_phys());
	pcid_caches[cpu->id].loaded = NULL;
	cpu->active_mm = NULL;
	atomic64_fetch_and(&old->cpus, ~BIT(cpu->id));
	return old;
}

struct mm *mm_switch(struct mm *mm)
{
	struct cpu *cpu = this_cpu();
	struct mm *old = cpu->active_mm;

	if (mm == old)
		return NULL;
	if (!mm)
		return load_none(cpu, old);
	mm_ref_get(mm);
	atomic64_fetch_or(&mm->cpus, BIT(cpu->id));
	arch_load_root(page_to_phys(mm->root) | (unlikely(cpu_features.pcid) ? pcid_of(&pcid_caches[cpu->id], mm) : 0));
	cpu->active_mm = mm;
	if (old)
		atomic64_fetch_and(&old->cpus, ~BIT(cpu->id));
	return old;
}

struct flush {
	struct mm *mm;
	vaddr_t start, end;
	u64 number;
};

static void flush_here(struct mm *mm, vaddr_t start, vaddr_t end, u64 number)
{
	if ((end - start) >> PAGE_SHIFT > FLUSH_PAGES_MAX)
		arch_flush_all(mm);
	else
		for (vaddr_t va = start; va < end; va += PAGE_SIZE)
			arch_flush_page(mm, va);
	pcid_flushed(&pcid_caches[cpu_id()], number);
}

static void flush_call(void *arg)
{
	const struct flush *f = arg;

	if (this_cpu()->active_mm == f->mm)	/* else it has changed CR3 since */
		flush_here(f->mm, f->start, f->end, f->number);
}

unsigned tlb_shootdown(struct mm *mm, vaddr_t start, vaddr_t end)
{
	struct flush f = { mm, start, end, atomic64_add_return(&mm->flushes, 1) };
	u64 mask, others;
	unsigned asked = 0;

	preempt_disable();
	mask = atomic64_read(&mm->cpus);
	others = mask & ~BIT(cpu_id());
	if (mask & BIT(cpu_id()))
		flush_here(mm, start, end, f.number);
	if (others)
		smp_call(others, flush_call, &f);
	preempt_enable();
	for (; others; others &= others - 1)
		asked++;
	return asked;
}
