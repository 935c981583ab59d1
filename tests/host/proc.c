/* Processes of the hosted tests: an address space, run by the task that calls. */
#include "host.h"

struct mm *proc_all[16];

static void remember(struct mm *mm)
{
	for (unsigned i = 0; i < ARRAY_SIZE(proc_all); i++)
		if (!proc_all[i]) {
			proc_all[i] = mm;
			return;
		}
	host_fail("too many processes");
}

void proc_run(struct mm *mm) { host_set_mm(mm); }

struct mm *proc_create(void)
{
	struct mm *mm = mm_create();
	if (!mm)
		return NULL;
	remember(mm);
	proc_run(mm);
	return mm;
}

struct mm *proc_fork(void)
{
	struct mm *mm = mm_fork(current->mm);
	if (mm)
		remember(mm);
	return mm;
}

void proc_exit(struct mm *mm)
{
	for (unsigned i = 0; i < ARRAY_SIZE(proc_all); i++)
		if (proc_all[i] == mm)
			proc_all[i] = NULL;
	struct mm *back = current->mm == mm ? NULL : current->mm;
	host_set_mm(mm);
	mm_unmap_all(mm);
	host_set_mm(back);
	mm_put(mm);
}

long map_anon(vaddr_t addr, u64 len, u64 prot, u64 flags)
{
	struct map_request req = { .addr = addr, .length = len, .prot = prot, .map_flags = flags | MAP_ANONYMOUS,
		.vm_flags = VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC };
	return mm_map(current->mm, &req);
}
