/* The files of /proc that are tables of counts: events of memory, frames, slabs, interrupts, devices. */
#include "fs/procfs.h"

#include "drivers/block.h"
#include "kernel/explore.h"
#include "kernel/irq.h"
#include "kernel/string.h"
#include "kernel/trace.h"
#include "mm/ownership.h"
#include "mm/page.h"
#include "mm/slab.h"
#include "mm/switches.h"
#include "mm/vmstat.h"

/* --- memory --- */

/* What there is (nr_*), then events since boot: docs/debugging.md explains each. */
int proc_show_vmstat(struct text *t, const struct proc_subject *s)
{
	text_printf(t, "nr_free_pages %lu\nnr_file_pages %lu\nnr_shmem %lu\nnr_dirty %lu\n", page_free_count(), pagecache_total_pages(),
		    pagecache_memory_pages(), writeback_dirty_pages());
	for (int i = 0; i < NR_VMSTAT; i++)
		text_printf(t, "%s %lu\n", vmstat_names[i], vmstat_read((enum vmstat_item)i));
	return 0;
}

/* The debug build's oracle (mm/ownership.h). */
int proc_show_ownership(struct text *t, const struct proc_subject *s)
{
	const size_t room = 8192;
	char *buf = DEBUG_BUILD ? kmalloc(room) : NULL;
	int n = buf ? ownership_check(buf, room) : -ENOMEM;

	if (n >= 0)
		text_add(t, buf, (size_t)n);
	kfree(buf);
	return min(n, 0);
}

int proc_write_ownership(const struct proc_subject *s, char *buf, size_t n)
{
	char *end = strchr(buf, '\n');

	if (end)
		*end = 0;
	return DEBUG_BUILD ? ownership_spoil(buf) : -EINVAL;
}

int proc_show_buddyinfo(struct text *t, const struct proc_subject *s)
{
	u64 nr[PAGE_ORDERS];

	page_free_blocks(nr);
	text_printf(t, "Node 0, zone %8s ", "Normal");
	for (int i = 0; i < PAGE_ORDERS; i++)
		text_printf(t, "%6lu ", nr[i]);
	text_string(t, "\n");
	return 0;
}

static void slab_line(const struct slab_info *i, void *arg)
{
	text_printf(arg, "%-17s %6lu %6lu %6u %4u %4u : tunables %4u %4u %4u : slabdata %6lu %6lu %6u\n", i->name, i->used, i->slabs * i->per_slab,
		    i->size, i->per_slab, i->pages, 0, 0, 0, i->slabs, i->slabs, 0);
}

int proc_show_slabinfo(struct text *t, const struct proc_subject *s)
{
	text_string(t, "slabinfo - version: 2.1\n# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables <limit> "
		       "<batchcount> <sharedfactor> : slabdata <active_slabs> <num_slabs> <sharedavail>\n");
	slab_statistics(slab_line, t);
	return 0;
}

/* --- trace points: what is switched on, then the records; kernel/trace.h says what may be written --- */

int proc_show_trace(struct text *t, const struct proc_subject *s)
{
	struct trace_line *line = kzalloc(sizeof(*line));

	if (!line)
		return -ENOMEM;
	text_string(t, "# on:");
	for (int i = 0; trace_name(i); i++)
		if (trace_on(i))
			text_printf(t, " %s", trace_name(i));
	text_string(t, "\n# off:");
	for (int i = 0; trace_name(i); i++)
		if (!trace_on(i))
			text_printf(t, " %s", trace_name(i));
	text_string(t, "\n# [seconds] cpu task[tid] event arguments\n");
	for (u64 start = rdtsc(); trace_next(line) && line->tsc < start;)	/* our own reading is not part of it */
		text_string(t, line->text);
	kfree(line);
	return 0;
}

int proc_write_trace(const struct proc_subject *s, char *buf, size_t n) { return trace_command(buf); }

/* --- what can be turned off: mm/switches.h --- */

int proc_show_switches(struct text *t, const struct proc_subject *s)
{
	const char *name;
	u64 value;

	for (unsigned i = 0; (name = switches_show(i, &value)); i++)
		text_printf(t, "%s=%lu\n", name, value);
	return 0;
}

int proc_write_switches(const struct proc_subject *s, char *buf, size_t n) { return switches_command(buf); }

int proc_show_explore(struct text *t, const struct proc_subject *s)
{
	char line[160];

	text_add(t, line, (size_t)explore_show(line, sizeof(line)));
	return 0;
}

int proc_write_explore(const struct proc_subject *s, char *buf, size_t n) { return explore_command(buf); }

/* --- interrupts: the handler's name stands for the device's --- */

static void interrupt_line(struct text *t, const char *label, unsigned vector)
{
	text_printf(t, "%4s:", label);
	for (int cpu = 0; cpu < nr_cpus_online; cpu++)
		text_printf(t, " %10lu", irq_count(cpu, vector));
}

int proc_show_interrupts(struct text *t, const struct proc_subject *s)
{
	char name[80], label[8], *plus;

	text_string(t, "     ");
	for (int cpu = 0; cpu < nr_cpus_online; cpu++)
		text_printf(t, "      CPU%-2d", cpu);
	text_string(t, "\n");
	for (unsigned irq = 0; irq < 16; irq++) {
		if (!irq_handler(irq))
			continue;
		symbol_name(irq_handler(irq), name, sizeof(name));
		plus = strchr(name, '+');
		if (plus)
			*plus = 0;
		ksnprintf(label, sizeof(label), "%u", irq);
		interrupt_line(t, label, VECTOR_IRQ0 + irq);
		text_printf(t, "  IO-APIC  %u  %s\n", irq, name);
	}
	interrupt_line(t, "LOC", VECTOR_TIMER);
	text_string(t, "  Local timer interrupts\n");
	interrupt_line(t, "RES", VECTOR_RESCHED);
	text_string(t, "  Rescheduling interrupts\n");
	interrupt_line(t, "CAL", VECTOR_CALL);
	text_string(t, "  Function call interrupts\n");
	return 0;
}

/* --- devices --- */

int proc_show_partitions(struct text *t, const struct proc_subject *s)
{
	struct block_device *dev;
	u32 major, minor;

	text_string(t, "major minor  #blocks  name\n\n");
	for (int i = 0; (dev = block_nth(i, &major, &minor)); i++)
		text_printf(t, "%4u  %7u %10lu %s\n", major, minor, dev->sectors / 2, dev->name);
	return 0;
}

/* Requests and sectors; times are not measured. */
int proc_show_diskstats(struct text *t, const struct proc_subject *s)
{
	struct block_device *dev;
	u32 major, minor;

	for (int i = 0; (dev = block_nth(i, &major, &minor)); i++)
		text_printf(t, "%4u %7u %s %lu 0 %lu 0 %lu 0 %lu 0 0 0 0 0 0 0 0 0 0\n", major, minor, dev->name, atomic64_read(&dev->requests[0]),
			    atomic64_read(&dev->transferred[0]), atomic64_read(&dev->requests[1]), atomic64_read(&dev->transferred[1]));
	return 0;
}

/* By device, not by driver: there may be several names to one major number, as on Linux. */
int proc_show_devices(struct text *t, const struct proc_subject *s)
{
	const char *name;
	u32 mode;
	u64 rdev;

	for (int block = 0; block < 2; block++) {
		text_string(t, block ? "\nBlock devices:\n" : "Character devices:\n");
		for (int i = 0; (name = device_nth(i, &mode, &rdev)); i++)
			if (S_ISBLK(mode) == block)
				text_printf(t, "%3u %s\n", dev_major(rdev), name);
	}
	return 0;
}
