/*
 * The hang detector: a kernel thread that looks once a second for tasks that have waited too long for a page lock, and
 * says who holds it. It reads other tasks without their locks: what it prints is a snapshot.
 */
#include "kernel/hang.h"

#include "kernel/cmdline.h"
#include "kernel/printk.h"
#include "kernel/usermode.h"
#include "kernel/task.h"
#include "mm/pagecache.h"
#include "mm/vmstat.h"

#define SECOND_NS 1000000000UL

static u64 limit_ns;

/* Call fn for every task until it returns true. tasklist_lock held. */
static struct task *find_task(bool (*fn)(struct task *t, const void *mapping, u64 index), const void *mapping, u64 index)
{
	struct process *p;
	struct task *t;

	list_for_each(t, &kernel_process.threads, thread_node)
		if (fn(t, mapping, index))
			return t;
	list_for_each(p, &process_list, all_node)
		list_for_each(t, &p->threads, thread_node)
			if (fn(t, mapping, index))
				return t;
	return NULL;
}

static struct held_lock *page_held(struct task *t, const void *mapping, u64 index)
{
	for (int i = 0; i < min(READ_ONCE(t->held_count), HELD_MAX); i++) {
		struct held_lock *h = &t->held[i];
		if (h->kind == HELD_PAGE && h->object == mapping && h->index == index)
			return h;
	}
	return NULL;
}

static bool holds(struct task *t, const void *mapping, u64 index)
{
	return page_held(t, mapping, index);
}

static bool waits_too_long(struct task *t, const void *mapping, u64 index)
{
	return READ_ONCE(t->wait_page_mapping) && !t->hang_reported && ktime_ns() - READ_ONCE(t->wait_since_ns) > limit_ns;
}

static void report(struct task *t)
{
	struct address_space *m = (struct address_space *)t->wait_page_mapping;
	u64 index = t->wait_page_index;
	struct task *owner = find_task(holds, m, index);
	struct held_lock *h = owner ? page_held(owner, m, index) : NULL;
	char file[128] = "?", function[80] = "?";

	if (m->ops->name)
		m->ops->name(m, file, sizeof(file));
	if (h) {
		symbol_name(h->caller, function, sizeof(function));
		printk("hang: %s(%d) waits for page lock %s:%lu held by %s(%d) at %s\n", t->name, t->tid, file, index,
		       owner->name, owner->tid, function);
	} else {
		printk("hang: %s(%d) waits for page lock %s:%lu held by I/O\n", t->name, t->tid, file, index);
	}
}

static void hang_thread(void *arg)
{
	for (;;) {
		struct task *t;

		sleep_until_ns(ktime_ns() + SECOND_NS / 2, WAIT_UNINTERRUPTIBLE);
		spin_lock(&page_wait_lock);	/* who waits keeps the mapping alive, until it has stopped waiting */
		spin_lock(&tasklist_lock);
		t = find_task(waits_too_long, NULL, 0);
		if (t) {
			t->hang_reported = true;	/* once a wait: cleared when the next one begins */
			report(t);
			vmstat_inc(VM_HANG);
		}
		spin_unlock(&tasklist_lock);
		spin_unlock(&page_wait_lock);
	}
}

void hang_start(void)
{
	limit_ns = cmdline_u64("hang_seconds", 3) * SECOND_NS;
	if (!kthread_start("hang", hang_thread, NULL))
		printk("hang detector: no memory to start it\n");
}
