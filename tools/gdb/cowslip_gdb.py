"""GDB commands for Cowslip, read by tools/gdb/cowslip.gdb. They begin with `k`; `help k` lists them.

They read the kernel's own structures through the symbols, so that they say what the kernel would say; nothing is called in
the machine, so they work wherever it stands. This file has the tasks; kmemory.py has memory, kfile.py files and names.
"""
import os
import struct
import sys

import gdb

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.join(os.path.dirname(os.path.dirname(HERE)), "build")
sys.path.insert(0, HERE)

import kfile  # noqa: E402
import kmemory  # noqa: E402
from kread import Command, gdb_args, list_entries, symbol, words  # noqa: E402


class Prefix(gdb.Command):
    """Cowslip's own commands."""

    def __init__(self):
        super().__init__("k", gdb.COMMAND_USER, prefix=True)


class Start(gdb.Command):
    """k start ADDRESS: from the firmware to the kernel's first instruction, which is at that physical address.

    ./cowslip gdb does this. The first instructions run in 32-bit mode; GDB shows them as 64-bit ones."""

    def __init__(self):
        super().__init__("k start", gdb.COMMAND_RUNNING)

    def invoke(self, argument, from_tty):
        point = gdb.Breakpoint(f"*{argument}", gdb.BP_HARDWARE_BREAKPOINT, internal=True)
        gdb.execute("continue", to_string=True)
        point.delete()
        print(f"Cowslip stands at its first instruction: {gdb.execute('info symbol $pc', to_string=True).strip()}.")
        print("`break kmain` and `continue` bring you into C; `help k` lists what Cowslip adds.")


# ---------------------------------------------------------------- tasks

def processes():
    yield gdb.parse_and_eval("kernel_process")
    yield from list_entries(gdb.parse_and_eval("process_list"), "struct process", "all_node")


def tasks():
    for process in processes():
        for task in list_entries(process["threads"], "struct task", "thread_node"):
            yield process, task


def task_name(task):
    return task["name"].string(errors="replace")


def find_task(word):
    """By TID, by the address of its struct task, or (kernel threads have no TID) by name."""
    for _, task in tasks():
        if word in (str(int(task["tid"])) if int(task["tid"]) else None, task_name(task)):
            return task
        if word.startswith("0x") and int(word, 16) == int(task.address):
            return task
    raise gdb.GdbError(f"no task {word}: `k ps` lists them")


def find_process(pid):
    for process in processes():
        if int(process["pid"]) == pid:
            return process
    raise gdb.GdbError(f"no process {pid}: `k ps` lists them")


def state_name(task):
    states = {field.enumval: field.name for field in gdb.lookup_type("enum task_state").fields()}
    return states.get(int(task["state"]), "?").replace("TASK_", "").lower()


def waits_for_page(task):
    return int(task["waits_for"]["object"]) and str(task["waits_for"]["kind"]) == "HELD_PAGE"


class Ps(Command):
    """k ps: every task: its struct task, TID, PID, state, whether it runs on a CPU, how many locks it holds, name, and the page
    lock it waits for. Kernel threads have TID 0."""

    def __init__(self):
        super().__init__("k ps", gdb.COMMAND_STATUS)

    def run(self, argument):
        print("TASK                 TID   PID STATE                  CPU HELD NAME")
        for process, task in tasks():
            waits = ""
            if waits_for_page(task):
                waits = f"  waits for page lock {int(task['waits_for']['object']):#x}:{int(task['waits_for']['index'])}"
            print(f"{int(task.address):#x} {int(task['tid']):5} {int(process['pid']):5} {state_name(task):22} {int(task['on_cpu']):3} "
                  f"{int(task['held_count']):4} {task_name(task)}{waits}")


# What switch_to (kernel/switch.asm) leaves at saved_rsp: rbp, return address.
SAVED_RBP, SAVED_RIP = 0, 1


def running_task():
    """Of the CPU that GDB looks at: its thread n + 1 is QEMU's CPU n, and the kernel numbers them alike."""
    thread = gdb.selected_thread()
    return gdb.parse_and_eval(f"cpus[{thread.num - 1 if thread else 0}].task").dereference()


class Bt(Command):
    """k bt [TASK]: the kernel stack of a task that does not run: a TID, a kernel thread's name, or 0xADDRESS of its struct task. Without
    TASK, the stack from where the machine stands: by frame pointers, so that it goes on through traps and assembly."""

    def __init__(self):
        super().__init__("k bt", gdb.COMMAND_STACK)

    def run(self, argument):
        args = gdb_args(argument, 0, 1, self)
        task = find_task(args[0]) if args else running_task()
        if args and int(task["on_cpu"]):
            raise gdb.GdbError("it runs: `k bt` without TASK, or `backtrace`, shows its stack")
        top = int(task["kstack_top"])
        if args:
            saved = words(int(task["saved_rsp"]), 2)
            rip, rbp = saved[SAVED_RIP], saved[SAVED_RBP]
        else:
            rip, rbp = (int(gdb.parse_and_eval(f"(unsigned long)${name}")) for name in ("pc", "rbp"))
            if "<+0>" in gdb.execute("x/i $pc", to_string=True):       # at a function's first instruction: it has no frame yet
                print(f"#0  {rip:#x} {symbol(rip)}")
                rip = words(int(gdb.parse_and_eval("(unsigned long)$rsp")), 1)[0]
        for depth in range(40):
            line = gdb.find_pc_line(rip - 1)
            place = f" at {line.symtab.filename}:{line.line}" if line.symtab else ""
            print(f"#{depth:<2} {rip:#x} {symbol(rip)}{place}")
            if not (top - 0x4000 <= rbp <= top - 16):
                break
            above, rip = words(rbp, 2)
            if not rip or 0 < above <= rbp:
                break
            rbp = above


# ---------------------------------------------------------------- locks

KINDS = {"HELD_SPIN": "struct spinlock", "HELD_MUTEX": "struct mutex", "HELD_READ": "struct rwsem", "HELD_WRITE": "struct rwsem"}


class Locks(Command):
    """k locks: who holds which lock, taken where, and who waits for it; then who waits for a page lock, and who holds that."""

    def __init__(self):
        super().__init__("k locks", gdb.COMMAND_STATUS)

    def run(self, argument):
        held = [(task, lock) for _, task in tasks() for lock in self.held(task)]
        seen = set()
        for task, lock in held:
            self.show(task, lock)
            address = int(lock["object"])
            kind = KINDS.get(str(lock["kind"]))
            if kind and "spin" not in kind and address not in seen:
                self.waiters(address, kind)
            seen.add(address)
        for _, task in tasks():
            if waits_for_page(task):
                mapping, index = int(task["waits_for"]["object"]), int(task["waits_for"]["index"])
                owners = [task_name(t) for t, l in held if str(l["kind"]) == "HELD_PAGE" and int(l["object"]) == mapping and int(l["index"]) == index]
                print(f"{task_name(task)}[{int(task['tid'])}] waits for page lock {kfile.mapping_name(mapping)}:{index}, held by "
                      f"{', '.join(owners) or 'I/O'}")
        if not held:
            print("nobody holds a lock")

    @staticmethod
    def held(task):
        return [task["held"][i] for i in range(min(int(task["held_count"]), 16))]

    @staticmethod
    def show(task, lock):
        kind, address = str(lock["kind"]), int(lock["object"])
        if kind == "HELD_PAGE":
            what = f"page lock {kfile.mapping_name(address)}:{int(lock['index'])}"
        else:
            name = gdb.Value(address).cast(gdb.lookup_type(KINDS[kind]).pointer())["name"].string(errors="replace")
            what = {"HELD_SPIN": "spinlock", "HELD_MUTEX": "mutex", "HELD_READ": "rwsem (read)", "HELD_WRITE": "rwsem (write)"}[kind]
            what = f"{what} {name} {address:#x}"
        print(f"{task_name(task)}[{int(task['tid'])}] holds {what}, taken at {symbol(int(lock['caller']))}")

    @staticmethod
    def waiters(address, kind):
        lock = gdb.Value(address).cast(gdb.lookup_type(kind).pointer())
        for waiter in list_entries(lock["waiters"], "struct lock_waiter", "node"):
            task = waiter["task"].dereference()
            print(f"    {task_name(task)}[{int(task['tid'])}] waits for it at {symbol(int(waiter['caller']))}")


class Trap(Command):
    """k trap [TASK]: the program's registers as the kernel was entered, of the current task or another."""

    def __init__(self):
        super().__init__("k trap", gdb.COMMAND_STATUS)

    def run(self, argument):
        args = gdb_args(argument, 0, 1, self)
        task = find_task(args[0]) if args else running_task()
        frame = int(task["frame"])
        if not frame:
            raise gdb.GdbError("it has none: a kernel thread")
        frame = task["frame"].dereference()
        vector = int(frame["vector"])
        print(f"{task_name(task)}[{int(task['tid'])}] came by {'system call ' + str(int(frame['error'])) if vector == 0x100 else 'vector ' + str(vector)}")
        for row in ("rip rsp rflags", "rax rbx rcx rdx", "rsi rdi rbp r8", "r9 r10 r11 r12", "r13 r14 r15"):
            print("  ".join(f"{name:3} {int(frame[name]):#018x}" for name in row.split()))


# ---------------------------------------------------------------- programs

class User(Command):
    """k user PROGRAM [PID]: the symbols of a user program, where it is loaded: build/user/PROGRAM, build/user/tests/PROGRAM, or a path
    of the host. A position-independent one must run already (any process of that name, or PID)."""

    def __init__(self):
        super().__init__("k user", gdb.COMMAND_FILES, gdb.COMPLETE_FILENAME)

    def run(self, argument):
        args = gdb_args(argument, 1, 2, self)
        path = next((p for p in (f"{BUILD}/user/{args[0]}", f"{BUILD}/user/tests/{args[0]}", args[0]) if os.path.isfile(p)), None)
        if not path:
            raise gdb.GdbError(f"no program {args[0]}")
        base = self.base(os.path.basename(path), int(args[1]) if len(args) > 1 else None) if self.relocatable(path) else 0
        gdb.execute(f"add-symbol-file {path} -o {base:#x}" if base else f"add-symbol-file {path}", to_string=True)
        print(f"symbols of {path}{f' at {base:#x}' if base else ''}: `break main` has a place in it now")

    @staticmethod
    def relocatable(path):
        with open(path, "rb") as file:
            head = file.read(18)
        return head[:4] == b"\x7fELF" and struct.unpack_from("<H", head, 16)[0] == 3      # ET_DYN

    @staticmethod
    def base(name, pid):
        for process in processes():
            if pid in (None, int(process["pid"])) and int(process["pid"]):
                for vma in kmemory.vmas(process):
                    if int(vma["pgoff"]) == 0 and kmemory.vma_name(vma).rpartition("/")[2] == name:
                        return int(vma["start"])
        raise gdb.GdbError(f"{name} is position-independent and no process has it mapped: let it start first (`break sys_brk`, `continue`)")


kmemory.find_process = find_process
for command in (Prefix, Start, Ps, Bt, Locks, Trap, User) + kmemory.COMMANDS + kfile.COMMANDS:
    command()
