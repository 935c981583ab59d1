"""Harm: random system calls and damaged programs. The kernel goes on, nothing stays locked (kernel/syscalls.c panics if a
call returns with a lock held), and the file system is whole afterwards."""
import os

from testlib import build_kernel, check, command, equal, guest, scratch

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


def tests():
    return [(f.__name__, f) for f in (random_calls_tmpfs, random_calls_little_memory, random_calls_ext2, damaged_programs)]
