"""k vmas, k pt, k page: address spaces, page tables, frames."""
import gdb

import kfile
from kread import FRAME, PROCESS_BITS, Command, flags, gdb_args, hexadecimal, page_of, table

find_process = None                     # set by cowslip_gdb.py


def mm_of(process):
    for task in kfile.list_entries(process["threads"], "struct task", "thread_node"):
        if int(task["mm"]):
            return task["mm"].dereference()
    return None


def vmas(process):
    mm = mm_of(process)
    for i in range(int(mm["nr_vmas"]) if mm is not None else 0):
        yield mm["vmas"][i].dereference()


VM_BITS = ((7, "GROWSDOWN"), (10, "DONTFORK"), (11, "WIPEONFORK"), (12, "LOCKED"), (13, "NORESERVE"))


def vma_name(vma):
    bits = int(vma["flags"])
    if bits >> 8 & 1:
        return "[stack]"
    if bits >> 9 & 1:
        return "[heap]"
    if not int(vma["mapping"]):
        return "anonymous"
    return kfile.mapping_name(int(vma["mapping"]))


class Vmas(Command):
    """k vmas PID: the mappings of a process: range, permissions (s: shared), size, offset in the file, what is mapped."""

    def __init__(self):
        super().__init__("k vmas", gdb.COMMAND_DATA)

    def run(self, argument):
        args = gdb_args(argument, 1, 1, self)
        process = find_process(int(args[0]))
        if mm_of(process) is None:
            raise gdb.GdbError("it has no address space: a zombie, or the kernel's own")
        for vma in vmas(process):
            bits = int(vma["flags"])
            letters = "".join(letter if bits >> bit & 1 else "-" for bit, letter in enumerate("rwx")) + ("s" if bits >> 3 & 1 else "p")
            more = "".join(" " + name for bit, name in VM_BITS if bits >> bit & 1)
            start, end = int(vma["start"]), int(vma["end"])
            print(f"{start:012x}-{end:012x} {letters} {(end - start) >> 10:7} KiB {int(vma['pgoff']) << 12 if int(vma['mapping']) else 0:8x} {vma_name(vma)}{more}")


LEVELS = ("PTE", "PD", "PDPT", "PML4")


def owners(entry):
    """Who has the page table below this entry (mm/share.c): nothing to say if it is one address space."""
    if not entry & 1 or entry >> 7 & 1 or entry >> 1 & 1:
        return ""
    count = int(page_of((entry & FRAME) >> 12)["own"]["v"]) & 0xffff
    return f" shared: {count} owners" if count > 1 else " was shared: who stores takes it over"


class Pt(Command):
    """k pt ADDRESS [PID]: the walk of the page tables to an address, each level's entry decoded, and the frame at its end. Without
    PID: of the tables that the CPU uses now. (A file's tables: k cache.)

    PRIV: this entry is a holder of its page. EXCL: the page is this address space's alone, whatever RW says. Below an entry without RW, which says
    how many owners the table has (address spaces, and a file that keeps it for its readers), both count as clear."""

    def __init__(self):
        super().__init__("k pt", gdb.COMMAND_DATA)

    def run(self, argument):
        args = gdb_args(argument, 1, 2, self)
        address = hexadecimal(args[0])
        root = int(gdb.parse_and_eval("$cr3")) & FRAME
        if len(args) > 1:
            mm = mm_of(find_process(int(args[1])))
            if mm is None:
                raise gdb.GdbError("it has no address space")
            root = (int(mm["root"]) - 0xffffea0000000000) // 64 << 12
        self.walk(address, root)

    @staticmethod
    def walk(address, entry):
        print(f"{address:#x} in the tables at {entry:#x}")
        for level in (3, 2, 1, 0):
            index = address >> 12 + 9 * level & 511
            entry = table(entry)[index]
            user_leaf = level == 0 and not address >> 63
            print(f"  {LEVELS[level]:4}[{index:3}] {entry:016x} {flags(entry, PROCESS_BITS if user_leaf else ())}"
                  f"{' PS' if level and entry >> 7 & 1 else ''}{owners(entry) if level == 1 and not address >> 63 else ''}")
            if not entry or (level and not entry & 1):
                print("  not mapped" if not entry else "  no table")
                return
            if user_leaf and entry >> 11 & 1 and not entry & 1:
                print(f"  swapped out: area {entry >> 40 & 3}, slot {entry >> 12 & (1 << 28) - 1}")
                return
            if level and entry >> 7 & 1:
                break
        size = 12 + 9 * level
        physical = (entry & FRAME & -(1 << size)) + (address & (1 << size) - 1)
        print(f"  physical address {physical:#x}{'' if entry & 1 else ' (PROT_NONE: kept, not accessible)'}")
        describe(physical >> 12)


def describe(pfn):
    """One frame: what it is and who uses it."""
    if pfn >= int(gdb.parse_and_eval("nr_frames")):
        print(f"  frame {pfn:#x}: not RAM")
        return
    page = page_of(pfn)
    own, kind = int(page["own"]["v"]), int(page["kind"])
    kinds = {field.enumval: field.name for field in gdb.lookup_type("enum page_kind").fields()}
    name = kinds.get(kind, f"kind {kind}").replace("PAGE_", "").lower()
    print(f"  frame {pfn:#x}: {name}; holders {own >> 44}, exclusive pins {own >> 32 & 0xfff}, read pins {own >> 16 & 0xffff}, references {own & 0xffff}")
    if name.startswith("table"):
        print(f"  a table of level {int(page['level'])} ({LEVELS[int(page['level'])]}) with {int(page['live'])} entries")
    elif name == "slab":
        cache = page["slab_cache"].cast(gdb.lookup_type("struct slab_cache").pointer())
        print(f"  of the cache {cache['name'].string()}, objects of {int(cache['size'])} bytes, {int(page['slab_used'])} in use")
    elif name == "free":
        print(f"  first of a free block of {1 << int(page['order'])} frames")
    elif int(page.address) == int(gdb.parse_and_eval("zero_page")):
        print("  the frame of zeroes")


class Page(Command):
    """k page PFN: a frame (by number; hexadecimal with 0x): what it is used for, and its ownership word: holders (entries that own it),
    exclusive and read pins, lifetime references."""

    def __init__(self):
        super().__init__("k page", gdb.COMMAND_DATA)

    def run(self, argument):
        describe(hexadecimal(gdb_args(argument, 1, 1, self)[0]))


COMMANDS = (Vmas, Pt, Page)
