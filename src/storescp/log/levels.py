"""Levels of log4cplus and DCMTK, and which of a peer's values are masked.

They are those of `logging`, which this does not import: a usage text has no time for it.
"""

from enum import Enum, IntEnum


class LogLevel(IntEnum):
    """Levels of events, with the values that `logging` gives or would give them."""

    OFF = 60
    FATAL = 50
    ERROR = 40
    WARN = 30
    INFO = 20
    DEBUG = 10
    TRACE = 5


NAMES: dict[int, str] = {level: level.name for level in LogLevel if level is not LogLevel.OFF}
"""Levels that events have, highest first."""

_LEVELS = {level.name.lower(): level for level in LogLevel} | {"all": LogLevel.TRACE}

PROGRESS = "dcmtk.apps.storescp.progress"
"""A logger to which nothing is ever sent; its level alone decides about the progress line."""


def level_named(name: str) -> int | None:
    """Return the level of this name, in any case, or None. `off` and `all` are names too."""
    return _LEVELS.get(name.lower())


def level_name(level: int) -> str:
    """Return the name of a level; one without a name, as other packages may use, counts as the next lower."""
    return NAMES.get(level) or next((NAMES[known] for known in NAMES if known <= level), "TRACE")


class LogMask(Enum):
    """Identifiers that are masked in a log for machines."""

    PATIENTS = "patients"
    PEERS = "peers"
    UIDS = "uids"
