"""What a person sees and types: the picture of the machine's screen is read back into text by the font's glyphs, keys are
pressed through QEMU. No runner is in these machines: they are what a stick gives."""
import os
import re
import select
import shutil

import suite_emulator
from common import kernel_file
from screens import Machine
from testlib import ROOT, build_kernel, check, collected, command, package, scratch, until

HOST = False
TESTS, test = collected()


def prepare():
    build_kernel()


def tests():
    return TESTS


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
