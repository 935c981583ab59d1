#include "drivers/font.h"

/* Glyph number, or -1. */
static int find(u32 ch)
{
	u32 low = 0, high = font_map_count;

	while (low < high) {
		u32 middle = (low + high) / 2;
		if (font_map[middle].ch == ch)
			return (int)font_map[middle].glyph;
		if (font_map[middle].ch < ch)
			low = middle + 1;
		else
			high = middle;
	}
	return -1;
}

const u8 *font_glyph(u32 ch)
{
	static const u32 stand_ins[] = { 0xfffd, '?' };
	int glyph = find(ch);

	for (unsigned i = 0; glyph < 0 && i < ARRAY_SIZE(stand_ins); i++)
		glyph = find(stand_ins[i]);
	return font_glyphs + max(glyph, 0) * font_height * DIV_UP(font_width, 8);
}
