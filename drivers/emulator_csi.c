/* Control sequences of the terminal emulator: CSI parameters final (ECMA-48; console_codes(4)). */
#include "drivers/emulator.h"
#include "kernel/string.h"

/* Parameter i; `def` if it is missing or 0. */
static unsigned param(const struct emulator *e, unsigned i, unsigned def)
{
	return i < e->nr_params && e->params[i] ? e->params[i] : def;
}

/* --- cursor --- */

/* Rows count from the scroll region's top in origin mode, and stay within it. */
static void go_to_row(struct emulator *e, unsigned row, unsigned x)
{
	emulator_goto(e, e->origin ? min(e->top + row, e->bottom) : row, x);
}

/* Up and down stop at the margins of the scroll region if they begin within it. */
static void up(struct emulator *e, unsigned n, unsigned x)
{
	unsigned limit = e->y >= e->top ? e->top : 0;

	emulator_goto(e, e->y - limit > n ? e->y - n : limit, x);
}

static void down(struct emulator *e, unsigned n, unsigned x)
{
	unsigned limit = e->y <= e->bottom ? e->bottom : e->rows - 1;

	emulator_goto(e, limit - e->y > n ? e->y + n : limit, x);
}

static void tabs(struct emulator *e, unsigned n, bool forward)
{
	for (n = min(n, e->cols); n; n--)
		emulator_tab(e, forward);
}

/* --- erasing, inserting, deleting --- */

static void erase_display(struct emulator *e, unsigned how)
{
	unsigned from = how == 0 ? e->y + 1 : 0, to = how == 1 ? e->y : e->rows;

	if (how > 3)
		return;
	for (unsigned y = from; y < to; y++)
		emulator_erase(e, y, 0, e->cols);
	if (how == 0)
		emulator_erase(e, e->y, e->x, e->cols);
	else if (how == 1)
		emulator_erase(e, e->y, 0, e->x + 1);
	e->wrap = false;
}

static void erase_line(struct emulator *e, unsigned how)
{
	if (how <= 2)
		emulator_erase(e, e->y, how == 0 ? e->x : 0, how == 1 ? e->x + 1 : e->cols);
	e->wrap = false;
}

static void insert_cells(struct emulator *e, unsigned n)
{
	struct cell *at = e->line[e->y] + e->x;

	n = min(n, e->cols - e->x);
	memmove(at + n, at, (e->cols - e->x - n) * sizeof(*at));
	emulator_erase(e, e->y, e->x, e->x + n);
	e->wrap = false;
}

static void delete_cells(struct emulator *e, unsigned n)
{
	struct cell *at = e->line[e->y] + e->x;

	n = min(n, e->cols - e->x);
	memmove(at, at + n, (e->cols - e->x - n) * sizeof(*at));
	emulator_erase(e, e->y, e->cols - n, e->cols);
	e->wrap = false;
}

/* Lines, from the cursor's on, within the scroll region only. */
static void move_lines(struct emulator *e, unsigned n, bool insert)
{
	if (e->y < e->top || e->y > e->bottom)
		return;
	n = min(n, e->rows);
	emulator_scroll(e, e->y, e->bottom, insert ? -(int)n : (int)n);
	emulator_goto(e, e->y, 0);
}

static void set_region(struct emulator *e)
{
	unsigned top = param(e, 0, 1), bottom = min(param(e, 1, e->rows), e->rows);

	if (top >= bottom)
		return;
	e->top = top - 1;
	e->bottom = bottom - 1;
	go_to_row(e, 0, 0);
}

/* --- SGR --- */

/* 38 and 48: ;5;N of the palette or ;2;R;G;B. Returns the last parameter used. */
static unsigned extended_colour(const struct emulator *e, unsigned i, u32 *colour)
{
	if (i + 2 < e->nr_params && e->params[i + 1] == 5) {
		*colour = min(e->params[i + 2], 255U);
		return i + 2;
	}
	if (i + 4 < e->nr_params && e->params[i + 1] == 2) {
		*colour = PEN_RGB | min(e->params[i + 2], 255U) << 16 | min(e->params[i + 3], 255U) << 8 | min(e->params[i + 4], 255U);
		return i + 4;
	}
	return e->nr_params;
}

static void attributes(struct emulator *e)
{
	struct pen *p = &e->pen;

	for (unsigned i = 0; i < e->nr_params; i++) {
		unsigned n = e->params[i];
		switch (n) {
		case 0: *p = (struct pen){ .fg = PEN_DEFAULT, .bg = PEN_DEFAULT }; break;
		case 1: p->bold = true; break;
		case 2: p->dim = true; break;
		case 4: case 21: p->underline = true; break;
		case 7: p->reverse = true; break;
		case 22: p->bold = p->dim = false; break;
		case 24: p->underline = false; break;
		case 27: p->reverse = false; break;
		case 30 ... 37: p->fg = n - 30; break;
		case 38: i = extended_colour(e, i, &p->fg); break;
		case 39: p->fg = PEN_DEFAULT; break;
		case 40 ... 47: p->bg = n - 40; break;
		case 48: i = extended_colour(e, i, &p->bg); break;
		case 49: p->bg = PEN_DEFAULT; break;
		case 90 ... 97: p->fg = n - 90 + 8; break;
		case 100 ... 107: p->bg = n - 100 + 8; break;
		}
	}
	emulator_set_pen(e);
}

/* --- modes --- */

static void all_dirty(struct emulator *e)
{
	for (unsigned y = 0; y < e->rows; y++)
		e->dirty[y] = true;
}

static void set_alternate(struct emulator *e, bool on, bool clear)
{
	if (e->alternate == on)
		return;
	e->alternate = on;
	e->line = e->screens[on];
	e->wrap = false;
	if (on && clear)
		for (unsigned y = 0; y < e->rows; y++)
			emulator_erase(e, y, 0, e->cols);
	all_dirty(e);
}

static void dec_mode(struct emulator *e, unsigned mode, bool on)
{
	switch (mode) {
	case 1: e->app_cursor = on; break;
	case 5:
		e->inverted = on;
		all_dirty(e);
		break;
	case 6:
		e->origin = on;
		go_to_row(e, 0, 0);
		break;
	case 7:
		e->autowrap = on;
		e->wrap = false;
		break;
	case 25: e->cursor_visible = on; break;
	case 47: set_alternate(e, on, false); break;
	case 1047: set_alternate(e, on, true); break;
	case 1048:
	case 1049:
		if (on)
			emulator_save(e);
		if (mode == 1049)
			set_alternate(e, on, true);
		if (!on)
			emulator_restore(e);
		break;
	}
}

static void modes(struct emulator *e, bool on)
{
	for (unsigned i = 0; i < e->nr_params; i++) {
		if (e->private == '?')
			dec_mode(e, e->params[i], on);
		else if (e->params[i] == 4)
			e->insert = on;
		else if (e->params[i] == 20)
			e->newline = on;
	}
}

/* --- answers --- */

static void report(struct emulator *e)
{
	char answer[32];
	int n;

	if (!e->reply || e->private)
		return;
	if (e->params[0] == 5) {
		e->reply(e->arg, "\033[0n", 4);
	} else if (e->params[0] == 6) {
		n = ksnprintf(answer, sizeof(answer), "\033[%u;%uR", e->y + 1 - (e->origin ? e->top : 0), e->x + 1);
		e->reply(e->arg, answer, n);
	}
}

/* DECSTR: modes and pen as at the start; the text stays. */
static void soft_reset(struct emulator *e)
{
	e->origin = e->insert = e->app_cursor = e->app_keypad = false;
	e->autowrap = e->cursor_visible = true;
	e->top = 0;
	e->bottom = e->rows - 1;
	e->pen = (struct pen){ .fg = PEN_DEFAULT, .bg = PEN_DEFAULT };
	emulator_set_pen(e);
}

/* The grid: cursor keys and editing. */
static void screen_sequence(struct emulator *e, char final)
{
	unsigned n = param(e, 0, 1);

	switch (final) {
	case '@': insert_cells(e, n); break;
	case 'A': up(e, n, e->x); break;
	case 'B': case 'e': down(e, n, e->x); break;
	case 'C': case 'a': emulator_goto(e, e->y, e->x + n); break;
	case 'D': emulator_goto(e, e->y, e->x > n ? e->x - n : 0); break;
	case 'E': down(e, n, 0); break;
	case 'F': up(e, n, 0); break;
	case 'G': case '`': emulator_goto(e, e->y, n - 1); break;
	case 'H': case 'f': go_to_row(e, n - 1, param(e, 1, 1) - 1); break;
	case 'I': tabs(e, n, true); break;
	case 'J': erase_display(e, e->params[0]); break;
	case 'K': erase_line(e, e->params[0]); break;
	case 'L': move_lines(e, n, true); break;
	case 'M': move_lines(e, n, false); break;
	case 'P': delete_cells(e, n); break;
	case 'S': emulator_scroll(e, e->top, e->bottom, (int)n); break;
	case 'T': emulator_scroll(e, e->top, e->bottom, -(int)n); break;
	case 'X': emulator_erase(e, e->y, e->x, min(e->x + n, e->cols)); break;
	case 'Z': tabs(e, n, false); break;
	case 'd': go_to_row(e, n - 1, e->x); break;
	}
}

void emulator_csi(struct emulator *e, char final)
{
	if (e->intermediate) {
		if (e->intermediate == '!' && final == 'p')
			soft_reset(e);
		return;
	}
	switch (final) {
	case 'h': case 'l':
		modes(e, final == 'h');
		return;
	case 'n':
		report(e);
		return;
	}
	if (e->private)
		return;
	switch (final) {
	case 'b':
		for (unsigned n = min(param(e, 0, 1), e->rows * e->cols); n && e->last; n--)
			emulator_put(e, e->last);
		break;
	case 'c':
		if (e->reply && !e->params[0])
			e->reply(e->arg, "\033[?6c", 5);
		break;
	case 'g':
		if (e->params[0] == 3)
			memset(e->tabs, 0, sizeof(e->tabs));
		else if (!e->params[0])
			e->tabs[e->x / 8] &= ~(1 << e->x % 8);
		break;
	case 'm': attributes(e); break;
	case 'r': set_region(e); break;
	case 's': emulator_save(e); break;
	case 'u': emulator_restore(e); break;
	default: screen_sequence(e, final); break;
	}
}
