"""Locks that check themselves: each check has a kind of crash= that provokes it (kernel/crashlocks.c), and says what is wrong with both
sides of it. Some checks are always on, the others only in the debug build, where a slice of the programs runs too: nothing is stopped."""
import os
import re

from testlib import ROOT, build_kernel, build_variant, check, command, equal, guest

HOST = False
DEBUG = []                      # the path of the debug build


def prepare():
    build_kernel()
    DEBUG.append(build_variant("debug"))


# kind: what the panic's line says
ALWAYS = {
    "spin_twice": r"(lock|spinlock) taken twice: .*crash plain.*taken at spin_twice\+0x",
    "unlock_other": r"mutex released by another task: crash last \(taken at unlock_other\+0x",
    "unlock_page_other": r"released by a task that does not hold it: page",
    "unlock_read": r"released by a task that does not hold it: crash middle",
    "held_to_user": r"after system call \w+: 1 locks held",
    "held_to_end": r"task \d+ ends and holds 1 locks",
    "mutex_twice": r"(lock|mutex) taken twice: .*crash last.*taken at mutex_twice\+0x",
    "sleep_spin": r"sleeping (at sleep_spin|where that is forbidden)",
    "sleep_preempt": r"sleeping where that is forbidden",
}
AT = r" \(0x\w+\) of rank \d+ taken at "
CHECKED = {
    "inversion": rf"lock inversion: mutex crash first{AT}inversion\+0x\w+, while holding mutex crash last{AT}inversion\+0x",
    "inversion_after_try": rf"lock inversion: mutex crash first{AT}inversion_after_try\+0x\w+, while holding rwsem \(write\) crash middle{AT}inversion_after_try",
    "spin_inversion": rf"lock inversion: spinlock crash other{AT}spin_inversion\+0x\w+, while holding spinlock crash plain{AT}spin_inversion",
    "page_twice": r"recursive page lock: page lock \(0x\w+, 2\) of rank \d+ taken at page_twice\+0x\w+, while holding page lock \(0x\w+, 2\) of rank \d+ taken at lock_page",
    "page_order": r"lock inversion: page lock \(0x\w+, 1\) of rank \d+ taken at page_order\+0x\w+, while holding page lock \(0x\w+, 2\)",
    "sleep_spin": rf"sleeping at sleep_spin\+0x\w+, while holding spinlock crash plain{AT}sleep_spin",
    "sleep_alloc": rf"sleeping at \w+\+0x\w+, while holding spinlock crash plain{AT}sleep_alloc",
    "sleep_irqs_off": r"sleeping where that is forbidden at \w+\+0x\w+: preempt count 0, page faults disabled 0, interrupts off",
    "user_page": r"user access that may fault at (touch_user|user_page)\+0x\w+, while holding page lock \(0x\w+, 2\)",
    "user_nofault": r"sleeping where that is forbidden at \w+\+0x\w+: preempt count 0, page faults disabled 1",
    "irq_plain": rf"spinlock taken in an interrupt handler, and elsewhere with interrupts on: spinlock crash plain{AT}take_plain",
    "irq_on": rf"spinlock of interrupt handlers taken with interrupts on: spinlock crash irq{AT}irq_on",
    "call_irqs_off": r"call to other processors where that is forbidden at call_irqs_off\+0x\w+: .*interrupts off",
    "call_irq_lock": rf"call to other processors at call_irq_lock\+0x\w+, while holding spinlock crash irq{AT}call_irq_lock",
}


def stops(kind, text, **options):
    """The panic says that, and lists what is held."""
    def run():
        status, _, _, log = guest(["/bin/true"], append="crash=" + kind, timeout=60, **options)
        line = re.search(r"PANIC: (.*)", log)
        check(line, f"no panic: status {status}\n{log[-1500:]}")
        check(re.match(text, line[1]), f"{line[1]!r} is not {text!r}")
        check("backtrace:" in log, log[-1500:])
        for lock in re.findall(r"while holding ((?:spinlock|mutex|page lock|rwsem).*)", line[1]):
            check(f"  holds {lock}" in log, f"{lock!r} is not in the list of what is held:\n{log[-1500:]}")
    return run


def many_are_held():
    """More locks at a time than the record of them has room for, released in another order than they were taken: no check stops that."""
    for kernel in (None, DEBUG[0]):
        status, _, _, log = guest(["/bin/true"], append="crash=many", kernel=kernel, timeout=60)
        check(status == 0 and "crash: got it" in log and "PANIC" not in log, f"status {status}\n{log[-1500:]}")


# ---------------------------------------------------------------- hangs

def waits_until_logged(pattern, count=1):
    """A job that ends when the kernel's log has such lines."""
    return ["sh", "-c", f"for i in $(seq 1200); do [ $(dmesg | grep -c '{pattern}') -ge {count} ] && exit 0; sleep 0.5; done; exit 1"]


def hang_is_named():
    """Three tasks wait for each other, for a mutex, an rwsem and a page lock: who for what, held by whom since where, and that it is a cycle."""
    for smp in (1, 2):
        status, _, _, log = guest(waits_until_logged("hang: a cycle"), append="crash=hang_cycle hang_seconds=1", timeout=100, smp=smp)
        equal(status, 0, "the job that waits for the report\n" + log[-1500:])
        for text in (r"hang: mutex\((\d+)\) waits for rwsem crash middle held by rwsem\(\d+\) at cycle_rwsem\+0x",
                     r"hang: rwsem\((\d+)\) waits for page lock \?:2 held by page\(\d+\) at cycle_page\+0x",
                     r"hang: page\((\d+)\) waits for mutex crash first held by mutex\(\d+\) at cycle_mutex\+0x",
                     r"hang: a cycle: (\w+\(\d+\)) -> \w+\(\d+\) -> \w+\(\d+\) -> \1$"):
            check(re.search(text, log, re.M), f"no {text!r} in\n{log[-2000:]}")


def hang_without_a_cycle():
    """Who holds a mutex sleeps for something else; who holds a spinlock computes: it is said where, and the system goes on."""
    status, _, _, log = guest(waits_until_logged("hang: holder"), append="crash=hang_sleeper hang_seconds=1", timeout=100)
    equal(status, 0, "the job that waits for the report\n" + log[-1500:])
    for text in (r"hang: waiter\(\d+\) waits for mutex crash last held by holder\((\d+)\) at hold_mutex\+0x", r"hang: holder\(\d+\) sleeps in hold_mutex\+0x"):
        check(re.search(text, log), f"no {text!r} in\n{log[-1500:]}")
    check("a cycle" not in log, log[-1500:])
    status, _, _, log = guest(waits_until_logged("crash: got it"), append="crash=hang_spin_long hang_seconds=1", timeout=100, smp=3)
    equal(status, 0, "the job that waits for the end\n" + log[-1500:])
    check(re.search(r"hang: waiter\(\d+\) spins for spinlock crash plain held by holder\(\d+\) on CPU \d at hold_spin\+0x", log), log[-1500:])


def hang_of_spinlocks():
    """Two processors spin for each other's lock: one of them notices, and the panic shows both."""
    status, _, _, log = guest(["sh", "-c", "sleep 100"], append="crash=hang_spin hang_seconds=1", timeout=60, smp=3)
    check(re.search(r"PANIC: spinlocks in a cycle", log), f"status {status}\n{log[-2000:]}")
    for name, lock in (("plain", "other"), ("other", "plain")):
        check(re.search(rf"hang: {name}\(\d+\) spins for spinlock crash {lock} held by {lock}\(\d+\) on CPU \d at spin_both\+0x", log), log[-2000:])


def standing_still_is_no_hang():
    """The whole machine stands still for more than twice the limit, as a virtual one may, while a task waits for a mutex that it gets then: nothing is told."""
    status, _, _, log = guest(waits_until_logged("crash: got it"), append="crash=hang_still hang_seconds=1", timeout=60, smp=1)
    check(status == 0 and "hang:" not in log, f"status {status}\n{log[-1500:]}")


def long_sleepers_do_not_hang():
    """Who waits for a pipe, a child, a terminal or time is no hang."""
    log = guest(["sh", "-c", "mkfifo /tmp/f; cat /tmp/f & sleep 4 | cat & (sleep 4; echo x >/tmp/f) & wait"], append="hang_seconds=1", timeout=60)[3]
    check("hang:" not in log, log[-1500:])


# ---------------------------------------------------------------- the debug build runs

PROGRAMS = "/usr/lib/cowslip/tests/"
SLICE = ["files", "splice", "vmsplice", "memory", "process", "threads", "signals", "pipes", "filemap", "sockets", "sockets_named", "sockets_rights", "epoll", "event_files", "names", "mounts", "tty_pair", "proc_files", "space", "sysvshm", "sysvsem"]
SCRIPT = """cd /root
for t in %s; do %s$t >/dev/null 2>&1; done
%swrite_own_mmap /root >/dev/null 2>&1
mkdir -p a/b c; mv a/b c; mkdir /tmp/a /tmp/b; echo x >/tmp/a/f; mv /tmp/a/f /tmp/b; dd if=/dev/zero of=big bs=64k count=64 2>/dev/null
sync; echo 3 >/proc/sys/vm/drop_caches; cat /bin/busybox big >/dev/null
cp big copy; dd if=/dev/zero of=copy bs=1000 count=1000 conv=notrunc 2>/dev/null; rm -f big copy; ls -lR /proc >/dev/null 2>&1; cat /proc/*/maps /proc/locks >/dev/null 2>&1; dmesg >/dev/null
cat /proc/lock_order""" % (" ".join(SLICE), PROGRAMS, PROGRAMS)


def witnesses():
    """(outer, inner, function) of each "under OUTER: f()" in kernel/lockrank.h, by the numbers of the ranks."""
    with open(os.path.join(ROOT, "kernel/lockrank.h"), encoding="utf-8") as file:
        text = file.read()
    ranks = re.findall(r"^\t(RANK_\w+),\s*/\* (.*) \*/", text[text.index("enum lock_rank"):], re.M)
    number = {name: i for i, (name, _) in enumerate(ranks)}
    for name, comment in ranks:
        for outers, function in re.findall(r"[Uu]nder ((?:RANK_\w+(?:, under )?)+): (\w+)\(\)", comment):
            for outer in re.findall(r"RANK_\w+", outers):
                yield number[outer], number[name], function


def debug_runs():
    """A slice of the programs on the debug build, on one processor and on several: no check stops them, every edge that occurred goes
    upwards, and every edge that kernel/lockrank.h gives a reason for has occurred (on one processor, in instructions: the same ones in each run)."""
    found = set()
    for smp in (1, 4):
        status, out, err, log = guest(["sh", "-c", SCRIPT], kernel=DEBUG[0], smp=smp, icount=smp == 1, timeout=280)
        check("PANIC" not in log and "hang:" not in log and status == 0, f"smp {smp}: status {status} {err[-300:]}\n{log[-3000:]}")
        found |= {(int(a), int(b)) for a, b in re.findall(r"^(\d+) .+? > (\d+) .+? at \w+\+0x", out.decode(), re.M)}
    equal([e for e in found if e[0] > e[1]], [], "edges against the ranks")
    wanted = list(witnesses())
    check(len(wanted) > 30, f"only {len(wanted)} witnesses in kernel/lockrank.h")
    equal([w for w in wanted if w[:2] not in found], [], "edges of kernel/lockrank.h that did not occur")
    for function in {w[2] for w in wanted}:
        check(command(["grep", "-rqE", f"\\b{function}\\(", "kernel", "mm", "fs", "drivers"])[0] == 0, f"kernel/lockrank.h: no function {function}()")


def tests():
    found = [(f"stops_{kind}", stops(kind, text)) for kind, text in ALWAYS.items()]
    found += [(f"debug_stops_{kind}", stops(kind, text, kernel=DEBUG[0] if DEBUG else None)) for kind, text in {**ALWAYS, **CHECKED}.items()]
    found += [(f.__name__, f) for f in (many_are_held, hang_is_named, hang_without_a_cycle, hang_of_spinlocks, standing_still_is_no_hang, long_sleepers_do_not_hang, debug_runs)]
    return found
