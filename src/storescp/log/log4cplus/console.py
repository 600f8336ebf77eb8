"""The simple appenders: console, none, and one that hands events to another."""

import logging
import os

from storescp.best_effort_output import StandardStream
from storescp.log.appender import Appender
from storescp.log.log4cplus.appender import ConfiguredAppender, flush_before_fork
from storescp.log.log4cplus.diagnostics import Diagnostics

_STANDARD_OUTPUT = 1
_BUFFER_SIZE = 8192
"""Characters that are collected for standard output without `ImmediateFlush`."""


class ConsoleAppender(ConfiguredAppender):
    """Writes to standard output or standard error."""

    def __init__(self, complaints: Diagnostics, *, to_stderr: bool, immediate_flush: bool) -> None:
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

    def __init__(self, complaints: Diagnostics, appender: Appender | None) -> None:
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
