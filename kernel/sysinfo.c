/*
 * What the system says about itself: uname, host name, sysinfo, the CPU a task is on.
 */
#include "kernel/cpu.h"
#include "kernel/printk.h"
#include "kernel/proc_syscalls.h"
#include "kernel/sched.h"
#include "kernel/string.h"
#include "kernel/usermode.h"
#include "mm/page.h"
#include "mm/pagecache.h"
#include "mm/swap.h"
#include "mm/usercopy.h"

#define NAME_LENGTH 64

static struct spinlock uts_lock = SPINLOCK_INIT("uts", RANK_LAST_SPIN);
static struct new_utsname uts = {	/* uts_lock */
	.sysname = "Linux", .nodename = "cowslip", .release = "6.1.0-cowslip", .version = "#1 SMP PREEMPT Cowslip",
	.machine = "x86_64", .domainname = "(none)",
};

void uts_read(struct new_utsname *out)
{
	spin_lock(&uts_lock);
	*out = uts;
	spin_unlock(&uts_lock);
}

void uts_write(const char *name, bool domain)
{
	spin_lock(&uts_lock);
	str_copy(domain ? uts.domainname : uts.nodename, name, NAME_LENGTH + 1);
	spin_unlock(&uts_lock);
}

long sys_uname(struct new_utsname __user *name)
{
	struct new_utsname copy;

	uts_read(&copy);
	return copy_to_user(name, &copy, sizeof(copy)) ? -EFAULT : 0;
}

static long set_name(char *field, const char __user *name, int len)
{
	char copy[NAME_LENGTH + 1] = { 0 };

	if (current->process->euid)
		return -EPERM;
	if (len < 0 || len > NAME_LENGTH)
		return -EINVAL;
	if (copy_from_user(copy, name, (size_t)len))
		return -EFAULT;
	spin_lock(&uts_lock);
	memcpy(field, copy, sizeof(copy));
	spin_unlock(&uts_lock);
	return 0;
}

long sys_sethostname(const char __user *name, int len)
{
	return set_name(uts.nodename, name, len);
}

long sys_setdomainname(const char __user *name, int len)
{
	return set_name(uts.domainname, name, len);
}

long sys_sysinfo(struct sysinfo __user *info)
{
	struct sysinfo v = { 0 };
	struct process *p;
	u64 load[3];

	sched_load(load);
	for (int i = 0; i < 3; i++)
		v.loads[i] = (load[i] << SI_LOAD_SHIFT) / 100;
	v.sharedram = pagecache_memory_pages() * PAGE_SIZE;
	v.uptime = (__kernel_long_t)(ktime_ns() / 1000000000);
	v.totalram = page_total_count() * PAGE_SIZE;
	v.freeram = page_free_count() * PAGE_SIZE;
	v.totalswap = swap_total() * PAGE_SIZE;
	v.freeswap = swap_free() * PAGE_SIZE;
	v.mem_unit = 1;
	spin_lock(&tasklist_lock);
	list_for_each(p, &process_list, all_node)
		v.procs = (u16)(v.procs + p->nr_threads);
	spin_unlock(&tasklist_lock);
	return copy_to_user(info, &v, sizeof(v)) ? -EFAULT : 0;
}

long sys_getcpu(unsigned __user *cpu, unsigned __user *node, void __user *unused)
{
	unsigned id = (unsigned)cpu_id();

	if (cpu && put_user(id, cpu))
		return -EFAULT;
	return node && put_user(0U, node) ? -EFAULT : 0;
}

long sys_personality(unsigned persona)
{
	u32 old = current->process->personality;

	if (persona != 0xffffffff)
		current->process->personality = persona;
	return old;
}
