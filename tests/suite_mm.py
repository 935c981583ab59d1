"""The kernel's own mm/ compiled for the host with ASan and UBSan: tests/host/. One process per test."""
import os

from testlib import BUILD, Fail, command, must

HOST = True
PROGRAM = os.path.join(BUILD, "host", "mmtest")


def prepare():
    must(["make", "-s", "-j2", "-f", "tests/host/host.mk", "WERROR=1"], timeout=600)


def tests():
    names = must([PROGRAM, "list"]).decode().splitlines()
    return [(line.split("\t")[0], one(line.split("\t")[0])) for line in names]


def one(name):
    def run():
        status, out, err = command([PROGRAM, name], timeout=400)
        if status:
            raise Fail(f"status {status}; again with: build/host/mmtest {name}\n{(out + err).decode('utf-8', 'replace')[:5000]}")
    return run
