/*
 * The PS/2 keyboard (or a USB one that the firmware presents as such) behind the 8042 controller. What is typed goes to the
 * virtual console that is shown; Alt-F1 to F4 switch, Shift-PgUp and PgDn scroll back, Ctrl-Alt-Del asks init to reboot.
 * keymap=us|de on the command line.
 */
#pragma once

#include "kernel/types.h"

/* Finds the controller (false: there is none) and starts the keyboard's thread. Text for console vt goes to input(vt, ...), which may sleep. */
bool keyboard_init(void (*input)(unsigned vt, const char *s, size_t n));
