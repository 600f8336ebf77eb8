"""The TLS handshake and the request inside TLS, waited for aside: with a client whose bytes are moved by hand."""

import select
import socket
import ssl
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from storescp.errors import HandshakeFailed
from storescp.serve.accept.request_reader import Progress
from storescp.serve.accept.tls_request_reader import TLSRequestReader
from storescp.serve.tls.choices import PeerAuthentication
from storescp.serve.tls.context import ServerContext
from storescp.serve.tls.settings import TLSSettings
from tests.end_to_end.conversation import CONTEXTS
from tests.peers.authority import Authority
from tests.peers.requestor import associate_request

REQUEST = associate_request(CONTEXTS)
LONGEST = 200_000


class Client:
    """A TLS client that says as much as it is told to; and the reader that waits for it."""

    def __init__(self, context: ServerContext) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.plain = socket.create_connection(listener.getsockname(), timeout=10)
            self.accepted, _ = listener.accept()
        self.reader = TLSRequestReader(self.accepted, context, LONGEST)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        ours = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        ours.check_hostname = False
        ours.verify_mode = ssl.CERT_NONE
        self.tls = ours.wrap_bio(self._incoming, self._outgoing)

    def send(self, data: bytes = b"") -> None:
        """Send data in TLS, or what the handshake has to say."""
        if data:
            self.tls.write(data)
        self.plain.sendall(self._outgoing.read())

    def shake(self) -> bool:
        """Go on with the handshake; tell whether it is over for us."""
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            self.send()
            return False
        self.send()
        return True

    def receive(self) -> None:
        self._incoming.write(self.plain.recv(1 << 16))

    def read(self) -> bytes:
        while True:
            try:
                return self.tls.read(1 << 16)
            except ssl.SSLWantReadError:
                self.receive()

    def establish(self) -> Progress:
        """Make the handshake; return what the reader says last."""
        progress = Progress.WAITING
        while not self.shake():
            progress = self.advance()
            self.receive()
        return self.advance() if progress is not Progress.SECURED else progress

    def advance(self) -> Progress:
        """Have the reader look, once there is something to see."""
        poll = select.poll()
        poll.register(self.accepted, self.reader.events)
        assert poll.poll(5000)
        return self.reader.advance()

    def close(self) -> None:
        self.plain.close()
        self.reader.close()


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    key, certificate = Authority(key="p256").issue("server", key="p256").save(tmp_path)
    settings = TLSSettings(key, certificate)
    peer = Client(ServerContext(replace(settings, peer_authentication=PeerAuthentication.IGNORED)))
    yield peer
    peer.close()


def test_nothing_is_waited_for(client: Client) -> None:
    """Each look returns at once, whatever is missing."""
    assert client.reader.advance() is Progress.HANDSHAKING
    client.shake()
    assert client.advance() is Progress.HANDSHAKING
    assert client.reader.advance() is Progress.HANDSHAKING


def test_a_handshake_then_a_request(client: Client) -> None:
    """The request is complete with its last byte; whoever serves it gets all of it, and what follows."""
    assert client.establish() is Progress.SECURED
    assert client.reader.advance() is Progress.WAITING
    client.send(REQUEST[:3])
    assert client.advance() is Progress.BEGUN
    client.send(REQUEST[3:-1])
    assert client.advance() is Progress.BEGUN
    client.send(REQUEST[-1:] + b"more")
    assert client.advance() is Progress.COMPLETE

    transport = client.reader.transport()
    transport.set_timeout(5)
    room = memoryview(bytearray(1 << 16))
    received = b""
    while len(received) < len(REQUEST) + 4:
        received += bytes(room[: transport.receive_into(room)])
    assert received == REQUEST + b"more"
    transport.send_all(b"answer")
    assert client.read() == b"answer"


def test_a_small_room_takes_what_was_read_before_in_parts(client: Client) -> None:
    """Nothing of it is lost, and then the connection itself is read."""
    client.establish()
    client.send(REQUEST)
    assert client.advance() is Progress.COMPLETE
    transport = client.reader.transport()
    transport.set_timeout(5)
    room = memoryview(bytearray(7))

    received = b""
    while len(received) < len(REQUEST):
        received += bytes(room[: transport.receive_into(room)])
    assert transport.receive_ready(room) is None

    assert received == REQUEST


def test_the_last_word_is_encrypted(client: Client) -> None:
    """A rejection reaches the peer inside TLS, followed by the end of it."""
    client.establish()
    client.send(REQUEST)
    assert client.advance() is Progress.COMPLETE

    client.reader.send_last(b"rejected")

    assert client.read() == b"rejected"
    assert client.read() == b""  # close_notify


@pytest.mark.parametrize(
    ("sent", "progress"),
    [(b"", Progress.CLOSED), (REQUEST[:5], Progress.CLOSED), (REQUEST[:6], Progress.BROKEN_OFF)],
)
def test_a_peer_that_closes(client: Client, sent: bytes, progress: Progress) -> None:
    """Whether it had begun its request is known."""
    client.establish()
    if sent:
        client.send(sent)
        assert client.advance() is Progress.BEGUN
    client.plain.close()

    assert client.advance() is progress


def test_what_is_no_request_is_complete_at_once(client: Client) -> None:
    """It will be refused, by whoever serves it."""
    client.establish()
    client.send(b"GET / HTTP/1.0\r\n\r\n")

    assert client.advance() is Progress.COMPLETE


def test_a_long_request_is_held_up_to_a_limit(client: Client) -> None:
    """The rest is left to whoever serves it."""
    client.establish()
    header = b"\x01\0" + (LONGEST - 10).to_bytes(4, "big")
    client.tls.write(header + bytes(LONGEST - 10))
    data = memoryview(client._outgoing.read())
    client.plain.settimeout(0)
    progress = Progress.WAITING
    while data:
        try:
            data = data[client.plain.send(data) :]
        except BlockingIOError:
            continue
        finally:
            progress = client.reader.advance()
        if progress is Progress.COMPLETE:
            break

    assert progress is Progress.COMPLETE
    assert len(client.reader._early) == 128 * 1024


def test_what_is_no_handshake_fails(client: Client) -> None:
    """At once; nothing in clear text is answered."""
    client.plain.sendall(REQUEST)

    with pytest.raises(HandshakeFailed, match="wrong version number"):
        client.advance()
    client.reader.close()
    assert client.plain.recv(100)[:1] in (b"", b"\x15")  # nothing, or an alert


def test_a_handshake_has_its_time_a_request_is_not_a_handshake(client: Client) -> None:
    """What is said when the time is over depends on what is missing."""
    client.shake()
    client.advance()
    assert isinstance(client.reader.time_out(), HandshakeFailed)

    client.reader._is_secured = True
    assert client.reader.time_out() is None


def test_nobody_else_can_serve_it(client: Client) -> None:
    """But this process, and those that it forks."""
    assert client.reader.is_private
    assert not client.reader.is_unread()
