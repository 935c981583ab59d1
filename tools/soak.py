"""./cowslip soak: what runs longer than the tests do, in turns, until the time is up.

    --minutes N   how long (10)
    --seed S      where the schedules, orders and inputs begin (1): the same seed does the same things
    --only NAME   one kind alone
    --list        the kinds

Each line says what ran and how it ended. A failure prints the command that repeats it and the end of what that printed; the rest goes on, and the
exit status is 1."""
import os
import random
import subprocess
import sys
import time

from common import ROOT, VARIANTS, Failure

COWSLIP = os.path.join(ROOT, "cowslip")
SCENARIOS = ("write_truncate", "fault_truncate", "crossed_writers", "fork_fault", "swap_fork", "munmap_copy", "exec_signals", "pipes", "rename_lookup")
# Programs of user/tests that end quickly also when every unlock may switch, and that nobody else has to look at.
PROGRAMS = ("files", "pipes", "signals", "threads", "process", "memory", "sockets", "sockets_named", "sockets_rights", "epoll", "timers", "futexes", "waitv", "reclocks", "stress", "short_lived")
SWAP = "mkswap /dev/ram1 >/dev/null; swapon /dev/ram1; "     # what swap_mb= made
PER_RUN = 500               # schedules of a scenario in one machine


def scenario(number, seed):
    """Nine small scenarios, 500 seeded schedules each, on 1, 2 and 4 processors."""
    name = SCENARIOS[number % len(SCENARIOS)]
    smp = (1, 1, 2, 4)[number // len(SCENARIOS) % 4]
    directory = ("/tmp", "/root")[number // len(SCENARIOS) // 4 % 2]
    return [COWSLIP, "run", "--icount", "--smp", str(smp), "--timeout", "600", "--append", f"sched=explore:{seed} swap_mb=4", "--",
            "/bin/scenario", name, str(PER_RUN), str(seed), directory]


def pairs(number, seed):
    """Every two operations of the memory system at the same time (user/pairs.c), 250 seeded schedules of each pair, on 1 and 2 processors."""
    return [COWSLIP, "run", "--icount", "--smp", str((1, 2)[number % 2]), "--mem", "64M", "--timeout", "1800", "--append", f"sched=explore:{seed} swap_mb=8 share_min=1", "--",
            "sh", "-c", f"{SWAP}exec /bin/pairs all 250 {seed} {('/root', '/root', '/tmp')[number % 3]}"]


def program(number, seed):
    """A test program under a seeded schedule of the whole system."""
    names = [n for n in PROGRAMS if os.path.exists(os.path.join(ROOT, "user/tests", n + ".c"))]
    name = names[number % len(names)]
    return [COWSLIP, "run", "--icount", "--smp", str((1, 2, 4)[number % 3]), "--timeout", "600", "--append", f"sched=explore:{seed},d=5,k=200000", "--",
            "sh", "-c", f"mkdir /root/t && cd /root/t && /usr/lib/cowslip/tests/{name} >/dev/null"]


def operations(number, seed):
    """Random operations on files and memory (user/randomops.c) on 1, 4 and 8 processors, 20,000 in a run; in each second run in the debug build, with the
    owners of every frame counted after each of 4,000; after twelve runs twelve with page tables that are shared."""
    smp = (1, 4, 8)[number % 3]
    tables = ["-l"] * (number // 12 % 2)
    words = tables if smp == 1 else tables + ["-w", str(smp)] + (["-t"] if number % 2 else [])
    look = number // 3 % 2
    words += ["-o", "1"] if look else []
    return [COWSLIP, "run", *(["--debug"] if look else []), *(["--icount"] if look and smp > 1 else []), "--smp", str(smp), "--mem", "128M", "--timeout", "900", "--append", "swap_mb=8 share_min=2", "--", "sh", "-c",
            f"{SWAP}exec randomops {' '.join(words)} {seed} {(4000 if look else 20000) // smp} {('/root', '/tmp')[number // 6 % 2]}"]


def failures(number, seed):
    """Every allocation, user access or request to the disk of an operation fails in its turn (user/tests/guest_failures.c), execve too."""
    kind = ("alloc", "access", "io")[number % 3]
    return [COWSLIP, "run", "--debug", "--mem", "96M", "--timeout", "900", "--", "sh", "-c",
            f"mkdir /root/t; cd /root/t; p=/usr/lib/cowslip/tests/guest_failures; $p {kind} && $p {kind} exec"]


# Programs that injected() takes besides those that run on Linux too, with arguments; guest_failures, guest_injected and guest_kstack have failures of their own, guest_fair,
# guest_slow and guest_procload measure time.
GUEST_ONLY = ("guest_blockmap", "guest_copyruns", "guest_elf 1 30", "guest_fuzz . 1 30", "guest_inv", "guest_invswap", "guest_loans", "guest_nodes", "guest_shm", "guest_splice", "guest_swap",
              "guest_tables", "guest_tlb .", "guest_vmstat")
LONG = ("fsx", "names", "tables", "guest_")      # seconds, going on after a failure: all new paths of a run fail at once


def injected(number, seed):
    """A whole test program, then the next, with an allocation, user access or request on each path failing in its turn, or SIGKILL at some system calls (user/tests/guest_injected.c)."""
    names = sorted(n[:-2] for n in os.listdir(os.path.join(ROOT, "user/tests")) if n.endswith(".c") and not n.startswith("guest_") and n != "hog.c") + ["hog 20", *GUEST_ONLY]
    name = names[number % len(names)]
    kind = ("alloc", "kill", "access", "io")[number // len(names) % 4]
    return [COWSLIP, "run", "--debug", "--mem", "128M", "--append", "swap_mb=8", "--smp", str((1, 2)[number // len(names) // 4 % 2]), "--timeout", "2400", "--",
            "/usr/lib/cowslip/tests/guest_injected", kind, str(seed), "40" if kind == "kill" else "all" if name.startswith(LONG) else "new", "/usr/lib/cowslip/tests/" + name]


def history(number, seed):
    """A million operations of the hosted random histories under ASan (tests/host/test_history.c), owners recounted after each 16th; in each fourth run
    100,000, after each."""
    test = ("history_random", "history_copy_fail", "history_prefault", "history_background")[number % 4]
    return ["sh", "-c", f"make -s -f tests/host/host.mk && exec build/host/mmtest {test} from={seed} every={1 if number // 4 % 4 == 3 else 16} "
            f"histories={250 if number // 4 % 4 == 3 else 2500} ops=400"]


def hosted_pairs(number, seed):
    """Every two operations of the memory system on the hosted machine, under ASan, owners recounted after each schedule (tests/host/pairs.c): 10,000
    random schedules of each pair of the next operation."""
    return ["sh", "-c", f"make -s -f tests/host/fs.mk && exec build/host/pairstest $(build/host/pairstest list | sed -n {number % 19 + 1}p | cut -f 1) schedules=10000 from={seed}"]


def boots(number, seed):
    """Twenty boots in a row on four processors (tests/suite_smp.py)."""
    return [COWSLIP, "test", "smp/many_boots"]


def suites(number, seed):
    """The suites of programs on 1, 2, 4 and 8 processors."""
    return [COWSLIP, "test", "--smp", str((2, 4, 8, 1)[number % 4]), ("guest", "busybox", "ipc", "programs", "ext2", "stress", "proc")[number % 7]]


def switches(number, seed):
    """Every test program under every switch that takes an optimisation away or makes copies fail."""
    return ["env", "COWSLIP_ALL_SWITCHES=1", COWSLIP, "test", "switches/*"]


def variants(number, seed):
    """The same in the other builds of the kernel: locks that check themselves, and what else tools/common.py names."""
    name = ("debug", "kcsan")[number % 2]
    return [COWSLIP, "test", "--" + name, "--smp", str((4, 2)[number % 2]), ("guest", "busybox", "stress", "ipc", "ext2", "programs")[number % 6]]


def variant_scenario(number, seed):
    """A scenario in the other builds."""
    name = sorted(VARIANTS)[number % len(VARIANTS)]
    return [COWSLIP, "run", "--" + name] + scenario(number, seed)[2:]


def hosted(number, seed):
    """The hosted tests: every schedule of the small protocols one preemption deeper, random ones of the rest (tools/hosted.py)."""
    return [sys.executable, os.path.join(ROOT, "tools/hosted.py"), "--minutes", "2", "--limit", "2000", "--seed", str(seed)]


def self_build(number, seed):
    """The kernel is built under the kernel, by Debian's gcc, and is the host's bit for bit (tools/selfbuild.py); twenty minutes."""
    return [sys.executable, os.path.join(ROOT, "tools/selfbuild.py"), "--smp", str((2, 1, 4)[number % 3])]


KINDS = (scenario, operations, pairs, scenario, program, scenario, boots, scenario, suites, variant_scenario, operations, failures, injected, history, hosted_pairs, hosted, scenario, variants, switches, self_build)


def options(words):
    minutes, seed, only = 10.0, 1, None
    words = list(words)
    while words:
        word = words.pop(0)
        if word == "--list":
            for kind in sorted(set(KINDS), key=lambda k: k.__name__):
                print(f"{kind.__name__:18}{kind.__doc__.splitlines()[0]}")
            return None
        if word not in ("--minutes", "--seed", "--only") or not words:
            raise Failure("soak: --minutes N, --seed S, --only NAME, --list")
        value = words.pop(0)
        try:
            if word == "--minutes":
                minutes = float(value)
            elif word == "--seed":
                seed = int(value)
            else:
                only = [kind for kind in KINDS if kind.__name__ == value][0]
        except (ValueError, IndexError):
            raise Failure(f"soak: {word} {value}?") from None
    return minutes, seed, only


def run(argv, limit):
    """(how it ended, its output). What the time limit of soak itself cuts off has not failed."""
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=limit)
    except subprocess.TimeoutExpired as late:
        return "unfinished", (late.output or b"").decode(errors="replace")
    return "ok" if done.returncode == 0 else f"FAIL, status {done.returncode}", done.stdout.decode(errors="replace")


def command(words):
    chosen = options(words)
    if chosen is None:
        return 0
    minutes, seed, only = chosen
    deadline = time.monotonic() + minutes * 60
    rng, numbers, done, failed = random.Random(seed), {}, 0, 0
    turn = 0
    while time.monotonic() < deadline:
        kind = only or KINDS[turn % len(KINDS)]
        turn += 1
        number = numbers[kind] = numbers.get(kind, -1) + 1
        argv = kind(number, rng.randrange(1, 1 << 30))
        start = time.monotonic()
        verdict, output = run(argv, max(deadline - start, 20) if done else None)     # the first one comes to its end, however slow the machine is
        words = " ".join(os.path.relpath(w, ROOT) if w.startswith(ROOT) else w for w in argv)
        print(f"{verdict:5} {kind.__name__} ({time.monotonic() - start:.0f} s): {words}", flush=True)
        if verdict.startswith("FAIL"):
            failed += 1
            print("      " + "\n      ".join(output.rstrip().splitlines()[-30:]), flush=True)
        done += verdict == "ok"
    print(f"soak: {done} runs, {failed} failed, seed {seed}")
    return 1 if failed else 0
