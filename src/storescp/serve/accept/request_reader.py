"""Readers of A-ASSOCIATE-RQs: a pending connection is read aside, so that no other peer waits for it.

A reader knows one connection, from `accept` until somebody serves it. It never waits: `advance` is called whenever the
connection is ready for `events`. Plain TCP leaves all bytes in the kernel; what TLS has to do is in `serve.accept.tls_request_reader`.
"""

import select
import socket
import struct
from contextlib import suppress
from enum import Enum
from typing import Protocol

from storescp.errors import HandshakeFailed
from storescp.serve.transport import TCPTransport, Transport

# PS3.8 9.3.1: type, length
_unpack_header = struct.Struct(">BxI").unpack_from
HEADER_LENGTH = 6
_A_ASSOCIATE_RQ = 1


class Progress(Enum):
    """Result of `RequestReader.advance`."""

    WAITING = "nothing new"
    HANDSHAKING = "the TLS handshake has begun, or goes on"
    SECURED = "the TLS handshake is over"
    BEGUN = "the A-ASSOCIATE-RQ has begun, or goes on"
    COMPLETE = "the A-ASSOCIATE-RQ is there, or something else that will be refused at once"
    CLOSED = "the peer has closed, before a whole PDU header was there"
    BROKEN_OFF = "the peer has closed in the middle of its A-ASSOCIATE-RQ"


class RequestReader(Protocol):
    """Waits for the A-ASSOCIATE-RQ of one connection."""

    events: int
    """Events to poll for, poll(2)."""

    is_private: bool
    """True if only this process and those that it forks can serve the connection."""

    def advance(self) -> Progress:
        """Look at what has come.

        Raises:
            HandshakeFailed: there will be no TLS connection; an alert was sent if possible.
        """
        ...

    def time_out(self) -> HandshakeFailed | None:
        """The time is over: return why there will be no TLS connection, None if it is the request that is missing."""
        ...

    def transport(self) -> Transport:
        """Return the transport of the connection, for its association; after that, the reader can only be closed.

        Raises:
            HandshakeFailed: there is no TLS connection; an alert was sent if possible.
        """
        ...

    def send_last(self, data: bytes) -> None:
        """Send the only PDU that this peer gets, as far as it takes that at once. Never waits, never raises."""
        ...

    def is_unread(self) -> bool:
        """Tell whether a complete request is still there for another process, as nobody has read any of it."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


_USUAL_REQUEST_BYTES = 4096


def missing(begun: bytes, longest: int) -> int:
    """Return how many bytes there must be before the connection is served; 0 if those that are there decide it.

    Args:
        begun: the first bytes of the connection, those of a PDU header at most.
        longest: bytes of an A-ASSOCIATE-RQ that is read.
    """
    if len(begun) < HEADER_LENGTH:
        return HEADER_LENGTH
    pdu_type, length = _unpack_header(begun)
    if pdu_type != _A_ASSOCIATE_RQ or length > longest:
        return 0
    return HEADER_LENGTH + int(length)


class PlainRequestReader:
    """Waits for the A-ASSOCIATE-RQ on plain TCP: the kernel keeps the bytes, and wakes us when there are enough."""

    events = select.POLLIN
    is_private = False

    def __init__(self, connected: socket.socket, longest: int) -> None:
        """Prepare to wait.

        Args:
            connected: the connection.
            longest: bytes of an A-ASSOCIATE-RQ that is read.
        """
        self._socket = connected
        self._longest = longest
        self._awaited = 1
        """Bytes that must be there before we are woken."""
        self._has_header = False

    def advance(self) -> Progress:
        try:
            there, needed = self._look()
        except OSError:  # reset: the bytes that were there are gone
            return Progress.BROKEN_OFF if self._has_header else Progress.CLOSED
        self._has_header = there >= HEADER_LENGTH
        if there >= needed:
            return Progress.COMPLETE
        if _has_closed(self._socket):
            return Progress.BROKEN_OFF if self._has_header else Progress.CLOSED
        if needed <= self._awaited:
            # Readable all the same: its system holds no more at once. Whoever serves it reads on.
            return Progress.COMPLETE
        self._wake_at(needed)
        return Progress.BEGUN if there else Progress.WAITING

    def _look(self) -> tuple[int, int]:
        """Return how many bytes are there, as far as they matter, and how many are needed.

        Raises:
            OSError: the connection is lost.
        """
        # At one look, if it is not one of the long ones.
        seen = self._peek(_USUAL_REQUEST_BYTES)
        needed = missing(seen[:HEADER_LENGTH], self._longest)
        if len(seen) == _USUAL_REQUEST_BYTES < needed:
            seen = self._peek(needed)
        return min(len(seen), max(needed, HEADER_LENGTH)), needed

    def _peek(self, count: int) -> bytes:
        try:
            return self._socket.recv(count, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return b""

    def _wake_at(self, count: int) -> None:
        """Have the connection readable only when so many bytes are there, or when the peer has closed."""
        self._awaited = count
        with suppress(OSError):
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, count)

    def time_out(self) -> HandshakeFailed | None:
        return None

    def transport(self) -> Transport:
        if self._awaited > 1:
            self._wake_at(1)
        return TCPTransport(self._socket)

    def send_last(self, data: bytes) -> None:
        with suppress(OSError):
            self._socket.send(data, socket.MSG_DONTWAIT)

    def is_unread(self) -> bool:
        try:
            there, needed = self._look()
        except OSError:
            return False
        return needed > 0 and there == needed

    def close(self) -> None:
        self._socket.close()


def _has_closed(connected: socket.socket) -> bool:
    """Tell whether the peer will not send any more."""
    poll = select.poll()
    poll.register(connected, select.POLLRDHUP)
    return bool(poll.poll(0))
