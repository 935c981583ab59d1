"""Every way to boot, and machines that lack something: the job runs, and the kernel's log says how it came there."""
import os
import re
import shutil
import subprocess

from testlib import BUILD, ROOT, Skip, build_kernel, check, equal, guest, must, package, scratch, until

HOST = False
JOB = ["/bin/sh", "-c", "sleep 0.1; echo here"]
TESTS = []


def prepare():
    build_kernel()


def tests():
    return TESTS


def boot(says, **options):
    """The job runs; the kernel's log has a line for each of the patterns in says."""
    status, out, err, log = guest(JOB, timeout=120, **options)
    equal((status, out), (0, b"here\n"), f"{options}: {err.decode(errors='replace')}\n{log[-1500:]}\n(status, stdout)")
    for pattern in says:
        check(re.search(pattern, log), f"{options}: the log does not say {pattern!r}\n{log[-3000:]}")


def add(name, *says, **options):
    def test():
        if options.get("uefi"):
            import runner
            package("ovmf", *runner.OVMF)
        boot(says, **options)
    TESTS.append((name, test))


GRUB = r"started by multiboot2"
add("pvh", r"started by PVH", r"power off")
add("bios_cd", GRUB, iso=True)
add("bios_disk", GRUB, iso=True, medium="disk")
add("bios_xhci", GRUB, iso=True, medium="xhci")
add("bios_ehci", GRUB, iso=True, medium="ehci")
add("uefi_cd", GRUB, r"acpi: \d+ processors, 1 IOAPICs", iso=True, uefi=True)
add("uefi_xhci", GRUB, iso=True, uefi=True, medium="xhci", qemu=["-vga", "std"])
add("uefi_ehci", GRUB, iso=True, uefi=True, medium="ehci")
add("uefi_disk", GRUB, iso=True, uefi=True, medium="disk", mem=4 << 30)

# Machines that lack something.
add("no_hpet", r"clock: TSC; TSC \d+ kHz by acpi_pm", qemu=["-machine", "hpet=off"])
add("no_acpi", r"acpi: no tables", r"by pit", qemu=["-machine", "acpi=off"])
add("no_timer_at_all", r"nothing to measure the TSC with", qemu=["-machine", "acpi=off,hpet=off,pit=off"])
add("clock_hpet", r"clock: hpet;", append="clocksource=hpet")
add("clock_acpi_pm", r"clock: acpi_pm;", append="clocksource=acpi_pm")
add("uneven_tsc", r"clock: hpet;", cpu="qemu64,-hypervisor")
add("q35", r"acpi: ", qemu=["-machine", "q35"])
for model in ("qemu64", "max", "Nehalem", "Skylake-Client", "EPYC"):
    add(f"cpu_{model}", r"power off", cpu=model)


def no_local_apic():
    status, out, err, _ = guest(JOB, cpu="max,-apic", timeout=30)
    equal((status, out), (125, b""), "(status, stdout)")
    check(b"no local APIC" in err, err)


TESTS.append(("no_local_apic", no_local_apic))


# A machine that is not QEMU: no runner, so that the shell is on the serial port.
BOCHS = """plugin_ctrl: speaker=0
sound: driver=dummy, waveoutdrv=dummy, waveindrv=dummy, midioutdrv=dummy
config_interface: textconfig
display_library: rfb, options="timeout=0"
memory: guest=128, host=128
romimage: file="/usr/share/bochs/BIOS-bochs-latest"
vgaromimage: file="/usr/share/bochs/VGABIOS-lgpl-latest"
boot: cdrom
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=cdrom, path="cowslip.iso", status=inserted
pci: enabled=1, chipset=i440fx
vga: extension=vbe, update_freq=5, realtime=0
cpu: model=corei5_lynnfield_750, count=1, ips=50000000, reset_on_triple_fault=0
clock: sync=none, time0=utc
com1: enabled=1, mode=file, dev=serial.txt
log: log.txt
panic: action=fatal
"""


def bochs():
    """GRUB's text entry (Bochs crashes in GRUB's graphics), a processor that is not QEMU's, the prompt on the serial port."""
    package("bochsbios", "/usr/share/bochs/BIOS-bochs-latest")
    with scratch() as directory:
        for name, text in (("bochsrc", BOCHS), ("commands", "c\n")):
            with open(os.path.join(directory, name), "w") as file:
                file.write(text)
        must([os.path.join(ROOT, "cowslip"), "iso", "--entry", "text", "--size", "24M", os.path.join(directory, "cowslip.iso")])
        emulator = subprocess.Popen([package("bochs", "bochs"), "-q", "-f", "bochsrc", "-rc", "commands"],
                                    cwd=directory, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        text = ""

        def prompt():
            nonlocal text
            if os.path.exists(os.path.join(directory, "serial.txt")):
                with open(os.path.join(directory, "serial.txt"), errors="replace") as file:
                    text = file.read()
            return "~ # " in text or emulator.poll() is not None
        try:
            until(prompt, lambda: f"no prompt:\n{text[-2000:]}", seconds=120, pause=0.5)
        finally:
            emulator.kill()
            emulator.wait()
    check("started by multiboot2, on Intel(R) Core(TM) i5" in text and "~ # " in text, f"no prompt:\n{text[-2000:]}")


TESTS.append(("bochs", bochs))


def usb_command():
    """./cowslip usb writes the image to a file, which is that of ./cowslip iso."""
    with scratch() as directory:
        stick = os.path.join(directory, "stick")
        out = must([os.path.join(ROOT, "cowslip"), "usb", "--yes", "--size", "24M", stick])
        check(b"found right" in out, out)
        with open(stick, "rb") as file:
            check(file.read(512)[510:] == b"\x55\xaa", "no boot sector")


TESTS.append(("usb_command", usb_command))


# ---------------------------------------------------------------- other tools

def built_by(name, *variables):
    """A kernel by other tools, without warnings, starts both ways."""
    if os.environ.get("COVERAGE"):
        raise Skip("the counters are gcc's")
    folder = os.path.join(BUILD, name)
    must(["make", "-j2", "WERROR=1", f"BUILD={folder}", *variables, "kernel"], timeout=600)
    for iso in (False, True):
        boot([], iso=iso, kernel=os.path.join(folder, "cowslip.elf"))


def llvm():
    package("clang", "clang")
    package("lld", "ld.lld")
    built_by("llvm", "LLVM=1")


def cross():
    """CROSS=x86_64-elf-: tools that know nothing of this system. Made from the host's, without its headers."""
    include = must(["gcc", "-print-file-name=include"]).decode().strip()
    with scratch() as tools:
        prefix = os.path.join(tools, "x86_64-elf-")
        with open(prefix + "gcc", "w") as file:
            file.write(f'#!/bin/sh\nexec gcc -nostdinc -isystem {include} "$@"\n')
        os.chmod(prefix + "gcc", 0o755)
        for tool in ("ld", "nm", "objcopy", "objdump"):
            os.symlink(shutil.which(tool), prefix + tool)
        os.makedirs(os.path.join(BUILD, "cross"), exist_ok=True)
        built_by("cross", f"CROSS={prefix}")


TESTS += [("llvm", llvm), ("cross", cross)]

# ---------------------------------------------------------------- memory

add("memory_64g", r"memory: 64\d\d\d MiB", mem=64 << 30)
add("memory_8g", r"memory: [78]\d\d\d MiB", mem=8 << 30)
add("memory_24m", r"started by PVH", mem=24 << 20, size=9 << 20)
add("memory_24m_grub", GRUB, mem=24 << 20, size=9 << 20, iso=True)
