"""The user programs under each switch that takes an optimisation away or makes copies fail: everything must work as without (source 000: do not
prefault, "and verify that the code works without it"). In `./cowslip test` the programs that work hardest on files and memory; with
COWSLIP_ALL_SWITCHES=1, as `./cowslip soak` sets it, every program under every switch."""
import os

import mechanisms
import suite_guest
from testlib import build_kernel

HOST = False
# Each under every switch.
SLICE = ["inv_a", "inv_e", "inv_t", "inv_w", "fsx", "holes", "filemap", "memory"]
# Each under one of the switches, the next under the next.
TURNS = ["files", "pipes", "process", "threads", "seals", "nocache", "badptr_file", "space", "sockets", "stress", "dirs", "epoll", "limits", "sockets_named", "sockets_rights"]


def prepare():
    build_kernel()


def tests():
    harmless = [word for word, unsafe, _ in mechanisms.SWITCHES.values() if not unsafe]
    programs = sorted(n[:-2] for n in os.listdir(os.path.join(suite_guest.ROOT, "user/tests")) if n.endswith(".c"))
    programs = [p for p in programs if p not in suite_guest.SPECIAL and not p.startswith("guest_")]
    if os.environ.get("COWSLIP_ALL_SWITCHES"):
        chosen = [(word, program) for word in harmless for program in programs]
    else:
        chosen = [(word, program) for word in harmless for program in SLICE]
        chosen += [(word, program) for word in ("share_min=1", "share_tables=0") for program in ("tables", "inv_p")]
        chosen += [(harmless[i % len(harmless)], program) for i, program in enumerate(TURNS)]
    return [(f"{word}/{program}", suite_guest.compared(program, word)) for word, program in chosen]
