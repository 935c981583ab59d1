#include "drivers/apic.h"

#include "boot/bootinfo.h"
#include "kernel/cpu.h"
#include "kernel/irq.h"
#include "kernel/printk.h"

#define MSR_APIC_BASE 0x1b
#define LAPIC_ID 0x20
#define LAPIC_TPR 0x80
#define LAPIC_EOI 0xb0
#define LAPIC_SPURIOUS 0xf0
#define LAPIC_LVT_TIMER 0x320
#define LAPIC_LVT_LINT0 0x350
#define LAPIC_LVT_ERROR 0x370
#define LAPIC_TIMER_INITIAL 0x380
#define LAPIC_TIMER_CURRENT 0x390
#define LAPIC_TIMER_DIVIDE 0x3e0
#define LVT_MASKED BIT(16)
#define LVT_PERIODIC BIT(17)

#define IOAPIC_ADDRESS 0xfec00000UL
#define IOAPIC_VERSION 1
#define IOAPIC_REDIRECT 0x10

static volatile u32 *lapic, *ioapic;

static void lapic_write(u32 reg, u32 value) { lapic[reg / 4] = value; }
static u32 lapic_read(u32 reg) { return lapic[reg / 4]; }

static u32 ioapic_read(u32 reg) { ioapic[0] = reg; return ioapic[4]; }
static void ioapic_write(u32 reg, u32 value) { ioapic[0] = reg; ioapic[4] = value; }

/* The PICs out of the way: remapped off the exception vectors (a spurious one may still come), then masked. */
static void pic_disable(void)
{
	outb(0x20, 0x11); outb(0xa0, 0x11);
	outb(0x21, 0x20); outb(0xa1, 0x28);
	outb(0x21, 4); outb(0xa1, 2);
	outb(0x21, 1); outb(0xa1, 1);
	outb(0x21, 0xff); outb(0xa1, 0xff);
}

void apic_init(void)
{
	u64 base = rdmsr(MSR_APIC_BASE);

	pic_disable();
	wrmsr(MSR_APIC_BASE, base | BIT(11));
	lapic = ioremap(base & 0xfffff000UL, PAGE_SIZE);
	ioapic = ioremap(IOAPIC_ADDRESS, PAGE_SIZE);
	if (!lapic || !ioapic)
		fatal("no memory to map the interrupt controllers");
	lapic_write(LAPIC_TPR, 0);
	lapic_write(LAPIC_LVT_LINT0, LVT_MASKED);
	lapic_write(LAPIC_LVT_ERROR, LVT_MASKED);
	lapic_write(LAPIC_LVT_TIMER, LVT_MASKED);
	lapic_write(LAPIC_SPURIOUS, BIT(8) | VECTOR_SPURIOUS);
	this_cpu()->apic_id = lapic_read(LAPIC_ID) >> 24;
	for (u32 i = 0; i <= (ioapic_read(IOAPIC_VERSION) >> 16 & 0xff); i++)
		ioapic_write(IOAPIC_REDIRECT + 2 * i, LVT_MASKED);
}

void apic_end_of_interrupt(void) { lapic_write(LAPIC_EOI, 0); }

void ioapic_enable(unsigned irq, unsigned vector)
{
	ioapic_write(IOAPIC_REDIRECT + 2 * irq + 1, this_cpu()->apic_id << 24);
	ioapic_write(IOAPIC_REDIRECT + 2 * irq, vector);
}

void apic_timer_start(unsigned vector, u32 count, bool periodic)
{
	lapic_write(LAPIC_TIMER_DIVIDE, 3);	/* by 16 */
	lapic_write(LAPIC_LVT_TIMER, vector ? vector | (periodic ? LVT_PERIODIC : 0) : LVT_MASKED);
	lapic_write(LAPIC_TIMER_INITIAL, count);
}

u32 apic_timer_count(void) { return lapic_read(LAPIC_TIMER_CURRENT); }
