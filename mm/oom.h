/*
 * Out of memory: a page fault found no frame, and reclaim none either. Somebody has to give what he has.
 *
 * Who uses most (resident pages, swapped ones, page tables; moved by oom_score_adj, a thousandth of all memory and swap each) is killed, and the fault
 * is tried again when his memory is free. Never init, nobody with oom_score_adj -1000, and nobody who shares an address space with one of them.
 *
 * Who waits may hold a lock (a user copy under i_rwsem, as write() faults its source in), and the victim may need that lock to come to its end. So
 * nobody waits for ever: who holds locks waits for OOM_WAIT_LOCKED_NS and dies then himself, as he does if there is nobody to kill, and with that the
 * lock is free; who holds none waits for OOM_WAIT_NS, and then another one is chosen. All victims are waited for one after the other.
 * The victim's memory is not taken from outside: a system call of his that is still reading there would write zeroes to a file.
 */
#pragma once

#include "kernel/types.h"

struct process;

#define OOM_WAIT_NS		10000000000UL
#define OOM_WAIT_LOCKED_NS	1000000000UL
#define OOM_ADJ_NEVER		(-1000)

/*
 * The current task touched `address`, for which there is no memory. True: there may be some now, let it try again. False: SIGKILL is on its way
 * to it. Sleeps; takes RANK_OOM and locks after it. The caller holds no lock after RANK_INODE.
 */
bool out_of_memory(vaddr_t address);

/* /proc/PID/oom_score, as Linux counts it: 0 for who is never killed, else about 667 with nothing, and more with more. Takes mmap_lock. */
int oom_score(struct process *p);
