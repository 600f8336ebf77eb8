"""The wait for an A-ASSOCIATE-RQ on plain TCP: complete, in parts, broken off, refused."""

import select
import socket
import struct
import time
from collections.abc import Iterator

import pytest

from storescp.serve.accept.request_reader import PlainRequestReader, Progress
from storescp.serve.transport import Transport
from tests.end_to_end.conversation import CONTEXTS
from tests.peers.requestor import associate_request

REQUEST = associate_request(CONTEXTS)
LONGEST = 5000


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A TCP connection: the peer's side, and ours."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    yield peer, ours
    peer.close()
    ours.close()


def received(transport: Transport, count: int = 1 << 16) -> bytes:
    room = memoryview(bytearray(count))
    return bytes(room[: transport.receive_into(room)])


def is_readable(connected: socket.socket, seconds: float) -> bool:
    """Tell whether poll finds a connection readable within `seconds`."""
    poll = select.poll()
    poll.register(connected, select.POLLIN)
    return bool(poll.poll(int(seconds * 1000)))


def test_a_whole_request_is_due_at_once(pair: tuple[socket.socket, socket.socket]) -> None:
    """As nearly always: it comes in one piece. What follows it does not matter."""
    peer, ours = pair
    reader = PlainRequestReader(ours, LONGEST)
    peer.sendall(REQUEST + b"more")

    assert is_readable(ours, 5)
    assert reader.advance() is Progress.COMPLETE
    assert received(reader.transport()) == REQUEST + b"more"


def test_a_part_of_a_request_is_waited_for_by_the_kernel(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    """Byte by byte, it wakes us a few times only; then it can be received as ever."""
    peer, ours = pair
    reader = PlainRequestReader(ours, LONGEST)
    looks = 0
    for byte in REQUEST[:-1]:
        peer.sendall(bytes([byte]))
        if is_readable(ours, 0.005):
            looks += 1
            assert reader.advance() is Progress.BEGUN
    assert looks == 2  # the first byte, the header
    peer.sendall(REQUEST[-1:])

    assert is_readable(ours, 5)
    assert reader.advance() is Progress.COMPLETE
    transport = reader.transport()
    assert received(transport, 10) == REQUEST[:10]
    peer.sendall(b"x")
    assert received(transport) == REQUEST[10:] + b"x"


@pytest.mark.parametrize(
    "begun",
    [
        b"GET / HTTP/1.0",
        b"\x16\x03\x01\0\x80\x01",
        b"\x04\0\0\0\0\x04",
        struct.pack(">BxI", 1, LONGEST + 1),
        struct.pack(">BxI", 1, 0xFFFFFFFF),
    ],
    ids=["HTTP", "TLS", "another PDU", "too long", "much too long"],
)
def test_what_will_be_refused_is_due_at_once(
    pair: tuple[socket.socket, socket.socket], begun: bytes
) -> None:
    """There is nothing to wait for."""
    peer, ours = pair
    reader = PlainRequestReader(ours, LONGEST)
    peer.sendall(begun)

    assert is_readable(ours, 5)
    assert reader.advance() is Progress.COMPLETE


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize(
    ("begun", "progress"),
    [
        (b"", Progress.CLOSED),
        (REQUEST[:1], Progress.CLOSED),
        (b"G", Progress.CLOSED),
        (REQUEST[:5], Progress.CLOSED),
        (REQUEST[:6], Progress.BROKEN_OFF),
        (REQUEST[:-1], Progress.BROKEN_OFF),
    ],
    ids=["nothing", "one byte", "another byte", "part of a header", "a header", "all but one byte"],
)
def test_a_peer_that_closes(
    pair: tuple[socket.socket, socket.socket], begun: bytes, progress: Progress, reset: bool
) -> None:
    """It will not send the rest; whether it had begun its request is known."""
    peer, ours = pair
    reader = PlainRequestReader(ours, LONGEST)
    peer.sendall(begun)
    while begun and is_readable(ours, 0.1):
        assert reader.advance() in (Progress.WAITING, Progress.BEGUN)
    if reset:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()
    else:
        peer.shutdown(socket.SHUT_WR)

    found = Progress.WAITING
    for _ in range(4):
        assert is_readable(ours, 5)
        if (found := reader.advance()) not in (Progress.WAITING, Progress.BEGUN):
            break

    assert found is progress


def test_a_whole_request_of_a_peer_that_closes(pair: tuple[socket.socket, socket.socket]) -> None:
    """A peer may finish sending at once: it is served all the same."""
    peer, ours = pair
    reader = PlainRequestReader(ours, LONGEST)
    peer.sendall(REQUEST)
    peer.shutdown(socket.SHUT_WR)
    time.sleep(0.05)  # both are there, or the test proves less

    assert is_readable(ours, 5)
    assert reader.advance() is Progress.COMPLETE


@pytest.mark.parametrize(
    ("sent", "is_unread"),
    [
        (REQUEST, True),
        (REQUEST + b"more", True),
        (REQUEST[:-1], False),
        (b"\x16\x03\x01\0\x80\x01", False),
        (b"\x04\0\0\0\0\0", False),
        (b"", False),
    ],
)
def test_who_has_read_nothing_of_a_request(
    sent: bytes, is_unread: bool, pair: tuple[socket.socket, socket.socket]
) -> None:
    """A connection that begins as one does can be served by somebody else; what is asked takes nothing away."""
    peer, ours = pair
    reader = PlainRequestReader(ours, LONGEST)
    peer.sendall(sent)
    if sent:
        assert is_readable(ours, 5)

    assert reader.is_unread() is is_unread
    if sent:
        assert ours.recv(1 << 16) == sent
    peer.close()
    assert is_readable(ours, 5)
    assert not reader.is_unread()
