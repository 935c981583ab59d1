/* The files of /proc that are about the system as a whole. */
#include "fs/procfs.h"

#include "kernel/cmdline.h"
#include "kernel/rusage.h"
#include "kernel/sched.h"
#include "kernel/string.h"
#include "mm/page.h"
#include "mm/vmstat.h"

#define KB(pages) ((pages) * (PAGE_SIZE / 1024))
#define NS_PER_TICK 10000000UL		/* USER_HZ is 100 */

static int show_meminfo(struct text *t, struct process *p)
{
	u64 total = page_total_count(), free = page_free_count(), cached = pagecache_total_pages();
	const struct { const char *name; u64 kb; } lines[] = {
		{ "MemTotal", KB(total) }, { "MemFree", KB(free) }, { "MemAvailable", KB(min(free + cached, total)) },
		{ "Buffers", 0 }, { "Cached", KB(cached) }, { "SwapCached", 0 }, { "SwapTotal", 0 }, { "SwapFree", 0 },
		{ "Dirty", KB(writeback_dirty_pages()) }, { "CommitLimit", KB(total) },
	};

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		char name[24];
		ksnprintf(name, sizeof(name), "%s:", lines[i].name);
		text_printf(t, "%-15s %8lu kB\n", name, lines[i].kb);
	}
	return 0;
}

static int show_cpuinfo(struct text *t, struct process *p)
{
	for (int i = 0; i < max(nr_cpus_online, 1); i++) {
		text_printf(t, "processor\t: %d\nvendor_id\t: %s\nmodel name\t: %s\n", i, cpu_features.vendor, cpu_features.brand);
		text_printf(t, "physical id\t: 0\nsiblings\t: %d\ncore id\t\t: %d\ncpu cores\t: %d\nfpu\t\t: yes\n", max(nr_cpus_online, 1), i, max(nr_cpus_online, 1));
		text_printf(t, "flags\t\t: fpu tsc msr pae cx8 apic pge cmov fxsr sse sse2 syscall lm%s%s%s%s%s%s%s\n",
			    cpu_features.nx ? " nx" : "", cpu_features.smep ? " smep" : "", cpu_features.smap ? " smap" : "",
			    cpu_features.umip ? " umip" : "", cpu_features.xsave ? " xsave" : "", cpu_features.fsgsbase ? " fsgsbase" : "",
			    cpu_features.rdrand ? " rdrand" : "");
		text_printf(t, "clflush size\t: 64\n\n");
	}
	return 0;
}

/* CPU time of all processes, dead ones by what their parents inherited: init's children's. */
static void all_times(u64 *user, u64 *system, int *nr_running, int *nr)
{
	struct process *p;
	u64 u, s;

	*user = *system = 0;
	*nr_running = *nr = 0;
	spin_lock(&tasklist_lock);
	list_for_each(p, &process_list, all_node) {
		struct task *task;

		process_times(p, &u, &s);
		*user += u + p->child_utime_ns;
		*system += s + p->child_stime_ns;
		*nr += p->nr_threads;
		list_for_each(task, &p->threads, thread_node)
			*nr_running += READ_ONCE(task->state) == TASK_RUNNABLE;
	}
	spin_unlock(&tasklist_lock);
}

static int show_stat(struct text *t, struct process *p)
{
	u64 user, system, idle, up = ktime_ns();
	int running, nr;

	all_times(&user, &system, &running, &nr);
	idle = up > user + system ? up - user - system : 0;
	for (int i = 0; i < 2; i++)	/* the sum, and the one CPU that runs tasks */
		text_printf(t, "cpu%s %lu 0 %lu %lu 0 0 0 0 0 0\n", i ? "0" : " ", user / NS_PER_TICK, system / NS_PER_TICK, idle / NS_PER_TICK);
	text_printf(t, "intr 0\nctxt 0\nbtime %lu\nprocesses %d\n", (realtime_ns() - up) / 1000000000, nr);
	text_printf(t, "procs_running %d\nprocs_blocked 0\n", running);
	return 0;
}

static int show_uptime(struct text *t, struct process *p)
{
	u64 user, system, up = ktime_ns(), idle;
	int running, nr;

	all_times(&user, &system, &running, &nr);
	idle = up > user + system ? up - user - system : 0;
	text_printf(t, "%lu.%02lu %lu.%02lu\n", up / 1000000000, up / 10000000 % 100, idle / 1000000000, idle / 10000000 % 100);
	return 0;
}

/* No averages are kept: the file is there for programs that read the last two fields. */
static int show_loadavg(struct text *t, struct process *p)
{
	u64 user, system;
	int running, nr;
	u64 load[3];

	all_times(&user, &system, &running, &nr);
	sched_load(load);
	text_printf(t, "%lu.%02lu %lu.%02lu %lu.%02lu %d/%d %d\n", load[0] / 100, load[0] % 100, load[1] / 100, load[1] % 100,
		    load[2] / 100, load[2] % 100, running, nr, current->tid);
	return 0;
}

static int show_version(struct text *t, struct process *p)
{
	text_printf(t, "Linux version 6.1.0-cowslip (cowslip) (gcc " __VERSION__ ") #1 SMP PREEMPT\n");
	return 0;
}

static int show_filesystems(struct text *t, struct process *p)
{
	text_printf(t, "nodev\tproc\nnodev\ttmpfs\nnodev\tdevtmpfs\nnodev\tpipefs\n\text2\n");
	return 0;
}

static int show_vmstat(struct text *t, struct process *p)
{
	text_printf(t, "nr_free_pages %lu\nnr_file_pages %lu\nnr_dirty %lu\n", page_free_count(), pagecache_total_pages(), writeback_dirty_pages());
	for (int i = 0; i < NR_VMSTAT; i++)
		text_printf(t, "%s %lu\n", vmstat_names[i], vmstat_read((enum vmstat_item)i));
	return 0;
}

static int show_cmdline(struct text *t, struct process *p)
{
	text_printf(t, "%s\n", cmdline);
	return 0;
}

/* Mounts as seen from the current root. */
int show_mounts(struct text *t, struct process *p)
{
	struct mount *m;

	mutex_lock(&mount_mutex);
	list_for_each(m, &mount_list, node) {
		struct path where = { m, m->root };
		char place[256];

		if (file_path(&where, place, sizeof(place)) < 0)
			continue;
		text_printf(t, "%s %s %s %s,relatime 0 0\n", m->source[0] ? m->source : "none", place, m->sb->type, m->sb->flags & MS_RDONLY ? "ro" : "rw");
	}
	mutex_unlock(&mount_mutex);
	return 0;
}

#define FILE_ITEM(n, f) { .name = n, .mode = S_IFREG | 0444, .show = f }
const struct proc_item proc_system_items[] = {
	FILE_ITEM("meminfo", show_meminfo), FILE_ITEM("cpuinfo", show_cpuinfo), FILE_ITEM("stat", show_stat),
	FILE_ITEM("uptime", show_uptime), FILE_ITEM("loadavg", show_loadavg), FILE_ITEM("version", show_version),
	FILE_ITEM("filesystems", show_filesystems), FILE_ITEM("vmstat", show_vmstat), FILE_ITEM("cmdline", show_cmdline),
	{ .name = "mounts", .mode = S_IFLNK | 0777, .target = "self/mounts" },
	{ .name = NULL },
};
