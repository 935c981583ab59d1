#include "drivers/apic.h"

#include "boot/bootinfo.h"
#include "drivers/acpi.h"
#include "kernel/cmdline.h"
#include "kernel/cpu.h"
#include "kernel/irq.h"
#include "kernel/lock.h"
#include "kernel/printk.h"

#define MSR_APIC_BASE 0x1b
#define APIC_BASE_X2APIC BIT(10)
#define APIC_BASE_ENABLE BIT(11)
#define MSR_X2APIC 0x800
#define LAPIC_ID 0x20
#define LAPIC_TPR 0x80
#define LAPIC_EOI 0xb0
#define LAPIC_SPURIOUS 0xf0
#define LAPIC_ICR 0x300
#define LAPIC_ICR_HIGH 0x310
#define LAPIC_LVT_TIMER 0x320
#define LAPIC_LVT_LINT0 0x350
#define LAPIC_LVT_LINT1 0x360
#define LAPIC_LVT_ERROR 0x370
#define LAPIC_TIMER_INITIAL 0x380
#define LAPIC_TIMER_CURRENT 0x390
#define LAPIC_TIMER_DIVIDE 0x3e0
#define LVT_MASKED BIT(16)
#define DELIVER_NMI (4 << 8)		/* of LVT and ICR */
#define DELIVER_INIT (5 << 8)
#define DELIVER_STARTUP (6 << 8)
#define ICR_PENDING BIT(12)
#define ICR_ASSERT BIT(14)
#define ICR_SELF BIT(18)

#define IOAPIC_ADDRESS 0xfec00000UL	/* where there is no MADT */
#define IOAPIC_VERSION 1
#define IOAPIC_REDIRECT 0x10
#define REDIRECT_LOW BIT(13)
#define REDIRECT_LEVEL BIT(15)
#define REDIRECT_MASKED BIT(16)

static volatile u32 *lapic;
static bool x2apic;			/* registers are MSRs */

static struct ioapic {
	volatile u32 *regs;		/* select, and at +16 the window */
	u32 gsi_base, inputs;		/* it has the interrupts gsi_base to gsi_base + inputs - 1 */
} ioapics[ACPI_IOAPICS];
static unsigned nr_ioapics;
static struct spinlock ioapic_lock = SPINLOCK_INIT("ioapic", RANK_IRQ);	/* select and window of all */

static void lapic_write(u32 reg, u32 value)
{
	if (x2apic)
		wrmsr(MSR_X2APIC + reg / 16, value);
	else
		lapic[reg / 4] = value;
}

static u32 lapic_read(u32 reg) { return x2apic ? rdmsr(MSR_X2APIC + reg / 16) : lapic[reg / 4]; }

/* --- the IOAPICs --- */

static u32 ioapic_read(struct ioapic *io, u32 reg) { io->regs[0] = reg; return io->regs[4]; }
static void ioapic_write(struct ioapic *io, u32 reg, u32 value) { io->regs[0] = reg; io->regs[4] = value; }

static void ioapic_add(paddr_t address, u32 gsi_base)
{
	struct ioapic *io = &ioapics[nr_ioapics];
	u32 version;

	io->regs = ioremap(address, PAGE_SIZE);
	if (!io->regs)
		fatal("no memory to map the interrupt controllers");
	version = ioapic_read(io, IOAPIC_VERSION);
	if (!version || version == 0xffffffff) {
		printk("apic: nothing answers where an IOAPIC should be, at %lx\n", address);
		return;
	}
	io->gsi_base = gsi_base;
	io->inputs = (version >> 16 & 0xff) + 1;
	for (u32 i = 0; i < io->inputs; i++)
		ioapic_write(io, IOAPIC_REDIRECT + 2 * i, REDIRECT_MASKED);
	nr_ioapics++;
}

void ioapic_enable(unsigned irq, unsigned vector)
{
	const struct acpi_isa_irq *isa = &acpi.isa[irq];
	u64 flags;

	for (struct ioapic *io = ioapics; io < ioapics + nr_ioapics; io++) {
		u32 input = isa->gsi - io->gsi_base;
		if (isa->gsi < io->gsi_base || input >= io->inputs)
			continue;
		flags = spin_lock_irqsave(&ioapic_lock);
		ioapic_write(io, IOAPIC_REDIRECT + 2 * input + 1, cpus[0].apic_id << 24);
		ioapic_write(io, IOAPIC_REDIRECT + 2 * input, vector | (isa->low ? REDIRECT_LOW : 0) | (isa->level ? REDIRECT_LEVEL : 0));
		spin_unlock_irqrestore(&ioapic_lock, flags);
		return;
	}
	printk("apic: interrupt %u (GSI %u) leads to no IOAPIC\n", irq, isa->gsi);
}

/* --- start --- */

/* The PICs out of the way: remapped off the exception vectors (a spurious one may still come), then masked. */
static void pic_disable(void)
{
	outb(0x20, 0x11); outb(0xa0, 0x11);
	outb(0x21, VECTOR_PIC); outb(0xa1, VECTOR_PIC + 8);
	outb(0x21, 4); outb(0xa1, 2);
	outb(0x21, 1); outb(0xa1, 1);
	outb(0x21, 0xff); outb(0xa1, 0xff);
}

void apic_init_cpu(void)
{
	wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_ENABLE | (x2apic ? APIC_BASE_X2APIC : 0));
	lapic_write(LAPIC_TPR, 0);
	lapic_write(LAPIC_LVT_LINT0, LVT_MASKED);
	lapic_write(LAPIC_LVT_LINT1, cpu_id() ? LVT_MASKED : DELIVER_NMI);	/* an NMI button's: the boot CPU's */
	lapic_write(LAPIC_LVT_ERROR, LVT_MASKED | VECTOR_SPURIOUS);
	lapic_write(LAPIC_LVT_TIMER, LVT_MASKED | VECTOR_TIMER);
	lapic_write(LAPIC_SPURIOUS, BIT(8) | VECTOR_SPURIOUS);
	lapic_write(LAPIC_TIMER_DIVIDE, 3);	/* by 16 */
	this_cpu()->apic_id = x2apic ? lapic_read(LAPIC_ID) : lapic_read(LAPIC_ID) >> 24;
}

static void lapic_init(void)
{
	u64 base;

	if (!cpu_features.apic)
		fatal("this processor has no local APIC, or the firmware has turned it off");
	base = rdmsr(MSR_APIC_BASE);
	/* From x2APIC, in which the firmware may have left it, there is no way back. */
	x2apic = base & APIC_BASE_X2APIC || (cpu_features.x2apic && !cmdline_u64("nox2apic", 0));
	if (!x2apic) {
		lapic = ioremap(base & 0xffffffffff000UL, PAGE_SIZE);
		if (!lapic)
			fatal("no memory to map the interrupt controllers");
	}
	apic_init_cpu();
	if (x2apic)
		printk("apic: x2APIC\n");
}

void apic_init(void)
{
	pic_disable();
	lapic_init();
	for (unsigned i = 0; i < acpi.nr_ioapics; i++)
		ioapic_add(acpi.ioapics[i].address, acpi.ioapics[i].gsi_base);
	if (!acpi.nr_ioapics)
		ioapic_add(IOAPIC_ADDRESS, 0);
	if (!nr_ioapics)
		printk("apic: no IOAPIC: no device can interrupt\n");
}

/* --- to other CPUs --- */

static void send(u32 apic_id, u32 what)
{
	u64 flags;

	if (x2apic) {
		__asm__ volatile("mfence; lfence" ::: "memory");	/* unlike the write to memory below, this one orders nothing (SDM vol. 3, 11.12.3) */
		wrmsr(MSR_X2APIC + LAPIC_ICR / 16, (u64)apic_id << 32 | what);
		return;
	}
	flags = irq_save();		/* between the two halves nobody else may send */
	lapic_write(LAPIC_ICR_HIGH, apic_id << 24);
	lapic_write(LAPIC_ICR, what);
	while (lapic_read(LAPIC_ICR) & ICR_PENDING)
		cpu_relax();
	irq_restore(flags);
}

void apic_ipi(u32 apic_id, unsigned vector) { send(apic_id, ICR_ASSERT | vector); }
/* By the shorthand, which needs no destination: the high half may just be somebody else's. */
void apic_ipi_self(unsigned vector)
{
	if (x2apic)
		wrmsr(MSR_X2APIC + LAPIC_ICR / 16, ICR_SELF | ICR_ASSERT | vector);
	else
		lapic_write(LAPIC_ICR, ICR_SELF | ICR_ASSERT | vector);
}

void apic_nmi(u32 apic_id) { send(apic_id, ICR_ASSERT | DELIVER_NMI); }
void apic_reset(u32 apic_id) { send(apic_id, ICR_ASSERT | DELIVER_INIT); }
void apic_startup(u32 apic_id, paddr_t page) { send(apic_id, ICR_ASSERT | DELIVER_STARTUP | (u32)(page >> PAGE_SHIFT)); }

void apic_end_of_interrupt(void) { lapic_write(LAPIC_EOI, 0); }

void apic_timer_start(unsigned vector, u32 count)
{
	lapic_write(LAPIC_LVT_TIMER, vector ? vector : LVT_MASKED | VECTOR_TIMER);
	lapic_write(LAPIC_TIMER_INITIAL, count);
}

u32 apic_timer_count(void) { return lapic_read(LAPIC_TIMER_CURRENT); }
