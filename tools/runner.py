"""One run of Cowslip in QEMU: starts it, carries the job's streams, and turns its end into an exit status.

Guest is one machine. run_guest() is what the tests use: bytes in, (status, stdout, stderr, kernel log) out.
How runner and guest talk to each other is told in docs/running.md, "Between runner and guest".

Each run has a directory build/runs/PID-N, locked as long as the runner lives; build/kernel.log and build/qemu.log are
links into that of the run that was started last. QEMU works inside that directory, so that no path needs quoting.
"""
import json
import os
import queue
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time

import coverage
import image
from common import Failure, build_lock, kernel_file, variant
from extract import extract
from iso import ENTRIES, make_iso
from media import MEDIA, OVMF, WINDOW, window_kind
from packages import need
from rundir import RunDirectory
from streams import ByteStreams, HostStreams  # noqa: F401 (HostStreams: for cowslip.py)

STDIN_PACKET = 4096
WINDOW_SIZE = 0xFFFF                            # length of a packet that holds rows and columns instead of bytes
TIMEOUT, ERROR, NOT_FOUND = 124, 125, 127
DEFAULT_SMP = int(os.environ.get("COWSLIP_TEST_SMP", "1"))      # `./cowslip test --smp N` sets it


class Options:
    """Options of a run, by the names of the command line."""

    def __init__(self, **given):
        self.smp, self.mem, self.append, self.timeout = DEFAULT_SMP, 512 << 20, "", None
        self.packages, self.roots, self.puts = [], [], []       # Debian packages; directories; (host path, path)
        self.gets = []                                          # (path or /dev/ram0, host path)
        self.kernel = kernel_file()
        self.size, self.block = None, 4096
        self.icount = self.iso = self.gdb = self.kvm = self.uefi = self.window = False
        self.stopped_by_kernel = False                          # gdb: the machine runs until stop_at=, then GDB is wanted
        self.medium = "cd"                                      # of the ISO image: cd, xhci, ehci (USB sticks) or disk
        self.entry = ENTRIES[0]                                 # of GRUB's menu
        self.cpu, self.image = "max,-erms,-fsrm", None          # image: use this root image as it is
        self.qemu = []                                          # further arguments for QEMU
        for name, value in given.items():
            if not hasattr(self, name):
                raise TypeError(f"no option {name}")
            setattr(self, name, value)


# ---------------------------------------------------------------- the machine

class Guest:
    """One QEMU with Cowslip in it. run() gives the exit status; self.message is the runner's own error, if any.

    Threads carry the streams, each blocking on its own descriptors: output waits in QEMU while the host does not take
    it, and no host descriptor is made non-blocking. Everything that decides the run arrives in one queue.
    """

    def __init__(self, options, argv, streams):
        self.options, self.argv, self.streams = options, argv, streams
        self.message = None
        self.qemu = None
        self.directory = RunDirectory()
        self.events = queue.Queue()             # ("control", line) ("qmp", message) ("exit",) ("output", error) ("kill",)
        self.wanted = threading.Semaphore(0)    # packets of stdin the guest has asked for
        self.sending = threading.Lock()         # whole packets go to the guest
        self.started = self.ready = None        # when QEMU was started; whether the guest takes a terminal's bytes
        self.ram0 = None                        # (physical address, size) of the root image in the guest
        self.threads = []
        self.keep = False                       # a debugger looks at the machine: leave it there after its end

    # -- starting

    def prepare(self):
        """Everything QEMU needs, in the directory of the run."""
        options, directory = self.options, self.directory
        rows, columns = self.streams.window()
        job = [str(self.streams.mask | (WINDOW if options.window else 0)).encode(), f"{rows}x{columns}".encode()] + [os.fsencode(a) for a in self.argv]
        with open(directory.file("job"), "wb") as file:
            file.write(b"".join(word + b"\0" for word in job))
        with build_lock():
            if options.image:
                shutil.copyfile(options.image, directory.file("root.img"))
            else:
                image.root_image(directory.path, options)
            try:
                os.link(options.kernel, directory.file("cowslip.elf"))
            except OSError:
                shutil.copyfile(options.kernel, directory.file("cowslip.elf"))
        if not options.iso and os.path.getsize(directory.file("root.img")) + (6 << 20) > options.mem:
            size = os.path.getsize(directory.file("root.img")) / (1 << 20)
            raise Failure(f"a root file system of {size:.3g} MiB does not fit into {options.mem >> 20} MiB of memory"
                          " (--size, --mem)")
        if options.iso:
            make_iso(directory.file("cowslip.iso"), directory.path, options.append, entry=options.entry)
        if options.uefi:
            self.firmware = need("ovmf", *OVMF)
            shutil.copyfile(self.firmware.replace("_CODE", "_VARS"), directory.file("vars.fd"))

    def command(self, channels):
        options = self.options
        mem = f"{options.mem >> 10}K"
        # setpriv: QEMU does not outlive its runner, however that ends.
        command = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
        command += ["qemu-system-x86_64", "-accel", "kvm" if options.kvm else "tcg", "-cpu", options.cpu,
                   "-object", f"memory-backend-ram,id=ram,size={mem},reserve=off", "-machine", "pc,memory-backend=ram",
                   "-m", f"size={mem}", "-smp", str(options.smp), "-nodefaults", "-no-user-config",
                   *(["-display", self.display, "-vga", "std"] if options.window else ["-display", "none", "-vga", "none"]), "-no-reboot", "-action", "reboot=shutdown,shutdown=pause",
                   "-d", "guest_errors,cpu_reset", "-D", "qemu.log", "-name", "cowslip",
                   "-fw_cfg", "name=opt/cowslip/job,file=job",
                   "-chardev", "file,id=log,path=kernel.log", "-serial", "chardev:log"]
        for name, end in channels.items():
            command += ["-chardev", f"socket,id={name},fd={end.fileno()}"]
        command += ["-serial", "chardev:in", "-mon", "chardev=qmp,mode=control"]
        for port, name in ((0x4E0, "out"), (0x4E1, "err"), (0x4E2, "control")):
            command += ["-device", f"isa-debugcon,iobase={port:#x},chardev={name}"]
        # KCSAN: one thread for all processors, which a `pause` hands on: a watchpoint that stands for an instant meets what the others do in a whole turn.
        if options.icount or variant() == "kcsan":
            command += ["-icount", "shift=0,sleep=off", "-seed", "1", "-rtc", "base=2026-01-01T00:00:00,clock=vm"]
        if options.uefi:
            command += ["-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={self.firmware}",
                        "-drive", "if=pflash,unit=1,format=raw,file=vars.fd"]
        if options.iso:
            command += MEDIA[options.medium]
        else:
            command += ["-kernel", "cowslip.elf", "-initrd", "root.img", "-append", options.append]
        command += options.qemu
        if options.gdb:
            command += ([] if options.stopped_by_kernel else ["-S"]) + ["-chardev", "socket,id=gdb,path=gdb.sock,server=on,wait=off", "-gdb", "chardev:gdb"]
        return command

    def start(self):
        if self.options.kvm and not os.access("/dev/kvm", os.R_OK | os.W_OK):
            raise Failure("--kvm: /dev/kvm is not there or may not be used")
        if self.options.window:
            self.display = window_kind()
        self.prepare()
        ours, theirs = {}, {}
        for name in ("in", "out", "err", "control", "qmp"):
            ours[name], theirs[name] = socket.socketpair()
        self.ends = ours
        with open(self.directory.file("qemu.err"), "wb") as errors:
            self.qemu = subprocess.Popen(
                self.command(theirs), cwd=self.directory.path, stdin=subprocess.DEVNULL, stdout=errors,
                stderr=errors, pass_fds=[end.fileno() for end in theirs.values()], start_new_session=True)
        for end in theirs.values():
            end.close()
        ours["qmp"].sendall(b'{"execute":"qmp_capabilities"}\n')
        self.started = time.monotonic()
        for target, arguments in ((self.carry_output, ("out", 1)), (self.carry_output, ("err", 2)),
                                  (self.carry_input, ()), (self.listen, ()), (self.wait_for_qemu, ())):
            thread = threading.Thread(target=target, args=arguments, daemon=True)
            thread.start()
            self.threads.append(thread)

    # -- the threads

    def carry_output(self, name, fd):
        while True:
            try:
                data = self.ends[name].recv(65536)
            except OSError:
                data = b""
            if not data:
                return
            error = self.streams.write(fd, data)
            if error:
                self.events.put(("output", error))
                return
            if len(data) < 64:
                time.sleep(0.0003)              # the guest writes byte by byte: let some more gather

    def carry_input(self):
        """A packet for each request; from a terminal as it is typed, once the guest has asked for the first (earlier
        bytes would be lost when it sets up its UART)."""
        try:
            while True:
                if self.streams.tty:
                    data = self.streams.read(STDIN_PACKET)
                    if self.escape(data):
                        self.events.put(("kill",))
                        return
                    self.wait_until_ready()
                else:
                    self.wanted.acquire()
                    if self.over:
                        return
                    data = self.streams.read(STDIN_PACKET)
                self.send(struct.pack("<H", len(data)) + data)
                if self.streams.tty and not data:
                    return
        except OSError:
            pass                                # QEMU has gone

    def wait_until_ready(self):
        if not self.ready:
            self.wanted.acquire(timeout=max(0, self.started + 5 - time.monotonic()))
            self.ready = True

    def send(self, packet):
        with self.sending:
            self.ends["in"].sendall(packet)

    stopped_itself = False                      # stop_at=: the kernel waits for GDB
    heard = False                               # QEMU has spoken: all its sockets take connections
    presses = 0

    def escape(self, data):
        """Ctrl-] three times in a row ends the run, also where the guest does not listen any more."""
        for byte in data:
            self.presses = self.presses + 1 if byte == 0x1D else 0
            if self.presses == 3:
                return True
        return False

    def send_window(self):
        """The terminal has another size (called by a signal handler: a thread does the waiting)."""
        rows, columns = self.streams.window()

        def send():
            try:
                self.wait_until_ready()
                self.send(struct.pack("<HHH", WINDOW_SIZE, rows, columns))
            except OSError:
                pass
        if self.started:
            threading.Thread(target=send, daemon=True).start()

    def listen(self):
        """The control lines and QEMU's messages, in one thread: a control line that was written before QEMU said
        something also arrives before it."""
        rest = {"control": b"", "qmp": b""}
        waiting = select.poll()
        names = {}
        for name in rest:
            waiting.register(self.ends[name], select.POLLIN)
            names[self.ends[name].fileno()] = name
        while names:
            ready = {names[fd] for fd, _ in waiting.poll() if fd in names}
            received = {}
            for name in [n for n in ("qmp", "control") if n in ready or n == "control" and n in names.values()]:
                try:
                    received[name] = self.ends[name].recv(65536, 0 if name in ready else socket.MSG_DONTWAIT)
                except BlockingIOError:
                    continue
                except OSError:
                    received[name] = b""
                self.heard = self.heard or name == "qmp"
                if not received[name]:
                    waiting.unregister(self.ends[name])
                    del names[self.ends[name].fileno()]
            for name in ("control", "qmp"):
                *lines, rest[name] = (rest[name] + received.get(name, b"")).split(b"\n")
                for line in lines:
                    if name == "control" and line == b"R":
                        self.wanted.release()
                    elif line.strip():
                        self.events.put((name, line))

    def wait_for_qemu(self):
        self.qemu.wait()
        self.threads[3].join(5)                 # what it said last comes first
        self.events.put(("exit",))

    # -- the run

    def run(self):
        """Start, wait for the end, clean up. Returns the exit status."""
        status = self.run_machine()
        race = re.search(r"kcsan: (data race .*)", self.log)
        if race and not self.message:           # only the build that looks for them says so
            self.message = race[1]
            return ERROR
        return status

    def run_machine(self):
        try:
            self.start()
            return self.watch()
        except Failure as failure:
            self.message = str(failure)
            return ERROR
        finally:
            self.kill()
            self.close_ends()
            with open(self.directory.file("kernel.log"), errors="replace") as file:
                self.log = file.read()          # another runner removes a released directory
            self.directory.release()

    def close_ends(self):
        """A test runs hundreds of machines in one process. QEMU is gone, so that the threads end; one that waits for a terminal's
        input does not, and keeps its socket."""
        self.over = True
        self.wanted.release()
        for thread, names in zip(self.threads, (("out",), ("err",), ("in",), ("control", "qmp"))):
            thread.join(1)
            if not thread.is_alive():
                for name in names:
                    self.ends[name].close()

    def watch(self):
        """Follow the events until the run is decided."""
        deadline = time.monotonic() + self.options.timeout if self.options.timeout is not None else None
        status = failure = panicked = grace = None
        while True:
            limits = [t for t in (deadline, grace) if t is not None]
            try:
                event = self.events.get(timeout=max(0, min(limits) - time.monotonic()) if limits else None)
            except queue.Empty:
                if grace is not None and time.monotonic() >= grace:
                    return self.finish(status, failure)
                self.kill()
                self.drain(5)
                self.message = f"timeout: the job ran for more than {self.options.timeout:g} s"
                return TIMEOUT
            kind, text = event[0], event[1] if len(event) > 1 else None
            if kind == "control":
                word, _, argument = text.decode(errors="replace").partition(" ")
                if word == "S" and argument.isdigit():
                    status, deadline, grace = int(argument) & 0xFF, None, time.monotonic() + 20
                elif word == "E":
                    failure, deadline, grace = argument, None, time.monotonic() + 3
                elif word == "P":
                    panicked = True
                    if not self.keep:
                        return self.panic()
                    os.write(2, (panic_text(self.directory.file("kernel.log")) + "\n").encode())
                elif word == "X":
                    self.stopped_itself = True
                elif word == "M":
                    self.ram0 = tuple(int(number, 16) for number in argument.split())
            elif kind == "qmp":
                message = json.loads(text)
                if message.get("event") == "SHUTDOWN" and not self.keep:
                    if message["data"].get("reason") == "guest-reset" and failure is None and status is None:
                        raise Failure("the machine was reset (a triple fault?): " + self.evidence())
                    if status is not None or failure is not None:
                        return self.finish(status, failure)
                    raise Failure("the machine was switched off before the job ended: " + self.evidence())
            elif kind == "exit":
                if status is not None and not self.options.gets:
                    return self.finish(status, failure)
                if panicked or self.keep:
                    return ERROR
                raise Failure("QEMU ended unexpectedly: " + self.evidence())
            elif kind == "kill":
                self.message = "ended by Ctrl-] Ctrl-] Ctrl-]"
                return ERROR
            elif kind == "output":
                if not isinstance(text, BrokenPipeError):
                    raise Failure(f"writing the job's output: {text.strerror}")
                self.broken_pipe = True
                return 128 + signal.SIGPIPE

    broken_pipe = False
    over = False                                # QEMU is gone: nothing more is read for it

    def finish(self, status, failure):
        """The guest has said how it ended and is switched off (or had the time to do so)."""
        if failure is None and self.options.gets:
            self.save_ram0()
        self.kill()
        self.drain()
        if failure is not None:
            raise Failure(failure)
        return status

    def panic(self):
        self.kill()
        self.drain()
        raise Failure("kernel panic\n" + panic_text(self.directory.file("kernel.log")))

    def evidence(self):
        """Where to look, and what QEMU itself said."""
        self.kill()
        self.drain()
        with open(self.directory.file("qemu.err"), errors="replace") as file:
            said = file.read().strip()
        return "see build/kernel.log and build/qemu.log" + (f"\n{said}" if said else "")

    def save_ram0(self):
        """--get: the image, or something out of it, while the machine stands still."""
        if self.ram0 is None:
            raise Failure("--get: the kernel did not say where its root image lies")
        address, size = self.ram0
        answer = self.qmp("stop") and self.qmp("pmemsave", val=address, size=size, filename="ram0.out")
        if "error" in answer:
            raise Failure("--get: " + answer["error"].get("desc", "QEMU failed"))
        for path, target in self.options.gets:
            try:
                if path == "/dev/ram0":
                    with open(self.directory.file("ram0.out"), "rb") as source, open(target, "wb") as file:
                        copy_sparse(source, file)
                else:
                    extract(self.directory.file("ram0.out"), path, target)
            except OSError as error:
                raise Failure(f"--get: {target}: {error.strerror}")

    def qmp(self, command, **arguments):
        """Send a command, wait for its answer (events that come in between are of no interest any more)."""
        self.ends["qmp"].sendall(json.dumps({"execute": command, "arguments": arguments, "id": command}).encode() + b"\n")
        while True:
            event = self.events.get(timeout=60)
            if event[0] == "exit":
                raise Failure("QEMU ended unexpectedly: " + self.evidence())
            if event[0] == "qmp":
                message = json.loads(event[1])
                if message.get("id") == command:
                    return message

    def kill(self):
        if coverage.ENABLED and not (self.counted or self.broken_pipe or self.options.gdb) and self.qemu is not None and self.qemu.poll() is None:
            self.counted = True
            coverage.collect(self.qmp, self.directory.path)
        if self.qemu is not None and self.qemu.poll() is None:
            try:
                self.qemu.kill()
            except ProcessLookupError:
                pass
            if threading.current_thread() not in self.threads:
                self.threads[4].join(10) if len(self.threads) > 4 else self.qemu.wait()

    counted = False                             # coverage only: the counters have been read

    def drain(self, limit=None):
        """What the guest had written reaches the host, however slowly it takes it; after a timeout, within a limit."""
        for thread in self.threads[:2]:
            thread.join(limit)


def panic_text(path):
    with open(path, errors="replace") as file:
        text = file.read().replace("\r", "")
    found = list(re.finditer(r"^(\[[^\]\n]*\] *)?PANIC:", text, re.M))
    return text[found[0].start():].rstrip() if found else "(no text in build/kernel.log)"


def copy_sparse(source, target):
    """Blocks of zeros become holes where the target is a plain file."""
    plain = target.seekable() and os.path.isfile(target.name)
    while True:
        data = source.read(1 << 16)
        if not data:
            break
        if plain and not data.strip(b"\0"):
            target.seek(len(data), os.SEEK_CUR)
        else:
            target.write(data)
    if plain:
        target.truncate()


# ---------------------------------------------------------------- for the tests

def run_guest(argv, stdin=b"", append="", smp=None, mem=None, timeout=60, packages=(), root=(), put=(), iso=False,
              icount=False, get=None, size=None, block=4096, cpu=None, image=None, qemu=(), uefi=False, medium="cd",
              entry=ENTRIES[0], kernel=None):
    """Run argv in a fresh kernel: (status, stdout, stderr, kernel log), as `./cowslip run` would do it. Nothing is
    built. put: (host path, path) pairs; mem and size in bytes; image: a root image to use as it is; get: a file for
    /dev/ram0; qemu: further arguments for QEMU; uefi, medium, entry: how iso boots;
    kernel: another one than build/cowslip.elf. The runner's own messages are at the end of stderr. May be called by several threads at a time."""
    options = Options(append=append, smp=smp or DEFAULT_SMP, mem=mem or 512 << 20, timeout=timeout, packages=list(packages), roots=list(root), puts=list(put),
                      iso=iso, icount=icount, gets=[("/dev/ram0", get)] if get else [], size=size, block=block, image=image, qemu=list(qemu), uefi=uefi,
                      medium=medium, entry=entry)
    options.cpu, options.kernel = cpu or options.cpu, kernel or options.kernel
    streams = ByteStreams(stdin)
    guest = Guest(options, argv, streams)
    status = guest.run()
    error = bytes(streams.output[2])
    if guest.message:
        error += f"cowslip: {guest.message}\n".encode(errors="surrogateescape")
    return status, bytes(streams.output[1]), error, guest.log
