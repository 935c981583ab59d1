"""ext2 in the guest: busybox changes files in every way, then e2fsck and debugfs judge the image that --get brings back."""
import os
import re

from testlib import ROOT, Fail, build_kernel, check, command, guest, must, scratch

HOST = False
SCRIPT = os.path.join(ROOT, "tests/ext2/stress.sh")


def prepare():
    build_kernel()


def fsck(image):
    status, out, err = command(["e2fsck", "-fn", image])
    if status:
        raise Fail(f"e2fsck -fn gives {status}:\n{(out + err).decode('utf-8', 'replace')[:3000]}")
    check(re.search(rb"Filesystem state: +clean\n", must(["dumpe2fs", "-h", image])), "the image is not marked clean")


def compare(image, folder):
    """The names and contents on the disk are those that the guest saw."""
    must(["debugfs", "-R", "rdump /root .", image], cwd=folder)     # debugfs splits its command at spaces
    top = os.path.join(folder, "root")
    sums = must(["md5sum", "-c", "--quiet", "sums"], cwd=top)
    check(not sums, f"contents differ: {sums[:500]}")
    with open(f"{top}/names") as f:
        names = f.read().split()
    devices = {"w/ff", "w/nn"}      # debugfs does not dump those
    lost = [n for n in names if n not in devices and not os.path.lexists(os.path.join(top, n))]
    check(not lost, f"names are lost: {lost[:5]}")
    found = sum(len(d) + len(f) for _, d, f in os.walk(f"{top}/w")) + 1
    check(found == len(names) - len(devices & set(names)), f"{found} names on the disk, the guest saw {len(names)}")


def stress(**options):
    def test():
        with scratch() as folder:
            image = os.path.join(folder, "image")
            status, out, err, log = guest(["/bin/busybox", "sh", "/stress.sh"], put=[(SCRIPT, "/stress.sh")], get=image, timeout=120, **options)
            if status or not out.endswith(b"ok\n"):
                raise Fail(f"status {status}\n{out[-1000:]}\n{err[-1000:]}\n{log[-1500:]}")
            check("ext2: ram0: mounted" in log and log.count("ext2:") == 1, "ext2 logged: " + "\n".join(re.findall("ext2:.*", log)))
            fsck(image)
            compare(image, folder)
    return test


def killed(**options):
    """When the job ends the rest is killed, wherever it is: the file system is whole all the same."""
    def test():
        with scratch() as folder:
            image = os.path.join(folder, "image")
            status, _, err, log = guest(["/bin/busybox", "sh", "/killed.sh"], put=[(os.path.join(ROOT, "tests/ext2/killed.sh"), "/killed.sh")],
                                        get=image, timeout=60, **options)
            check(status == 7, f"status {status}\n{err[-500:]}\n{log[-1500:]}")
            fsck(image)
    return test


def fsx(operations, **options):
    """Random operations of four processes (user/tests/fsx.c), and the image afterwards."""
    def test():
        with scratch() as folder:
            image = os.path.join(folder, "image")
            command_line = f"cd /root && exec /usr/lib/cowslip/tests/fsx {operations} 50"
            status, out, err, log = guest(["/bin/sh", "-c", command_line], get=image, timeout=120, **options)
            check(status == 0, f"status {status}\n{out[-1000:]}\n{err[-500:]}\n{log[-1500:]}")
            fsck(image)
    return test


def copy_runs(**options):
    """Copies into fresh files, whose blocks are reserved in runs, until the disk is full."""
    def test():
        with scratch() as folder:
            image = os.path.join(folder, "image")
            status, out, err, log = guest(["/usr/lib/cowslip/tests/guest_copyruns"], get=image, timeout=120, **options)
            want = b"in turns: 1\ninto holes: 13, 1\nbehind a hole: 300, 1\nfull: 1, errno 28\ngiven back: 1\n"
            check(status == 0 and out == want, f"status {status}\n{out[-1000:]}\n{err[-500:]}\n{log[-1500:]}")
            fsck(image)
    return test


def tests():
    return [("stress_4k", stress()), ("stress_1k", stress(block=1024)), ("stress_2k", stress(block=2048)),
            ("stress_slow_disk", stress(append="ramdisk_latency_us=300")), ("stress_little_memory", stress(mem=112 << 20)),
            ("killed_1k", killed(block=1024)), ("killed_4k", killed()), ("killed_24m", killed(mem=24 << 20, size=8 << 20)),
            ("copy_runs_4k", copy_runs()), ("copy_runs_1k", copy_runs(block=1024)), ("fsx_1k", fsx(5000, block=1024)), ("fsx_4k", fsx(5000)), ("fsx_slow_disk", fsx(1200, block=1024, append="ramdisk_latency_us=500")),
            ("fsx_copies_fail", fsx(3000, block=2048, append="copy_fail=3"))]
