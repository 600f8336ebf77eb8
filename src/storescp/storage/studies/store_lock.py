"""Lock of a store that several processes write to: each waits for a limited time, and a holder that stands still is killed.

The lock is one of the kernel, F_SETLK of fcntl(2), so it ends when the process that holds it exits, for any reason, and the
kernel knows which process that is. Programs that are no part of the receiver may take it too, to look into the store;
nothing happens to them.

A process that was stopped while it held the lock (SIGSTOP, a debugger, a frozen container) would keep all others out for
as long as that lasts. So a holder says that it goes on, in memory that all processes of the receiver share; a process
that has waited for three seconds for the same, silent holder kills it. Whatever that had not committed never happened.
"""

import contextlib
import errno
import fcntl
import mmap
import os
import signal
import struct
import time
from collections.abc import Callable

from storescp.storage.files.directory_lock import close_quietly

_SILENCE_SECONDS = 3.0
"""Time after which a holder that sleeps or is stopped, and has not said that it goes on, is killed."""
_LONGEST_WORK_SECONDS = 30.0
"""Time after which it is killed although it uses a processor."""

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.00005, 0.01
_LOOK_SECONDS = 0.25

_FLOCK = struct.Struct("hhqqi0q")  # struct flock of fcntl(2): type, whence, start, length, pid
_TICKET = struct.Struct("=Q")


class LockHolder:
    """Sign of life of the lock's holder, in memory that the processes of a receiver share; made before they are forked."""

    def __init__(self) -> None:
        """Begin without a sign. The process that calls this is the one whose children may be killed."""
        self._memory = mmap.mmap(-1, _TICKET.size)
        self._receiver = os.getpid()

    def note(self, ticket: int) -> None:
        """Note that the holder goes on: `ticket` is another one each time."""
        _TICKET.pack_into(self._memory, 0, ticket)

    def read(self) -> int:
        """Return the ticket."""
        (ticket,) = _TICKET.unpack_from(self._memory, 0)
        return int(ticket)

    def kill(self, pid: int, silent_seconds: float) -> bool:
        """Kill a process that has been silent for so long, if it is a child of the receiver and does not work.

        A process that waits for a disk is left alone: it could not be killed, and goes on by itself.
        """
        if pid <= 0 or pid == os.getpid():
            return False
        state, parent = _state(pid)
        limit = {"D": float("inf"), "R": _LONGEST_WORK_SECONDS}.get(state, _SILENCE_SECONDS)
        if parent != self._receiver or silent_seconds < limit:
            return False
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
        return True


class StoreLock:
    """The handle of the lock that a process has; one for each process, after its fork."""

    def __init__(
        self,
        path: str,
        holder: LockHolder | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Open the lock's file, which is made if it does not exist.

        Args:
            path: of the file.
            holder: where processes of the receiver say that they go on; None: this is another program.
            clock: seconds, monotonic.
            sleep: waits.

        Raises:
            OSError: it cannot be opened.
        """
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._holder = holder
        self._ticket = time.monotonic_ns()  # one that no earlier handle of this process has used
        self._seen, self._seen_since = (0, 0), 0.0
        self._clock = clock
        self._sleep = sleep

    def acquire(self, patience: float) -> None:
        """Take the lock.

        Args:
            patience: seconds to wait for it.

        Raises:
            TimeoutError: others had it for all that time.
            OSError: it cannot be taken.
        """
        try:  # for each object: no call more than it takes
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            self._wait(patience)
        if self._holder is not None:
            self._ticket += 1
            self._holder.note(self._ticket)

    def _take(self) -> bool:
        try:
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):  # POSIX allows either
            return False
        return True

    def go_on(self) -> None:
        """Say that this process has the lock and goes on; to be called at least every second."""
        if self._holder is not None:
            self._ticket += 1
            self._holder.note(self._ticket)

    def release(self) -> None:
        """Let the lock go."""
        fcntl.lockf(self._descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close the file, which lets the lock go."""
        close_quietly(self._descriptor)

    def _wait(self, patience: float) -> None:
        """Ask again and again: the kernel's own queue has no limit of time. The pauses are about as long as a transaction."""
        begun = look = self._clock()
        pause = _FIRST_PAUSE_SECONDS
        while True:
            self._sleep(pause)
            if self._take():
                return
            now = self._clock()
            if now - begun >= patience:
                raise TimeoutError(errno.ETIMEDOUT, f"others had it for {patience:.1f} s")
            # Short at first: most transactions take some 50 µs. Then it is a disk that is waited for, or somebody else.
            pause = min(max(pause, (now - begun) / 10), _LONGEST_PAUSE_SECONDS)
            if self._holder is not None and now >= look:
                look = now + _LOOK_SECONDS
                self._look_at_holder(self._holder, now)

    def _look_at_holder(self, holder: LockHolder, now: float) -> None:
        """Kill the process that has the lock if it has stood still for too long, also over several calls of `acquire`."""
        found = self._owner(), holder.read()
        if found != self._seen:
            self._seen, self._seen_since = found, now
        elif holder.kill(found[0], now - self._seen_since):
            self._seen = (0, 0)

    def _owner(self) -> int:
        """Return the process that has the lock; 0 if none has it, or one that cannot be seen from here."""
        wanted = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        kind, _, _, _, pid = _FLOCK.unpack(fcntl.fcntl(self._descriptor, fcntl.F_GETLK, wanted))
        return 0 if kind == fcntl.F_UNLCK else int(pid)


def _state(pid: int) -> tuple[str, int]:
    """Return the state of a process, one letter of proc(5), and its parent; empty if there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            state, parent, *_ = file.read().rpartition(b") ")[2].split()
    except (OSError, ValueError):
        return "", 0
    return state.decode("ascii", "replace"), int(parent)
