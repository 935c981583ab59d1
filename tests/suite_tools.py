"""The tools themselves: the root image, the symbol table, the include arrows, sparse, the build without warnings."""
import os
import stat
import subprocess

from testlib import ROOT, Fail, check, command, equal, must, scratch

HOST = True


def prepare():
    must(["make", "-s", "-j2", "user"], timeout=300)


def tests():
    return [(name, function) for name, function in globals().items() if name in NAMES]


NAMES = ["objects_without_warnings", "include_arrows", "sparse", "symbol_table", "image_base", "image_is_reproducible",
         "image_merge", "image_merge_usr", "image_conflicts", "image_put", "image_modes", "image_sizes", "grub_quoting"]


def objects_without_warnings():
    """Every file of the kernel compiles with -Werror, in a fresh object folder."""
    with scratch() as d:
        must(["make", "-s", "-j2", "-k", f"BUILD={d}", "WERROR=1", "objs"], timeout=300)


def include_arrows():
    must(["make", "-s", "check-includes"])


def sparse():
    must(["make", "-s", "sparse"], timeout=200)


def symbol_table():
    """Functions only, sorted, one name for an address; NASM's local labels and start-up code stay out."""
    nm = (b"0000000000100000 t boot\nffffffff80102000 T late\nffffffff80101000 t early.isra.0\nffffffff80101000 T early\n"
          b"ffffffff80101800 t entry.local\nffffffff80103000 D data\n                 U x\n")
    text = must(["python3", "tools/mksyms.py"], stdin=nm).decode()
    check("ksyms_count:    dd 2\n" in text, text)
    check(text.index("0x101000") < text.index("0x102000"), text)
    check('"early", 0' in text and '"late", 0' in text and "local" not in text and "boot" not in text, text)


# ---------------------------------------------------------------- images

def make(directory, roots=(), puts=(), size=24 << 20, block=4096):
    """A root image of the base tree with those over it; e2fsck finds nothing."""
    import image
    run = os.path.join(directory, f"run{len(os.listdir(directory))}")
    os.mkdir(run)
    path = image.custom_image(run, [], list(roots), list(puts), size, block, 512 << 20)
    must(["e2fsck", "-fn", path])
    return path


def debugfs(path, *requests):
    status, out, err = command(["debugfs", "-R", " ".join(requests), path])
    return out.decode()


def names(path, folder):
    """{name: (mode, uid, gid, size)} of a folder in the image."""
    found = {}
    for line in debugfs(path, "ls -p", folder).splitlines():
        fields = line.split("/")
        if len(fields) > 6 and fields[5] not in (".", ".."):
            found[fields[5]] = (int(fields[2], 8), int(fields[3]), int(fields[4]), int(fields[6] or 0))
    return found


def content(path, name):
    return debugfs(path, "cat", name)


def write(directory, name, text, mode=0o644):
    path = os.path.join(directory, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, mode)
    return path


def fails(function, words):
    from common import Failure
    try:
        function()
    except Failure as failure:
        check(words in str(failure), f"{words!r} not in {failure}")
        return
    raise Fail(f"no error that says {words!r}")


def image_base():
    """What the issue asks for is there, and root's; a link for every applet."""
    with scratch() as d:
        path = make(d)
        top = names(path, "/")
        for name in "bin sbin lib lib64 usr etc tmp dev proc root".split():
            check(name in top, f"no /{name}")
            check(stat.S_ISDIR(top[name][0]) and top[name][1:3] == (0, 0), f"/{name}: {top[name]}")
        equal(top["tmp"][0], 0o41777, "mode of /tmp")
        applets = set(must(["busybox", "--list"]).decode().split())
        binaries = names(path, "/bin")
        check(applets <= set(binaries), f"applets without a link: {applets - set(binaries)}")
        equal({v[1:3] for v in binaries.values()}, {(0, 0)}, "owners in /bin")
        check("root:x:0:0:" in content(path, "/etc/passwd") and "nobody" in content(path, "/etc/passwd"), "passwd")
        check("root:x:0:" in content(path, "/etc/group") and "nobody" in content(path, "/etc/group"), "group")


def image_is_reproducible():
    with scratch() as d:
        tree = os.path.join(d, "tree")
        write(tree, "a/b", "text")
        one, two = (open(make(d, [tree]), "rb").read() for _ in range(2))
        check(one == two, "two images of one tree differ")


def image_merge():
    """Directories merge, files replace, a link to a directory in the base is followed, links and hard links stay."""
    with scratch() as d:
        first, second = os.path.join(d, "first"), os.path.join(d, "second")
        write(first, "etc/hostname", "one\n", 0o4755)
        write(first, "real/x", "x")
        os.symlink("real", os.path.join(first, "alias"))
        write(second, "etc/hostname", "two\n", 0o600)
        write(second, "alias/y", "y")
        os.symlink("y", os.path.join(second, "alias/z"))
        os.link(os.path.join(second, "alias/y"), os.path.join(second, "hard"))
        path = make(d, [first, second])
        equal(content(path, "/etc/hostname"), "two\n", "the later --root wins")
        equal(names(path, "/etc")["hostname"][0], 0o100600, "its mode")
        check("passwd" in names(path, "/etc"), "the base's files stay")
        equal(set(names(path, "/real")), {"x", "y", "z"}, "a link to a directory is followed")
        check(stat.S_ISLNK(names(path, "/")["alias"][0]), "the link stays a link")
        check(stat.S_ISLNK(names(path, "/real")["z"][0]), "links are copied as links")
        check("Links: 2" in debugfs(path, "stat", "/hard"), "hard links stay")


def image_merge_usr():
    """A merged-/usr tree over the base: bin becomes a link and what was in /bin moves to where it leads."""
    with scratch() as d:
        tree = os.path.join(d, "tree")
        write(tree, "usr/bin/tool", "tool", 0o755)
        os.symlink("usr/bin", os.path.join(tree, "bin"))
        path = make(d, [tree])
        check(stat.S_ISLNK(names(path, "/")["bin"][0]), "/bin is the link")
        check({"tool", "busybox", "sh"} <= set(names(path, "/usr/bin")), "/usr/bin has both")


def image_conflicts():
    with scratch() as d:
        over = os.path.join(d, "over")
        write(over, "etc", "a file over a directory")
        fails(lambda: make(d, [over]), "is a directory")
        under = os.path.join(d, "under")
        write(under, "etc/passwd/x", "a directory over a file")
        fails(lambda: make(d, [under]), "is a file")
        loop = os.path.join(d, "loop")
        os.mkdir(loop)
        os.symlink("round", os.path.join(loop, "round"))
        fails(lambda: make(d, [loop], [(write(d, "f", ""), "/round/x")]), "too many symbolic links")


def image_put():
    """Parents are made, the mode is kept, a link at PATH is replaced, a directory takes the file in."""
    with scratch() as d:
        program = write(d, "prog", "program", 0o751)
        path = make(d, puts=[(program, "/a/b/c"), (program, "/bin/sh"), (program, "/etc")])
        equal(names(path, "/a/b")["c"], (0o100751, 0, 0, 7), "/a/b/c")
        equal(content(path, "/bin/sh"), "program", "/bin/sh")
        check(names(path, "/bin")["busybox"][3] > 100000, "busybox was written over")
        equal(content(path, "/etc/prog"), "program", "/etc/prog")


def image_modes():
    """Modes that forbid their owner everything arrive too."""
    with scratch() as d:
        tree = os.path.join(d, "tree")
        write(tree, "closed/in side/f \"q\"", "x", 0o200 if os.geteuid() == 0 else 0o400)
        os.chmod(os.path.join(tree, "closed/in side"), 0o2555)
        os.chmod(os.path.join(tree, "closed"), 0o555)
        path = make(d, [tree])
        os.chmod(os.path.join(tree, "closed"), 0o755)
        os.chmod(os.path.join(tree, "closed/in side"), 0o755)
        equal(names(path, "/")["closed"][0], 0o40555, "closed")
        equal(names(path, "/closed")["in side"][0], 0o42555, "in side")
        equal(names(path, '"/closed/in side"')['f "q"'][0], 0o100200 if os.geteuid() == 0 else 0o100400, "f")


def image_sizes():
    """--size is the whole; the default leaves 64 MiB free; block sizes; what does not fit says so."""
    import image
    with scratch() as d:
        for block in (1024, 2048, 4096):
            equal(os.path.getsize(make(d, size=16 << 20, block=block)), 16 << 20, f"size with blocks of {block}")
        path = make(d, size=None)
        head = must(["dumpe2fs", "-h", path]).decode()
        free = next(int(line.split()[-1]) for line in head.splitlines() if line.startswith("Free blocks:"))
        check(64 << 20 <= free * 4096 < 72 << 20, f"{free} free blocks")
        fails(lambda: make(d, size=1 << 20), "--size")
        big = write(d, "big", "x" * (25 << 20))
        fails(lambda: make(d, puts=[(big, "/big")]), "--size")


def grub_quoting():
    """GRUB's own lexer, grub-script-check, and the words as a POSIX shell sees them, which quotes alike."""
    import iso
    words = ["a=b", "c=$x;|&{}<>#", "it's", "\\", "\"", "é"]
    quoted = iso.grub_words(" ".join(words))
    equal(must(["sh", "-c", f"printf '%s\\n' {quoted}"]).decode().split("\n")[:-1], words, "words")
    with scratch() as d:
        path = write(d, "grub.cfg", f"multiboot2 /k {quoted}\n")
        must(["grub-script-check", path])
