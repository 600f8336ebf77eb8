"""Appenders of logging configuration files: their common properties, and the simple ones.

Files are in `log4cplus.file`, what sends to other processes in `log4cplus.network`; both are imported when a file asks for them.
No appender has a thread: a server that forks must not have any, and none of them makes the receiver wait for long.
"""

import contextlib
import fcntl
import logging
import os
import time
import weakref
from collections.abc import Iterator

from storescp.best_effort_output import StandardStream
from storescp.log.log4cplus import filters, layouts
from storescp.log.log4cplus.diagnostics import Complaints
from storescp.log.log4cplus.properties import Properties
from storescp.log.setup import Appender, level_named

ASYNC_CLASS = "log4cplus::AsyncAppender"
FILE_CLASSES = frozenset(
    {
        "log4cplus::FileAppender",
        "log4cplus::RollingFileAppender",
        "log4cplus::DailyRollingFileAppender",
    }
)
_NETWORK_CLASSES = frozenset(
    {
        "log4cplus::SysLogAppender",
        "log4cplus::SocketAppender",
        "log4cplus::Log4jUdpAppender",
    }
)
CLASSES = frozenset(
    {
        "log4cplus::ConsoleAppender",
        "log4cplus::NullAppender",
        ASYNC_CLASS,
        *FILE_CLASSES,
        *_NETWORK_CLASSES,
    }
)
"""All that `make` can make."""

_DEEPEST = 16
"""Appenders that may hold one another; each takes a few frames of the stack to make and to use."""

_STANDARD_OUTPUT = 1
_BUFFER_SIZE = 8192
"""Characters that are collected for standard output without `ImmediateFlush`."""

LOCK_PATIENCE = 1.0
"""Seconds to wait for other writers; after that an event is rather written out of turn than kept back."""


class ConfiguredAppender(Appender):
    """An appender from a configuration file: complains once about a failure, and takes turns if asked to."""

    def __init__(self, complaints: Complaints) -> None:
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


class ConsoleAppender(ConfiguredAppender):
    """Writes to standard output or standard error."""

    def __init__(self, complaints: Complaints, *, to_stderr: bool, immediate_flush: bool) -> None:
        super().__init__(complaints)
        self._stream = StandardStream("stderr" if to_stderr else "stdout")
        # As the reference's library: standard error is never buffered, nor is a terminal.
        is_immediate = immediate_flush or to_stderr or os.isatty(_STANDARD_OUTPUT)
        self._buffer_size = 0 if is_immediate else _BUFFER_SIZE
        self._buffer = ""
        flush_before_fork(self)

    def append(self, text: str, record: logging.LogRecord) -> None:  # noqa: ARG002
        self._buffer += text
        if len(self._buffer) >= self._buffer_size:
            self.flush()

    def flush(self) -> None:
        """Hand over what is buffered."""
        text, self._buffer = self._buffer, ""
        if text:
            self._stream.write(text)

    def close(self) -> None:
        """Hand over what is buffered."""
        self.flush()
        super().close()


class NullAppender(ConfiguredAppender):
    """Discards everything."""

    def emit(self, record: logging.LogRecord) -> None:
        """Do nothing."""


class AsyncAppender(ConfiguredAppender):
    """Hands events to another appender, at once; without one it discards them."""

    def __init__(self, complaints: Complaints, appender: Appender | None) -> None:
        super().__init__(complaints)
        self._appender = appender

    def emit(self, record: logging.LogRecord) -> None:
        if self._appender is not None and record.levelno >= self._appender.level:
            self._appender.handle(record)

    def close(self) -> None:
        """Close the other appender too."""
        if self._appender is not None:
            self._appender.close()
        super().close()


class LockFile(contextlib.AbstractContextManager[None]):
    """A file that writers of several processes lock in turn, record locks as of fcntl(2)."""

    def __init__(self, path: str) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)

    def __enter__(self) -> None:
        for _ in patience(LOCK_PATIENCE):
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


def make(class_name: str, properties: Properties, complaints: Complaints) -> Appender | None:
    """Return the appender of a class with all its properties set, or None if there is no such class."""
    appender = _make(class_name, properties, complaints)
    if appender is not None:
        _set_common(appender, properties, complaints)
    return appender


def _make(
    class_name: str, properties: Properties, complaints: Complaints
) -> ConfiguredAppender | None:
    match class_name:
        case "log4cplus::ConsoleAppender":
            return ConsoleAppender(
                complaints,
                to_stderr=properties.boolean("logToStdErr", default=False),
                immediate_flush=properties.boolean("ImmediateFlush", default=False),
            )
        case "log4cplus::NullAppender":
            return NullAppender(complaints)
        case _ if class_name == ASYNC_CLASS:
            return AsyncAppender(complaints, _wrapped(properties, complaints))
        case _ if class_name in FILE_CLASSES:
            from storescp.log.log4cplus import file as log_files

            return log_files.make(class_name, properties, complaints)
        case _ if class_name in _NETWORK_CLASSES:
            from storescp.log.log4cplus import network

            return network.make(class_name, properties, complaints)
        case _:
            return None


def _wrapped(properties: Properties, complaints: Complaints) -> Appender | None:
    class_name = properties.get("Appender")
    if not class_name:
        complaints.error("Unspecified appender for AsyncAppender.")
        return None
    if "Appender." * _DEEPEST + "Appender" in properties:
        complaints.error(f"More than {_DEEPEST} appenders in one another.")
        return None
    appender = make(class_name, properties.below("Appender."), complaints)
    if appender is None:
        complaints.error(
            f"AsyncAppender::AsyncAppender() - Cannot find AppenderFactory: {class_name}"
        )
    return appender


def _set_common(
    appender: ConfiguredAppender, properties: Properties, complaints: Complaints
) -> None:
    """Set layout, threshold, filters and lock file; an unusable layout makes the reference forget the rest."""
    appender.setFormatter(layouts.SimpleLayout())
    if "layout" in properties:
        try:
            layout = layouts.make(properties.get("layout"), properties.below("layout."), complaints)
        except layouts.InvalidLayout as reason:
            complaints.error(f"Error while creating Layout: {reason}")
            return
        if layout is None:
            complaints.error(f'Cannot find LayoutFactory: "{properties.get("layout")}"')
            return
        appender.setFormatter(layout)
    appender.setLevel(level_named(properties.get("Threshold")) or logging.NOTSET)
    appender.addFilter(filters.chain(properties.below("filters."), complaints))
    if properties.boolean("UseLockFile", default=False):
        _set_lock(appender, properties, complaints)


def _set_lock(appender: ConfiguredAppender, properties: Properties, complaints: Complaints) -> None:
    file = properties.get("File")
    if path := properties.get("LockFile", file and file + ".lock"):
        try:
            appender.turn = LockFile(path)
        except OSError:
            complaints.error(f"could not open or create file {path}")
