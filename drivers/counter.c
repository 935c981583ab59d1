#include "drivers/counter.h"

#include "boot/bootinfo.h"
#include "drivers/acpi.h"
#include "kernel/cpu.h"
#include "kernel/string.h"

/* --- HPET --- */

#define HPET_PERIOD 4			/* in femtoseconds: the upper half of the capabilities */
#define HPET_CONFIG 0x10
#define HPET_COUNTER 0xf0

static volatile u8 *hpet;
static u32 hpet_read(void) { return *(volatile u32 *)(hpet + HPET_COUNTER); }
static struct counter hpet_counter = { "hpet", 0, 0xffffffff, hpet_read };

static bool hpet_start(void)
{
	u32 period;

	if (!acpi.hpet)
		return false;
	if (!hpet)
		hpet = ioremap(acpi.hpet, 1024);
	if (!hpet)
		return false;
	period = *(volatile u32 *)(hpet + HPET_PERIOD);
	if (!period || period > 100000000)	/* what the specification allows: 100 ns */
		return false;
	hpet_counter.hz = 1000000000000000UL / period;
	*(volatile u32 *)(hpet + HPET_CONFIG) = (*(volatile u32 *)(hpet + HPET_CONFIG) | 1) & ~2U;	/* count; no legacy interrupts */
	return true;
}

/* --- ACPI's timer --- */

static u32 pm_read(void) { return acpi_read(&acpi.pm_timer); }
static struct counter pm_counter = { "acpi_pm", 3579545, 0xffffff, pm_read };

static bool pm_start(void)
{
	acpi.pm_timer.bits = 32;		/* also where the firmware says nothing */
	return acpi_has(&acpi.pm_timer);
}

/* --- PIT, channel 2: the loudspeaker's, which is off --- */

static u32 pit_read(void)
{
	u8 low;

	outb(0x43, 0x80);			/* latch */
	low = inb(0x42);
	return 0xffff & -(low | inb(0x42) << 8);	/* it counts down */
}
static struct counter pit_counter = { "pit", 1193182, 0xffff, pit_read };

static bool pit_start(void)
{
	outb(0x61, (inb(0x61) & ~2) | 1);	/* gate on, speaker off */
	outb(0x43, 0xb4);			/* low then high byte, mode 2: around and around */
	outb(0x42, 0);
	outb(0x42, 0);
	return true;
}

/*
 * It must count within some 10 us (at the TSC rates there are). Bounded by both the TSC and the number of reads. The last read comes
 * after the time is over: a machine that stands still in between has not been too slow.
 */
static bool counts(const struct counter *c)
{
	u32 first = c->read() & c->mask, reads = 0;
	u64 start = rdtsc();
	bool over;

	do {
		over = rdtsc() - start >= 100000 || ++reads >= 100000;
		if ((c->read() & c->mask) != first)
			return true;
	} while (!over);
	return false;
}

const struct counter *counter_find(const char *name)
{
	static const struct { struct counter *counter; bool (*start)(void); } all[] = {
		{ &hpet_counter, hpet_start }, { &pm_counter, pm_start }, { &pit_counter, pit_start },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(all); i++)
		if ((!name || !strcmp(name, all[i].counter->name)) && all[i].start() && counts(all[i].counter))
			return all[i].counter;
	return NULL;
}
