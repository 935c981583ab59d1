/*
 * VGA text memory: 80 x 25 characters of code page 437, 16 colours. Used where there is no framebuffer and a VGA is in text mode
 * (its graphics controller says so: a UEFI machine's is not).
 */
#include "boot/bootinfo.h"
#include "drivers/acpi.h"
#include "drivers/screen.h"
#include "kernel/cpu.h"
#include "kernel/printk.h"

#define TEXT_MEMORY 0xb8000UL
#define GRAPHICS 0x3ce		/* graphics controller: index, data */
#define CRTC 0x3d4

/* Code page 437 from 0x80 on, and what stands below 0x20. */
static const u16 high[128] = {
	0x00c7, 0x00fc, 0x00e9, 0x00e2, 0x00e4, 0x00e0, 0x00e5, 0x00e7, 0x00ea, 0x00eb, 0x00e8, 0x00ef, 0x00ee, 0x00ec, 0x00c4, 0x00c5,
	0x00c9, 0x00e6, 0x00c6, 0x00f4, 0x00f6, 0x00f2, 0x00fb, 0x00f9, 0x00ff, 0x00d6, 0x00dc, 0x00a2, 0x00a3, 0x00a5, 0x20a7, 0x0192,
	0x00e1, 0x00ed, 0x00f3, 0x00fa, 0x00f1, 0x00d1, 0x00aa, 0x00ba, 0x00bf, 0x2310, 0x00ac, 0x00bd, 0x00bc, 0x00a1, 0x00ab, 0x00bb,
	0x2591, 0x2592, 0x2593, 0x2502, 0x2524, 0x2561, 0x2562, 0x2556, 0x2555, 0x2563, 0x2551, 0x2557, 0x255d, 0x255c, 0x255b, 0x2510,
	0x2514, 0x2534, 0x252c, 0x251c, 0x2500, 0x253c, 0x255e, 0x255f, 0x255a, 0x2554, 0x2569, 0x2566, 0x2560, 0x2550, 0x256c, 0x2567,
	0x2568, 0x2564, 0x2565, 0x2559, 0x2558, 0x2552, 0x2553, 0x256b, 0x256a, 0x2518, 0x250c, 0x2588, 0x2584, 0x258c, 0x2590, 0x2580,
	0x03b1, 0x00df, 0x0393, 0x03c0, 0x03a3, 0x03c3, 0x00b5, 0x03c4, 0x03a6, 0x0398, 0x03a9, 0x03b4, 0x221e, 0x03c6, 0x03b5, 0x2229,
	0x2261, 0x00b1, 0x2265, 0x2264, 0x2320, 0x2321, 0x00f7, 0x2248, 0x00b0, 0x2219, 0x00b7, 0x221a, 0x207f, 0x00b2, 0x25a0, 0x00a0,
};
static const u16 low[32] = {
	0, 0x263a, 0x263b, 0x2665, 0x2666, 0x2663, 0x2660, 0x2022, 0x25d8, 0x25cb, 0x25d9, 0x2642, 0x2640, 0x266a, 0x266b, 0x263c,
	0x25ba, 0x25c4, 0x2195, 0x203c, 0x00b6, 0x00a7, 0x25ac, 0x21a8, 0x2191, 0x2193, 0x2192, 0x2190, 0x221f, 0x2194, 0x25b2, 0x25bc,
};

static volatile u16 *text;
static struct screen screen = { .name = "VGA text", .rows = 25, .cols = 80 };

static u8 code_of(u32 ch)
{
	if (ch >= 0x20 && ch < 0x7f)
		return ch;
	for (unsigned i = 0; i < ARRAY_SIZE(high); i++)
		if (high[i] == ch)
			return 0x80 + i;
	for (unsigned i = 1; i < ARRAY_SIZE(low); i++)
		if (low[i] == ch)
			return i;
	return ch == 0x25c6 ? 4 : '?';
}

/* The nearest of the VGA's colours, which has blue lowest: by which of the three are there, and how strong. */
static u8 colour_of(u32 rgb)
{
	u8 r = rgb >> 16, g = rgb >> 8, b = rgb, rg = max(r, g), most = max(rg, b);
	u8 colour = (r > most / 2 ? 4 : 0) | (g > most / 2 ? 2 : 0) | (b > most / 2 ? 1 : 0);

	if (most < 0x30)
		return 0;
	if (r == 0xaa && g == 0x55 && !b)
		return 6;		/* brown */
	if (colour == 7 && most < 0x80)
		return 8;		/* dark grey */
	return colour | (most > 0xd0 ? 8 : 0);
}

static void draw(unsigned row, unsigned col, const struct cell *cells, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		text[row * screen.cols + col + i] = code_of(CELL_CHAR(cells[i].ch)) | colour_of(cells[i].fg) << 8 | (colour_of(cells[i].bg) & 7) << 12;
}

static u8 read_register(u16 port, u8 index)
{
	outb(port, index);
	return inb(port + 1);
}

static void write_register(u16 port, u8 index, u8 value)
{
	outb(port, index);
	outb(port + 1, value);
}

/* Text mode: the memory is mapped at b8000, the graphics bit is off. Without a VGA everything reads as ones. */
static bool in_text_mode(void)
{
	return !acpi.no_vga && (read_register(GRAPHICS, 6) & 0x0f) >> 2 == 3 && !(read_register(GRAPHICS, 6) & 1);
}

const struct screen *vgatext_init(void)
{
	if (!boot_info.framebuffer.text && !in_text_mode())
		return NULL;
	text = ioremap(TEXT_MEMORY, 80 * 25 * 2);
	if (!text)
		return NULL;
	write_register(CRTC, 0x0a, 0x20);	/* the hardware's cursor off: ours is an inverted cell */
	screen.draw = draw;
	printk("screen: VGA text, 80 x 25 characters\n");
	return &screen;
}
