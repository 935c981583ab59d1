#include "drivers/debugcon.h"

#include "kernel/cpu.h"

bool debugcon_present(void) { return inb(DEBUGCON_CONTROL) == 0xe9; }

void debugcon_write(u16 port, const void *data, size_t n)
{
	if (debugcon_present())
		outsb(port, data, n);
}

void debugcon_control(const char *text, size_t n) { debugcon_write(DEBUGCON_CONTROL, text, n); }
