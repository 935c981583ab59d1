"""The user-copy instructions themselves (mm/usercopy.asm), as a Linux program."""
import os

from testlib import BUILD, must

HOST = True
OUT = os.path.join(BUILD, "host", "asm")


def prepare():
    os.makedirs(OUT, exist_ok=True)
    must(["nasm", "-f", "elf64", "-o", OUT + "/usercopy.o", "mm/usercopy.asm"])
    must(["gcc", "-O1", "-Wall", "-Werror", "-no-pie", "-iquote", ".", "-o", OUT + "/usercopy", "tests/host/asm_usercopy.c", OUT + "/usercopy.o"])


def tests():
    return [("residue", residue)]


def residue():
    """INV-A1 for every distance to the border, length, alignment and direction."""
    must([OUT + "/usercopy"])
