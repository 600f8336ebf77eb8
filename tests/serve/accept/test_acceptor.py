"""The acceptor on a port of its own: who comes, who asks, who is late, and who is to close."""

import socket
from collections.abc import Callable, Iterator

import pytest

from storescp.errors import HandshakeFailed
from storescp.serve.accept.acceptor import Acceptor, PendingPeer
from storescp.serve.accept.capacity import Capacity
from storescp.serve.accept.pending_connections import PendingConnections
from storescp.serve.accept.request_reader import PlainRequestReader, RequestReader
from storescp.serve.process.signals import Signals
from tests.end_to_end.conversation import CONTEXTS
from tests.peers.requestor import associate_request

REQUEST = associate_request(CONTEXTS)
ACSE_TIMEOUT = 30.0


class Scene:
    """An acceptor with a clock that is set, and its peers."""

    def __init__(
        self,
        *,
        admits: Callable[[str, int], bool] | None = None,
        make_reader: Callable[[socket.socket], RequestReader] | None = None,
    ) -> None:
        self.now = 100.0
        self.silent: list[str] = []
        self.closed: list[tuple[str, bool]] = []
        self.failures: list[tuple[str, str]] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._listening.settimeout(0)
        self._open: list[socket.socket] = []
        self.acceptor = Acceptor(
            self._listening,
            Signals(),
            silent=PendingConnections(lambda: self.now, acse_timeout=ACSE_TIMEOUT),
            lingering=PendingConnections(lambda: self.now, acse_timeout=ACSE_TIMEOUT),
            capacity=Capacity(silent=3, lingering=2),
            make_reader=make_reader or (lambda connected: PlainRequestReader(connected, 5000)),
            admits=admits,
            observer=self,
            clock=lambda: self.now,
        )

    def was_silent(self, address: str) -> None:
        self.silent.append(address)

    def has_closed(self, address: str, *, header_received: bool) -> None:
        self.closed.append((address, header_received))

    def handshake_failed(self, address: str, error: HandshakeFailed) -> None:
        self.failures.append((address, str(error)))

    def connect(self) -> socket.socket:
        client = socket.create_connection(self._listening.getsockname(), timeout=10)
        self._open.append(client)
        return client

    def turn(self, times: int = 1) -> list[PendingPeer]:
        """Wait so many times, 10 seconds at most by the system's clock; return who asks."""
        found: list[PendingPeer] = []
        for _ in range(times):
            found += self.acceptor.asking(self.acceptor.wait(self.now + 10))
        self._open += [peer.connected for peer in found]
        return found

    def late(self) -> None:
        """Let the time of those that wait be over."""
        self.now += ACSE_TIMEOUT + 1
        list(self.acceptor.asking(self.acceptor.wait(self.now)))

    def close(self) -> None:
        self.acceptor.close()
        for each in self._open:
            each.close()


@pytest.fixture
def scene() -> Iterator[Scene]:
    scene = Scene()
    yield scene
    scene.close()


def test_who_asks_is_given_to_whoever_serves(scene: Scene) -> None:
    """Once the whole request is there, of which nobody has read anything."""
    client = scene.connect()
    assert scene.turn() == []
    client.sendall(REQUEST[:50])
    client.sendall(REQUEST[50:])

    peers = scene.turn(2) or scene.turn()

    assert [peer.address for peer in peers] == ["127.0.0.1"]
    assert scene.acceptor.asks(peers[0])
    assert peers[0].connected.recv(len(REQUEST)) == REQUEST
    assert not scene.acceptor.asks(peers[0])


def test_who_is_silent_is_closed(scene: Scene) -> None:
    """After the time for the request; whoever reports hears of it."""
    client = scene.connect()
    scene.turn()

    scene.late()

    assert client.recv(1) == b""
    assert scene.silent == ["127.0.0.1"]


@pytest.mark.parametrize(
    ("sent", "header_received"),
    [(b"", False), (REQUEST[:3], False), (REQUEST[:50], True)],
    ids=["probe", "part of a header", "part of a request"],
)
def test_who_closes_before_asking(sent: bytes, header_received: bool, scene: Scene) -> None:
    """A probe is told from a request that broke off, as the reference does."""
    client = scene.connect()
    scene.turn()
    client.sendall(sent)
    client.close()

    for _ in range(3):
        if scene.closed:
            break
        scene.turn()

    assert scene.closed == [("127.0.0.1", header_received)]


def test_who_may_not_come_is_closed_at_once() -> None:
    """Access is asked with the address, and with how many of it wait here already."""
    asked: list[tuple[str, int]] = []

    def admits(address: str, waiting: int) -> bool:
        asked.append((address, waiting))
        return waiting < 1

    scene = Scene(admits=admits)
    first, second = scene.connect(), scene.connect()

    scene.turn(2)

    assert asked == [("127.0.0.1", 0), ("127.0.0.1", 1)]
    assert second.recv(1) == b""
    first.setblocking(False)
    with pytest.raises(BlockingIOError):
        first.recv(1)
    scene.close()


def test_who_cannot_have_tls_is_closed() -> None:
    """The failure goes to whoever reports it."""

    def refuse(_: socket.socket) -> RequestReader:
        raise HandshakeFailed("no memory for TLS")

    scene = Scene(make_reader=refuse)
    client = scene.connect()

    scene.turn()

    assert client.recv(1) == b""
    assert scene.failures == [("127.0.0.1", "no memory for TLS")]
    scene.close()


def test_who_was_served_is_to_close(scene: Scene) -> None:
    """What it sends meanwhile is taken and forgotten; when it closes, so does the acceptor."""
    client = scene.connect()
    client.sendall(REQUEST)
    (peer,) = scene.turn() or scene.turn()

    scene.acceptor.linger(peer)
    client.sendall(b"more")
    scene.turn()
    assert peer.connected.fileno() != -1
    client.close()
    scene.turn()

    assert peer.connected.fileno() == -1


def test_who_never_closes_is_closed(scene: Scene) -> None:
    """After the same time that a request has."""
    client = scene.connect()
    client.sendall(REQUEST)
    (peer,) = scene.turn() or scene.turn()
    scene.acceptor.linger(peer)

    scene.late()

    assert peer.connected.fileno() == -1


def test_what_is_watched_is_called(scene: Scene) -> None:
    """Whenever it is readable, as part of a turn."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        called: list[bytes] = []
        scene.acceptor.watch(ours.fileno(), lambda: called.append(ours.recv(10)))
        theirs.sendall(b"event")

        scene.turn()

    assert called == [b"event"]


def test_closing_gives_up_everything(scene: Scene) -> None:
    """The port, and every connection that waits."""
    waiting = scene.connect()
    scene.turn()
    address = scene._listening.getsockname()

    scene.acceptor.close()

    assert waiting.recv(1) == b""
    with socket.socket() as client:
        assert client.connect_ex(address) != 0


def test_who_comes_together_is_let_in_together(scene: Scene) -> None:
    """In one turn, as far as there is room; the rest stays with the system."""
    for _ in range(5):
        scene.connect()

    scene.turn()

    assert len(scene.acceptor._silent) == 3


def test_who_has_waited_longest_gives_way_to_who_comes(scene: Scene) -> None:
    """But not at once: peers of a burst have a second to speak."""
    first = scene.connect()
    scene.turn()
    for _ in range(3):
        scene.connect()
    scene.turn()
    scene.now += 0.5
    assert len(scene.acceptor._silent) == 3
    first.setblocking(False)
    with pytest.raises(BlockingIOError):
        first.recv(1)

    scene.now += 0.6
    scene.turn()

    assert len(scene.acceptor._silent) == 3
    assert first.recv(1) == b""
