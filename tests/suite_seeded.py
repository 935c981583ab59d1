"""The seeded bugs (tests/bugs.py) that the hosted tests find quickly: each is put in and must be found. All of them, with the number of
schedules that it took: tools/seeded.py, docs/seeded-bugs.md."""
import mutate
from bugs import BUGS, QUICK
from testlib import Fail, command

HOST = True


def prepare():
    mutate.prepare()


def tests():
    return [(bug[0], one(*bug)) for bug in BUGS if bug[0] in QUICK]


def one(name, what, edits, tool, test):
    def run():
        program = mutate.build(name, edits, "pairstest" if tool == "pairs" else None)
        status, _, _ = command([program] + test.split() + (["schedules=1500"] if tool == "pairs" else []), timeout=120)
        if not status:
            raise Fail(f"{what}: not found by {test}")
        mutate.remove(name)
    return run
