"""Connections of HTTP clients, friendly and hostile: a server in a thread, whose clock the test sets."""

import selectors
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from storescp.monitor import http_server
from storescp.monitor.http_request import MAXIMUM_HEAD_BYTES, HTTPRequest
from storescp.monitor.http_server import (
    MAXIMUM_CONNECTIONS,
    REQUEST_SECONDS,
    RESPONSE_SECONDS,
    HTTPServer,
    listen,
)
from tests.monitor.http_client import Client, get

LARGE = b"HTTP/1.1 200 OK\r\nContent-Length: 8388608\r\nConnection: close\r\n\r\n" + bytes(8388608)


class Served:
    """A server in a thread."""

    def __init__(self) -> None:
        self.now = 0.0
        self.asked: list[HTTPRequest] = []
        self._listening = listen("127.0.0.1", 0)
        self.port: int = self._listening.getsockname()[1]
        self._selector = selectors.DefaultSelector()
        self._wake, self._woken = socket.socketpair()
        self._selector.register(self._woken, selectors.EVENT_READ, lambda: self._woken.recv(1))
        self.server = HTTPServer(
            self._listening, self._selector, self._respond, clock=lambda: self.now
        )
        self._ended = False
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _respond(self, request: HTTPRequest) -> bytes:
        self.asked.append(request)
        if request.path == "/large":
            return LARGE
        return b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"

    def _run(self) -> None:
        while not self._ended:
            self.server.expire()
            for key, _ in self._selector.select():
                key.data()

    def pass_time(self, seconds: float) -> None:
        """Let so many seconds pass, and the server notice."""
        self.now += seconds
        self._wake.send(b"x")

    def close(self) -> None:
        self._ended = True
        self._wake.send(b"x")
        self._thread.join()
        self._selector.close()
        for each in (self._wake, self._woken, self._listening):
            each.close()
        for client in list(self.server._clients.values()):
            client.socket.close()


@pytest.fixture
def served() -> Iterator[Served]:
    made = Served()
    yield made
    made.close()


def test_a_request_is_answered_and_the_connection_closed(served: Served) -> None:
    """However its bytes come."""
    with Client(served.port) as client:
        for byte in b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n":
            client.send(bytes([byte]))
        assert client.answer() == (200, b"ok")
        assert client.is_closed()

    assert [request.path for request in served.asked] == ["/"]


def test_a_refused_request_never_reaches_the_answers(served: Served) -> None:
    """It gets its status all the same."""
    assert get(served.port, "/", method="POST")[0] == 405
    assert served.asked == []


def test_an_answer_arrives_whole_whatever_follows_the_request(served: Served) -> None:
    """What is not read would reset the connection."""
    with Client(served.port) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" + b"x" * 30000)
        assert client.answer() == (200, b"ok")


def test_a_large_answer_waits_for_a_slow_reader_and_holds_up_nobody(served: Served) -> None:
    """Others are served meanwhile."""
    with Client(served.port) as slow:
        slow.send(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        for _ in range(20):
            assert get(served.port, "/") == (200, b"ok")

        status, body = slow.answer()
        assert (status, len(body)) == (200, 8388608)


def test_who_does_not_take_the_answer_is_cut_off(served: Served) -> None:
    """After some time, and the others are not."""
    with Client(served.port) as idle:
        idle.send(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        assert idle.socket.recv(1) == b"H"
        served.pass_time(RESPONSE_SECONDS + 0.1)
        assert get(served.port, "/") == (200, b"ok")

        received = 1
        try:
            while data := idle.socket.recv(1 << 20):
                received += len(data)
        except ConnectionError:
            pass
        assert received < len(LARGE)


def test_who_asks_too_slowly_is_cut_off(served: Served) -> None:
    """A byte now and then does not keep the place."""
    with Client(served.port) as slow:
        slow.send(b"GET / HTTP/1.1\r\n")
        assert get(served.port, "/") == (200, b"ok")  # who came first has been let in first
        served.pass_time(REQUEST_SECONDS - 0.1)
        slow.send(b"Host: ")
        assert get(served.port, "/") == (200, b"ok")
        served.pass_time(0.2)

        assert slow.is_closed()


def test_a_head_without_end_is_refused_before_it_is_large(served: Served) -> None:
    """No more than the limit is ever kept."""
    with Client(served.port) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\nA: " + b"x" * MAXIMUM_HEAD_BYTES)

        assert client.answer()[0] == 431


def test_who_never_stops_sending_is_cut_off(served: Served) -> None:
    """What follows a request is forgotten, but not for ever."""
    with Client(served.port) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        with pytest.raises(ConnectionError):
            client.send(bytes(1 << 26))


def test_many_silent_clients_do_not_keep_others_out(served: Served) -> None:
    """Those who have been here longest without a request make room."""
    with ExitStack() as stack:
        silent = [stack.enter_context(Client(served.port)) for _ in range(3 * MAXIMUM_CONNECTIONS)]

        assert get(served.port, "/") == (200, b"ok")
        assert len(served.server) <= MAXIMUM_CONNECTIONS
        assert silent[0].is_closed()


def test_a_port_that_is_taken_is_an_error() -> None:
    """So is an address that is not ours."""
    with listen("127.0.0.1", 0) as taken, pytest.raises(OSError, match="in use"):
        listen("127.0.0.1", taken.getsockname()[1])
    with pytest.raises(OSError, match="assign"):
        listen("192.0.2.1", 0)


def test_ipv6_is_served_where_the_machine_has_it() -> None:
    """By its loopback address."""
    if not socket.has_ipv6:
        return
    with http_server.listen("::1", 0) as listening:
        assert listening.family == socket.AF_INET6
