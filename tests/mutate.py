"""The hosted tests built with some lines of the kernel changed: for suite_mutants.py and suite_seeded.py."""
import os
import shutil

from testlib import BUILD, ROOT, Fail, command, must

FOLDER = os.path.join(BUILD, "host", "mutants")
MMTEST = os.path.join(BUILD, "host", "mmtest")
FSTEST = os.path.join(BUILD, "host", "fstest")
PAIRSTEST = os.path.join(BUILD, "host", "pairstest")


def make(makefile, *words):
    return must(["make", "-s", "-j2", "-f", f"tests/host/{makefile}", *words], timeout=600)


def prepare():
    make("host.mk")
    make("fs.mk")


def changed(edits):
    """{path: new text}. An edit is (path, text, replacement); the text must occur exactly once."""
    files = {}
    for path, text, replacement in edits:
        if path not in files:
            with open(os.path.join(ROOT, path)) as file:
                files[path] = file.read()
        if files[path].count(text) != 1:
            raise Fail(f"{path}: the text to break occurs {files[path].count(text)} times: {text!r}")
        files[path] = files[path].replace(text, replacement)
    return files


def build(name, edits, program=None):
    """The path of a test program with the edits: `program`, or fstest if a file of fs/ is among them, else mmtest."""
    files = changed(edits)
    folder = os.path.join(FOLDER, name)
    shutil.rmtree(folder, ignore_errors=True)
    for path, text in files.items():
        os.makedirs(os.path.join(folder, os.path.dirname(path)), exist_ok=True)
        with open(os.path.join(folder, path), "w") as file:
            file.write(text)
    program = program or ("fstest" if any(path.startswith("fs/") for path in files) else "mmtest")
    makefile = "host.mk" if program == "mmtest" else "fs.mk"
    again = [path for path in files if path.endswith(".c")]
    headers = [path for path in files if path.endswith(".h")]
    for source in make(makefile, "sources").decode().split() if headers else []:
        if source.endswith("sys.c"):
            continue
        with open(os.path.join(BUILD, "host", source[:-2] + ".d")) as file:
            words = file.read().split()
        if any(header in words for header in headers) and source not in again:
            again.append(source)
    path = os.path.join(folder, program)
    make(makefile, f"NAME={name}", "FILES=" + " ".join(again), os.path.relpath(path, ROOT))
    return path


def remove(name):
    shutil.rmtree(os.path.join(FOLDER, name), ignore_errors=True)


def find(name, edits, tool, test, schedules, timeout):
    """(status, output) of the hosted test of a seeded bug (bugs.py), with its edits; of each pair so many schedules. A program that passes stays, to be looked at."""
    words = test.split() + ([f"schedules={schedules}"] if tool == "pairs" else [])
    status, out, err = command([build(name, edits, "pairstest" if tool == "pairs" else None), *words], timeout=timeout)
    if status:
        remove(name)
    return status, (out + err).decode("utf-8", "replace")
