"""Debian's busybox in the guest against the same busybox on the host: scripts of tests/busybox/, output compared."""
import os
import shutil

from testlib import ROOT, build_kernel, check, command, equal, guest, guest_ok, same_text, scratch

HOST = False
SCRIPTS = os.path.join(ROOT, "tests/busybox")
ENV = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "TERM": "linux"}


def prepare():
    build_kernel()


def host_applets(directory):
    """A directory with a link per applet, so that the host's run finds busybox's tools and not coreutils'."""
    busybox = shutil.which("busybox")
    for applet in command([busybox, "--list"])[1].decode().split():
        os.symlink(busybox, os.path.join(directory, applet))
    return directory


def script(name):
    def run():
        path = os.path.join(SCRIPTS, name)
        with scratch() as work, scratch() as applets:
            environment = dict(ENV, PATH=host_applets(applets))
            status, host, err = command([os.path.join(applets, "ash"), path], cwd=work, env=environment, timeout=60)
        equal(status, 0, f"{name} on the host: {err[-800:]!r}; status")
        status, out, err, log = guest(["/bin/ash", "-c", "mkdir /root/w && cd /root/w && exec ash /root/script"],
                                      put=[(path, "/root/script")], timeout=100)
        same_text(out, host, f"{name}: status {status}, stderr {err[-400:]!r}")
        equal(status, 0, f"{name}: status in the guest, stderr {err[-800:]!r}; {log[-300:]}")
    return run


def first_light():
    """The sentence of the issue: /etc packed, unpacked and compared."""
    line = "tar czf /tmp/e.tgz /etc && tar xzf /tmp/e.tgz -C /tmp && diff -r /etc /tmp/etc && echo same"
    out = guest_ok(["/bin/busybox", "sh", "-c", line])
    equal(out, b"same\n", "output")


def tools_of_the_system():
    """What a person types first: ps, free, mount, df, uname, id, ls of /dev and /proc."""
    out = guest_ok(["/bin/sh", "-c", "ps && free && mount && df && uname -a && id && ls /dev /proc/self/fd && cat /proc/meminfo /proc/cpuinfo /proc/stat "
                    "/proc/mounts /proc/version /proc/uptime && readlink /proc/self/exe && date && uptime"]).decode()
    for want in ("/sbin/init", "MemTotal", "/dev/ram0 on / type ext2", "Linux cowslip 6.1.0-cowslip", "uid=0(root)", "processor", "cpu ", "/bin/busybox"):
        check(want in out, f"no {want!r} in:\n{out}")
    for device in "null zero full random urandom tty console ram0 kmsg fd stdin stdout stderr shm".split():
        check(device in out.split(), f"/dev/{device} is missing")


def tests():
    found = [(name[:-3], script(name)) for name in sorted(os.listdir(SCRIPTS)) if name.endswith(".sh")]
    return found + [(f.__name__, f) for f in (first_light, tools_of_the_system)]
