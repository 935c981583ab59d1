"""What the suites share: where things are, how a test fails, how to run a command on the host and in the guest."""
import difflib
import os
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, "build")
sys.path.insert(0, os.path.join(ROOT, "tools"))


# A limit of time is for what never ends. It is what a test may take on an idle machine, times this: another that is slow, loaded or stands still for
# a while finds no more mistakes. What waits for an event waits until(), what ends never is made to end by what is to be seen then.
PATIENCE = 10


class Fail(Exception):
    """The test failed; the text says how."""


class Skip(Exception):
    """The test cannot run here; the text says why. Not counted as passed."""


def check(condition, text):
    if not condition:
        raise Fail(text)


def equal(got, want, what):
    if got != want:
        raise Fail(f"{what}: got {short(got)}, want {short(want)}")


def short(value):
    text = repr(value)
    return text if len(text) < 2000 else text[:1000] + " ... " + text[-900:]


def same_text(guest, host, what):
    """Two outputs that must agree line by line."""
    if guest == host:
        return
    lines = difflib.unified_diff(host.decode("utf-8", "replace").splitlines(), guest.decode("utf-8", "replace").splitlines(),
                                 "host", "guest", lineterm="", n=1)
    raise Fail(what + "\n" + "\n".join(list(lines)[:60]))


def until(condition, what, seconds=60, pause=0.1):
    """The first true value of condition(), asked again and again; `what` (or its result) says what did not come."""
    deadline = time.monotonic() + seconds * PATIENCE
    while True:
        late = time.monotonic() > deadline      # it is asked once more when the time is over: we may have stood still
        value = condition()
        if value:
            return value
        if late:
            raise Fail(what() if callable(what) else what)
        time.sleep(pause)


def command(argv, timeout=120, stdin=b"", cwd=ROOT, env=None):
    """(status, stdout, stderr) of a program on the host; a signal counts as 128 + its number."""
    try:
        done = subprocess.run(argv, input=stdin, capture_output=True, timeout=timeout * PATIENCE, cwd=cwd, env=env)
    except subprocess.TimeoutExpired as late:
        raise Fail(f"{argv[0]} did not end within {timeout * PATIENCE} s\n{(late.stdout or b'').decode('utf-8', 'replace')[-2000:]}")
    status = done.returncode if done.returncode >= 0 else 128 - done.returncode
    return status, done.stdout, done.stderr


def must(argv, **options):
    """stdout of a program that has to succeed."""
    status, out, err = command(argv, **options)
    if status:
        raise Fail(f"{' '.join(argv[:6])} gave {status}\n{(out + err).decode('utf-8', 'replace')[-6000:]}")
    return out


def guest(argv, timeout=60, **options):
    """tools/runner.py run_guest(): (status, stdout, stderr, kernel log), all bytes but the log."""
    import runner
    return runner.run_guest(argv, timeout=timeout * PATIENCE, **options)


def guest_ok(argv, what="", **options):
    """stdout of a guest program that has to end with 0 and leave the kernel healthy."""
    status, out, err, log = guest(argv, **options)
    if status:
        raise Fail(f"{what or argv}: status {status}\nstdout: {short(out[-1500:])}\nstderr: {short(err[-1500:])}\nlog:\n{log[-1500:]}")
    return out


def build_kernel():
    """Kernel and user programs, warnings are errors."""
    import building
    try:
        building.build(werror=True)
    except Exception as failure:
        raise Fail(str(failure))


def build_variant(name):
    """The same of another build (tools/common.py VARIANTS): its kernel's path."""
    import common
    chosen = common.variant()
    common.choose_variant(name)
    try:
        build_kernel()
        return common.kernel_file()
    finally:
        common.choose_variant(chosen)


def collected():
    """For a suite whose tests are functions under `@test`: the list of them, and that decorator."""
    found = []

    def test(function):
        found.append((function.__name__, function))
        return function
    return found, test


def host_program(name, *sources):
    """A program of the kernel's own files for the host, under ASan and UBSan (counted by ./cowslip coverage): its path, build/host/NAME."""
    folder = os.path.join(BUILD, "host", name + ".d")
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, name)
    new = f"{path}.{os.getpid()}.{threading.get_ident()}"   # tests beside this one, in this process or another, may build or run it just now
    must(["gcc", "-std=gnu11", "-O1", "-g", "-Wall", "-Wextra", *([] if os.environ.get("COVERAGE") else ["-Werror"]),
          "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", *(["--coverage"] if os.environ.get("COVERAGE") else []),
          "-iquote", ".", "-o", new, *sources], cwd=ROOT)
    os.replace(new, path)
    return path


def package(name, *proofs):
    """tools/packages.py need(): the path of a program or file of a Debian package that only this test needs; where the
    package cannot be had the test is skipped."""
    import packages
    try:
        return packages.need(name, *proofs)
    except packages.Failure as failure:
        raise Skip(str(failure).replace("\n", "; "))


def scratch():
    """A temporary directory for one test: `with scratch() as d`."""
    os.makedirs(BUILD, exist_ok=True)
    return tempfile.TemporaryDirectory(dir=BUILD, prefix="test-")
