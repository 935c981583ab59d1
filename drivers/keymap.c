#include "drivers/keymap.h"

#include "drivers/vt.h"
#include "kernel/string.h"

#define DEAD 0x10000		/* beside a character: waits for a letter */
#define KEYS 0x57

/* By scan code; 0: not a character key. */
struct keymap_layout {
	const char *name;
	bool altgr;
	u32 plain[KEYS], shifted[KEYS], third[KEYS];
};

/* Scan codes 0x02 to 0x0d, 0x10 to 0x1b, 0x1e to 0x28, 0x29, 0x2b, 0x2c to 0x35, 0x39, 0x56. */
static const struct keymap_layout us = {
	.name = "us",
	.plain = {
		[0x02] = '1', '2', '3', '4', '5', '6', '7', '8', '9', '0', '-', '=',
		[0x10] = 'q', 'w', 'e', 'r', 't', 'y', 'u', 'i', 'o', 'p', '[', ']',
		[0x1e] = 'a', 's', 'd', 'f', 'g', 'h', 'j', 'k', 'l', ';', '\'', '`',
		[0x2b] = '\\', 'z', 'x', 'c', 'v', 'b', 'n', 'm', ',', '.', '/',
		[0x39] = ' ', [0x56] = '<',
	},
	.shifted = {
		[0x02] = '!', '@', '#', '$', '%', '^', '&', '*', '(', ')', '_', '+',
		[0x10] = 'Q', 'W', 'E', 'R', 'T', 'Y', 'U', 'I', 'O', 'P', '{', '}',
		[0x1e] = 'A', 'S', 'D', 'F', 'G', 'H', 'J', 'K', 'L', ':', '"', '~',
		[0x2b] = '|', 'Z', 'X', 'C', 'V', 'B', 'N', 'M', '<', '>', '?',
		[0x39] = ' ', [0x56] = '>',
	},
};

static const struct keymap_layout de = {
	.name = "de",
	.altgr = true,
	.plain = {
		[0x02] = '1', '2', '3', '4', '5', '6', '7', '8', '9', '0', 0xdf, 0xb4 | DEAD,
		[0x10] = 'q', 'w', 'e', 'r', 't', 'z', 'u', 'i', 'o', 'p', 0xfc, '+',
		[0x1e] = 'a', 's', 'd', 'f', 'g', 'h', 'j', 'k', 'l', 0xf6, 0xe4, '^' | DEAD,
		[0x2b] = '#', 'y', 'x', 'c', 'v', 'b', 'n', 'm', ',', '.', '-',
		[0x39] = ' ', [0x56] = '<',
	},
	.shifted = {
		[0x02] = '!', '"', 0xa7, '$', '%', '&', '/', '(', ')', '=', '?', '`' | DEAD,
		[0x10] = 'Q', 'W', 'E', 'R', 'T', 'Z', 'U', 'I', 'O', 'P', 0xdc, '*',
		[0x1e] = 'A', 'S', 'D', 'F', 'G', 'H', 'J', 'K', 'L', 0xd6, 0xc4, 0xb0,
		[0x2b] = '\'', 'Y', 'X', 'C', 'V', 'B', 'N', 'M', ';', ':', '_',
		[0x39] = ' ', [0x56] = '>',
	},
	.third = {
		[0x03] = 0xb2, 0xb3, [0x08] = '{', '[', ']', '}', '\\', [0x10] = '@', [0x12] = 0x20ac, [0x1b] = '~', [0x32] = 0xb5, [0x56] = '|',
	},
};

/* What a dead key makes of a letter: both strings in the same order. */
static const struct { u32 dead; const char *letters; u16 made[13]; } compositions[] = {
	{ 0xb4, "aeiouyAEIOUY", { 0xe1, 0xe9, 0xed, 0xf3, 0xfa, 0xfd, 0xc1, 0xc9, 0xcd, 0xd3, 0xda, 0xdd } },
	{ '`', "aeiouAEIOU", { 0xe0, 0xe8, 0xec, 0xf2, 0xf9, 0xc0, 0xc8, 0xcc, 0xd2, 0xd9 } },
	{ '^', "aeiouAEIOU", { 0xe2, 0xea, 0xee, 0xf4, 0xfb, 0xc2, 0xca, 0xce, 0xd4, 0xdb } },
};

/* The keypad from 0x47 on, and the keys behind E0 with the same codes: digit, and the sequence without Num Lock. */
static const struct { char digit; const char *sequence; } keypad[] = {
	{ '7', "\033[1~" }, { '8', "\033[A" }, { '9', "\033[5~" }, { '-', NULL },
	{ '4', "\033[D" }, { '5', "\033[G" }, { '6', "\033[C" }, { '+', NULL },
	{ '1', "\033[4~" }, { '2', "\033[B" }, { '3', "\033[6~" }, { '0', "\033[2~" }, { '.', "\033[3~" },
};

static const char *const function_keys[12] = {
	"\033[[A", "\033[[B", "\033[[C", "\033[[D", "\033[[E", "\033[17~", "\033[18~", "\033[19~", "\033[20~", "\033[21~", "\033[23~", "\033[24~",
};

bool keymap_init(struct keymap *k, const char *layout)
{
	static const struct keymap_layout *const layouts[] = { &us, &de };

	memset(k, 0, sizeof(*k));
	k->layout = &us;
	for (unsigned i = 0; i < ARRAY_SIZE(layouts); i++)
		if (!strcmp(layouts[i]->name, layout)) {
			k->layout = layouts[i];
			return true;
		}
	return false;
}

/* --- bytes out --- */

struct out {
	char *bytes;
	unsigned n;
};

static void put(struct out *o, char c)
{
	if (o->n < KEY_BYTES)
		o->bytes[o->n++] = c;
}

static void put_string(struct out *o, const char *s)
{
	while (*s)
		put(o, *s++);
}

static void put_utf8(struct out *o, u32 ch)
{
	if (ch < 0x80) {
		put(o, ch);
	} else if (ch < 0x800) {
		put(o, 0xc0 | ch >> 6);
		put(o, 0x80 | (ch & 0x3f));
	} else {
		put(o, 0xe0 | ch >> 12);
		put(o, 0x80 | (ch >> 6 & 0x3f));
		put(o, 0x80 | (ch & 0x3f));
	}
}

/* Cursor keys have another sequence where the program has asked for it. */
static void put_sequence(struct out *o, const char *s, unsigned modes)
{
	bool arrow = s[2] >= 'A' && s[2] <= 'D' && !s[3];

	put_string(o, arrow && modes & VT_APP_CURSOR ? "\033O" : "\033[");
	put_string(o, s + 2);
}

/* --- characters --- */

static u32 compose(u32 dead, u32 ch)
{
	if (dead == ch)			/* pressed twice: itself */
		return dead;
	for (unsigned i = 0; i < ARRAY_SIZE(compositions); i++) {
		const char *at = compositions[i].dead == dead && ch < 0x80 && ch ? strchr(compositions[i].letters, (int)ch) : NULL;
		if (at)
			return compositions[i].made[at - compositions[i].letters];
	}
	return 0;
}

static void put_character(struct keymap *k, struct out *o, u32 ch)
{
	u32 dead = k->dead, made = compose(dead, ch);

	k->dead = 0;
	if (made) {
		put_utf8(o, made);
		return;
	}
	if (dead)
		put_utf8(o, dead);
	if (!dead || ch != ' ')
		put_utf8(o, ch);
}

/* Ctrl: @ to _ and the letters; -1: no such character. */
static int control_of(u32 ch)
{
	if (ch >= 'a' && ch <= 'z')
		ch -= 'a' - 'A';
	if (ch >= '@' && ch <= '_')
		return (int)(ch & 0x1f);
	return ch == ' ' || ch == '2' ? 0 : ch == '/' || ch == '-' ? 0x1f : ch == '?' || ch == '8' ? 0x7f : ch >= '3' && ch <= '7' ? (int)(ch - '3' + 0x1b) : -1;
}

static bool is_letter(u32 ch) { return (ch >= 'a' && ch <= 'z') || (ch >= 0xe0 && ch <= 0xfe && ch != 0xf7); }

static void character_key(struct keymap *k, struct out *o, u8 code)
{
	const struct keymap_layout *l = k->layout;
	bool shift = !k->shift != !(k->caps && is_letter(l->plain[code]));
	u32 ch = k->altgr ? l->third[code] : shift ? l->shifted[code] : l->plain[code];
	int control;

	if (!ch)
		return;
	if (k->ctrl) {
		control = control_of(ch & 0xffff);
		if (control < 0)
			return;
		ch = (u32)control;
	}
	if (k->alt)
		put(o, 033);
	if (ch & DEAD && !k->ctrl) {
		if (k->dead)
			put_character(k, o, ch & 0xffff);
		else
			k->dead = ch & 0xffff;
		return;
	}
	if (k->ctrl)
		put(o, (char)ch);
	else
		put_character(k, o, ch);
}

/* --- other keys --- */

/* Shift, Ctrl, Alt. */
static bool modifier(struct keymap *k, u8 code, bool extended, bool down)
{
	u8 bit = extended ? 2 : 1, *field = NULL;

	if (code == 0x2a || code == 0x36) {
		if (extended)
			return true;	/* around some keys, for programs of 1981 */
		field = &k->shift;
		bit = code == 0x2a ? 1 : 2;
	} else if (code == 0x1d) {
		field = &k->ctrl;
	} else if (code == 0x38 && extended && k->layout->altgr) {
		k->altgr = down;
		return true;
	} else if (code == 0x38) {
		field = &k->alt;
	}
	if (field)
		*field = down ? *field | bit : *field & ~bit;
	return field;
}

/* Keypad, and the grey keys (extended). */
static enum key_action keypad_key(struct keymap *k, struct out *o, u8 code, bool extended, unsigned modes, unsigned *n)
{
	unsigned i = code - 0x47;

	if (code == 0x53 && k->ctrl && (k->alt || k->altgr))
		return KEY_REBOOT;
	if ((code == 0x49 || code == 0x51) && k->shift && (extended || !k->num)) {
		*n = code == 0x49;
		return KEY_SCROLL;
	}
	if (!keypad[i].sequence || (!extended && k->num))
		put(o, keypad[i].digit);
	else
		put_sequence(o, keypad[i].sequence, modes);
	return KEY_TEXT;
}

static enum key_action function_key(struct keymap *k, struct out *o, unsigned number, unsigned *n)
{
	if (k->alt && number < VT_COUNT) {
		*n = number;
		return KEY_CONSOLE;
	}
	put_string(o, function_keys[number]);
	return KEY_TEXT;
}

static void editing_key(struct keymap *k, struct out *o, u8 code, unsigned modes)
{
	if (k->alt)
		put(o, 033);
	switch (code) {
	case 0x01: put(o, 033); break;
	case 0x0e: put(o, k->ctrl ? '\b' : 0x7f); break;
	case 0x0f: put_string(o, k->shift ? "\033[Z" : "\t"); break;
	case 0x1c: put_string(o, modes & VT_NEWLINE ? "\r\n" : "\r"); break;
	case 0x35: put(o, '/'); break;	/* of the keypad */
	case 0x37: put(o, '*'); break;
	}
}

static enum key_action key_down(struct keymap *k, struct out *o, u8 code, bool extended, unsigned modes, unsigned *n)
{
	if (code >= 0x47 && code <= 0x53)
		return keypad_key(k, o, code, extended, modes, n);
	if (code == 0x01 || code == 0x0e || code == 0x0f || code == 0x1c || code == 0x37 || (code == 0x35 && extended))
		editing_key(k, o, code, modes);
	else if (extended)
		return KEY_TEXT;	/* multimedia, Windows keys */
	else if (code >= 0x3b && code <= 0x44)
		return function_key(k, o, code - 0x3b, n);
	else if (code == 0x57 || code == 0x58)
		return function_key(k, o, code - 0x57 + 10, n);
	else if (code == 0x3a)
		k->caps = !k->caps;
	else if (code == 0x45)
		k->num = !k->num;
	else if (code == 0x46)
		k->scroll = !k->scroll;
	else if (code < KEYS)
		character_key(k, o, code);
	return KEY_TEXT;
}

enum key_action keymap_byte(struct keymap *k, u8 code, unsigned modes, char out[KEY_BYTES], unsigned *n)
{
	struct out o = { .bytes = out };
	enum key_action action = KEY_TEXT;
	bool extended = k->extended, down = !(code & 0x80);

	*n = 0;
	if (k->skip) {
		k->skip--;
		return KEY_TEXT;
	}
	k->extended = code == 0xe0;
	k->skip = code == 0xe1 ? 2 : 0;	/* Pause */
	if (k->extended || k->skip)
		return KEY_TEXT;
	code &= 0x7f;
	if (!modifier(k, code, extended, down) && down)
		action = key_down(k, &o, code, extended, modes, n);
	if (action == KEY_TEXT)
		*n = o.n;
	return action;
}
