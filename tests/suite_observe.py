"""Looking at the kernel: the GDB commands and the recipes of docs/debugging.md, /proc, counters, trace points, the log."""
import os
import re

import common
from testlib import ROOT, build_kernel, check, collected, command, equal, guest, guest_ok, package

HOST = False
COWSLIP = os.path.join(ROOT, "cowslip")
PROGRAMS = "/usr/lib/cowslip/tests/"
TESTS, test = collected()


def prepare():
    build_kernel()


def tests():
    return TESTS


def has(text, *patterns):
    for pattern in patterns:
        check(re.search(pattern, text, re.M), f"no {pattern!r} in\n{text[-6000:]}")


def gdb(commands, program, *options):
    """The output of GDB with these commands on a guest that runs `program`."""
    words = [word for line in [*commands, "echo"] for word in ("-ex", line)]    # (the last one's failure would be GDB's)
    status, out, err = command([COWSLIP, "gdb", "-batch", *options, *words, "--", *program], timeout=120)
    text = (out + err).decode(errors="replace")
    equal(status, 0, text)
    check("Python Exception" not in text and "Error occurred" not in text, text)
    return text


# ---------------------------------------------------------------- docs/debugging.md, as written

def recipes():
    """{title: (program, commands)} of the blocks that begin with ./cowslip gdb."""
    import shlex
    found, title, block = {}, None, []
    with open(os.path.join(ROOT, "docs/debugging.md"), encoding="utf-8") as file:
        lines = file.read().splitlines() + ["# end"]
    for line in lines:
        if line.startswith("    "):
            block.append(line[4:])
            continue
        if block and block[0].startswith("./cowslip gdb") and "OPTIONS" not in block[0]:
            program = shlex.split(block[0].partition(" -- ")[2]) or ["true"]
            found[title] = (program, [c.partition(" #")[0].rstrip() for c in block[1:]])
        block = []
        if line.startswith("#"):
            title = line.strip("# ")
    return found


EXPECT = {
    "From reset into C": [r"Breakpoint 1, .*long_mode", r"Breakpoint 2, boot_main", r"Breakpoint 3, kmain"],
    "From a user program into the kernel and back": [
        r"symbols of .*hello", r"main \(\) at user/tests/hello\.c", r"sys_write \(fd=1, buf=", r"#1 .*syscall_entry",
        r"Value returned is \$\d+ = 6", r"#0 .*system_call \(.*\n#1 .*say \(.*\n#2 .*main \(\) at user/tests/hello\.c", r'volatile\("syscall"', r"syscall_entry in section \.text", r"swapgs"],
    "The first page fault of a write": [r"pagecache_write_iter \(", r"page_fault \(", r"^#\d+ .* raw_copy_from_user", r"^#\d+ .* write_page\+.* at mm/write\.c",
                                        r"PML4\[ *\d+\]", r"not mapped"],
    "Watch a page of the cache": [r"sys_sync", r"/tmp/f: 8 bytes, 1 pages cached", r"^  0  P .*D", r"holders 1, exclusive pins 0", r"nobody holds a lock"],
}


def recipe(title):
    def run():
        program, commands = recipes()[title]
        text = gdb(commands, program)
        has(text, *EXPECT[title])
        check("No symbol" not in text and "not defined" not in text, text)
    return run


for name in EXPECT:
    TESTS.append(("recipe_" + re.sub(r"\W+", "_", name.lower()), recipe(name)))


@test
def recipes_are_all_tested():
    equal(sorted(recipes()), sorted(EXPECT), "recipes of docs/debugging.md")


# ---------------------------------------------------------------- GDB commands

@test
def gdb_tasks():
    text = gdb(["break sys_write", "continue", "k ps", "k bt 1", "k bt hang", "k trap", "k bt 2", "k bt nobody"],
               ["sh", "-c", "until grep -q '(init) S' /proc/1/stat; do sleep 0.1; done; exec /bin/echo hi"], "--append", "hang_seconds=1000", "--icount")   # in instructions: `hang` sleeps then
    has(text, r"^0x[0-9a-f]{16} +0 +0 sleeping_hard .* hang$", r" 1 +1 sleeping +0 +0 init$", r" 2 +2 runnable +1 +0 echo$",
        r"^#0 .*switch_tasks", r"do_wait.* at kernel/wait4\.c:\d+", r"syscall_entry", r"hang_thread", r"came by system call 1$", r"rip 0x0000000000",
        r"it runs: `k bt` without TASK", r"no task nobody")


@test
def gdb_memory():
    text = gdb(["break sys_write", "continue", "k vmas 2", "k pt $rsi", "k pt 0x400000 1", "k pt sys_write", "k pt 0x1000", "k page 0x100",
                "k page 0x1", "k page 0xffffffff", "k pt kmain 1"], ["echo", "hi"])
    has(text, r"^000000400000-\w+ r--p +4 KiB +0 /bin/busybox$", r"\[stack\] GROWSDOWN", r"\[heap\]", r"rw-p .* anonymous",
        r"PTE \[ *\d+\] 8\w+ P RW US A D NX PRIV EXCL", r"frame 0x\w+: data; holders 1, exclusive pins 0, read pins 0, references 0",
        r"in the tables at", r"PML4\[511\]", r"not mapped|no table", r"frame 0x100: reserved", r"not RAM")


@test
def gdb_shared_table():
    """k pt says how many have a page table: when fork gives it to the child, when a read() of 2 MiB found one, when the last owner has not taken it over yet."""
    text = gdb(["tbreak leaf_share if va == ($base = va & -0x200000)", "continue", "finish", "k pt $base", "tbreak own_locked", "continue", "up", "k pt va"],
               [PROGRAMS + "guest_tables", "INV_P2_takeover"])
    has(text, r"PD +\[ *\d+\] \w+ P US A shared: 2 owners$", r"PTE +\[ *\d+\] \w+ P RW US A D NX PRIV EXCL", r"was shared: who stores takes it over$")


@test
def gdb_cache():
    text = gdb(["break sys_exit_group", "continue", "k cache /bin/busybox", "k cache /bin/busybox 1", "k cache /nowhere", "k cache /tmp/big 600",
                "k cache /tmp/big"], ["sh", "-c", "dd if=/dev/zero of=/tmp/big bs=1M count=4"])
    has(text, r"/bin/busybox: \d+ bytes, \d+ pages cached, mapped \d+ times", r"^  \d+-\d+  P US A", r"^  root .*TABLE", r"level 0\[  1\] \w+ P",
        r"'nowhere' is not among", r"/tmp/big: 4194304 bytes, 1024 pages cached.*level 1", r"level 1\[  1\]", r"level 0\[ 88\]", r"0-1023  P .*D")


@test
def gdb_locks():
    """A reader waits for the page lock that I/O holds; a mutex that is held is named."""
    text = gdb(["break wait_begin if kind == HELD_PAGE", "continue", "tbreak schedule if cpus[0].task->waits_for.object", "continue", "k locks", "k ps", "delete", "break ext2_alloc_block", "continue", "k locks"],
               ["sh", "-c", "cat /etc/passwd; echo x >/root/new"], "--append", "ramdisk_latency_us=3000", "--smp", "1", "--icount")     # not the ramdisk's worker, which may run first
    has(text, r"waits for page lock .*:\d+, held by I/O", r"waits for page lock 0x\w+:\d+$", r"holds rwsem \(write\) i_rwsem 0x\w+, taken at \w+\+\d+")


@test
def gdb_user():
    """Symbols of a program; a position-independent one where it was loaded."""
    text = gdb(["break sys_write", "continue", "k user hello", "info symbol main", "k user nothing", "finish", "tbreak *((struct trapframe *)$rsp)->rip", "continue", "backtrace"],
               [PROGRAMS + "hello"])
    has(text, r"symbols of .*hello: ", r"main in section \.text", r"no program nothing", r"#1 .* say \(", r"#2 .* main \(\)")
    source = os.path.join(ROOT, "user/tests/hello.c")
    program = os.path.join(ROOT, "build/hello_pie")
    status, out, err = command(["gcc", "-g", "-O1", "-static-pie", "-o", program, source])
    equal(status, 0, err)
    text = gdb([f"k user {program}", "break kmain", "continue", f"k user {program}", "delete", "break sys_write", "continue", f"k user {program}", "finish", "tbreak *((struct trapframe *)$rsp)->rip", "continue", "backtrace"],
               ["/root/hello_pie"], "--put", program + ":/root/hello_pie")
    has(text, r"the kernel is not mapped", r"is position-independent and no process has it", r"symbols of .*hello_pie at 0x\w+", r"#\d .* main \(\) at .*hello\.c")


@test
def gdb_help():
    text = gdb([f"help k {name}" for name in "ps bt trap locks vmas pt page cache user".split()] + ["k pt", "k vmas"], ["true"])
    for name in "ps bt trap locks vmas pt page cache user".split():
        has(text, rf"^k {name}\b")


# ---------------------------------------------------------------- counters

@test
def counters():
    """Each counter of /proc/vmstat moves when what it counts happens; docs/debugging.md has a line for each. In instructions: what comes together with
    what is the same in each run."""
    status, out, err, log = guest([PROGRAMS + "guest_vmstat", "/root"], append="ramdisk_latency_us=2000", icount=True, timeout=120)
    text = out.decode()
    equal((status, [line for line in text.splitlines() if not line.endswith(" moved")]), (0, []), text + err.decode() + log[-500:])
    # Flushes by reason, and whom they ask, need several CPUs; the program also checks that nobody is asked where one thread runs.
    status, out, err, log = guest([PROGRAMS + "guest_tlb", "/root"], smp=4, icount=True, timeout=120)
    equal((status, [line for line in out.decode().splitlines() if not line.endswith(" moved")]), (0, []), out.decode() + err.decode() + log[-500:])
    text += out.decode()
    names = {line.split()[0] for line in guest_ok(["cat", "/proc/vmstat"]).decode().splitlines()}
    # fork_copy: a pin at that moment; the others below, and in tests/suite_swap.py
    elsewhere = {"swap_scan", "swap_active", "swap_pinned", "pswpout", "pswpin", "swap_fault", "swap_error", "tlb_swap", "tlb_call_swap", "reclaim_active",
                 # tests of their own count these: guest_loans, guest_tables, pins, direct I/O, AIO, guest_shm, guest_kstack
                 "loan_read", "loan_write", "loan_copy", "loan_same", "loan_replaced", "loan_protect", "loan_ahead",
                 "pin", "pin_fast", "pin_break", "direct_read", "direct_write", "direct_detach", "direct_buffered", "aio_requests",
                 "shm_attach", "shm_detach", "table_share", "table_copy", "table_take", "table_template", "table_attach", "page_alloc_fail", "page_kept_drain", "oom_kill", "hang", "fork_copy", "kstack_unmap"}
    equal({n for n in names if not n.startswith("nr_")} - elsewhere, {line.split()[0] for line in text.splitlines()}, "counters that the program moves")
    with open(os.path.join(ROOT, "docs/debugging.md"), encoding="utf-8") as file:
        described = set(re.findall(r"`(\w+)`", file.read()))
    equal(names - described, set(), "counters that docs/debugging.md does not explain")


def moves(name, argv, **options):
    line = re.search(rf"^{name} (\d+)$", guest(argv, **options)[1].decode(), re.M)
    return line and int(line[1]) > 0


def moved(name, argv, **options):
    check(moves(name, argv, **options), f"{name} stands still")


@test
def counters_of_harm():
    moved("oom_kill", ["sh", "-c", PROGRAMS + "hog 400 >/dev/null; cat /proc/vmstat"], mem=96 << 20, timeout=60)
    moved("page_kept_drain", ["sh", "-c", PROGRAMS + "hog 400 >/dev/null; cat /proc/vmstat"], mem=96 << 20, smp=4, icount=True, timeout=60)     # what other CPUs keep
    # Which allocation it is differs from run to run, and it may be one without which nobody can tell: then the next is tried.
    check(any(moves("page_alloc_fail", ["sh", "-c", "ls -lR /etc >/dev/null; cat /proc/vmstat"], append=f"alloc_fail={n},5000", timeout=60)
              for n in range(500, 1100, 50)), "page_alloc_fail stands still")
    if common.variant() != "debug":     # which stops before it hangs
        moved("hang", ["sh", "-c", f"{PROGRAMS}write_own_mmap /root & for i in $(seq 300); do sleep 1; grep -q '^hang [1-9]' /proc/vmstat && break; done; cat /proc/vmstat"],
              append="ramdisk_latency_us=20000 atomic_copy=0 hang_seconds=1", timeout=60)


# ---------------------------------------------------------------- trace points

EVENTS = "fault lock wait unlock short fixup cow share attach flush switch syscall sysret".split()


@test
def trace_events():
    """Each event is recorded when it is on, with its arguments, in order of time; not when it is off."""
    script = ("echo 1 >/proc/trace; echo x >/root/f; cat /root/f; sync; echo 1 >/proc/sys/vm/drop_caches; dd if=/bin/busybox of=/tmp/f bs=64k count=2 2>/dev/null; "
              "echo 0 >/proc/trace; cat /proc/trace >/tmp/trace; cat /tmp/trace")
    text = guest_ok(["sh", "-c", script]).decode()
    for event in EVENTS:
        has(text, rf"^\[ *\d+\.\d{{9}}\] \d+ \S+\[ *\d+\] {event} ")
    has(text, r"syscall openat first=ffffff9c second=", r"sysret write result=2$", r"fixup rip=raw_copy\w+\+0x\w+ to=", r"unlock mapping=\w+ index=0 set=")
    times = [float(t) for t in re.findall(r"^\[ *(\d+\.\d+)\]", text, re.M)]
    check(times == sorted(times) and len(times) > 100, "times are not in order")
    off = guest_ok(["sh", "-c", "echo syscall,sysret >/proc/trace; ls / >/dev/null; echo -syscall >/proc/trace; ls / >/dev/null; cat /proc/trace"]).decode()
    has(off, r"^# on: sysret$", r"sysret getdents64")
    check(" fault " not in re.sub(r"^#.*", "", off, flags=re.M), off[:500])
    last = off.rindex("syscall")
    check(off[last:].count("sysret getdents64") >= 2, "sysret does not go on when syscall is off")


@test
def trace_words():
    """Bad words are EINVAL, `clear` forgets, the ring keeps the last records; ordinary users may not look."""
    script = ("echo bogus >/proc/trace 2>/dev/null && echo accepted; echo all >/proc/trace; for i in 1 2 3 4 5 6; do ls -lR /etc /usr /proc/1 >/dev/null 2>&1; done; "
              "echo 0 >/proc/trace; grep -vc '^#' /proc/trace; echo clear >/proc/trace; grep -vc '^#' /proc/trace; ls -l /proc/trace | cut -c1-10; nproc")
    lines = guest(["sh", "-c", script])[1].decode().split()
    check("accepted" not in lines and len(lines) == 4 and 3000 < int(lines[0]) <= 4096 * int(lines[3]) and int(lines[1]) == 0 and lines[2] == "-rw-------", f"{lines}")


@test
def trace_of_waits():
    """The page lock's wait time: a slow disk makes it milliseconds."""
    script = "echo lock,wait >/proc/trace; for i in 1 2 3 4; do echo 1 >/proc/sys/vm/drop_caches; cat /bin/busybox >/dev/null & cat /bin/busybox >/dev/null; wait; done; cat /proc/trace"
    text = guest_ok(["sh", "-c", script], append="ramdisk_latency_us=2000").decode()
    waits = [int(n) for n in re.findall(r" wait .*waited_ns=(\d+)", text)]
    check(waits, "nobody waited")
    check(max(waits) > 100000, f"the longest wait was {max(waits)} ns")


@test
def trace_in_a_panic():
    status, _, _, log = guest(["sh", "-c", "true"], append="trace=switch,lock crash=assert", timeout=30)
    equal(status, 125, "status")
    has(log, r"^trace: \[ *\d+\.\d+\] \d+ [\w-]+\[ *\d+\] (switch|lock|unlock) ", r"^PANIC: ")


# ---------------------------------------------------------------- the log

@test
def log_levels():
    """loglevel= keeps lines from the console, not from dmesg; levels of /dev/kmsg; printk's file."""
    script = "echo '<3>bad' >/dev/kmsg; echo '<7>detail' >/dev/kmsg; dmesg | grep -E 'bad|detail'; cat /proc/sys/kernel/printk; dmesg -n 8; echo '<7>more' >/dev/kmsg; cat /proc/sys/kernel/printk"
    status, out, _, log = guest(["sh", "-c", script], append="loglevel=4")
    text = out.decode()
    has(text, r"sh\[ *\d+\]: bad", r"sh\[ *\d+\]: detail", r"^4\t6\t1\t7$", r"^8\t6\t1\t7$")
    check(": bad" in log and ": detail" not in log and ": more" in log and "<3>" not in log, log)


@test
def log_readers():
    """dmesg -c, /proc/kmsg (each line once, waits for the next), /dev/kmsg's records."""
    script = ("dmesg -c >/tmp/all; grep -c 'Cowslip, started' /tmp/all; dmesg | wc -l; (head -c 1 /proc/kmsg >/dev/null; exec dd if=/proc/kmsg bs=4096 count=1 2>/dev/null) & "
              "until grep -q '(dd) S' /proc/$!/stat; do sleep 0.1; done; echo wake up >/dev/kmsg; wait; head -n 1 /dev/kmsg")
    text = guest_ok(["sh", "-c", script]).decode()
    has(text, r"\A1\n0\n<6>\[ *\d+\.\d+\] sh\[ *\d+\]: wake up\n6,\d+,\d+,-;Cowslip, started")


# ---------------------------------------------------------------- /proc

# The last command in the background has started, and sleeps.
asleep = "until grep -q '(sleep) S' /proc/$!/stat; do sleep 0.1; done;"


def busybox(script, **options):
    return guest_ok(["sh", "-c", script], **options).decode()


@test
def proc_tools():
    """busybox's tools on /proc, and that what they print is so."""
    text = busybox(f"sleep 100 & {asleep} sleep 100 & {asleep} ps -o pid,ppid,pgid,sid,user,group,rgroup,ruser,tty,stat,nice,vsz,rss,comm,args; echo --; pidof sleep; echo --; "
                   "killall sleep; wait; pidof sleep || echo none; free; uptime; mount; top -b -n 1 | head -20; sysctl kernel.ostype vm.max_map_count fs.nr_open")
    has(text, r"^ +1 +0 +0 +0 root +root +root +root +\S+ +S +0 +\w+ +\w+ init +/sbin/init", r"^ +\d+ +2 +2 +2 root .* S .* sleep +sleep 100$", r"^\d+ \d+$",
        r"^none$", r"^Mem: +\d+ +\d+ +\d+ +\d+ +\d+ +\d+$", r"load average: \d+\.\d\d", r"^/dev/ram0 on / type ext2", r"^Mem: \d+K used, \d+K free",
        r"^CPU: ", r"^Load average: ", r"^ +PID +PPID", r"^kernel.ostype = Linux", r"^vm.max_map_count = 65530", r"^fs.nr_open = 1048576")


@test
def proc_where_a_task_waits():
    text = busybox(f"mkfifo /tmp/p; sleep 100 & {asleep} cat /tmp/p & until grep -q '(cat) S' /proc/$!/stat; do sleep 0.1; done; for p in $(pidof sleep) $!; do cat /proc/$p/wchan; echo; cat /proc/$p/stack; done; cat /proc/self/wchan; kill %1 %2")
    has(text, r"^sys_clock_nanosleep$|^sleep_to$|nanosleep", r"\[<0>\] switch_tasks\+0x", r"\[<0>\] syscall_entry\+0x", r"^\w*(pipe|fifo)\w*$", r"0\Z")


@test
def proc_consistent_pieces():
    """A large file read a byte, a few, many at a time: one text (of a process that stands still). A process that ends while its file is open: ESRCH."""
    # How many share a page, and who looked at it, are the doing of other processes too: those lines are left out.
    one = "grep -v -e ^Pss -e ^Shared -e ^Private -e ^Referenced | md5sum"
    text = busybox("for i in $(seq 30); do sleep 100 & done; cat /proc/self/smaps >/dev/null; "
                   f"p=$!; until [ $(cat /proc/$p/wchan) = sleep_to ]; do sleep 0.1; done; dd if=/proc/$p/smaps bs=1 2>/dev/null | {one}; dd if=/proc/$p/smaps bs=37 2>/dev/null | {one}; cat /proc/$p/smaps | {one}; "
                   "exec 5</proc/$p/stat; kill $p; wait $p 2>/dev/null; cat <&5; ls /proc/$p 2>&1; killall sleep", )
    sums = re.findall(r"^([0-9a-f]{32})", text, re.M)
    check(len(sums) == 3 and len(set(sums)) == 1, text)
    has(text, r"No such file or directory")


@test
def proc_permissions():
    """What an ordinary user may see of root's processes and of his own."""
    script = ("cat /proc/1/stat /proc/1/status /proc/1/cmdline /proc/1/comm /proc/1/limits /proc/1/mounts >/dev/null && echo open; "
              "for f in environ maps smaps auxv stack pagemap fd fdinfo; do cat /proc/1/$f >/dev/null 2>&1 && echo $f of root; ls /proc/1/$f/ >/dev/null 2>&1 && echo $f listed; done; "
              "readlink /proc/1/exe; readlink /proc/1/cwd; cat /proc/1/wchan; echo; cat /proc/self/environ /proc/self/maps >/dev/null && ls /proc/self/fd >/dev/null && readlink /proc/self/exe; "
              "echo 5 2>/dev/null >/proc/1/oom_score_adj || echo kept; cat /proc/slabinfo /proc/kmsg /proc/trace 2>&1 | grep -c denied; cut -d' ' -f26-28 /proc/1/stat")
    text = busybox(f'cp /bin/busybox /tmp/b; adduser -D -H tester 2>/dev/null || echo "tester:x:1000:1000::/:/bin/sh" >>/etc/passwd; su tester -s /bin/sh -c {repr(script) if False else chr(39) + script.replace(chr(39), chr(39) + chr(92) + chr(39) + chr(39)) + chr(39)}')
    equal(text, "open\n0\n/bin/busybox\nkept\n3\n1 1 0\n", "what it sees")


@test
def proc_debian_tools():
    """Unmodified procps, psmisc and lsof."""
    packages = ["procps", "psmisc", "lsof", "ncurses-base"]
    for name in packages:
        package(name, f"/var/lib/dpkg/info/{name}.list", f"/var/lib/dpkg/info/{name}:amd64.list")
    script = ("cd /root; export TERM=linux; /bin/sleep 100 & until grep -q '(sleep) S' /proc/$!/stat; do sleep 0.1; done; exec 7</etc/passwd; /bin/ps -ef; /bin/ps aux; /bin/ps -eLo pid,tid,stat,wchan:20,comm; /usr/bin/top -b -n 1; "
              "/usr/bin/free; /usr/bin/vmstat; /usr/bin/uptime; /usr/bin/pgrep -a sleep; /usr/bin/pmap -x $!; /usr/bin/pstree -p; fuser /etc/passwd 2>&1; "
              "lsof /etc/passwd; /usr/bin/slabtop -o; /usr/bin/pwdx $!; /usr/bin/prtstat $!; /sbin/sysctl kernel.ostype; /usr/bin/skill sleep; "
              "wait; echo over; /usr/bin/killall sleep 2>&1; /usr/bin/pidwait nothing; echo $?")
    status, out, err, log = guest(["sh", "-c", script], packages=packages, timeout=120)
    text = out.decode()
    has(text, r"^root +1 +0 .* /sbin/init$", r"^root +1 +\d+\.\d .* /sbin/init$", r"^ +\d+ +\d+ S +(sleep_to|\w*nanosleep) +sleep$", r"^Tasks: +\d+ total", r"^MiB Mem : +\d",
        r"^ +1 root +20 +0 +\d+ +\d+ +\d+ S .* init *$", r"^Mem: +\d+", r"^ r  b   swpd", r"load average: \d", r"^\d+ (/bin/)?sleep 100$", r"^total kB +\d+ +\d+",
        r"^init\(1\)---sh\(2\)-\+-", r"/etc/passwd: +2", r"^sh +2 root +7r +REG", r"^ +\d+ +\d+ +\d+% .* dentry", r"^\d+: /root$", r"State: S \(sleeping\)",
        r"kernel.ostype = Linux", r"^over$", r"no process found")


@test
def proc_under_load():
    """Everything of /proc is read while processes come and go, with little memory, with allocations that fail: no harm."""
    for options in ({}, {"mem": 40 << 20}, {"append": "alloc_fail=4000,97"}):
        status, out, err, log = guest([PROGRAMS + "guest_procload", "4"], timeout=400, **options)
        check("PANIC" not in log and (out == b"done\n" or "append" in options), f"{options} {status} {out[-200:]} {err[-300:]} {log[-2000:]}")
