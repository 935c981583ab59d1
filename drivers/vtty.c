#include "drivers/vtty.h"

#include "drivers/keyboard.h"
#include "drivers/tty.h"
#include "drivers/vt.h"

static struct tty *terminals[VT_COUNT];		/* VT_LOG's stays NULL: nobody types there */

static size_t console_write(struct tty *t, const char *s, size_t n)
{
	static bool used;
	unsigned vt = (unsigned)(unsigned long)t->data;

	vt_write(vt, s, n);
	if (vt == 0 && !used) {		/* until a program runs on the first one, the log is shown */
		used = true;
		vt_show(0);
	}
	return n;
}

/* What nobody reads is lost, so that the keyboard still switches consoles. */
static void typed(unsigned vt, const char *s, size_t n)
{
	if (terminals[vt])
		tty_input(terminals[vt], s, n);
}

static void answer(void *arg, const char *s, size_t n) { tty_input(arg, s, n); }

struct tty *vtty_init(void)
{
	static const struct tty_driver driver = { .write = console_write };
	static const char *const names[VT_LOG] = { "tty1", "tty2", "tty3" };
	unsigned rows, cols;

	if (!vt_present())
		return NULL;
	vt_size(&rows, &cols);
	for (unsigned vt = 0; vt < VT_LOG; vt++) {
		terminals[vt] = tty_create(&driver, (void *)(unsigned long)vt, make_dev(4, vt + 1), rows, cols);
		if (!terminals[vt])
			break;
		tty_register(terminals[vt], names[vt]);
		vt_set_reply(vt, answer, terminals[vt]);
	}
	keyboard_init(typed);
	return terminals[0];
}
