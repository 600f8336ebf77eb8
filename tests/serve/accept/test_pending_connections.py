"""The waiting room: who is to be served, who goes on waiting, who gives way."""

import select
import socket
import struct
from collections.abc import Iterator

import pytest

from storescp.serve.accept.pending_connections import WaitingRoom
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


def is_readable(connected: socket.socket, seconds: float) -> bool:
    """Tell whether poll finds a connection readable within `seconds`."""
    poll = select.poll()
    poll.register(connected, select.POLLIN)
    return bool(poll.poll(int(seconds * 1000)))


def test_a_whole_request_is_due_at_once(pair: tuple[socket.socket, socket.socket]) -> None:
    """As nearly always: it comes in one piece. What follows it does not matter."""
    peer, ours = pair
    room = WaitingRoom(lambda: 0.0, longest_request=LONGEST)
    room.add(ours, 30, "10.1.2.3")
    peer.sendall(REQUEST + b"more")

    assert is_readable(ours, 5)
    assert room.is_due(ours.fileno())
    assert room.take(ours.fileno()) is ours


def test_a_part_of_a_request_is_waited_for_by_the_kernel(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    """Byte by byte, it wakes us a few times only; then it can be received as ever."""
    peer, ours = pair
    room = WaitingRoom(lambda: 0.0, longest_request=LONGEST)
    room.add(ours, 30, "10.1.2.3")
    looks = 0
    for byte in REQUEST[:-1]:
        peer.sendall(bytes([byte]))
        if is_readable(ours, 0.005):
            looks += 1
            assert not room.is_due(ours.fileno())
    assert looks == 2  # the first byte, the header
    peer.sendall(REQUEST[-1:])

    assert is_readable(ours, 5)
    assert room.is_due(ours.fileno())
    taken = room.take(ours.fileno())
    assert taken.recv(10) == REQUEST[:10]
    peer.sendall(b"x")
    assert taken.recv(1 << 16) == REQUEST[10:] + b"x"


@pytest.mark.parametrize(
    "begun",
    [
        b"G",
        b"\x16\x03\x01",
        b"\x04\0",
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
    room = WaitingRoom(lambda: 0.0, longest_request=LONGEST)
    room.add(ours, 30, "10.1.2.3")
    peer.sendall(begun)

    assert is_readable(ours, 5)
    assert room.is_due(ours.fileno())


@pytest.mark.parametrize("begun", [b"", REQUEST[:1], REQUEST[:6], REQUEST[:-1]])
def test_a_peer_that_closes_is_due(pair: tuple[socket.socket, socket.socket], begun: bytes) -> None:
    """It will not send the rest, and must not keep us awake."""
    peer, ours = pair
    room = WaitingRoom(lambda: 0.0, longest_request=LONGEST)
    room.add(ours, 30, "10.1.2.3")
    peer.sendall(begun)
    peer.shutdown(socket.SHUT_WR)

    for _ in range(4):
        assert is_readable(ours, 5)
        if room.is_due(ours.fileno()):
            break
    else:
        pytest.fail("it is looked at for ever")


def test_who_waits_longest_gives_way_but_not_who_speaks() -> None:
    """Those that are ready are spared; None if all of them are."""
    room = WaitingRoom(lambda: 0.0)
    waiting = [socket.socket() for _ in range(3)]
    for connected in waiting:
        room.add(connected, 30, "10.1.2.3")
    numbers = [connected.fileno() for connected in waiting]

    assert room.oldest() == numbers[0]
    assert room.oldest(but=numbers[:2]) == numbers[2]
    assert room.oldest(but=numbers) is None
    assert room.give_way(numbers[0]) is waiting[0]
    assert room.descriptors() == numbers[1:]
    for connected in waiting:
        connected.close()


def test_what_is_missing_has_its_own_time(pair: tuple[socket.socket, socket.socket]) -> None:
    """Once a request has begun, the limit for the socket counts as well; it never makes the time longer."""
    peer, ours = pair
    now = 100.0
    room = WaitingRoom(lambda: now, patience=2)
    room.add(ours, 30, "10.1.2.3")
    assert room.deadline() == 130
    peer.sendall(REQUEST[:10])
    assert is_readable(ours, 5)

    now = 105
    assert not room.is_due(ours.fileno())

    assert room.deadline() == 107
    now = 107
    assert room.expired() == [ours]


@pytest.mark.parametrize(
    ("sent", "asks"),
    [
        (REQUEST, True),
        (REQUEST + b"more", True),
        (REQUEST[:-1], False),
        (b"\x16\x03\x01", True),
        (b"\x04\0\0\0\0\0", False),
        (b"", False),
    ],
)
def test_who_has_read_nothing_of_a_request(
    sent: bytes, asks: bool, pair: tuple[socket.socket, socket.socket]
) -> None:
    """A connection that begins as one does can be served by somebody else; what is asked takes nothing away."""
    peer, ours = pair
    room = WaitingRoom(lambda: 0.0, longest_request=LONGEST)
    peer.sendall(sent)
    if sent:
        assert is_readable(ours, 5)

    assert room.asks(ours) is asks
    if sent:
        assert ours.recv(1 << 16) == sent
    peer.close()
    assert is_readable(ours, 5)
    assert not room.asks(ours)
