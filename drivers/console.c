/* See drivers/console.h. */
#include "drivers/console.h"

#include "drivers/hostio.h"
#include "drivers/serialtty.h"
#include "drivers/tty.h"
#include "drivers/vtty.h"
#include "kernel/cmdline.h"
#include "kernel/printk.h"
#include "kernel/string.h"

void console_init(void)
{
	struct tty *host = hostio_init(), *screen = vtty_init(), *serial = serialtty_init(!host);
	struct { const char *name; struct tty *tty; } choices[] = { { "hvc0", host }, { "tty1", screen }, { "ttyS0", serial } };
	struct tty *chosen = NULL;
	char word[32];

	for (unsigned i = 0; i < ARRAY_SIZE(choices) && !chosen; i++)
		chosen = choices[i].tty;
	if (cmdline_get("console", word, sizeof(word)))
		for (unsigned i = 0; i < ARRAY_SIZE(choices); i++)
			if (choices[i].tty && !strncmp(word, choices[i].name, strlen(choices[i].name)))	/* "ttyS0,115200" too */
				chosen = choices[i].tty;
	tty_console(chosen);
}
