/*
 * Starting the other processors, one after the other: INIT and startup interrupts (SDM vol. 3, 9.4), boot/trampoline.asm in the page that
 * the startup interrupt names, ap_main() here, the idle task. A CPU that does not come is given up, and cannot come later either: the
 * trampoline lets through only who takes the claim, and giving up takes it too.
 */
#include "kernel/smp.h"

#include "boot/bootinfo.h"
#include "drivers/acpi.h"
#include "drivers/apic.h"
#include "kernel/clock.h"
#include "kernel/cmdline.h"
#include "kernel/printk.h"
#include "kernel/sched.h"
#include "kernel/string.h"
#include "kernel/time.h"
#include "kernel/usermode.h"
#include "mm/layout.h"
#include "mm/table.h"

#define EFER_LME BIT(8)
#define EFER_NXE BIT(11)
#define PATIENCE_US 10000000UL		/* as Linux: a hypervisor that is short of time lets a processor wait for long */

extern const char trampoline[], trampoline_end[], trampoline_long[], trampoline_gdt[], trampoline_claim[], trampoline_root[];
extern const char trampoline_efer[], trampoline_gdtr[], trampoline_far[], trampoline_stack[], trampoline_entry[];

static int starting;			/* the CPU that is being started */
static atomic_t arrived;		/* it is in ap_main() */

/* Where something of the trampoline is in the low page. */
static void *in_low_page(const char *what) { return (char *)phys_to_virt(boot_info.low) + (what - trampoline); }

/* A started CPU's first C function: on its idle task's stack, the trampoline's tables, interrupts off. Without stack protector as long as it has no canary. */
__noreturn __attribute__((no_stack_protector)) static void ap_main(void)
{
	cpu_init(starting);
	write_cr3(kernel_root_phys());
	apic_init_cpu();
	time_init_cpu();
	atomic_set(&arrived, 1);
	sched_idle();
}

static void prepare_low_page(void)
{
	u32 at = (u32)boot_info.low;

	memcpy(in_low_page(trampoline), trampoline, (size_t)(trampoline_end - trampoline));
	*(u32 *)in_low_page(trampoline_root) = (u32)low_tables(boot_info.low);
	*(u32 *)in_low_page(trampoline_efer) = EFER_LME | (cpu_features.nx ? EFER_NXE : 0);
	u32 gdt = at + (u32)(trampoline_gdt - trampoline);
	memcpy((char *)in_low_page(trampoline_gdtr) + 2, &gdt, sizeof(gdt));
	*(u32 *)in_low_page(trampoline_far) = at + (u32)(trampoline_long - trampoline);
	*(u64 *)in_low_page(trampoline_entry) = (u64)ap_main;
}

static bool arrives_within(u64 us)
{
	for (u64 waited = 0; waited < us && !atomic_read(&arrived); waited += 10)
		clock_delay_us(10);
	return atomic_read(&arrived);
}

/* The sequence of SDM vol. 3, 9.4.4.1. Processors of this century need no pause after INIT; those that do get it at the second try. */
static bool wake_up(u32 apic_id)
{
	atomic_t *claim = in_low_page(trampoline_claim);

	for (int attempt = 0; attempt < 2; attempt++) {
		atomic_set(claim, 1);
		apic_reset(apic_id);
		clock_delay_us(attempt ? 10000 : 20);
		apic_startup(apic_id, boot_info.low);
		if (arrives_within(attempt ? 200 : 20000))
			return true;
		if (attempt) {
			apic_startup(apic_id, boot_info.low);
			arrives_within(PATIENCE_US);
		}
		if (!atomic_xchg(claim, 0)) {	/* it is in the trampoline, or past it: it will come, however slow it is */
			while (!atomic_read(&arrived))
				cpu_relax();
			return true;
		}
	}
	return false;
}

static bool start_cpu(int id, u32 apic_id)
{
	struct task *idle = task_alloc();

	if (!idle || cpu_prepare(id, apic_id, idle)) {
		printk("smp: no memory for another processor\n");
		goto fail;
	}
	idle->flags = TF_KTHREAD;
	idle->cpus_allowed = ~0UL;
	idle->process = &kernel_process;
	starting = id;
	atomic_set(&arrived, 0);
	*(u64 *)in_low_page(trampoline_stack) = idle->kstack_top;
	if (wake_up(apic_id)) {
		WRITE_ONCE(nr_cpus_online, id + 1);
		return true;
	}
	printk("smp: the processor with APIC id %u does not start\n", apic_id);
fail:
	if (idle)
		task_free(idle);
	return false;
}

void smp_init(void)
{
	u64 most = max(cmdline_u64("maxcpus", NR_CPUS), 1UL);

	if (acpi.nr_cpus < 2 || most < 2)
		return;
	if (!boot_info.low) {
		printk("smp: no free memory below 640 KiB to start the other processors with\n");
		return;
	}
	prepare_low_page();
	for (unsigned i = 0; i < acpi.nr_cpus && nr_cpus_online < (int)min(most, (u64)NR_CPUS); i++)
		if (acpi.cpus[i] != cpus[0].apic_id)
			start_cpu(nr_cpus_online, acpi.cpus[i]);
	printk("smp: %d of %u processors run\n", nr_cpus_online, acpi.nr_cpus);
}
