#!/usr/bin/env python3
"""Which tool finds which seeded bug (tests/bugs.py), in how many schedules: the table of docs/seeded-bugs.md.

usage: tools/seeded.py [--update] [--missing] [NAME|TOOL]...

--update writes docs/seeded-bugs.md: the rows of these bugs, or all, each as soon as it is known; --missing: only bugs that have no row there.
"""
import os
import re
import shlex
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tests"))
import mutate  # noqa: E402
from bugs import BUGS  # noqa: E402
from testlib import BUILD, ROOT, Fail, must  # noqa: E402
from common import VARIANTS  # noqa: E402
from runner import ERROR  # noqa: E402

PAGE = os.path.join(ROOT, "docs", "seeded-bugs.md")
TREE = os.path.join(BUILD, "seeded")       # a copy of the source for the kernels that are built with a bug
TOOLS = {"all": "all schedules", "random": "random schedules", "explore": "explored in QEMU", "explore2": "explored in QEMU, 2 CPUs", "debug": "debug build", "program": "in QEMU",
         "pairs": "hosted pairs", "qpairs": "pairs in QEMU", "randomops": "random operations"}
SCHEDULES = 10000


def hosted(name, edits, test, tool="all"):
    """(schedules until it was found, what the tool said), or None."""
    status, text = mutate.find(name, edits, tool, test, SCHEDULES, timeout=600)
    if not status:
        return None
    found = re.search(r"found after (\d+) schedules(?:, with (\d+) preemptions)?", text)
    said = re.search(r"^FAIL: (.*)$|ERROR: AddressSanitizer: (\S+)|runtime error: (.*)", text, re.M)
    said = next(group for group in said.groups() if group) if said else f"status {status}"
    count = f"{found[1]}" + (f" ({found[2]} preemption{'' if found[2] == '1' else 's'})" if found[2] else "") if found else "1"
    return count, said


def put(path, text):
    """Write a file of the copy, if that changes it: make looks at times."""
    path = os.path.join(TREE, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "a+b") as file:
        file.seek(0)
        if file.read() != text:
            file.truncate(0)
            file.write(text)


def copy_source():
    for path in must(["git", "ls-files"], cwd=ROOT).decode().splitlines():
        if os.path.isfile(os.path.join(ROOT, path)):
            with open(os.path.join(ROOT, path), "rb") as file:
                put(path, file.read())
            os.chmod(os.path.join(TREE, path), os.stat(os.path.join(ROOT, path)).st_mode)


def run(tree, words, options, limit):
    """(status, output) of a program on the kernel of a source tree; 124: it did not end."""
    done = subprocess.run(["./cowslip", "run", "--timeout", str(limit), *options, "--", *words], cwd=tree, stdin=subprocess.DEVNULL, capture_output=True)
    text = (done.stdout + done.stderr).decode("utf-8", "replace")
    if done.returncode == ERROR:
        raise Fail(f"nothing was run: {text[-2000:]}")
    return done.returncode, text


def run_broken(edits, words, options, limit):
    """run() on the copy's kernel with the edits."""
    copy_source()
    for path, text in mutate.changed(edits).items():
        put(path, text.encode())
    built = subprocess.run(["make", "-s", "-j2"] + [word for name, words in VARIANTS.items() if f"--{name}" in options for word in (f"BUILD=build/{name}", *words)], cwd=TREE, capture_output=True)
    if built.returncode:
        raise Fail(built.stderr.decode("utf-8", "replace")[-2000:])
    return run(TREE, words, options, limit)


passed = set()              # what the kernel without a bug, built where this file is, has passed


def must_pass(name, words, options, limit):
    """The same must pass without the bug, in the same time, or the failure says nothing."""
    if (*options, *words) not in passed:
        status, text = run(ROOT, words, options, limit)
        if status:
            raise Fail(f"{name}: without the bug it fails too (status {status}): {text.strip()[-300:]}")
        passed.add((*options, *words))


def in_qemu(name, edits, words, options, limit=240, says=r"FAIL .*?: (.*)|(PANIC.*)", number=r"schedule (\d+)", first=1):
    """As hosted(): run a program on a kernel with the edits. `says` and `number` find in the output what it says, and which schedule it was, the first being 0."""
    status, text = run_broken(edits, words, options, limit)
    if not status:
        return None
    must_pass(name, words, options, limit)
    found = re.search(number, text)
    said = re.search(says + r"|panic: (.*)", text)
    said = next(group for group in said.groups() if group) if said else f"status {status}: " + (f"not over after {limit} s" if status == 124 else text.strip().split("\n")[-1])
    return str(int(found[1]) + first) if found else "-", said.strip(": ")


def explored(name, edits, test):
    return in_qemu(name, edits, ["/bin/scenario", test, str(SCHEDULES), "1"], ["--icount", "--append", "sched=explore:1"])


def explored2(name, edits, test):
    return in_qemu(name, edits, ["/bin/scenario", test, str(SCHEDULES), "1"], ["--icount", "--smp", "2", "--append", "sched=explore:1"])


def debug(name, edits, test):
    return in_qemu(name, edits, shlex.split(test), ["--debug"])


def program(name, edits, test):
    """A function of a test program (tests/bugs_programs.py): it fails by itself, panics, or a deadlock is ended after 20 s (of the guest)."""
    words = shlex.split(test)
    script = ["sh", "-c", f"mkdir /root/t && cd /root/t && INV_SECONDS=20 exec /usr/lib/cowslip/tests/{words[0]} {words[1]}"]
    return in_qemu(name, edits, script, words[2:], 90, r"FAIL (.*)|FAILED \S+ (.*: signal \d+)|PANIC: (.*)")


def pairs(name, edits, test):
    return hosted(name, edits, test, "pairs")


def qpairs(name, edits, test):
    a, b, *options = shlex.split(test)
    return in_qemu(name, edits, ["/bin/pairs", a, b, "2000", "1", "/root"], ["--icount", "--mem", "64M", "--append", "sched=explore:1", *options])


def randomops(name, edits, test):
    words = shlex.split(test)
    n = 4 if words[0] == "-l" else 3
    script = f"mkswap /dev/ram1 >/dev/null; swapon /dev/ram1; exec randomops -o 1 {' '.join(words[:n])}"
    return in_qemu(name, edits, ["sh", "-c", script], ["--debug", "--mem", "64M", "--append", "swap_mb=8 share_min=2", *words[n:]], number=r"operation (\d+)", first=0)


FINDERS = {"pairs": pairs, "qpairs": qpairs, "randomops": randomops, "program": program, "all": hosted, "random": hosted, "explore": explored, "explore2": explored2, "debug": debug}


def read_page():
    """(what is before the table, {name: row})"""
    with open(PAGE) as file:
        head, _, table = file.read().partition("| bug |")
    return head, {line.split(" ")[1]: line for line in table.splitlines()[2:]}


def write_row(name, row):
    """Into the page, or over the bug's old row; the order is that of bugs.py."""
    head, rows = read_page()
    rows[name] = row
    with open(PAGE, "w") as file:
        file.write(head + "| bug | what it is | tool: test | schedules until found | it says |\n|---|---|---|---|---|\n" +
                   "".join(rows[bug[0]] + "\n" for bug in BUGS if bug[0] in rows))


def main():
    names = [word for word in sys.argv[1:] if not word.startswith("-")]
    known = read_page()[1] if "--missing" in sys.argv else {}
    found = missed = 0
    mutate.prepare()
    for name, what, edits, tool, test in BUGS:
        if name in known or (names and name not in names and tool not in names):
            continue
        start = time.monotonic()
        try:
            result = FINDERS[tool](name, edits, test)
        except Fail as fail:
            result = None
            print(fail)
        found, missed = found + (result is not None), missed + (result is None)
        count, said = result or ("not found", "")
        print(f"{name}: {count}: {said[:150]} ({time.monotonic() - start:.1f} s)", flush=True)
        if "--update" in sys.argv:
            write_row(name, f"| {name} | {what} | {TOOLS[tool]}: {test} | {count} | {said[:110].replace('|', '/')} |")
    print(f"{found} found, {missed} not")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
