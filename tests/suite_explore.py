"""Schedule exploration (kernel/explore.h): the same seed does the same, another something else; the scenarios under some hundred schedules each (soak
runs thousands); the machine stops itself where it is told to; and all of that is off when it is off."""
import os
import re
import subprocess
import tempfile

from testlib import PATIENCE, ROOT, build_kernel, check, collected, command, equal, guest, guest_ok, must

HOST = False
COWSLIP = os.path.join(ROOT, "cowslip")
SCENARIOS = "write_truncate fault_truncate crossed_writers fork_fault swap_fork munmap_copy exec_signals pipes rename_lookup".split()
TESTS, test = collected()


def prepare():
    build_kernel()


def scenario(name, smp, count):
    def run():
        # First on Linux, under whatever schedules come: the check is of what Linux promises.
        with tempfile.TemporaryDirectory() as directory:
            must([os.path.join(ROOT, "build/user/scenario"), name, "200", "1", directory], timeout=100)
        out = guest_ok(["/bin/scenario", name, str(count), "1"], append="sched=explore:1 swap_mb=4", icount=True, smp=smp, timeout=300).decode()
        match = re.match(rf"{name}: {count} schedules of about (\d+) events$", out)
        check(match and int(match[1]) > 50, out)
    return run


def tests():
    return TESTS + [(f"{name}_{smp}", scenario(name, smp, count)) for smp, count in ((1, 300), (2, 100)) for name in SCENARIOS]


PAIRS = "write lend read fault store truncate punch fork munmap mprotect pin dwrite fsync reclaim copy_to copy_from touch dontneed move".split()


@test
def pairs():
    """user/pairs.c: every two operations of the memory system at the same time, a few schedules each (soak: thousands)."""
    equal(must([os.path.join(ROOT, "build/user/pairs"), "list"]).decode().split(), PAIRS, "pairs list")
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as directory:
        must([os.path.join(ROOT, "build/user/pairs"), "all", "2", "47", directory], timeout=200)
    for smp, count, seed in ((1, 5, 46), (2, 3, 62)):     # some with a page table that another process has too (seed & 48)
        out = guest_ok(["/bin/pairs", "all", str(count), str(seed), "/root"], append="sched=explore:1 share_min=1", icount=True, smp=smp, mem=64 << 20, timeout=300).decode()
        done = re.findall(rf"^(\w+ \w+): {count} schedules of about (\d+) events$", out, re.M)
        equal(len(done), len(PAIRS) * (len(PAIRS) + 1) // 2, "pairs that ran")
        check(all(int(events) > 10 for _, events in done), out)     # those of the two operations alone


BUSY = ["sh", "-c", "for i in 1 2 3 4; do (echo $i; echo $i >/root/$i; cat /root/$i >/dev/null) & done; wait; cat /proc/explore"]


@test
def scenarios_are_known():
    equal(must([os.path.join(ROOT, "build/user/scenario"), "list"]).decode().split(), SCENARIOS, "scenario list")


@test
def a_seed_is_a_schedule():
    """Bit for bit, on one processor and on several; another seed is another schedule."""
    for smp in (1, 2, 4):
        runs = []
        for seed in (1, 1, 2, 3):
            status, out, err, log = guest(BUSY, append=f"sched=explore:{seed}", icount=True, smp=smp, timeout=100)
            equal((status, err), (0, b""), log[-500:])
            runs.append((out, log.replace(f"explore:{seed}", "explore:")))
        equal(runs[0], runs[1], f"--smp {smp}: the same seed again")
        check(len({run[0] for run in runs}) >= 3, f"--smp {smp}: {[run[0] for run in runs]}")


@test
def priorities_order_tasks():
    """Without exploration the four children end in their order."""
    orders = set()
    for seed in range(12):
        orders.add(guest_ok(["sh", "-c", "for i in 1 2 3 4; do echo $i & done; wait"], append=f"sched=explore:{seed}", icount=True, smp=1, timeout=100))
    check(len(orders) >= 4, orders)


@test
def words():
    """What is not understood is refused, and the machine runs as usual."""
    for append in ("sched=fair", "sched=explore:", "sched=explore:1,d=0", "sched=explore:x"):
        status, out, err, log = guest(["cat", "/proc/explore"], append=append, smp=1, timeout=60)
        check(status == 0 and out.startswith(b"off ") and "only explore:SEED" in log, (append, out))
    script = "echo d=17 >/proc/explore; echo 5,k=100,d=4 >/proc/explore; cat /proc/explore; echo off >/proc/explore; cat /proc/explore"
    out = guest(["sh", "-c", script + " 2>/dev/null"], append="", icount=True, smp=1, timeout=60)[1].decode().splitlines()
    check(re.match(r"on seed 5 events \d+ d 4 k 100$", out[0]) and out[1].startswith("off seed 5 "), out)


@test
def atomics_are_events():
    """In the build for it each atomic operation may switch: more events, the same outcome."""
    def run(*options):
        text = must([COWSLIP, "run", *options, "--icount", "--append", "sched=explore:1", "--", "/bin/scenario", "pipes", "40", "1"], timeout=400).decode()
        return int(re.match(r"pipes: 40 schedules of about (\d+) events$", text)[1])
    few, many = run(), run("--explore")
    check(many > few + few // 3, f"{few} events, {many} with atomics")


@test
def stops_for_gdb():
    """stop_at=N: the kernel stops at that event of the unchanged run, GDB comes then; on two processors, twice at the same place."""
    words = []
    for line in ("p events.v", "bt 6", "p cpus[0].task->tid", "p cpus[1].task->tid", "set var explore_go = 1", "continue"):
        words += ["-ex", line]
    places = []
    for _ in range(2):
        status, out, err = command([COWSLIP, "gdb", "-batch", "--icount", "--smp", "2", "--append", "sched=explore:3 stop_at=700", *words, "--", "sh", "-c", "echo hi; exit 3"],
                                   timeout=100)
        text = out.decode(errors="replace")
        check(status == 0 and re.search(r"explore_stop \(event=(event@entry=)?700\)", text) and "explore_event ()" in text and "\nhi\n" in text, text + err.decode(errors="replace"))
        places.append(text[text.index("explore_stop"):text.index("hi\n")])
    equal(places[0], places[1], "where it stops")


@test
def soak():
    """A slice of ./cowslip soak; its options."""
    done = subprocess.run([COWSLIP, "soak", "--minutes", "0.1", "--seed", "7", "--only", "scenario"], stdout=subprocess.PIPE, timeout=200 * PATIENCE)
    text = done.stdout.decode()
    check(done.returncode == 0 and re.search(r"^ok +scenario .* write_truncate 500 ", text, re.M) and re.search(r"^soak: [1-9]\d* runs, 0 failed, seed 7$", text, re.M), text)
    for bad in (["--minutes"], ["--minutes", "x"], ["--only", "nothing"], ["--bogus", "1"]):
        equal(subprocess.run([COWSLIP, "soak", *bad], stdout=subprocess.PIPE, stderr=subprocess.PIPE).returncode, 125, bad)
