"""--with PACKAGE: the files of a Debian package of the host, and the shared libraries that its programs need.

The package is installed on the host first if it is not there (tools/packages.py). Of what it depends on only the libraries
come along, as ldd finds them: name the other packages too. Documentation, manuals and translations stay outside.
"""
import os
import re
import shutil
import subprocess

from common import Failure
from packages import need

LISTS = "/var/lib/dpkg/info/"
LEFT_OUT = re.compile(r"/usr/share/(doc|doc-base|man|info|locale|lintian|bug|menu|applications|pixmaps|icons|gdb)(/|$)")


def package_files(package):
    """The paths of the package's files and links on the host; not /lib and the like, which are links where /usr is merged."""
    if not shutil.which("dpkg-query"):
        raise Failure(f"--with {package}: it takes Debian packages, and there is no dpkg-query here; use --root or --put")
    if not re.fullmatch(r"[a-z0-9][a-z0-9+.-]+", package):
        raise Failure(f"--with {package}: that is not the name of a package")
    with open(need(package, *(LISTS + package + arch + ".list" for arch in ("", ":amd64"))), encoding="utf-8") as file:
        paths = [line.rstrip("\n") for line in file]
    return [path for path in paths if not LEFT_OUT.match(path) and path.count("/") > 1 and (os.path.islink(path) or os.path.isfile(path))]


def is_elf(path):
    try:
        with open(path, "rb") as file:
            return file.read(4) == b"\x7fELF"
    except OSError:
        return False


def libraries(programs):
    """The paths of the shared libraries, the dynamic linker among them, that these ELF files need."""
    found = {}
    for start in range(0, len(programs), 200):
        done = subprocess.run(["ldd", *programs[start:start + 200]], capture_output=True, text=True, errors="replace")
        for line in done.stdout.splitlines():
            if "not found" in line:
                raise Failure(f"--with: {line.strip()}")
            path = re.match(r"\t(?:\S+ => )?(/\S+) \(0x", line)
            if path:
                found[path[1]] = True
    return list(found)


def bring(tree, package):
    """Copy the package and its libraries into a tree of tools/image.py."""
    paths = package_files(package)
    for path in paths + libraries([p for p in paths if is_elf(p)]):
        if os.path.islink(path) and path in paths:
            tree.merge_link(os.readlink(path), path.lstrip("/"))
        elif not os.path.isdir(path):
            tree.copy(path, path.lstrip("/"))
    tree.finish_merge()
