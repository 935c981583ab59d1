"""A console font (PSF 1 or 2, maybe gzipped) as NASM source for drivers/font.h: mkfont.py FONT.psf.gz >font.asm

Formats: kbd's psf.h. Glyphs are kept with their rows padded to bytes; the Unicode table becomes a sorted list of
(character, glyph), sequences of several characters are left out.
"""
import gzip
import struct
import sys


def read(path):
    with open(path, "rb") as file:
        data = file.read()
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


def psf1(data):
    mode, height = data[2], data[3]
    count = 512 if mode & 1 else 256
    glyphs, table = data[4:4 + count * height], data[4 + count * height:]
    if not mode & 2:
        return 8, height, glyphs, {c: c for c in range(256)}
    characters, glyph, sequence = {}, 0, False
    for (value,) in struct.iter_unpack("<H", table[:len(table) & ~1]):
        if value == 0xFFFF:
            glyph, sequence = glyph + 1, False
        elif value == 0xFFFE:
            sequence = True
        elif not sequence:
            characters.setdefault(value, glyph)
    return 8, height, glyphs, characters


def psf2(data):
    _, header, flags, count, size, height, width = struct.unpack_from("<7I", data, 4)
    glyphs, table = data[header:header + count * size], data[header + count * size:]
    if not flags & 1:
        return width, height, glyphs, {c: c for c in range(min(count, 256))}
    characters = {}
    for glyph, record in enumerate(table.split(b"\xff")[:count]):
        for c in record.split(b"\xfe")[0].decode("utf-8", "replace"):
            characters.setdefault(ord(c), glyph)
    return width, height, glyphs, characters


def load(path):
    """(width, height, the bytes of all glyphs, {character: glyph})"""
    data = read(path)
    if data[:2] == b"\x36\x04":
        return psf1(data)
    if data[:4] == b"\x72\xb5\x4a\x86":
        return psf2(data)
    sys.exit(f"{path} is no PSF font")


def main():
    width, height, glyphs, characters = load(sys.argv[1])
    print("; made by tools/mkfont.py")
    print("section .rodata align=8\nglobal font_width, font_height, font_count, font_glyphs, font_map_count, font_map")
    print(f"font_width: dd {width}\nfont_height: dd {height}\nfont_count: dd {len(glyphs) // (height * ((width + 7) // 8))}")
    print(f"font_map_count: dd {len(characters)}\nfont_map:")
    for character, glyph in sorted(characters.items()):
        print(f"\tdd {character}, {glyph}")
    print("font_glyphs:")
    for at in range(0, len(glyphs), 16):
        print("\tdb " + ", ".join(str(byte) for byte in glyphs[at:at + 16]))
    print("section .note.GNU-stack noalloc noexec nowrite progbits")


if __name__ == "__main__":
    main()
