"""Debian's own Linux as a peer of Cowslip: the same machine, the same programs (./cowslip bench).

The kernel and the modules for ext2 on a ramdisk are taken out of the linux-image package of this Debian, without installing it; they stay
under build/peer/PACKAGE_VERSION. Nothing of it is committed. fetch() gives a Peer or says what is missing; Peer.run() boots it with
busybox as its init and a script as its only job, and hands on what the script prints, line by line.
"""
import glob
import lzma
import os
import re
import shlex
import shutil
import stat
import subprocess

from common import BUILD, Failure, build_lock

FOLDER = os.path.join(BUILD, "peer")
MODULES = ("crc16", "crc32c_generic", "libcrc32c", "mbcache", "jbd2", "ext4", "brd")    # in the order of loading
# What Linux is run with. "lean" is the stricter opponent: without what costs instructions and Cowslip does not have.
FLAVOURS = {
    "default": "",
    "lean": "mitigations=off init_on_alloc=0 randomize_kstack_offset=off hardened_usercopy=off audit=0 lsm= cgroup_disable=memory psi=0 "
            "preempt=none nosmap",
}
INIT = """#!/bin/busybox sh
B=/bin/busybox
$B mount -t proc proc /proc; $B mount -t sysfs sys /sys; $B mount -t devtmpfs dev /dev
echo 0 >/proc/sys/vm/dirty_writeback_centisecs
$B mount -t tmpfs -o size=90% none /tmp
if [ @FS@ = ext2 ]; then
	for m in @MODULES@; do [ -e /m/$m.ko ] && $B insmod /m/$m.ko; done
	$B insmod /m/brd.ko rd_nr=1 rd_size=@RAMDISK@ 2>/dev/null
	$B mke2fs -b 4096 -m 0 /dev/ram0 >/dev/null 2>&1
	$B mount -t ext2 /dev/ram0 /root || echo "@@ no ext2"
fi
echo "@@BEGIN"
@SCRIPT@
echo "@@END $?"
$B poweroff -f
"""


# ---------------------------------------------------------------- the package

def output(command):
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", cwd=FOLDER)
    return done.stdout if done.returncode == 0 else ""


def download(say):
    """The .deb that linux-image-amd64 depends on, in FOLDER; no root needed, but apt's lists."""
    if not shutil.which("apt-get"):
        raise Failure("no apt-get here: Debian's linux-image package cannot be fetched")
    for attempt in range(2):
        name = re.search(r"Depends: (linux-image-\S+-amd64)$", output(["apt-cache", "depends", "linux-image-amd64"]), re.M)
        if name:
            say(f"fetching {name[1]} (once, about 70 MB)")
            done = subprocess.run(["apt-get", "-q", "download", name[1]], cwd=FOLDER, capture_output=True, text=True, errors="replace")
            found = glob.glob(os.path.join(FOLDER, name[1] + "_*.deb"))
            if found and done.returncode == 0:
                return max(found, key=os.path.getmtime)
        if attempt == 0 and os.geteuid() == 0:
            say("apt-get update")
            subprocess.run(["apt-get", "-q", "update"], capture_output=True)
        else:
            break
    why = done.stderr.strip().split("\n")[-1] if name else "apt does not know linux-image-amd64 (as root: apt-get update)"
    raise Failure(f"Linux's package cannot be fetched: {why}")


def unpack(deb):
    """vmlinuz and the modules, in a folder named as the package with its version; the .deb goes."""
    target, scratch = deb[:-len("_amd64.deb")], os.path.join(FOLDER, "new")
    shutil.rmtree(scratch, ignore_errors=True)
    os.makedirs(os.path.join(scratch, "all"))
    subprocess.run(["dpkg-deb", "-x", deb, os.path.join(scratch, "all")], check=True)
    for path in glob.glob(scratch + "/all/boot/vmlinuz-*"):
        shutil.copyfile(path, os.path.join(scratch, "vmlinuz"))
    for name in MODULES:
        for path in glob.glob(f"{scratch}/all/**/modules/**/{name}.ko*", recursive=True):
            with (lzma.open if path.endswith(".xz") else open)(path, "rb") as source, open(f"{scratch}/{name}.ko", "wb") as file:
                shutil.copyfileobj(source, file)
    shutil.rmtree(os.path.join(scratch, "all"))
    os.rename(scratch, target)
    os.unlink(deb)
    return target


def fetch(say):
    """The Peer; what was unpacked once is used again, without the network."""
    os.makedirs(FOLDER, exist_ok=True)
    with build_lock():
        ready = sorted(p for p in glob.glob(FOLDER + "/linux-image-*") if os.path.exists(p + "/vmlinuz"))
        return Peer(ready[-1] if ready else unpack(download(say)))


# ---------------------------------------------------------------- the machine

def cpio(entries):
    """A newc archive: [(path, mode, bytes)], directories first."""
    out = bytearray()
    for number, (path, mode, data) in enumerate(entries + [("TRAILER!!!", 0, b"")]):
        name = path.encode() + b"\0"
        fields = (number + 1, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name), 0)
        out += b"070701" + b"".join(b"%08X" % f for f in fields) + name
        out += b"\0" * (-len(out) % 4)
        out += data
        out += b"\0" * (-len(out) % 4)
    return bytes(out)


class Peer:
    def __init__(self, folder):
        self.folder = folder
        self.package = os.path.basename(folder)         # linux-image-..._VERSION

    def initramfs(self, path, filesystem, programs, script):
        entries = [(name, stat.S_IFDIR | 0o755, b"") for name in ("bin", "dev", "proc", "sys", "tmp", "root", "m")]

        def add(name, source, mode=0o755):
            with open(source, "rb") as file:
                entries.append((name, stat.S_IFREG | mode, file.read()))
        add("bin/busybox", shutil.which("busybox") or "/bin/busybox")
        for program in programs:
            add("bin/" + os.path.basename(program), program)
        for name in MODULES:
            if filesystem == "ext2" and os.path.exists(f"{self.folder}/{name}.ko"):
                add(f"m/{name}.ko", f"{self.folder}/{name}.ko", 0o644)
        text = INIT.replace("@FS@", filesystem).replace("@MODULES@", " ".join(MODULES[:-1])).replace("@RAMDISK@", "131072").replace("@SCRIPT@", script)
        entries.append(("init", stat.S_IFREG | 0o755, text.encode()))
        with open(path, "wb") as file:
            file.write(cpio(entries))

    def run(self, argv, flavour, filesystem, settings, programs, each_line, timeout=900):
        """Boot, run argv as the only job, power off; each_line gets every line of its output. settings: a Settings (tools/bench.py)."""
        initramfs = os.path.join(self.folder, f"initramfs.{os.getpid()}")
        self.initramfs(initramfs, filesystem, programs, " ".join(shlex.quote(word) for word in argv))
        words = f"console=ttyS0 quiet panic=-1 nokaslr {FLAVOURS[flavour]}"
        command = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
        command += ["timeout", str(timeout), "qemu-system-x86_64", "-machine", "pc", "-accel", "tcg", *settings.machine(), "-nodefaults", "-no-user-config", "-display",
                    "none", "-serial", "stdio", "-no-reboot", "-kernel", self.folder + "/vmlinuz", "-initrd", initramfs, "-append", words]
        began, status, said = False, None, []
        try:
            with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                  errors="replace") as qemu:
                for line in qemu.stdout:
                    line = line.rstrip("\r\n")
                    said = said[-20:] + [line]
                    if line.startswith("@@END"):
                        status = int(line.split()[1])
                    elif line.startswith("@@BEGIN"):
                        began = True
                    elif began and status is None:
                        each_line(line)
        finally:
            os.unlink(initramfs)
        if status is None:
            raise Failure(f"Linux ({flavour}, {filesystem}) did not get through:\n" + "\n".join(said))
