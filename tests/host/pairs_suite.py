"""Every two operations of the memory system at the same time, compiled for the host with ASan and UBSan: a slice of the schedules
(tests/host/pairs.c). `./cowslip soak --only hosted_pairs` does 10,000 of each pair."""
from mutate import PAIRSTEST, make
from testlib import Fail, command, must

HOST = True
SCHEDULES = 60          # of each of 190 pairs


def prepare():
    make("fs.mk", "WERROR=1")


def tests():
    return [(line.split("\t")[0], one(line.split("\t")[0])) for line in must([PAIRSTEST, "list"]).decode().splitlines()]


def one(name):
    def run():
        status, out, err = command([PAIRSTEST, name, f"schedules={SCHEDULES}"], timeout=300)
        if status:
            raise Fail(f"status {status}; again with: build/host/pairstest {name} and the options that it says\n{(out + err).decode('utf-8', 'replace')[:5000]}")
    return run
