"""The transport of an association: bytes in, bytes out, a time limit; and plain TCP as one.

TLS is the other (`serve.tls.context`). A time limit is a socket option rather than Python's own time-out, which costs
a poll before every receive.
"""

import socket
import struct
from typing import Protocol

# struct timeval of this machine: seconds, microseconds
_pack_timeval = struct.Struct("@ll").pack

_MAXIMUM_TIMEOUT_SECONDS = 365 * 24 * 3600.0
"""Seconds; beyond this a limit is no limit, and the kernel's arithmetic stays safe."""


class Transport(Protocol):
    """One transport connection, PS3.8 9.1, already open."""

    def receive_into(self, room: memoryview) -> int:
        """Fill `room` from its start and return how much came; 0: the peer has closed.

        Raises:
            TimeoutError: nothing came within the time limit.
            OSError: the connection is lost.
        """
        ...

    def receive_ready(self, room: memoryview) -> int | None:
        """Do the same with what has come already; None at once if nothing has.

        Raises:
            OSError: the connection is lost.
        """
        ...

    def send_all(self, data: bytes) -> None:
        """Send everything.

        Raises:
            TimeoutError: the peer took nothing within the time limit.
            OSError: the connection is lost.
        """
        ...

    def set_timeout(self, seconds: float | None) -> None:
        """Limit every later receive and send to `seconds`; None: no limit."""
        ...

    def fileno(self) -> int:
        """Return the descriptor to wait on."""
        ...

    def part(self) -> None:
        """Say what the transport has to say at the end; the peer is to close. Never raises.

        Nothing is received or sent through this object any more, but the socket stays open.
        """
        ...

    def close(self) -> None:
        """Close at once; never raises."""
        ...


class TCPTransport:
    """Plain TCP."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._socket.settimeout(None)
        self._timeout: float | None = None

    def receive_into(self, room: memoryview) -> int:
        try:
            return self._socket.recv_into(room)
        except BlockingIOError:
            raise TimeoutError("nothing received within the time limit") from None

    def receive_ready(self, room: memoryview) -> int | None:
        try:
            return self._socket.recv_into(room, 0, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None

    def send_all(self, data: bytes) -> None:
        try:
            self._socket.sendall(data)
        except BlockingIOError:
            raise TimeoutError("nothing taken within the time limit") from None

    def set_timeout(self, seconds: float | None) -> None:
        if seconds == self._timeout:
            return
        self._timeout = seconds
        if seconds is None or seconds > _MAXIMUM_TIMEOUT_SECONDS:
            limit = _pack_timeval(0, 0)  # no limit, socket(7)
        else:
            # Zero would mean no limit.
            microseconds = max(1, int(seconds * 1_000_000))
            limit = _pack_timeval(*divmod(microseconds, 1_000_000))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)

    def fileno(self) -> int:
        return self._socket.fileno()

    def part(self) -> None:
        pass  # TCP's own goodbye would be to close

    def close(self) -> None:
        self._socket.close()
