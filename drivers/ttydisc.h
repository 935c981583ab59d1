/*
 * What the parts of the line discipline share: ttyin.c (characters typed), ttyout.c (output and echo), ttyread.c.
 * Everything wants the terminal's lock held.
 */
#pragma once

#include "drivers/tty.h"

static inline bool iflag(const struct tty *t, u32 f) { return t->termios.c_iflag & f; }
static inline bool oflag(const struct tty *t, u32 f) { return t->termios.c_oflag & f; }
static inline bool lflag(const struct tty *t, u32 f) { return t->termios.c_lflag & f; }
static inline bool is_control(u8 c) { return c < ' ' || c == 127; }
static inline bool is_continuation(const struct tty *t, u8 c) { return iflag(t, IUTF8) && (c & 0xc0) == 0x80; }

/* Processed bytes on their way to the driver. Echo that the driver does not take is held; of other output the caller
 * knows by `room` that it fits. */
struct out {
	struct tty *tty;
	bool echo;
	size_t n;
	char buf[128];
};

void out_flush(struct out *o);
void out_raw(struct out *o, char c);
/* One character with output processing: the bytes that it becomes, or 0 if they are more than room and nothing was done. */
unsigned out_char(struct out *o, u8 c, size_t room);
/* A character typed, shown: control characters as ^X if ECHOCTL. */
void echo_char(struct out *o, u8 c);
void echo_plain(struct out *o, u8 c);		/* with output processing only */
