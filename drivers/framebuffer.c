/*
 * The framebuffer that the boot loader set up, 24 or 32 bits a pixel. It is written to only, never read: reads of such memory
 * are a thousand times slower. Rows of pixels are written from left to right, so that writes combine.
 */
#include "boot/bootinfo.h"
#include "drivers/font.h"
#include "drivers/screen.h"
#include "kernel/printk.h"

#define RUN 64			/* cells whose glyphs are looked up together */

static u8 *pixels;
static u32 pitch, bytes;	/* of a line; of a pixel */
static u8 red, green, blue;
static struct screen screen = { .name = "framebuffer" };

static u32 pixel_of(u32 rgb)
{
	return (rgb >> 16 & 255) << red | (rgb >> 8 & 255) << green | (rgb & 255) << blue;
}

/* A line of one cell's glyph; the end of what was written. */
static u8 *draw_line32(u8 *at, const u8 *bits, u32 fg, u32 bg)
{
	u32 *p = (u32 *)at;

	for (u32 x = 0; x < font_width; x++)
		*p++ = bits[x / 8] & 0x80 >> x % 8 ? fg : bg;
	return (u8 *)p;
}

static u8 *draw_line24(u8 *at, const u8 *bits, u32 fg, u32 bg)
{
	for (u32 x = 0; x < font_width; x++, at += 3) {
		u32 v = bits[x / 8] & 0x80 >> x % 8 ? fg : bg;
		at[0] = v;
		at[1] = v >> 8;
		at[2] = v >> 16;
	}
	return at;
}

static void draw_run(unsigned row, unsigned col, const struct cell *cells, unsigned n)
{
	static const u8 underline[4] = { 0xff, 0xff, 0xff, 0xff };
	u32 width = DIV_UP(font_width, 8), fg[RUN], bg[RUN];
	const u8 *glyph[RUN];

	for (unsigned i = 0; i < n; i++) {
		glyph[i] = font_glyph(CELL_CHAR(cells[i].ch));
		fg[i] = pixel_of(cells[i].fg);
		bg[i] = pixel_of(cells[i].bg);
	}
	for (u32 y = 0; y < font_height; y++) {
		u8 *at = pixels + (u64)(row * font_height + y) * pitch + (u64)col * font_width * bytes;
		for (unsigned i = 0; i < n; i++) {
			const u8 *bits = cells[i].ch & CELL_UNDERLINE && y == font_height - 2 ? underline : glyph[i] + y * width;
			at = bytes == 4 ? draw_line32(at, bits, fg[i], bg[i]) : draw_line24(at, bits, fg[i], bg[i]);
		}
	}
}

static void draw(unsigned row, unsigned col, const struct cell *cells, unsigned n)
{
	for (unsigned done = 0; done < n; done += RUN)
		draw_run(row, col + done, cells + done, min(n - done, (unsigned)RUN));
}

/* What the boot loader says must make sense: a picture of less than 1 GiB, lines that are long enough. */
static bool sane(void)
{
	u32 width = boot_info.framebuffer.width, height = boot_info.framebuffer.height, bits = boot_info.framebuffer.bits;

	return boot_info.framebuffer.address && !boot_info.framebuffer.text && (bits == 24 || bits == 32) &&
		width >= font_width * 20 && height >= font_height * 5 && width <= 16384 && height <= 16384 &&
		boot_info.framebuffer.pitch >= width * (bits / 8) && boot_info.framebuffer.pitch <= 1 << 17 &&
		boot_info.framebuffer.red <= 24 && boot_info.framebuffer.green <= 24 && boot_info.framebuffer.blue <= 24;
}

const struct screen *framebuffer_init(void)
{
	if (!sane())
		return NULL;
	pitch = boot_info.framebuffer.pitch;
	bytes = boot_info.framebuffer.bits / 8;
	red = boot_info.framebuffer.red;
	green = boot_info.framebuffer.green;
	blue = boot_info.framebuffer.blue;
	pixels = ioremap_wc(boot_info.framebuffer.address, (u64)pitch * boot_info.framebuffer.height);
	if (!pixels)
		return NULL;
	screen.cols = min(boot_info.framebuffer.width / font_width, (u32)EMULATOR_MAX_COLS);
	screen.rows = min(boot_info.framebuffer.height / font_height, (u32)EMULATOR_MAX_ROWS);
	screen.draw = draw;
	printk("screen: framebuffer at %lx, %u x %u pixels of %u bits, %u x %u characters\n", boot_info.framebuffer.address,
	       boot_info.framebuffer.width, boot_info.framebuffer.height, boot_info.framebuffer.bits, screen.cols, screen.rows);
	return &screen;
}
