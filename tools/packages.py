"""Debian packages that only some commands or tests need (OVMF, clang, fonts...): installed when they are first needed,
by the door script, which installs as root or by sudo and otherwise says what to type."""
import fcntl
import os
import shutil
import subprocess
import sys

from common import BUILD, ROOT, Failure

failed = {}                                     # package: why it cannot be had; not tried twice


def find(proof):
    """The path of a program by its name, or of a file by its absolute path; None if it is not there."""
    if proof.startswith("/"):
        return proof if os.path.exists(proof) else None
    return shutil.which(proof, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/games")


def need(package, *proofs):
    """The path of the first of proofs (programs by name, files by absolute path) that is there; package has one of
    them and is installed if none is. Failure: it cannot be had; the text says what to type."""
    def there():
        return next(filter(None, map(find, proofs)), None)
    if there():
        return there()
    os.makedirs(BUILD, exist_ok=True)
    with open(os.path.join(BUILD, ".packages"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)        # tests run side by side
        if not there() and package not in failed:
            print(f"cowslip: {package} is needed: installing it (once)", file=sys.stderr, flush=True)
            done = subprocess.run(["sh", os.path.join(ROOT, "cowslip"), "install", package], stdin=subprocess.DEVNULL,
                                  stderr=subprocess.PIPE, text=True, errors="replace")
            failed[package] = done.stderr.strip().removeprefix("cowslip: ")
    if not there():
        raise Failure(f"{failed[package]}\n({package} should have brought {' or '.join(proofs)})")
    return there()
