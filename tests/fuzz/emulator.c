/*
 * The terminal emulator (drivers/emulator.c) on arbitrary bytes: the first two choose the size. Afterwards the cursor and the scroll
 * region are on the screen and no line of the grids is lost or there twice; ASan sees a cell beyond them.
 */
#include "drivers/emulator.h"
#include "fuzz.h"

static u64 kept;
static void scrolled(void *arg, const struct cell *line) { kept += line[0].ch + line[((struct emulator *)arg)->cols - 1].ch; }
static void reply(void *arg, const char *s, size_t n) { FUZZ_CHECK(n && n < 32 && s[0] == 27); }

static void check_lines(const struct emulator *e, const struct cell *cells)
{
	static u8 seen[2 * 64];

	memset(seen, 0, sizeof(seen));
	for (unsigned i = 0; i < 2 * e->rows; i++) {
		size_t at = e->screens[i / e->rows][i % e->rows] - cells;
		FUZZ_CHECK(at % e->cols == 0 && at / e->cols < 2 * e->rows && !seen[at / e->cols]++);
	}
}

int LLVMFuzzerTestOneInput(const u8 *input, size_t length)
{
	struct emulator e;

	if (length < 2)
		return 0;
	unsigned rows = EMULATOR_MIN + input[0] % 30, cols = EMULATOR_MIN + input[1] % 90;
	void *memory = malloc(emulator_memory(rows, cols));
	memset(memory, 0xaa, emulator_memory(rows, cols));
	emulator_init(&e, memory, rows, cols);
	e.scrolled = scrolled;
	e.reply = reply;
	e.arg = &e;
	emulator_write(&e, (const char *)input + 2, length - 2);
	FUZZ_CHECK(e.y < rows && e.x < cols && e.top < e.bottom && e.bottom < rows);
	FUZZ_CHECK(e.line == e.screens[e.alternate]);
	check_lines(&e, (struct cell *)((struct cell **)memory + 2 * rows));
	for (unsigned y = 0; y < rows; y++)
		for (unsigned x = 0; x < cols; x++)
			FUZZ_CHECK(CELL_CHAR(e.line[y][x].ch) <= 0x10ffff && e.line[y][x].fg <= 0xffffff && e.line[y][x].bg <= 0xffffff);
	free(memory);
	return 0;
}
