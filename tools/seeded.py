#!/usr/bin/env python3
"""Which tool finds which seeded bug (tests/bugs.py), in how many schedules: the table of docs/seeded-bugs.md.

usage: tools/seeded.py [--update] [NAME]...      --update writes docs/seeded-bugs.md (all bugs)
"""
import os
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tests"))
import mutate  # noqa: E402
from bugs import BUGS  # noqa: E402
from testlib import ROOT, Fail, command  # noqa: E402

PAGE = os.path.join(ROOT, "docs", "seeded-bugs.md")
TOOLS = {"all": "all schedules", "random": "random schedules"}


def hosted(name, edits, test):
    """(schedules until it was found, what the tool said), or None."""
    program = mutate.build(name, edits)
    words = test.split()
    status, out, err = command([program] + words, timeout=600)
    text = (out + err).decode("utf-8", "replace")
    mutate.remove(name)
    if not status:
        return None
    found = re.search(r"found after (\d+) schedules(?:, with (\d+) preemptions)?", text)
    said = re.search(r"^FAIL: (.*)$|ERROR: AddressSanitizer: (\S+)|runtime error: (.*)", text, re.M)
    said = next(group for group in said.groups() if group) if said else f"status {status}"
    count = f"{found[1]}" + (f" ({found[2]} preemption{'' if found[2] == '1' else 's'})" if found[2] else "") if found else "1"
    return count, said


FINDERS = {"all": hosted, "random": hosted}


def main():
    update = "--update" in sys.argv
    names = [word for word in sys.argv[1:] if not word.startswith("-")]
    lines, missed = [], 0
    mutate.prepare()
    for name, what, edits, tool, test in BUGS:
        if names and name not in names:
            continue
        start = time.monotonic()
        try:
            result = FINDERS[tool](name, edits, test)
        except Fail as fail:
            result = None
            print(fail)
        missed += result is None
        count, said = result or ("not found", "")
        print(f"{name}: {count}: {said[:150]} ({time.monotonic() - start:.1f} s)", flush=True)
        lines.append(f"| {name} | {what} | {TOOLS[tool]}: {test} | {count} | {said[:110].replace('|', '/')} |")
    if update and not names:
        with open(PAGE) as file:
            head = file.read().split("| bug |")[0]
        with open(PAGE, "w") as file:
            file.write(head + "| bug | what it is | tool: test | schedules until found | it says |\n|---|---|---|---|---|\n" + "\n".join(lines) + "\n")
    print(f"{len(lines) - missed} found, {missed} not")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
