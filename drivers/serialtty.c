/* See drivers/serialtty.h. The receiver's thread takes what the interrupt handler put into a ring. */
#include "drivers/serialtty.h"

#include "drivers/serial.h"
#include "drivers/tty.h"
#include "kernel/cpu.h"
#include "kernel/printk.h"
#include "kernel/trap.h"

#define COM1 0x3f8
#define COM1_IRQ 4
#define UART_IER 1		/* interrupt enable: bit 0 = data arrived */
#define UART_MCR 4
#define UART_LSR 5
#define UART_SCRATCH 7
#define LSR_DATA 1
#define RING_SIZE 4096		/* power of two; what comes while it is full is lost, as on any serial line without flow control */

static struct {
	u8 data[RING_SIZE];
	u32 head;		/* written by the interrupt handler */
	u32 tail;		/* written by the receiver */
	struct wait_queue wait;
} rx = { .wait = WAIT_QUEUE_INIT(rx.wait) };

static void rx_interrupt(void *arg)
{
	/* Bounded: a port that is not there reads as all ones. */
	for (int i = 0; i < 256 && inb(COM1 + UART_LSR) & LSR_DATA; i++) {
		u8 c = inb(COM1);
		if (rx.head - READ_ONCE(rx.tail) == RING_SIZE)
			continue;
		rx.data[rx.head % RING_SIZE] = c;
		smp_store_release(&rx.head, rx.head + 1);
	}
	wake_up_all(&rx.wait, 0);
}

static void receiver(void *arg)
{
	for (;;) {
		wait_event(&rx.wait, WAIT_UNINTERRUPTIBLE, smp_load_acquire(&rx.head) != rx.tail);
		char c = (char)rx.data[rx.tail % RING_SIZE];
		smp_store_release(&rx.tail, rx.tail + 1);
		tty_input_all(arg, &c, 1);
	}
}

static size_t line_write(struct tty *t, const char *s, size_t n)
{
	serial_write(s, n);
	return n;
}

static bool port_found(void)
{
	u8 old = inb(COM1 + UART_SCRATCH);

	outb(COM1 + UART_SCRATCH, 0x5a);
	bool found = inb(COM1 + UART_SCRATCH) == 0x5a;
	outb(COM1 + UART_SCRATCH, old);
	return found;
}

struct tty *serialtty_init(bool input)
{
	static const struct tty_driver driver = { .write = line_write };
	struct tty *t = port_found() ? tty_create(&driver, NULL, make_dev(4, 64), 24, 80) : NULL;

	if (!t)
		return NULL;
	tty_register(t, "ttyS0");
	if (!input)
		return t;
	if (!kthread_start("ttyS0", receiver, t)) {
		printk("ttyS0: no memory for input\n");
		return t;
	}
	outb(COM1 + UART_MCR, 0x0b);	/* DTR RTS OUT2 (the interrupt line) */
	irq_register(COM1_IRQ, rx_interrupt, NULL);
	outb(COM1 + UART_IER, 1);
	return t;
}
