"""The host's side of the job's stdin, stdout and stderr: descriptors of this process, or bytes in memory (the tests).

read(limit) gives b"" at the end of file; write(fd, data) gives None or the error; mask is what the guest is told
(docs/running.md, "Between runner and guest"); window() is the terminal's (rows, columns), or (0, 0).
"""
import fcntl
import os
import select


def same_file(one, other):
    """Are the two descriptors one open file (2>&1)? Then the job must have them so too, to keep the order of its lines."""
    kinds = [(info.st_dev, info.st_ino, info.st_rdev) for info in map(os.fstat, (one, other))]
    return kinds[0] == kinds[1] and fcntl.fcntl(one, fcntl.F_GETFL) == fcntl.fcntl(other, fcntl.F_GETFL)


def in_foreground(tty):
    """May this process use the terminal (a job in the background of the host's shell may not)?"""
    try:
        return os.tcgetpgrp(tty) == os.getpgrp()
    except OSError:
        return True                             # not our controlling terminal: nobody else's jobs


class HostStreams:
    """The job's streams are descriptors 0, 1 and 2 of this process."""

    def __init__(self):
        self.tty = os.isatty(0) and in_foreground(0)
        self.mask = self.tty * 1 + os.isatty(1) * 2 + os.isatty(2) * 4 + (same_file(1, 2) and not os.isatty(1)) * 8

    def window(self):
        for fd in (0, 1, 2):
            if os.isatty(fd):
                size = os.get_terminal_size(fd)
                return size.lines, size.columns
        return 0, 0

    def read(self, limit):
        try:
            return os.read(0, limit)
        except OSError:
            return b""

    def write(self, fd, data):
        """None, or the error: nobody reads any more, or the host's disk is full."""
        try:
            while data:
                data = data[os.write(fd, data):]
        except BlockingIOError:                 # the host's descriptor does not block: somebody else set it so
            select.select([], [fd], [])
            return self.write(fd, data)
        except OSError as error:
            return error
        return None


class ByteStreams:
    """The job's streams are bytes in memory (the tests)."""
    mask, tty = 0, False

    def __init__(self, data=b""):
        self.data, self.output = data, {1: bytearray(), 2: bytearray()}

    def window(self):
        return 0, 0

    def read(self, limit):
        packet, self.data = self.data[:limit], self.data[limit:]
        return packet

    def write(self, fd, data):
        self.output[fd] += data
        return None
