"""Harm: random system calls, damaged programs, what no number is in files of /proc. The kernel goes on, nothing stays locked
(kernel/syscalls.c panics if a call returns with a lock held), and the file system is whole afterwards."""
import os

from testlib import build_kernel, check, command, equal, guest, guest_ok, scratch

HOST = False
PROGRAMS = "/usr/lib/cowslip/tests/"


def prepare():
    build_kernel()


def survives(argv, **options):
    status, out, err, log = guest(argv, timeout=90, **options)
    check("PANIC" not in log, log[-3000:])
    equal((status, out), (0, b"done\n"), " ".join(argv) + " " + repr(err[-500:]))


def random_calls_tmpfs():
    survives([PROGRAMS + "guest_fuzz", "/tmp", "101", "800"])


def random_calls_little_memory():
    survives([PROGRAMS + "guest_fuzz", "/tmp", "102", "300"], mem=40 << 20)


def random_calls_ext2():
    """On a slow disk; e2fsck finds nothing afterwards."""
    with scratch() as directory:
        image = os.path.join(directory, "image")
        survives([PROGRAMS + "guest_fuzz", "/root", "103", "500"], append="ramdisk_latency_us=300", get=image)
        status, out, err = command(["e2fsck", "-fn", image])
        equal(status, 0, "e2fsck: " + (out + err).decode("utf-8", "replace")[-2000:])


def damaged_programs():
    survives([PROGRAMS + "guest_elf", "1", "800"])


IPC_LIMITS = """\
shmmax 18446744073709551615: 18446744073709551615
shmmax 18446744073709551616: refused, 18446744073709551615
shmmax 5 6: 5
shmmax  7: refused, 5
shmmax 12x: refused, 5
shmmax -1: refused, 5
shmmax 8\\n: 8
shmmni 32768: 32768
shmmni 32769: refused, 32768
shmmni -1: refused, 32768
sem 100 200 10 5: 100 200 10 5
sem 1\\t2: 1 2 10 5
sem 3 4x: refused, 1 2 10 5
sem 9 9 1001: refused, 1 2 10 5
sem x: refused, 1 2 10 5
sem 8 8 8 8 8: 8 8 8 8
sem \\n: 8 8 8 8
"""


def ipc_limits():
    """What is written to the limits of System V IPC is taken as a whole, or refused as a whole."""
    tries = "".join(f"try '{line.split(':')[0].replace(' ', chr(39) + ' ' + chr(39), 1)}'; " for line in IPC_LIMITS.splitlines())
    out = guest_ok(["sh", "-c", f"""cd /proc/sys/kernel; try() {{
        printf "$2" 2>/dev/null >$1 && said= || said='refused, '; echo "$1 $2: $said"$(cat $1); }}; {tries}"""])
    equal(out.decode(), IPC_LIMITS, "what the files say")


def tests():
    return [(f.__name__, f) for f in (random_calls_tmpfs, random_calls_little_memory, random_calls_ext2, damaged_programs, ipc_limits)]
