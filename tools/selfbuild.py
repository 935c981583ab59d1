"""Cowslip builds itself: this source tree, the compiler and its tools go into a machine, `make` runs there, and the kernel that comes out is, but for
the debugging information (paths), the host's bit for bit.

    python3 tools/selfbuild.py [--smp N]      twenty minutes of two host processors

A soak (./cowslip soak --only self_build). Files that the host's git does not know are not taken along."""
import os
import re
import subprocess
import sys
import tempfile

from common import BUILD, ROOT, Failure

COWSLIP = os.path.join(ROOT, "cowslip")
FIRST = ("gcc", "make", "nasm", "binutils", "libc6-dev", "linux-libc-dev", "python3", "console-setup-linux", "gzip", "dash")
# Of what those depend on: programs, headers and the interpreter's files. The libraries that programs are linked with come by themselves.
TAKEN = re.compile(r"^(gcc|cpp|binutils|libgcc-.*dev|libpython3|python3)[-.a-z0-9]*$")
IN_GUEST = "export PATH=/usr/bin:/bin:/usr/sbin:/sbin; cd /root && tar xzf source.tgz && cd source && make -j2 build/cowslip.elf"


def output(*argv):
    done = subprocess.run(argv, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    if done.returncode:
        raise Failure(f"{' '.join(argv)}: status {done.returncode}")
    return done.stdout


def packages():
    """FIRST and what of TAKEN they depend on, as far as it is installed here."""
    found, left = [], list(FIRST)
    while left:
        name = left.pop(0)
        found.append(name)
        depends = output("dpkg-query", "-W", "-f=${Depends}, ${Pre-Depends}", name).decode()
        for word in re.findall(r"(?:^|[,|] *)([a-z0-9][-+.a-z0-9]+)", depends):
            installed = subprocess.run(["dpkg-query", "-W", "-f=${Status}", word], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
            if TAKEN.match(word) and installed.endswith(b" installed") and word not in found + left:
                left.append(word)
    return found


def loaded(elf, directory):
    """What of a kernel's file does not depend on where it was built."""
    out = os.path.join(directory, "loaded")
    output("objcopy", "-g", elf, out)
    with open(out, "rb") as file:
        return file.read()


def main(smp):
    output("make", "-s", "build/cowslip.elf")
    with tempfile.TemporaryDirectory() as directory:
        archive, made = os.path.join(directory, "source.tgz"), os.path.join(directory, "made.elf")
        subprocess.run(["tar", "czf", archive, "--transform", "s,^,source/,", "--null", "-T", "-"], cwd=ROOT, input=output("git", "ls-files", "-z"), check=True)
        with_packages = [word for name in packages() for word in ("--with", name)]
        status = subprocess.run([COWSLIP, "run", "--mem", "1G", "--smp", str(smp), "--size", "700M", "--timeout", "7200", *with_packages, "--put", f"{archive}:/root/source.tgz",
                                 "--get", f"/root/source/build/cowslip.elf:{made}", "--", "sh", "-c", IN_GUEST], stdin=subprocess.DEVNULL).returncode
        if status:
            print(f"self-build: make ended with {status} in the machine")
            return 1
        same = loaded(made, directory) == loaded(os.path.join(BUILD, "cowslip.elf"), directory)
    print("self-build: the kernel is the host's bit for bit" if same else "self-build: the kernel is ANOTHER than the host's")
    return 0 if same else 1


if __name__ == "__main__":
    try:
        sys.exit(main(int(sys.argv[2]) if sys.argv[1:2] == ["--smp"] else 2))
    except (Failure, subprocess.CalledProcessError) as failure:
        sys.exit(f"self-build: {failure}")
