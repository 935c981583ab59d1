"""The root file system: a directory tree staged from busybox and the user programs, made into an ext2 image by mke2fs.

image.root_image() gives the image of a run. Without --with, --root and --put that is the base image, kept in build/root/ and
made again only when something that goes into it has changed. Everything in an image belongs to root, and its times
depend on its contents alone, whoever makes it and when: the same tree gives the same image, byte for byte.
"""
import hashlib
import os
import shutil
import stat
import struct
import subprocess

import debian
from common import BUILD, ROOT, Failure

KiB, MiB = 1 << 10, 1 << 20
DEFAULT_FREE = 64 * MiB
UUID = "c0351195-0000-4000-8000-c0351195c0de"
EPOCH = 1767225600                              # 2026-01-01: the time of everything in the base tree

DIRECTORIES = {                                 # path: mode
    "bin": 0o755, "sbin": 0o755, "lib": 0o755, "lib64": 0o755, "usr": 0o755, "usr/bin": 0o755, "usr/sbin": 0o755,
    "usr/lib": 0o755, "etc": 0o755, "tmp": 0o1777, "dev": 0o755, "proc": 0o555, "root": 0o700, "home": 0o755,
    "mnt": 0o755, "var": 0o755, "var/tmp": 0o1777, "usr/lib/cowslip": 0o755, "usr/lib/cowslip/tests": 0o755,
}
FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\nnobody:x:65534:\n",
    "etc/hostname": "cowslip\n",
    "etc/hosts": "127.0.0.1\tlocalhost cowslip\n",
    "etc/issue": "Cowslip\n",
    "etc/profile": "PS1='\\w # '\nalias ll='ls -l'\n",
    "etc/shells": "/bin/sh\n/bin/ash\n",
    "etc/fstab": "/dev/ram0\t/\text2\trw\t0 1\nproc\t/proc\tproc\trw\t0 0\ntmpfs\t/tmp\ttmpfs\trw\t0 0\n",
}
LINKS = {"usr/bin/env": "../../bin/busybox"}


def busybox():
    """The host's static busybox, and the names of its applets."""
    path = os.environ.get("BUSYBOX") or shutil.which("busybox") or "/bin/busybox"
    try:
        with open(path, "rb") as file:
            head = file.read(4096)
    except OSError as error:
        raise Failure(f"busybox: {path}: {error.strerror} (Debian package busybox-static)")
    offset, size, count = struct.unpack_from("<Q", head, 32) + struct.unpack_from("<HH", head, 54)
    if head[:4] != b"\x7fELF" or any(struct.unpack_from("<I", head, offset + i * size)[0] == 3 for i in range(count)):
        raise Failure(f"{path} is not a statically linked program (Debian package busybox-static)")
    return path


def user_programs():
    """(file on the host, path in the image) of everything built from user/."""
    base = os.path.join(BUILD, "user")
    for folder, where in (("", "bin"), ("tests", "usr/lib/cowslip/tests")):
        directory = os.path.join(base, folder)
        for name in sorted(os.listdir(directory)) if os.path.isdir(directory) else ():
            source = os.path.join(ROOT, "user", folder, name + ".c")
            path = os.path.join(directory, name)
            if os.path.isfile(path) and os.path.isfile(source):
                yield path, "sbin/init" if (folder, name) == ("", "init") else f"{where}/{name}"


class Tree:
    """A staged directory tree: what is put into it lies under self.top, as the image will have it.

    Modes that would keep an ordinary user from reading the staged tree are set in the image afterwards (self.modes).
    """

    def __init__(self, top):
        self.top = top
        self.modes = {}                         # path in the tree: the mode to set in the image
        self.times = {}                         # directory in the tree: its mtime (set last: adding files changes it)
        self.links = {}                         # (device, inode) on the host: staged path, to keep hard links
        self.deferred = []                      # links of a --root over directories that are not empty
        os.makedirs(top)

    def real(self, path, depth=0):
        """The staged path that `path` means inside the tree, all links but the last component followed."""
        if depth > 40:
            raise Failure(f"/{path}: too many symbolic links in the root file system")
        at, parts = "", path.split("/")
        for number, part in enumerate(parts):
            if part in ("", "."):
                continue
            if part == "..":
                at = os.path.dirname(at)
                continue
            child = f"{at}/{part}".lstrip("/")
            staged = os.path.join(self.top, child)
            if number < len(parts) - 1 and os.path.islink(staged):
                target = os.readlink(staged)
                rest = "/".join(parts[number + 1:])
                return self.real((target if target.startswith("/") else f"{at}/{target}") + "/" + rest, depth + 1)
            at = child
        return os.path.join(self.top, at)

    def directory(self, path, mode=0o755, mtime=EPOCH):
        """Make the directory, or take the one that is there, also through a link; parents are made. Returns its path."""
        staged = self.real(path + "/.")
        if not os.path.isdir(staged):
            if os.path.lexists(staged):
                raise Failure(f"/{path} is a file in the root file system and cannot become a directory")
            parent = os.path.dirname(staged)
            if not os.path.isdir(parent):
                self.directory(os.path.relpath(parent, self.top))
            os.mkdir(staged)
        elif mode is None:
            return staged
        name = os.path.relpath(staged, self.top)
        if mode is not None:
            self.set_mode(name, staged, mode, 0o700)
        self.times[name] = mtime
        return staged

    def set_mode(self, name, staged, mode, need):
        os.chmod(staged, mode | need)
        self.modes.pop(name, None)
        if mode & need != need:
            self.modes[name] = mode

    def place(self, path):
        """Make room for a file or link at `path`; returns (its staged path, its name in the tree)."""
        staged = self.real(path)
        parent = os.path.dirname(staged)
        if not os.path.isdir(parent):
            self.directory(os.path.relpath(parent, self.top), mode=None)
        if os.path.isdir(staged) and not os.path.islink(staged):
            raise Failure(f"/{path} is a directory in the root file system: a file cannot replace it")
        if os.path.lexists(staged):
            os.unlink(staged)
        return staged, os.path.relpath(staged, self.top)

    def file(self, path, data, mode=0o644, mtime=EPOCH):
        staged, name = self.place(path)
        with open(staged, "wb") as file:
            file.write(data)
        self.set_mode(name, staged, mode, 0o400)
        os.utime(staged, (mtime, mtime))

    def link(self, path, target):
        staged, _ = self.place(path)
        os.symlink(target, staged)
        os.utime(staged, (EPOCH, EPOCH), follow_symlinks=False)

    def copy(self, host, path, mtime=None):
        """One file of the host (or what a link to it means), with its mode."""
        info = os.stat(host)
        key = (info.st_dev, info.st_ino)
        staged, name = self.place(path)
        if info.st_nlink > 1 and key in self.links and os.path.exists(self.links[key]):
            os.link(self.links[key], staged)
            return
        with open(host, "rb") as source, open(staged, "wb") as target:
            shutil.copyfileobj(source, target, MiB)
        self.links[key] = staged
        self.set_mode(name, staged, stat.S_IMODE(info.st_mode), 0o400)
        when = int(info.st_mtime) if mtime is None else mtime
        os.utime(staged, (when, when))

    def merge(self, host, path=""):
        """The directory `host` over the tree at `path`: directories merge, files replace, links to directories in
        the tree are followed."""
        info = os.stat(host)
        self.directory(path, stat.S_IMODE(info.st_mode) if path else None, int(info.st_mtime))
        for entry in sorted(os.scandir(host), key=lambda e: e.name):
            inside = f"{path}/{entry.name}".lstrip("/")
            if entry.is_symlink():
                self.merge_link(os.readlink(entry.path), inside)
            elif entry.is_dir():
                self.merge(entry.path, inside)
            elif entry.is_file():
                self.copy(entry.path, inside)
            elif stat.S_ISFIFO(entry.stat().st_mode):
                staged, name = self.place(inside)
                os.mkfifo(staged)
                self.set_mode(name, staged, stat.S_IMODE(entry.stat().st_mode), 0o400)
            else:
                raise Failure(f"{entry.path} is neither a file, a directory, a link nor a FIFO")

    def merge_link(self, target, path):
        staged = self.real(path)
        if os.path.isdir(staged) and not os.path.islink(staged):
            self.deferred.append((target, path))        # its target may come later in the same merge
        else:
            self.link(path, target)

    def finish_merge(self):
        """A link where the tree has a directory (a merged-/usr tree: bin -> usr/bin): move what is in it to where the
        link leads, and put the link."""
        for target, path in self.deferred:
            staged = self.real(path)
            where = self.real((target if target.startswith("/") else os.path.dirname(path) + "/" + target) + "/.")
            if os.listdir(staged) and (not os.path.isdir(where) or where.startswith(staged + "/")):
                raise Failure(f"/{path} is a directory in the root file system: the link to {target} cannot replace it")
            for name in os.listdir(staged):
                if os.path.lexists(os.path.join(where, name)):
                    if os.path.isdir(os.path.join(where, name)):
                        raise Failure(f"/{path}/{name} and {target}/{name} are both there: they cannot be merged")
                    os.unlink(os.path.join(staged, name))       # the tree that is merged wins
                else:
                    os.rename(os.path.join(staged, name), os.path.join(where, name))
            os.rmdir(staged)
            self.times.pop(os.path.relpath(staged, self.top), None)
            self.modes.pop(os.path.relpath(staged, self.top), None)
            self.link(path, target)
        self.deferred = []

    def put(self, host, path):
        """--put: one file, or a directory, of the host at `path` of the image."""
        path = path.strip("/")
        if os.path.isdir(host):
            self.merge(host, path)
            self.finish_merge()
            return
        if os.path.isdir(self.real(path + "/.")):
            path = f"{path}/{os.path.basename(host)}".lstrip("/")
        self.copy(host, path)

    def measure(self, block):
        """(bytes needed for the contents in blocks of that size, number of files)"""
        size = files = 0
        for folder, names, others in os.walk(self.top):
            for name in names + others:
                info = os.lstat(os.path.join(folder, name))
                blocks = 0 if stat.S_ISLNK(info.st_mode) and info.st_size < 60 else -(-info.st_size // block)
                if stat.S_ISDIR(info.st_mode):
                    blocks = 1 + len(os.listdir(os.path.join(folder, name))) * 64 // block
                size += (blocks + -(-max(0, blocks - 12) // (block // 4))) * block
                files += 1
        return size, files


def stage_base(top):
    tree = Tree(top)
    for path, mode in DIRECTORIES.items():
        tree.directory(path, mode)
    for path, text in FILES.items():
        tree.file(path, text.encode())
    program = busybox()
    tree.copy(program, "bin/busybox", mtime=EPOCH)
    os.chmod(tree.real("bin/busybox"), 0o755)
    applets = subprocess.run([program, "--list"], capture_output=True, text=True, check=True).stdout.split()
    for name in applets:
        if name != "busybox":
            tree.link(f"bin/{name}", "busybox")
    for path, target in LINKS.items():
        tree.link(path, target)
    programs = list(user_programs())
    for host, path in programs:
        tree.copy(host, path, mtime=EPOCH)
    # Debuggers and profiles read the program on the host; without its symbols the image has a third of the size.
    if programs:
        subprocess.run(["strip", "--preserve-dates", *(tree.real(path) for _, path in programs)], check=True)
    return tree


def make_image(tree, path, size, block, memory):
    """mke2fs over the staged tree; size None: the contents and 64 MiB more (less where the memory is small)."""
    content, files = tree.measure(block)
    inodes = files + 4096
    if size is None:
        need = content + inodes * 256 + MiB
        size = need + DEFAULT_FREE
        if memory and size > memory * 3 // 5:
            size = max(need + 2 * MiB, memory * 3 // 5)
    elif size < content + 16 * MiB:
        inodes = files + max(64, (size - content) // 16384)
    size = -(-size // 4096) * 4096
    for name, mtime in tree.times.items():
        os.utime(os.path.join(tree.top, name), (mtime, mtime))
    command = ["mke2fs", "-q", "-F", "-t", "ext2", "-b", str(block), "-I", "256", "-m", "0", "-N", str(inodes),
               "-O", "none,filetype,sparse_super,large_file", "-L", "cowslip", "-U", UUID,
               "-E", f"root_owner=0:0,hash_seed={UUID}", "-d", tree.top, path, f"{size // 1024}k"]
    environment = dict(os.environ, E2FSPROGS_FAKE_TIME=str(EPOCH), MKE2FS_CONFIG="/dev/null", LC_ALL="C")
    made = subprocess.run(command, capture_output=True, text=True, errors="replace", env=environment)
    if made.returncode != 0:
        text = "\n".join(line for line in made.stderr.splitlines() if line.strip() and "Warning:" not in line)
        if "allocate" in text or "too small" in text or "No space" in text or "reserved" in text:
            text += f"\n(the contents need about {-(-content // MiB)} MiB, the file system has {size / MiB:.3g} MiB: --size)"
        raise Failure(f"mke2fs: {text}")
    with open(path, "r+b") as image:
        normalise(image)
    if tree.modes:
        set_modes(tree, path)


def normalise(image):
    """Every inode belongs to root, and its other times are its mtime: the host's owners, ctime and atime stay outside."""
    image.seek(1024)
    superblock = image.read(1024)
    blocks, first_data, log_block = (struct.unpack_from("<I", superblock, o)[0] for o in (4, 20, 24))
    per_group, inodes_per_group = (struct.unpack_from("<I", superblock, o)[0] for o in (32, 40))
    inode_size = struct.unpack_from("<H", superblock, 88)[0]
    block = 1024 << log_block
    groups = -(-(blocks - first_data) // per_group)
    image.seek((first_data + 1) * block)
    descriptors = image.read(groups * 32)
    for group in range(groups):
        bitmap_at, table_at = struct.unpack_from("<II", descriptors, group * 32 + 4)
        image.seek(bitmap_at * block)
        bitmap = image.read(-(-inodes_per_group // 8))
        image.seek(table_at * block)
        table = bytearray(image.read(inodes_per_group * inode_size))
        for number in range(inodes_per_group):
            mode = struct.unpack_from("<H", table, number * inode_size)[0]
            if not bitmap[number // 8] & 1 << number % 8 or not mode:
                continue
            at = number * inode_size
            mtime = table[at + 16:at + 20]
            table[at + 2:at + 4] = table[at + 24:at + 26] = b"\0\0"             # i_uid, i_gid
            table[at + 120:at + 124] = b"\0\0\0\0"                              # their upper halves
            table[at + 8:at + 12] = table[at + 12:at + 16] = mtime              # i_atime, i_ctime
            if inode_size > 128:
                extra = struct.unpack_from("<H", table, at + 128)[0]
                table[at + 132:at + 128 + extra] = bytes(extra - 4)             # nanoseconds, i_crtime
                if extra >= 20:
                    table[at + 144:at + 148] = mtime
        image.seek(table_at * block)
        image.write(table)


def set_modes(tree, path):
    """Modes that the staged copy could not have."""
    commands = []
    for name, mode in tree.modes.items():
        kind = stat.S_IFMT(os.lstat(os.path.join(tree.top, name)).st_mode)
        quoted = name.replace("\\", "\\\\").replace('"', '""')
        commands.append(f'sif "/{quoted}" mode 0{kind | mode:o}\n')
    done = subprocess.run(["debugfs", "-w", "-f", "/dev/stdin", path], input="".join(commands), capture_output=True,
                          text=True, errors="replace", env=dict(os.environ, E2FSPROGS_FAKE_TIME=str(EPOCH)))
    errors = [line for line in done.stderr.splitlines() if not line.startswith("debugfs ")]
    if errors:
        raise Failure(f"debugfs: {errors[0]}")


def fingerprint(size, block, memory):
    """What the base image depends on."""
    digest = hashlib.sha256(repr((size, block, memory)).encode())
    for path in [os.path.abspath(__file__), busybox()] + [host for host, _ in user_programs()]:
        info = os.stat(path)
        digest.update(f"{path}\0{info.st_size}\0{info.st_mtime_ns}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()[:16]


def base_image(size, block, memory):
    """The base image of that size, from the cache or made now. The caller holds the build lock."""
    cache = os.path.join(BUILD, "root")
    image = os.path.join(cache, f"base-{fingerprint(size, block, memory)}.img")
    if not os.path.exists(image):
        os.makedirs(cache, exist_ok=True)
        keep = sorted((e.stat().st_mtime, e.path) for e in os.scandir(cache) if e.name.endswith(".img"))
        for _, old in keep[:-3]:                # a few sizes in use at a time stay
            for path in (old, old + ".gz"):
                if os.path.exists(path):
                    os.unlink(path)
        stage = image + ".stage"
        remove(stage)
        try:
            make_image(stage_base(stage), image + ".new", size, block, memory)
            os.rename(image + ".new", image)
        finally:
            remove(stage)
    return image


def custom_image(directory, packages, roots, puts, size, block, memory):
    """The base tree with the --with packages, --root directories and --put files over it, made in `directory`."""
    stage, image = os.path.join(directory, "stage"), os.path.join(directory, "root.img")
    tree = stage_base(stage)
    try:
        for package in (name for names in packages for name in names.split(",")):
            debian.bring(tree, package)
        for host in roots:
            if not os.path.isdir(host):
                raise Failure(f"--root {host}: not a directory")
            tree.merge(host)
            tree.finish_merge()
        for host, path in puts:
            tree.put(host, path)
        make_image(tree, image, size, block, memory)
    except OSError as error:
        raise Failure(f"{error.filename}: {error.strerror}")
    finally:
        remove(stage)
    return image


def remove(tree):
    """rm -rf, also of directories without the write permission."""
    for folder, names, _ in os.walk(tree):
        for name in names:
            if not os.path.islink(os.path.join(folder, name)):
                os.chmod(os.path.join(folder, name), 0o700)
    shutil.rmtree(tree, ignore_errors=True)


def root_image(directory, options):
    """The root image of a run as directory/root.img. The caller holds the build lock."""
    if options.packages or options.roots or options.puts:
        return custom_image(directory, options.packages, options.roots, options.puts, options.size, options.block, options.mem)
    base = base_image(options.size, options.block, small_memory(options))
    path = os.path.join(directory, "root.img")
    try:
        os.link(base, path)                     # the cache may drop its name meanwhile
    except OSError:
        shutil.copyfile(base, path)
    return path


def small_memory(options):
    """The memory, where it decides the image's default size; otherwise None, so that runs share one base image."""
    return options.mem if options.size is None and options.mem < 256 * MiB else None
