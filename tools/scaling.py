"""./cowslip scaling: what a second processor brings, in wall time (user/scale.c).

The same work per process: one process on one processor, and two processes on two. Twice the work in the same time is 1.00. As a control, two machines
of one processor side by side, which share nothing but the host: where those lose, the host's cores are not independent, and no kernel can do
better. The three are taken in turns, and the best of each counts, since other work of the host only adds time. On a host with fewer than two free
cores the result says nothing. --rounds N (5)."""
import re
from concurrent.futures import ThreadPoolExecutor

import building
import runner
from common import Failure

ROWS = (("pread_different", 400000, "4 KiB reads, each from its own file"), ("pread_same", 400000, "4 KiB reads of the same file"),
        ("fault", 200000, "first touch of anonymous pages"), ("fork", 4000, "fork, exit and wait"))


def seconds(row, processors, operations):
    status, out, err, log = runner.run_guest(["/bin/scale", row, str(processors), str(operations)], smp=processors, timeout=300)
    if status or not re.fullmatch(rb"\d+\n", out):
        raise Failure(f"scale {row}: status {status} {err.decode(errors='replace')}")
    return int(out) / 1e9


def side_by_side(row, operations):
    """Two machines at once, one process each: the time of the later."""
    with ThreadPoolExecutor(2) as pool:
        return max(pool.map(lambda _: seconds(row, 1, operations), range(2)))


def command(words):
    rounds = 5
    if len(words) == 2 and words[0] == "--rounds" and words[1].isdigit():
        rounds = int(words[1])
    elif words:
        raise Failure("scaling: --rounds N")
    building.build()
    print("| row | what | 1 process, 1 CPU (s) | 2 processes, 2 CPUs (s) | 2 machines (s) | ratio to ideal | ratio to 2 machines |\n|---|---|---|---|---|---|---|")
    for row, operations, what in ROWS:
        one, two, apart = [], [], []
        for _ in range(rounds):
            one.append(seconds(row, 1, operations))
            two.append(seconds(row, 2, operations))
            apart.append(side_by_side(row, operations))
        print(f"| {row} | {what} | {min(one):.2f} | {min(two):.2f} | {min(apart):.2f} | {min(one) / min(two):.2f} | {min(apart) / min(two):.2f} |", flush=True)
    return 0
