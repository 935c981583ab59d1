"""fs/ compiled for the host with ASan and UBSan: names and pipes under every schedule with few preemptions (tests/host/fs_test.c)."""
from mutate import FSTEST, make
from testlib import Fail, command, must

HOST = True


def prepare():
    make("fs.mk", "WERROR=1")


def tests():
    return [(line.split("\t")[0], one(line.split("\t")[0])) for line in must([FSTEST, "list"]).decode().splitlines()]


def one(name):
    def run():
        status, out, err = command([FSTEST, name], timeout=120)
        if status:
            raise Fail(f"status {status}; again with: build/host/fstest {name}\n{(out + err).decode('utf-8', 'replace')[:5000]}")
    return run
