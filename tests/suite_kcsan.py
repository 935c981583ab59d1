"""Data races (kernel/kcsan.h): one that is planted is found and told with both sides; a slice of the programs on several processors has none."""
import re

from testlib import build_kernel, build_variant, check, equal, guest

HOST = False
KERNEL = []
PROGRAMS = "/usr/lib/cowslip/tests/"
SLICE = ["pipes", "splice", "threads", "process", "epoll", "signals", "files", "filemap", "memory", "sockets", "sockets_named", "sockets_rights"]


def prepare():
    build_kernel()
    KERNEL.append(build_variant("kcsan"))


def planted_race():
    """Two kernel threads count without a lock: both functions, both tasks, and that the value changed under the reader; the runner fails the run."""
    for smp in (1, 2):      # on one processor the other one comes by preemption
        status, _, err, log = guest(["sh", "-c", "sleep 3"], append="crash=race", kernel=KERNEL[0], smp=smp, timeout=90, icount=True)
        equal(status, 125, "status")
        check(b"data race between count+" in err, f"the runner does not say it: {err!r}")
        race = re.search(r"kcsan: data race between count\+0x\w+ and count\+0x\w+ at \w+, value (\w+) to (\w+)\n(.*\n)*?.*kcsan:   (read|write) of 8 bytes by count-(.)\(\d+\) on CPU \d\n"
                         r"(.*kcsan:     .*\n)+.*kcsan:   (read|write) of 8 bytes by count-(.)\(\d+\) on CPU \d", log)
        check(race, log[-3000:])
        check({race[5], race[8]} == {"a", "b"} and "write" in (race[4], race[7]), race[0])


def no_races():
    script = "cd /tmp; ls -lR /proc >/dev/null 2>&1 & for t in %s; do %s$t >/dev/null 2>&1; done; wait; sync" % (" ".join(SLICE), PROGRAMS)
    status, _, err, log = guest(["sh", "-c", script], kernel=KERNEL[0], smp=4, timeout=280, icount=True)
    check(status == 0 and "kcsan:" not in log, f"status {status} {err[-500:]!r}\n{log[-4000:]}")


def tests():
    return [(f.__name__, f) for f in (planted_race, no_races)]
