/* The root of /proc: its table, and the files about the machine and how busy it is. */
#include "fs/procfs.h"

#include "kernel/clock.h"
#include "kernel/cmdline.h"
#include "kernel/fork.h"
#include "kernel/irq.h"
#include "kernel/kstack.h"
#include "kernel/lockcheck.h"
#include "kernel/rusage.h"
#include "kernel/sched.h"
#include "kernel/string.h"
#include "kernel/usermode.h"
#include "mm/page.h"
#include "mm/slab.h"
#include "mm/swap.h"
#include "mm/vmstat.h"

#define KB(pages) ((pages) * (PAGE_SIZE / 1024))
#define NS_PER_SEC 1000000000UL
#define NS_PER_TICK 10000000UL		/* USER_HZ is 100 */

/* --- memory --- */

static void add_slab(const struct slab_info *info, void *arg)
{
	*(u64 *)arg += info->slabs * info->pages;
}

static int show_meminfo(struct text *t, const struct proc_subject *s)
{
	u64 total = page_total_count(), free = page_free_count(), in_swap = swap_cached();
	u64 cached = pagecache_total_pages() - in_swap, memory = pagecache_memory_pages() - in_swap;
	u64 clean = cached - min(memory, cached), tables = vmstat_read(VM_TABLE_ALLOC) - vmstat_read(VM_TABLE_FREE), slab = 0;

	slab_statistics(add_slab, &slab);
	const struct { const char *name; u64 pages; } lines[] = {
		{ "MemTotal", total }, { "MemFree", free }, { "MemAvailable", min(free + clean, total) },
		{ "Buffers", 0 }, { "Cached", cached }, { "SwapCached", in_swap }, { "SwapTotal", swap_total() }, { "SwapFree", swap_free() },
		{ "Dirty", writeback_dirty_pages() }, { "Shmem", memory }, { "Slab", slab }, { "SReclaimable", 0 }, { "SUnreclaim", slab },
		{ "KernelStack", kstack_pages() }, { "PageTables", tables }, { "CommitLimit", total + swap_total() },
	};

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		char name[24];
		ksnprintf(name, sizeof(name), "%s:", lines[i].name);
		text_printf(t, "%-15s %8lu kB\n", name, KB(lines[i].pages));
	}
	return 0;
}

static int show_swaps(struct text *t, const struct proc_subject *s)
{
	text_string(t, "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
	for (unsigned i = 0; i < SWAP_AREAS; i++) {
		struct swap_info info;
		if (swap_nth(i, &info))
			text_printf(t, "%-40s%s\t%lu\t%s%lu\t%s%d\n", info.name, info.file ? "file\t" : "partition", KB(info.total), KB(info.total) < 10000000 ? "\t" : "",
				    KB(info.used), KB(info.used) < 10000000 ? "\t" : "", info.priority);
	}
	return 0;
}

/* --- processors and time --- */

static int show_cpuinfo(struct text *t, const struct proc_subject *s)
{
	const struct cpu_features *f = &cpu_features;
	int n = nr_cpus_online;

	for (int i = 0; i < n; i++) {
		text_printf(t, "processor\t: %d\nvendor_id\t: %s\nmodel name\t: %s\ncpu MHz\t\t: %lu.%03lu\n", i, f->vendor, f->brand,
			    tsc_khz() / 1000, tsc_khz() % 1000);
		text_printf(t, "physical id\t: 0\nsiblings\t: %d\ncore id\t\t: %d\ncpu cores\t: %d\nfpu\t\t: yes\n", n, i, n);
		text_printf(t, "flags\t\t: fpu tsc msr pae cx8 apic pge cmov fxsr sse sse2 syscall lm%s%s%s%s%s%s%s%s%s%s\n",
			    f->nx ? " nx" : "", f->pages_1g ? " pdpe1gb" : "", f->xsave ? " xsave" : "", f->rdrand ? " rdrand" : "",
			    f->invariant_tsc ? " constant_tsc nonstop_tsc" : "", f->fsgsbase ? " fsgsbase" : "", f->smep ? " smep" : "",
			    f->erms ? " erms" : "", f->smap ? " smap" : "", f->umip ? " umip" : "");
		text_string(t, "clflush size\t: 64\n\n");
	}
	return 0;
}

struct load {
	int running, blocked, threads;
};

static void add_process(struct load *l, const struct process *p)
{
	struct task *t;

	list_for_each(t, &p->threads, thread_node) {
		l->running += READ_ONCE(t->state) == TASK_RUNNABLE;
		l->blocked += READ_ONCE(t->state) == TASK_SLEEPING_HARD && READ_ONCE(t->waits_for.object) && t->waits_for.kind == HELD_PAGE;
		l->threads++;
	}
}

static void take_load(struct load *l)
{
	struct process *p;

	*l = (struct load){ 0 };
	spin_lock(&tasklist_lock);
	add_process(l, &kernel_process);
	list_for_each(p, &process_list, all_node)
		add_process(l, p);
	spin_unlock(&tasklist_lock);
}

/* What a CPU did not spend on tasks it was idle. */
static u64 idle_ns(const struct cpu *cpu)
{
	u64 busy = READ_ONCE(cpu->user_ns) + READ_ONCE(cpu->system_ns), up = ktime_ns();

	return up > busy ? up - busy : 0;
}

static void cpu_line(struct text *t, const char *name, u64 user, u64 system, u64 idle)
{
	text_printf(t, "cpu%s %lu 0 %lu %lu 0 0 0 0 0 0\n", name, user / NS_PER_TICK, system / NS_PER_TICK, idle / NS_PER_TICK);
}

static void cpu_lines(struct text *t)
{
	u64 user = 0, system = 0, idle = 0;
	char number[8];

	for (int i = 0; i < nr_cpus_online; i++) {
		user += READ_ONCE(cpus[i].user_ns);
		system += READ_ONCE(cpus[i].system_ns);
		idle += idle_ns(&cpus[i]);
	}
	cpu_line(t, " ", user, system, idle);
	for (int i = 0; i < nr_cpus_online; i++) {
		ksnprintf(number, sizeof(number), "%d", i);
		cpu_line(t, number, READ_ONCE(cpus[i].user_ns), READ_ONCE(cpus[i].system_ns), idle_ns(&cpus[i]));
	}
}

static u64 interrupts(void)
{
	u64 n = 0;

	for (int cpu = 0; cpu < nr_cpus_online; cpu++)
		for (unsigned v = VECTOR_IRQ0; v < 256; v++)
			n += irq_count(cpu, v);
	return n;
}

static int show_stat(struct text *t, const struct proc_subject *s)
{
	u64 switches = 0;
	struct load l;

	take_load(&l);
	cpu_lines(t);
	for (int cpu = 0; cpu < nr_cpus_online; cpu++)
		switches += READ_ONCE(cpus[cpu].nr_switches);
	text_printf(t, "intr %lu", interrupts());
	for (unsigned irq = 0; irq < 16; irq++)
		text_printf(t, " %lu", irq_count(0, VECTOR_IRQ0 + irq));
	text_printf(t, "\nctxt %lu\nbtime %lu\nprocesses %lu\nprocs_running %d\nprocs_blocked %d\n", switches,
		    (realtime_ns() - ktime_ns()) / NS_PER_SEC, atomic64_read(&nr_forks), l.running, l.blocked);
	return 0;
}

static int show_uptime(struct text *t, const struct proc_subject *s)
{
	u64 up = ktime_ns(), idle = 0;

	for (int i = 0; i < nr_cpus_online; i++)
		idle += idle_ns(&cpus[i]);
	text_printf(t, "%lu.%02lu %lu.%02lu\n", up / NS_PER_SEC, up / 10000000 % 100, idle / NS_PER_SEC, idle / 10000000 % 100);
	return 0;
}

static int show_loadavg(struct text *t, const struct proc_subject *s)
{
	struct load l;
	u64 load[3];

	take_load(&l);
	sched_load(load);
	text_printf(t, "%lu.%02lu %lu.%02lu %lu.%02lu %d/%d %d\n", load[0] / 100, load[0] % 100, load[1] / 100, load[1] % 100,
		    load[2] / 100, load[2] % 100, l.running, l.threads, pid_last());
	return 0;
}

/* --- what it is --- */

static int show_version(struct text *t, const struct proc_subject *s)
{
	struct new_utsname uts;

	uts_read(&uts);
	text_printf(t, "%s version %s (cowslip) (gcc " __VERSION__ ") %s\n", uts.sysname, uts.release, uts.version);
	return 0;
}

static int show_cmdline(struct text *t, const struct proc_subject *s)
{
	text_string(t, cmdline);
	text_add(t, "\n", 1);
	return 0;
}

static int show_filesystems(struct text *t, const struct proc_subject *s)
{
	const struct fs_type *type;

	for (int i = 0; (type = fs_type_nth(i)); i++)
		text_printf(t, "%s\t%s\n", strcmp(type->name, "ext2") ? "nodev" : "", type->name);
	text_string(t, "nodev\tpipefs\n");
	return 0;
}

static int show_lock_order(struct text *t, const struct proc_subject *s)
{
	char line[256];
	unsigned at = 0;

	while (DEBUG_BUILD && lockcheck_edge(&at, line, sizeof(line)))
		text_printf(t, "%s", line);
	return 0;
}

static int show_locks(struct text *t, const struct proc_subject *s)
{
	locks_show(t);
	return 0;
}

/* --- links to the reader itself --- */

static int link_self(const struct proc_subject *s, char *buf, size_t size)
{
	return ksnprintf(buf, size, "%d", current->process->pid);
}

static int link_thread_self(const struct proc_subject *s, char *buf, size_t size)
{
	return ksnprintf(buf, size, "%d/task/%d", current->process->pid, current->tid);
}

static int link_mounts(const struct proc_subject *s, char *buf, size_t size)
{
	return (int)str_copy(buf, "self/mounts", size);
}

const struct proc_item proc_root_items[] = {
	PROC_FILE("buddyinfo", proc_show_buddyinfo),
	PROC_FILE("cmdline", show_cmdline),
	PROC_FILE("cpuinfo", show_cpuinfo),
	PROC_FILE("devices", proc_show_devices),
	PROC_FILE("diskstats", proc_show_diskstats),
	{ .name = "fail", .mode = S_IFREG | 0600, .show = proc_show_fail, .write = proc_write_fail },
	PROC_FILE("filesystems", show_filesystems),
	PROC_FILE("interrupts", proc_show_interrupts),
	{ .name = "kmsg", .mode = S_IFREG | 0400, .fops = &proc_kmsg_ops },
	PROC_FILE("loadavg", show_loadavg),
	PROC_FILE("locks", show_locks),
	PROC_FILE("meminfo", show_meminfo),
	{ .name = "mounts", .mode = S_IFLNK | 0777, .link = link_mounts },
	PROC_DIR("net", proc_net_items),
	{ .name = "lock_order", .mode = S_IFREG | 0400, .show = show_lock_order },
	PROC_FILE("partitions", proc_show_partitions),
	{ .name = "self", .mode = S_IFLNK | 0777, .link = link_self },
	{ .name = "slabinfo", .mode = S_IFREG | 0400, .show = proc_show_slabinfo },
	PROC_FILE("stat", show_stat),
	PROC_FILE("swaps", show_swaps),
	PROC_DIR("sys", proc_sys_items),
	PROC_DIR("sysvipc", proc_sysvipc_items),
	{ .name = "thread-self", .mode = S_IFLNK | 0777, .link = link_thread_self },
	{ .name = "explore", .mode = S_IFREG | 0600, .show = proc_show_explore, .write = proc_write_explore },
	{ .name = "switches", .mode = S_IFREG | 0644, .show = proc_show_switches, .write = proc_write_switches },
	{ .name = "trace", .mode = S_IFREG | 0600, .show = proc_show_trace, .write = proc_write_trace },
	PROC_FILE("uptime", show_uptime),
	PROC_FILE("version", show_version),
	PROC_FILE("vmstat", proc_show_vmstat),
	{ .name = DEBUG_BUILD ? "check_ownership" : NULL, .mode = S_IFREG | 0600, .show = proc_show_ownership, .write = proc_write_ownership },	/* last: only the debug build has it */
	{ .name = NULL },
};
