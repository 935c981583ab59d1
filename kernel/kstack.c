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

static struct spinlock kstack_lock = SPINLOCK_INIT("kernel stacks", RANK_LEAF);
static u64 free_stacks;		/* kstack_lock: tops, linked through the word below the top; 0 = none */
static u64 used_slots;		/* kstack_lock: slots ever given out */

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
	for (u64 at = base; at < base + KSTACK_SIZE; at += PAGE_SIZE) {
		struct page *page = page_alloc(0, PA_ZERO);
		/* A slot that was only begun is lost until reboot; its frames stay with it. */
		if (!page)
			return 0;
		if (kernel_map(at, page_to_phys(page), 1, false)) {
			page_put(page);
			return 0;
		}
	}
	return base + KSTACK_SIZE;
}

void kstack_free(u64 top)
{
	spin_lock(&kstack_lock);
	*(u64 *)(top - 8) = free_stacks;
	free_stacks = top;
	spin_unlock(&kstack_lock);
}

bool kstack_guard(vaddr_t address)
{
	return address >= KSTACK_BASE && address < KSTACK_BASE + MAX_SLOTS * SLOT && (address - KSTACK_BASE) % SLOT < KSTACK_SIZE;
}
