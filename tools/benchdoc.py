"""docs/benchmarks.md: its generated parts, each between two comments <!-- bench:NAME --> and <!-- /bench:NAME -->; the rest is written by hand."""
import functools
import os
import re
import subprocess

import plot
from common import ROOT, Failure

DOCUMENT = os.path.join(ROOT, "docs/benchmarks.md")


@functools.cache
def commit():
    """The commit that the tree is at when it is first asked for (call it at the build: a run is long); with + when files differ from it."""
    name = subprocess.run(["git", "log", "-1", "--format=%h"], cwd=ROOT, capture_output=True, text=True).stdout.strip() or "unknown"
    dirty = subprocess.run(["git", "status", "--porcelain", "-uno", "--", "kernel", "mm", "fs", "drivers", "boot", "user"], cwd=ROOT, capture_output=True, text=True).stdout
    return name + ("+" if dirty.strip() else "")


def put(name, text):
    with open(DOCUMENT, encoding="utf-8") as file:
        whole = file.read()
    pattern = re.compile(f"(<!-- bench:{name} -->\n).*?(<!-- /bench:{name} -->)", re.S)
    if not pattern.search(whole):
        raise Failure(f"docs/benchmarks.md has no part {name}")
    with open(DOCUMENT, "w", encoding="utf-8") as file:
        file.write(pattern.sub(lambda m: m[1] + text.rstrip("\n") + "\n" + m[2], whole))


def picture(name, svg):
    with open(os.path.join(ROOT, "docs", name), "w", encoding="utf-8") as file:
        file.write(svg)


def counts(tables, package, versions, settings):
    import bench
    tmpfs, ext2 = tables
    means = {t.filesystem: bench.mean(t.ratios.values()) for t in tables}
    out = [f"Cowslip at commit {commit()}, {versions['compiler']}; {package.replace('_', ' ')}; {versions['qemu'].split(' (')[0]}, "
           f"`-cpu {settings.cpu}`, {settings.mem >> 20} MiB. Minimum of seven.", "",
           f"Geometric mean of Cowslip / Linux lean over all rows: **{means['tmpfs']:.2f}** on tmpfs, **{means['ext2']:.2f}** on ext2.", "",
           "| row | per | Cowslip tmpfs | Linux lean | Linux default | ratio to lean | goal | Cowslip ext2 | Linux lean ext2 | Linux default ext2 | ratio |",
           "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|"]
    other = {row[0]: row for row in ext2.rows}
    for name, unit, ours, lean, default in tmpfs.rows:
        _, _, ours2, lean2, default2 = other.get(name, (name, unit, None, None, None))
        cells = [name, unit, bench.number(ours), bench.number(lean), bench.number(default), ratio(ours, lean),
                 bench.number(bench.GOALS[name]) if name in bench.GOALS else "", bench.number(ours2), bench.number(lean2), bench.number(default2), ratio(ours2, lean2)]
        out.append("| " + " | ".join(cells) + " |")
    out += [""] + [f"Short of its goal on {t.filesystem}: {'; '.join(t.missed) or 'nothing'}." for t in tables]
    out += ["", "![the ratios](benchmarks-ratios.svg)"]
    picture("benchmarks-ratios.svg", plot.ratios("Cowslip / Linux lean, instructions", {t.filesystem: t.ratios for t in tables}))
    put("counts", "\n".join(out))


def ratio(ours, other):
    return f"{ours / other:.2f}" if ours and other else "-"
