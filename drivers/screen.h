/* What shows cells: a framebuffer with the font, or VGA text memory. Drawing takes no lock and may be done in any context, by one at a time. */
#pragma once

#include "drivers/emulator.h"

struct screen {
	const char *name;
	unsigned rows, cols;
	void (*draw)(unsigned row, unsigned col, const struct cell *cells, unsigned n);	/* a run within a row */
};

const struct screen *framebuffer_init(void);	/* drivers/framebuffer.c: what the boot loader set up; NULL: nothing */
const struct screen *vgatext_init(void);	/* drivers/vgatext.c: a VGA in text mode; NULL: there is none */
