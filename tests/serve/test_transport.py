"""Plain TCP as a transport, over a pair of sockets."""

import socket
import time
from collections.abc import Iterator

import pytest

from storescp.serve.transport import TCPTransport


@pytest.fixture
def pair() -> Iterator[tuple[TCPTransport, socket.socket]]:
    ours, theirs = socket.socketpair()
    theirs.settimeout(10)
    with ours, theirs:
        yield TCPTransport(ours), theirs


def test_what_came_is_received(pair: tuple[TCPTransport, socket.socket]) -> None:
    """From the start of the room, and 0 once the peer has closed."""
    transport, peer = pair
    peer.sendall(b"abc")
    room = memoryview(bytearray(8))

    count = transport.receive_into(room)
    peer.close()

    assert (count, bytes(room[:3])) == (3, b"abc")
    assert transport.receive_into(room) == 0


def test_what_is_ready_is_received_without_waiting(
    pair: tuple[TCPTransport, socket.socket],
) -> None:
    """None at once if nothing is."""
    transport, peer = pair
    room = memoryview(bytearray(8))

    assert transport.receive_ready(room) is None
    peer.sendall(b"xy")
    assert transport.receive_ready(room) == 2
    peer.close()
    assert transport.receive_ready(room) == 0


def test_everything_is_sent(pair: tuple[TCPTransport, socket.socket]) -> None:
    """In one piece for whoever reads."""
    transport, peer = pair

    transport.send_all(b"response")

    assert peer.recv(100) == b"response"


def test_a_limit_ends_a_receive(pair: tuple[TCPTransport, socket.socket]) -> None:
    """And a limit of nothing is the shortest one, not none."""
    transport, _ = pair
    transport.set_timeout(0.0)

    with pytest.raises(TimeoutError, match="nothing received"):
        transport.receive_into(memoryview(bytearray(8)))


def test_a_limit_ends_a_send(pair: tuple[TCPTransport, socket.socket]) -> None:
    """Where the peer takes nothing."""
    transport, _ = pair
    transport.set_timeout(0.05)

    with pytest.raises(TimeoutError, match="nothing taken"):
        transport.send_all(bytes(1 << 24))


@pytest.mark.parametrize("no_limit", [None, 1e12])
def test_a_limit_is_lifted(
    no_limit: float | None, pair: tuple[TCPTransport, socket.socket]
) -> None:
    """By none, and by one beyond the kernel's arithmetic."""
    transport, peer = pair
    transport.set_timeout(0.01)

    transport.set_timeout(no_limit)

    limit = socket.socket(fileno=socket.dup(transport.fileno()))
    with limit:
        assert limit.getsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, 16) == bytes(16)
    peer.sendall(b"x")
    assert transport.receive_into(memoryview(bytearray(8))) == 1


def test_parting_leaves_the_connection_open(pair: tuple[TCPTransport, socket.socket]) -> None:
    """The peer is to close it, PS3.8 9.2.3; closing is another call."""
    transport, peer = pair

    transport.part()
    peer.setblocking(False)
    with pytest.raises(BlockingIOError):
        peer.recv(1)
    transport.close()

    assert peer.recv(1) == b""


def test_an_unchanged_limit_costs_no_system_call(
    pair: tuple[TCPTransport, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is set before every receive, and nearly always the same."""
    transport, _ = pair
    transport.set_timeout(5.0)
    begun = time.monotonic()
    monkeypatch.setattr("storescp.serve.transport._pack_timeval", None)

    transport.set_timeout(5.0)

    assert time.monotonic() - begun < 5
