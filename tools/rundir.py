"""The directory of a run, build/runs/PID-N: made, locked as long as its runner lives, removed by a later one."""
import fcntl
import os

import image
from common import BUILD


class RunDirectory:
    """build/runs/PID-N. Those whose runner is gone are removed when the next one is made, but for the newest."""
    count = 0

    def __init__(self):
        runs = os.path.join(BUILD, "runs")
        os.makedirs(runs, exist_ok=True)
        with open(os.path.join(runs, ".lock"), "w") as guard:
            fcntl.flock(guard, fcntl.LOCK_EX)
            while True:
                RunDirectory.count += 1
                self.path = os.path.join(runs, f"{os.getpid()}-{RunDirectory.count}")
                if not os.path.exists(self.path):
                    break
            os.mkdir(self.path)
            self.lock = open(os.path.join(self.path, "lock"), "w")
            fcntl.flock(self.lock, fcntl.LOCK_EX)
            for name in ("kernel.log", "qemu.log"):
                open(os.path.join(self.path, name), "w").close()
                new = os.path.join(self.path, "link")
                os.symlink(os.path.join("runs", os.path.basename(self.path), name), new)
                os.rename(new, os.path.join(BUILD, name))
            for entry in os.scandir(runs):
                if entry.is_dir() and entry.path != self.path:
                    self.remove_if_dead(entry.path)

    @staticmethod
    def remove_if_dead(path):
        try:
            with open(os.path.join(path, "lock"), "w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                image.remove(path)
        except BlockingIOError:
            pass
        except OSError:
            image.remove(path)

    def file(self, name):
        return os.path.join(self.path, name)

    def release(self):
        """The run is over: only its logs stay."""
        for name in os.listdir(self.path):
            if not name.endswith((".log", ".err")) and name != "lock":
                path = self.file(name)
                image.remove(path) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(path)
        self.lock.close()
