"""Minimum rate at which a peer must send a PDU or message that it has begun.

A time limit for each receive is no limit for a peer that sends a byte now and then: it would keep its place, and
in a receiver that serves one association at a time the only one, for ever. So while a PDU, a command set or a data
set is under way, some bytes have to come in each period. What no sender ever meets: 17 bytes a second by default.
"""

from storescp.errors import ProtocolError

MINIMUM_BYTES = 1024
"""Bytes that must come in each period."""


class TooSlow(ProtocolError):
    """The peer sends next to nothing of what it has begun."""


class MinimumRate:
    """Watches a peer; only receives of fewer than `MINIMUM_BYTES` bytes need to be told of, and the end of such a row."""

    __slots__ = ("_bytes", "_period", "_since", "watching")

    def __init__(self, period: float | None) -> None:
        """Watch in periods of so many seconds; None: do not."""
        self._period = period
        self._since = 0.0
        self._bytes = 0
        self.watching = False
        """True if a period has begun."""

    def forget(self) -> None:
        """Note that the peer sends well, or owes nothing."""
        self.watching = False

    def received(self, count: int, now: float) -> None:
        """Note that a few bytes came, and that they do not end what is under way.

        Raises:
            TooSlow: fewer than `MINIMUM_BYTES` have come in a period.
        """
        if self._period is None:
            return
        if not self.watching:
            self.watching, self._since, self._bytes = True, now, 0
            return
        self._bytes += count
        if now - self._since < self._period:
            return
        if self._bytes < MINIMUM_BYTES:
            raise TooSlow(
                f"the peer has sent {self._bytes} bytes in {now - self._since:.0f} seconds"
            )
        self._since, self._bytes = now, 0
