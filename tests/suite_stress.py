"""The guest under pressure: no memory, allocations that fail, many processes; nothing leaks and nothing panics."""
import re

from testlib import Fail, build_kernel, check, equal, guest, guest_ok

HOST = False
prepare = build_kernel


def healthy(result, what):
    status, out, err, log = result
    check("PANIC" not in log and "does not hold" not in log, f"{what}:\n{log[-2000:]}")
    check(status not in (124, 125), f"{what}: status {status}; {err[-500:]!r}\n{log[-1500:]}")
    return status, out, log


def out_of_memory():
    """A program that wants more than there is dies (or is told); the shell that started it goes on."""
    script = """
dd if=/dev/zero of=/tmp/big bs=1M count=200 2>/dev/null; echo tmpfs $?; rm -f /tmp/big
tail -c 300m /dev/zero | wc -c >/dev/null; echo tail
dd if=/dev/zero of=/dev/null bs=400M count=1 2>/dev/null; echo dd $?
echo alive; cat /etc/passwd | wc -l
"""
    status, out, log = healthy(guest(["/bin/sh", "-c", script], mem=64 << 20, timeout=120), "64 MiB")
    equal(status, 0, f"status; {out!r} {log[-500:]}")
    check(b"alive\n" in out, repr(out))
    check(not out.rstrip().endswith(b"dd 0"), "400 MiB fitted into 64")


def touching_too_much():
    """Memory that was promised and is not there: the process that touches it is killed, with a line in the log; others live."""
    hog = "/usr/lib/cowslip/tests/hog"
    script = f"{hog} 10; echo $?; {hog} 400; echo $?; {hog} 400 & {hog} 300 & wait; {hog} 10; echo $?; {hog} 100 /tmp/f; echo $?; rm -f /tmp/f; {hog} 10"
    status, out, log = healthy(guest(["/bin/sh", "-c", script], mem=96 << 20, timeout=120), "hogs")
    lines = out.decode().split("\n")
    equal(lines[:3], ["touched", "0", "137"], f"{out!r}; log {log[-600:]}")
    check(lines[3:5] == ["touched", "0"] and lines[-2] == "touched", f"afterwards: {out!r}")
    check("out of memory: killing hog" in log, log[-800:])


def more_mapped_than_memory():
    """A shared mapping of a file larger than memory: stores are written back and pages reclaimed on the way; all are right in the end."""
    status, out, log = healthy(guest(["/usr/lib/cowslip/tests/hog", "130", "/root/f"], mem=256 << 20, size=170 << 20, timeout=120), "file")
    equal((status, out), (0, b"touched\n"), f"status and output; {log[-600:]}")


def allocations_fail():
    """Every N-th allocation fails while a shell script runs: errors, even deaths, but no panic and no hang."""
    script = "cd /root; for i in 1 2 3 4 5; do cp /bin/busybox b$i; ls -l / | sort | wc -l; mkdir -p d/$i; done; cat b1 b2 | gzip | wc -c; rm -r d b*; sync"
    for words in ("3000,97", "5000,1009", "4000,331"):
        healthy(guest(["/bin/sh", "-c", script], append=f"alloc_fail={words}", timeout=90), f"alloc_fail={words}")


def free_pages(text):
    return int(re.search(rb"MemFree:\s+(\d+)", text)[1])


def nothing_leaks():
    """After hundreds of processes, files, mappings and pipes as much memory is free as before (the page cache aside)."""
    work = "i=0; while [ $i -lt 40 ]; do echo $i | cat | wc -c >/tmp/n; sh -c 'exit 3'; mkdir /tmp/d; echo x >/tmp/d/f; ln -s f /tmp/d/l; cat /tmp/d/l >/dev/null; rm -r /tmp/d; i=$((i+1)); done;"
    script = f"{work} grep MemFree /proc/meminfo; {work} {work} {work} grep MemFree /proc/meminfo"
    status, out, log = healthy(guest(["/bin/sh", "-c", script], icount=True, timeout=120), "leaks")     # what the kernel keeps at both moments is the same in each run
    free = [int(n) for n in re.findall(rb"MemFree:\s+(\d+)", out)]
    equal(len(free), 2, f"two readings, {out!r}")
    check(free[0] - free[1] < 600, f"{free[0] - free[1]} KiB are gone after 120 rounds ({free})")


def many_processes():
    """Three hundred processes at once, all waited for."""
    script = "i=0; while [ $i -lt 300 ]; do sleep 1 & i=$((i+1)); done; wait; echo all $i"
    status, out, _ = healthy(guest(["/bin/sh", "-c", script], timeout=120), "300 processes")
    equal((status, out), (0, b"all 300\n"), "status and output")


def kernel_stacks():
    """Those of tasks that have ended are free memory again, on several processors too; and so are those that could not be made."""
    for smp in (1, 4):
        equal(guest_ok(["/usr/lib/cowslip/tests/guest_kstack"], smp=smp, timeout=180), b"ok come_back\nok together\nok threads\nok failing\n", f"{smp} processors")
    equal(guest_ok(["/usr/lib/cowslip/tests/guest_kstack", "slots"], timeout=120), b"ok slots\n", "addresses")


def deep_recursion():
    """A shell function that calls itself until something gives: a signal or an error for it, nothing for the others."""
    status, out, _ = healthy(guest(["/bin/sh", "-c", "(f() { f; }; f) 2>/dev/null; echo status $?; echo alive"], timeout=120), "recursion")
    check(out.endswith(b"alive\n") and b"status 0\n" not in out, repr(out))


def tests():
    return [(f.__name__, f) for f in (out_of_memory, touching_too_much, more_mapped_than_memory, allocations_fail, nothing_leaks, many_processes, kernel_stacks, deep_recursion)]
