"""Child processes: commands of the user, one child per association, and the duties of process 1.

Only children that were started here are waited for: `serve.access.host_access` runs its own, and a reaper that takes every child
would steal their exit status.
"""

import logging
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress

from storescp.serve.process.signals import Signals

_logger = logging.getLogger("dcmtk.apps.storescp")


class Children:
    """The children of this process that nobody waits for synchronously."""

    def __init__(self) -> None:
        self._running: dict[int, Callable[[int], None]] = {}

    def __len__(self) -> int:
        return len(self._running)

    def add(self, pid: int, on_end: Callable[[int], None]) -> None:
        """Call `on_end` with the wait status of child `pid` once `reap` finds it ended."""
        self._running[pid] = on_end
        # It may have ended before it was known here.
        self.reap()

    def reap(self) -> None:
        """Take the exit status of every child that has ended; never blocks."""
        for pid in list(self._running):
            try:
                ended, status = os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                ended, status = pid, 0
            if ended and (on_end := self._running.pop(pid, None)) is not None:
                on_end(status)

    def forget(self) -> None:
        """Disown all children; for a child process, whose siblings they are."""
        self._running.clear()


def signal_name(number: int) -> str:
    """Return what a signal is called; most of the real-time signals have a number only."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def fork_flushed() -> int:
    """Split off a child process; return its number, 0 in the child.

    Raises:
        OSError: the system has no room for another process.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()  # or the child would write it a second time
    return os.fork()


def watch_children(signals: Signals, children: Children) -> None:
    """Reap children as soon as they end, so that no zombies stay while the program waits."""
    signals.on(signal.SIGCHLD, children.reap)
