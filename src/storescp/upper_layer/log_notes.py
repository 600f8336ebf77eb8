"""Log lines as data: the protocol packages decide, other packages write the log."""

from typing import NamedTuple

ERROR, WARN, INFO = 40, 30, 20
"""Levels as in `logging`, which this package need not know for the sake of three numbers."""


class LogNote(NamedTuple):
    """One line for the log: name of the logger, level, text."""

    logger: str
    level: int
    text: str


class DimseWarning(LogNote):
    """A warning about a message: the log line has the AE titles of both sides in front of the text, as DCMTK's."""

    __slots__ = ()


def application(level: int, text: str) -> LogNote:
    """Return a note that the reference logs in the name of the program."""
    return LogNote("dcmtk.apps.storescp", level, text)


def network(level: int, text: str) -> LogNote:
    """Return a note that the reference logs in the name of its network layer."""
    return LogNote("dcmtk.dcmnet", level, text)


def dimse_warning(text: str) -> DimseWarning:
    """Return a note about a message, which the reference logs in the name of its network layer."""
    return DimseWarning("dcmtk.dcmnet", WARN, text)


def data(level: int, text: str) -> LogNote:
    """Return a note that the reference logs in the name of its data layer."""
    return LogNote("dcmtk.dcmdata", level, text)
