"""The stream of events for other programs: `--events`.

A line is one write to a file that is opened for appending, so that all processes may write to one file. To a pipe or a
terminal that nobody reads nothing is written: reception does not wait for a reader, what it misses is counted, and the
count is the next line that it gets.
"""

import logging
import os
import stat
import time
from collections.abc import Callable

from storescp.best_effort_output import BestEffortWriter
from storescp.errors import ConfigurationError
from storescp.events import Event, EventsDropped, encode

_logger = logging.getLogger("dcmtk.apps.storescp")

STANDARD_OUTPUT = "-"

_REOPEN_CHECK_SECONDS = 1.0
"""Seconds between looks whether the file still has its name: rotation moves it away."""


class EventFile:
    """File for events, one line each. There is one per process; forked children continue with their parent's."""

    def __init__(
        self,
        path: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """Open it, or `-` for standard output.

        Raises:
            ConfigurationError: it cannot be opened.
        """
        self._path = path
        self._clock = clock
        self._wall_clock = wall_clock
        try:
            self._descriptor = _open_standard_output() if path == STANDARD_OUTPUT else _open(path)
        except OSError as error:
            raise ConfigurationError(f"cannot write events to {path}: {error.strerror}") from error
        self._writer = self._writer_to_descriptor()
        self._is_file = stat.S_ISREG(os.fstat(self._descriptor).st_mode)
        self._look_at = clock() + _REOPEN_CHECK_SECONDS

    def write(self, line: bytes) -> bool:
        """Append a line; False if it was dropped. Never raises, never waits for a reader."""
        if self._is_file and self._clock() >= self._look_at:
            self._follow_rotation()
        if self._writer.write(line):
            return True
        if self._writer.lost == 1:
            _logger.warning("cannot write events to %s: some are dropped", self._path)
        return False

    def _writer_to_descriptor(self) -> BestEffortWriter:
        return BestEffortWriter(self._descriptor, waits=False, make_report=self._report_of_loss)

    def _report_of_loss(self, lost: int) -> bytes:
        return encode(Event(self._wall_clock(), os.getpid(), None, EventsDropped(lost)))

    def _follow_rotation(self) -> None:
        """Open the file anew if somebody has moved it away."""
        self._look_at = self._clock() + _REOPEN_CHECK_SECONDS
        if self._path == STANDARD_OUTPUT:
            return
        try:
            if os.path.samestat(os.stat(self._path), os.fstat(self._descriptor)):
                return
        except OSError:
            pass
        try:
            opened = _open(self._path)
        except OSError:
            return  # the old one is better than none
        os.close(self._descriptor)
        self._descriptor = opened
        lost, self._writer = self._writer.lost, self._writer_to_descriptor()
        self._writer.lost = lost

    def close(self) -> None:
        """Close it."""
        os.close(self._descriptor)


def _open(path: str) -> int:
    # Not blocking: a named pipe that nobody reads must not hold up the server. Files don't care.
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        return os.open(path, flags, 0o640)
    except OSError:
        if not stat.S_ISFIFO(os.stat(path).st_mode):
            raise
        # Without a reader it opens only like this, and then waits for one.
        return os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)


def _open_standard_output() -> int:
    """Return standard output: opened anew where that is possible, so that it does not block us alone."""
    try:
        return os.open("/proc/self/fd/1", os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:  # a socket, or no such file system
        return os.dup(1)
