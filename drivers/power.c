#include "drivers/power.h"

#include "drivers/acpi.h"
#include "drivers/vt.h"
#include "kernel/clock.h"
#include "kernel/cpu.h"
#include "kernel/kcsan.h"
#include "kernel/printk.h"

#define SCI_ENABLED BIT(0)
#define SLP_TYP_MASK (7UL << 10)
#define SLP_EN BIT(13)

/* ACPI mode: until the firmware is told, it (not we) has the PM1 registers. Told only now: till then it handles the power button itself. */
static void enter_acpi_mode(void)
{
	if (!acpi.smi_command || !acpi.acpi_enable || acpi_read(&acpi.pm1a_control) & SCI_ENABLED)
		return;
	outb(acpi.smi_command, acpi.acpi_enable);
	for (int wait = 0; wait < 300 && !(acpi_read(&acpi.pm1a_control) & SCI_ENABLED); wait++)
		clock_delay_us(1000);
}

static void sleep_s5(const struct acpi_register *control, u8 type)
{
	if (acpi_has(control))
		acpi_write(control, (acpi_read(control) & ~(SLP_TYP_MASK | SLP_EN)) | (u64)type << 10 | SLP_EN);
}

void power_off(void)
{
	if (KCSAN_BUILD)
		kcsan_flush();
	irq_disable();
	if (acpi.s5 && acpi.hardware_reduced) {
		acpi_write(&acpi.sleep_control, acpi.s5_a << 2 | BIT(5));
	} else if (acpi.s5) {
		enter_acpi_mode();
		sleep_s5(&acpi.pm1a_control, acpi.s5_a);
		sleep_s5(&acpi.pm1b_control, acpi.s5_b);
	} else {
		outw(0x604, 0x2000);	/* where there is no ACPI: QEMU */
		outw(0xb004, 0x2000);	/* Bochs, QEMU of old */
	}
	/* The machine may run on for a moment: only after a second we know that nothing happens. */
	clock_delay_us(1000000);
	vt_panic();
	printk("power off: this machine did not switch off: please do so by hand\n");
	for (;;)
		__asm__ volatile("cli; hlt");
}

void power_reset(void)
{
	struct { u16 limit; u64 base; } __packed no_idt = { 0, 0 };

	irq_disable();
	if (acpi_has(&acpi.reset)) {
		acpi_write(&acpi.reset, acpi.reset_value);
		clock_delay_us(50000);
	}
	if (!acpi.no_8042) {
		outb(0x64, 0xfe);	/* keyboard controller: pulse the reset line */
		clock_delay_us(50000);
	}
	outb(0xcf9, 2);			/* chipset's reset register: hard reset, */
	outb(0xcf9, 6);			/* now */
	clock_delay_us(50000);
	__asm__ volatile("lidt %0; int3" :: "m"(no_idt));	/* a triple fault: what is left */
	for (;;)
		__asm__ volatile("cli; hlt");
}
