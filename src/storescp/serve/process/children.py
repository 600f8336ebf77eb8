"""Child processes: commands of the user, one child per association, and the duties of process 1.

Only children that were started here are waited for: `serve.access.host_access` runs its own, and a reaper that takes every child
would steal their exit status.
"""

import logging
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress

from storescp.serve.process.signals import Signals

_logger = logging.getLogger("dcmtk.apps.storescp")

_LOOK_SECONDS = 0.1
"""Time between looks whether the limit of a wait has changed: a signal may bring it forward."""


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


def wait_for_child(pid: int, limit: Callable[[], float | None]) -> int | None:
    """Wait until a child has ended; return its wait status, None if it still runs when its time is over.

    Args:
        pid: a child that nobody else waits for.
        limit: returns until when to wait (`time.monotonic`), None: for ever. It is asked several times a second.

    Raises:
        ChildProcessError: there is no such child.
    """
    try:
        descriptor = os.pidfd_open(pid)
    except (
        OSError
    ):  # ended already, no descriptor left, or a system without them (Linux before 5.3)
        descriptor = -1
    poll = select.poll()
    if descriptor >= 0:
        poll.register(descriptor, select.POLLIN)
    try:
        while True:
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                return status
            until, now = limit(), time.monotonic()
            if until is not None and now >= until:
                return None
            left = _LOOK_SECONDS if until is None else min(until - now, _LOOK_SECONDS)
            poll.poll((left if descriptor >= 0 else min(left, 0.005)) * 1000)
    finally:
        if descriptor >= 0:
            os.close(descriptor)


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
