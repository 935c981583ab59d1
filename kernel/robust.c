/*
 * Robust futexes: a list in user memory of the locks that a thread holds. When the thread ends, each of them says so and
 * wakes one waiter. The list may be anything: at most ROBUST_LIST_LIMIT entries are followed, and bad memory ends it.
 */
#include "kernel/futex.h"

#include "kernel/cpu.h"
#include "kernel/proc_syscalls.h"
#include "kernel/usermode.h"
#include "mm/mm.h"
#include "mm/usercopy.h"

#define ROBUST_LIST_LIMIT 2048

/* The owner of this futex dies: say so in the word and wake one waiter. False: bad memory. */
static bool mark_owner_died(u32 __user *uaddr)
{
	u32 old, found;

	if ((u64)uaddr % sizeof(u32))
		return false;
	do {
		if (get_user(old, uaddr))
			return false;
		if ((old & FUTEX_TID_MASK) != (u32)current->tid)
			return true;
		if (user_cmpxchg32(uaddr, old, (old & FUTEX_WAITERS) | FUTEX_OWNER_DIED, &found)) {
			if (fault_in_writeable(uaddr, sizeof(u32)))
				return false;
			found = ~old;
		}
	} while (found != old);
	if (old & FUTEX_WAITERS)
		futex_wake_address(uaddr, 1);
	return true;
}

void exit_robust_list(void)
{
	struct robust_list_head head;
	u64 list = (u64)current->robust_list, entry, next;

	current->robust_list = NULL;
	if (!list || copy_from_user(&head, (void __user *)list, sizeof(head)))
		return;
	u64 pending = (u64)head.list_op_pending & ~1UL;
	entry = (u64)head.list.next;
	for (int i = 0; entry != list && i < ROBUST_LIST_LIMIT; i++) {
		bool ok = !get_user(next, (u64 __user *)(entry & ~1UL));	/* first: the entry may be freed by who we wake */
		if ((entry & ~1UL) != pending && !(entry & 1) && !mark_owner_died((u32 __user *)(entry + (u64)head.futex_offset)))
			return;
		if (!ok)
			return;
		entry = next;
	}
	if (pending && !((u64)head.list_op_pending & 1))
		mark_owner_died((u32 __user *)(pending + (u64)head.futex_offset));
}

long sys_set_robust_list(void __user *head, size_t len)
{
	if (len != sizeof(struct robust_list_head))
		return -EINVAL;
	current->robust_list = head;
	return 0;
}

long sys_get_robust_list(int pid, void __user *__user *head, size_t __user *len)
{
	struct task *t = current;
	u64 list = 0;
	long r = 0;

	spin_lock(&tasklist_lock);
	if (pid)
		t = task_find(pid);
	if (!t)
		r = -ESRCH;
	else if (t != current && current->process->euid && current->process->uid != t->process->uid)
		r = -EPERM;
	else
		list = (u64)t->robust_list;
	spin_unlock(&tasklist_lock);
	if (r)
		return r;
	if (put_user(sizeof(struct robust_list_head), len))
		return -EFAULT;
	return put_user(list, (u64 __user *)head);
}
