"""./cowslip bench --grow and --memory: how cost grows with size, and what things take of memory, on Cowslip and on Linux (user/kgrow.c).

Both kernels have a machine of 3 GiB and count instructions; Linux is the lean one. The plots go to build/bench/growth.svg, with --update to
docs/benchmarks-growth.svg and the tables to docs/benchmarks.md.
"""
import os

import bench
import benchdoc
import plot
from common import BUILD, Failure

PROGRAM = os.path.join(BUILD, "user/kgrow")
MIB = [1, 4, 16, 64, 256, 1024]
# row: (title, what x is, what is counted, sizes, multiplier of the sizes in the plot)
ROWS = {
    "read": ("read of a cached file, 1 MiB at a time", "bytes", "instructions", MIB, 1 << 20),
    "mmap": ("mmap of a cached file, each page looked at", "bytes", "instructions", MIB, 1 << 20),
    "stored": ("reading 16 MiB to fresh memory, then stores to so many pages of it", "pages", "instructions", [1, 8, 64, 256, 512, 1024, 2048, 4096], 1),
    "fork": ("fork, exit, wait with memory in 4 KiB pages", "bytes", "instructions", MIB, 1 << 20),
    "fork_thp": ("the same; Linux may use huge pages", "bytes", "instructions", MIB, 1 << 20),
    "lookup": ("stat of an entry of a directory", "entries", "instructions", [10, 100, 1000, 10000, 100000], 1),
    "list": ("listing a directory, per entry", "entries", "instructions", [10, 100, 1000, 10000, 100000], 1),
    "mappings_fault": ("a first touch among mappings", "mappings", "instructions", [1, 10, 100, 1000, 10000], 1),
    "mappings_mmap": ("mmap and munmap beside mappings", "mappings", "instructions", [1, 10, 100, 1000, 10000], 1),
    "processes": ("fork, exit, wait beside sleeping processes", "processes", "instructions", [1, 10, 100, 1000], 1),
    "futex": ("waking all threads of a futex, per thread", "threads", "instructions", [1, 2, 4, 8, 16, 32, 64], 1),
}
MEMORY = {"file_1k": "a cached file of 1 KiB in tmpfs", "process": "a forked process that sleeps", "mapping": "a mapping without pages"}
ROOT_SIZE = 32 << 20                            # of Cowslip's ramdisk, which Linux does not have


def on_both(words, settings, linux, each):
    """each(name of the kernel, line) for every line of `kgrow WORDS`."""
    bench.progress("Cowslip: kgrow " + " ".join(words))
    bench.run_cowslip(["/bin/kgrow", *words], settings, lambda line: each("Cowslip", line), size=ROOT_SIZE)
    if linux:
        bench.progress("Linux: kgrow " + " ".join(words))
        linux.run(["/bin/kgrow", *words], "lean", "tmpfs", settings, [PROGRAM], lambda line: each("Linux", line))
    bench.progress("")


def growth(names, settings, linux):
    """{row: {kernel: [(size, cost)]}}"""
    found = {}
    for name in names:
        series = found[name] = {}

        def each(kernel, line):
            words = line.split()
            if len(words) == 3 and words[0] == name:
                series.setdefault(kernel, []).append((int(words[1]), int(words[2])))
            else:
                raise Failure(f"kgrow on {kernel}: {line}")
        on_both([name, *map(str, ROWS[name][3])], settings, linux, each)
        show(name, series)
    return found


def show(name, series):
    title, across, _, sizes, factor = ROWS[name]
    print(f"{name}: {title}")
    for size in sizes:
        cells = [f"{kernel} {dict(points).get(size, 0):,}" for kernel, points in series.items()]
        print(f"  {size:>8,} {'MiB' if factor > 1 else across}: " + "   ".join(cells), flush=True)


def draw(found):
    plots = []
    for name, series in found.items():
        title, across, up, _, factor = ROWS[name]
        plots.append((title, across, up, {kernel: [(size * factor, cost) for size, cost in points] for kernel, points in series.items()}))
    return plot.curves("Cost by size, Cowslip and Linux lean (both axes logarithmic)", plots)


def table(found):
    out = ["| what | size | Cowslip | Linux lean | ratio |", "|---|--:|--:|--:|--:|"]
    for name, series in found.items():
        title, across, _, sizes, factor = ROWS[name]
        for size in (sizes[0], sizes[-1]):
            ours, other = (dict(series.get(kernel, [])).get(size) for kernel in ("Cowslip", "Linux"))
            out.append(f"| {title} | {size:,} {'MiB' if factor > 1 else across} | {bench.number(ours)} | {bench.number(other)} | {benchdoc.ratio(ours, other)} |")
    return "\n".join(out)


def memory(settings, linux):
    """{kernel: {what: bytes}}; `idle` is what is not free when the job starts, Cowslip's ramdisk left out."""
    found = {"Cowslip": {}, "Linux": {}}

    def each(kernel, line):
        words = line.split()
        if len(words) != 2:
            raise Failure(f"kgrow on {kernel}: {line}")
        found[kernel][words[0]] = int(words[1])
    on_both(["memory"], settings, linux, each)
    for kernel, values in found.items():
        if values:
            values["idle"] = settings.mem - values.pop("free") - (ROOT_SIZE if kernel == "Cowslip" else 0)
    return found


def memory_table(found, mem):
    out = ["| what | Cowslip | Linux lean |", "|---|--:|--:|"]
    for key, text in (*MEMORY.items(), ("idle", f"in use when the job starts, of {mem >> 20} MiB, Cowslip's ramdisk not counted")):
        cells = [bench.number(found[kernel].get(key)) for kernel in ("Cowslip", "Linux")]
        out.append(f"| {text} | {cells[0]} | {cells[1]} |")
    return "\n".join(out)


def command(is_memory, patterns, settings, update):
    settings.judge()
    bench.prepare()
    linux = bench.linux_or_none()
    if update and (not linux or patterns):
        raise Failure("bench --update takes all rows, and Linux")
    if is_memory:
        settings.mem = 1 << 30
        found = memory(settings, linux)
        text = memory_table(found, settings.mem)
        print("bytes:\n" + text)
        if update:
            benchdoc.put("memory", f"At commit {benchdoc.commit()}, bytes:\n\n" + text)
        return 0
    settings.mem = 3 << 30
    unknown = [p for p in patterns if p not in ROWS]
    if unknown:
        raise Failure(f"bench --grow: no row {unknown[0]} ({', '.join(ROWS)})")
    found = growth(patterns or list(ROWS), settings, linux)
    svg = draw(found)
    with open(os.path.join(bench.FOLDER, "growth.svg"), "w", encoding="utf-8") as file:
        file.write(svg)
    print("plot: build/bench/growth.svg")
    if update:
        benchdoc.picture("benchmarks-growth.svg", svg)
        benchdoc.put("growth", f"At commit {benchdoc.commit()}, {linux.package.replace('_', ' ')} lean, instructions.\n\n{table(found)}\n\n![curves](benchmarks-growth.svg)")
    return 0
