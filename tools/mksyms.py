#!/usr/bin/env python3
"""Make the kernel's symbol table: `nm -n kernel` on stdin, a NASM file on stdout.

The table holds the functions (nm types t and T) of the higher half, sorted by address:
  ksyms_count     u32, how many
  ksyms_addrs     u32 each: address - 0xffffffff80000000
  ksyms_names     u32 each: where the name begins in ksyms_strings
  ksyms_strings   the names, each ended by a 0
Empty input gives an empty table; the first link of the kernel uses that one.
"""
import re
import sys

BASE = 0xFFFFFFFF80000000
NAME = re.compile(r"\w+(\.(isra|part|constprop|cold)(\.\d+)?)*$")      # with what gcc adds to split functions


def functions(lines):
    """(offset, name) of each function, one name per address."""
    found = {}
    for line in lines:
        fields = line.split()
        if len(fields) != 3 or fields[1] not in "tT":
            continue
        address, name = int(fields[0], 16), fields[2]
        if address < BASE or not NAME.match(name):
            continue                            # start-up code at its physical address; NASM's local labels
        if address not in found or fields[1] == "T":
            found[address] = name
    return [(address - BASE, found[address]) for address in sorted(found)]


def main():
    symbols = functions(sys.stdin)
    out = ["; Made by tools/mksyms.py: do not edit.",
           "section .ksyms progbits alloc noexec nowrite align=8",
           "global ksyms_count, ksyms_addrs, ksyms_names, ksyms_strings",
           f"ksyms_count:    dd {len(symbols)}", "ksyms_addrs:"]
    out += [f"        dd 0x{offset:x}" for offset, _ in symbols]
    out.append("ksyms_names:")
    position = 0
    for _, name in symbols:
        out.append(f"        dd {position}")
        position += len(name) + 1
    out.append("ksyms_strings:")
    out += [f'        db "{name}", 0' for _, name in symbols]
    out.append("        db 0")
    print("\n".join(out))


if __name__ == "__main__":
    main()
