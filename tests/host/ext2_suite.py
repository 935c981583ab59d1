"""ext2 on the host: fs/ext2 with the real page cache on images made by mke2fs; e2fsck and debugfs judge what comes back."""
import os
import re
import zlib

from testlib import BUILD, Fail, check, command, must, scratch

HOST = True
PROGRAM = os.path.join(BUILD, "host", "ext2test")
BIG = 8 << 20       # contents of longer (sparse) files are compared by the program, not through debugfs


def prepare():
    must(["make", "-s", "-j2", "-f", "tests/host/ext2.mk", "WERROR=1"], timeout=600)


def make_tree(top):
    os.makedirs(f"{top}/dir/deep/deeper")
    os.makedirs(f"{top}/empty")
    for i in range(300):
        with open(f"{top}/dir/file-number-{i}", "w") as f:
            f.write(f"contents {i}\n" * (i % 7))
    with open(f"{top}/big", "wb") as f:
        f.write(bytes((i * 7 + i // 1000) & 255 for i in range(700000)))
    with open(f"{top}/sparse", "wb") as f:
        f.seek(300000)
        f.write(b"end")
    os.symlink("dir/file-number-1", f"{top}/short-link")
    os.symlink("x" * 200, f"{top}/long-link")


def make_image(folder, *options, size="8M", tree=True):
    source = os.path.join(folder, "tree")
    if not os.path.isdir(source):
        os.mkdir(source)
        if tree:
            make_tree(source)
    image = os.path.join(folder, "image")
    must(["mke2fs", "-q", "-F", "-t", "ext2", "-E", "root_owner=0:0", *options, "-d", source, image, size])
    return image


def run(folder, test, image, *options):
    out, manifest = os.path.join(folder, "out"), os.path.join(folder, "manifest")
    env = dict(os.environ, EXT2_IMAGE=image, EXT2_OUT=out, EXT2_MANIFEST=manifest)
    status, stdout, stderr = command([PROGRAM, test, *options], timeout=60, env=env)
    if status:
        text = re.sub(rb"\n  last switches:.*", b"", stdout) + stderr
        raise Fail(f"{test} {' '.join(options)}: status {status}\n{text.decode('utf-8', 'replace')[:4000]}")
    return out, manifest


def fsck(image):
    status, out, err = command(["e2fsck", "-fn", image])
    text = (out + err).decode("utf-8", "replace")
    if status or "not cleanly" in text:
        raise Fail(f"e2fsck -fn gives {status}:\n{text[:3000]}")
    state = must(["dumpe2fs", "-h", image]).decode()
    check(re.search(r"Filesystem state: +clean\n", state), "the image is not marked clean")


def debugfs(image, folder, commands):
    script = os.path.join(folder, "commands")
    with open(script, "w") as f:
        f.write("\n".join(commands) + "\n")
    return must(["debugfs", "-f", script, image]).decode("utf-8", "replace")


def compare(image, manifest, folder):
    """Type, mode, owner, links, size and contents of everything, as debugfs sees them, with what the model says."""
    want = {}
    with open(manifest) as f:
        for line in f:
            path, mode, uid, gid, links, size, rest = line.rstrip("\n").split("\t")
            want[path] = (int(mode, 8), int(uid), int(gid), int(links), int(size), rest[:8], rest[8:])
    dirs = [path for path, entry in want.items() if entry[0] >> 12 == 4]
    text = debugfs(image, folder, [f'ls -p "{path or "/"}"' for path in dirs])
    got, current = {}, iter(dirs)
    for line in text.splitlines():
        if line.startswith("debugfs: ls"):
            folder_path = next(current)
        elif line.startswith("/"):
            _, ino, mode, uid, gid, name, size, _ = line.split("/")
            path = "" if name == "." and not folder_path else folder_path if name == "." else f"{folder_path}/{name}"
            if name != ".." and ino != "0":
                got[path] = (int(mode, 8), int(uid), int(gid), int(size or 0))
    got = {p: e for p, e in got.items() if p != "/lost+found" or p in want}
    missing, extra = set(want) - set(got), set(got) - set(want)
    check(not missing and not extra, f"debugfs misses {sorted(missing)[:5]}, and has {sorted(extra)[:5]} too many")
    for path, entry in want.items():
        kind = entry[0] >> 12
        expect = (*entry[:3], got[path][3] if kind == 4 else entry[4])
        check(got[path] == expect, f"{path}: debugfs says {got[path]}, want {expect}")
    files = [(p, e) for p, e in want.items() if e[0] >> 12 == 8 and e[4] < BIG]
    dumped = [os.path.join(folder, f"dump{i}") for i in range(len(files))]
    debugfs(image, folder, [f'dump "{p}" "{d}"' for (p, _), d in zip(files, dumped)])
    for (path, entry), dump in zip(files, dumped):
        with open(dump, "rb") as f:
            crc = zlib.crc32(f.read())
        os.unlink(dump)
        check(f"{crc:08x}" == entry[5], f"{path}: contents differ")
    others = [(p, e) for p, e in want.items() if e[0] >> 12 != 4]
    stats = debugfs(image, folder, [f'stat "{p}"' for p, _ in others]).split("debugfs: stat ")[1:]
    for (path, entry), stat in zip(others, stats):
        check(f"Links: {entry[3]} " in stat, f"{path}: links differ, want {entry[3]}")
        if entry[6] and entry[4] < 60:
            check(f'Fast link dest: "{entry[6]}"' in stat, f"{path}: target differs")


def revision_0():
    """mke2fs of Debian 13 has another word for it."""
    return ("-E", "revision=0") if b"removed" in command(["mke2fs", "-r", "0"])[2] else ("-r", "0")


KINDS = {
    "1k": ("-b", "1024"), "2k": ("-b", "2048"), "4k": ("-b", "4096"), "rev0": (*revision_0(), "-b", "1024"),
    "small_inodes": ("-b", "1024", "-I", "128", "-O", "none,filetype"), "many_groups": ("-b", "1024", "-g", "1024"),
}


def reading(kind):
    def test():
        with scratch() as folder:
            out, manifest = run(folder, "ext2_read", make_image(folder, *KINDS[kind]))
            fsck(out)
            compare(out, manifest, folder)
    return test


def random(kind, *options, size="8M", tree=True, extra=()):
    def test():
        for seed in (1, 2):
            with scratch() as folder:
                image = make_image(folder, *KINDS[kind], *extra, size=size, tree=tree)
                out, manifest = run(folder, "ext2_random", image, f"seed={seed}", *options)
                fsck(out)
                compare(out, manifest, folder)
    return test


def tasks(kind):
    def test():
        for seed in range(1, 7):
            with scratch() as folder:
                out, _ = run(folder, "ext2_tasks", make_image(folder, *KINDS[kind]), f"seed={seed}")
                fsck(out)
    return test


def plain(test, kind):
    def body():
        with scratch() as folder:
            out, _ = run(folder, test, make_image(folder, *KINDS[kind]))
            fsck(out)
    return body


def make_small(folder, block_size):
    source = os.path.join(folder, "tree")
    os.makedirs(f"{source}/d1/d2/d3")
    os.makedirs(f"{source}/d4")
    for i in range(1, 7):
        with open(f"{source}/d1/f{i}", "w") as f:
            f.write("".join(f"{n}\n" for n in range(i * 2000)))
    os.symlink("foo", f"{source}/d4/short")
    os.symlink("y" * 90, f"{source}/d4/long")
    with open(f"{source}/d4/sparse", "wb") as f:
        f.seek(70 << 20)
        f.write(b"end")
    return make_image(folder, "-b", block_size, "-N", "64", size="1M")


def trouble(test, block_size, seeds, whole=False, options=()):
    def body():
        for seed in range(1, seeds + 1):
            with scratch() as folder:
                out, _ = run(folder, test, make_small(folder, block_size), f"seed={seed}", *options)
                if whole:
                    fsck(out)
    return body


def tests():
    found = [(f"read_{kind}", reading(kind)) for kind in KINDS]
    found += [(f"random_{kind}", random(kind)) for kind in KINDS]
    found += [(f"no_space_{kind}", random(kind, "enospc=1", "steps=600", size="1M", tree=False, extra=("-N", "128"))) for kind in ("1k", "4k")]
    found += [("sync_without_unmount", random("4k", "umount=0"))]
    found += [(f"tasks_{kind}", tasks(kind)) for kind in ("1k", "4k", "many_groups")]
    found += [(f"times_{kind}", plain("ext2_times", kind)) for kind in ("1k", "small_inodes")]
    found += [(f"many_names_{kind}", plain("ext2_many_names", kind)) for kind in ("1k", "4k")]
    found += [("mounting", plain("ext2_mounting", "1k")), ("clean_1k", plain("ext2_clean", "1k")), ("clean_4k", plain("ext2_clean", "4k"))]
    for size in ("1024", "4096"):
        found += [(f"fuzz_{size}", trouble("ext2_fuzz", size, 3)), (f"io_errors_{size}", trouble("ext2_io_errors", size, 4)),
                  (f"no_memory_{size}", trouble("ext2_no_memory", size, 8, whole=True))]
    return found
