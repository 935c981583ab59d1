#!/usr/bin/env python3
"""Check the include arrows: which folder of the kernel may include headers of which.

    boot  ->  kernel, mm        start-up builds the first page tables and hands the memory map on
    mm    ->  kernel            kernel's own services (types, locks, waits, tasks) are below everything; memory and the page cache know no file system and no device
    fs    ->  mm, kernel, and of the drivers only the block interface
    drivers -> kernel, mm, and of fs only what a device node needs
    kernel/*.h -> kernel alone. kernel/*.c holds processes and system calls as well: these look up to mm and fs.

Arrows between folders that no rule allows are listed below file by file, each with its reason.
"""
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# folder (or kind of file): folders or headers that it may include
RULES = {
    "boot": ["boot", "kernel", "mm", "drivers/serial.h"],
    "kernel/*.h": ["kernel"],
    "kernel": ["kernel", "mm", "fs/vfs.h", "fs/syscalls.h"],
    "mm": ["mm", "kernel"],
    "fs": ["fs", "mm", "kernel", "drivers/block.h"],
    "fs/ext2": ["fs/ext2", "fs", "mm", "kernel", "drivers/block.h"],
    "drivers": ["drivers", "kernel", "mm", "fs/vfs.h"],
}

# file: the further headers it may include, and why
EXCEPTIONS = {
    "kernel/main.c": ["boot", "fs", "fs/ext2", "drivers"],  # the table of contents: it starts every part
    "kernel/irq.c": ["drivers/apic.h"],                     # an interrupt ends at its controller
    "kernel/explore.c": ["drivers/debugcon.h"],             # it tells the runner that it waits for GDB
    "kernel/ipi.c": ["drivers/apic.h"],                     # as do interrupts between CPUs
    "kernel/nmi.c": ["drivers/apic.h"],                     # an interrupt to itself
    "kernel/smp.c": ["boot/bootinfo.h", "drivers/acpi.h", "drivers/apic.h"],   # starting a CPU: who is there, the way in, how to wake it
    "kernel/time.c": ["drivers/apic.h", "drivers/vt.h"],    # the tick comes from the local APIC's timer, and has the screen drawn
    "kernel/printk.c": ["drivers/serial.h", "drivers/vt.h"],        # the log goes to COM1 and to its console
    "kernel/panic.c": ["drivers/apic.h", "drivers/vt.h", "drivers/serial.h", "drivers/debugcon.h", "drivers/power.h"],    # the last words, by polling
    "kernel/reboot.c": ["drivers/power.h"],
    "kernel/kstack.c": ["boot/bootinfo.h"],                 # kernel stacks live in tables made at boot
    "kernel/clock.c": ["drivers/apic.h", "drivers/counter.h", "drivers/rtc.h", "vdso/data.h"],  # what there is to count with
    "drivers/apic.c": ["boot/bootinfo.h"],                  # ioremap: device registers live in tables made at boot
    "drivers/counter.c": ["boot/bootinfo.h"],               # likewise
    "drivers/vgatext.c": ["boot/bootinfo.h"],               # likewise
    "drivers/framebuffer.c": ["boot/bootinfo.h"],           # likewise; and where it is
    "drivers/acpi.c": ["boot/bootinfo.h"],                  # likewise; and where ACPI's tables begin
    "kernel/vdso.c": ["vdso/data.h"],                       # what the vDSO computes with
    "kernel/exec.h": ["fs/vfs.h", "mm/mm.h"],               # a program on its way from a file into an address space
}


def allowed(path, header):
    folder = os.path.dirname(path)
    key = "kernel/*.h" if folder == "kernel" and path.endswith(".h") else folder
    for rule in RULES[key] + EXCEPTIONS.get(path, []):
        if header == rule or os.path.dirname(header) == rule:
            return True
    return False


def main():
    count = bad = 0
    for folder in ("boot", "kernel", "mm", "fs", "fs/ext2", "drivers"):
        directory = os.path.join(ROOT, folder)
        for name in sorted(os.listdir(directory)) if os.path.isdir(directory) else ():
            path = f"{folder}/{name}"
            if not name.endswith((".c", ".h")):
                continue
            with open(os.path.join(ROOT, path), encoding="utf-8") as file:
                for number, line in enumerate(file, 1):
                    match = re.match(r'\s*#\s*include\s*"([^"]+)"', line)
                    if not match:
                        continue
                    count += 1
                    header = match[1]
                    if not os.path.exists(os.path.join(ROOT, header)):
                        print(f'{path}:{number}: "{header}" is not a path from the top folder')
                        bad += 1
                    elif not allowed(path, header):
                        print(f'{path}:{number}: {path} may not include "{header}" (tools/check_includes.py has the rules)')
                        bad += 1
    if bad:
        sys.exit(1)
    print(f"{count} includes follow the arrows")


if __name__ == "__main__":
    main()
