"""The bootable image, made by grub-mkrescue: the kernel, and the root image as a gzipped module (iso/grub.cfg). One
file for BIOS and UEFI, and for CD, USB stick and disk: it is an ISO 9660 image with a partition table in front."""
import gzip
import os
import shutil
import struct
import subprocess

from common import ROOT, Failure

ENTRIES = ("graphics", "graphics24", "keep", "text")    # of the menu; the first is the default


def grub_words(append):
    """The kernel's command line as GRUB's shell takes it: each word in single quotes, which leave everything but
    themselves as it is."""
    return " ".join("'" + word.replace("'", "'\\''") + "'" for word in append.split())


def grub_config(append, timeout, entry):
    with open(os.path.join(ROOT, "iso/grub.cfg"), encoding="utf-8") as file:
        config = file.read()
    return config.replace("@TIMEOUT@", str(timeout)).replace("@DEFAULT@", entry).replace("@APPEND@", grub_words(append))


def without_framebuffer(elf):
    """The kernel with the framebuffer tag of its multiboot2 header turned into the end of the header: GRUB then leaves
    the screen in text mode. boot/boot.asm has that tag at the end."""
    header = elf.find(struct.pack("<II", 0xE85250D6, 0))
    tag = elf.find(struct.pack("<HHIII", 5, 1, 20, 1024, 768), header, header + 256)
    if header < 0 or tag < 0:
        raise Failure("the kernel's multiboot2 header has no framebuffer tag")
    return elf[:tag] + struct.pack("<HHI", 0, 0, 8) + elf[tag + 8:]


def make_iso(path, directory, append, timeout=0, entry=ENTRIES[0]):
    """An image of directory/cowslip.elf and directory/root.img (gzipped: GRUB unpacks it faster than it reads), whose
    menu waits for timeout seconds and then takes the entry."""
    tree = os.path.join(directory, "iso")
    shutil.rmtree(tree, ignore_errors=True)
    os.makedirs(os.path.join(tree, "boot/grub"))
    with open(os.path.join(directory, "cowslip.elf"), "rb") as file:
        elf = file.read()
    for name, contents in (("cowslip.elf", elf), ("cowslip-text.elf", without_framebuffer(elf))):
        with open(os.path.join(tree, "boot", name), "wb") as file:
            file.write(contents)
    with open(os.path.join(directory, "root.img"), "rb") as source, \
            gzip.GzipFile(os.path.join(tree, "boot/root.img.gz"), "wb", 1, mtime=0) as target:
        shutil.copyfileobj(source, target, 1 << 20)
    with open(os.path.join(tree, "boot/grub/grub.cfg"), "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(grub_config(append, timeout, entry))
    program = shutil.which("grub-mkrescue") or shutil.which("grub2-mkrescue") or "grub-mkrescue"
    made = subprocess.run([program, "-o", path, tree], capture_output=True, text=True, errors="replace")
    shutil.rmtree(tree, ignore_errors=True)
    if made.returncode != 0 or not os.path.exists(path):
        raise Failure("grub-mkrescue: " + made.stderr.strip())
