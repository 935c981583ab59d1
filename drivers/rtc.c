#include "drivers/rtc.h"

#include "drivers/acpi.h"
#include "kernel/cpu.h"

#define STATUS_A 0x0a
#define STATUS_B 0x0b
#define UPDATING 0x80
#define HOURS_24 2
#define BINARY 4
#define PATIENCE_NS 10000000UL		/* an update takes 2 ms */

static u8 cmos(u8 reg)
{
	outb(0x70, reg);
	return inb(0x71);
}

static u8 cmos_value(u8 reg, u8 status)
{
	u8 v = cmos(reg);

	return status & BINARY ? v : (v >> 4) * 10 + (v & 15);
}

static u64 days_since_1970(unsigned year, unsigned month, unsigned day)
{
	/* Count years from March, so that the leap day is the last. */
	u64 y = year - (month <= 2), m = (month + 9) % 12;

	return y * 365 + y / 4 - y / 100 + y / 400 + (m * 306 + 5) / 10 + day - 1 - 719468;
}

static unsigned read_hour(u8 status)
{
	u8 raw = cmos(4), hour = raw & 0x7f;

	if (!(status & BINARY))
		hour = (hour >> 4) * 10 + (hour & 15);
	return status & HOURS_24 ? hour : hour % 12 + (raw & 0x80 ? 12 : 0);
}

/* One reading; false: no date. */
static bool read_date(u64 *seconds)
{
	u8 status = cmos(STATUS_B);
	unsigned second = cmos_value(0, status), minute = cmos_value(2, status), hour = read_hour(status);
	unsigned day = cmos_value(7, status), month = cmos_value(8, status), year = cmos_value(9, status);
	unsigned century = acpi.century ? cmos_value(acpi.century, status) : 20;

	if (second > 60 || minute > 59 || hour > 23 || day < 1 || day > 31 || month < 1 || month > 12 || year > 99)
		return false;
	year += 100 * (century >= 19 && century <= 29 ? century : 20);
	*seconds = ((days_since_1970(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
	return true;
}

u64 rtc_seconds(void)
{
	u64 seconds, again, start = ktime_ns();

	if (acpi.no_rtc)
		return 0;
	do {			/* not in the middle of an update: two readings that agree */
		while (cmos(STATUS_A) & UPDATING && ktime_ns() - start < PATIENCE_NS)
			;
		if (!read_date(&seconds))
			return 0;
	} while ((!read_date(&again) || again != seconds) && ktime_ns() - start < PATIENCE_NS);
	return seconds;
}
