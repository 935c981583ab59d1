"""What a run may be started from and shown on: media of GRUB's image, UEFI firmware, a window."""
import os
import subprocess
import sys

from common import Failure
from packages import need

WINDOW = 16                                     # in the job's mask: there are consoles in a window
STICK = ["-drive", "if=none,id=stick,format=raw,file=cowslip.iso", "-device", "usb-storage,drive=stick,bootindex=0"]
MEDIA = {                                       # how the ISO image is attached
    "cd": ["-cdrom", "cowslip.iso"],
    "disk": ["-drive", "if=ide,format=raw,file=cowslip.iso"],
    "xhci": ["-device", "qemu-xhci", *STICK],
    "ehci": ["-device", "usb-ehci", *STICK],
}
OVMF = ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/x64/OVMF_CODE.4m.fd",
        "/usr/share/OVMF/OVMF_CODE.fd")         # Debian, Fedora, Arch, Debian of old


def window_kind():
    """What QEMU opens a window with, for -display. Failure: there is nowhere to open one."""
    if sys.platform != "darwin":
        if not os.environ.get("DISPLAY") and not os.environ.get("WAYLAND_DISPLAY"):
            raise Failure("--window: no display here (DISPLAY and WAYLAND_DISPLAY are not set)")
        need("qemu-system-gui", *(f"/usr/{folder}/qemu/ui-{kind}.so" for kind in ("gtk", "sdl")
                                  for folder in ("lib/x86_64-linux-gnu", "lib64", "lib")))
    kinds = subprocess.run(["qemu-system-x86_64", "-display", "help"], capture_output=True, text=True).stdout.split()
    for kind in ("gtk", "sdl", "cocoa"):
        if kind in kinds:
            return kind
    raise Failure("--window: this QEMU can open no window (gtk, sdl, cocoa)")
