"""Time limits of a connection: the one that applies next, and the one that has passed. Pure.

The time is an argument, in seconds of a monotonic clock.
"""

from dataclasses import dataclass
from typing import NamedTuple

from storescp.serve.association.minimum_rate import MinimumRate
from storescp.serve.reporting.time_limit import TimeLimit

_CLOCK_TOLERANCE_SECONDS = 0.01
"""Tolerance between the kernel's time limit and our clock."""

_SHORTEST_WAIT_SECONDS = 0.001
"""Zero would mean no limit."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Time limits in seconds; None: unlimited."""

    socket: float | None = 60.0
    """Each receive or send (`--socket-timeout`)."""

    acse: float = 30.0
    """From the connection to a complete A-ASSOCIATE-RQ: ARTIM, PS3.8 9.1.5 (`--acse-timeout`)."""

    dimse: float | None = None
    """The next fragment of a data set (`--dimse-timeout`)."""

    idle: float | None = 60.0
    """The next command of an established association (`--idle-timeout`)."""

    def of(self, limit: TimeLimit) -> float | None:
        """Return the seconds of a limit; None: unlimited, or not a limit of a connection."""
        match limit:
            case TimeLimit.ARTIM:
                return self.acse
            case TimeLimit.SOCKET:
                return self.socket
            case TimeLimit.DIMSE:
                return self.dimse
            case TimeLimit.IDLE:
                return self.idle
            case TimeLimit.STUDY:
                return None


class Wait(NamedTuple):
    """One wait for the peer."""

    seconds: float | None
    """None: for ever."""
    limit: TimeLimit
    """Limit that has passed when nothing comes in this time."""
    is_idle: bool = False
    """True if the peer owes nothing, so that it may have been idle for too long as well."""


class Deadlines:
    """The time limits of one connection."""

    __slots__ = (
        "_artim_end",
        "_timeouts",
        "idle_since",
        "is_awaiting_request",
        "minimum_rate",
        "steady",
    )

    def __init__(self, timeouts: Timeouts, now: float) -> None:
        """Start with a connection that has just been accepted."""
        self._timeouts = timeouts
        self._artim_end: float | None = now + timeouts.acse
        # Attributes instead of properties: a connection asks for each of them with every object.
        self.is_awaiting_request = True
        """True if ARTIM is running."""
        self.idle_since = now
        """Time of the last answer: the peer is idle from then on."""
        # Made once, as each receive asks for one of them: within a PDU or between two, and within an object or not.
        socket = Wait(timeouts.socket, TimeLimit.SOCKET)
        self.steady = {
            (True, True): socket,
            (True, False): socket,
            # As the reference, which looks for the next fragment's PDU first, and then reads it.
            (False, True): socket
            if timeouts.dimse is None
            else Wait(timeouts.dimse, TimeLimit.DIMSE),
            (False, False): Wait(timeouts.idle, TimeLimit.IDLE, is_idle=True),
        }
        """Results of `wait`, by `within_pdu` and `within_object`, for an established association without an end of study."""
        self.minimum_rate = MinimumRate(timeouts.socket)
        """Minimum rate at which the peer must send what it has begun."""

    @property
    def timeouts(self) -> Timeouts:
        """The settings."""
        return self._timeouts

    def established(self, now: float) -> None:
        """Note that the association is accepted: ARTIM is stopped, PS3.8 AE-7."""
        self._artim_end = None
        self.is_awaiting_request = False
        self.idle_since = now

    def request_is_late(self, now: float) -> bool:
        """Tell whether the A-ASSOCIATE-RQ is not complete though its time is over, however busy the peer seems."""
        return self._artim_end is not None and now >= self._artim_end

    def wait(
        self, now: float, *, within_pdu: bool, within_object: bool, study_end: float | None
    ) -> Wait:
        """Return how long to wait for the next bytes, and which limit that is.

        Args:
            now: the time.
            within_pdu: whether the last bytes were the beginning of a PDU.
            within_object: whether a data set is on its way.
            study_end: when the study under way ends; None: never.
        """
        if self._artim_end is not None:
            left = max(self._artim_end - now, _SHORTEST_WAIT_SECONDS)
            limit = self._timeouts.socket
            if limit is not None and limit < left:
                return Wait(limit, TimeLimit.SOCKET)
            return Wait(left, TimeLimit.ARTIM)
        steady = self.steady[within_pdu, within_object]
        if study_end is not None and not within_object:
            left = max(study_end - now, _SHORTEST_WAIT_SECONDS)
            if steady.seconds is None or left < steady.seconds:
                return Wait(left, TimeLimit.STUDY, steady.is_idle)
        return steady

    def passed(self, wait: Wait, now: float) -> TimeLimit | None:
        """Return the limit that has passed, now that nothing came during a wait; None: the peer has some time left."""
        idle = self._timeouts.idle
        is_idle = wait.is_idle and idle is not None
        if is_idle and now - self.idle_since >= (idle or 0.0) - _CLOCK_TOLERANCE_SECONDS:
            return TimeLimit.IDLE
        return None if wait.limit is TimeLimit.IDLE else wait.limit

    def received(self, count: int, now: float, *, under_way: bool) -> None:
        """Note that a few bytes came; `under_way` tells whether something is that they do not end.

        Raises:
            TooSlow: a few bytes are all that comes of it, for as long as a single receive may take.
        """
        if under_way and self._artim_end is None:
            self.minimum_rate.received(count, now)
        else:
            self.minimum_rate.forget()
