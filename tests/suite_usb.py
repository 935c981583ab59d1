"""./cowslip usb: what it refuses, on made-up /sys and /proc; what it writes, to files and (as root) to a loop device."""
import contextlib
import os
import shutil

from testlib import ROOT, Fail, Skip, check, collected, command, equal, must, scratch

HOST = True
TESTS, test = collected()


def tests():
    return TESTS


def put(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(text + "\n")


def machine(root, mounts="", swaps="", sectors=60_000_000, holder=None, ro="0"):
    """A stick sdb (8:16) with one partition (8:17), beside nothing else."""
    disk = os.path.join(root, "sys/devices/usb/block/sdb")
    put(disk + "/size", str(sectors))
    put(disk + "/dev", "8:16")
    put(disk + "/ro", ro)
    put(disk + "/removable", "1")
    put(disk + "/device/vendor", "Acme")
    put(disk + "/device/model", "Stick 3000")
    put(disk + "/sdb1/partition", "1")
    put(disk + "/sdb1/dev", "8:17")
    put(disk + "/sdb1/size", "2048")
    if holder:
        put(f"{disk}/sdb1/holders/{holder}", "")
    os.makedirs(root + "/sys/dev/block", exist_ok=True)
    os.symlink(disk, root + "/sys/dev/block/8:16")
    os.symlink(disk + "/sdb1", root + "/sys/dev/block/8:17")
    put(root + "/proc/self/mountinfo", "22 27 0:21 / /proc rw,relatime - proc proc rw\n" + mounts)
    put(root + "/proc/swaps", "Filename Type Size Used Priority\n" + swaps)
    return root + "/sys", root + "/proc"


def refused(says, number="8:16", needed=1 << 20, force=False, **with_):
    import usb
    with scratch() as root:
        try:
            usb.Disk(number, *machine(root, **with_)).refuse(needed, force)
        except usb.Failure as failure:
            check(says in str(failure) and "nothing is written" in str(failure), f"{with_}: {failure}")
            return
    raise Fail(f"not refused: {says} {with_}")


@test
def refusals():
    refused("mounted, on /media/stick", mounts="30 27 8:17 / /media/stick rw - vfat /dev/sdb1 rw")
    refused("mounted, on /mnt", mounts="30 27 8:16 / /mnt rw - ext4 /dev/sdb rw")
    refused("mounted, on /data", mounts="30 27 0:50 / /data rw shared:1 - btrfs /dev/sdb1 rw")
    refused("mounted, on /data", mounts="30 27 0:50 / /data rw shared:1 - btrfs /dev/sdb1 rw", force=True)
    refused("swapped to", swaps="/dev/sdb1 partition 1000 0 -2")
    refused("part of dm-0", holder="dm-0")
    refused("the whole device is /dev/sdb", number="8:17")
    refused("read-only", ro="1")
    refused("too small", sectors=100)
    refused("--force", sectors=600_000_000)


@test
def a_good_stick():
    """It is described by model, size and what is on it; a large one is taken with --force."""
    import usb
    with scratch() as root:
        disk = usb.Disk("8:16", *machine(root))
        disk.refuse(1 << 20, False)
        text = "\n".join(disk.describe())
        check(all(words in text for words in ("/dev/sdb", "Acme Stick 3000", "30.72 GB", "removable", "sdb1, 1.049 MB")), text)
    with scratch() as root:
        usb.Disk("8:16", *machine(root, sectors=600_000_000)).refuse(1 << 20, True)


def write(target, image, yes=True, force=False):
    import usb
    said = []
    usb.command(target, yes, force, lambda: image, said.append)
    return "\n".join(said)


@test
def a_file():
    import usb
    with scratch() as directory:
        image, target = directory + "/image", directory + "/stick"
        with open(image, "wb") as file:
            file.write(os.urandom(9_000_001))
        for old in (None, b"x" * 20_000_000):
            if old:
                with open(target, "wb") as file:
                    file.write(old)
            out = write(target, image)
            check("found right" in out, out)
            equal(command(["cmp", image, target])[0], 0, "cmp")
        for bad in (directory, "/dev/null", "/dev/no-such-device"):
            try:
                write(bad, image)
            except usb.Failure:
                continue
            raise Fail(f"{bad} was not refused")


@test
def a_stick_that_forgets():
    """What does not come back is found."""
    import usb
    with scratch() as directory:
        image, target = directory + "/image", directory + "/stick"
        for path, byte in ((image, b"a"), (target, b"b")):
            with open(path, "wb") as file:
                file.write(b"a" * 5_000_000 + byte)
        with open(image, "rb") as source, open(target, "rb") as stick:
            try:
                usb.verify(source, stick.fileno(), target)
            except usb.Failure as failure:
                check("byte 5000000" in str(failure), failure)
                return
    raise Fail("not noticed")


@test
def asks():
    """Without a terminal and without --yes nothing is written; on a terminal the name has to be typed."""
    import usb
    with scratch() as directory:
        image, target = directory + "/image", directory + "/stick"
        put(image, "contents")
        program = f"import sys; sys.path.insert(0, {ROOT + '/tools'!r}); import usb; usb.command({target!r}, False, False, lambda: {image!r})"
        status, _, err = command(["python3", "-c", program])
        check(status and b"--yes" in err and not os.path.exists(target), err)
        for answer, wanted in (("yes", False), ("stick", True)):
            import pty
            pid, fd = pty.fork()
            if not pid:
                os.execvp("python3", ["python3", "-c", program])
            os.write(fd, answer.encode() + b"\n")
            with contextlib.suppress(OSError):
                while os.read(fd, 1000):
                    pass
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            os.close(fd)
            equal((status == 0, os.path.exists(target)), (wanted, wanted), f"answer {answer}")


@test
def a_loop_device():
    import usb
    if os.geteuid() or not shutil.which("losetup"):
        raise Skip("needs root and losetup")
    with scratch() as directory:
        image, backing = directory + "/image", directory + "/backing"
        with open(image, "wb") as file:
            file.write(os.urandom(3_000_000))
        with open(backing, "wb") as file:
            file.truncate(16 << 20)
        status, out, err = command(["losetup", "-f", "--show", backing])
        if status:
            raise Skip(f"no loop device: {err.decode(errors='replace').strip()}")
        device = out.decode().strip()
        try:
            check("found right" in write(device, image), device)
            must(["mke2fs", "-q", device])
            os.mkdir(directory + "/mnt")
            if command(["mount", device, directory + "/mnt"])[0] == 0:
                try:
                    write(device, image)
                    raise Fail("a mounted device was written to")
                except usb.Failure as failure:
                    check("mounted" in str(failure), failure)
                finally:
                    must(["umount", directory + "/mnt"])
        finally:
            must(["losetup", "-d", device])
        with open(image, "rb") as a:
            equal(len(a.read()), 3_000_000, "image")
