"""Programs that nobody here wrote: unmodified Debian packages, static and dynamic, in the guest against the same files on
the host. A script tests/programs/NAME.sh names its packages in its first line (`# with: PACKAGE...`); it prints nothing that
may differ between two machines. dash runs it, here and there (busybox's shell would take its own applets for the tools)."""
import os

from testlib import ROOT, build_kernel, command, equal, guest, package, same_text, scratch

HOST = False
SCRIPTS = os.path.join(ROOT, "tests/programs")
LISTS = "/var/lib/dpkg/info/"
ENV = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "TERM": "linux", "LC_ALL": "C"}


def prepare():
    build_kernel()


def packages_of(path):
    with open(path, encoding="utf-8") as file:
        return ["dash", *file.readline().removeprefix("# with:").split()]


def script(name):
    def run():
        path = os.path.join(SCRIPTS, name)
        packages = packages_of(path)
        for each in packages:
            package(each, *(LISTS + each + arch + ".list" for arch in ("", ":amd64")))
        with scratch() as work:
            status, host, err = command(["dash", path], cwd=work, env=ENV, timeout=120)
        equal(status, 0, f"{name} on the host: {err[-800:]!r}; status")
        status, out, err, log = guest(["/bin/sh", "-c", "export LC_ALL=C; mkdir /root/w && cd /root/w && exec dash /root/script"],
                                      packages=packages, put=[(path, "/root/script")], timeout=300)
        same_text(out, host, f"{name}: status {status}, stderr {err[-400:]!r}; {log[-300:]}")
        equal(status, 0, f"{name}: status in the guest, stderr {err[-800:]!r}; {log[-300:]}")
    return run


def tests():
    return [(name[:-3], script(name)) for name in sorted(os.listdir(SCRIPTS)) if name.endswith(".sh")]
