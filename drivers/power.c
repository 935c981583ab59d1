/*
 * QEMU's ACPI power-management port only, for now: the FADT is read when the kernel learns ACPI. Where the port does
 * nothing the machine stops with a message.
 */
#include "drivers/power.h"

#include "kernel/cpu.h"
#include "kernel/printk.h"

void power_off(void)
{
	outw(0x604, 0x2000);		/* PM1a control: SLP_EN, SLP_TYP 0 = S5 on QEMU's pc and q35 */
	/* The machine may run on for a moment: only after a second we know that nothing happens. */
	for (u64 start = ktime_ns(); ktime_ns() - start < 1000000000UL;)
		cpu_relax();
	printk("power off: this machine did not switch off: please do so by hand\n");
	for (;;)
		__asm__ volatile("cli; hlt");
}

void power_reset(void)
{
	outb(0x64, 0xfe);		/* keyboard controller: pulse the reset line */
	outb(0xcf9, 6);			/* PCI reset */
	for (;;)
		__asm__ volatile("cli; hlt");
}
