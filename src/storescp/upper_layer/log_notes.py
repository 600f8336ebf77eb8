"""What a decision leaves to be logged, as data: the protocol packages decide, others write logs."""

from typing import NamedTuple

ERROR, WARN, INFO = 40, 30, 20
"""Levels as in `logging`, which this package need not know for the sake of three numbers."""


class LogNote(NamedTuple):
    """One line for the log: name of the logger, level, text."""

    logger: str
    level: int
    text: str


def application(level: int, text: str) -> LogNote:
    """Return a note that the reference logs in the name of the program."""
    return LogNote("dcmtk.apps.storescp", level, text)


def network(level: int, text: str) -> LogNote:
    """Return a note that the reference logs in the name of its network layer."""
    return LogNote("dcmtk.dcmnet", level, text)


def data(level: int, text: str) -> LogNote:
    """Return a note that the reference logs in the name of its data layer."""
    return LogNote("dcmtk.dcmdata", level, text)
