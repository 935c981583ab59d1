"""The terminal emulator (drivers/emulator*.c) on the host under ASan: known sequences and what the screen then is; and programs, whose
output on a host terminal of 80x25 it must show as the guest's screen does (tests/suite_screen.py)."""
from testlib import command, equal, host_program, must

HOST = True
PROGRAM = None


def prepare():
    build()


def build():
    global PROGRAM
    PROGRAM = host_program("emulator", "tests/host/emulator.c", "drivers/emulator.c", "drivers/emulator_csi.c", "kernel/format.c")


def show(data, rows=6, cols=20, colours=False):
    """(cursor and answers, rows) after these bytes."""
    out = must([PROGRAM, str(rows), str(cols)] + (["colours"] if colours else []), stdin=data).decode()
    lines = out.splitlines()
    return [line for line in lines if not line.startswith("|")], [line[1:] for line in lines if line.startswith("|")]


# name: bytes, (cursor row, column), rows (the rest is blank), and answers
CASES = {
    "text": (b"abc\r\ndef", (1, 3), ["abc", "def"]),
    "wrap_is_late": (b"x" * 20, (0, 19), ["x" * 20]),
    "wrap": (b"x" * 20 + b"y", (1, 1), ["x" * 20, "y"]),
    "wrap_then_return": (b"x" * 20 + b"\ry", (0, 1), ["y" + "x" * 19]),
    "no_autowrap": (b"\x1b[?7l" + b"abcdefghijklmnopqrstuvwxyz", (0, 19), ["abcdefghijklmnopqrsz"]),
    "scroll": (b"1\r\n2\r\n3\r\n4\r\n5\r\n6\r\n7", (5, 1), ["2", "3", "4", "5", "6", "7"]),
    "position": (b"\x1b[3;5Hx\x1b[Hy\x1b[99;99Hz", (5, 19), ["y", "", "    x", "", "", " " * 19 + "z"]),
    "relative": (b"\x1b[3;5H\x1b[Aa\x1b[2Bb\x1b[4Dc\x1b[2Cd", (3, 6), ["", "    a", "", "  c  d"]),
    "erase_line": (b"abcdefgh\x1b[4G\x1b[K\r\nabcdefgh\x1b[4G\x1b[1K\r\nabc\x1b[2K", (2, 3), ["abc", "    efgh", ""]),
    "erase_display": (b"1\r\n2\r\n3\r\n4\x1b[2;1H\x1b[J", (1, 0), ["1"]),
    "erase_above": (b"1\r\n2\r\n3\r\n4\x1b[3;1H\x1b[1J", (2, 0), ["", "", "", "4"]),
    "insert_delete_characters": (b"abcdef\x1b[3G\x1b[2@XY\r\nabcdef\x1b[2G\x1b[3P\r\nabcdef\x1b[2G\x1b[2X", (2, 1), ["abXYcdef", "aef", "a  def"]),
    "insert_mode": (b"abc\r\x1b[4hXY\x1b[4lZ", (0, 3), ["XYZbc"]),
    "insert_delete_lines": (b"1\r\n2\r\n3\r\n4\r\n5\x1b[2;1H\x1b[2L\x1b[5;1H\x1b[M", (4, 0), ["1", "", "", "2", "4"]),
    "scroll_region": (b"1\r\n2\r\n3\r\n4\r\n5\r\n6\x1b[2;4r\x1b[4;1H\na\x1b[r", (0, 0), ["1", "3", "4", "a", "5", "6"]),
    "region_down": (b"1\r\n2\r\n3\r\n4\x1b[2;3r\x1b[2;1H\x1bMa", (1, 1), ["1", "a", "2", "4"]),
    "origin": (b"\x1b[3;5r\x1b[?6h\x1b[1;1Ha\x1b[9;1Hb\x1b[6n", (4, 1), ["", "", "a", "", "b"], [r"reply \033[3;2R"]),
    "save_restore": (b"\x1b[2;3H\x1b7\x1b[Hx\x1b8y", (1, 3), ["x", "  y"]),
    "alternate": (b"main\x1b[?1049h\x1b[Halt\x1b[?1049l!", (0, 5), ["main!"]),
    "alternate_shows": (b"main\x1b[?1049h\x1b[2;1Halt", (1, 3), ["", "alt"]),
    "tabs": (b"a\tb\tc", (0, 17), ["a       b       c"]),
    "tab_stops": (b"\x1b[3g\x1b[5G\x1bH\ra\tb\r\n\x1b[10G\x1b[Zc", (1, 5), ["a   b", "    c"]),
    "utf8": ("äö€😀│".encode(), (0, 5), ["äö€😀│"]),
    "utf8_bad": (b"a\xff\xc3b\xe2\x82c\xc0\x80d\xed\xa0\x80e", None, ["a\ufffd\ufffdb\ufffdc\ufffd\ufffdd\ufffde"]),
    "combining": ("e\u0301x".encode(), (0, 2), ["ex"]),
    "line_drawing": (b"\x1b(0lqk\x1b(Bq\x1b)0\x0ex\x0fx", (0, 6), ["┌─┐q│x"]),
    "answers": (b"\x1b[c\x1b[5n\x1b[2;4H\x1b[6n\x1bZ", (1, 3), [], [r"reply \033[?6c", r"reply \033[0n", r"reply \033[2;4R", r"reply \033[?6c"]),
    "strings_are_swallowed": (b"\x1b]0;title\x07a\x1bPq#x\x1b\\b\x1b]2;t\x1b\\c", (0, 3), ["abc"]),
    "controls_within": (b"a\x1b[\r2;1Hb", (1, 1), ["a", "b"]),
    "cancelled": (b"\x1b[3\x18a\x1b\x1b[2;2Hb", (1, 2), ["a", " b"]),
    "unknown": (b"\x1b[5y\x1b[?999ha\x1b[>c\x1b[1 qb\x1b%Gc", (0, 3), ["abc"]),
    "too_many_parameters": (b"\x1b[" + b"1;" * 40 + b"mx", (0, 1), ["x"]),
    "repeat": (b"-\x1b[5b", (0, 6), ["------"]),
    "reset": (b"abc\x1b[5;5H\x1bcx", (0, 1), ["x"]),
    "alignment": (b"\x1b#8", (0, 0), ["E" * 20] * 6),
    "newline_mode": (b"ab\ncd\x1b[20h\nef", (2, 2), ["ab", "  cd", "ef"]),
}

COLOURS = {
    "sgr": (b"a\x1b[31mb\x1b[1mc\x1b[0;44md\x1b[7me\x1b[m.", "{aaaaaa/000000}a{aa0000/000000}b{ff5555/000000}c{aaaaaa/0000aa}d{0000aa/aaaaaa}e{aaaaaa/000000}."),
    "sgr_256": (b"\x1b[38;5;196ma\x1b[48;5;232mb\x1b[38;2;1;2;3mc", "{ff0000/000000}a{ff0000/080808}b{010203/080808}c"),
    "sgr_bright_underline": (b"\x1b[92ma\x1b[4mb\x1b[24;39mc", "{55ff55/000000}a{55ff55/000000_}b{aaaaaa/000000}c"),
    "erase_keeps_background": (b"\x1b[42m\x1b[Kx\x1b[2G\x1b[0mz", "{aaaaaa/00aa00}x{aaaaaa/000000}z"),
    "palette": (b"\x1b]P1123456\x1b[31ma\x1b]R\x1b[31mb", "{123456/000000}a{aa0000/000000}b"),
}


def case(name):
    def run():
        data, cursor, rows, *answers = CASES[name]
        said, shown = show(data)
        equal(shown, rows + [""] * (6 - len(rows)), name)
        if cursor:
            equal(said[-1], f"cursor {cursor[0]} {cursor[1]}", "cursor")
        equal(said[:-1], answers[0] if answers else [], "answers")
    return run


def colour_case(name):
    def run():
        data, row = COLOURS[name]
        equal(show(data, colours=True)[1][0].split("{aaaaaa/00aa00} ")[0], row, name)
    return run


def hidden_cursor():
    equal(show(b"\x1b[?25l")[0][-1], "cursor 0 0 hidden", "cursor")


def any_size():
    for rows, cols in ((2, 2), (3, 500), (200, 2)):
        status, out, err = command([PROGRAM, str(rows), str(cols)], stdin=b"abc\x1b[99;999Hx\n\n\x1b[9999@\x1b[9999P\x1b[9999X\x1b[9999L\x1b[9999S\t\t\x1b[9Z" * 9)
        equal(status, 0, err)


def tests():
    return ([(name, case(name)) for name in CASES] + [(name, colour_case(name)) for name in COLOURS] +
            [("hidden_cursor", hidden_cursor), ("any_size", any_size)])
