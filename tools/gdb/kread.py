"""Reading the kernel's memory: what all commands share."""
import struct

import gdb

DIRECT = 0xffff888000000000             # mm/layout.h
PAGES = 0xffffea0000000000
FRAME = 0x000ffffffffff000


class Command(gdb.Command):
    """A command that reads the kernel's memory, by run(argument)."""

    def invoke(self, argument, from_tty):
        try:
            self.run(argument)
        except gdb.MemoryError as error:
            raise gdb.GdbError(f"{error}: before `break kmain`, `continue` the kernel is not mapped")


def words(address, count):
    """That many 64-bit words."""
    return struct.unpack(f"<{count}Q", gdb.selected_inferior().read_memory(address, 8 * count).tobytes())


def table(entry):
    """The 512 entries of the table that an entry points to."""
    return words(DIRECT + (entry & FRAME), 512)


def page_of(pfn):
    return gdb.Value(PAGES + 64 * pfn).cast(gdb.lookup_type("struct page").pointer()).dereference()


def symbol(address):
    text = gdb.execute(f"info symbol {address:#x}", to_string=True).split(" in section")[0].strip()
    return "?" if text.startswith("No symbol") else text.replace(" ", "")


def list_entries(head, kind, field):
    """The structures of a struct list_head list, the one at `head`."""
    kind = gdb.lookup_type(kind)
    offset = next(f.bitpos // 8 for f in kind.fields() if f.name == field)
    node = head["next"]
    while int(node) != int(head.address):
        yield gdb.Value(int(node) - offset).cast(kind.pointer()).dereference()
        node = node["next"]


def gdb_args(argument, low, high, command):
    """The words of a command's argument; too few or too many: its help."""
    args = gdb.string_to_argv(argument)
    if not low <= len(args) <= high:
        raise gdb.GdbError(command.__doc__)
    return args


def hexadecimal(word):
    """An expression of GDB's, or a number that may lack its 0x."""
    try:
        value = gdb.parse_and_eval(word)
    except gdb.error:
        return int(word, 16)
    return int(value.address if value.type.code == gdb.TYPE_CODE_FUNC else value) & (1 << 64) - 1


BITS = ((0, "P"), (1, "RW"), (2, "US"), (3, "PWT"), (4, "PCD"), (5, "A"), (6, "D"), (8, "G"), (63, "NX"))
PROCESS_BITS = ((9, "PRIV"), (10, "EXCL"), (11, "SWAP"))                                             # mm/table.h
CACHE_BITS = ((52, "LOCKED"), (53, "WRITEBACK"), (54, "ERROR"), (55, "COW"), (56, "DIRTY_BELOW"), (57, "TABLE"))


def flags(entry, extra=()):
    return " ".join(name for bit, name in BITS + tuple(extra) if entry >> bit & 1) or "0"
