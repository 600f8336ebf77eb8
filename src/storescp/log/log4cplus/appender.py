"""The base of appenders from configuration files: one complaint about a failure, and file locks."""

import contextlib
import fcntl
import logging
import os
import time
import weakref
from collections.abc import Iterator

from storescp.log.appender import Appender
from storescp.log.log4cplus.diagnostics import Diagnostics

LOCK_WAIT_SECONDS = 1.0
"""Seconds to wait for other writers; after that an event is rather written out of turn than kept back."""


class ConfiguredAppender(Appender):
    """An appender from a configuration file: complains once about a failure, and takes turns if asked to."""

    def __init__(self, complaints: Diagnostics) -> None:
        super().__init__()
        self._complaints = complaints
        self._complained = False
        self.turn: contextlib.AbstractContextManager[object] = contextlib.nullcontext()

    def emit(self, record: logging.LogRecord) -> None:
        with self.turn:
            super().emit(record)

    def complain(self, text: str) -> None:
        """Complain about a failure unless that was done already."""
        if not self._complained:
            self._complained = True
            self._complaints.error(text)

    def recovered(self) -> None:
        """Note that it works again, so that the next failure is worth a complaint."""
        self._complained = False


class LockFile(contextlib.AbstractContextManager[None]):
    """A file that writers of several processes lock in turn, record locks as of fcntl(2)."""

    def __init__(self, path: str) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)

    def __enter__(self) -> None:
        for _ in patience(LOCK_WAIT_SECONDS):
            try:
                fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            except OSError:  # not a file system with locks
                return
            return

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            fcntl.lockf(self._descriptor, fcntl.LOCK_UN)


def patience(seconds: float) -> Iterator[None]:
    """Yield at once and then every few milliseconds until the time is over."""
    end = time.monotonic() + seconds
    yield
    while time.monotonic() < end:
        time.sleep(0.002)
        yield


def flush_before_fork(appender: logging.Handler) -> None:
    """Let no child inherit buffered events, or it would write them a second time."""
    reference = weakref.ref(appender)

    def flush() -> None:
        if (target := reference()) is not None:
            target.flush()

    os.register_at_fork(before=flush)
