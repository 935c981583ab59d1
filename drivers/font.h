/* The console's font, linked in at build time (tools/mkfont.py makes build/font.asm of a PSF font from a Debian package). */
#pragma once

#include "kernel/types.h"

extern const u32 font_width, font_height, font_count;
extern const u8 font_glyphs[];		/* font_count glyphs of font_height rows, each padded to bytes, leftmost pixel highest */
extern const u32 font_map_count;
extern const struct { u32 ch, glyph; } font_map[];	/* sorted by character */

const u8 *font_glyph(u32 ch);		/* of the character; else of U+FFFD, else of '?' */
