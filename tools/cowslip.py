"""The commands behind ./cowslip: reads the command line and calls the module that does the work."""
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import termios
import threading
import traceback

from common import BUILD, ROOT, VARIANTS, Failure, choose_variant, kernel_file

sys.dont_write_bytecode = False


class Usage(Failure):
    def __init__(self, text):
        super().__init__(f"{text} (./cowslip help)")


# ---------------------------------------------------------------- the command line

def size(text):
    match = re.fullmatch(r"(\d+)([KMGT]?)(i?B)?", text.strip(), re.I)
    if not match or not int(match[1]):
        raise Usage(f"{text!r} is not a size: a number with K, M or G")
    return int(match[1]) << {"K": 10, "": 20, "M": 20, "G": 30, "T": 40}[match[2].upper()]


def number(text):
    if not re.fullmatch(r"\d{1,3}", text) or not 1 <= int(text) <= 255:
        raise Usage(f"{text!r} is not a number of processors")
    return int(text)


def seconds(text):
    if not re.fullmatch(r"\d+(\.\d*)?|\.\d+", text):
        raise Usage(f"{text!r} is not a number of seconds")
    return float(text)


def block_size(text):
    sizes = {"1K": 1024, "2K": 2048, "4K": 4096, "1024": 1024, "2048": 2048, "4096": 4096}
    if text.upper() not in sizes:
        raise Usage(f"a block has 1K, 2K or 4K, not {text}")
    return sizes[text.upper()]


def kernel_words(text):
    if re.search(r"[\0\n\r]", text):
        raise Usage("--append: the kernel's command line is one line")
    if len(os.fsencode(text)) > 4000:
        raise Usage("--append: the kernel's command line has room for 4000 bytes")
    return text


def put_pair(text):
    host, colon, path = text.rpartition(":")
    if not colon or not host or not path.startswith("/"):
        raise Usage(f"--put {text!r}: HOSTPATH:PATH, with an absolute PATH")
    if not os.path.exists(host):
        raise Failure(f"--put {host}: no such file")
    return host, path


def root_directory(text):
    if not os.path.isdir(text):
        raise Failure(f"--root {text}: no such directory")
    return text


def get_pair(text):
    path, colon, target = text.partition(":")
    if not colon or not target or not path.startswith("/"):
        raise Usage(f"--get {text!r}: PATH:HOSTPATH, with an absolute PATH (/dev/ram0: the whole image)")
    directory = os.path.dirname(target) or "."
    if not os.path.isdir(directory):
        raise Failure(f"--get {target}: there is no directory {directory}")
    return path, os.path.abspath(target)


def menu_entry(text):
    import iso as module
    if text not in module.ENTRIES:
        raise Usage(f"GRUB's menu has the entries {', '.join(module.ENTRIES)}, not {text}")
    return text


def existing_file(text):
    if not os.path.isfile(text):
        raise Failure(f"--image {text}: no such file")
    return text


# option: (field of Options, what reads its value); a list takes every value that is given
VALUES = {
    "--smp": ("smp", number), "--mem": ("mem", size), "--append": ("append", kernel_words),
    "--with": ("packages", str), "--root": ("roots", root_directory), "--put": ("puts", put_pair), "--get": ("gets", get_pair),
    "--size": ("size", size), "--block": ("block", block_size), "--timeout": ("timeout", seconds),
    "--cpu": ("cpu", str), "--entry": ("entry", menu_entry), "--qemu": ("qemu", shlex.split), "--image": ("image", existing_file),
}
FLAGS = {"--icount": "icount", "--iso": "iso", "--gdb": "gdb", "--kvm": "kvm", "--uefi": "uefi", "--window": "window"}
MEDIA = {"--usb": "xhci", "--usb=xhci": "xhci", "--usb=ehci": "ehci", "--disk": "disk"}   # where GRUB's image is


def parse(words, extra=None):
    """(Options, PROGRAM and its ARGS). extra(word, rest) may take words that are not options of run."""
    import runner
    options, words = runner.Options(), list(words)
    while words:
        word = words.pop(0)
        if word == "--":
            break
        name, equals, value = word.partition("=")
        if word in MEDIA:
            options.medium, options.iso = MEDIA[word], True
        elif name in VALUES:
            field, read = VALUES[name]
            if not equals:
                if not words:
                    raise Usage(f"{name} needs a value")
                value = words.pop(0)
            if name == "--qemu":
                options.qemu += read(value)
            elif isinstance(getattr(options, field), list):
                getattr(options, field).append(read(value))
            elif field == "append" and options.append:
                options.append += " " + read(value)
            else:
                setattr(options, field, read(value))
        elif word in FLAGS:
            setattr(options, FLAGS[word], True)
            options.iso |= options.uefi
        elif word[2:] in VARIANTS and word.startswith("--"):
            choose_variant(word[2:])
            options.kernel = kernel_file()
        elif extra and extra(word, words):
            pass
        elif word.startswith("-"):
            raise Usage(f"no option {word}")
        else:
            words.insert(0, word)
            break
    if words and not words[0]:
        raise Usage("PROGRAM is empty")
    if options.image and (options.packages or options.roots or options.puts or options.size):
        raise Usage("--image is used as it is, without --with, --root, --put and --size")
    return options, words


# ---------------------------------------------------------------- run

class Terminal:
    """stdin as a terminal in raw mode: the guest's tty does echo, ^C and line editing. Always restored."""

    def __init__(self, streams):
        self.saved = None
        if streams.tty:
            self.saved = termios.tcgetattr(0)
            mode = termios.tcgetattr(0)
            mode[0] &= ~(termios.BRKINT | termios.ICRNL | termios.INLCR | termios.IGNCR | termios.INPCK |
                         termios.ISTRIP | termios.IXON)
            if streams.mask & 6:                # otherwise nobody but the host's tty would add the CR
                mode[1] &= ~termios.OPOST
            mode[3] &= ~(termios.ECHO | termios.ICANON | termios.IEXTEN | termios.ISIG)
            mode[6][termios.VMIN], mode[6][termios.VTIME] = 1, 0
            termios.tcsetattr(0, termios.TCSADRAIN, mode)

    def restore(self):
        if self.saved is not None:
            signal.signal(signal.SIGTTOU, signal.SIG_IGN)
            termios.tcsetattr(0, termios.TCSADRAIN, self.saved)
            self.saved = None


def leave(number):
    """End as the signal would have ended this process. No thread is waited for."""
    signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [number])
    os.kill(os.getpid(), number)
    os._exit(128 + number)


def end(status):
    """No thread that still waits for the host's stdin may hold up the end."""
    sys.stderr.flush()
    os._exit(status)


def run(words):
    import building
    import runner
    options, argv = parse(words)
    building.build()
    streams = runner.HostStreams()
    if options.window and not argv:             # whoever types does so in the window
        streams.tty, streams.mask = False, 0
    guest = runner.Guest(options, argv, streams)
    terminal = Terminal(streams)

    def interrupted(signum, _frame):
        guest.kill()
        terminal.restore()
        leave(signum)

    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        if signal.getsignal(signum) != signal.SIG_IGN:
            signal.signal(signum, interrupted)
    if streams.tty:
        signal.signal(signal.SIGWINCH, lambda *_: guest.send_window())
    if options.gdb:
        print(f"cowslip: waiting for: gdb {kernel_file()} -ex 'target remote {guest.directory.file('gdb.sock')}'",
              file=sys.stderr, flush=True)
    try:
        status = guest.run()
    finally:
        terminal.restore()
    if guest.broken_pipe:
        leave(signal.SIGPIPE)
    if guest.message:
        complain(guest.message)
    end(status)


def complain(text):
    sys.stderr.flush()
    try:
        os.write(2, f"cowslip: {text}\n".encode(errors="surrogateescape"))
    except OSError:
        pass


# ---------------------------------------------------------------- the other commands

def gdb(words):
    """GDB in the foreground; the machine, which stands before its first instruction, in a thread of this process."""
    import building
    import runner
    gdb_words = []

    def gdb_option(word, rest):
        if word in ("-batch", "--batch", "-q", "-nx"):
            gdb_words.append(word)
        elif word in ("-x", "-ex", "-ix", "-iex", "--command") and rest:
            value = rest.pop(0)
            gdb_words.extend((word, os.path.abspath(value) if word in ("-x", "-ix", "--command") else value))
        else:
            return False
        return True

    options, argv = parse(words, gdb_option)
    options.gdb = True
    options.stopped_by_kernel = "stop_at=" in options.append    # GDB comes when the machine has stopped itself: before, it would shift what it looks for
    building.build()

    class Streams(runner.HostStreams):
        """GDB has the terminal: the job reads nothing."""
        def __init__(self):
            self.mask, self.tty = 0, False

        def read(self, limit):
            return b""

    guest = runner.Guest(options, argv, Streams())
    guest.keep = True
    result = []
    thread = threading.Thread(target=lambda: result.append(guest.run()), daemon=True)
    thread.start()
    sock = guest.directory.file("gdb.sock")
    while thread.is_alive() and not (guest.heard and os.path.exists(sock) and (guest.stopped_itself or not options.stopped_by_kernel)):
        thread.join(0.02)
    if not thread.is_alive():
        complain(guest.message or "QEMU did not start")
        return 125
    for signum in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, lambda number, _: (guest.kill(), leave(number)))
    signal.signal(signal.SIGINT, signal.SIG_IGN)        # GDB's, which stops the kernel with it
    scripts = os.path.join(ROOT, "tools/gdb")
    command = ["gdb", "-q", "-ix", f"{scripts}/cowslip.gdb", kernel_file(), "-x", f"{scripts}/cowslip_gdb.py",
               "-ex", f"target remote {os.path.relpath(sock)}"]
    if not options.stopped_by_kernel:
        command += ["-ex", f"k start {building.first_instruction(options.iso):#x}"]
    command += gdb_words
    status = subprocess.run(command, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)).returncode
    guest.kill()
    thread.join(60)                                     # what the job wrote last may still be on its way
    end(status if status >= 0 else 128 - status)


def build_iso(options, target):
    """The kernel and the root file system as a bootable image for people: the menu waits for three seconds."""
    import image
    import building
    import runner
    building.build()
    directory = runner.RunDirectory()
    try:
        with runner.build_lock():
            if options.image:
                shutil.copyfile(options.image, directory.file("root.img"))
            else:
                image.root_image(directory.path, options)
            shutil.copyfile(kernel_file(), directory.file("cowslip.elf"))
        runner.make_iso(directory.file("cowslip.iso"), directory.path, options.append, 3, options.entry)
        shutil.move(directory.file("cowslip.iso"), target)
    finally:
        directory.release()


def parse_with_target(words, flags=()):
    """Options of run, at most one more word, and which of the flags were given."""
    targets, given = [], set()

    def other(word, _rest):
        if word in flags:
            given.add(word)
        elif not word.startswith("-"):
            targets.append(word)
        else:
            return False
        return True

    options, rest = parse(words, other)
    return options, targets + rest, given


def iso(words):
    options, targets, _ = parse_with_target(words)
    if len(targets) > 1:
        raise Usage("iso makes one FILE")
    target = os.path.abspath(targets[0]) if targets else os.path.join(BUILD, "cowslip.iso")
    build_iso(options, target)
    print(os.path.relpath(target))


def usb(words):
    import usb as module
    options, targets, given = parse_with_target(words, ("--yes", "--force"))
    if len(targets) != 1:
        raise Usage("usb: which DEVICE?")

    def make_image():
        build_iso(options, os.path.join(BUILD, "cowslip.iso"))
        return os.path.join(BUILD, "cowslip.iso")
    module.command(targets[0], "--yes" in given, "--force" in given, make_image)


def tests(words, host_only):
    """tests/run.py builds what the chosen tests need; a build that fails is a failed test."""
    command = [sys.executable, os.path.join(ROOT, "tests/run.py")] + (["--host-only"] if host_only else []) + words
    os.execv(command[0], command)


def soak(words):
    import soak as module
    return module.command(words)


def scaling(words):
    import scaling as module
    return module.command(words)


def bench(words):
    import bench as module
    return module.command(words)


def profile(words):
    import profiling as module
    return module.command(words, parse)


def coverage(words):
    import coverage as module
    return module.command(words)


def main(words):
    commands = {"run": run, "gdb": gdb, "iso": iso, "usb": usb, "test": lambda w: tests(w, False),
                "check": lambda w: tests(w, True), "coverage": coverage, "soak": soak, "scaling": scaling,
                "bench": bench, "profile": profile}
    if not words or words[0] not in commands:
        raise Usage(f"no command {words[0]}" if words else "which command?")
    return commands[words[0]](words[1:]) or 0


def open_standard_streams():
    """A closed stdin, stdout or stderr must not become one of our sockets."""
    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:
            os.open("/dev/null", os.O_RDWR)


if __name__ == "__main__":
    open_standard_streams()
    try:
        sys.exit(main(sys.argv[1:]))
    except Failure as failure:
        complain(str(failure))
        end(125)
    except KeyboardInterrupt:
        leave(signal.SIGINT)
    except OSError as failure:
        complain(f"{failure.filename or 'the runner'}: {failure.strerror}")
        end(125)
    except Exception:                           # a mistake of the runner's own
        traceback.print_exc()
        end(125)
