/*
 * Kernel stacks live in slots of 32 KiB from KSTACK_BASE: 16 KiB of guard, never mapped, and the stack above. A freed
 * stack keeps its frames and waits for the next task: no page table changes, no TLB flush. Where more wait than tasks that
 * come and go need, some are given back at once, frames and addresses, after one flush on all CPUs.
 */
#include "kernel/kstack.h"

#include "boot/bootinfo.h"
#include "kernel/smp.h"
#include "kernel/task.h"
#include "mm/page.h"
#include "mm/vmstat.h"

#define SLOT (2 * KSTACK_SIZE)
#define MAX_SLOTS 65536UL
#define KEEP 32		/* may wait for the next tasks; one more, and BATCH are given back */
#define BATCH 16
_Static_assert(!(KSTACK_BASE % (512 * PAGE_SIZE)) && !(512 * PAGE_SIZE % SLOT), "a slot lies in one leaf table");

static struct spinlock kstack_lock = SPINLOCK_INIT("kernel stacks", RANK_LAST_SPIN);
static u64 free_stacks;			/* kstack_lock: tops, linked through the word below the top; 0 = none */
static unsigned nr_free;		/* kstack_lock */
static u64 taken[MAX_SLOTS / 64];	/* kstack_lock, read without: a bit for each slot that has a stack, or is about to */
static unsigned first_word;		/* kstack_lock: in those before, all are taken */
static u64 nr_taken;			/* kstack_lock, read without */

static u64 slot_top(u64 slot) { return KSTACK_BASE + (slot + 1) * SLOT; }
static u64 slot_of(u64 address) { return (address - KSTACK_BASE) / SLOT; }
static bool in_slots(u64 address) { return address >= KSTACK_BASE && address < KSTACK_BASE + MAX_SLOTS * SLOT; }

/* The top of a stack that is not mapped yet; 0: all addresses are used. kstack_lock held. */
static u64 take_slot(void)
{
	for (; first_word < ARRAY_SIZE(taken); first_word++) {
		u64 free = ~taken[first_word];
		if (free) {
			unsigned bit = (unsigned)__builtin_ctzl(free);
			WRITE_ONCE(taken[first_word], taken[first_word] | BIT(bit));
			ADD_ONCE(nr_taken, 1UL);
			return slot_top(first_word * 64 + bit);
		}
	}
	return 0;
}

static void release_slot(u64 top)
{
	u64 slot = slot_of(top - 1);

	spin_lock(&kstack_lock);
	WRITE_ONCE(taken[slot / 64], taken[slot / 64] & ~BIT(slot % 64));
	first_word = min(first_word, (unsigned)(slot / 64));
	ADD_ONCE(nr_taken, -1UL);
	spin_unlock(&kstack_lock);
}

static void flush_call(void *arg)
{
	(void)arg;
	cpu_flush_tlb();
}

/* Frames and addresses of these stacks are free. Interrupts are on; does not sleep. */
static void unmap_stacks(const u64 *tops, unsigned n)
{
	struct list_head frames;

	list_init(&frames);
	for (unsigned i = 0; i < n; i++)
		kernel_unmap(tops[i] - KSTACK_SIZE, KSTACK_SIZE / PAGE_SIZE, &frames);
	preempt_disable();
	smp_call(cpus_online(), flush_call, NULL);
	flush_call(NULL);
	preempt_enable();
	while (!list_empty(&frames)) {
		struct page *page = list_first(&frames, struct page, node);
		list_del(&page->node);
		page_put(page);
	}
	for (unsigned i = 0; i < n; i++)
		release_slot(tops[i]);
}

static bool map_stack(u64 top)
{
	struct page *pages[KSTACK_SIZE / PAGE_SIZE];
	u64 base = top - KSTACK_SIZE;
	unsigned n;

	for (n = 0; n < ARRAY_SIZE(pages); n++) {
		pages[n] = page_alloc(0, PA_ZERO);
		if (!pages[n])
			goto fail;
	}
	/* A slot lies in one leaf: if the first page can be mapped, all can, and what fails leaves nothing to flush. */
	if (kernel_map(base, page_to_phys(pages[0]), 1, MAP_CACHED))
		goto fail;
	for (unsigned i = 1; i < n; i++)
		kernel_map(base + i * PAGE_SIZE, page_to_phys(pages[i]), 1, MAP_CACHED);
	return true;
fail:
	while (n--)
		page_put(pages[n]);
	return false;
}

/* One of those that wait, or 0. kstack_lock held. */
static inline u64 pop_free(void)
{
	u64 top = free_stacks;

	if (top) {
		free_stacks = *(u64 *)(top - 8);
		nr_free--;
	}
	return top;
}

u64 kstack_alloc(void)
{
	u64 kept, top;

	spin_lock(&kstack_lock);
	kept = pop_free();
	top = kept ? kept : take_slot();
	spin_unlock(&kstack_lock);
	if (kept || !top || map_stack(top))
		return top;
	release_slot(top);
	return 0;
}

/* Another CPU may have been here first. */
static __attribute__((noinline)) void give_back(void)
{
	u64 tops[BATCH];
	unsigned n = 0;

	spin_lock(&kstack_lock);
	while (n < BATCH && nr_free > KEEP - BATCH)
		tops[n++] = pop_free();
	spin_unlock(&kstack_lock);
	if (!n)
		return;
	unmap_stacks(tops, n);
	vmstat_add(VM_KSTACK_UNMAP, n);
}

void kstack_free(u64 top)
{
	bool many;

	spin_lock(&kstack_lock);
	*(u64 *)(top - 8) = free_stacks;
	free_stacks = top;
	many = ++nr_free > KEEP;
	spin_unlock(&kstack_lock);
	if (unlikely(many))
		give_back();
}

u64 kstack_pages(void) { return READ_ONCE(nr_taken) * (KSTACK_SIZE / PAGE_SIZE); }

bool kstack_guard(vaddr_t address) { return in_slots(address) && (address - KSTACK_BASE) % SLOT < KSTACK_SIZE; }

u64 kstack_top(vaddr_t address)
{
	u64 slot = slot_of(address);

	return in_slots(address) && !kstack_guard(address) && READ_ONCE(taken[slot / 64]) & BIT(slot % 64) ? slot_top(slot) : 0;
}
