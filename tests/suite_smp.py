"""Several processors: they start, tasks run on all of them, affinity holds; what stops one stops all. That programs are right on them is shown by
running the other suites with `./cowslip test --smp N`."""
import json
import os
import re
import socket
import threading
import time

from testlib import build_kernel, check, collected, equal, guest, guest_ok, package, scratch, until

HOST = False
TESTS, test = collected()


def prepare():
    build_kernel()


def tests():
    return TESTS


@test
def processors_start():
    """As many as the machine has, or as maxcpus= says; a program can be on each."""
    for smp, append, want in ((1, "", 1), (2, "", 2), (4, "", 4), (8, "", 8), (4, "maxcpus=3", 3), (4, "maxcpus=1", 1), (2, "maxcpus=9", 2), (16, "", 16)):
        script = "nproc; for i in $(seq 0 $(($(nproc) - 1))); do taskset -c $i cut -d' ' -f39 /proc/self/stat; done; grep -c ^processor /proc/cpuinfo"
        out = guest_ok(["sh", "-c", script], smp=smp, append=append, timeout=60).decode().split()
        equal(out, [str(n) for n in [want, *range(want), want]], f"--smp {smp} {append}")


@test
def many_boots():
    """A slice of the 200 in a row that docs/testing.md tells of (`./cowslip soak`)."""
    for number in range(20):
        status, out, err, log = guest(["sh", "-c", f"(exit 1) & (exit 2) & wait; exit {number}"], smp=4, timeout=40)
        equal((status, out, err), (number, b"", b""), f"boot {number}\n{log[-800:]}")


@test
def work_spreads():
    """Four programs that compute on four processors: each processor has its share of the time. In instructions, all processors in turns: how many of
    them the host can run at once does not matter."""
    script = ("for i in 1 2 3 4; do sh -c 'i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done' & done; wait; grep '^cpu[0-3]' /proc/stat")
    out = guest_ok(["sh", "-c", script], smp=4, icount=True, timeout=100).decode().splitlines()
    busy = [int(line.split()[1]) + int(line.split()[3]) for line in out]
    check(len(busy) == 4 and min(busy) * 5 > max(busy), f"busy: {busy}")


@test
def panic_stops_all():
    """Every processor says where it was and what it held; one that runs a program, that it does."""
    status, out, err, log = guest(["/bin/true"], append="crash=assert", smp=4, timeout=40)
    equal(status, 125, log[-800:])
    for cpu in range(4):
        check(re.search(rf"^CPU {cpu}, task \d+ \(\w+\), preempt count \d+$", log, re.M), f"nothing of CPU {cpu}:\n{log}")
    equal(log.count("backtrace:"), 4, log)
    check(log.count("sched_idle") == 3 and "does not answer" not in log, log)


# ---------------------------------------------------------------- from outside: NMIs, machine checks

class Monitor:
    """A guest with a monitor of its own: `with Monitor(argv, ...) as m: m.command("inject-nmi")`, then m.result is what guest() gives."""

    def __init__(self, argv, **options):
        self.temporary = scratch()
        self.path = os.path.join(self.temporary.name, "qmp")
        self.result = None

        def run():
            self.result = guest(argv, qemu=["-qmp", f"unix:{self.path},server=on,wait=off"], **options)
        self.thread = threading.Thread(target=run)

    def __enter__(self):
        self.thread.start()
        self.socket = socket.socket(socket.AF_UNIX)
        until(lambda: not self.thread.is_alive() or not self.socket.connect_ex(self.path), "QEMU's monitor is not there", pause=0.05)
        check(self.thread.is_alive(), f"QEMU did not start: {self.result}")
        self.lines = self.socket.makefile("rw")
        self.lines.readline()
        self.command("qmp_capabilities")
        return self

    def command(self, name, **arguments):
        while True:
            try:
                if name:
                    self.lines.write(json.dumps({"execute": name, "arguments": arguments}) + "\n")
                    self.lines.flush()
                    name = None
                line = self.lines.readline()
            except ConnectionError:
                line = ""
            if not line:
                return None                     # the machine has ended
            answer = json.loads(line)
            if "return" in answer or "error" in answer:
                check("return" in answer, answer)
                return answer["return"]

    def human(self, line):
        return self.command("human-monitor-command", **{"command-line": line})

    def __exit__(self, *_):
        self.thread.join()
        self.socket.close()
        self.temporary.cleanup()


# Spins on CPU 1 in user mode, or until the log says what is waited for. The shell that waits is on CPU 0: what hits CPU 1 is not to hit it.
def until_logged(text):
    return ["taskset", "1", "sh", "-c", f"taskset 2 sh -c 'while :; do :; done' & echo ready >/dev/kmsg; n=0; while [ $n -lt 6000 ] && ! dmesg | grep -q '{text}'; do sleep 0.1; n=$((n+1)); done; "
                        "kill $! 2>/dev/null; wait $!; echo $?"]


def repeat(machine, command):
    """Until the guest has ended; whenever CPU 1 is in user mode at three looks in a row: it is the program that spins then, not one on its way to CPU 0."""
    looks = 0
    while machine.thread.is_alive():
        registers = machine.human("info registers -a") or ""
        looks = looks + 1 if re.search(r"CPU#1.*CPL=3", registers, re.S) else 0
        if looks >= 3:
            command()
        time.sleep(0.2)


@test
def nmi_is_logged():
    with Monitor(until_logged("NMI on CPU 0"), smp=2, timeout=100) as m:
        repeat(m, lambda: m.command("inject-nmi"))
    status, out, err, log = m.result
    check(status == 0 and "NMI on CPU 0" in log and "PANIC" not in log, log[-1500:])


UNCORRECTED_IN_PROGRAM = "0xb580000000000000 0x7"       # valid, uncorrected, address, action required; the program could be restarted
LOST = "0xb780000000000000 0x5"                         # ... and the processor's state is lost


@test
def machine_check_kills_the_program():
    with Monitor(until_logged("gets SIGBUS"), smp=2, timeout=100) as m:
        repeat(m, lambda: m.human(f"mce 1 1 {UNCORRECTED_IN_PROGRAM} 0x1234000 0x8c"))
    status, out, err, log = m.result
    check((status, out.split()[-1:]) == (0, [b"135"]) or "PANIC: machine check" in log, f"{out} {log[-1500:]}")
    check("machine check on CPU 1: bank status b580000000000000, address 1234000" in log or "PANIC: machine check: bank status b580000000000000" in log, log[-1500:])


@test
def machine_check_stops_the_machine():
    with Monitor(until_logged("never"), smp=2, timeout=100) as m:
        repeat(m, lambda: m.human(f"mce 1 1 {LOST} 0x1234000 0x8c"))
    status, out, err, log = m.result
    equal(status, 125, log[-1500:])
    check("PANIC: machine check: bank status b780000000000000, address 1234000" in log and "CPU 0, task" in log, log[-2500:])


@test
def interrupt_storm():
    """Wake-ups come faster than an idle processor can act on them: it once preempted its own preemption until the stack was full (in one of four such runs)."""
    package("stress-ng", "/var/lib/dpkg/info/stress-ng.list", "/var/lib/dpkg/info/stress-ng:amd64.list")
    script = "cd /root; for i in 1 2 3 4 5 6 7 8 9 10; do stress-ng --wait 1 --wait-ops 20 -t 8 --temp-path . >/dev/null 2>&1 || exit 1; done; echo done"
    equal(guest_ok(["sh", "-c", script], smp=4, packages=["stress-ng"], timeout=150), b"done\n", "output")
