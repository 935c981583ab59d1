/* The start of the kernel in C: the table of contents, in boot order. */
#include "boot/bootinfo.h"
#include "drivers/acpi.h"
#include "drivers/apic.h"
#include "drivers/block.h"
#include "drivers/console.h"
#include "drivers/debugcon.h"
#include "drivers/tty.h"
#include "drivers/vt.h"
#include "fs/ext2/ext2.h"
#include "fs/vfs.h"
#include "kernel/cmdline.h"
#include "kernel/cpu.h"
#include "kernel/crash.h"
#include "kernel/explore.h"
#include "kernel/futex.h"
#include "kernel/hang.h"
#include "kernel/inject.h"
#include "kernel/kcsan.h"
#include "kernel/printk.h"
#include "kernel/sched.h"
#include "kernel/smp.h"
#include "kernel/string.h"
#include "kernel/time.h"
#include "kernel/trace.h"
#include "kernel/usermode.h"
#include "kernel/vdso.h"
#include "mm/page.h"
#include "mm/pagecache.h"
#include "mm/reclaim.h"
#include "mm/switches.h"

/* The boot module is the root file system. The runner wants to know where it is, for --get. */
static void mount_everything(void)
{
	const struct boot_range *module = &boot_info.module;
	char line[64];
	int error;

	if (module->start == module->end)
		fatal("no root file system: the boot loader gave no module");
	ramdisk_init(module->start, module->end - module->start);
	ramdisk_init_swap();
	debugcon_control(line, ksnprintf(line, sizeof(line), "M %lx %lx\n", module->start, module->end - module->start));
	error = mount_root("ext2", "ram0");
	if (error)
		fatal("cannot mount the root file system: %s", mount_problem());
	if (mount_at("devtmpfs", "devtmpfs", "/dev", 0))
		fatal("cannot mount /dev");
	if (mount_at("devpts", "devpts", "/dev/pts", 0))
		printk("cannot mount /dev/pts\n");
	if (mount_at("tmpfs", "tmpfs", "/tmp", 0))
		printk("cannot mount /tmp\n");
	if (mount_at("proc", "proc", "/proc", 0))
		printk("cannot mount /proc\n");
}

static void start_system(void *arg)
{
	vt_start();			/* draws the virtual consoles */
	if (KCSAN_BUILD)
		kcsan_start();		/* finds data races from now on */
	hang_start();			/* names who waits too long for a page lock */
	writeback_start();		/* writes dirty pages from time to time */
	reclaim_start();		/* makes room when somebody runs short of memory */
	sync_start();			/* writes changed inodes from time to time */
	inject_init();			/* fault injection: alloc_fail=N[,EVERY] */
	fs_init();			/* the virtual file system, tmpfs, devfs, procfs */
	ext2_init();
	tty_init();			/* terminals */
	mount_everything();
	console_init();			/* the runner's streams and terminal, screens, the serial line */
	crash_if_asked();		/* crash=KIND: for the tests of the panic */
	init_start();			/* PID 1 */
}

void kmain(void)
{
	log_init();			/* loglevel= */
	printk("Cowslip, started by %s, on %s\n", boot_info.loader, cpu_features.brand);
	printk("command line: %s\n", cmdline);
	page_init(&boot_info);		/* frames: the rest of memory management needs no start */
	acpi_init();			/* the firmware's tables */
	vt_init();			/* the screen, if there is one: the log is on it from now on */
	apic_init();			/* interrupt controllers */
	sched_init();			/* run queues */
	futex_init();			/* wait queues of words in user memory */
	fpu_init();			/* how big a signal frame's image is */
	time_init();			/* clocks and the timer */
	smp_init();			/* the other processors: idle until there are tasks */
	pagecache_init();		/* page lock queues */
	vdso_init();			/* the time without a system call */
	trace_init();			/* trace points that the command line switches on */
	explore_init();			/* sched=explore:SEED */
	switches_init();		/* mechanisms that the command line turns off or slows down */
	if (!kthread_start("start", start_system, NULL))
		fatal("no memory for the first task");
	sched_idle();			/* from here on tasks run; this one is idle */
}
