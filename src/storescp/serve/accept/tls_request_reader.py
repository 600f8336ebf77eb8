"""The TLS handshake and the A-ASSOCIATE-RQ inside TLS, waited for aside: `serve.accept.request_reader` for encrypted connections.

Here OpenSSL reads and writes the socket, which is not blocking, and what it has decrypted of the request is held until
somebody serves the connection. The state of a TLS connection lives in the memory of a process: only that process and those
that it forks can serve it.
"""

import select
import socket

from storescp.errors import HandshakeFailed
from storescp.serve.accept.request_reader import (
    HEADER_LENGTH,
    PlainRequestReader,
    Progress,
    missing,
)
from storescp.serve.tls.connection import TLSHandshake, TLSSocket, TLSTransport, Waiting, handshake
from storescp.serve.tls.context import ServerContext

_HELD_AT_MOST = 128 * 1024
"""Bytes of a request; the connection's transport reads the rest."""


class TLSRequestReader:
    """Makes the handshake, and waits for the A-ASSOCIATE-RQ."""

    is_private = True

    def __init__(self, connected: socket.socket, context: ServerContext, longest: int) -> None:
        """Prepare to wait.

        Args:
            connected: the connection; it is made non-blocking.
            context: decides about the handshake.
            longest: bytes of an A-ASSOCIATE-RQ that is read.

        Raises:
            HandshakeFailed: OpenSSL is out of memory.
        """
        self.events = select.POLLIN
        self._socket = connected
        self._longest = longest
        connected.settimeout(0)
        self._handshake = TLSHandshake(connected, context)
        self._is_secured = False
        self._early = bytearray()

    def advance(self) -> Progress:
        progress = Progress.WAITING
        if not self._is_secured:
            self.events = self._handshake.step()
            if self.events:
                return Progress.HANDSHAKING
            self._is_secured = True
            self.events = select.POLLIN
            progress = Progress.SECURED
        return self._read() or progress

    def _read(self) -> Progress | None:
        """Read as much of the request as has come; None: nothing has."""
        progress = None
        while (needed := self._missing()) > 0:
            if len(self._early) >= _HELD_AT_MOST:
                return Progress.COMPLETE
            room = bytearray(needed)
            try:
                count = self._handshake.read_early(memoryview(room))
            except OSError:
                count = 0
            if count is None:
                return progress
            if count == 0:
                has_header = len(self._early) >= HEADER_LENGTH
                return Progress.BROKEN_OFF if has_header else Progress.CLOSED
            self._early += memoryview(room)[:count]
            progress = Progress.BEGUN
        return Progress.COMPLETE

    def _missing(self) -> int:
        """Return how many bytes more there must be, as far as is known."""
        needed = missing(bytes(self._early[:HEADER_LENGTH]), self._longest)
        return max(0, min(needed - len(self._early), _HELD_AT_MOST))

    def time_out(self) -> HandshakeFailed | None:
        return None if self._is_secured else self._handshake.time_out()

    def transport(self) -> TLSTransport:
        self._socket.settimeout(None)
        return TLSTransport(TLSSocket(self._socket, self._handshake), bytes(self._early))

    def send_last(self, data: bytes) -> None:
        connection = TLSSocket(self._socket, self._handshake)
        connection.send_last(data)
        connection.part()

    def is_unread(self) -> bool:
        return False  # the kernel does not have it any more

    def close(self) -> None:
        self._handshake.free()
        self._socket.close()


class BlockingTLSReader(PlainRequestReader):
    """For the only connection of a process: the handshake is made when it is served, and nobody else waits meanwhile."""

    is_private = True

    def __init__(
        self,
        connected: socket.socket,
        context: ServerContext,
        timeout: float | None,
        waiting: Waiting,
    ) -> None:
        """Prepare to serve.

        Args:
            connected: the connection.
            context: decides about the handshake.
            timeout: seconds for the handshake altogether; None: no limit.
            waiting: each wait for the client is made within it.
        """
        super().__init__(connected, 0)
        self._connected = connected
        self._context = context
        self._timeout = timeout
        self._waiting = waiting

    def transport(self) -> TLSTransport:
        """Make the handshake.

        Raises:
            HandshakeFailed: the client is not let in; an alert was sent to it if possible.
        """
        return TLSTransport(handshake(self._connected, self._context, self._timeout, self._waiting))
