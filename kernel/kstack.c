/*
 * Kernel stacks live in slots of 32 KiB from KSTACK_BASE: 16 KiB of guard, never mapped, and the stack above. A freed
 * stack keeps its frames and waits for the next task: no page table changes, no TLB flush.
 */
#include "kernel/kstack.h"

#include "boot/bootinfo.h"
#include "kernel/panic.h"
#include "kernel/task.h"
#include "mm/page.h"

#define SLOT (2 * KSTACK_SIZE)
#define MAX_SLOTS 65536UL

static struct spinlock kstack_lock = SPINLOCK_INIT("kernel stacks", RANK_LAST_SPIN);
static u64 free_stacks;		/* kstack_lock: tops, linked through the word below the top; 0 = none */
static u64 used_slots;		/* kstack_lock: slots ever given out */

static bool map_stack(u64 base)
{
	struct page *pages[KSTACK_SIZE / PAGE_SIZE];
	unsigned n;

	for (n = 0; n < ARRAY_SIZE(pages); n++) {
		pages[n] = page_alloc(0, PA_ZERO);
		if (!pages[n])
			goto fail;
		if (kernel_map(base + n * PAGE_SIZE, page_to_phys(pages[n]), 1, MAP_CACHED)) {
			page_put(pages[n]);
			goto fail;
		}
	}
	return true;
fail:
	kernel_unmap(base, n);
	while (n--)
		page_put(pages[n]);
	return false;
}

u64 kstack_alloc(void)
{
	u64 top, base;

	spin_lock(&kstack_lock);
	top = free_stacks;
	if (top)
		free_stacks = *(u64 *)(top - 8);
	else if (used_slots < MAX_SLOTS)
		base = KSTACK_BASE + used_slots++ * SLOT + KSTACK_SIZE;
	else
		base = 0;
	spin_unlock(&kstack_lock);
	if (top || !base)
		return top;
	if (map_stack(base))
		return base + KSTACK_SIZE;
	/* The slot's addresses are not used again before the next boot: there are 65536 of them. */
	return 0;
}

void kstack_free(u64 top)
{
	spin_lock(&kstack_lock);
	*(u64 *)(top - 8) = free_stacks;
	free_stacks = top;
	spin_unlock(&kstack_lock);
}

u64 kstack_pages(void) { return READ_ONCE(used_slots) * (KSTACK_SIZE / PAGE_SIZE); }

bool kstack_guard(vaddr_t address)
{
	return address >= KSTACK_BASE && address < KSTACK_BASE + MAX_SLOTS * SLOT && (address - KSTACK_BASE) % SLOT < KSTACK_SIZE;
}
