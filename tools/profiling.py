"""./cowslip profile -- PROGRAM: where the instructions went, by function, kernel and program, exactly and the same at every run.

A plugin of QEMU (tools/profile_plugin.c) sees each instruction and keeps the call path; the machine runs with --icount. It is counted from the program's
first instruction (its ELF entry, for a program that is not position-independent; else the first user instruction after execve) until the machine is switched off.
Written: build/profile.svg (a flame graph), build/profile.txt (every function) and build/profile.folded (`own calls path` per line); the first functions are printed too.
Options: those of run, and --boot (from the machine's first instruction), --after FUNCTION (from the kernel's first call of it), --of FUNCTION (only what
FUNCTION and its callees did, per call of it), --lines N (25).
"""
import os
import re
import shutil
import struct
import subprocess
import sys

import building
import plot
import runner
from common import BUILD, ROOT, Failure, build_lock, kernel_file
from streams import HostStreams

PLUGIN = os.path.join(BUILD, "profile_plugin.so")


# ---------------------------------------------------------------- what the plugin needs

def plugin_version():
    """QEMU takes plugins of some versions of its interface: 1 up to 8.2, 2 in 9.0, 3 from 9.1 on (only the first is tested)."""
    words = subprocess.run(["qemu-system-x86_64", "--version"], capture_output=True, text=True).stdout
    version = tuple(int(n) for n in re.search(r"version (\d+)\.(\d+)", words).groups())
    return 1 if version < (9, 0) else 2 if version < (9, 1) else 3


def build_plugin():
    source = os.path.join(ROOT, "tools/profile_plugin.c")
    with build_lock():
        if not os.path.exists(PLUGIN) or os.path.getmtime(PLUGIN) < os.path.getmtime(source):
            done = subprocess.run(["gcc", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-shared", "-fPIC", "-fvisibility=hidden",
                                   f"-DPLUGIN_VERSION={plugin_version()}", "-o", PLUGIN, source], capture_output=True, text=True)
            if done.returncode:
                raise Failure("profile: the plugin cannot be built:\n" + done.stderr)


def functions(path, kernel):
    """[(address, name)] of the functions of an ELF file, sorted, one name per address."""
    found = {}
    for line in subprocess.run(["nm", path], capture_output=True, text=True).stdout.splitlines():
        fields = line.split()
        if len(fields) == 3 and fields[1] in "tTwW" and "." not in fields[2].split(".cold")[0].replace(".part", "").replace(".isra", "").replace(".constprop", ""):
            address = int(fields[0], 16)
            if bool(address >> 63) == kernel:
                found.setdefault(address, fields[2])
    return sorted(found.items())


def program_file(argv, options):
    """The host's file of the program, as far as it can be known: --put, build/user, busybox."""
    name = os.path.basename(argv[0])
    for host, path in options.puts:
        if path == argv[0] or os.path.basename(path) == name:
            return host if os.path.isfile(host) else None
    for path in (os.path.join(BUILD, "user", name), os.path.join(BUILD, "user/tests", name), shutil.which("busybox") if name == "busybox" else None):
        if path and os.path.isfile(path):
            return path
    return None


def fixed_entry(path):
    """The entry's address of a program that is linked to fixed addresses, or None."""
    with open(path, "rb") as file:
        head = file.read(32)
    return struct.unpack_from("<Q", head, 24)[0] if head[:4] == b"\x7fELF" and struct.unpack_from("<H", head, 16)[0] == 2 else None


class Profiled(runner.Guest):
    """QEMU is asked to quit, so that the plugin writes what it has counted."""
    asked = False

    def kill(self):
        if self.qemu is not None and self.qemu.poll() is None and not self.asked:
            self.asked = True
            try:
                self.ends["qmp"].sendall(b'{"execute":"quit"}\n')
                self.qemu.wait(600)
            except (OSError, subprocess.TimeoutExpired):
                pass
        super().kill()


# ---------------------------------------------------------------- what it counted

def read_tree(path, title, of=None):
    """The root node [name, own, {name: child}] for plot.flame, and {function: [own, with callees, calls]}; of: only paths through it, from there on."""
    root, sums = [title, 0, {}], {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            own, calls, names = line.rstrip("\n").split(" ", 2)
            node, names = root, names.split(";")
            if of:
                if of not in names:
                    continue
                names = names[names.index(of):]
            for name in names:
                node = node[2].setdefault(name, [name, 0, {}])
            node[1] += int(own)
            for name in set(names):
                entry = sums.setdefault(name, [0, 0, 0])
                entry[1] += int(own)
            sums[names[-1]][0] += int(own)
            sums[names[-1]][2] += int(calls)
    return root, sums


def table(sums, total, limit=None, of=None):
    if of:
        times = max(sums.get(of, [0, 0, 0])[2], 1)
        lines = [f"{times:,} calls of {of}; for each:", f"{'own':>10} {'%':>6} {'calls':>7}  function"]
        return "\n".join(lines + [f"{own / times:10,.1f} {100 * own / total:6.2f} {calls / times:7.2f}  {name}" for name, (own, _, calls) in
                                  sorted(sums.items(), key=lambda item: (-item[1][0], item[0]))[:limit]])
    lines = [f"{'own':>13} {'%':>6} {'with callees':>13} {'%':>6} {'calls':>10} {'own/call':>9}  function"]
    for name, (own, whole, calls) in sorted(sums.items(), key=lambda item: (-item[1][0], item[0]))[:limit]:
        each = f"{own / calls:9.1f}" if calls else " " * 9
        lines.append(f"{own:13,} {100 * own / total:6.2f} {whole:13,} {100 * whole / total:6.2f} {calls:10,} {each}  {name}")
    return "\n".join(lines)


def profile(options, argv, streams, boot=False, after=None):
    """Run it; the path of the folded file, and the exit status. The kernel is built."""
    build_plugin()
    options.icount = True
    if options.smp != 1 or options.kvm or options.gdb:
        raise Failure("profile: one processor of QEMU's own, without --gdb: nothing else is counted the same twice")
    guest = Profiled(options, argv, streams)
    program = program_file(argv, options)
    symbols = functions(kernel_file(), True)
    if program:
        symbols = functions(program, False) + symbols
    if not symbols or symbols[0][0] >> 63:
        symbols.insert(0, (0, "[firmware]" if boot else "[program]"))
    elif boot or symbols[0][0] > 0:
        symbols.insert(0, (0, "[firmware]" if boot else "[program]"))
    with open(guest.directory.file("symbols"), "w") as file:
        file.writelines(f"{address:x} {name}\n" for address, name in symbols)
    words = [f"file={os.path.relpath(PLUGIN, guest.directory.path)}", "symbols=symbols", "out=../../profile.folded"]
    if not boot:
        words.append(f"after={after or 'sys_execve'}")
        if program:
            shutil.copyfile(program, guest.directory.file("program"))
            words.append("program=program")
            entry = fixed_entry(program)
            if entry and not after:
                words.append(f"entry={entry:x}")
    if after and not any(name == after for _, name in symbols):
        raise Failure(f"profile: the kernel has no function {after}")
    options.qemu += ["-plugin", ",".join(words)]
    folded = os.path.join(BUILD, "profile.folded")
    if os.path.exists(folded):
        os.unlink(folded)
    status = guest.run()
    if guest.message:
        print(f"cowslip: {guest.message}", file=sys.stderr)
    if not os.path.exists(folded):
        raise Failure("profile: the plugin wrote nothing: " + guest.evidence())
    return folded, status


def command(words, parse):
    given = {"--boot": False, "--after": None, "--of": None, "--lines": "25"}

    def other(word, rest):
        if word == "--boot":
            given[word] = True
        elif word in given and rest:
            given[word] = rest.pop(0)
        else:
            return False
        return True
    options, argv = parse(words, other)
    if not argv or not given["--lines"].isdigit():
        raise Failure("profile [--boot] [--after FUNCTION] [--of FUNCTION] [--lines N] [OPTIONS of run] -- PROGRAM ARGS (./cowslip help)")
    building.build()
    folded, status = profile(options, argv, HostStreams(), given["--boot"], given["--after"])
    title = "instructions of " + ("the boot and " if given["--boot"] else "") + " ".join(argv)
    root, sums = read_tree(folded, title, given["--of"])
    if given["--of"] and not sums:
        raise Failure(f"profile: {given['--of']} was not called")
    total = max(plot.weight(root), 1)
    sys.stdout.flush()
    print(f"\n{title}: {total:,}\n" + table(sums, total, int(given["--lines"]), given["--of"]))
    with open(os.path.join(BUILD, "profile.svg"), "w", encoding="utf-8") as file:
        file.write(plot.flame(f"{title}: {total:,}", root))
    with open(os.path.join(BUILD, "profile.txt"), "w", encoding="utf-8") as file:
        file.write(f"{title}: {total:,}\n" + table(sums, total, None, given["--of"]) + "\n")
    print("build/profile.svg, build/profile.txt")
    return status
