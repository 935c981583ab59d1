"""./cowslip coverage: which lines of the kernel the tests execute.

The tests run on a copy of the work tree that is built with gcc's line counters (COVERAGE=1): the hosted tests write
theirs as every program does; the kernel's are read out of the stopped machine's memory at the end of each run, also after a
panic or a timeout (collect(), called by the runner), so that the kernel has no code for it. gcov gives both their lines; a
line counts as executed if it was in either.
"""
import array
import collections
import fcntl
import glob
import json
import os
import re
import shutil
import struct
import subprocess
import sys

from common import BUILD, ROOT, Failure

FOLDERS = ("kernel", "mm", "fs", "drivers")
REASONS = os.path.join(ROOT, "tests/coverage.reasons")
DOCUMENT = os.path.join(ROOT, "docs/coverage.md")
WORK = os.path.join(BUILD, "coverage")
ENABLED = bool(os.environ.get("COVERAGE"))
KERNEL_BASE = 0xFFFFFFFF80000000


# ---------------------------------------------------------------- the counters of an ELF file

class Elf:
    """What is needed of the kernel's file: bytes at an address, the addresses of some symbols."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.data = file.read()
        headers, = struct.unpack_from("<Q", self.data, 32)
        size, count = struct.unpack_from("<HH", self.data, 54)
        self.segments = []                      # (address, file offset, bytes in the file)
        for at in range(headers, headers + size * count, size):
            kind, _, offset, address, _, length = struct.unpack_from("<IIQQQQ", self.data, at)
            if kind == 1:
                self.segments.append((address, offset, length))
        names = subprocess.run(["nm", path], capture_output=True, text=True, check=True).stdout
        self.symbols = {line.split()[2]: int(line.split()[0], 16) for line in names.splitlines() if len(line.split()) == 3}

    def read(self, address, form):
        for start, offset, length in self.segments:
            if start <= address < start + length:
                return struct.unpack_from("<" + form, self.data, offset + address - start)
        raise Failure(f"coverage: {address:#x} is not in the kernel's file")

    def text(self, address):
        start, offset, _ = next(s for s in self.segments if s[0] <= address < s[0] + s[2])
        at = offset + address - start
        return self.data[at:self.data.index(b"\0", at)].decode()


Function = collections.namedtuple("Function", "ident lines cfg count address")


def objects(elf):
    """(name of the .gcda file, version, stamp, checksum, functions) of each object, as struct gcov_info of GCC 12 to 14 has it."""
    start, end = elf.symbols["gcov_info_start"], elf.symbols["gcov_info_end"]
    for at in range(start, end, 8):
        info, = elf.read(at, "Q")
        version, _, stamp, checksum, name = elf.read(info, "I4xQIIQ")
        major = 10 * ((version >> 24) - ord("A")) + ((version >> 16 & 0xFF) - ord("0"))
        if not 12 <= major <= 14:
            raise Failure(f"coverage: the counters of gcc {major} have another form (12 to 14 are known)")
        merges = 8 if major < 14 else 9
        count, functions = elf.read(info + 32 + 8 * merges, "I4xQ")
        found = []
        for i in range(count):
            function, = elf.read(functions + 8 * i, "Q")
            if function:
                _, ident, lines, cfg, number, address = elf.read(function, "QIII4xI4xQ")
                found.append(Function(ident, lines, cfg, number, address))
        yield elf.text(name), version, stamp, checksum, found


def gcda(version, stamp, checksum, functions, counts):
    """A .gcda file; counts(function) gives its numbers."""
    out = struct.pack("<4I", 0x67636461, version, stamp, checksum) + struct.pack("<4I", 0xA1000000, 8, 1, 0)
    for f in functions:
        values = counts(f)
        out += struct.pack("<5I", 0x01000000, 12, f.ident, f.lines, f.cfg)
        out += struct.pack("<2I", 0x01A10000, 8 * len(values)) + struct.pack(f"<{len(values)}Q", *values)
    return out + struct.pack("<I", 0)


# ---------------------------------------------------------------- one run

def collect(qmp, folder):
    """Add the machine's counters to build/coverage.sum: for the runner, and tests that start QEMU themselves, before they end it.
    qmp(command, **arguments) talks to it; folder is the machine's own."""
    elf = Elf(os.path.join(BUILD, "cowslip.elf"))
    start, end = elf.symbols["data_start"], elf.symbols["data_end"]
    dump = os.path.join(folder, "counters.bin")
    qmp("stop")
    qmp("pmemsave", val=start - KERNEL_BASE, size=end - start, filename=dump)
    memory = array.array("Q")
    with open(dump, "rb") as file:
        memory.frombytes(file.read())
    os.unlink(dump)
    path = os.path.join(BUILD, "coverage.sum")
    with open(path, "ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        old = array.array("Q")
        with open(path, "rb") as previous:
            old.frombytes(previous.read())
        if len(old) != len(memory):
            old = array.array("Q", bytes(8 * len(memory)))
        # Whole sums of what is no counter too: nobody looks at those.
        total = array.array("Q", [(a + b) & 0x7FFFFFFFFFFFFFFF for a, b in zip(old, memory)])
        file.truncate(0)
        total.tofile(file)


# ---------------------------------------------------------------- the report

def gcov_lines(gcda_files, base):
    """{source: {line: count}} for sources of FOLDERS."""
    lines = collections.defaultdict(dict)
    for path in gcda_files:
        out = subprocess.run(["gcov", "--json-format", "--stdout", path], capture_output=True, cwd=base)
        for report in out.stdout.splitlines():
            for file in json.loads(report)["files"]:
                name = os.path.relpath(os.path.join(base, file["file"]), base)
                if name.split("/")[0] not in FOLDERS or not name.endswith(".c"):
                    continue
                for line in file["lines"]:
                    n = line["line_number"]
                    lines[name][n] = lines[name].get(n, 0) + line["count"]
    return lines


def kernel_lines(tree):
    sums = os.path.join(tree, "build/coverage.sum")
    if not os.path.exists(sums):
        return {}                               # no chosen test runs in QEMU
    elf, memory = Elf(os.path.join(tree, "build/cowslip.elf")), array.array("Q")
    with open(sums, "rb") as file:
        memory.frombytes(file.read())
    base, files = elf.symbols["data_start"], []

    def counts(function):
        at = (function.address - base) // 8
        return memory[at:at + function.count]

    for name, version, stamp, checksum, functions in objects(elf):
        with open(name, "wb") as file:
            file.write(gcda(version, stamp, checksum, functions, counts))
        files.append(name)
    return gcov_lines(files, tree)


def hosted_lines(tree):
    found = glob.glob(os.path.join(tree, "build/host*/**/*.gcda"), recursive=True)
    return gcov_lines([f for f in found if "/mutants/" not in f], tree)


def merge(parts):
    merged = collections.defaultdict(dict)
    for part in parts:
        for name, lines in part.items():
            for number, count in lines.items():
                merged[name][number] = merged[name].get(number, 0) + count
    return merged


def read_reasons():
    """[(pattern of `file: function: text`, reason)]"""
    found = []
    with open(REASONS, encoding="utf-8") as file:
        for line in file:
            if line.strip() and not line.startswith("#"):
                pattern, _, reason = line.rstrip("\n").partition("\t")
                found.append((re.compile(pattern), reason.strip()))
    return found


def uncovered(tree, merged):
    """Runs of lines that nothing executed: (file, first, last, text of the first)."""
    for name in sorted(merged):
        with open(os.path.join(tree, name), encoding="utf-8") as file:
            source = file.read().split("\n")
        numbers = sorted(merged[name])
        run = []
        for n in numbers + [None]:
            if n is not None and merged[name][n] == 0:
                run.append(n)
            elif run:
                yield name, run[0], run[-1], source[run[0] - 1].strip(), len(run)
                run = []


def report(tree, test_line):
    merged = merge([kernel_lines(tree), hosted_lines(tree)])
    reasons, groups, unexplained = read_reasons(), collections.defaultdict(list), []
    for name, first, last, text, count in uncovered(tree, merged):
        place = f"{name}:{first}" + (f"-{last}" if last != first else "")
        for pattern, reason in reasons:
            if pattern.search(f"{name}: {text}"):
                groups[reason].append((place, text))
                break
        else:
            unexplained.append((place, text))
    total = sum(len(lines) for lines in merged.values())
    done = sum(sum(1 for c in lines.values() if c) for lines in merged.values())
    out = ["# Line coverage", "",
           f"Written by `./cowslip coverage --update` (tools/coverage.py): {test_line}.", "",
           f"**{100 * done / total:.1f} %** of {total} lines of kernel/, mm/, fs/ and drivers/ were executed, by the tests in QEMU or by the "
           "hosted ones, which run the same files.", "",
           "| folder | lines | executed |", "|---|--:|--:|"]
    for folder in FOLDERS:
        part = [lines for name, lines in merged.items() if name.split("/")[0] == folder]
        n, k = sum(map(len, part)), sum(sum(1 for c in lines.values() if c) for lines in part)
        out.append(f"| {folder}/ | {n} | {100 * k / max(n, 1):.1f} % |")
    out += ["", "## Files", "", "| file | lines | executed |", "|---|--:|--:|"]
    for name in sorted(merged):
        lines = merged[name]
        out.append(f"| {name} | {len(lines)} | {100 * sum(1 for c in lines.values() if c) / len(lines):.0f} % |")
    out += ["", "## What is not executed, and why", ""]
    for reason in dict.fromkeys(r for _, r in reasons):
        if groups[reason]:
            out += [f"### {reason}", ""] + [f"- {place}: `{text}`" for place, text in groups[reason]] + [""]
    if unexplained:
        out += ["### Not looked into yet", ""] + [f"- {place}: `{text}`" for place, text in unexplained] + [""]
    return "\n".join(out).rstrip() + "\n", 100 * done / total, len(unexplained)


# ---------------------------------------------------------------- the command

def copy_tree():
    """The work tree's files (not what is built) in build/coverage/tree; what was built there stays."""
    tree = os.path.join(WORK, "tree")
    files = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in files.splitlines():
        source, target = os.path.join(ROOT, name), os.path.join(tree, name)
        if os.path.isfile(source):
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copy2(source, target)
    return tree


def command(words):
    """./cowslip coverage [--update] [--keep] [NAMES of tests]"""
    update, keep = "--update" in words, "--keep" in words
    names = [w for w in words if not w.startswith("--")]
    if set(w for w in words if w.startswith("--")) - {"--update", "--keep"}:
        raise Failure("coverage [--update] [--keep] [NAMES of tests] (./cowslip help)")
    if not keep:
        shutil.rmtree(WORK, ignore_errors=True)
    os.makedirs(WORK, exist_ok=True)
    tree = copy_tree()
    environment = dict(os.environ, COVERAGE="1")
    subprocess.run([sys.executable, os.path.join(tree, "tests/run.py")] + names, env=environment, cwd=tree,
                   stdout=open(os.path.join(WORK, "tests.log"), "w"), stderr=subprocess.STDOUT)
    with open(os.path.join(WORK, "tests.log")) as file:
        last = file.read().strip().split("\n")[-1]
    text, percent, unexplained = report(tree, last)
    with open(DOCUMENT if update else os.path.join(WORK, "coverage.md"), "w", encoding="utf-8") as file:
        file.write(text)
    print(f"{percent:.1f} % of the lines; {unexplained} places without a reason; {last}")
    print(os.path.relpath(DOCUMENT if update else os.path.join(WORK, "coverage.md")))
    return 0
