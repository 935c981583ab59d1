"""The ownership oracle of the debug build (mm/ownership.h): it agrees with a machine that works, and notices one that does not."""
import os
import re

import common
from testlib import ROOT, build_kernel, build_variant, check, equal, guest, guest_ok, must, scratch

HOST = False
DEBUG = []                      # the path of the debug build
PROGRAMS = "/usr/lib/cowslip/tests/"


def prepare():
    build_kernel()
    DEBUG.append(build_variant("debug"))


def debug(argv, **options):
    return guest_ok(argv, kernel=DEBUG[0], **options).decode()


def all_ok(text, least):
    """The lines of /proc/check_ownership in the text are all "ok"."""
    lines = re.findall(r"^(?:ok \d+ frames|WRONG).*(?:\nframe .*)*", text, re.M)
    equal([line for line in lines if not line.startswith("ok ")], [], "disagreements")
    check(len(lines) >= least, text[-3000:])


SPOILED = {
    "holder": "holders; own: 2 holders", "table": "T1: a table has as many owners as references", "writable": "an entry that shows it", "shared": "law 1: shared, and somebody may write",
    "lost": "PG2: neither used nor free",
}


def notices():
    """One holder too many, one owner of a table too many, a writable entry that is not EXCL, a shared page that can be written, a lost frame."""
    for what, words in SPOILED.items():
        script = f"echo {what} >/proc/check_ownership; while read line; do echo \"$line\"; done </proc/check_ownership"      # in one process: a fork would change it
        text = guest(["sh", "-c", script], kernel=DEBUG[0], timeout=60)[1].decode()
        check(text.startswith("WRONG: 1 of ") and words in text, f"{what}: {text}")


def agrees_with_programs():
    """After, and during, the programs that share, copy and move memory the most; on one processor and on four."""
    names = ("memory", "process", "filemap", "space", "fsx", "holes", "pipes", "threads")
    look = "cat /proc/check_ownership"
    script = f"mkdir /root/t; cd /root/t; for p in {' '.join(names)}; do ({look}; {look}) & {PROGRAMS}$p >/dev/null 2>&1; wait; {look}; done; sync; {look}; echo 3 >/proc/sys/vm/drop_caches; {look}"
    for smp in (1, 4):
        all_ok(debug(["sh", "-c", script], smp=smp, timeout=300), 3 * len(names) + 2)


def only_in_the_debug_build():
    equal(guest(["cat", "/proc/check_ownership"], kernel=common.kernel_file().replace("/debug/", "/"), timeout=60)[0], 1, "cat's status")


def random_operations(smp, directory, *words):
    """user/randomops.c, on the host's Linux first; then here, with the owners of all frames counted after each operation (or each fourth)."""
    def run():
        with scratch() as place:
            must([os.path.join(ROOT, "build/user/randomops"), *(w for w in words if w not in ("-o", "1", "4")), "1", "2000", place], timeout=100)
        look = int(words[words.index("-o") + 1])
        count = (250 if smp == 1 else 80) * look
        tables = "-l" in words      # few pages make a table that fork shares
        for seed in (1, 2):         # in instructions: the same in each run; and processors that stand still do not keep the host's from who counts
            script = f"mkswap /dev/ram1 >/dev/null; swapon /dev/ram1; randomops {' '.join(words)} {seed} {count} {directory}; cat /proc/check_ownership; cat /proc/vmstat"
            text = debug(["sh", "-c", script], smp=smp, icount=True, mem=64 << 20, append="swap_mb=8" + " share_min=2" * tables, timeout=200)
            check("all right" in text, text)
            all_ok(text, 1)
            for what in ("share", "take", "copy", "template", "attach") * tables:
                check(int(re.search(rf"^table_{what} (\d+)$", text, re.M)[1]) > 2, f"table_{what}: {text}")
        guest_ok(["randomops", *words[2:], "3", str(4000 // smp), directory], smp=smp, mem=128 << 20, append="share_min=2" * tables, timeout=200)
    return run


def failures(kind):
    """user/tests/guest_failures.c: of each operation the first, second, third... allocation, user access, request to the disk fails."""
    def run():
        commands = [f"{PROGRAMS}guest_failures {kind}"] + ([f"{PROGRAMS}guest_failures access exec"] if kind == "access" else [])
        text = debug(["sh", "-c", f"mkdir /root/t; cd /root/t; {' && '.join(commands)}"], mem=96 << 20, timeout=300)
        counts = {name: int(n) for name, n in re.findall(rf"^(\w+): (\d+) failures of {kind}, \d+ seen", text, re.M)}
        check(len(counts) >= 21 and counts["write"] > 0 and counts["read"] > 4 and counts["splice"] > 4, text)
    return run


# For each kind: programs of which something fails in a moment, and in how many places each, or on each path that is new (all: as many in a run as there are). The whole list: ./cowslip soak --only injected.
INJECTED = {
    "alloc": ("new", ("hello", "files", "pipes", "filemap", "process", "threads", "fds", "memory", "signals", "seals")),
    "access": ("new", ("hello", "files", "pipes", "process", "fds", "signals")),
    "kill": (15, ("files", "filemap", "process", "threads", "memory", "pipes", "vmsplice", "timers")),
    "io": ("all", ("hello", "files", "filemap", "holes")),
}


def injected(kind, points, programs, seed=1, smp=1):
    """user/tests/guest_injected.c: whole programs, of which one thing after the other fails; afterwards e2fsck finds nothing."""
    with scratch() as directory:
        image = os.path.join(directory, "image")
        text = debug([PROGRAMS + "guest_injected", kind, str(seed), str(points), *(PROGRAMS + p for p in programs)], mem=128 << 20, smp=smp, icount=True, timeout=600, get=image)
        check(text.endswith("done\n") and "lost" not in text.lower(), text)
        runs = {name: (int(count), int(seen)) for name, count, seen in re.findall(r"^(\w+): (\d+) of .* in (\d+) something failed", text, re.M)}
        if points in ("new", "all"):
            check(all(p in runs for p in programs) and sum(seen for _, seen in runs.values()) >= (30 if kind == "io" else 100), text)
        else:
            check(all(runs[p][1] >= min(runs[p][0], points) * 3 // 4 for p in programs), text)
        if kind != "io":
            must(["e2fsck", "-fn", image])


def injected_test(kind):
    return lambda: injected(kind, *INJECTED[kind])


def tests():
    found = [(f.__name__, f) for f in (notices, agrees_with_programs, only_in_the_debug_build)]
    found += [("random_operations_1", random_operations(1, "/root", "-o", "1")), ("random_operations_1_memory", random_operations(1, "/tmp", "-o", "1")),
              ("random_operations_4", random_operations(4, "/root", "-o", "1", "-w", "3")),
              ("random_operations_4_threads", random_operations(4, "/root", "-o", "4", "-t", "-w", "3")),
              ("random_operations_1_tables", random_operations(1, "/root", "-o", "1", "-l")), ("random_operations_4_tables", random_operations(4, "/tmp", "-o", "4", "-l", "-t", "-w", "3"))]
    return found + [(f"failures_{kind}", failures(kind)) for kind in ("alloc", "access", "io")] + [(f"injected_{kind}", injected_test(kind)) for kind in INJECTED]
