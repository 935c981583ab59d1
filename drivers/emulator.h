/*
 * A terminal emulator: bytes in, a grid of cells out. What Linux's console understands (console_codes(4), terminfo "linux"), and the
 * alternate screen. UTF-8; what is not valid becomes U+FFFD. One file of rules without a machine: it allocates nothing, draws
 * nothing and takes no lock (the caller's business); the hosted tests and the fuzzer compile it as it is.
 */
#pragma once

#include "kernel/types.h"

#define EMULATOR_MIN 2			/* rows and columns, at least */
#define EMULATOR_MAX_COLS 512
#define EMULATOR_MAX_ROWS 256

struct cell {
	u32 ch;				/* Unicode, and CELL_UNDERLINE */
	u32 fg, bg;			/* 0xRRGGBB: attributes are worked in */
};
#define CELL_UNDERLINE (1U << 31)
#define CELL_CHAR(c) ((c) & 0x1fffffU)

/* A colour as a program names it: 0 to 255 of the palette, PEN_DEFAULT, or PEN_RGB with 24 bits. */
#define PEN_DEFAULT 256U
#define PEN_RGB (1U << 24)
struct pen {
	u32 fg, bg;
	bool bold, dim, underline, reverse;
};

struct emulator {
	unsigned rows, cols;
	struct cell **line;		/* line[y][x]: what is seen, the main or the alternate screen */
	struct cell **screens[2];
	bool *dirty;			/* row y has changed; who draws clears it */
	unsigned y, x;			/* cursor; x < cols */
	bool wrap;			/* the last column was written: the next character goes to the next line */
	unsigned top, bottom;		/* scroll region, inclusive */
	struct pen pen;
	struct cell blank;		/* what erasing leaves, by the pen */
	u32 fg, bg;			/* the pen's, worked out */
	bool alternate, origin, autowrap, insert, newline, cursor_visible, inverted;
	bool app_cursor, app_keypad;
	bool graphics[2], shifted;	/* G0, G1 are line drawing; G1 is in use */
	struct emulator_saved {
		unsigned y, x;
		struct pen pen;
		bool origin, graphics[2], shifted, wrap;
	} saved[2];			/* by ESC 7, of each screen */
	u8 tabs[EMULATOR_MAX_COLS / 8];
	u32 palette[16];
	u32 last;			/* the last character, for REP */

	enum { EM_GROUND, EM_ESC, EM_CSI, EM_CSI_IGNORE, EM_CHARSET, EM_HASH, EM_PERCENT, EM_OSC, EM_OSC_ESC, EM_PALETTE } state;
	unsigned params[16], nr_params;
	char private, intermediate;	/* < = > ?, and what came between the parameters and the end */
	unsigned charset;		/* EM_CHARSET: which of G0, G1 */
	unsigned digits;		/* EM_PALETTE: so far */
	u32 value;			/* EM_PALETTE; UTF-8: bits so far */
	unsigned utf8_left;		/* UTF-8: bytes that are missing */
	u32 utf8_min;

	/* Either may be NULL. A line of the main screen is about to leave at the top; an answer for the program. */
	void (*scrolled)(void *arg, const struct cell *line);
	void (*reply)(void *arg, const char *s, size_t n);
	void *arg;
};

/* Memory for the grids, and the start: a blank screen. Callbacks are the caller's to set. */
size_t emulator_memory(unsigned rows, unsigned cols);
void emulator_init(struct emulator *e, void *memory, unsigned rows, unsigned cols);
void emulator_write(struct emulator *e, const char *s, size_t n);

/* --- between emulator.c (characters, lines, the parser) and emulator_csi.c (control sequences) --- */
void emulator_csi(struct emulator *e, char final);
void emulator_reset(struct emulator *e);
void emulator_set_pen(struct emulator *e);	/* the pen has changed */
void emulator_goto(struct emulator *e, unsigned y, unsigned x);	/* within the screen */
void emulator_erase(struct emulator *e, unsigned y, unsigned from, unsigned to);	/* columns from to to - 1 */
void emulator_scroll(struct emulator *e, unsigned top, unsigned bottom, int lines);	/* > 0: up */
void emulator_line_feed(struct emulator *e);
void emulator_tab(struct emulator *e, bool forward);
void emulator_save(struct emulator *e);
void emulator_restore(struct emulator *e);
void emulator_put(struct emulator *e, u32 ch);
