#include "drivers/emulator.h"

#include "kernel/string.h"

/* Linux's console: the VGA's colours. */
static const u32 vga_palette[16] = {
	0x000000, 0xaa0000, 0x00aa00, 0xaa5500, 0x0000aa, 0xaa00aa, 0x00aaaa, 0xaaaaaa,
	0x555555, 0xff5555, 0x55ff55, 0xffff55, 0x5555ff, 0xff55ff, 0x55ffff, 0xffffff,
};

/* DEC's line drawing: what stands for ` to ~. */
static const u16 line_drawing[] = {
	0x25c6, 0x2592, 0x2409, 0x240c, 0x240d, 0x240a, 0x00b0, 0x00b1, 0x2424, 0x240b, 0x2518, 0x2510, 0x250c, 0x2514, 0x253c, 0x23ba,
	0x23bb, 0x2500, 0x23bc, 0x23bd, 0x251c, 0x2524, 0x2534, 0x252c, 0x2502, 0x2264, 0x2265, 0x03c0, 0x2260, 0x00a3, 0x00b7,
};

/* --- start --- */

size_t emulator_memory(unsigned rows, unsigned cols)
{
	return 2 * rows * (sizeof(struct cell *) + cols * sizeof(struct cell)) + rows * sizeof(bool);
}

void emulator_init(struct emulator *e, void *memory, unsigned rows, unsigned cols)
{
	struct cell **pointers = memory;
	struct cell *cells = (struct cell *)(pointers + 2 * rows);

	memset(e, 0, sizeof(*e));
	e->rows = rows;
	e->cols = cols;
	for (unsigned i = 0; i < 2 * rows; i++)
		pointers[i] = cells + i * cols;
	e->screens[0] = pointers;
	e->screens[1] = pointers + rows;
	e->dirty = (bool *)(cells + 2 * rows * cols);
	emulator_reset(e);		/* clears the main screen */
	e->line = e->screens[1];
	for (unsigned y = 0; y < rows; y++)
		emulator_erase(e, y, 0, cols);
	e->line = e->screens[0];
}

/* RIS: as after switching on. */
void emulator_reset(struct emulator *e)
{
	e->line = e->screens[0];
	e->alternate = e->origin = e->insert = e->newline = e->inverted = e->app_cursor = e->app_keypad = e->shifted = false;
	e->graphics[0] = e->graphics[1] = false;
	e->autowrap = e->cursor_visible = true;
	e->top = 0;
	e->bottom = e->rows - 1;
	e->pen = (struct pen){ .fg = PEN_DEFAULT, .bg = PEN_DEFAULT };
	memcpy(e->palette, vga_palette, sizeof(e->palette));
	memset(e->tabs, 0x01, sizeof(e->tabs));		/* every eighth column */
	emulator_set_pen(e);
	emulator_goto(e, 0, 0);
	for (unsigned i = 0; i < 2; i++)
		e->saved[i] = (struct emulator_saved){ .pen = e->pen };
	for (unsigned y = 0; y < e->rows; y++)
		emulator_erase(e, y, 0, e->cols);
}

/* --- colours --- */

/* 16 to 231: a cube of 6 x 6 x 6; 232 to 255: grey. */
static u32 colour(const struct emulator *e, u32 c)
{
	static const u8 steps[6] = { 0, 95, 135, 175, 215, 255 };

	if (c & PEN_RGB)
		return c & 0xffffff;
	if (c < 16)
		return e->palette[c];
	if (c >= 232)
		return (c - 232) * 0x0a0a0a + 0x080808;
	c -= 16;
	return (u32)steps[c / 36] << 16 | (u32)steps[c / 6 % 6] << 8 | steps[c % 6];
}

void emulator_set_pen(struct emulator *e)
{
	const struct pen *p = &e->pen;
	u32 fg = p->fg == PEN_DEFAULT ? 7 : p->fg, bg = p->bg == PEN_DEFAULT ? 0 : p->bg, swap;

	if (p->bold && fg < 8)
		fg += 8;
	fg = colour(e, fg);
	bg = colour(e, bg);
	e->blank = (struct cell){ ' ', colour(e, 7), bg };
	if (p->dim)
		fg = fg >> 1 & 0x7f7f7f;
	if (p->reverse) {
		swap = fg;
		fg = bg;
		bg = swap;
	}
	e->fg = fg;
	e->bg = bg;
}

/* --- lines --- */

void emulator_goto(struct emulator *e, unsigned y, unsigned x)
{
	e->y = min(y, e->rows - 1);
	e->x = min(x, e->cols - 1);
	e->wrap = false;
}

void emulator_erase(struct emulator *e, unsigned y, unsigned from, unsigned to)
{
	for (unsigned x = from; x < to; x++)
		e->line[y][x] = e->blank;
	e->dirty[y] = true;
}

static void scroll_one(struct emulator *e, unsigned top, unsigned bottom, bool up)
{
	unsigned from = up ? top : bottom, to = up ? bottom : top;
	struct cell *moved = e->line[from];

	if (up && !top && !e->alternate && e->scrolled)
		e->scrolled(e->arg, moved);
	for (unsigned y = from; y != to; y += up ? 1 : -1U)
		e->line[y] = e->line[up ? y + 1 : y - 1];
	e->line[to] = moved;
	emulator_erase(e, to, 0, e->cols);
}

void emulator_scroll(struct emulator *e, unsigned top, unsigned bottom, int lines)
{
	unsigned n = min((unsigned)(lines < 0 ? -lines : lines), bottom - top + 1);

	if (!n)
		return;
	while (n--)
		scroll_one(e, top, bottom, lines > 0);
	for (unsigned y = top; y <= bottom; y++)
		e->dirty[y] = true;
}

void emulator_line_feed(struct emulator *e)
{
	if (e->y == e->bottom)
		emulator_scroll(e, e->top, e->bottom, 1);
	else if (e->y < e->rows - 1)
		e->y++;
	e->wrap = false;
}

static void reverse_line_feed(struct emulator *e)
{
	if (e->y == e->top)
		emulator_scroll(e, e->top, e->bottom, -1);
	else if (e->y)
		e->y--;
	e->wrap = false;
}

void emulator_save(struct emulator *e)
{
	e->saved[e->alternate] = (struct emulator_saved){ e->y, e->x, e->pen, e->origin, { e->graphics[0], e->graphics[1] }, e->shifted, e->wrap };
}

void emulator_restore(struct emulator *e)
{
	const struct emulator_saved *s = &e->saved[e->alternate];

	e->pen = s->pen;
	e->origin = s->origin;
	e->graphics[0] = s->graphics[0];
	e->graphics[1] = s->graphics[1];
	e->shifted = s->shifted;
	emulator_set_pen(e);
	emulator_goto(e, s->y, s->x);
	e->wrap = s->wrap;
}

/* --- characters --- */

static bool zero_width(u32 ch)
{
	return (ch >= 0x300 && ch < 0x370) || (ch >= 0x200b && ch <= 0x200f) || (ch >= 0x2028 && ch <= 0x202e) ||
		(ch >= 0xfe00 && ch <= 0xfe0f) || ch == 0xfeff;
}

void emulator_put(struct emulator *e, u32 ch)
{
	struct cell *line;

	if (zero_width(ch))
		return;
	if (e->wrap) {
		e->x = 0;
		emulator_line_feed(e);
	}
	line = e->line[e->y];
	if (e->insert)
		memmove(line + e->x + 1, line + e->x, (e->cols - e->x - 1) * sizeof(*line));
	line[e->x] = (struct cell){ ch | (e->pen.underline ? CELL_UNDERLINE : 0), e->fg, e->bg };
	e->dirty[e->y] = true;
	if (e->x < e->cols - 1)
		e->x++;
	else
		e->wrap = e->autowrap;
	e->last = ch;
}

void emulator_tab(struct emulator *e, bool forward)
{
	unsigned x = e->x, limit = forward ? e->cols - 1 : 0;

	while (x != limit) {
		x += forward ? 1 : -1U;
		if (e->tabs[x / 8] & 1 << x % 8)
			break;
	}
	emulator_goto(e, e->y, x);
}

static void control(struct emulator *e, u8 c)
{
	switch (c) {
	case '\b':
		emulator_goto(e, e->y, e->x ? e->x - 1 : 0);
		break;
	case '\t':
		emulator_tab(e, true);
		break;
	case '\n':
	case '\v':
	case '\f':
		if (e->newline)
			e->x = 0;
		emulator_line_feed(e);
		break;
	case '\r':
		emulator_goto(e, e->y, 0);
		break;
	case 14:
	case 15:
		e->shifted = c == 14;
		break;
	case 24:
	case 26:
		e->state = EM_GROUND;
		break;
	case 27:
		e->state = EM_ESC;
		break;
	}
}

/* One byte of text: a character, or part of one. */
static void text(struct emulator *e, u8 c)
{
	if (e->utf8_left) {
		if ((c & 0xc0) == 0x80) {
			e->value = e->value << 6 | (c & 0x3f);
			if (--e->utf8_left)
				return;
			bool bad = e->value < e->utf8_min || e->value > 0x10ffff || (e->value >= 0xd800 && e->value < 0xe000);
			emulator_put(e, bad ? 0xfffd : e->value);
			return;
		}
		e->utf8_left = 0;
		emulator_put(e, 0xfffd);	/* the character was cut off: c begins the next */
	}
	if (c < 0x80) {
		bool drawing = e->graphics[e->shifted] && c >= '`' && c <= '~';
		emulator_put(e, drawing ? line_drawing[c - '`'] : c);
	} else if (c >= 0xc2 && c <= 0xf4) {
		e->utf8_left = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
		e->utf8_min = c >= 0xf0 ? 0x10000 : c >= 0xe0 ? 0x800 : 0x80;
		e->value = c & (0x3f >> e->utf8_left);
	} else {
		emulator_put(e, 0xfffd);
	}
}

/* --- the parser --- */

/* DECALN: the screen full of E. */
static void alignment(struct emulator *e)
{
	for (unsigned y = 0; y < e->rows; y++) {
		emulator_erase(e, y, 0, e->cols);
		for (unsigned x = 0; x < e->cols; x++)
			e->line[y][x].ch = 'E';
	}
	e->top = 0;
	e->bottom = e->rows - 1;
	emulator_goto(e, 0, 0);
}

static void begin_csi(struct emulator *e)
{
	e->state = EM_CSI;
	memset(e->params, 0, sizeof(e->params));
	e->nr_params = 0;
	e->private = e->intermediate = 0;
}

static void escape(struct emulator *e, u8 c)
{
	e->state = EM_GROUND;
	switch (c) {
	case '[': begin_csi(e); break;
	case ']': case 'P': case 'X': case '^': case '_':
		e->state = EM_OSC;
		e->digits = c == ']' ? 0 : 1;	/* 0: Linux's palette sequences may follow */
		break;
	case '(': case ')':
		e->state = EM_CHARSET;
		e->charset = c == ')';
		break;
	case '#': e->state = EM_HASH; break;
	case '%': e->state = EM_PERCENT; break;
	case 'c': emulator_reset(e); break;
	case 'D': emulator_line_feed(e); break;
	case 'E': e->x = 0; emulator_line_feed(e); break;
	case 'H': e->tabs[e->x / 8] |= 1 << e->x % 8; break;
	case 'M': reverse_line_feed(e); break;
	case '7': emulator_save(e); break;
	case '8': emulator_restore(e); break;
	case '=': e->app_keypad = true; break;
	case '>': e->app_keypad = false; break;
	case 'Z':
		if (e->reply)
			e->reply(e->arg, "\033[?6c", 5);
		break;
	}
}

/* Parameters and intermediate characters of a control sequence, up to its final character. */
static void csi_byte(struct emulator *e, u8 c)
{
	if (c >= '0' && c <= '9') {
		unsigned *p = &e->params[e->nr_params];
		*p = min(*p * 10 + (c - '0'), 65535U);
	} else if (c == ';' || c == ':') {
		if (e->nr_params < ARRAY_SIZE(e->params) - 1)
			e->nr_params++;
		else
			e->state = EM_CSI_IGNORE;
	} else if (c >= '<' && c <= '?') {
		e->private = c;
	} else if (c >= ' ' && c <= '/') {
		e->intermediate = c;
	} else if (c >= '@' && c <= '~') {
		e->state = EM_GROUND;
		e->nr_params++;
		emulator_csi(e, c);
	} else {
		e->state = EM_GROUND;
	}
}

/* Strings to the terminal are swallowed, but for Linux's palette: ESC ] P nrrggbb sets, ESC ] R resets. */
static void string_byte(struct emulator *e, u8 c)
{
	if (!e->digits && c == 'R') {
		memcpy(e->palette, vga_palette, sizeof(e->palette));
		emulator_set_pen(e);
		e->state = EM_GROUND;
	} else if (!e->digits && c == 'P') {
		e->state = EM_PALETTE;
		e->value = 0;
	} else if (c == 7) {
		e->state = EM_GROUND;
	}
	e->digits += e->state == EM_OSC;
}

static void palette_byte(struct emulator *e, u8 c)
{
	u8 digit = c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : 255;

	if (digit == 255) {
		e->state = EM_GROUND;
		return;
	}
	e->value = e->value << 4 | digit;
	if (++e->digits < 7)
		return;
	e->palette[e->value >> 24 & 15] = e->value & 0xffffff;
	emulator_set_pen(e);
	e->state = EM_GROUND;
}

static void byte(struct emulator *e, u8 c)
{
	if (e->state == EM_OSC || e->state == EM_OSC_ESC) {
		if (e->state == EM_OSC_ESC && c != '\\') {	/* not the end of the string, but a new sequence */
			escape(e, c);
			return;
		}
		if (c == 27 || c == 24 || c == 26 || e->state == EM_OSC_ESC)
			e->state = c == 27 ? EM_OSC_ESC : EM_GROUND;
		else
			string_byte(e, c);
		return;
	}
	if (c < ' ' || c == 0x7f) {
		if (e->utf8_left && e->state == EM_GROUND) {
			e->utf8_left = 0;
			emulator_put(e, 0xfffd);
		}
		control(e, c);
		return;
	}
	switch (e->state) {
	case EM_GROUND: text(e, c); break;
	case EM_ESC: escape(e, c); break;
	case EM_CSI: csi_byte(e, c); break;
	case EM_CSI_IGNORE: e->state = c >= '@' && c <= '~' ? EM_GROUND : EM_CSI_IGNORE; break;
	case EM_CHARSET:
		e->graphics[e->charset] = c == '0';
		e->state = EM_GROUND;
		break;
	case EM_HASH:
		e->state = EM_GROUND;
		if (c == '8')
			alignment(e);
		break;
	case EM_PALETTE: palette_byte(e, c); break;
	default: e->state = EM_GROUND; break;	/* EM_PERCENT: always UTF-8 */
	}
}

void emulator_write(struct emulator *e, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		byte(e, s[i]);
}
