"""The connections of HTTP clients: bytes in, one answer out, closed. One thread, nobody waits for anybody.

Whatever clients do, there are so many connections, each holds so many bytes and lasts so many seconds. When all places
are taken, who has been here longest without having asked goes.
"""

import selectors
import socket
import time
from collections.abc import Callable
from contextlib import suppress

from storescp.monitor.http_answers import refuse
from storescp.monitor.http_request import MAXIMUM_HEAD_BYTES, HTTPRequest, RequestRefused, parse

MAXIMUM_CONNECTIONS = 64
REQUEST_SECONDS = 5.0
"""Seconds from the connection to a complete request."""
RESPONSE_SECONDS = 20.0
"""Seconds in which the answer must have been taken."""
CLOSE_SECONDS = 2.0
"""Seconds in which the client must close once it has its answer."""

_MOST_ACCEPTED_AT_ONCE = 16


class _Client:
    """One connection."""

    __slots__ = ("asked", "end", "socket", "swallowed", "unread", "unsent")

    def __init__(self, connected: socket.socket, end: float) -> None:
        self.socket = connected
        self.end = end
        self.unread = b""
        self.asked = False
        self.unsent: memoryview | None = None
        self.swallowed = 0


class HTTPServer:
    """Serves the clients of one listening socket, from within the loop of the process."""

    def __init__(
        self,
        listening: socket.socket,
        selector: selectors.BaseSelector,
        respond: Callable[[HTTPRequest], bytes],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin to accept.

        Args:
            listening: a socket that listens.
            selector: the loop's; data of our entries are callables without arguments.
            respond: gives the answer to a request.
            clock: seconds, monotonic.
        """
        self._listening = listening
        self._selector = selector
        self._respond = respond
        self._clock = clock
        self._clients: dict[int, _Client] = {}
        listening.settimeout(0)
        selector.register(listening, selectors.EVENT_READ, self._accept)

    def __len__(self) -> int:
        return len(self._clients)

    def deadline(self) -> float | None:
        """Return when the first client has taken too long (clock)."""
        return min((client.end for client in self._clients.values()), default=None)

    def expire(self) -> None:
        """Close the connections of those that have taken too long."""
        now = self._clock()
        for client in [client for client in self._clients.values() if client.end <= now]:
            self._close(client)

    def _accept(self) -> None:
        for _ in range(_MOST_ACCEPTED_AT_ONCE):
            try:
                connected, _ = self._listening.accept()
            except OSError:  # nobody is left, or has gone again, or we are out of descriptors
                return
            if len(self._clients) >= MAXIMUM_CONNECTIONS:
                self._make_room()
            connected.settimeout(0)
            client = _Client(connected, self._clock() + REQUEST_SECONDS)
            self._clients[connected.fileno()] = client
            self._selector.register(connected, selectors.EVENT_READ, lambda c=client: self._read(c))

    def _make_room(self) -> None:
        silent = (client for client in self._clients.values() if not client.asked)
        self._close(next(silent, None) or next(iter(self._clients.values())))

    def _read(self, client: _Client) -> None:
        try:
            data = client.socket.recv(MAXIMUM_HEAD_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._close(client)
        elif client.asked:
            self._swallow(client, data)
        else:
            client.unread += data
            self._answer(client)

    def _swallow(self, client: _Client, data: bytes) -> None:
        """Forget what follows the request; closing upon it would reset the connection, and the answer with it."""
        client.swallowed += len(data)
        if client.swallowed > 16 * MAXIMUM_HEAD_BYTES:
            self._close(client)

    def _answer(self, client: _Client) -> None:
        try:
            request = parse(client.unread)
            if request is None:
                return
            answer = self._respond(request)
        except RequestRefused as refusal:
            answer = refuse(refusal)
        client.asked = True
        client.unread = b""
        client.unsent = memoryview(answer)
        client.end = self._clock() + RESPONSE_SECONDS
        self._write(client)

    def _write(self, client: _Client) -> None:
        if client.unsent is None:
            return
        try:
            sent = client.socket.send(client.unsent)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._close(client)
            return
        client.unsent = client.unsent[sent:]
        if client.unsent:
            self._watch(client, selectors.EVENT_WRITE, lambda: self._write(client))
            return
        client.unsent = None
        client.end = self._clock() + CLOSE_SECONDS
        with suppress(OSError):
            client.socket.shutdown(socket.SHUT_WR)
        self._watch(client, selectors.EVENT_READ, lambda: self._read(client))

    def _watch(self, client: _Client, events: int, act: Callable[[], None]) -> None:
        self._selector.modify(client.socket, events, act)

    def _close(self, client: _Client) -> None:
        del self._clients[client.socket.fileno()]
        self._selector.unregister(client.socket)
        client.socket.close()


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises:
        OSError: the address cannot be had.
    """
    listening = bind(host, port)
    try:
        listening.listen(MAXIMUM_CONNECTIONS)
    except BaseException:
        listening.close()
        raise
    return listening


def bind(host: str, port: int) -> socket.socket:
    """Return a socket that has the address, but does not listen yet.

    Raises:
        OSError: the address cannot be had.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except BaseException:
        bound.close()
        raise
    return bound
