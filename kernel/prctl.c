/*
 * prctl() and arch_prctl(): the parts that programs of this release use; the rest is -EINVAL.
 */
#include "kernel/cpu.h"
#include "kernel/proc_syscalls.h"
#include "kernel/string.h"
#include "mm/layout.h"
#include "mm/usercopy.h"

#define MSR_FS_BASE 0xc0000100
#define MSR_KERNEL_GS_BASE 0xc0000102	/* the user's GS base while in the kernel */

static long set_name(const char __user *uname)
{
	char name[16] = { 0 };

	ssize_t r = strncpy_from_user(name, uname, sizeof(name) - 1);
	if (r == -EFAULT)
		return r;
	name[15] = 0;		/* a longer one is cut */
	memcpy(current->name, name, sizeof(name));
	return 0;
}

static long set_death_signal(unsigned long sig)
{
	if (sig > 64)
		return -EINVAL;
	current->process->pdeath_signal = (int)sig;
	return 0;
}

long sys_prctl(int option, unsigned long a2, unsigned long a3, unsigned long a4, unsigned long a5)
{
	struct process *p = current->process;

	switch (option) {
	case PR_SET_NAME:
		return set_name((const char __user *)a2);
	case PR_GET_NAME:
		return copy_to_user((void __user *)a2, current->name, sizeof(current->name)) ? -EFAULT : 0;
	case PR_SET_PDEATHSIG:
		return set_death_signal(a2);
	case PR_GET_PDEATHSIG:
		return put_user(p->pdeath_signal, (int __user *)a2);
	case PR_GET_DUMPABLE:
		return p->dumpable;
	case PR_SET_DUMPABLE:
		if (a2 > 1)
			return -EINVAL;
		p->dumpable = a2;
		return 0;
	case PR_SET_NO_NEW_PRIVS:
		if (a2 != 1 || a3 || a4 || a5)
			return -EINVAL;
		p->no_new_privs = true;
		return 0;
	case PR_GET_NO_NEW_PRIVS:
		return a2 || a3 || a4 || a5 ? -EINVAL : p->no_new_privs;
	case PR_CAPBSET_READ:
		return a2 > 40 ? -EINVAL : 1;
	case PR_GET_TIMERSLACK:
		return 50000;
	case PR_SET_TIMERSLACK:
		return 0;
	}
	return -EINVAL;
}

long sys_arch_prctl(int code, unsigned long addr)
{
	struct task *t = current;

	switch (code) {
	case ARCH_SET_FS:
		if (addr >= USER_TOP)
			return -EPERM;
		preempt_disable();
		t->fs_base = addr;
		wrmsr(MSR_FS_BASE, addr);
		preempt_enable();
		return 0;
	case ARCH_SET_GS:
		if (addr >= USER_TOP)
			return -EPERM;
		preempt_disable();
		t->gs_base = addr;
		wrmsr(MSR_KERNEL_GS_BASE, addr);
		preempt_enable();
		return 0;
	case ARCH_GET_FS:
		return put_user(rdmsr(MSR_FS_BASE), (u64 __user *)addr);
	case ARCH_GET_GS:
		return put_user(rdmsr(MSR_KERNEL_GS_BASE), (u64 __user *)addr);
	}
	return -EINVAL;
}
