/* The switches of mm/switches.h. */
#include "mm/switches.h"

#include "kernel/cmdline.h"
#include "kernel/printk.h"

bool switch_prefault = false;
bool switch_atomic_copy = true;
bool switch_zerocopy_read = true;
bool switch_zerocopy_write = true;
u64 switch_copy_fail = 0;
bool switch_pipe_merge = false;
bool switch_fault_lock = true;
bool switch_cow_reuse = true;
bool switch_swap_pinned = false;

void switches_init(void)
{
	switch_prefault = cmdline_u64("prefault", 0) != 0;
	switch_atomic_copy = cmdline_u64("atomic_copy", 1) != 0;
	switch_zerocopy_read = cmdline_u64("zerocopy_read", 1) != 0;
	switch_zerocopy_write = cmdline_u64("zerocopy_write", 1) != 0 && switch_atomic_copy;
	switch_copy_fail = cmdline_u64("copy_fail", 0);
	switch_pipe_merge = cmdline_u64("pipe_merge", 0) != 0;
	if (switch_pipe_merge)
		printk("pipe_merge=1: UNSAFE: who may read a file can write to it through a pipe\n");
	switch_fault_lock = cmdline_u64("fault_lock", 1) != 0;
	switch_cow_reuse = cmdline_u64("cow_reuse", 1) != 0;
	switch_swap_pinned = cmdline_u64("swap_pinned", 0) != 0;
	if (switch_swap_pinned)
		printk("swap_pinned=1: UNSAFE: what devices write into memory that is swapped out meanwhile is lost\n");
	if (!switch_fault_lock)
		printk("fault_lock=0: UNSAFE: a fault beside truncate maps pages that are no longer the file's\n");
	if (!switch_atomic_copy)
		printk("atomic_copy=0: UNSAFE: write() from a mapping of the page it writes will deadlock\n");
	if (switch_copy_fail)
		printk("copy_fail: every first copy of read() and write() stops at a random byte\n");
}

/* xorshift64; a lost update between two tasks only changes the dice. */
size_t copy_fail_random(size_t n)
{
	u64 x = READ_ONCE(switch_copy_fail);

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	WRITE_ONCE(switch_copy_fail, x);
	return x % (n + 1);
}
