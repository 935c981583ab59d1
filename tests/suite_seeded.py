"""The seeded bugs (tests/bugs.py) that the hosted tests find quickly: each is put in and must be found. All of them, with the number of
schedules that it took: tools/seeded.py, docs/seeded-bugs.md."""
import mutate
from bugs import BUGS, QUICK
from testlib import Fail

HOST = True


def prepare():
    mutate.prepare()


def tests():
    return [(bug[0], one(*bug)) for bug in BUGS if bug[0] in QUICK]


def one(name, what, edits, tool, test):
    def run():
        status, _ = mutate.find(name, edits, tool, test, schedules=1500, timeout=120)
        if not status:
            raise Fail(f"{what}: not found by {test}")
    return run
