"""The benchmarks: no row costs more instructions than the baseline allows; what the commands refuse; their files are well-formed."""
import os
import xml.dom.minidom

from testlib import ROOT, Fail, Skip, build_kernel, check, command, equal
from common import variant

HOST = False
PARALLEL = False                                # build/profile.* are of the last one


def prepare():
    build_kernel()


def tests():
    return [(name, globals()[name]) for name in NAMES]


NAMES = ["baseline", "check_notices", "refuses", "plots", "profile_exact", "profile_boot"]


def baseline():
    """./cowslip bench --check: with another compiler or QEMU than the baseline's it is skipped, with what grew."""
    import benchcheck
    if variant() or os.environ.get("COVERAGE"):
        raise Skip("the baseline is the ordinary build's")
    grown, _, other, binding = benchcheck.compare(*benchcheck.measure())
    if not binding:
        raise Skip("; ".join(other + grown))
    if grown:
        raise Fail("\n".join(grown))


def check_notices():
    """A row 3.1 % above the baseline fails, one of the loose rows does not; a row without a figure fails; less is told."""
    import benchcheck
    head, base = benchcheck.read()
    counts = dict(base)
    grown, shrunk, _, _ = benchcheck.compare(counts, [])
    equal((grown, shrunk), ([], []), "the baseline against itself")
    counts["tmpfs", "pread_4k"] *= 1.031
    counts["tmpfs", "fork_exit_wait"] *= 1.031
    counts["tmpfs", "stat"] *= 0.9
    del counts["tmpfs", "fstat"]
    grown, shrunk, _, _ = benchcheck.compare(counts, [])
    text = "\n".join(grown)
    check("pread_4k" in text and "+3.1 %" in text and "fstat: no figure" in text and "fork_exit_wait" not in text, text)
    check("commits " + head["commit"].rstrip("+") in text, text)
    check(len(shrunk) == 1 and "stat" in shrunk[0], repr(shrunk))


def refuses():
    """Settings that mislead, and words that are none."""
    for words, part in ((["--cpu", "max"], "max,-erms,-fsrm"), (["--smp", "2"], "several processors"), (["no_such_row"], "no row no_such_row"),
                        (["--nonsense"], "no option --nonsense"), (["--check", "--wall"], "one of")):
        status, _, err = command([os.path.join(ROOT, "cowslip"), "bench", *words])
        check(status == 125 and part in err.decode(), f"{words}: {status} {err.decode()}")


def plots():
    """Each plot is a well-formed document, with names that need quoting too."""
    import plot
    flame = ["all", 1, {"<a&b>": ["<a&b>", 7, {}], "c": ["c", 0, {"d": ["d", 5, {}]}]}]
    for svg in (plot.ratios("t", {"tmpfs": {"a": 0.05, "b": 2.5}, "ext2": {"a": 1.0}}), plot.flame("t", flame),
                plot.curves("t", [("n", "x", "y", {"A": [(1, 10), (1000, 20000)], "B": [(1, 5)]})])):
        xml.dom.minidom.parseString(svg)


def profiled(*words):
    status, out, err = command([os.path.join(ROOT, "cowslip"), "profile", "--smp", "1", *words])
    if b"could not load plugin" in err.lower() or b"plugin" in err and b"not" in err and status == 125:
        raise Skip("this QEMU takes no plugins: " + err.decode()[-300:])
    check(status == 0, f"{status} {err.decode()}")
    with open(os.path.join(ROOT, "build/profile.folded"), "rb") as file:
        return out.decode(), file.read()


def profile_exact():
    """Two profiles of one program agree to the byte; its calls are counted, under the functions that made them; context switches keep their paths."""
    out, first = profiled("--", "/bin/kbench", "-b", "2", "-d", "/tmp", "null_syscall", "pipe_pingpong", "signal_self")
    equal(first, profiled("--", "/bin/kbench", "-b", "2", "-d", "/tmp", "null_syscall", "pipe_pingpong", "signal_self")[1], "the second profile")
    xml.dom.minidom.parse(os.path.join(ROOT, "build/profile.svg"))
    calls = {}
    for line in first.decode().splitlines():
        _, n, path = line.split(" ", 2)
        names = path.split(";")
        check(len(names) < 60, "a path that does not end: " + path[:300])
        calls[";".join(names[-5:])] = int(n) + calls.get(";".join(names[-5:]), 0)
    equal(sum(n for path, n in calls.items() if path.endswith("main;b_null;syscall_entry;sys_getppid")), 6000, "calls of sys_getppid by b_null")
    equal(sum(n for path, n in calls.items() if path.endswith("b_pp;syscall_entry;sys_write")), 2400, "calls of write by b_pp, both processes")
    check("sys_rt_sigreturn" in out, out)


def profile_boot():
    """--boot counts from the firmware on; --of gives a function's own part."""
    out, folded = profiled("--boot", "--of", "sys_getppid", "--", "/bin/kbench", "-b", "1", "null_syscall")
    check("4,000 calls of sys_getppid" in out and b"[firmware]" in folded and b"kmain" in folded, out)
