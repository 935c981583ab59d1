"""Where things are, and the error that ends a command with status 125."""
import contextlib
import fcntl
import os

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, "build")

# Builds of the kernel besides the ordinary one: the variables of make. `run --NAME` and `test --NAME` choose one.
VARIANTS = {"debug": ["DEBUG=1"], "kcsan": ["KCSAN=1"], "explore": ["EXPLORE=1"]}


def choose_variant(name):
    os.environ["COWSLIP_VARIANT"] = name        # so that the programs that we start know it too


def variant():
    return os.environ.get("COWSLIP_VARIANT", "")


def kernel_file():
    return os.path.join(BUILD, variant(), "cowslip.elf")


class Failure(Exception):
    """An error of the runner's own: its text goes to stderr after "cowslip: ", the exit status is 125."""


@contextlib.contextmanager
def build_lock():
    """One builder at a time in build/: make, and the cache of root images."""
    os.makedirs(BUILD, exist_ok=True)
    with open(os.path.join(BUILD, ".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
