#include "kernel/time.h"

#include "drivers/apic.h"
#include "kernel/cpu.h"
#include "kernel/irq.h"
#include "kernel/printk.h"
#include "kernel/sched.h"

#define PIT_HZ 1193182UL
#define CALIBRATE_MS 10UL

static u64 tsc_boot, tsc_per_ms = 1000000, apic_per_ms = 62500;
static u64 tsc_to_ns;			/* 32.32 fixed point */
static u64 boot_realtime_ns;		/* 1970 to boot */
static u64 next_tick_ns;

struct sleeper {
	struct list_head node;
	struct task *task;
	u64 deadline_ns;
	bool expired;
};
static LIST_HEAD(sleepers);		/* sleepers_lock: sorted by deadline */
static struct spinlock sleepers_lock = SPINLOCK_INIT("sleepers", RANK_LEAF);	/* interrupts off */

u64 tsc_khz(void) { return tsc_per_ms; }

u64 ktime_ns(void)
{
	return tsc_to_ns ? (u64)((unsigned __int128)(rdtsc() - tsc_boot) * tsc_to_ns >> 32) : 0;
}

u64 realtime_ns(void) { return boot_realtime_ns + ktime_ns(); }

/* --- calibration --- */

/*
 * Let PIT channel 2 count down once and read TSC and APIC timer around it. Bounded by the number of reads, so that a
 * machine without a PIT starts all the same (with a guess, and says so).
 */
static void calibrate(void)
{
	u32 count = PIT_HZ * CALIBRATE_MS / 1000, reads = 0;
	u64 start, ticks;
	u32 apic_ticks;

	outb(0x61, (inb(0x61) & ~2) | 1);	/* gate on, speaker off */
	outb(0x43, 0xb0);			/* channel 2, low then high byte, mode 0 */
	outb(0x42, count & 0xff);
	outb(0x42, count >> 8);
	apic_timer_start(0, 0xffffffff, false);
	start = rdtsc();
	while (!(inb(0x61) & 0x20) && ++reads < 10000000)
		;
	ticks = rdtsc() - start;
	apic_ticks = 0xffffffff - apic_timer_count();
	if (reads < 10000000 && ticks > 10000 && apic_ticks > 100) {
		tsc_per_ms = ticks / CALIBRATE_MS;
		apic_per_ms = apic_ticks / CALIBRATE_MS;
	} else {
		printk("time: the PIT does not count: assuming a TSC of 1 GHz\n");
	}
	tsc_to_ns = (1000000UL << 32) / tsc_per_ms;
}

/* --- the CMOS clock --- */

static u8 cmos(u8 reg)
{
	outb(0x70, reg);
	return inb(0x71);
}

static unsigned cmos_value(u8 reg, bool binary)
{
	u8 v = cmos(reg);

	return binary ? v : (v >> 4) * 10 + (v & 15);
}

static u64 days_since_1970(unsigned year, unsigned month, unsigned day)
{
	/* Count years from March, so that the leap day is the last. */
	u64 y = year - (month <= 2), m = (month + 9) % 12;

	return y * 365 + y / 4 - y / 100 + y / 400 + (m * 306 + 5) / 10 + day - 1 - 719468;
}

static void read_rtc(void)
{
	u8 status = cmos(0x0b);
	bool binary = status & 4;
	unsigned second, hour;
	u64 days;

	for (int tries = 0; tries < 1000; tries++) {
		while (cmos(0x0a) & 0x80 && ++tries < 1000000)
			;		/* an update is in progress */
		second = cmos_value(0, binary);
		hour = cmos_value(4, true);
		hour = (status & 2 ? 0 : hour & 0x80 ? 12 : 0) + (binary ? hour & 0x7f : (hour >> 4 & 7) * 10 + (hour & 15)) % (status & 2 ? 24 : 12);
		days = days_since_1970(2000 + cmos_value(9, binary), cmos_value(8, binary), cmos_value(7, binary));
		boot_realtime_ns = (((days * 24 + hour) * 60 + cmos_value(2, binary)) * 60 + second) * 1000000000UL;
		if (second == cmos_value(0, binary))
			break;
	}
	boot_realtime_ns -= ktime_ns();
}

/* --- timers --- */

static void program_timer(u64 now)
{
	u64 next = next_tick_ns, count;

	if (!list_empty(&sleepers))
		next = min(next, list_first(&sleepers, struct sleeper, node)->deadline_ns);
	next = next > now + 1000 ? next - now : 1000;
	count = next * apic_per_ms / 1000000;	/* next is at most a tick */
	apic_timer_start(VECTOR_TIMER, (u32)min(max(count, 1UL), 0xffffffffUL), false);
}

void timer_interrupt(bool user_mode)
{
	u64 flags = spin_lock_irqsave(&sleepers_lock), now = ktime_ns();

	while (!list_empty(&sleepers)) {
		struct sleeper *s = list_first(&sleepers, struct sleeper, node);
		if (s->deadline_ns > now)
			break;
		list_del(&s->node);
		WRITE_ONCE(s->expired, true);
		task_wake(s->task);
	}
	spin_unlock_irqrestore(&sleepers_lock, flags);
	sched_account(user_mode);
	if (now >= next_tick_ns) {
		next_tick_ns = now + TICK_NS;
		sched_tick();
	}
	program_timer(now);
}

bool schedule_until(u64 deadline_ns)
{
	struct sleeper me = { .task = current, .deadline_ns = deadline_ns }, *s;
	u64 flags = spin_lock_irqsave(&sleepers_lock), now = ktime_ns();

	if (deadline_ns <= now) {
		WRITE_ONCE(current->state, TASK_RUNNABLE);
		spin_unlock_irqrestore(&sleepers_lock, flags);
		return false;
	}
	list_for_each(s, &sleepers, node)
		if (s->deadline_ns > deadline_ns)
			break;
	list_add_tail(&me.node, &s->node);
	if (list_first(&sleepers, struct sleeper, node) == &me)
		program_timer(now);
	spin_unlock_irqrestore(&sleepers_lock, flags);
	schedule();
	flags = spin_lock_irqsave(&sleepers_lock);
	list_del(&me.node);
	spin_unlock_irqrestore(&sleepers_lock, flags);
	return !me.expired;
}

int sleep_until_ns(u64 deadline_ns, enum wait_mode mode)
{
	struct wait_queue nobody = WAIT_QUEUE_INIT(nobody);
	struct wait_entry entry = { 0 };
	int result;

	do {
		wait_prepare(&nobody, &entry, mode, 0);
		result = wait_sleep_until(mode, deadline_ns);
	} while (!result);
	wait_finish(&nobody, &entry);
	return result == -ETIMEDOUT ? 0 : result;
}

void time_init(void)
{
	calibrate();
	tsc_boot = rdtsc();
	read_rtc();
	next_tick_ns = ktime_ns() + TICK_NS;
	program_timer(ktime_ns());
	printk("time: TSC %lu kHz, local APIC timer %lu kHz\n", tsc_per_ms, apic_per_ms);
}
