/*
 * From scan codes (set 1, as the PC's keyboard controller translates them) to what a terminal gets: UTF-8, control characters and
 * the sequences that Linux's console sends. Layouts us and de, the latter with AltGr and dead keys. No machine in here.
 */
#pragma once

#include "kernel/types.h"

enum key_action { KEY_TEXT, KEY_CONSOLE, KEY_SCROLL, KEY_REBOOT };	/* the last three instead of text */

struct keymap_layout;
struct keymap {
	const struct keymap_layout *layout;
	u8 shift, ctrl, alt;		/* bit 0: left, bit 1: right; us: the right Alt is one more Alt */
	bool altgr;
	bool caps, num, scroll;		/* the locks: who owns the lights looks at them */
	bool extended;			/* E0 came before */
	u8 skip;			/* bytes of Pause that are still to come */
	u32 dead;			/* the dead key that waits for its letter; 0: none */
};

#define KEY_BYTES 16
/* layout "us" or "de"; false: there is no such (us then). */
bool keymap_init(struct keymap *k, const char *layout);
/* One byte from the keyboard. KEY_TEXT: *n bytes in out (often 0). KEY_CONSOLE: *n is its number from 0; KEY_SCROLL: *n 1 up, 0 down. modes: VT_*. */
enum key_action keymap_byte(struct keymap *k, u8 code, unsigned modes, char out[KEY_BYTES], unsigned *n);
