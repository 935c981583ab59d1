#include "drivers/serial.h"

#include "kernel/cpu.h"

#define COM1 0x3f8
#define LINE_STATUS 5
#define THR_EMPTY 0x20

static bool present;

void serial_init(void)
{
	outb(COM1 + 1, 0);		/* no interrupts */
	outb(COM1 + 3, 0x80);		/* divisor: 115200 */
	outb(COM1 + 0, 1);
	outb(COM1 + 1, 0);
	outb(COM1 + 3, 3);		/* 8N1 */
	outb(COM1 + 2, 0xc7);		/* FIFO on, cleared */
	outb(COM1 + 4, 3);		/* DTR RTS */
	outb(COM1 + 7, 0x5a);		/* the scratch register keeps a byte if a 16550 is there */
	present = inb(COM1 + 7) == 0x5a;
}

void serial_write(const char *s, size_t n)
{
	for (size_t i = 0; present && i < n; i++) {
		for (int wait = 0; wait < 100000 && !(inb(COM1 + LINE_STATUS) & THR_EMPTY); wait++)
			;		/* a port that never gets empty must not hang the machine */
		outb(COM1, s[i]);
	}
}
