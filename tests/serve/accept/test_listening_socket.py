"""The port: families, what is said where it cannot be had, and options of accepted sockets."""

import socket
from contextlib import closing

import pytest

from storescp.errors import NetworkUnavailable
from storescp.serve.accept.listening_socket import bind, listen, prepare
from storescp.serve.accept.settings import IPVersion, ListenAddress


def open_port(address: ListenAddress) -> socket.socket:
    bound = bind(address)
    listen(bound, address)
    return bound


def _connects(family: socket.AddressFamily, address: str, port: int) -> bool:
    with socket.socket(family, socket.SOCK_STREAM) as client:
        client.settimeout(10)
        return client.connect_ex((address, port)) == 0


@pytest.mark.parametrize(
    ("version", "over_ipv4", "over_ipv6"),
    [
        (IPVersion.IPV4, True, False),
        (IPVersion.IPV6, False, True),
        (IPVersion.BOTH, True, True),
    ],
)
def test_families(version: IPVersion, *, over_ipv4: bool, over_ipv6: bool) -> None:
    """Peers of the chosen family get through, and no others."""
    with closing(open_port(ListenAddress(0, version))) as listening:
        port = listening.getsockname()[1]

        assert _connects(socket.AF_INET, "127.0.0.1", port) is over_ipv4
        assert _connects(socket.AF_INET6, "::1", port) is over_ipv6


def test_listening_does_not_block() -> None:
    """Whoever accepts without a peer is told so at once."""
    with closing(open_port(ListenAddress(0))) as listening, pytest.raises(BlockingIOError):
        listening.accept()


def test_a_port_that_is_taken() -> None:
    """The reference's words, and a note that names the port and how to find who has it."""
    with closing(open_port(ListenAddress(0))) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(NetworkUnavailable) as caught:
            open_port(ListenAddress(port))

    assert str(caught.value) == (
        "cannot create network: 0006:031c TCP Initialization Error: Address already in use"
    )
    assert caught.value.__notes__ == [
        f"Another program listens on port {port}; `ss -lntp` shows which."
    ]


def test_a_bound_port_takes_no_peers_yet() -> None:
    """`bind` only finds out whether the port can be had."""
    with closing(bind(ListenAddress(0))) as bound:
        assert not _connects(socket.AF_INET, "127.0.0.1", bound.getsockname()[1])


def test_accepted_sockets_do_not_wait_for_acknowledgements(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nagle's algorithm is off; the buffers have the size of the environment, in kilobytes."""
    monkeypatch.setenv("TCP_BUFFER_LENGTH", "8")
    with socket.socket() as connected:
        usual = connected.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)

        prepare(connected)

        assert connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
        size = connected.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        assert size in (8 * 1024, 2 * 8 * 1024)  # Linux doubles what is asked for
        assert size != usual


def test_a_size_that_is_no_number_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the reference does."""
    monkeypatch.setenv("TCP_BUFFER_LENGTH", "large")
    with socket.socket() as connected:
        usual = connected.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)

        prepare(connected)

        assert connected.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) == usual


def test_a_peer_that_has_gone_is_met_later() -> None:
    """Options that cannot be set are no error; the first receive says what happened."""
    connected = socket.socket()
    connected.close()

    with pytest.raises(OSError, match="Bad file descriptor"):
        connected.recv(1)
    with socket.socket(socket.AF_UNIX) as other_kind:
        prepare(other_kind)
        assert other_kind.gettimeout() is None
