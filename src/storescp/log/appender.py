"""The root of all appenders, and what those of standard error share."""

import logging
import traceback

from storescp.best_effort_output import StandardStream
from storescp.log.levels import LogLevel


def remove_appenders(logger: logging.Logger) -> "list[Appender]":
    """Detach the appenders of a logger and return them."""
    appenders = [handler for handler in logger.handlers if isinstance(handler, Appender)]
    for appender in appenders:
        logger.removeHandler(appender)
    return appenders


def message_of(record: logging.LogRecord) -> str:
    """Return the message of an event and, if it has one, the traceback."""
    try:
        text = record.getMessage()
    except (
        TypeError,
        ValueError,
        KeyError,
    ):  # arguments that do not fit are no reason to lose an association
        text = f"{record.msg} {record.args}"
    if record.exc_info and record.exc_info[0] is not None:
        text += "\n" + "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
    return text


class Appender(logging.Handler):
    """Destination of log events: the base class of all handlers of this package."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one event. What cannot be written is lost, because receiving matters more."""
        try:
            self.append(self.format(record), record)
        except (OSError, ValueError):  # ValueError: the stream is closed
            self.handleError(record)

    def append(self, text: str, record: logging.LogRecord) -> None:
        """Write one event, formatted as `text`; may raise OSError or ValueError."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  (named by logging)
        """Let an event go that could not be written."""


class StandardErrorAppender(Appender):
    """Writes every event to standard error at once, and reports events that were lost there."""

    def __init__(self) -> None:
        super().__init__()
        self._stream = StandardStream("stderr", self._make_report)

    def append(self, text: str, record: logging.LogRecord) -> None:  # noqa: ARG002
        self._stream.write(text)

    def _make_report(self, lost: int) -> str:
        text = "%d log messages were lost, because standard error did not take them"
        return self.format(
            logging.LogRecord("dcmtk.apps.storescp", LogLevel.WARN, "", 0, text, (lost,), None)
        )


def encode(text: str) -> bytes:
    """Return text as UTF-8; bytes of file names that are not UTF-8 come out as they are."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace")
