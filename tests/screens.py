"""A machine with a screen and a keyboard, for tests that see and type what a person would: its picture is read back into text by the font's glyphs."""
import json
import os
import re
import socket
import subprocess
import time

import coverage
from testlib import BUILD, PATIENCE, Fail, check, scratch, until

FONT = "/usr/share/consolefonts/Uni2-Terminus16.psf.gz"


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
