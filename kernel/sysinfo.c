/*
 * What the system says about itself: uname, host name, sysinfo, the log, the CPU a task is on.
 */
#include "kernel/cpu.h"
#include "kernel/printk.h"
#include "kernel/proc_syscalls.h"
#include "kernel/string.h"
#include "mm/page.h"
#include "mm/slab.h"
#include "mm/usercopy.h"

#define NAME_LENGTH 64

static struct spinlock uts_lock = SPINLOCK_INIT("uts", RANK_LEAF);
static struct new_utsname uts = {	/* uts_lock */
	.sysname = "Linux", .nodename = "cowslip", .release = "6.1.0-cowslip", .version = "#1 SMP PREEMPT Cowslip",
	.machine = "x86_64", .domainname = "(none)",
};

long sys_uname(struct new_utsname __user *name)
{
	struct new_utsname copy;

	spin_lock(&uts_lock);
	copy = uts;
	spin_unlock(&uts_lock);
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

	v.uptime = (__kernel_long_t)(ktime_ns() / 1000000000);
	v.totalram = page_total_count() * PAGE_SIZE;
	v.freeram = page_free_count() * PAGE_SIZE;
	v.mem_unit = 1;
	spin_lock(&tasklist_lock);
	list_for_each(p, &process_list, all_node)
		v.procs = (u16)(v.procs + p->nr_threads);
	spin_unlock(&tasklist_lock);
	return copy_to_user(info, &v, sizeof(v)) ? -EFAULT : 0;
}

long sys_getcpu(unsigned __user *cpu, unsigned __user *node, void __user *unused)
{
	preempt_disable();
	unsigned id = (unsigned)this_cpu()->id;
	preempt_enable();
	if (cpu && put_user(id, cpu))
		return -EFAULT;
	return node && put_user(0U, node) ? -EFAULT : 0;
}

/* klogctl: read everything (3, 4), sizes (9, 10), and the console switches, which change nothing here. */
static long read_log(char __user *buf, int len)
{
	size_t size = min((size_t)len, (size_t)65536), n, done = 0;
	char *copy = kmalloc(4096);
	u64 pos = 0;

	if (!copy)
		return -ENOMEM;
	while (done < size && (n = log_read(&pos, copy, min(size - done, (size_t)4096))) > 0) {
		if (copy_to_user(buf + done, copy, n)) {
			kfree(copy);
			return -EFAULT;
		}
		done += n;
	}
	kfree(copy);
	return (long)done;
}

long sys_syslog(int type, char __user *buf, int len)
{
	if (current->process->euid && type != 3 && type != 10)
		return -EPERM;
	switch (type) {
	case 0: case 1: case 5: case 6: case 7:		/* close, open, clear, console off, on */
		return 0;
	case 2: case 3: case 4:				/* read, read all, read all and clear */
		if (!buf || len < 0)
			return -EINVAL;
		return len ? read_log(buf, len) : 0;
	case 8:
		return len < 1 || len > 8 ? -EINVAL : 0;
	case 9:
		return 0;
	case 10:
		return 65536;
	}
	return -EINVAL;
}

long sys_personality(unsigned persona)
{
	u32 old = current->process->personality;

	if (persona != 0xffffffff)
		current->process->personality = persona;
	return old;
}
