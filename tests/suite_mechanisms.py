"""The invariants of docs/mechanisms.md that need a machine of their own, the switches that show what a mechanism prevents, and the table itself."""
import re

import mechanisms
from testlib import build_kernel, check, command, equal, guest, guest_ok, ROOT

HOST = False
PROGRAMS = "/usr/lib/cowslip/tests/"


def prepare():
    build_kernel()


def program(words, env="", timeout=240, **options):
    """(status, lines, log) of a test program on the disk."""
    status, out, err, log = guest(["/bin/sh", "-c", f"mkdir /root/t && cd /root/t && {env}exec {PROGRAMS}{words}"], timeout=timeout, **options)
    return status, out.decode("utf-8", "replace").splitlines(), log


def all_ok(words, **options):
    status, lines, log = program(words, **options)
    check(status == 0 and lines and all(line.startswith("ok ") for line in lines), "\n".join(lines) + log[-500:])


def the_table_is_current():
    """docs/mechanisms.md is what its data say, and what is named there exists."""
    status, out, err = command(["python3", "tools/mechanisms.py", "--check"], cwd=ROOT)
    equal((status, err), (0, b""), out.decode()[-3000:])


# Counters are the machine's, and some of its threads work from time to time. In instructions, so that these times are the same in each run.
def counted():
    """Invariants about what is not done: read, flushed, copied, faulted in."""
    all_ok("guest_inv", icount=True)


def loans_counted():
    """INV-R, Z, C: what is lent, exchanged, flushed. One processor, nothing else."""
    all_ok("guest_loans", smp=1, icount=True)


def counted_on_two_processors():
    all_ok("guest_inv", smp=2, icount=True)


def tables_counted():
    """INV-P: which page tables are shared, copied and taken over; with share_tables=0 none is, and the programs are told the same."""
    options = {"smp": 1, "icount": True, "append": "ramdisk_latency_us=20000"}
    all_ok("guest_tables", **options)
    options["append"] += " share_tables=0"
    status, lines, _ = program("guest_tables INV_P1_fork_shares INV_P1_template", **options)
    equal((status, [line[:30] for line in lines if line.startswith("FAILED")]), (1, ["FAILED INV_P1_fork_shares: for", "FAILED INV_P1_template: the se"]), "without sharing")
    all_ok("inv_p", append="share_tables=0")


def nobody_waits_behind_a_fault():
    """INV-T5, INV-W7; time is counted in instructions, so the host's load does not matter."""
    all_ok("guest_slow", icount=True, append="ramdisk_latency_us=300000")


def fault_without_the_lock():
    """fault_lock=0: the bug that source 002 fixes. A page that truncate has removed stays mapped, and the test sees it; the kernel says that it is unsafe."""
    for smp in (1, 2):
        all_ok("inv_t INV_T2_truncate_loop", smp=smp)
        for seed in range(1, 20):   # the race is not lost under each schedule
            status, lines, log = program("inv_t INV_T2_truncate_loop", append=f"fault_lock=0 sched=explore:{seed}", smp=smp, icount=True)
            if status:
                break
        check(status == 1 and lines[-1].startswith("FAILED INV_T2_truncate_loop"), (status, lines))
        check("fault_lock=0: UNSAFE" in log, log[:2000])


def copy_without_need():
    """cow_reuse=0: right, but each store after a child's end copies."""
    status, lines, _ = program("guest_inv INV_E4_reuse", append="cow_reuse=0", icount=True)
    check(status == 1 and lines[-1].startswith("FAILED INV_E4_reuse"), (status, lines))
    all_ok("inv_e", append="cow_reuse=0")


def prefault_is_seen():
    """prefault=1: right, but memory is touched that is there."""
    status, lines, _ = program("guest_inv INV_A5_no_prefault", append="prefault=1", icount=True)
    check(status == 1 and "FAILED INV_A5_no_prefault" in lines[-1], (status, lines))


def cycle_in_every_shape():
    """atomic_copy=0: the deadlock of one page, and of two files; the hang detector names the page lock, the task and the instruction that faulted."""
    for shape, tasks in (("INV_W1_same_page", 1), ("INV_W1_straddle", 1), ("INV_W1_crossed", 2)):
        # Ends as soon as so many are reported, or when the test has passed.
        script = (f"mkdir /root/t && cd /root/t && ({PROGRAMS}inv_w {shape}; echo passed >/dev/kmsg) & "
                  f"until [ $(dmesg | grep 'hang: .* waits for page lock .* held by .* at ' | sed 's/.*hang: //; s/ waits.*//' | sort -u | wc -l) -ge {tasks} ] || dmesg | grep -q passed; do sleep 0.2; done")
        status, out, err, log = guest(["/bin/sh", "-c", script], append="atomic_copy=0 ramdisk_latency_us=20000 hang_seconds=1", timeout=100)
        hangs = re.findall(r"hang: (\S+) waits for page lock .+ held by (\S+) at (\w+)", log)
        check(len({h[0] for h in hangs}) >= tasks, f"{shape}: status {status} {out} {err}\n{log[-1500:]}")


def switches_turned():
    """/proc/switches: all of them, changed by root alone, nonsense refused; what is unsafe is in the log; atomic_copy=0 takes zerocopy_write along."""
    script = ("cat /proc/switches; echo zerocopy_read=0 >/proc/switches; echo copy_fail=9 >/proc/switches; echo fault_lock=0 >/proc/switches; echo atomic_copy=0 >/proc/switches; echo share_min=512 >/proc/switches\n"
              "for bad in bogus=1 prefault=2 prefault= prefault prefault=1x share_min=513 =1 ''; do echo $bad >/proc/switches || echo refused; done 2>/dev/null; sed s/copy_fail=.*/copy_fail=N/ /proc/switches; dmesg | grep -c UNSAFE")
    words = guest_ok(["sh", "-c", script]).decode().split()
    names = {line.partition("=")[0]: line for line in words[:len(mechanisms.SWITCHES)]}
    equal(set(names), set(mechanisms.SWITCHES), "switches")
    changed = {"zerocopy_read": "0", "copy_fail": "N", "share_min": "512", "fault_lock": "0", "atomic_copy": "0", "zerocopy_write": "0"}
    later = [f"{name}={changed[name]}" if name in changed else line for name, line in names.items()]
    equal(words[len(names):], ["refused"] * 8 + later + ["2"], "after")


def tests():
    return [(f.__name__, f) for f in (the_table_is_current, switches_turned, counted, loans_counted, tables_counted, counted_on_two_processors, nobody_waits_behind_a_fault, fault_without_the_lock,
                                      copy_without_need, prefault_is_seen, cycle_in_every_shape)]
