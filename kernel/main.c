/* The start of the kernel in C: the table of contents, in boot order. */
#include "boot/bootinfo.h"
#include "drivers/apic.h"
#include "drivers/block.h"
#include "kernel/cmdline.h"
#include "kernel/cpu.h"
#include "kernel/crash.h"
#include "kernel/hang.h"
#include "kernel/printk.h"
#include "kernel/sched.h"
#include "kernel/time.h"
#include "mm/page.h"
#include "mm/pagecache.h"
#include "mm/switches.h"

static void start_system(void *arg)
{
	hang_start();			/* names who waits too long for a page lock */
	writeback_start();		/* writes dirty pages from time to time */
	crash_if_asked();		/* crash=KIND: for the tests of the panic */
	printk("started\n");
}

void kmain(void)
{
	printk("Cowslip, started by %s, on %s\n", boot_info.loader, cpu_features.brand);
	printk("command line: %s\n", cmdline);
	page_init(&boot_info);		/* frames: the rest of memory management needs no start */
	apic_init();			/* interrupt controllers */
	time_init();			/* clocks and the timer */
	pagecache_init();		/* page lock queues */
	switches_init();		/* mechanisms that the command line turns off or slows down */
	if (!kthread_start("start", start_system, NULL))
		fatal("no memory for the first task");
	sched_idle();			/* from here on tasks run; this one is idle */
}
