#!/usr/bin/env python3
"""The hosted tests at length: all schedules with one more preemption than the tests do, and random schedules by the ten thousand.

usage: tools/hosted.py [--minutes N] [--seed S] [--schedules N] [--limit N] [PATTERN]...

Goes round until the time is over (without --minutes: once). A failure prints how to see it again; exit status 1.
"""
import argparse
import fnmatch
import os
import random
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tests"))
from mutate import FSTEST, MMTEST, prepare  # noqa: E402
from testlib import ROOT, command, must  # noqa: E402


def slices(names, seed, schedules, limit):
    """(test, its options) of one round, in an order that depends on the seed: whoever has little time sees others each time."""
    names = sorted(names)
    random.Random(seed).shuffle(names)
    for name in names:
        if name.startswith("all_"):
            yield name, ["deeper=1", f"limit={limit}"]
            yield name, [f"random={schedules}", f"from={seed}"]
        elif name.startswith("race_") and "atomic_copy" not in name:
            yield name, [f"schedules={schedules}", f"from={seed}"]
        else:
            yield name, [f"seed={seed}"]


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("\n\n")[1].strip().removeprefix("usage: "))
    parser.add_argument("--minutes", type=float, default=0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--schedules", type=int, default=10000)
    parser.add_argument("--limit", type=int, default=1000000, help="of the schedules of one tree")
    parser.add_argument("patterns", nargs="*")
    options = parser.parse_args()
    prepare()
    programs = {line.split("\t")[0]: program for program in (MMTEST, FSTEST) for line in must([program, "list"]).decode().splitlines()}
    names = [name for name in programs if not options.patterns or any(fnmatch.fnmatch(name, p) for p in options.patterns)]
    end, seed, failed, total = time.monotonic() + options.minutes * 60, options.seed, 0, 0
    while True:
        for name, words in slices(names, seed, options.schedules, options.limit):
            start = time.monotonic()
            status, out, err = command([programs[name], name] + words, timeout=7200)
            text = (out + err).decode("utf-8", "replace")
            done = re.search(r"^  (\d+) schedules", text, re.M)
            count = int(done[1]) if done else options.schedules if f"{options.schedules}" in " ".join(words) else 1
            total += count
            print(f"{'FAIL' if status else 'ok  '} {name} {' '.join(words)}: {count} schedules ({time.monotonic() - start:.1f} s)", flush=True)
            if status:
                failed += 1
                again = re.search(r"again: (.*)", text)
                print(text[:3000] + f"again: {os.path.relpath(programs[name], ROOT)} {name} {again[1] if again else ' '.join(words)}", flush=True)
            if options.minutes and time.monotonic() > end:
                break
        if not options.minutes or time.monotonic() > end:
            break
        seed += options.schedules
    print(f"{total} schedules, {failed} failures, seed {options.seed}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
