#!/usr/bin/env python3
"""All tests of Cowslip: one line per test, at the end exactly `N passed, N failed`; exit 1 if any failed.

usage: tests/run.py [--host-only] [--debug] [--smp N] [-j N] [-l] [NAME|PATTERN]...

A suite is a file tests/suite_*.py or tests/host/*_suite.py with

    HOST = True or False            whether it runs without QEMU (`./cowslip check`)
    def tests(): return [(name, function), ...]

A function returns nothing when the test passes and raises Fail(text) when it does not. Names are `suite/test`; a
pattern (fnmatch) selects, `suite` alone selects all of a suite. Suites build what they need in prepare().
"""
import argparse
import concurrent.futures
import fnmatch
import glob
import importlib.util
import os
import signal
import subprocess
import sys
import time
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from testlib import ROOT, Fail, Skip  # noqa: E402
from common import VARIANTS, choose_variant  # noqa: E402


def load(path):
    name = os.path.splitext(os.path.basename(path))[0]
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return name.replace("suite_", "").replace("_suite", ""), module


def suites(host_only):
    here = os.path.join(ROOT, "tests")
    found = []
    for path in sorted(glob.glob(here + "/suite_*.py") + glob.glob(here + "/host/*_suite.py")):
        name, module = load(path)
        if module.HOST or not host_only:
            found.append((name, module))
    return sorted(found, key=lambda s: not s[1].HOST)   # the quick ones first


def wanted(name, patterns):
    return not patterns or any(fnmatch.fnmatch(name, p) or name.split("/")[0] == p or name.split("/", 1)[1] == p for p in patterns)


def run_one(name, function):
    start = time.monotonic()
    try:
        function()
        return name, "ok", "", time.monotonic() - start
    except Skip as skip:
        return name, "skip", str(skip), time.monotonic() - start
    except Fail as fail:
        return name, "FAIL", str(fail), time.monotonic() - start
    except Exception:                                   # a mistake of the test itself is a failure too
        return name, "FAIL", traceback.format_exc(), time.monotonic() - start


def show(result):
    name, verdict, text, seconds = result
    print(f"{verdict:4} {name} ({seconds:.1f} s)" + (f": {text}" if verdict == "skip" else ""), flush=True)
    if verdict == "FAIL":
        for line in text.rstrip().splitlines()[:60]:
            print("       " + line, flush=True)


def main():
    parser = argparse.ArgumentParser(usage="tests/run.py [--host-only] [--debug] [--smp N] [-j N] [-l] [NAME|PATTERN]...")
    parser.add_argument("--host-only", action="store_true")
    parser.add_argument("--smp", type=int, choices=range(1, 65), metavar="N", help="processors of the machines whose number a test does not choose")
    for variant in VARIANTS:
        parser.add_argument(f"--{variant}", dest="variant", action="store_const", const=variant, default="")
    parser.add_argument("-j", type=int, default=os.cpu_count() or 1)
    parser.add_argument("-l", "--list", action="store_true")
    parser.add_argument("patterns", nargs="*")
    options = parser.parse_args()
    if options.variant:
        choose_variant(options.variant)
    # A run in the background of a script has these ignored; the programs that are tested must not inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    if options.smp:
        os.environ["COWSLIP_TEST_SMP"] = str(options.smp)     # before a suite imports tools/runner.py
    passed = failed = 0

    for suite, module in suites(options.host_only):
        if not wanted_suite(suite, options.patterns):
            continue
        try:
            if hasattr(module, "prepare") and not options.list:
                module.prepare()
            cases = module.tests()
        except Skip as skip:
            show((f"{suite}/prepare", "skip", str(skip), 0))
            continue
        except (Fail, subprocess.CalledProcessError) as fail:
            show((f"{suite}/prepare", "FAIL", str(fail), 0))
            failed += 1
            continue
        cases = [(f"{suite}/{name}", function) for name, function in cases]
        cases = [c for c in cases if wanted(c[0], options.patterns)]
        if options.list:
            print("\n".join(name for name, _ in cases))
            continue
        # Tests of one suite may run side by side unless it says otherwise.
        jobs = options.j if getattr(module, "PARALLEL", True) else 1
        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            for future in concurrent.futures.as_completed([pool.submit(run_one, *c) for c in cases]):
                result = future.result()
                show(result)
                passed += result[1] == "ok"
                failed += result[1] == "FAIL"
    if not options.list:
        print(f"{passed} passed, {failed} failed", flush=True)
    return 1 if failed else 0


def wanted_suite(suite, patterns):
    return not patterns or any(fnmatch.fnmatch(suite, p.split("/")[0]) or "/" not in p for p in patterns)


if __name__ == "__main__":
    sys.exit(main())
