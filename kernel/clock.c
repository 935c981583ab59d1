#include "kernel/clock.h"

#include "drivers/apic.h"
#include "drivers/counter.h"
#include "drivers/rtc.h"
#include "kernel/atomic.h"
#include "kernel/cmdline.h"
#include "kernel/cpu.h"
#include "kernel/printk.h"
#include "kernel/string.h"
#include "vdso/data.h"

#define MEASURE_MS 2
#define GIVE_UP_TICKS 100000000UL	/* of the TSC: at least 15 ms on any processor */

static u64 tsc_per_ms = 2000000, apic_per_ms = 62500;
static u64 tsc_boot;
static u64 tsc_to_ns;			/* 32.32 fixed point */
static u64 boot_realtime_ns;		/* 1970 to boot */

/* Where the TSC is not the clock: this counter is, widened to 64 bits. The tick reads it often enough not to miss a round. */
static const struct counter *clock_counter;
static atomic64_t clock_count;
static u64 counter_boot;
static u64 counter_to_ns;		/* 32.32 */

bool clock_needs_reading(void) { return clock_counter; }
u64 tsc_khz(void) { return tsc_per_ms; }
u64 apic_timer_khz(void) { return apic_per_ms; }

static u64 scale(u64 ticks, u64 factor) { return (unsigned __int128)ticks * factor >> 32; }

u64 clock_tsc_ns(u64 tsc) { return scale(tsc - tsc_boot, tsc_to_ns); }

/* Lockless. The counter is read after the count it is added to, so it is never behind it. */
static u64 counter_now(void)
{
	u64 old = atomic64_read(&clock_count), now;

	do
		now = old + ((clock_counter->read() - old) & clock_counter->mask);
	while (now != old && !atomic64_cmpxchg(&clock_count, &old, now));
	return now;
}

u64 ktime_ns(void)
{
	if (unlikely(clock_counter))
		return scale(counter_now() - counter_boot, counter_to_ns);
	return scale(rdtsc() - tsc_boot, tsc_to_ns);	/* 0 until clock_init() */
}

u64 recent_realtime_ns;

void clock_tick(void) { WRITE_ONCE(recent_realtime_ns, realtime_ns()); }

u64 realtime_ns(void) { return boot_realtime_ns + ktime_ns(); }

void clock_delay_us(u64 us)
{
	u64 start = rdtsc();

	while (rdtsc() - start < us * tsc_per_ms / 1000)
		cpu_relax();
}

void clock_vdso(struct vdso_data *data)
{
	*data = (struct vdso_data){ .tsc = !clock_counter, .tsc_boot = tsc_boot, .tsc_to_ns = tsc_to_ns, .realtime_ns = boot_realtime_ns };
}

/* --- frequencies --- */

struct sample {
	u64 tsc;
	u32 count, apic;
};

/* The three at one moment, nearly: of three readings that which was disturbed least. */
static struct sample take_sample(const struct counter *c)
{
	struct sample best = { 0 };
	u64 shortest = ~0UL;

	for (int i = 0; i < 3; i++) {
		u64 before = rdtsc();
		u32 count = c ? c->read() : 0, apic = apic_timer_count();
		u64 after = rdtsc();
		if (after - before < shortest) {
			shortest = after - before;
			best = (struct sample){ before + (after - before) / 2, count, apic };
		}
	}
	return best;
}

/* Measure TSC and APIC timer against the counter; false: it stopped counting, or they did not count. */
static bool measure(const struct counter *c)
{
	u64 window = c->hz * MEASURE_MS / 1000, elapsed, ticks, apic;
	struct sample first, last;

	apic_timer_start(0, 0xffffffff);
	first = take_sample(c);
	do {
		last = take_sample(c);
		elapsed = (last.count - first.count) & c->mask;
		ticks = last.tsc - first.tsc;
	} while (elapsed < window && ticks < GIVE_UP_TICKS);
	apic = first.apic - last.apic;
	if (elapsed < window)
		return false;
	ticks = (ticks * c->hz + elapsed * 500) / (elapsed * 1000);
	apic = (apic * c->hz + elapsed * 500) / (elapsed * 1000);
	if (ticks < 1000 || apic < 10)
		return false;
	tsc_per_ms = ticks;
	apic_per_ms = apic;
	return true;
}

/* The TSC's frequency is known: the APIC timer against it. */
static void measure_apic(void)
{
	struct sample first, last;

	apic_timer_start(0, 0xffffffff);
	first = take_sample(NULL);
	do
		last = take_sample(NULL);
	while (last.tsc - first.tsc < tsc_per_ms);
	apic_per_ms = max((first.apic - last.apic) * tsc_per_ms / (last.tsc - first.tsc), 10UL);
}

static void find_frequencies(const struct counter *c)
{
	if (cpu_features.tsc_khz) {
		tsc_per_ms = cpu_features.tsc_khz;
		measure_apic();
	} else if (!c || !measure(c)) {
		printk("clock: nothing to measure the TSC with: assuming %lu MHz\n", tsc_per_ms / 1000);
		measure_apic();
	}
}

/* --- which clock --- */

static void choose_clock(void)
{
	bool tsc = cpu_features.invariant_tsc || cpu_features.hypervisor;
	const struct counter *c = NULL;
	char asked[16];

	if (cmdline_get("clocksource", asked, sizeof(asked))) {
		tsc = !strcmp(asked, "tsc");
		c = tsc || !strcmp(asked, "pit") ? NULL : counter_find(asked);
		if (!tsc && !c)
			printk("clock: no clocksource %s here\n", asked);
	}
	if (!tsc && !c)
		c = counter_find("hpet");
	if (!tsc && !c)
		c = counter_find("acpi_pm");
	if (!c)
		return;
	counter_to_ns = (1000000000UL << 32) / c->hz;
	counter_boot = c->read() & c->mask;
	atomic64_set(&clock_count, counter_boot);
	clock_counter = c;
}

void clock_init(void)
{
	const struct counter *c = cpu_features.tsc_khz ? NULL : counter_find(NULL);

	find_frequencies(c);
	tsc_boot = rdtsc();
	tsc_to_ns = (1000000UL << 32) / tsc_per_ms;
	choose_clock();
	boot_realtime_ns = rtc_seconds() * 1000000000UL - ktime_ns();
	clock_tick();
	printk("clock: %s; TSC %lu kHz by %s, local APIC timer %lu kHz\n", clock_counter ? clock_counter->name : "TSC", tsc_per_ms,
	       cpu_features.tsc_khz ? "CPUID" : c ? c->name : "guess", apic_per_ms);
}
