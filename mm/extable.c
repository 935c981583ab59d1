/*
 * The exception table: which kernel instructions may fault on user memory, and where each continues when
 * the fault is not resolved. The rows come from mm/usercopy.asm, in address order; a kernel-mode fault anywhere else is a bug.
 */
#include "mm/extable.h"

#include "kernel/trace.h"
#include "mm/usercopy_raw.h"
#include "mm/vmstat.h"

vaddr_t extable_find(vaddr_t rip)
{
	for (const struct extable_entry *e = extable_start; e < extable_end; e++)
		if ((vaddr_t)&e->fault + e->fault == rip)
			return (vaddr_t)&e->fixup + e->fixup;
	return 0;
}

bool extable_fixup(struct trapframe *frame)
{
	vaddr_t fixup = extable_find(frame->rip);

	if (!fixup)
		return false;
	trace(TRACE_FIXUP, frame->rip, fixup, 0);
	frame->rip = fixup;
	vmstat_inc(VM_FIXUP);
	return true;
}
