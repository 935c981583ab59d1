"""Where things are, and the error that ends a command with status 125."""
import contextlib
import fcntl
import os

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, "build")


class Failure(Exception):
    """An error of the runner's own: its text goes to stderr after "cowslip: ", the exit status is 125."""


@contextlib.contextmanager
def build_lock():
    """One builder at a time in build/: make, and the cache of root images."""
    os.makedirs(BUILD, exist_ok=True)
    with open(os.path.join(BUILD, ".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
