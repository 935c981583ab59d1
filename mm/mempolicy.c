/*
 * Memory policies on a machine with one node: every policy means the same frames, so they are checked as Linux does,
 * remembered per task, and change nothing. A policy of mbind() is not remembered: asked by address, the task's is told.
 */
#include "mm/syscalls.h"

#include "kernel/cpu.h"
#include "mm/usercopy.h"
#include "mm/vma.h"

#define MODE_FLAGS (MPOL_F_STATIC_NODES | MPOL_F_RELATIVE_NODES)

/* Is node 0, the only one that may be, in the mask? 0 or 1; EINVAL, EFAULT. */
static int get_nodes(const unsigned long __user *mask, unsigned long max_node)
{
	unsigned long bits, first = 0;

	if (!mask || !max_node || !--max_node)
		return 0;
	if (max_node > PAGE_SIZE * 8)
		return -EINVAL;
	for (unsigned long i = 0; i * 64 < max_node; i++) {
		unsigned long here = max_node - i * 64;

		if (get_user(bits, mask + i))
			return -EFAULT;
		if (here < 64)
			bits &= (1UL << here) - 1;
		if (i ? bits : bits & ~1UL)
			return -EINVAL;
		first |= i ? 0 : bits;
	}
	return (int)first;
}

/* May a policy of that mode have these nodes? */
static int check_policy(int mode, int has_node)
{
	if (mode & MODE_FLAGS && (mode & MODE_FLAGS) == MODE_FLAGS)
		return -EINVAL;
	switch (mode & ~MODE_FLAGS) {
	case MPOL_DEFAULT:
		return has_node || mode & MODE_FLAGS ? -EINVAL : 0;
	case MPOL_LOCAL:
		return has_node || mode & MODE_FLAGS ? -EINVAL : 0;
	case MPOL_PREFERRED:
		return !has_node && mode & MODE_FLAGS ? -EINVAL : 0;
	case MPOL_BIND:
	case MPOL_INTERLEAVE:
	case MPOL_PREFERRED_MANY:
		return has_node ? 0 : -EINVAL;
	}
	return -EINVAL;
}

long sys_set_mempolicy(int mode, const unsigned long __user *mask, unsigned long max_node)
{
	int has_node = get_nodes(mask, max_node), error;

	if (has_node < 0)
		return has_node;
	error = check_policy(mode, has_node);
	if (error)
		return error;
	if (mode == MPOL_PREFERRED && !has_node)
		mode = MPOL_LOCAL;
	current->mempolicy = (u16)mode;
	current->mempolicy_node = has_node;
	return 0;
}

long sys_mbind(unsigned long start, unsigned long len, int mode, const unsigned long __user *mask, unsigned long max_node, unsigned flags)
{
	struct mm *mm = current->mm;
	vaddr_t end = start + ALIGN_UP(len, PAGE_SIZE);
	int has_node, error;

	if (flags & ~(unsigned)(MPOL_MF_STRICT | MPOL_MF_MOVE | MPOL_MF_MOVE_ALL))
		return -EINVAL;
	has_node = get_nodes(mask, max_node);
	if (has_node < 0)
		return has_node;
	if (flags & MPOL_MF_MOVE_ALL && current->process->euid)
		return -EPERM;
	if (start & ~PAGE_MASK || end < start)
		return -EINVAL;
	if (end == start)
		return 0;
	error = check_policy(mode, has_node);
	if (error)
		return error;
	down_read(&mm->mmap_lock);
	error = end <= USER_TOP && vma_covered(mm, start, end) ? 0 : -EFAULT;
	up_read(&mm->mmap_lock);
	return error;
}

/* Is there anything mapped at the address? */
static bool is_mapped(vaddr_t addr)
{
	struct mm *mm = current->mm;
	bool found;

	down_read(&mm->mmap_lock);
	found = addr < USER_TOP && vma_lookup(mm, addr);
	up_read(&mm->mmap_lock);
	return found;
}

/* Bit 0 as asked, the others of the mask clear. */
static int put_nodes(unsigned long __user *mask, unsigned long max_node, bool node)
{
	unsigned long words = DIV_UP(max_node - 1, 64);

	for (unsigned long i = 0; i < words; i++)
		if (put_user(i ? 0UL : (unsigned long)node, mask + i))
			return -EFAULT;
	return 0;
}

long sys_get_mempolicy(int __user *policy, unsigned long __user *mask, unsigned long max_node, unsigned long addr, unsigned long flags)
{
	int mode = current->mempolicy;
	bool node = current->mempolicy_node;

	if (mask && (max_node < 1 || max_node > PAGE_SIZE * 8))
		return -EINVAL;
	if (flags & ~(unsigned long)(MPOL_F_NODE | MPOL_F_ADDR | MPOL_F_MEMS_ALLOWED))
		return -EINVAL;
	if (flags & MPOL_F_MEMS_ALLOWED) {
		if (flags & (MPOL_F_NODE | MPOL_F_ADDR))
			return -EINVAL;
		mode = 0;
		node = true;
	} else if (flags & MPOL_F_ADDR) {
		if (!is_mapped(addr))
			return -EFAULT;
		if (flags & MPOL_F_NODE)
			mode = 0;	/* the node of the page there */
	} else if (addr) {
		return -EINVAL;
	} else if (flags & MPOL_F_NODE) {
		if ((mode & ~MODE_FLAGS) != MPOL_INTERLEAVE)
			return -EINVAL;
		mode = 0;		/* the node of the next page */
	}
	if (policy && put_user(mode, policy))
		return -EFAULT;
	return mask ? put_nodes(mask, max_node, node) : 0;
}
