/* /dev/tty1 to /dev/tty3: the virtual consoles (drivers/vt.h) and the keyboard as terminals. */
#pragma once

struct tty;
/* Registers them if there is a screen; the first of them, or NULL. */
struct tty *vtty_init(void);
