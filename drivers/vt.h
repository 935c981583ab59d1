/*
 * Virtual consoles: VT_COUNT screens of text on one display. Each is a terminal emulator (drivers/emulator.h); the one that
 * is shown is drawn by drivers/screen.h's driver: the framebuffer, or VGA text memory. The last, VT_LOG, has the kernel's log.
 *
 * Writing changes the grid of cells only; what differs from the picture is drawn at most every 20 ms by a thread, so that
 * scrolling costs what the eye can see. Before the thread runs, and in a panic, it is drawn at once.
 */
#pragma once

#include "kernel/types.h"

#define VT_COUNT 4		/* 0 to 2: /dev/tty1 to /dev/tty3 (Alt-F1...); VT_LOG: Alt-F4 */
#define VT_LOG 3

void vt_init(void);		/* after page_init(): finds a screen; the log is shown, from its beginning */
void vt_start(void);		/* tasks run: from now on a thread draws */
bool vt_present(void);		/* there is a screen */

/* Any context; n bytes to a console. VT_LOG gets the kernel's log by itself. */
void vt_write(unsigned vt, const char *s, size_t n);
void vt_show(unsigned vt);
unsigned vt_shown(void);
void vt_size(unsigned *rows, unsigned *cols);
/* Show what has scrolled away: lines > 0 further up, < 0 down, VT_PAGE is half a screen. The next output goes back; so does a key (-VT_BOTTOM). */
#define VT_PAGE 10000
#define VT_BOTTOM 1000000
void vt_scroll_back(unsigned vt, int lines);

/* Answers of the terminal (where is the cursor, what are you) belong into the tty's input. Called by a thread, may sleep. */
void vt_set_reply(unsigned vt, void (*reply)(void *arg, const char *s, size_t n), void *arg);
/* What the program wants the keyboard to send. Any context. */
#define VT_APP_CURSOR BIT(0)	/* ESC O A instead of ESC [ A */
#define VT_APP_KEYPAD BIT(1)
#define VT_NEWLINE BIT(2)	/* Return sends CR LF */
unsigned vt_modes(unsigned vt);

void vt_tick(void);		/* the timer: wakes the thread if there is something to draw */

/* The log and the last words. */
void vt_log(const char *s, size_t n);		/* printk: any context, any lock held */
void vt_panic(void);				/* no lock from now on; the log is shown, and all of it drawn at once */
