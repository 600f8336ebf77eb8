"""Time limits of a connection, by the option that sets each."""

from enum import Enum


class TimeLimit(Enum):
    """A limit that can pass; the value is the option that allows more time."""

    ARTIM = "--acse-timeout"
    """From the connection to a complete A-ASSOCIATE-RQ, PS3.8 9.1.5."""
    SOCKET = "--socket-timeout"
    """Each receive of what has begun."""
    DIMSE = "--dimse-timeout"
    """The next fragment of a data set."""
    IDLE = "--idle-timeout"
    """The next command of an established association."""
    STUDY = "--eostudy-timeout"
    """The end of the study under way, which ends no association."""
