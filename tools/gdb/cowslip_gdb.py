"""GDB commands for Cowslip, read by tools/gdb/cowslip.gdb. They begin with `k`; `help k` lists them.

They read the kernel's own structures through the symbols, so that they say what the kernel would say.
"""
import os

import gdb

BUILD = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "build")


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


def list_entries(head, kind, field):
    """The structures of a struct list_head list, the one at `head`."""
    kind = gdb.lookup_type(kind)
    offset = next(f.bitpos // 8 for f in kind.fields() if f.name == field)
    node = head["next"]
    while int(node) != int(head.address):
        yield gdb.Value(int(node) - offset).cast(kind.pointer()).dereference()
        node = node["next"]


def tasks():
    for process in list_entries(gdb.parse_and_eval("process_list"), "struct process", "all_node"):
        for task in list_entries(process["threads"], "struct task", "thread_node"):
            yield process, task


class Ps(gdb.Command):
    """k ps: every task: tid, pid, state, whether it runs on a CPU, name, what it holds and the page lock it waits for."""

    def __init__(self):
        super().__init__("k ps", gdb.COMMAND_STATUS)

    def invoke(self, argument, from_tty):
        states = gdb.lookup_type("enum task_state")
        print("  TID   PID STATE                  CPU HELD NAME")
        for process, task in tasks():
            state = str(task["state"].cast(states)).replace("TASK_", "").lower()
            waits = ""
            if int(task["wait_page_mapping"]):
                waits = f"  waits for page lock {int(task['wait_page_mapping']):#x}:{int(task['wait_page_index'])}"
            print(f"{int(task['tid']):5} {int(process['pid']):5} {state:22} {int(task['on_cpu']):3} "
                  f"{int(task['held_count']):4} {task['name'].string(errors='replace')}{waits}")


class Bt(gdb.Command):
    """k bt TID: the kernel stack of a task that does not run, by its frame pointers."""

    def __init__(self):
        super().__init__("k bt", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        for _, task in tasks():
            if int(task["tid"]) == int(gdb.parse_and_eval(argument or "0")):
                self.walk(int(task["saved_rsp"]), int(task["kstack_top"]))
                return
        raise gdb.GdbError("no such task: k ps lists them")

    @staticmethod
    def walk(stack, top):
        """switch_to leaves callee-saved registers on the stack, rbp among them: take the first word that begins a chain of frames."""
        def word(address):
            return int(gdb.parse_and_eval(f"*(unsigned long *){address:#x}"))
        frame = next((word(a) for a in range(stack, min(stack + 64, top), 8) if stack < word(a) < top), 0)
        depth = 0
        while stack < frame < top and depth < 32:
            back = word(frame + 8)
            print(f"#{depth:<2} {back:#x} {gdb.execute(f'info symbol {back:#x}', to_string=True).split(' in section')[0].strip()}")
            frame, depth = word(frame), depth + 1


class User(gdb.Command):
    """k user PROGRAM: the symbols of a user program (build/user/PROGRAM, build/user/tests/PROGRAM, or a path)."""

    def __init__(self):
        super().__init__("k user", gdb.COMMAND_FILES, gdb.COMPLETE_FILENAME)

    def invoke(self, argument, from_tty):
        for path in (f"{BUILD}/user/{argument}", f"{BUILD}/user/tests/{argument}", argument):
            if argument and os.path.isfile(path):
                gdb.execute(f"add-symbol-file {path}", to_string=True)
                print(f"symbols of {path}: `break main` has a place in it now")
                return
        raise gdb.GdbError("no such program")


for command in (Prefix, Start, Ps, Bt, User):
    command()
