"""./cowslip bench --wall: wall time of the rows that counting instructions cannot judge.

A context switch empties TCG's translation cache of addresses, and a signal or fork does things whose price is not the number of instructions: these
rows are timed, without -icount. The kernels take turns (Cowslip, Linux, Cowslip, ...), so that other work of the host falls on both; of each run the
minimum of seven batches counts, of the runs the median; the spread is from the least to the greatest. On a busy host the spread says so.
"""
import os
import statistics

import bench
import benchdoc
from common import Failure

ROWS = ["pipe_pingpong", "pipe_tput_64k", "yield_switch", "futex_pingpong", "signal_self", "fork_exit_wait", "fork_exit_wait_16m", "fork_exec_wait",
        "mmap_touch_munmap_1m", "pread_1m", "null_syscall"]


def one_run(kernel, names, settings, linux, number, rounds):
    rows = bench.Rows(f"round {number + 1} of {rounds}, {kernel}", len(names))
    words = ["/bin/kbench", "-n", "-d", "/tmp", *names]
    if kernel == "Cowslip":
        bench.run_cowslip(words, settings, rows.line)
    else:
        linux.run(words, "lean", "tmpfs", settings, [bench.KBENCH], rows.line)
    return {name: (row[0], row[1]) for name, row in rows.rows.items()}


def summary(runs):
    """(median, least, greatest) of the runs' values."""
    return statistics.median(runs), min(runs), max(runs)


def table(names, samples, units):
    out = ["| row | per | Cowslip ns (least to greatest) | Linux lean ns (least to greatest) | ratio of medians |", "|---|---|--:|--:|--:|"]
    for name in names:
        cells = {}
        for kernel in ("Cowslip", "Linux"):
            values = samples[kernel].get(name)
            cells[kernel] = summary(values) if values else None
        texts = [f"{c[0]:,.0f} ({c[1]:,.0f} to {c[2]:,.0f})" if c else "-" for c in cells.values()]
        medians = [c[0] if c else None for c in cells.values()]
        out.append(f"| {name} | {units.get(name, '')} | {texts[0]} | {texts[1]} | {benchdoc.ratio(*medians)} |")
    return "\n".join(out)


def command(patterns, settings, rounds, update):
    settings.icount = False
    bench.prepare()
    names = bench.chosen(bench.names_of_rows(), patterns) if patterns else ROWS
    linux = bench.linux_or_none()
    if rounds < 1 or update and (patterns or not linux):
        raise Failure("bench --wall --update takes its own rows, and Linux; --rounds N is at least 1")
    samples, units = {"Cowslip": {}, "Linux": {}}, {}
    for number in range(rounds):
        for kernel in ("Cowslip", "Linux") if linux else ("Cowslip",):
            for name, (value, unit) in one_run(kernel, names, settings, linux, number, rounds).items():
                samples[kernel].setdefault(name, []).append(value)
                units[name] = unit
    bench.progress("")
    load = os.getloadavg()[0]
    text = table(names, samples, units)
    print(text)
    if load > 0.7 * (os.cpu_count() or 1):
        bench.say(f"the host was busy (load {load:.1f} on {os.cpu_count()} cores): see the spread")
    if update:
        benchdoc.put("wall", f"At commit {benchdoc.commit()}, {rounds} runs of each kernel in turns, {settings.smp} processor, load of the host at the end {load:.1f} "
                             f"on {os.cpu_count()} cores.\n\n{text}")
    return 0
