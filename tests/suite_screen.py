"""What a person sees and types: the picture of the machine's screen is read back into text by the font's glyphs, keys are
pressed through QEMU. No runner is in these machines: they are what a stick gives."""
import json
import os
import re
import select
import shutil
import socket
import subprocess
import time

import coverage
import suite_emulator
from common import kernel_file
from testlib import BUILD, PATIENCE, ROOT, Fail, build_kernel, check, command, equal, package, scratch, until

HOST = False
FONT = "/usr/share/consolefonts/Uni2-Terminus16.psf.gz"
TESTS = []


def prepare():
    build_kernel()


def tests():
    return TESTS


def test(function):
    TESTS.append((function.__name__, function))
    return function


# ---------------------------------------------------------------- pictures

class Glyphs:
    """Cells of pixels into characters."""

    def __init__(self):
        import mkfont
        self.width, self.height, data, characters = mkfont.load(FONT)
        self.of = {}
        for character, glyph in sorted(characters.items(), reverse=True):
            self.of[data[glyph * self.height:(glyph + 1) * self.height]] = chr(character)

    def character(self, rows):
        """rows: for each line of the cell its pixels (3 bytes each). A cursor is an inverted cell."""
        pixels = [[row[i:i + 3] for i in range(0, len(row), 3)] for row in rows]
        colours = {p for row in pixels for p in row}
        if len(colours) == 1:
            return " "
        for background in colours:
            bits = bytes(sum((p != background) << 7 - x for x, p in enumerate(row)) for row in pixels)
            if bits in self.of:
                return self.of[bits]
        return "\ufffd"


def read_ppm(path):
    with open(path, "rb") as file:
        data = file.read()
    head = re.match(rb"P6\s+(\d+)\s+(\d+)\s+255\s", data)
    return int(head[1]), int(head[2]), data[head.end():]


def text_of(path, glyphs):
    """The lines of a picture."""
    width, height, pixels = read_ppm(path)
    lines = []
    for top in range(0, height - glyphs.height + 1, glyphs.height):
        rows = [pixels[(top + y) * width * 3:(top + y + 1) * width * 3] for y in range(glyphs.height)]
        step = glyphs.width * 3
        lines.append("".join(glyphs.character([row[x:x + step] for row in rows]) for x in range(0, width * 3 - step + 1, step)).rstrip())
    return lines


# ---------------------------------------------------------------- the machine

class Machine:
    """QEMU without a runner: `with Machine(...) as m`. arguments: how it boots."""

    def __init__(self, *arguments, serial=True, vga="std", mem="256M"):
        self.glyphs = Glyphs()
        self.temporary = scratch()
        self.path = self.temporary.name
        self.arguments = ["qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-m", mem, "-nodefaults", "-no-user-config", "-display", "none", "-vga", vga,
                          "-no-reboot", "-qmp", f"unix:{self.path}/qmp,server=on,wait=off",
                          "-serial", f"file:{self.path}/serial" if serial else "none", *arguments]

    def __enter__(self):
        self.qemu = subprocess.Popen(self.arguments, cwd=self.path, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.socket = socket.socket(socket.AF_UNIX)
        try:
            until(lambda: self.qemu.poll() is not None or not self.socket.connect_ex(self.path + "/qmp"), "QEMU's monitor is not there", pause=0.05)
            if self.qemu.poll() is not None:
                raise Fail(f"QEMU did not start: {self.qemu.stderr.read().decode(errors='replace')}")
        except Fail:
            self.qemu.kill()
            self.qemu.wait()
            raise
        self.lines = self.socket.makefile("rw")
        self.lines.readline()
        self.qmp("qmp_capabilities")
        return self

    def __exit__(self, *_):
        if coverage.ENABLED and self.qemu.poll() is None:
            coverage.collect(self.qmp, self.path)
        self.qemu.kill()
        self.qemu.wait()
        self.qemu.stderr.close()
        self.socket.close()
        self.temporary.cleanup()

    def qmp(self, command, **arguments):
        self.lines.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.lines.flush()
        while True:
            line = self.lines.readline()
            if not line:
                raise Fail(f"QEMU ended: {self.serial()[-2000:]}")
            answer = json.loads(line)
            if "return" in answer or "error" in answer:
                check("return" in answer, answer)
                return answer["return"]

    def file(self, name):
        return os.path.join(self.path, name)

    def serial(self):
        try:
            with open(self.path + "/serial", errors="replace") as file:
                return file.read()
        except OSError:
            return ""

    def screen(self):
        """The framebuffer's text."""
        self.qmp("screendump", filename=self.path + "/screen.ppm")
        return text_of(self.path + "/screen.ppm", self.glyphs)

    def vga_text(self):
        """The VGA's text memory."""
        self.qmp("pmemsave", val=0xB8000, size=4000, filename=self.path + "/text")
        with open(self.path + "/text", "rb") as file:
            data = file.read()
        return [data[at:at + 160:2].decode("cp437").replace("\0", " ").rstrip() for at in range(0, 4000, 160)]

    def wait(self, pattern, read=None, without=None):
        """The lines of the screen as soon as one matches, and none the pattern `without`."""
        lines = []

        def shows():
            lines[:] = (read or self.screen)()
            return any(re.search(pattern, line) for line in lines) and not (without and any(re.search(without, line) for line in lines))

        def shown():
            text = "\n".join(line for line in lines if line)
            return f"the screen never shows {pattern!r}; it shows\n{text}\nserial:\n{self.serial()[-1500:]}"
        until(shows, shown, seconds=90, pause=0.2)
        return list(lines)

    def wait_off(self):
        """Switched off, or reset: QEMU ends."""
        try:
            self.qemu.wait(30 * PATIENCE)
        except subprocess.TimeoutExpired:
            raise Fail(f"still on: {self.serial()[-800:]}")

    def press(self, *keys):
        """QEMU's names of keys, as "a" or "ctrl-c"; one after the other, each when the guest has taken what came of the last one (the keyboard
        controller's status, bit 0: it has something; QEMU keeps 16 bytes and drops what comes then)."""
        for key in keys:
            self.qmp("human-monitor-command", **{"command-line": f"sendkey {key} 20"})
            time.sleep(0.06)
            until(lambda: not int(self.qmp("human-monitor-command", **{"command-line": "i /b 0x64"}).split("=")[1], 16) & 1 or self.qemu.poll() is not None,
                  "the guest takes no keys", pause=0.02)

    def type(self, text):
        names = {" ": "spc", "\n": "ret", "/": "slash", "-": "minus", ".": "dot", "=": "equal", ";": "semicolon", ":": "shift-semicolon",
                 "(": "shift-9", ")": "shift-0", '"': "shift-apostrophe", ">": "shift-dot", "|": "shift-backslash", "_": "shift-minus", "'": "apostrophe", "$": "shift-4", "%": "shift-5", "&": "shift-7"}
        self.press(*(names.get(c) or (f"shift-{c.lower()}" if c.isupper() else c) for c in text))

    def keep(self, name):
        """The picture, for people: build/pictures/NAME.png."""
        os.makedirs(os.path.join(BUILD, "pictures"), exist_ok=True)
        self.qmp("screendump", filename=os.path.join(BUILD, "pictures", name + ".png"), format="png")


def iso(directory, *options):
    """An image without the menu's wait."""
    import iso as module
    import runner
    with runner.build_lock():
        import image
        image.root_image(directory, runner.Options(size=24 << 20))
        shutil.copyfile(kernel_file(), os.path.join(directory, "cowslip.elf"))
    path = os.path.join(directory, "cowslip.iso")
    module.make_iso(path, directory, " ".join(options[1:]), 0, options[0] if options else "graphics")
    return path


def direct(directory, append="", put=()):
    """QEMU's own loader: VGA text."""
    import image
    import runner
    with runner.build_lock():
        image.root_image(directory, runner.Options(size=24 << 20, puts=list(put)))
    return ["-kernel", kernel_file(), "-initrd", os.path.join(directory, "root.img"), "-append", append]


PROMPT = r"^~ # $|^~ #$"


# ---------------------------------------------------------------- the tests

def after(pattern, lines):
    """The lines behind the last one that matches."""
    found = [i for i, line in enumerate(lines) if re.search(pattern, line)]
    return lines[found[-1] + 1:] if found else []


def session(machine, read=None):
    """Somebody sits down: a prompt, a command, its output."""
    machine.wait(PROMPT, read=read)
    machine.type("echo seven\n")
    lines = machine.wait(PROMPT, read=lambda: after(r"^seven$", (read or machine.screen)()))
    machine.type("uname -m\n")
    lines = machine.wait(r"^x86_64$", read=read)
    check(any(line.startswith("~ # echo seven") for line in lines) and "seven" in lines, "\n".join(lines))


@test
def framebuffer_32():
    with scratch() as d, Machine("-cdrom", iso(d)) as m:
        session(m)
        m.type("clear; uname -a; ls --color=always /; free -m; ps; vi /etc/passwd\n")
        m.wait(r"^- /etc/passwd")
        m.type(":q\n")
        m.wait(PROMPT)
        m.keep("framebuffer")


@test
def framebuffer_24():
    with scratch() as d, Machine("-cdrom", iso(d, "graphics24")) as m:
        m.wait(PROMPT)
        m.press("alt-f4")
        lines = m.wait(r"screen: framebuffer")
        check(any("of 24 bits" in line for line in lines), "\n".join(lines))
        m.press("alt-f1")
        session(m)


def way(name, medium, uefi=False, serial=True):
    """The same image from each medium, by either firmware: the prompt in the pixels, keys, an answer."""
    def run():
        import runner
        firmware = []
        with scratch() as d:
            if uefi:
                code = package("ovmf", *runner.OVMF)
                variables = shutil.copyfile(code.replace("_CODE", "_VARS"), os.path.join(d, "vars.fd"))
                firmware = ["-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={code}", "-drive", f"if=pflash,unit=1,format=raw,file={variables}"]
            image = iso(d)
            with Machine(*firmware, *(word.replace("cowslip.iso", image) for word in runner.MEDIA[medium]), serial=serial) as m:
                session(m)
    TESTS.append((name, run))


way("bios_disk", "disk")
way("bios_usb_xhci", "xhci")
way("bios_usb_ehci", "ehci")
way("uefi_cd_without_serial", "cd", uefi=True, serial=False)     # a UEFI machine that has no serial port is not blind
way("uefi_usb_xhci", "xhci", uefi=True)


@test
def vga_text():
    with scratch() as d, Machine(*direct(d)) as m:
        session(m, read=m.vga_text)


@test
def consoles_and_the_log():
    """Alt-F1 to F4; what was typed on one is not on another; scrolling back."""
    with scratch() as d, Machine("-cdrom", iso(d)) as m:
        m.wait(PROMPT)
        m.type("echo one\n")
        m.wait("^one$")
        m.press("alt-f2")
        m.wait(PROMPT, without="^one$")
        m.type("tty\n")
        lines = m.wait("^/dev/tty2$")
        check("one" not in lines, "\n".join(lines))
        m.press("alt-f4")
        m.wait(r"Cowslip, started by multiboot2")
        m.press("alt-f1")
        m.wait("^one$")
        m.type("seq 300\n")
        m.wait("^300$")
        m.press("shift-pgup")
        m.wait("^260$", without="^300$")
        m.type("echo back\n")
        m.wait("^back$")


@test
def job_control_by_keys():
    with scratch() as d, Machine("-cdrom", iso(d)) as m:
        m.wait(PROMPT)
        # The job says that it runs, and that it goes on: then the terminal is its own.
        m.type("sh -c 'trap \"echo again\" CONT; echo here; while :; do sleep 1; done'\n")
        m.wait("^here$")
        m.press("ctrl-z")
        m.wait(r"Stopped +sh -c")
        m.type("fg\n")
        m.wait("^again$")
        m.press("ctrl-c")
        m.wait(PROMPT, read=lambda: after("^again$", m.screen()))
        m.type("jobs; echo none\n")
        lines = m.wait("^none$")
        check(not any("Running" in line for line in lines), "\n".join(lines))


@test
def german_keys():
    with scratch() as d, Machine("-cdrom", iso(d, "graphics", "keymap=de")) as m:
        m.wait(PROMPT)
        # echo zy aou-umlauts sharp-s, AltGr-Q, acute + e, #
        m.type("echo ")
        m.press("y", "z", "spc", "apostrophe", "semicolon", "bracket_left", "minus", "alt_r-q", "equal", "e", "alt_r-e", "ret")
        m.wait("^zy äöüß@é€$")


@test
def panic_on_the_screen():
    with scratch() as d, Machine("-cdrom", iso(d, "graphics", "crash=null"), serial=False) as m:
        lines = m.wait("^stopped")
        check(any(line.startswith("PANIC: page fault") for line in lines) and any("crash_if_asked" in line for line in lines), "\n".join(lines))
        m.keep("panic")


@test
def power_off_by_command():
    with scratch() as d, Machine("-cdrom", iso(d)) as m:
        m.wait(PROMPT)
        m.type("poweroff\n")
        m.wait_off()


@test
def ctrl_alt_del():
    """Resets the machine (QEMU ends: -no-reboot)."""
    with scratch() as d, Machine("-cdrom", iso(d)) as m:
        m.wait(PROMPT)
        m.press("ctrl-alt-delete")
        m.wait_off()


@test
def no_screen_no_keyboard():
    """Without a VGA and a keyboard controller the serial line serves."""
    with scratch() as d, Machine("-M", "pc,i8042=off", *direct(d), vga="none") as m:
        until(lambda: "~ # " in m.serial(), lambda: m.serial()[-2000:])


# ---------------------------------------------------------------- the same programs on the host

class HostTerminal:
    """busybox on the host under a terminal of 80 x 25, its output shown by the kernel's emulator (tests/host/emulator.c)."""

    def __init__(self, *argv, cwd):
        import fcntl
        import pty
        import struct
        import termios
        self.output = b""
        self.pid, self.fd = pty.fork()
        if not self.pid:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 25, 80, 0, 0))
            os.chdir(cwd)
            os.environ.update(TERM="linux", PATH="/bin", HOME="/root")
            os.execv("/bin/busybox", list(argv))

    def read(self, quiet=1.0):
        """What it writes until it is quiet for a while."""
        while select.select([self.fd], [], [], quiet)[0]:
            try:
                data = os.read(self.fd, 65536)
            except OSError:
                return
            if not data:
                return
            self.output += data

    def type(self, data):
        for byte in data:               # one by one: vi skips drawing while more is typed
            os.write(self.fd, bytes([byte]))
            self.read(0.2)
        self.read()

    def screen(self, colours=False):
        return suite_emulator.show(self.output, 25, 80, colours)[1]

    def close(self):
        os.kill(self.pid, 9)
        os.waitpid(self.pid, 0)
        os.close(self.fd)


VI_TEXT = "".join(f"line {i} of the file, some of which are {'quite ' * (i % 12)}long\n" for i in range(1, 60))


def both_show(host, machine, what, part=lambda lines: lines):
    """Both screens become the same, whichever of the programs is slower."""
    shown = []

    def same():
        host.read(0.2)
        shown[:] = part(machine.vga_text()), part(host.screen())
        return shown[0] == shown[1]
    until(same, lambda: f"{what}:\n" + "\n".join(shown[0]) + "\n---- and on the host:\n" + "\n".join(shown[1]))


def as_on_the_host(program, steps):
    """The program with a file of 59 lines; after each step (QEMU's keys, the bytes they are) both screens are the same."""
    suite_emulator.build()
    with scratch() as d:
        with open(os.path.join(d, "text"), "w") as file:
            file.write(VI_TEXT)
        host = HostTerminal(program, "text", cwd=d)
        try:
            with Machine(*direct(d, put=[(os.path.join(d, "text"), "/root/text")])) as m:
                m.wait(PROMPT, read=m.vga_text)
                m.type(f"exec {program} text\n")
                m.wait("line 1 of", read=m.vga_text)
                until(lambda: host.read(0.2) or any("line 1 of" in line for line in host.screen()), "the host's screen shows nothing")
                for keys, data in steps:
                    m.press(*keys)
                    host.type(data)
                    both_show(host, m, f"after {data!r}")
        finally:
            host.close()


@test
def vi_as_on_the_host():
    """busybox vi, keys that move, insert, delete, search and scroll: the guest's VGA text is what the host's terminal would show."""
    as_on_the_host("vi", [
        (["ctrl-f"], b"\x06"), (["j", "j", "d", "d"], b"jjdd"), (["shift-o"], b"O"), ([*"hello", "esc"], b"hello\x1b"),
        (["slash", *"line", "spc", "4", "0", "ret"], b"/line 40\r"), (["shift-g"], b"G"), (["ctrl-b"], b"\x02"),
        (["x", "p", "shift-a", "1", "esc"], b"xpA1\x1b")])


@test
def less_as_on_the_host():
    as_on_the_host("less", [(["spc"], b" "), (["j"], b"j"), (["b"], b"b"), (["slash", *"line", "spc", "3", "0", "ret"], b"/line 30\r"), (["shift-g"], b"G"), (["k"], b"k")])


def top_shape(lines):
    """What does not depend on the machine: numbers become #, and only the head counts."""
    return [re.sub(r" +", " ", re.sub(r"[0-9.]+", "#", line)).strip() for line in lines[:4]]


@test
def top_as_on_the_host():
    """busybox top's head, and its processes: init and the shell are there."""
    suite_emulator.build()
    with scratch() as d:
        host = HostTerminal("top", cwd=d)
        try:
            with Machine(*direct(d)) as m:
                m.wait(PROMPT, read=m.vga_text)
                m.type("top\n")
                m.wait("PID +PPID", read=m.vga_text)
                both_show(host, m, "the head", top_shape)
                m.wait(r"^ *1 +0 root .*init", read=m.vga_text)
                m.press("q")
                m.wait(PROMPT, read=m.vga_text)
        finally:
            host.close()


@test
def window():
    """What `run --window` asks init for: shells on the consoles, none on the runner's lines; poweroff ends with status 0. Without a
    display it says so."""
    env = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    status, _, err = command([os.path.join(ROOT, "cowslip"), "run", "--window"], env=env)
    check(status == 125 and b"no display" in err, err)
    with scratch() as d:
        with open(os.path.join(d, "job"), "wb") as file:
            file.write(b"16\0" + b"0x0\0")
        with Machine(*direct(d), "-fw_cfg", f"name=opt/cowslip/job,file={d}/job", "-chardev", f"file,id=control,path={d}/control",
                     "-device", "isa-debugcon,iobase=0x4e2,chardev=control") as m:
            session(m, read=m.vga_text)
            check("~ #" not in m.serial(), "a shell on the runner's line")
            m.type("poweroff\n")
            m.wait_off()
        with open(os.path.join(d, "control"), "rb") as file:
            check(b"S 0\n" in file.read(), "no status")
