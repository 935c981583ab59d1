/* The kernel's terminal emulator as a filter: emulator ROWS COLS [colours] <bytes >grid. Prints the answers to the program, the cursor and the rows. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/emulator.h"

static void reply(void *arg, const char *s, size_t n)
{
	(void)arg;
	printf("reply ");
	for (size_t i = 0; i < n; i++)
		printf(s[i] < ' ' ? "\\%03o" : "%c", s[i]);
	printf("\n");
}

static void put_utf8(unsigned c)
{
	if (c < 0x80)
		putchar((int)c);
	else if (c < 0x800)
		printf("%c%c", 0xc0 | c >> 6, 0x80 | (c & 63));
	else if (c < 0x10000)
		printf("%c%c%c", 0xe0 | c >> 12, 0x80 | (c >> 6 & 63), 0x80 | (c & 63));
	else
		printf("%c%c%c%c", 0xf0 | c >> 18, 0x80 | (c >> 12 & 63), 0x80 | (c >> 6 & 63), 0x80 | (c & 63));
}

static void print_row(const struct emulator *e, unsigned y, int colours)
{
	unsigned end = e->cols;
	const struct cell *line = e->line[y];

	while (end && CELL_CHAR(line[end - 1].ch) == ' ')
		end--;
	printf("|");
	for (unsigned x = 0; x < end; x++) {
		if (colours && (!x || line[x].fg != line[x - 1].fg || line[x].bg != line[x - 1].bg || (line[x].ch ^ line[x - 1].ch) & CELL_UNDERLINE))
			printf("{%06x/%06x%s}", line[x].fg, line[x].bg, line[x].ch & CELL_UNDERLINE ? "_" : "");
		put_utf8(CELL_CHAR(line[x].ch));
	}
	printf("\n");
}

int main(int argc, char **argv)
{
	struct emulator e;
	unsigned rows = (unsigned)atoi(argv[1]), cols = (unsigned)atoi(argv[2]);
	void *memory = malloc(emulator_memory(rows, cols));
	char buffer[4096];
	size_t n;

	emulator_init(&e, memory, rows, cols);
	e.reply = reply;
	while ((n = fread(buffer, 1, sizeof(buffer), stdin)))
		emulator_write(&e, buffer, n);
	printf("cursor %u %u%s\n", e.y, e.x, e.cursor_visible ? "" : " hidden");
	for (unsigned y = 0; y < rows; y++)
		print_row(&e, y, argc > 3);
	free(memory);
	return 0;
}
