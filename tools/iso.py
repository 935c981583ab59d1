"""The bootable ISO image, made by grub-mkrescue: the kernel, and the root image as a gzipped module (iso/grub.cfg)."""
import gzip
import os
import shutil
import subprocess

from common import ROOT, Failure


def grub_words(append):
    """The kernel's command line as GRUB's shell takes it: each word in single quotes, which leave everything but
    themselves as it is."""
    return " ".join("'" + word.replace("'", "'\\''") + "'" for word in append.split())


def make_iso(path, directory, append):
    """A BIOS ISO of directory/cowslip.elf and directory/root.img (gzipped: GRUB unpacks it faster than it reads)."""
    tree = os.path.join(directory, "iso")
    shutil.rmtree(tree, ignore_errors=True)
    os.makedirs(os.path.join(tree, "boot/grub"))
    shutil.copyfile(os.path.join(directory, "cowslip.elf"), os.path.join(tree, "boot/cowslip.elf"))
    with open(os.path.join(directory, "root.img"), "rb") as source, \
            gzip.GzipFile(os.path.join(tree, "boot/root.img.gz"), "wb", 1, mtime=0) as target:
        shutil.copyfileobj(source, target, 1 << 20)
    with open(os.path.join(ROOT, "iso/grub.cfg"), encoding="utf-8") as file:
        config = file.read()
    with open(os.path.join(tree, "boot/grub/grub.cfg"), "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(config.replace("@APPEND@", grub_words(append)))
    made = subprocess.run(["grub-mkrescue", "-o", path, tree], capture_output=True, text=True, errors="replace")
    shutil.rmtree(tree, ignore_errors=True)
    if made.returncode != 0 or not os.path.exists(path):
        raise Failure("grub-mkrescue: " + made.stderr.strip())
