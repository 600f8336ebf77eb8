"""Pending connections: before their association, and after it until the peer closes.

A connection is served once its whole A-ASSOCIATE-RQ is there; until then, and after its association while the peer is to
close, it waits with a deadline. So neither a client that is silent, nor one that sends a byte now and then, nor one
that stops in the middle of a TLS handshake, nor one that never closes keeps the others waiting.
"""

import logging
import select
import socket
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass

from storescp.serve.accept.request_reader import Progress, RequestReader

_logger = logging.getLogger("dcmtk.apps.storescp")


READABLE = select.POLLIN | select.POLLHUP | select.POLLERR
_CLOSED = select.POLLHUP | select.POLLERR


@dataclass(slots=True)
class Waiting:
    """A connection that nobody serves."""

    connected: socket.socket
    end: float
    """Time until which it may wait (clock)."""
    address: str
    """Address of the peer; the system forgets it when the peer closes."""
    reader: RequestReader | None
    """Waits for the request; None: there will be none."""
    is_handshaking: bool = False
    since: float = 0.0
    """Time of its arrival (clock)."""


class PendingConnections:
    """Connections that nobody serves: they wait to become readable, or for their deadline."""

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        acse_timeout: float,
        patience: float | None = None,
    ) -> None:
        """Begin with an empty room.

        Args:
            clock: seconds, monotonic.
            acse_timeout: seconds that a connection waits: for its request, or for its end.
            patience: seconds for a TLS handshake, and for what is missing of an A-ASSOCIATE-RQ that has begun; None:
                as many as `acse_timeout`, and those that are left.
        """
        self._clock = clock
        self._acse_timeout = acse_timeout
        self._patience = patience
        self._waiting: dict[int, Waiting] = {}
        self._by_address: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, descriptor: int) -> bool:
        return descriptor in self._waiting

    def descriptors(self) -> list[tuple[int, int]]:
        """Return what to poll for: descriptors and events, poll(2)."""
        return [
            (descriptor, READABLE if waiting.reader is None else waiting.reader.events | _CLOSED)
            for descriptor, waiting in self._waiting.items()
        ]

    def add(
        self, connected: socket.socket, address: str, reader: RequestReader | None = None
    ) -> None:
        """Let a connection from an address wait, for its request if there is a reader of it."""
        now = self._clock()
        self._waiting[connected.fileno()] = Waiting(
            connected, now + self._acse_timeout, address, reader, since=now
        )
        self._by_address[address] += 1

    def count(self, address: str) -> int:
        """Return how many connections come from an address."""
        return self._by_address[address]

    def take(self, descriptor: int) -> Waiting:
        """Remove and return a connection."""
        waiting = self._waiting.pop(descriptor)
        self._by_address[waiting.address] -= 1
        if not self._by_address[waiting.address]:
            del self._by_address[waiting.address]
        return waiting

    def advance(self, descriptor: int) -> Progress:
        """Look at what has come on a connection that waits for its request, and set its time limit.

        Raises:
            HandshakeFailed: there will be no TLS connection.
        """
        waiting = self._waiting[descriptor]
        if waiting.reader is None:
            return Progress.WAITING
        progress = waiting.reader.advance()
        match progress:
            case Progress.HANDSHAKING if not waiting.is_handshaking:
                waiting.is_handshaking = True
                patience = self._acse_timeout if self._patience is None else self._patience
                waiting.end = self._clock() + patience
            case Progress.SECURED:
                waiting.end = self._clock() + self._acse_timeout
            case Progress.BEGUN if self._patience is not None:
                waiting.end = min(waiting.end, self._clock() + self._patience)
        return progress

    def oldest(self, but: Collection[int] = ()) -> int | None:
        """Return the descriptor of the connection that waits longest, `but` those not; None if there is none."""
        return next((descriptor for descriptor in self._waiting if descriptor not in but), None)

    def oldest_since(self) -> float | None:
        """Return when the connection that waits longest has come (clock); None if there is none."""
        return next((waiting.since for waiting in self._waiting.values()), None)

    def give_way(self, descriptor: int) -> Waiting:
        """Remove a connection because others wait, say so, and return it."""
        waiting = self.take(descriptor)
        _logger.warning(
            "Connection from %s closed: no complete A-ASSOCIATE-RQ has come, and %d others wait",
            waiting.address,
            len(self._waiting),
        )
        return waiting

    def swallow(self, descriptor: int) -> bool:
        """Take what came and forget it; False when the peer has closed, or deserves it.

        To close with bytes unread would reset the connection, and the peer might never see the A-ABORT or
        A-ASSOCIATE-RJ that it was sent.
        """
        waiting = self._waiting[descriptor]
        try:
            received = waiting.connected.recv(1 << 16, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return bool(received) and self._clock() < waiting.end

    def deadline(self) -> float | None:
        """Return when the first of them has waited long enough."""
        return min((waiting.end for waiting in self._waiting.values()), default=None)

    def expired(self, but: Collection[int] = ()) -> list[Waiting]:
        """Remove and return the connections whose time is over, `but` those not."""
        now = self._clock()
        over = [
            descriptor
            for descriptor, waiting in self._waiting.items()
            if waiting.end <= now and descriptor not in but
        ]
        return [self.take(descriptor) for descriptor in over]

    def close_all(self) -> None:
        """Close every connection that waits."""
        for waiting in self._waiting.values():
            close(waiting)
        self._waiting.clear()
        self._by_address.clear()


def close(waiting: Waiting) -> None:
    """Close a connection that nobody serves."""
    if waiting.reader is not None:
        waiting.reader.close()
    else:
        waiting.connected.close()
