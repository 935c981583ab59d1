/* The kernel's keymap as a filter: keymap LAYOUT MODES <scan codes >bytes; consoles, scrolling and reboot as <console N>... */
#include <stdio.h>
#include <stdlib.h>

#include "drivers/keymap.h"

int main(int argc, char **argv)
{
	struct keymap k;
	char out[KEY_BYTES];
	unsigned n;
	int c;

	if (argc < 3 || !keymap_init(&k, argv[1]))
		printf("<no layout>");
	while ((c = getchar()) != EOF) {
		switch (keymap_byte(&k, (u8)c, (unsigned)atoi(argv[2]), out, &n)) {
		case KEY_TEXT: fwrite(out, 1, n, stdout); break;
		case KEY_CONSOLE: printf("<console %u>", n); break;
		case KEY_SCROLL: printf(n ? "<up>" : "<down>"); break;
		case KEY_REBOOT: printf("<reboot>"); break;
		}
	}
	printf("%s%s%s", k.caps ? "<caps>" : "", k.num ? "<num>" : "", k.scroll ? "<scroll>" : "");
	return 0;
}
