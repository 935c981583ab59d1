"""k cache: the page cache of a file; and names of files, for the other commands."""
import gdb

from kread import CACHE_BITS, FRAME, Command, flags, gdb_args, list_entries, page_of, table


def pointer(address, kind):
    return gdb.Value(address).cast(gdb.lookup_type(kind).pointer())


def dentry_path(dentry, mount=None):
    """The names up to the root of its file system, and beyond if the mount is known."""
    names = []
    for _ in range(64):
        if int(dentry) == int(dentry["parent"]):
            mount = mount or mount_of(dentry)
            if mount is None or not int(mount["parent"]):
                break
            dentry, mount = mount["mountpoint"], mount["parent"].dereference()
            continue
        names.insert(0, dentry["name"].string(errors="replace"))
        dentry = dentry["parent"]
    else:
        names.insert(0, "...")
    if not names and int(dentry["name"]):
        return dentry["name"].string(errors="replace")
    return "/" + "/".join(names)


def mount_of(root):
    for mount in list_entries(gdb.parse_and_eval("mount_list"), "struct mount", "node"):
        if int(mount["root"]) == int(root):
            return mount
    return None


def all_dentries(dentry):
    for child in list_entries(dentry["children"], "struct dentry", "sibling"):
        yield child
        yield from all_dentries(child)


def mapping_name(address):
    """The path of the file whose struct address_space is at that address: by a search of the names in memory."""
    offset = next(f.bitpos // 8 for f in gdb.lookup_type("struct inode").fields() if f.name == "mapping")
    inode = address - offset
    for mount in list_entries(gdb.parse_and_eval("mount_list"), "struct mount", "node"):
        for dentry in all_dentries(mount["root"].dereference()):
            if int(dentry["inode"]) == inode:
                return dentry_path(pointer(int(dentry.address), "struct dentry"), mount)
    device = block_device(address)
    return device or f"mapping {address:#x}"


def block_device(address):
    offset = next(f.bitpos // 8 for f in gdb.lookup_type("struct block_device").fields() if f.name == "mapping")
    devices = gdb.parse_and_eval("'drivers/block.c'::devices")
    for i in range(int(gdb.parse_and_eval("'drivers/block.c'::nr_devices"))):
        if int(devices[i]["dev"]) + offset == address:
            return "/dev/" + devices[i]["dev"]["name"].string()
    return None


def lookup(path):
    """The inode of a path, by the names that are in memory."""
    dentry = gdb.parse_and_eval("root_mount")["root"]
    for name in path.split("/"):
        if int(dentry["mounted"]):
            dentry = dentry["mounted"]["root"]
        if not name:
            continue
        found = [d for d in list_entries(dentry["children"], "struct dentry", "sibling") if d["name"].string(errors="replace") == name]
        if not found:
            raise gdb.GdbError(f"{path}: {name!r} is not among the names in memory")
        dentry = pointer(int(found[0].address), "struct dentry")
    if int(dentry["mounted"]):
        dentry = dentry["mounted"]["root"]
    if not int(dentry["inode"]):
        raise gdb.GdbError(f"{path}: known not to exist")
    return dentry["inode"].dereference()


def slots(entry, level, first=0):
    """(index, entry) of every slot that is not empty, below an entry that points to a table of that level."""
    for i, below in enumerate(table(entry)):
        index = first + (i << 9 * level)
        if below and level:
            yield from slots(below, level - 1, index)
        elif below:
            yield index, below


class Cache(Command):
    """k cache PATH [INDEX]: the cached pages of a file: runs of pages whose entries have the same flags; or the walk to page INDEX.
    PATH must be a name that the kernel has in memory, or `mapping 0xADDRESS` of a struct address_space.

    P: uptodate. D: must be written. A: referenced lately. RW: shared mappings may write through it. LOCKED: the page lock."""

    def __init__(self):
        super().__init__("k cache", gdb.COMMAND_DATA, gdb.COMPLETE_NONE)

    def run(self, argument):
        args = gdb_args(argument, 1, 3, self)
        if args[0] == "mapping":
            mapping = pointer(int(args[1], 16), "struct address_space").dereference()
            args = args[1:]
        else:
            mapping = lookup(args[0])["mapping"]
        root = int(mapping["root"]["v"])
        level = self.level(root)
        print(f"{args[0]}: {int(mapping['size'])} bytes, {int(mapping['nr_pages']['v'])} pages cached, mapped {int(mapping['nr_mapped']['v'])} times, "
              + (f"a table of level {level}" if level is not None else "one slot"))
        if len(args) > 1:
            self.walk(root, level, int(args[1], 0))
        else:
            self.runs(slots(root, level) if level is not None else [(0, root)] if root else [])

    @staticmethod
    def level(root):
        """Of the top table; None: the root is page 0's slot."""
        return int(page_of((root & FRAME) >> 12)["level"]) if root >> 57 & 1 else None

    @staticmethod
    def runs(entries):
        run = None
        for index, entry in entries:
            text = flags(entry, CACHE_BITS)
            if run and run[1] == index - 1 and run[2] == text:
                run[1] = index
                continue
            Cache.show(run)
            run = [index, index, text]
        Cache.show(run)

    @staticmethod
    def show(run):
        if run:
            print(f"  {run[0]}" + (f"-{run[1]}" if run[1] != run[0] else "") + f"  {run[2]}")

    @staticmethod
    def walk(root, level, index):
        entry = root
        print(f"  root       {entry:016x} {flags(entry, CACHE_BITS)}")
        for height in range(level if level is not None else -1, -1, -1):
            slot = index >> 9 * height & 511
            entry = table(entry)[slot]
            print(f"  level {height}[{slot:3}] {entry:016x} {flags(entry, CACHE_BITS)}")
            if not entry:
                return
        import kmemory                  # which imports this file
        kmemory.describe((entry & FRAME) >> 12)


COMMANDS = (Cache,)
