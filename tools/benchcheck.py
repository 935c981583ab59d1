"""./cowslip bench --check: nothing gets slower unseen.

tests/bench.baseline holds the instructions of each of kbench's rows, the compiler and QEMU they were counted with, and the commit. A row that has
grown by more than 3 % (those of LOOSE, whose cost depends on what boot left in the slabs and tables: 4 %) fails the check and is named with the range
of commits. With another compiler or QEMU the growth is only told. --check --update writes the file anew.
"""
import os
import subprocess

import bench
import benchdoc
from common import ROOT, Failure

BASELINE = os.path.join(ROOT, "tests/bench.baseline")
LIMIT, LIMIT_LOOSE = 1.03, 1.04
LOOSE = ("mmap_munmap_4k", "mprotect_split", "fork_")
BATCHES = 2                                     # counts repeat to the digit: more would only take longer
EXT2 = ("pread_4k", "pwrite_4k", "pwrite_1m", "copy16m_rw64k", "copy16m_cfr", "copy16m_cfr_over", "open_close", "stat", "create_unlink")


def limit(row):
    return LIMIT_LOOSE if row.startswith(LOOSE) else LIMIT


def measure():
    """{(file system, row): instructions}, and the rows that gave no figure."""
    counts, wrong = {}, []
    for filesystem, names in (("tmpfs", bench.names_of_rows()), ("ext2", list(EXT2))):
        rows = bench.count_cowslip(filesystem, names, bench.Settings(), BATCHES)
        counts.update({(filesystem, name): row[0] for name, row in rows.rows.items()})
        wrong += [f"{filesystem} {name}: {text}" for name, text in rows.wrong.items()]
    bench.progress("")
    return counts, wrong


def read():
    """(head {word: text}, {(file system, row): instructions})"""
    head, counts = {}, {}
    try:
        with open(BASELINE, encoding="utf-8") as file:
            for line in file:
                words = line.split(None, 2)
                if line.startswith("# ") and len(words) > 2:
                    head[words[1].rstrip(":")] = words[2].strip()
                elif len(words) == 3:
                    counts[words[0], words[1]] = float(words[2])
    except OSError:
        raise Failure("tests/bench.baseline is not there: ./cowslip bench --check --update writes it")
    return head, counts


def write(counts, versions):
    with open(BASELINE, "w", encoding="utf-8") as file:
        file.write("# Instructions per operation: ./cowslip bench --check compares with these, --check --update writes them (tools/benchcheck.py).\n")
        for word, text in dict(versions, commit=benchdoc.commit()).items():
            file.write(f"# {word}: {text}\n")
        for (filesystem, row), count in counts.items():
            file.write(f"{filesystem} {row} {count:.2f}\n")


def commits(head):
    """What lies between the baseline and here, for whoever looks for the change."""
    base = head.get("commit", "?").rstrip("+")
    span = f"{base}..{benchdoc.commit()}"
    log = subprocess.run(["git", "log", "--oneline", f"{base}..HEAD"], cwd=ROOT, capture_output=True, text=True)
    count = len(log.stdout.splitlines())
    return f"commits {span}" + (f" ({count}; git log --oneline {base}..HEAD)" if log.returncode == 0 else "")


def compare(counts, wrong):
    """(texts of rows that grew or are missing, rows that shrank by as much, what else to tell, whether the figures bind)."""
    head, base = read()
    now = bench.versions()
    other = [f"{word}: {now[word]}, the baseline has {head.get(word, 'nothing')}" for word in now if now[word] != head.get(word)]
    grown, shrunk = list(wrong), []
    for key, count in counts.items():
        if key not in base:
            continue
        change = f"{key[0]} {key[1]}: {base[key]:,.2f} -> {count:,.2f} instructions ({100 * (count / base[key] - 1):+.1f} %)"
        if count > base[key] * limit(key[1]):
            grown.append(change + f", more than {100 * (limit(key[1]) - 1):.0f} %")
        elif count * limit(key[1]) < base[key]:
            shrunk.append(change)
    grown += [f"{key[0]} {key[1]}: no figure" for key in base if key not in counts and not any(key[1] in text for text in wrong)]
    if grown:
        grown.append(commits(head))
    return grown, shrunk, other, not other


def command(update):
    bench.prepare()
    counts, wrong = measure()
    if update:
        if wrong:
            raise Failure("no baseline with rows that failed: " + "; ".join(wrong))
        write(counts, bench.versions())
        print(f"{len(counts)} rows written to {os.path.relpath(BASELINE)}")
        return 0
    grown, shrunk, other, binding = compare(counts, wrong)
    for title, lines in (("other tools than the baseline's; growth is only told:", other), ("grown:", grown), ("less than the baseline:", shrunk)):
        if lines:
            print("\n  ".join([title] + lines))
    print(f"{len(counts)} rows compared; {max(len(grown) - 1, 0)} grown")
    return 1 if grown and binding else 0
