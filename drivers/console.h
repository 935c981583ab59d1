/*
 * Which terminals there are, and which of them /dev/console is: the runner's (/dev/hvc0), the virtual consoles (/dev/tty1
 * to tty3), the first serial line (/dev/ttyS0). `console=NAME` on the command line chooses; without it the first
 * of these that is there.
 */
#pragma once

/* Once, when devfs and kernel threads work. */
void console_init(void);
