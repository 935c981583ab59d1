"""User programs in QEMU. Each of user/tests/*.c runs on the host's Linux first and then in the guest; both must end
with status 0 and print the same. Programs that show races of the page cache have tests of their own below."""
import os
import re

import common
from testlib import BUILD, ROOT, Fail, Skip, build_kernel, check, command, equal, guest, guest_ok, same_text, scratch

HOST = False
TESTS = os.path.join(BUILD, "user/tests")

# Programs that need a disk of their own or a switch: not compared, see below. (guest_*: not for the host, see suite_proc.py.)
SPECIAL = {"write_own_mmap", "hog"}
# Programs that are root in the guest and so must be root on the host, to be told the same.
AS_ROOT = {"badptr_file", "badptr_proc", "descriptors", "ids", "mounts", "names", "open2", "proc_files", "sockets", "sockets_named", "sockets_rights", "sysvsem", "sysvshm"}
# Lines in which Cowslip may differ, each with its reason: `text of the line: reason`.
DIFFERENCES = "tests/{}.differences"


def prepare():
    build_kernel()


def stated_differences(name):
    path = os.path.join(ROOT, DIFFERENCES.format(name))
    if not os.path.exists(path):
        return set()
    with open(path, encoding="utf-8") as file:
        return {line.split("  #")[0].rstrip() for line in file if line.strip() and not line.startswith("#")}


def without(text, lines):
    """The text less the lines that begin as one of `lines` does (up to its ` -> `)."""
    keep = [line for line in text.splitlines(keepends=True)
            if not any(line.decode("utf-8", "replace").startswith(d) for d in lines)]
    return b"".join(keep)


def compared(name, append=""):
    """A test: the program says the same on the host's Linux and in the guest, whose kernel has these words on its command line."""
    def run():
        program = os.path.join(TESTS, name)
        if name in AS_ROOT and os.geteuid():
            raise Skip("compared with the host as root only: run the tests as root")
        with scratch() as directory:
            status, host, err = command([program], cwd=directory, timeout=60)
        equal(status, 0, f"{name} on the host's Linux (a wrong test): {err[-500:]!r} {host[-300:]!r}; status")
        status, got, err, log = guest(["/bin/sh", "-c", "mkdir /root/t && cd /root/t && exec /usr/lib/cowslip/tests/" + name], append=append, timeout=240)
        differences = stated_differences(name)
        same_text(without(got, differences), without(host, differences), f"{name} {append}: guest against host (status {status})\n{log[-300:]}")
        equal(status, 0, f"{name}: status in the guest; {err[-500:]!r}")
    return run


def own_mmap(directory, latency, *switches):
    append = " ".join(("ramdisk_latency_us=" + str(latency), *switches))
    return guest(["/usr/lib/cowslip/tests/write_own_mmap", directory], append=append, timeout=60)


def write_from_own_mapping():
    """DESIGN.md 5: write() from a mapping of the page that it writes ends, however slow the disk is."""
    with scratch() as directory:
        status, host, _ = command([os.path.join(TESTS, "write_own_mmap"), directory])
        equal(status, 0, "on the host")
    for latency in (0, 200, 5000):
        status, out, err, log = own_mmap("/root", latency)
        equal(status, 0, f"latency {latency} us: {err!r} {log[-400:]}")
        equal(out, host, f"latency {latency} us")


def write_from_own_mapping_every_copy_fails():
    """INV-A5: the same with every first copy stopped at a random byte, and with the prefault of old."""
    for switch in ("copy_fail=1", "copy_fail=7", "prefault=1"):
        status, _, err, log = own_mmap("/root", 1000, switch)
        equal(status, 0, f"{switch}: {err!r} {log[-400:]}")


def deadlock_without_atomic_copy():
    """The fix switched off: the kernel of before 2002 hangs, and the hang detector says who waits for whom. In instructions: the time it takes is not the host's."""
    script = "(/usr/lib/cowslip/tests/write_own_mmap /root; echo passed >/dev/kmsg) & until dmesg | grep -q -e 'hang: ' -e passed; do sleep 0.5; done; sleep 20; dmesg | grep -q passed || echo it hangs"
    status, out, _, log = guest(["sh", "-c", script], append="ramdisk_latency_us=20000 atomic_copy=0", icount=True, timeout=100)
    if common.variant() == "debug":     # it does not come so far
        check("PANIC: user access that may fault" in log and "holds page lock" in log and "write_historical" in log, log[-1500:])
        return
    check(status == 0 and out.endswith(b"it hangs\n"), f"it should hang: status {status} {out!r}\n{log[-1500:]}")
    check("UNSAFE" in log, "the switch does not say that it is unsafe")
    line = re.search(r"hang: (\S+) waits for page lock (.+):(\d+) held by (\S+) at (\w+)", log)
    check(line, "no hang line in the log:\n" + log[-800:])
    check(line[1].startswith("write_own_mmap"), line[0])
    seconds = float(re.search(r"\[ *([\d.]+)\] hang:", log)[1])
    check(seconds < 12, f"the hang was reported after {seconds} s")     # by the guest's clock: boot, the first cases, then 3 to 4 s


def kbench(names, directory):
    def run():
        out = guest_ok(["/bin/kbench", "-b", "2", "-S", "4", "-d", directory, *names], icount=True, timeout=170).decode()
        bad = [line for line in out.splitlines() if "BADDATA" in line or "SKIP" in line and "copy_file_range" not in line]
        check(not bad, "\n".join(bad))
        check(len(out.splitlines()) >= len(names), out)
    return run


def fair_scheduling():
    """Equal processes get equal time; one of nice 10 gets about a tenth. In instructions, so no clock of the host matters."""
    shares = [int(n) for n in guest_ok(["/usr/lib/cowslip/tests/guest_fair"], icount=True, smp=1, timeout=120).split()]
    check(all(95 <= n <= 105 for n in shares[:3]) and 7 <= shares[3] <= 15, f"shares {shares}")


def fpu_by_fxsave():
    """The FPU test where there is no XSAVE, and where there are neither SMAP nor SMEP."""
    want = command([os.path.join(TESTS, "fpu")], timeout=60)[1]
    for cpu in ("qemu64", "max,-xsave", "max,-smap,-smep,-umip"):
        out = guest_ok(["/usr/lib/cowslip/tests/fpu"], what=cpu, cpu=cpu, timeout=100)
        same_text(out, want, cpu)


def signals_at_every_instruction():
    """One nanosecond is one instruction with --icount, on one processor: the timer moves over the calls' way in and out step by step. On several in larger steps."""
    sweep = "/usr/lib/cowslip/tests/signal_sweep"
    equal(guest_ok([sweep, "5000", "1"], icount=True, smp=1, timeout=300), b"all right\n", "output")
    equal(guest_ok([sweep, "200", "25"], icount=True, timeout=300), b"all right\n", "output, any number of processors")


def nodes_of_one_disk():
    """Two device nodes of one disk, on two file systems: one cache, one size, hints and O_SYNC about it, one write() at a time."""
    out = guest_ok(["sh", "-c", "cd /root; exec /usr/lib/cowslip/tests/guest_nodes"], append="swap_mb=4 ramdisk_latency_us=5000", icount=True, timeout=100)
    equal(out, b"ok one cache\nok one size\nok hints\nok O_SYNC\nok one write at a time\n", "output")


KEPT = """cached pages: 4 shared, 0 copied, 0 given
the file is written: 16384 bytes, as they were
a part of it: 16384 bytes, as they were
stored to by a mapping: 16384 bytes, as they were
and the file has it: 1
truncated: 16384 bytes, as they were
punched and removed: 16384 bytes, as they were
not aligned: 4 shared, 0 copied, 0 given
a few bytes: 0 shared, 1 copied, 0 given
private memory: 8 shared, 0 copied, 0 given
copies for the stores: 8
to a file: 0 shared, 0 copied, 8 given
the file has what was there at vmsplice()
copies when the pipe is empty again: 0
"""


def pipes_keep_what_they_got():
    """References in pipes: shared, not copied, and never changed by what becomes of the file or the memory; on tmpfs and on the disk."""
    for directory in ("/tmp", "/root"):
        equal(guest_ok(["sh", "-c", f"cd {directory}; exec /usr/lib/cowslip/tests/guest_splice"], smp=1, icount=True).decode(), KEPT, directory)


def dirty_pipe():
    """CVE-2022-0847: a write goes behind the bytes of a file's page in a pipe only with the switch that makes it so."""
    for append, text in ("", "the file is as it was"), ("pipe_merge=1", "the file has CHANGED"):
        status, out, _, log = guest(["/usr/lib/cowslip/tests/guest_splice", "merge"], append=append)
        equal((status, out.decode()), (0, text + "\n"), append)
        equal("UNSAFE" in log, bool(append), "the log says that it is unsafe")


def tour():
    """Each stop of the tour is as it is told; with a slow disk writes meet the frames on their way, and none waits. In instructions: it tells of the
    machine's counters, which others move too, when their time has come."""
    check(guest_ok(["/bin/tour"], icount=True, timeout=300).decode().endswith("stops, 0 not as told\n"), "the tour")
    out = guest_ok(["/bin/tour", "stable"], append="ramdisk_latency_us=20000", icount=True).decode()
    breaks = re.search(r"write_break \+(\d+) .*page_lock_wait \+(\d+)", out)
    check(breaks and int(breaks[1]) >= 32 and breaks[2] == "0", "stable pages:\n" + out)


def block_device_mapped():
    """/dev/ram0 can be mapped, and shows what read() does."""
    equal(guest_ok(["/usr/lib/cowslip/tests/guest_blockmap"]), b"magic ef53\nsame 1\nsame 1\n", "output")


CRASHES = {
    "null": "page fault at 0000000000000000: read", "stack": "kernel stack overflow", "divide": "divide error",
    "user": "page fault at 0000000000400000: write", "write": "protection", "assert": "does not hold",
}


def panics():
    """A panic prints its reason, registers, the task, held locks and a backtrace with names; the runner gives 125."""
    for kind, text in CRASHES.items():
        status, _, err, log = guest(["/bin/true"], append="crash=" + kind, timeout=30)
        equal(status, 125, f"crash={kind}: status")
        for want in ("PANIC: ", text, "backtrace:", "crash" if kind != "stack" else "overflow_stack", "task "):
            check(want in log, f"crash={kind}: no {want!r} in the log:\n{log[-1500:]}")
        check(text.encode() in err, f"crash={kind}: the runner does not show the panic: {err!r}")
        if kind == "assert":
            check("holds spinlock crash test" in log, "the held lock is not named:\n" + log)
        if kind != "assert":
            check("rip ffffffff" in log, "no registers")


def tests():
    programs = sorted(n[:-2] for n in os.listdir(os.path.join(ROOT, "user/tests")) if n.endswith(".c"))
    found = [(name, compared(name)) for name in programs if name not in SPECIAL and not name.startswith("guest_")]
    found += [(f.__name__, f) for f in (tour, write_from_own_mapping, write_from_own_mapping_every_copy_fails,
                                        deadlock_without_atomic_copy, fair_scheduling, fpu_by_fxsave, signals_at_every_instruction, block_device_mapped, nodes_of_one_disk, pipes_keep_what_they_got, dirty_pipe, panics)]
    found += [("kbench_files_tmpfs", kbench(["pread*", "pwrite*", "writev*", "file_fault*", "readfile*", "copy16m_rw*", "copy16m_sendfile*"], "/tmp")),
              ("kbench_files_ext2", kbench(["pread*", "pwrite*", "writev*", "file_fault*", "mapfile*", "copy16m_rw*", "write_mmap*", "create_unlink"], "/root")),
              ("kbench_memory", kbench(["anon*", "populate*", "cow*", "mmap*", "mprotect*"], "/tmp")),
              ("kbench_processes", kbench(["null_syscall", "fork_e*", "pipe*", "yield*", "futex*", "signal_self", "open_close", "stat", "fstat"], "/tmp"))]
    return found
