"""A waiting room for connections that nobody serves, on either side of an association.

A connection is served once its whole A-ASSOCIATE-RQ is there; until then, and after its association while the peer is to
close, it waits with a deadline. So neither a client that is silent, nor one that sends a byte now and then, nor one
that never closes keeps the others waiting.
"""

import logging
import socket
import struct
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import NamedTuple

from storescp.upper_layer.negotiation import DEFAULT_MAXIMUM_REQUEST_LENGTH

_logger = logging.getLogger("dcmtk.apps.storescp")


class _Waiting(NamedTuple):
    connected: socket.socket
    end: float
    address: str
    needed: int = 1
    """Bytes that must be there before it is looked at again."""


class WaitingRoom:
    """Connections that nobody serves: they wait to become readable, or for their deadline."""

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        longest_request: int = DEFAULT_MAXIMUM_REQUEST_LENGTH,
        patience: float | None = None,
    ) -> None:
        """Begin with an empty room.

        Args:
            clock: seconds, monotonic.
            longest_request: bytes of an A-ASSOCIATE-RQ that is read.
            patience: seconds for what is missing of an A-ASSOCIATE-RQ that has begun; None: those that are left.
        """
        self._clock = clock
        self._longest_request = longest_request
        self._patience = patience
        self._waiting: dict[int, _Waiting] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, descriptor: int) -> bool:
        return descriptor in self._waiting

    def descriptors(self) -> list[int]:
        """Return what to poll for."""
        return list(self._waiting)

    def add(self, connected: socket.socket, seconds: float, address: str) -> None:
        """Let a connection from an address wait for at most `seconds`."""
        self._waiting[connected.fileno()] = _Waiting(connected, self._clock() + seconds, address)

    def address(self, descriptor: int) -> str:
        """Return where a connection comes from; the system forgets it when the peer closes."""
        return self._waiting[descriptor].address

    def count(self, address: str) -> int:
        """Return how many connections come from an address."""
        return sum(1 for waiting in self._waiting.values() if waiting.address == address)

    def take(self, descriptor: int) -> socket.socket:
        """Remove and return a connection."""
        waiting = self._waiting.pop(descriptor)
        if waiting.needed > 1:
            _wake_at(waiting.connected, 1)
        return waiting.connected

    def is_due(self, descriptor: int) -> bool:
        """Tell whether a connection that has become readable is to be served.

        That is when the whole A-ASSOCIATE-RQ is there; or when something else is, which will be refused at once; or when
        the peer has closed. What is missing is left to the kernel to wait for.
        """
        waiting = self._waiting[descriptor]
        needed = _needed(waiting.connected, self._longest_request)
        # Readable all the same: the peer has closed, or its system holds no more at once.
        if needed <= waiting.needed:
            return True
        _wake_at(waiting.connected, needed)
        end = waiting.end
        if self._patience is not None:
            end = min(end, self._clock() + self._patience)
        self._waiting[descriptor] = waiting._replace(needed=needed, end=end)
        return False

    def asks(self, connected: socket.socket) -> bool:
        """Tell whether the next bytes of a connection are a peer's first ones: nobody has read any of them."""
        try:
            first = connected.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except OSError:
            return False
        if not first or first[0] != _A_ASSOCIATE_RQ:
            return first == _TLS_HANDSHAKE
        return not _needed(connected, self._longest_request)

    def oldest(self, but: Collection[int] = ()) -> int | None:
        """Return the descriptor of the connection that waits longest, `but` those not; None if there is none."""
        return next((descriptor for descriptor in self._waiting if descriptor not in but), None)

    def give_way(self, descriptor: int) -> socket.socket:
        """Remove a connection because others wait, say so, and return it."""
        waiting = self._waiting.pop(descriptor)
        _logger.warning(
            "Connection from %s closed: no complete A-ASSOCIATE-RQ has come, and %d others wait",
            waiting.address,
            len(self._waiting),
        )
        return waiting.connected

    def swallow(self, descriptor: int) -> bool:
        """Take what came and forget it; False when the peer has closed, or deserves it.

        To close with bytes unread would reset the connection, and the peer might never see the A-ABORT or
        A-ASSOCIATE-RJ that it was sent.
        """
        connected, end, *_ = self._waiting[descriptor]
        try:
            return bool(connected.recv(1 << 16, socket.MSG_DONTWAIT)) and self._clock() < end
        except BlockingIOError:
            return True
        except OSError:
            return False

    def deadline(self) -> float | None:
        """Return when the first of them has waited long enough."""
        return min((waiting.end for waiting in self._waiting.values()), default=None)

    def expired(self, but: Collection[int] = ()) -> list[socket.socket]:
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
            waiting.connected.close()
        self._waiting.clear()


# PS3.8 9.3.1: type, length
_unpack_header = struct.Struct(">BxI").unpack_from
_HEADER_LENGTH = 6
_A_ASSOCIATE_RQ = 1
_TLS_HANDSHAKE = b"\x16"  # RFC 8446 5.1


def _needed(connected: socket.socket, longest: int) -> int:
    """Return how many bytes of a connection must be there before it is served; 0 if those that are there will do."""
    try:
        begun = connected.recv(_HEADER_LENGTH, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        if not begun or begun[0] != _A_ASSOCIATE_RQ:
            return 0
        if len(begun) < _HEADER_LENGTH:
            return _HEADER_LENGTH
        _, length = _unpack_header(begun)
        if length > longest:
            return 0
        whole = _HEADER_LENGTH + int(length)
        there = connected.recv(whole, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except OSError:
        return 0  # who serves it will find out
    return 0 if len(there) == whole else whole


def _wake_at(connected: socket.socket, count: int) -> None:
    """Have a connection readable only when so many bytes are there, or when the peer has closed."""
    with suppress(OSError):
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, count)
