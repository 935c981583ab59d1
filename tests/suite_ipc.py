"""Harm to sockets, epoll and their like: allocations that fail, little memory, descriptors that run out. Nothing hangs, nothing
stays behind. (What they do is compared with Linux by user/tests/{sockets*,epoll,...}.c.)"""
import re

from testlib import build_kernel, check, equal, guest

HOST = False
PROGRAMS = "/usr/lib/cowslip/tests/"


def prepare():
    build_kernel()


def healthy(what, script, timeout=120, may_time_out=False, **options):
    status, out, err, log = guest(["sh", "-c", script], timeout=timeout, **options)
    check("PANIC" not in log and "hang:" not in log and (status != 124 or may_time_out), f"{what}: status {status} {err[-300:]!r}\n{log[-3000:]}")
    return out.decode("utf-8", "replace")


def nothing_leaks():
    """After many rounds as much memory is free as after the first, and no socket, message or watch is left."""
    work = f"cd /root; {PROGRAMS}sockets >/dev/null; {PROGRAMS}sockets_named >/dev/null; {PROGRAMS}sockets_rights >/dev/null; {PROGRAMS}epoll >/dev/null; echo 1 >/proc/sys/vm/drop_caches;"
    out = healthy("leaks", f"{work} {work} grep MemFree /proc/meminfo; {work} {work} {work} grep MemFree /proc/meminfo", icount=True)     # what is kept then is the same in each run
    free = [int(n) for n in re.findall(r"MemFree:\s+(\d+)", out)]
    equal(len(free), 2, out)
    check(free[0] - free[1] < 400, f"{free[0] - free[1]} KiB are gone after three rounds")


def allocations_fail():
    """Every N-th allocation fails: errors, no more. (The programs' own threads may wait for one that could not be made, and who is to kill them then may
    be such a one: the limit of time, 25 s with PATIENCE, is an ordinary end.)"""
    for words in ("2500,23", "3000,101", "2800,7"):
        healthy(words, f"cd /root; for i in 1 2 3; do for t in sockets sockets_named sockets_rights epoll; do {PROGRAMS}$t >/dev/null 2>&1 & p=$!; (sleep 5; kill -9 $p) 2>/dev/null & wait $p; "
                "done; done", timeout=2.5, may_time_out=True, append=f"alloc_fail={words}")


def descriptors_run_out():
    """Few descriptors: EMFILE where there is none for a socket, an accepted connection or a received file; no leak of those."""
    script = f"cd /root; ulimit -n 12; for t in sockets sockets_named sockets_rights; do {PROGRAMS}$t >/dev/null 2>&1 & p=$!; (sleep 10; kill -9 $p) 2>/dev/null & wait $p; done; echo over"
    check("over" in healthy("12 descriptors", script), "it did not end")


def tests():
    return [(f.__name__, f) for f in (nothing_leaks, allocations_fail, descriptors_run_out)]
