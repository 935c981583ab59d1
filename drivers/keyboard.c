#include "drivers/keyboard.h"

#include "drivers/keymap.h"
#include "drivers/vt.h"
#include "kernel/clock.h"
#include "kernel/cmdline.h"
#include "kernel/cpu.h"
#include "kernel/exit.h"
#include "kernel/printk.h"
#include "kernel/trap.h"
#include "kernel/usermode.h"

#define DATA 0x60
#define STATUS 0x64		/* read; written: commands */
#define STATUS_OUTPUT 0x01	/* a byte from the keyboard (or mouse) waits */
#define STATUS_INPUT 0x02	/* the controller has not taken the last byte yet */
#define STATUS_MOUSE 0x20
#define CMD_READ_CONFIG 0x20
#define CMD_WRITE_CONFIG 0x60
#define CMD_ENABLE 0xae
#define CONFIG_IRQ 0x01
#define CONFIG_DISABLED 0x10
#define CONFIG_TRANSLATE 0x40
#define KEYBOARD_IRQ 1
#define RING_SIZE 256		/* power of two */

static struct {
	u8 codes[RING_SIZE];
	u32 head;		/* written by the interrupt handler */
	u32 tail;		/* written by the thread */
	struct wait_queue wait;
} ring = { .wait = WAIT_QUEUE_INIT(ring.wait) };
static void (*give)(unsigned vt, const char *s, size_t n);

static void interrupt(void *arg)
{
	u8 status;

	/* Bounded: a controller that is not there reads as all ones. */
	for (int i = 0; i < 16 && (status = inb(STATUS)) & STATUS_OUTPUT; i++) {
		u8 code = inb(DATA);
		if (status & STATUS_MOUSE || ring.head - READ_ONCE(ring.tail) == RING_SIZE)
			continue;
		ring.codes[ring.head % RING_SIZE] = code;
		smp_store_release(&ring.head, ring.head + 1);
	}
	wake_up_all(&ring.wait, 0);
}

/* --- the controller --- */

/* Until it takes a byte, at most 50 ms. */
static bool send(u16 port, u8 byte)
{
	for (int i = 0; inb(STATUS) & STATUS_INPUT; i++) {
		if (i == 5000)
			return false;
		clock_delay_us(10);
	}
	outb(port, byte);
	return true;
}

static int receive(void)
{
	for (int i = 0; i < 5000; i++) {
		if (inb(STATUS) & STATUS_OUTPUT)
			return inb(DATA);
		clock_delay_us(10);
	}
	return -1;
}

/* As little as is needed: firmware that emulates a PS/2 keyboard does not do everything. */
static bool controller_init(void)
{
	int config;

	if (inb(STATUS) == 0xff)
		return false;
	for (int i = 0; i < 32 && inb(STATUS) & STATUS_OUTPUT; i++)
		inb(DATA);		/* typed in the boot menu */
	if (!send(STATUS, CMD_READ_CONFIG) || (config = receive()) < 0)
		return false;
	config = (config | CONFIG_IRQ | CONFIG_TRANSLATE) & ~CONFIG_DISABLED;
	return send(STATUS, CMD_WRITE_CONFIG) && send(DATA, (u8)config) && send(STATUS, CMD_ENABLE);
}

/* --- keys --- */

/* Caps, Num and Scroll Lock's lights. The keyboard's acknowledgements (0xfa) come as codes, which mean no key. */
static void set_lights(const struct keymap *k)
{
	static unsigned old = 8;
	unsigned now = (k->scroll ? 1 : 0) | (k->num ? 2 : 0) | (k->caps ? 4 : 0);

	if (now == old)
		return;
	old = now;
	if (send(DATA, 0xed)) {
		clock_delay_us(2000);	/* its answer */
		send(DATA, (u8)now);
	}
}

static void key(struct keymap *k, u8 code)
{
	unsigned vt = vt_shown(), n;
	char text[KEY_BYTES];

	if (code == 0xfa || code == 0xfe || code == 0xee)
		return;
	switch (keymap_byte(k, code, vt_modes(vt), text, &n)) {
	case KEY_CONSOLE:
		vt_show(n);
		break;
	case KEY_SCROLL:
		vt_scroll_back(vt, n ? VT_PAGE : -VT_PAGE);
		break;
	case KEY_REBOOT:
		signal_send(init_process, SIGINT, NULL);
		break;
	case KEY_TEXT:
		if (n) {
			vt_scroll_back(vt, -VT_BOTTOM);
			give(vt, text, n);
		}
		break;
	}
	set_lights(k);
}

static void thread(void *arg)
{
	static struct keymap keymap;
	char layout[16] = "us";

	cmdline_get("keymap", layout, sizeof(layout));
	if (!keymap_init(&keymap, layout))
		printk("keyboard: no keymap %s: us and de are there\n", layout);
	for (;;) {
		wait_event(&ring.wait, WAIT_UNINTERRUPTIBLE, smp_load_acquire(&ring.head) != ring.tail);
		u8 code = ring.codes[ring.tail % RING_SIZE];
		smp_store_release(&ring.tail, ring.tail + 1);
		key(&keymap, code);
	}
}

bool keyboard_init(void (*input)(unsigned vt, const char *s, size_t n))
{
	if (!controller_init()) {
		printk("keyboard: no PS/2 controller\n");
		return false;
	}
	give = input;
	if (!kthread_start("keyboard", thread, NULL)) {
		printk("keyboard: no memory for its thread\n");
		return false;
	}
	irq_register(KEYBOARD_IRQ, interrupt, NULL);
	return true;
}
