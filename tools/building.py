"""Building the kernel and the user programs, and where the kernel begins."""
import os
import struct
import subprocess

from common import BUILD, ROOT, VARIANTS, Failure, build_lock, kernel_file, variant
from packages import need


def build(werror=False):
    """make the kernel and the user programs; what make prints goes to build/build.log, and to the error if it fails."""
    command = ["make", "--no-print-directory", "-C", ROOT, f"-j{os.cpu_count() or 1}", *(["WERROR=1"] if werror else [])]
    name = variant()
    commands = [command + ["user"], command + ["kernel", f"BUILD=build/{name}", *VARIANTS[name]]] if name else [command + ["kernel", "user"]]
    environment = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    if os.environ.get("LLVM"):
        need("clang", "clang")
    with build_lock(), open(os.path.join(BUILD, "build.log"), "w+", errors="replace") as log:
        for command in commands:
            if subprocess.run(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=environment).returncode:
                log.seek(0)
                raise Failure("the build failed:\n" + log.read().rstrip())


def first_instruction(by_grub):
    """The physical address where GRUB (the ELF header's entry), or QEMU's -kernel (the PVH note) starts the kernel."""
    with open(kernel_file(), "rb") as file:
        elf = file.read()
    entry, headers = struct.unpack_from("<QQ", elf, 24)
    size, count = struct.unpack_from("<HH", elf, 54)
    for at in range(headers, headers + size * count, size):
        kind, _, offset, _, _, length = struct.unpack_from("<IIQQQQ", elf, at)
        if kind == 4 and not by_grub:           # PT_NOTE: namesz, descsz, type 18, "Xen", the address
            note = elf.find(b"Xen\0", offset, offset + length)
            if note >= 0 and struct.unpack_from("<I", elf, note - 4)[0] == 18:
                return struct.unpack_from("<I", elf, note + 4)[0]
    return entry
