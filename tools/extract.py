"""Files and directories out of an ext2 image, with their modes (debugfs does the reading): --get PATH:HOSTPATH."""
import os
import posixpath
import re
import shutil
import subprocess
import tempfile

from common import Failure

LINKS = 40                                      # symbolic links that are followed, at most


def quoted(text):
    """A word as debugfs takes it."""
    if re.search(r"[\n\r\0]", text):
        raise Failure(f"--get {text!r}: a name that debugfs cannot be told")
    return '"' + text.replace('"', '""') + '"'


def debugfs(image, request):
    done = subprocess.run(["debugfs", "-f", "/dev/stdin", image], input=request + "\n", capture_output=True, text=True, errors="surrogateescape")
    return done.stdout


def resolve(image, path):
    """(path with its symbolic links followed, "regular" or "directory"). debugfs follows those inside a path itself."""
    for _ in range(LINKS):
        said = debugfs(image, f"stat {quoted(path)}")
        kind = re.search(r"Type: (\w+)", said)
        if not kind:
            raise Failure(f"--get {path}: not in the root file system at the end of the run")
        if kind[1] != "symlink":
            return path, kind[1]
        fast = re.search(r'Fast link dest: "(.*)"', said)
        link = fast[1] if fast else debugfs(image, f"cat {quoted(path)}").split("\n", 1)[1].rsplit("\ndebugfs:", 1)[0]
        path = posixpath.normpath(posixpath.join(posixpath.dirname(path), link))
    raise Failure(f"--get {path}: too many symbolic links")


def extract(image, path, target):
    """The file or directory `path` of the image as `target`; into it if that is a directory."""
    found, kind = resolve(image, posixpath.normpath(path))
    if kind not in ("regular", "directory"):
        raise Failure(f"--get {path}: neither a file nor a directory")
    if os.path.isdir(target):
        target = os.path.join(target, posixpath.basename(posixpath.normpath(path)))
    special = os.path.exists(target) and not os.path.isfile(target)     # a pipe, a terminal: bytes are written to it
    parent = None if special else os.path.dirname(os.path.abspath(target))
    with tempfile.TemporaryDirectory(dir=parent, prefix=".cowslip-") as work:
        if kind == "directory":
            debugfs(image, f"rdump {quoted(found)} {quoted(work)}")
            made = os.path.join(work, posixpath.basename(found)) if found != "/" else work
        else:
            made = os.path.join(work, "file")
            debugfs(image, f"dump -p {quoted(found)} {quoted(made)}")
        if not os.path.exists(made):
            raise Failure(f"--get {path}: debugfs could not read it")
        if kind == "directory":
            merge(made, target)
        elif special:
            with open(made, "rb") as source, open(target, "wb") as file:
                shutil.copyfileobj(source, file)
        else:
            os.replace(made, target)


def merge(source, target):
    """Move a tree over what is there: directories merge, files replace."""
    os.makedirs(target, exist_ok=True)
    for entry in os.scandir(source):
        name = os.path.join(target, entry.name)
        if entry.is_dir(follow_symlinks=False) and os.path.isdir(name) and not os.path.islink(name):
            merge(entry.path, name)
        else:
            os.replace(entry.path, name)
