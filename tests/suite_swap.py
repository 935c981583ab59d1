"""Swap: private memory goes to /dev/ram1 (swap_mb=N) and comes back. user/tests/swapped.c against the host's Linux on fast, slow and
small devices; user/tests/guest_swap.c from the inside; little memory; a device that fails; who dies when even that is full."""
import os
import re

from suite_stress import healthy
from testlib import BUILD, build_kernel, check, command, equal, guest, guest_ok, same_text, scratch

HOST = False
prepare = build_kernel
PROGRAMS = "/usr/lib/cowslip/tests/"
ON = "mkswap /dev/ram1 >/dev/null && swapon /dev/ram1 && cd /tmp && "
MEGABYTE = 1 << 20


def counter(name, text):
    return int(re.search(rf"^{name} (\d+)$", text, re.M)[1])


def sh(script, what, memory=24, swap=16, size=24, append="", **options):
    """A script with a swap area of `swap` MiB, `memory` MiB beside that and the root file system: (status, stdout, log)."""
    return healthy(guest(["/bin/sh", "-c", ON + script], mem=(memory + swap + size + 4) * MEGABYTE, size=size * MEGABYTE,
                         append=f"swap_mb={swap} " + append, timeout=200, **options), what)


def same_as_host():
    """What programs see of it: nothing. One and four processors, a slow device, one that is too small, writes that fail."""
    with scratch() as directory:
        status, host, err = command([os.path.join(BUILD, "user/tests/swapped")], cwd=directory, timeout=60)
    equal(status, 0, f"on the host: {err!r}")
    for append, swap, smp in (("", 16, 1), ("", 16, 4), ("ramdisk_latency_us=2000", 16, 2), ("", 4, 2), ("swap_fail=200", 16, 2), ("sched=explore:5", 16, 2)):
        what = f"{append}, {swap} MiB, {smp} processors"
        status, out, log = sh(PROGRAMS + "swapped", what, memory=48, swap=swap, append=append, smp=smp)
        same_text(out, host, what + log[-500:])
        equal(status, 0, what)


def from_the_inside():
    """What goes out and what stays, slots and their counts, what /proc and sysinfo say, errors of swapon and swapoff."""
    out = guest_ok([PROGRAMS + "guest_swap"], append="swap_mb=16", icount=True, timeout=120).decode()
    bad = [line for line in out.splitlines() if line.endswith("NOT SO") or "changed" in line]
    check(not bad and out.count(": ok") >= 24, "\n".join(bad) + out[-600:])
    for line in ('syscall(SYS_swapon, device, 0x8000 | 5) -> 0', 'syscall(SYS_swapon, device, 0) -> -1 (Resource busy)', 'syscall(SYS_swapoff, device) -> 0'):
        check(line in out, line + out)


def more_than_memory():
    """Programs that need three times the memory there is: all finish with what they stored."""
    hog = PROGRAMS + "hog"
    status, out, log = sh(f"({hog} 24; echo $?) & ({hog} 20; echo $?) & wait; {hog} 40; cat /proc/vmstat; swapoff /dev/ram1; echo off $?", "hogs", swap=48, smp=2, icount=True)
    text = out.decode()
    equal(text.count("touched"), 3, text[:300] + log[-600:])
    check(text.endswith("off 0\n"), text[-300:])
    for name in ("pswpout", "pswpin", "swap_scan", "swap_active", "swap_fault", "reclaim_active", "tlb_swap"):
        check(counter(name, text) > 0, f"{name} stands still")


def segments_stay():
    """System V shared memory is not swapped, and not lost, while a hog takes all the rest; it comes back when the last one detaches."""
    status, out, log = sh(f"{PROGRAMS}guest_shm {PROGRAMS}hog 30", "segments", swap=32)
    equal(status, 0, log[-600:])
    text = out.decode()
    for line in ("pages: 1024", "the command: exit 0", "pages in the end: 0, attached 4, detached 8", *(f"{i}: same" for i in range(4))):
        check(line in text.splitlines(), line + " is not in\n" + text)


def forks_under_pressure():
    """Shells, pipes and forks in 24 MiB while hogs swap and files are written back: nothing hangs, nothing is lost."""
    hog = PROGRAMS + "hog"
    script = f"""
(for i in 1 2 3; do {hog} 22 >/dev/null || echo hog failed; done) &
for i in 1 2 3 4 5 6; do dd if=/dev/zero bs=64k count=20 2>/dev/null | tr '\\0' x >/root/f$i; sync; wc -c </root/f$i; done
for i in 1 2 3 4 5 6 7 8; do sh -c 'x=$(ls -lR /etc | wc -l); echo $((x > 3))'; done
wait; tr -d x </root/f3 | wc -c; echo end"""
    status, out, log = sh(script, "24 MiB", swap=32, smp=2)
    equal((status, out.decode()), (0, "1310720\n" * 6 + "1\n" * 8 + "0\nend\n"), f"output; {log[-800:]}")


def shared_tables():
    """Page tables that several processes have, while a hog takes all memory again and again: their pages go out and come back, and are what each stored."""
    hog, of_p = PROGRAMS + "hog", "INV_P1_generations INV_P1_siblings INV_P2_exec INV_P2_from_outside"
    script = f"""(while :; do {hog} 26 >/dev/null; done) & loop=$!
cd /root; {PROGRAMS}inv_p {of_p} | cut -d: -f1; {PROGRAMS}tables fork_stores; kill -9 $loop; cat /proc/vmstat"""
    status, out, log = sh(script, "shared tables", memory=28, swap=48, icount=True)
    text = out.decode()
    equal(text.partition("nr_free_pages")[0].splitlines(), ["ok " + name for name in of_p.split()] + ["fork_stores: 48 of 48 right", "the third: right"], "output; " + log[-800:])
    for name in ("pswpout", "pswpin", "table_share", "table_take", "table_copy"):
        check(counter(name, text) > 0, f"{name} stands still")


def full():
    """When memory and swap are full, who asks for more dies, and only he."""
    hog = PROGRAMS + "hog"
    status, out, log = sh(f"{hog} 80; echo $?; {hog} 20; echo $?", "full", swap=16)
    equal(out.decode(), "137\ntouched\n0\n", log[-600:])
    check("out of memory: killing hog" in log, log[-600:])


def failing_device():
    """Writes that fail: what did not go out stays, nothing is lost, nothing more is sent there. A read that fails: SIGBUS."""
    hog = PROGRAMS + "hog"
    status, out, log = sh(f"{hog} 10; echo $?; {hog} 60; echo $?; {hog} 10; cat /proc/vmstat", "writes fail", swap=32, append="swap_fail=300", icount=True)
    text = out.decode()
    check(text.startswith("touched\n0\n137\ntouched\n"), text[:200] + log[-600:])
    check("nothing more is swapped out" in log and counter("swap_error", text) > 0, log[-800:])


def pinned_pages_stay():
    """INV-E8: a page that a device writes to does not go out. swap_pinned=1, it does: what the device wrote is lost, and the test sees it. Stable pages."""
    def run(words, switch=""):
        return guest(["/bin/sh", "-c", "mkdir /root/t && cd /root/t && exec " + PROGRAMS + words], icount=True, append="swap_mb=4 ramdisk_latency_us=30000 " + switch, timeout=200)
    status, out, err, log = run("guest_invswap")
    check(status == 0 and out.count(b"ok INV_") == 4, f"{out!r} {log[-500:]}")
    status, out, err, log = run("guest_invswap INV_E8_pinned", "swap_pinned=1")
    check(status == 1 and b"FAILED INV_E8_pinned" in out and "swap_pinned=1: UNSAFE" in log, f"{status} {out!r} {log[-500:]}")


def busybox_tools():
    """mkswap, swapon, free, swapoff as Debian's busybox has them."""
    out = guest_ok(["/bin/sh", "-c", "mkswap -L here /dev/ram1 >/dev/null; swapon /dev/ram1; cat /proc/swaps; free | tail -1; swapon /dev/ram1; swapoff /dev/ram1; "
                    "cat /proc/swaps | wc -l; mount -t ext2 /dev/ram1 /mnt; swapoff /dev/ram1; echo $?"], append="swap_mb=8", timeout=60).decode()
    check(re.search(r"^/dev/ram1 +partition\t8188\t\t0\t\t-2$", out, re.M), out)
    check(re.search(r"^Swap: +8188 +0 +8188$", out, re.M), out)
    check(out.endswith("1\n1\n"), out)


def swap_file():
    """A file as swap area: without holes, not written to meanwhile, its contents again afterwards as any file's."""
    script = ("cd /root; dd if=/dev/zero of=s bs=1M count=8 2>/dev/null; mkswap s >/dev/null; swapon s; echo $?; tail -n +2 /proc/swaps; " + PROGRAMS + "swapped | tail -1; "
              "grep pswpout /proc/vmstat; (echo x >s) 2>/dev/null || echo busy; truncate -s 4k s 2>/dev/null || echo busy; swapon s 2>/dev/null || echo on; swapoff s; echo $?; echo x >s && cat s; "
              "truncate -s 8M h; mkswap h >/dev/null; swapon h 2>/dev/null || echo holes")
    for block in (4096, 1024):
        lines = guest_ok(["/bin/sh", "-c", script], block=block, icount=True, timeout=100).decode().splitlines()
        size = re.match(r"/root/s +file\t\t(\d+)\t\t0\t\t-2$", lines[1])
        check(size and 8188 - int(size[1]) <= (0 if block == 4096 else 8188 // 16), lines[1])
        check(int(lines[3].split()[1]) > 500, lines[3])
        equal(lines[:1] + lines[2:3] + lines[4:], ["0", "pages whose counts are wrong: 0", "busy", "busy", "on", "0", "x", "holes"], f"blocks of {block}")


def tests():
    return [(f.__name__, f) for f in (same_as_host, from_the_inside, more_than_memory, segments_stay, forks_under_pressure, shared_tables, full, failing_device, pinned_pages_stay, busybox_tools, swap_file)]
