"""Every way to boot, and machines that lack something: the job runs, and the kernel's log says how it came there."""
import re

from testlib import build_kernel, check, equal, guest, package

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
add("uefi_cd", GRUB, r"acpi: 1 processors, 1 IOAPICs", iso=True, uefi=True)
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
