"""What the machine tells, on the host under ASan: ACPI's tables (drivers/acpi_tables.c), made up and damaged, and scan codes (drivers/keymap.c)."""
import os
import struct

from testlib import ROOT, check, collected, command, equal, host_program, must, scratch

HOST = True
TESTS, test = collected()
PROGRAMS = {}


def prepare():
    PROGRAMS["acpi"] = host_program("acpi", "tests/host/acpi.c", "drivers/acpi_tables.c")
    PROGRAMS["keymap"] = host_program("keymap", "tests/host/keymap.c", "drivers/keymap.c")


def tests():
    return TESTS


# ---------------------------------------------------------------- ACPI

def summed(data, at):
    data = bytearray(data)
    data[at] = 0
    data[at] = -sum(data) & 255
    return bytes(data)


def table(signature, body, revision=4):
    return summed(signature + struct.pack("<IBB", 36 + len(body), revision, 0) + b"OEMID OEMTABLE" + struct.pack("<III", 1, 0, 0) + body, 9)


def fadt(*fields, length=268, revision=6):
    body = bytearray(length - 36)
    for at, form, *values in fields:
        struct.pack_into(form, body, at - 36, *values)
    return table(b"FACP", bytes(body), revision)


CPU = [struct.pack("<BBBBI", 0, 8, n, 2 * n, 1) for n in range(4)]
IOAPIC = struct.pack("<BBBBII", 1, 12, 0, 0, 0xFEC00000, 0)
MADT = struct.pack("<II", 0xFEE00000, 1)
S4 = b"\x08_S4_\x12\x06\x04\x0a\x06\x0a\x06\x00\x00"


def s5(package):
    return table(b"DSDT", b"\x10\x30\\\0" + S4 + b"\x08_S5_" + package)


def memory(tables, old=False, rsdp_at=16):
    """A memory with these tables; `old`: ACPI 1.0's RSDT."""
    data, at, where = bytearray(1 << 20 if rsdp_at > 4096 else 8192), 2048, []
    for contents in tables:
        data[at:at + len(contents)] = contents
        where.append(at)
        at += len(contents) + 15 & ~15
    root = table(b"RSDT", struct.pack(f"<{len(where)}I", *where)) if old else table(b"XSDT", struct.pack(f"<{len(where)}Q", *where))
    data[512:512 + len(root)] = root
    rsdp = summed(b"RSD PTR \0OEMID " + bytes([0 if old else 2]) + struct.pack("<I", 512 if old else 0), 8)
    if not old:
        rsdp = summed(rsdp + struct.pack("<IQI", 36, 512, 0), 32)
    data[rsdp_at:rsdp_at + len(rsdp)] = rsdp
    return data


def parse(data):
    with scratch() as d:
        with open(d + "/memory", "wb") as file:
            file.write(data)
        return must([PROGRAMS["acpi"], d + "/memory"]).decode()


def says(data, *lines):
    out = parse(data)
    for line in lines:
        check(line in out.splitlines() or line in out, f"not {line!r}:\n{out}")


@test
def madt():
    overrides = struct.pack("<BBBBIH", 2, 10, 0, 0, 2, 0) + struct.pack("<BBBBIH", 2, 10, 0, 9, 20, 0xF) + struct.pack("<BBBBIH", 2, 10, 1, 3, 30, 0xF)
    off, x2apic = struct.pack("<BBBBI", 0, 8, 9, 9, 2), struct.pack("<BBHIII", 9, 16, 0, 700, 1, 8)
    second = struct.pack("<BBBBII", 1, 12, 1, 0, 0xFEC10000, 24)
    wide = struct.pack("<BBHQ", 5, 12, 0, 0x1FEE00000)
    same = struct.pack("<BBHIII", 9, 16, 0, 2, 1, 1)
    for old in (False, True):
        says(memory([table(b"APIC", MADT + b"".join(CPU[:2]) + off + IOAPIC + second + overrides + wide + x2apic + same)], old),
             "found", "lapic 0x1fee00000 cpus 0 2 700", "ioapic 0xfec00000 from 0", "ioapic 0xfec10000 from 24", "irq 0 is 2", "irq 9 is 20 low level")


@test
def fadt_and_power():
    new = fadt((40, "<I", 2048), (48, "<I", 0xB2), (52, "<B", 0xA0), (64, "<I", 0x604), (68, "<I", 0x704), (76, "<I", 0x608), (108, "<B", 0x32), (109, "<H", 0),
               (112, "<I", 1 << 10 | 1 << 8), (116, "<BBBBQ", 1, 8, 0, 1, 0xCF9), (128, "<B", 6), (172, "<BBBBQ", 0, 16, 0, 2, 0xFED80804))
    out = parse(memory([new, table(b"HPET", bytes(4) + struct.pack("<BBBBQ", 0, 64, 0, 0, 0xFED00000) + bytes(4)), table(b"SSDT", b"\x08\\_S5_\x12\x05\x02\x0a\x05\x0a\x07")]))
    for line in ("pm1a 0 16 0xfed80804", "pm1b 1 16 0x704", "reset 1 8 0xcf9", "timer 1 32 0x608",
                 "reset value 6, century 50, smi 0xb2 160, s5 1 5 7, hpet 0xfed00000", "32bit no8042 "):
        check(line in out.splitlines(), f"not {line!r}:\n{out}")


@test
def old_fadt():
    """ACPI 1.0: a shorter table without flags of the boot architecture."""
    says(memory([fadt((64, "<I", 0x404), length=116, revision=1)], old=True), "pm1a 1 16 0x404", "reset 0 0 0", "found")


@test
def reduced():
    says(memory([fadt((112, "<I", 1 << 20), (244, "<BBBBQ", 1, 8, 0, 1, 0x3F0))]), "sleep 1 8 0x3f0", "reduced no8042 ")


@test
def sleep_types():
    """The forms of small integers, the length of one and of two bytes, and what is no package."""
    for package, want in ((b"\x12\x06\x04\x00\x01\x00\x00", "s5 1 0 1"), (b"\x12\x08\x02\x0b\x05\x00\x0c\x03\x00\x00\x00", "s5 1 5 3"),
                          (b"\x12\x46\x00\x04\x0a\x07\x0a\x07", "s5 1 7 7"), (b"\x12\x04\x01\x0a\x06", "s5 1 6 6"), (b"\x14\x06\x04\x0a", "s5 0 0 0"),
                          (b"\x12\x06\x00", "s5 0 0 0"), (b"\x12\x06\x02\x70\x00", "s5 0 0 0"), (b"\x12", "s5 0 0 0"), (b"\x12\xc6", "s5 0 0 0"), (b"\x12\x05\x02\x0c\x01", "s5 0 0 0")):
        tables = [fadt((140, "<Q", 2048 + 272)), s5(package)]
        says(memory(tables), want)


@test
def found_by_search():
    """In the BIOS' read-only memory, and in the extended data area that 0x40e names."""
    tables = [table(b"APIC", MADT + CPU[1])]
    says(memory(tables, rsdp_at=0xF5A30), "found", "cpus 2")
    low = memory(tables, rsdp_at=0x9FC10)
    struct.pack_into("<H", low, 0x40E, 0x9FC0)
    says(low, "found", "cpus 2")
    says(bytes(1 << 20), "none")


@test
def damaged():
    """Each byte of good tables changed, and the memory cut off anywhere: it ends, and nothing beyond is read (ASan)."""
    good = bytes(memory([table(b"APIC", MADT + CPU[0] + IOAPIC), fadt((140, "<Q", 2500)), table(b"HPET", bytes(20))])[:4096])
    with scratch() as d:
        for at in list(range(16, 52)) + list(range(512, 580, 3)) + list(range(2048, 2424, 17)):
            for value in (0, 0xFF, good[at] ^ 0x10):
                with open(d + "/memory", "wb") as file:
                    file.write(good[:at] + bytes([value]) + good[at + 1:])
                status, _, err = command([PROGRAMS["acpi"], d + "/memory"])
                equal(status, 0, f"byte {at} = {value}: {err[-2000:]}")


@test
def fuzz_corpus():
    """What the fuzzer has found worth keeping."""
    with open(os.path.join(ROOT, "tests/fuzz/corpus/acpi")) as file:
        inputs = [bytes.fromhex(line) for line in file][::4]
    with scratch() as d:
        for data in inputs:
            with open(d + "/memory", "wb") as file:
                file.write(data)
            must([PROGRAMS["acpi"], d + "/memory"])


# ---------------------------------------------------------------- keys

A, Z, Y, Q, E, ENTER, BACKSPACE, TAB, SPACE = 0x1E, 0x2C, 0x15, 0x10, 0x12, 0x1C, 0x0E, 0x0F, 0x39
SHIFT, CTRL, ALT, CAPS, NUM, SCROLL = 0x2A, 0x1D, 0x38, 0x3A, 0x45, 0x46
RIGHT = 0xE000


def codes(*keys):
    """Keys pressed and released, from scan codes; a tuple is held around what follows in it."""
    out = b""
    for key in keys:
        if isinstance(key, tuple):
            out += press(key[0]) + codes(*key[1:]) + release(key[0])
        else:
            out += press(key) + release(key)
    return out


def press(key):
    return (b"\xe0" if key >= RIGHT else b"") + bytes([key & 0x7F])


def release(key):
    return (b"\xe0" if key >= RIGHT else b"") + bytes([key & 0x7F | 0x80])


def typed(data, want, layout="us", modes=0):
    equal(must([PROGRAMS["keymap"], layout, str(modes)], stdin=data).decode(), want, f"{layout} {data.hex(' ')}")


@test
def letters_and_locks():
    typed(codes(A, (SHIFT, A), (0x36, Z), CAPS, A, (SHIFT, A), CAPS, A, 2, (SHIFT, 2)), "aAZAaa1!")
    typed(codes(CAPS, 2, NUM, SCROLL), "1<caps><num><scroll>")
    typed(codes((CTRL, A), (CTRL, SPACE), (CTRL, 0x1A), (CTRL, 0x35), (RIGHT | CTRL, 0x2E), (CTRL, 0x33)), "\x01\0\x1b\x1f\x03")
    typed(codes((ALT, A), (RIGHT | ALT, A), (ALT, (SHIFT, A))), "\x1ba\x1ba\x1bA")


@test
def editing_keys():
    typed(codes(ENTER, BACKSPACE, (CTRL, BACKSPACE), TAB, (SHIFT, TAB), 1, RIGHT | ENTER, RIGHT | 0x35, 0x37, (ALT, BACKSPACE)), "\r\x7f\b\t\x1b[Z\x1b\r/*\x1b\x7f")
    typed(codes(ENTER), "\r\n", modes=4)
    typed(codes(*range(0x3B, 0x45), 0x57, 0x58), "".join(f"\x1b[[{c}" for c in "ABCDE") + "".join(f"\x1b[{n}~" for n in (17, 18, 19, 20, 21, 23, 24)))
    typed(codes(*(RIGHT | c for c in (0x48, 0x50, 0x4B, 0x4D, 0x47, 0x4F, 0x49, 0x51, 0x52, 0x53))),
          "\x1b[A\x1b[B\x1b[D\x1b[C\x1b[1~\x1b[4~\x1b[5~\x1b[6~\x1b[2~\x1b[3~")
    typed(codes(RIGHT | 0x48, RIGHT | 0x47), "\x1bOA\x1b[1~", modes=1)


@test
def keypad():
    typed(codes(0x47, 0x48, 0x4C, 0x4A, 0x4E), "\x1b[1~\x1b[A\x1b[G-+")
    typed(codes(NUM, *range(0x47, 0x54)), "789-456+1230.<num>")


@test
def actions():
    typed(codes((ALT, 0x3B, 0x3E, 0x3F)), "<console 0><console 3>\x1b[[E")
    typed(codes((SHIFT, RIGHT | 0x49, RIGHT | 0x51, 0x49)), "<up><down><up>")
    typed(codes((CTRL, (ALT, RIGHT | 0x53))), "<reboot>")
    typed(b"\xe1\x1d\x45\xe1\x9d\xc5" + codes(A), "a")                     # Pause
    typed(b"\xe0\x2a\xe0\x47\xe0\xc7\xe0\xaa" + codes(A, RIGHT | 0x5B), "\x1b[1~a")     # the shifts around grey keys; a Windows key
    typed(codes(0x59, 0x7E), "")


@test
def german():
    typed(codes(Y, Z, 0x1A, (SHIFT, 0x1A), 0x0C, (SHIFT, 8), CAPS, 0x27, CAPS), "zyüÜß/Ö", "de")
    altgr = RIGHT | ALT
    typed(codes((altgr, Q, E, 8, 9, 10, 11, 12, 0x56, 0x1B, A)), "@€{[]}\\|~", "de")
    typed(codes(0x0D, E, 0x0D, SPACE, 0x0D, Q, (SHIFT, 0x0D), A, 0x29, (SHIFT, 0x16), 0x29, 0x29), "é´´qàÛ^", "de")
    typed(codes(A), "<no layout>a", "fr")
