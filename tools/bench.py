"""./cowslip bench: what each operation costs here and on Debian's Linux, in instructions.

The same program (user/kbench.c), the same QEMU, the same processor model; -icount makes the time-stamp counter count the guest's
instructions, so the figures are the same at every run. Linux is run as Debian ships it ("default") and without what costs instructions
and Cowslip does not have ("lean": tools/peer.py). Linux's figures are kept under build/bench, by its package's version, the program and the settings.

    bench [NAMES...]        tables for tmpfs and ext2, geometric means, build/bench/ratios.svg
          --check           Cowslip alone against tests/bench.baseline (benchcheck.py)
          --wall            wall time of the rows that instructions cannot judge (benchwall.py)
          --grow, --memory  how cost and memory grow (benchgrow.py)
          --update          what was measured goes to docs/benchmarks.md (with --check: to the baseline)
"""
import hashlib
import json
import math
import os
import re
import subprocess
import sys

import benchdoc
import building
import peer
import plot
import runner
from common import BUILD, ROOT, Failure
from streams import ByteStreams

FOLDER = os.path.join(BUILD, "bench")
KBENCH = os.path.join(BUILD, "user/kbench")
DIRECTORIES = {"tmpfs": "/tmp", "ext2": "/root"}
FILESYSTEMS = tuple(DIRECTORIES)
NO_ERMS = ("qemu64", "kvm64", "qemu32", "kvm32", "Nehalem", "Westmere", "SandyBridge", "Opteron")       # models without fast byte strings

# The goals in instructions; every other row: at most RATIO of Linux lean.
RATIO, MEAN = 0.70, 0.30
GOALS = {"null_syscall": 80, "pread_1": 300, "pread_4k": 820, "pread_64k": 670 * 16, "pread_1m": 670 * 256, "pwrite_4k": 900,
         "pwrite_64k": 670 * 16, "pwrite_1m": 670 * 256, "pipe_tput_64k": 340, "anon_fault_w": 1000, "file_fault_priv_r": 250,
         "file_fault_shared_r": 250, "cow_fault": 1600, "fork_exit_wait": 25000, "fork_exec_wait": 70000, "pipe_pingpong": 2500,
         "futex_pingpong": 2200, "yield_switch": 500, "mmap_munmap_4k": 1500, "open_close": 1200, "stat": 900, "signal_self": 1100}
RATIOS = {"anon_fault_w_16m_thp": 1.0}


def say(text):
    print(f"cowslip: {text}", file=sys.stderr, flush=True)


# ---------------------------------------------------------------- the machine

class Settings:
    """The machine that both kernels run on."""

    def __init__(self, cpu="max,-erms,-fsrm", mem=1 << 30, smp=1, icount=True):
        self.cpu, self.mem, self.smp, self.icount = cpu, mem, smp, icount

    def machine(self):
        words = ["-cpu", self.cpu, "-m", f"{self.mem >> 20}M", "-smp", str(self.smp)]
        if self.icount:
            words += ["-icount", "shift=0,sleep=off", "-seed", "1", "-rtc", "base=2026-01-01T00:00:00,clock=vm"]
        return words

    def judge(self):
        """Refuses, or warns of, settings whose figures would mislead."""
        model, *flags = self.cpu.split(",")
        if self.icount and self.smp > 1:
            raise Failure("bench: Linux with several processors does not get through its boot when instructions are counted; --wall takes --smp")
        if "-erms" in flags or "erms=off" in flags or model in NO_ERMS:
            return
        if model == "max":
            raise Failure("bench: with --cpu max Linux copies by `rep movsb`, and QEMU counts every byte as an instruction: each copy would cost it "
                          "eight times as much as `rep movsq`. Take max,-erms,-fsrm")
        say(f"warning: if {model} has ERMS, Linux copies byte by byte and QEMU counts every byte: {self.cpu},-erms,-fsrm is fair to it")


def first_line(*command):
    return subprocess.run(command, capture_output=True, text=True).stdout.split("\n")[0]


def versions():
    """What the figures depend on besides the sources: {"compiler": ..., "qemu": ...}."""
    return {"compiler": first_line(os.environ.get("CC", "gcc"), "--version"), "qemu": first_line("qemu-system-x86_64", "--version"),
            "musl": first_line("musl-gcc", "--version")}


class LineStreams(ByteStreams):
    """The job's output, handed on line by line."""

    def __init__(self, each_line):
        super().__init__()
        self.each_line, self.rest = each_line, {1: b"", 2: b""}

    def write(self, fd, data):
        *lines, self.rest[fd] = (self.rest[fd] + data).split(b"\n")
        for line in lines:
            self.each_line(line.decode(errors="replace"))


def run_cowslip(argv, settings, each_line, timeout=900, **more):
    options = runner.Options(icount=settings.icount, cpu=settings.cpu, mem=settings.mem, smp=settings.smp, timeout=timeout, **more)
    guest = runner.Guest(options, argv, LineStreams(each_line))
    status = guest.run()
    if status:
        raise Failure(f"{argv[0]} on Cowslip: status {status} {guest.message or ''}")


# ---------------------------------------------------------------- kbench's rows

ROW = re.compile(r"(\w+)\s+(?:(\d+\.\d+)\s+(?:ticks|ns)/(\w+)\s+med=(\d+\.\d+)|(SKIP|BADDATA)\s+(.*))")


class Rows:
    """What kbench printed: name -> (minimum, unit, median); `wrong` the rows that failed. Shows its progress."""

    def __init__(self, title, total):
        self.rows, self.wrong, self.title, self.total = {}, {}, title, total

    def line(self, text):
        match = ROW.match(text)
        if not match:
            return
        if match[5]:
            self.wrong[match[1]] = f"{match[5]} {match[6]}"
            say(f"{self.title}: {match[1]}: {match[5]} {match[6]}")
        else:
            self.rows[match[1]] = (float(match[2]), match[3], float(match[4]))
        progress(f"{self.title}: {len(self.rows)} of {self.total} {match[1]}")


def progress(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}" if text else "\r\033[K", end="", file=sys.stderr, flush=True)


def names_of_rows():
    """All of kbench's, the calibration left out: it is a Linux program, so the host tells."""
    lines = subprocess.run([KBENCH, "-l"], capture_output=True, text=True, check=True).stdout.split()
    return [name for name in lines if not name.startswith("cal_")]


def chosen(names, patterns):
    found = [n for n in names if not patterns or any(re.fullmatch(p.replace("*", ".*"), n) for p in patterns)]
    for pattern in patterns:
        if not any(re.fullmatch(pattern.replace("*", ".*"), n) for n in names):
            raise Failure(f"bench: no row {pattern} (build/user/kbench -l lists them)")
    return found


def count_cowslip(filesystem, names, settings, batches=7):
    rows = Rows(f"Cowslip, {filesystem}", len(names))
    run_cowslip(["/bin/kbench", "-b", str(batches), "-d", DIRECTORIES[filesystem], *names], settings, rows.line)
    return rows


def count_linux(linux, flavour, filesystem, names, settings):
    """Rows of all of kbench, kept; Linux takes half a minute for them, so that all are run when one is wanted."""
    with open(KBENCH, "rb") as file:
        key = hashlib.sha256(file.read() + repr((settings.machine(), versions()["qemu"], peer.FLAVOURS[flavour])).encode()).hexdigest()[:12]
    path = os.path.join(FOLDER, f"{linux.package}-{flavour}-{filesystem}-{key}.json")
    if os.path.exists(path):
        with open(path) as file:
            return json.load(file)
    rows = Rows(f"Linux {flavour}, {filesystem}", len(names))
    progress(f"Linux {flavour}, {filesystem}: booting")
    linux.run(["/bin/kbench", "-d", DIRECTORIES[filesystem], *names], flavour, filesystem, settings, [KBENCH], rows.line)
    with open(path + ".new", "w") as file:
        json.dump(rows.rows, file)
    os.rename(path + ".new", path)
    return rows.rows


# ---------------------------------------------------------------- the table

def number(value):
    return "-" if value is None else f"{value:,.2f}" if value < 10 else f"{value:,.0f}"


def mean(ratios):
    return math.exp(sum(map(math.log, ratios)) / len(ratios)) if ratios else float("nan")


def missed(name, count, lean):
    """Why the row is short of its goal, or None."""
    goal, ratio = GOALS.get(name), RATIOS.get(name, RATIO)
    if goal and count > goal * 1.0005:
        return f"{name} {number(count)} (goal {number(goal)})"
    if lean and count / lean > ratio:
        return f"{name} {count / lean:.2f} of Linux lean"
    return None


class Table:
    """The figures of one file system: rows of (name, unit, Cowslip, lean or None, default or None)."""

    def __init__(self, filesystem, ours, lean, default):
        self.filesystem = filesystem
        self.rows = [(name, unit, count, lean.get(name, [None])[0], default.get(name, [None])[0])
                     for name, (count, unit, _) in ours.items() if not name.startswith("cal_")]
        self.ratios = {name: count / other for name, _, count, other, _ in self.rows if other}
        self.missed = [text for name, _, count, other, _ in self.rows if (text := missed(name, count, other))]

    def show(self):
        print(f"\n{self.filesystem}: instructions (minimum)")
        print(f"{'operation':33}{'per':>10}{'Cowslip':>13}{'Linux lean':>13}{'default':>13}{'ratio':>8}")
        for name, unit, count, lean, default in self.rows:
            ratio = f"{count / lean:8.2f}" if lean else ""
            print(f"{name:33}{unit:>10}{number(count):>13}{number(lean):>13}{number(default):>13}{ratio}")
        if self.ratios:
            print(f"geometric mean of Cowslip / Linux lean, {len(self.ratios)} rows: {mean(self.ratios.values()):.2f}")
        print("short of the goals: " + ("; ".join(self.missed) or "nothing"))


def prepare():
    """What every measurement begins with: the commit is that of the build."""
    building.build()
    benchdoc.commit()
    os.makedirs(FOLDER, exist_ok=True)


def linux_or_none():
    try:
        return peer.fetch(say)
    except (Failure, subprocess.CalledProcessError) as failure:
        say(f"{failure}\ncowslip: without it: Cowslip alone")
        return None


def counts(patterns, filesystems, settings, update):
    settings.judge()
    prepare()
    every = names_of_rows()
    names = chosen(every, patterns)
    if update and (patterns or len(filesystems) != len(FILESYSTEMS)):
        raise Failure("bench --update takes all rows on both file systems")
    linux = linux_or_none()
    if update and not linux:
        raise Failure("bench --update needs Linux's figures too")
    tables, wrong = [], {}
    for filesystem in filesystems:
        rows = count_cowslip(filesystem, names, settings)
        wrong.update(rows.wrong)
        other = {flavour: count_linux(linux, flavour, filesystem, every, settings) if linux else {} for flavour in ("lean", "default")}
        progress("")
        tables.append(Table(filesystem, rows.rows, other["lean"], other["default"]))
        tables[-1].show()
    if linux and len(names) > 1:
        picture = os.path.join(FOLDER, "ratios.svg")
        with open(picture, "w") as file:
            file.write(plot.ratios("Cowslip / Linux lean, instructions", {t.filesystem: t.ratios for t in tables}))
        print("plot: " + os.path.relpath(picture))
    if update:
        benchdoc.counts(tables, linux.package, versions(), settings)
    return 1 if wrong else 0


# ---------------------------------------------------------------- the command

def command(words):
    given, patterns, values = set(), [], {"--fs": "both", "--cpu": Settings().cpu, "--smp": "1", "--rounds": "5"}
    words = list(words)
    while words:
        word, equals, value = words.pop(0).partition("=")
        if word in values:
            if not equals and not words:
                raise Failure(f"bench: {word} needs a value (./cowslip help)")
            values[word] = value if equals else words.pop(0)
        elif word in ("--check", "--wall", "--grow", "--memory", "--update"):
            given.add(word)
        elif word.startswith("-"):
            raise Failure(f"bench: no option {word} (./cowslip help)")
        else:
            patterns.append(word)
    if values["--fs"] not in (*FILESYSTEMS, "both") or not values["--smp"].isdigit() or not values["--rounds"].isdigit():
        raise Failure("bench: --fs tmpfs|ext2|both, --smp N, --rounds N")
    filesystems = FILESYSTEMS if values["--fs"] == "both" else (values["--fs"],)
    update = "--update" in given
    modes = given - {"--update"}
    if len(modes) > 1:
        raise Failure("bench: one of --check, --wall, --grow, --memory")
    settings = Settings(cpu=values["--cpu"], smp=int(values["--smp"]))
    if "--check" in modes:
        import benchcheck
        return benchcheck.command(update)
    if "--wall" in modes:
        import benchwall
        return benchwall.command(patterns, settings, int(values["--rounds"]), update)
    if "--grow" in modes or "--memory" in modes:
        import benchgrow
        return benchgrow.command("--memory" in modes, patterns, settings, update)
    return counts(patterns, filesystems, settings, update)
