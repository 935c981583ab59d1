"""./cowslip usb: writes the bootable image to a stick (or a file), after showing what that erases and asking.

What a target is, is read from /sys and /proc as the kernel sees it, not from names. It refuses, whatever is said: what is
mounted, swapped to or part of something else (itself or any of its partitions), partitions, read-only and too small
devices; without --force: more than 256 GB. The device is opened exclusively, so that the kernel refuses as well. What was
written is read back from the device and compared.
"""
import fcntl
import os
import stat
import sys

from common import Failure

LARGE = 256 * 10**9
CHUNK = 4 << 20
BLKFLSBUF, BLKRRPART = 0x1261, 0x125F           # linux/fs.h: forget cached blocks; read the partition table again


def text_of(*path):
    try:
        with open(os.path.join(*path), encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


def human(size):
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            return f"{size:.4g} {unit}"
        size /= 1000
    return None


class Disk:
    """A block device as /sys and /proc describe it: number "MAJOR:MINOR"."""

    def __init__(self, number, sysfs="/sys", proc="/proc"):
        self.sysfs, self.proc = sysfs, proc
        self.path = os.path.realpath(os.path.join(sysfs, "dev/block", number))
        if not os.path.isdir(self.path):
            raise Failure(f"the kernel knows no block device {number}")
        self.name = os.path.basename(self.path)
        self.size = int(text_of(self.path, "size") or 0) * 512
        self.partitions = sorted(entry for entry in os.listdir(self.path)
                                 if os.path.exists(os.path.join(self.path, entry, "partition")))

    def describe(self):
        model = " ".join(filter(None, (text_of(self.path, "device/vendor"), text_of(self.path, "device/model")))) or "no model name"
        kind = "removable" if text_of(self.path, "removable") == "1" else "not removable"
        lines = [f"/dev/{self.name}: {model}, {human(self.size)}, {kind}"]
        for name in self.partitions:
            lines.append(f"  partition {name}, {human(int(text_of(self.path, name, 'size') or 0) * 512)}{contents('/dev/' + name)}")
        return lines

    def uses(self):
        """Why it must not be written to: its and its partitions' mounts, swap areas and devices on top of them."""
        parts = [self.path] + [os.path.join(self.path, name) for name in self.partitions]
        numbers = {text_of(part, "dev") for part in parts}
        paths = {"/dev/" + os.path.basename(part) for part in parts}
        for line in text_of(self.proc, "self/mountinfo").splitlines():
            words = line.split(" ")
            source = words[words.index("-") + 2] if "-" in words[:-2] else ""
            if words[2] in numbers or os.path.realpath(source) in paths or source in paths:
                yield f"it is mounted, on {words[4]}"
        for line in text_of(self.proc, "swaps").splitlines()[1:]:
            if line.split()[0] in paths:
                yield f"{line.split()[0]} is swapped to"
        for part in parts:
            holders = os.path.join(part, "holders")
            for holder in sorted(os.listdir(holders)) if os.path.isdir(holders) else ():
                yield f"{os.path.basename(part)} is part of {holder}"

    def refuse(self, needed, force):
        """Failure if it must not be written to."""
        def fail(why):
            raise Failure(f"/dev/{self.name}: {why}: nothing is written")
        if os.path.exists(os.path.join(self.path, "partition")):
            fail(f"it is a partition; the whole device is /dev/{os.path.basename(os.path.dirname(self.path))}")
        for why in self.uses():
            fail(why)
        if text_of(self.path, "ro") == "1":
            fail("it is read-only")
        if self.size < needed:
            fail(f"{human(self.size)} are too small for {human(needed)}")
        if self.size > LARGE and not force:
            fail(f"{human(self.size)} is much for a stick: if it is the right one, say --force")


def contents(device):
    """What is on a partition, if blkid knows and may look."""
    import subprocess
    try:
        done = subprocess.run(["blkid", "-o", "value", "-s", "TYPE", "-s", "LABEL", device], capture_output=True, text=True)
    except OSError:
        return ""
    words = done.stdout.split("\n")
    return "".join(f", {word}" for word in words if word)


def is_device(path):
    try:
        return stat.S_ISBLK(os.stat(path).st_mode)
    except FileNotFoundError:
        return False


def check_target(path, needed, force):
    """The Disk at path; None: a file. Failure: it may not be written to."""
    if not is_device(path):
        if os.path.exists(path) and not os.path.isfile(path):
            raise Failure(f"{path}: neither a block device nor a file")
        if os.path.realpath(path).startswith("/dev/"):
            raise Failure(f"{path}: there is no such device")
        return None
    number = os.stat(path).st_rdev
    disk = Disk(f"{os.major(number)}:{os.minor(number)}")
    disk.refuse(needed, force)
    return disk


def ask(path, lines, yes, say):
    """Show what is lost; go on only if the name is typed."""
    say("\n".join(lines + [f"All that is on {path} will be lost."]))
    if yes:
        return
    if not sys.stdin.isatty():
        raise Failure("no terminal to ask on: say --yes if you mean it; nothing is written")
    name = os.path.basename(path)
    try:
        answer = input(f"To go on, type its name ({name}): ").strip()
    except EOFError:
        answer = ""
    if answer not in (name, path):
        raise Failure("nothing is written")


def write(image, path, disk):
    """Write and verify; the number of bytes."""
    size = os.path.getsize(image)
    flags = os.O_RDWR | os.O_CLOEXEC | (os.O_EXCL if disk else os.O_CREAT)
    try:
        target = os.open(path, flags, 0o644)
    except PermissionError:
        raise Failure(f"{path}: you may not write to it: run this command by sudo")
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}: nothing is written")
    try:
        with open(image, "rb") as source:
            copy(source, target, size)
            if disk:
                forget_old_table(target, disk.size, size)
            else:
                os.ftruncate(target, size)
            os.fsync(target)
            drop_cache(target, disk)
            verify(source, target, path)
        if disk:
            reread_partitions(target)
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}: it is now in no usable state")
    finally:
        os.close(target)
    return size


def copy(source, target, size):
    done = 0
    while data := source.read(CHUNK):
        while data:
            n = os.pwrite(target, data, done)
            data, done = data[n:], done + n
        if sys.stderr.isatty():
            print(f"\r{done * 100 // size} %", end="" if done < size else "\n", file=sys.stderr, flush=True)


def forget_old_table(target, device_size, size):
    """The copy of an older GPT at the device's end would contradict the new one."""
    start = max(size, device_size - 34 * 512)
    if start < device_size:
        os.pwrite(target, bytes(device_size - start), start)


def drop_cache(target, disk):
    """What is read next shall come from the medium."""
    if disk:
        try:
            fcntl.ioctl(target, BLKFLSBUF, 0)
        except OSError:
            pass                                # not root: the advice below has to do
    os.posix_fadvise(target, 0, 0, os.POSIX_FADV_DONTNEED)


def verify(source, target, path):
    at = 0
    source.seek(0)
    while data := source.read(CHUNK):
        got = os.pread(target, len(data), at)
        if got != data:
            wrong = next((i for i, pair in enumerate(zip(got, data)) if pair[0] != pair[1]), len(got))
            raise Failure(f"{path}: what was written does not come back (first at byte {at + wrong}): a bad stick?")
        at += len(data)


def reread_partitions(target):
    try:
        fcntl.ioctl(target, BLKRRPART, 0)
    except OSError:
        pass                                    # a device without partitions, or somebody has opened one already


def command(path, yes, force, make_image, say=print):
    """make_image() returns the path of the image; it is called after the first look at the target."""
    check_target(path, 0, force)
    image = make_image()
    disk = check_target(path, os.path.getsize(image), force)
    ask(path, disk.describe() if disk else [f"{path}: a file" + ("" if os.path.exists(path) else ", which is made")], yes,
        say)
    check_target(path, os.path.getsize(image), force)
    size = write(image, path, disk)
    say(f"{path}: {human(size)} written, read back and found right")
