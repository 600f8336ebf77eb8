"""A receiver's mark on its output directory: it lasts as long as one of its processes.

The mark is a lock on one byte, at a random offset, of the directory itself (an open file
description lock of Linux). It leaves no file behind, is shared by forked children, is seen from
every container of the machine, and ends when the last process that holds it exits, for any reason.
"""

import contextlib
import fcntl
import os
import struct

_FLOCK = struct.Struct("hhqqi0q")  # struct flock of fcntl(2): type, whence, start, length, pid
_LARGEST_OFFSET = 2**62 - 1

NO_LOCK = 0


class DirectoryLock:
    """The mark of one receiver.

    Attributes:
        number: identifies the mark, `NO_LOCK` where the directory cannot be marked.
    """

    __slots__ = ("_descriptor", "_directory", "number")

    def __init__(self, directory: str) -> None:
        """Mark `directory`, if it can be read and its file system has locks; never raises."""
        self._directory = directory
        self._descriptor = -1
        self.number = NO_LOCK
        try:
            self._descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
            number = 1 + int.from_bytes(os.urandom(8), "big") % _LARGEST_OFFSET
            _control(self._descriptor, fcntl.F_OFD_SETLK, fcntl.F_RDLCK, number)
        except (OSError, AttributeError):  # the latter: not Linux
            return
        self.number = number

    def holds(self) -> bool:
        """Tell whether the path still leads to the directory that was marked."""
        try:
            return os.path.samestat(os.stat(self._directory), os.fstat(self._descriptor))
        except OSError:
            return False

    def close(self) -> None:
        """Take the mark away, as far as this process is concerned."""
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            close_quietly(descriptor)


def is_claimed(directory: str, number: int) -> bool:
    """Tell whether a process of this machine holds mark `number`; if in doubt, one does."""
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return True
    try:
        return _control(descriptor, fcntl.F_OFD_GETLK, fcntl.F_WRLCK, number) != fcntl.F_UNLCK
    except (OSError, AttributeError):
        return True
    finally:
        close_quietly(descriptor)


def close_quietly(descriptor: int) -> None:
    """Close a descriptor that nothing was written to: what goes wrong then harms nobody."""
    with contextlib.suppress(OSError):
        os.close(descriptor)


def _control(descriptor: int, command: int, kind: int, offset: int) -> int:
    """Set or query a lock on the byte at `offset`; return the type of lock that is in the way."""
    answer = fcntl.fcntl(descriptor, command, _FLOCK.pack(kind, os.SEEK_SET, offset, 1, 0))
    return int(_FLOCK.unpack(answer)[0])
