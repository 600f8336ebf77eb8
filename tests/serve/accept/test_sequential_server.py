"""One association after the other: what the acceptor gives is served, and lingers if its peer is to close."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from storescp.serve.accept.acceptor import Disposition, PendingPeer
from storescp.serve.accept.request_reader import PlainRequestReader
from storescp.serve.accept.sequential_server import SequentialServer
from storescp.serve.process.signals import Stopped


class FakeAcceptor:
    """Gives a list of peers in each turn, then stops the program; keeps what it is told."""

    def __init__(self, *turns: list[PendingPeer]) -> None:
        self._turns = iter(turns)
        self.waited_until: list[float | None] = []
        self.watched_until: list[float | None] = []
        self.lingering: list[PendingPeer] = []
        self.closed = False

    def wait(self, until: float | None) -> set[int]:
        self.waited_until.append(until)
        self._turn = next(self._turns, None)
        if self._turn is None:
            raise Stopped(15)
        return {peer.connected.fileno() for peer in self._turn}

    def wait_for_watched(self, until: float | None) -> None:
        self.watched_until.append(until)

    def asking(self, ready: set[int]) -> Iterator[PendingPeer]:
        for peer in self._turn or ():
            assert peer.connected.fileno() in ready
            yield peer

    def linger(self, peer: PendingPeer) -> None:
        self.lingering.append(peer)

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def peers() -> Iterator[list[PendingPeer]]:
    sockets = [socket.socket() for _ in range(3)]
    yield [
        PendingPeer(each, f"10.0.0.{number}", PlainRequestReader(each, 5000))
        for number, each in enumerate(sockets)
    ]
    for each in sockets:
        each.close()


def server(acceptor: Any, **callables: Any) -> SequentialServer:
    return SequentialServer(acceptor, **callables)


def test_peers_are_served_in_the_order_in_which_they_come(peers: list[PendingPeer]) -> None:
    """Those of one turn, and those of the next."""
    served: list[str] = []
    acceptor = FakeAcceptor(peers[:2], [], peers[2:])

    def serve(peer: PendingPeer) -> Disposition:
        served.append(peer.address)
        return Disposition.DONE

    with pytest.raises(Stopped):
        server(acceptor, serve=serve, expire=lambda: None).run()

    assert served == ["10.0.0.0", "10.0.0.1", "10.0.0.2"]
    assert acceptor.lingering == []


def test_who_is_to_close_lingers(peers: list[PendingPeer]) -> None:
    """The connection goes back to the acceptor, which waits for the end of it."""
    acceptor = FakeAcceptor(peers)
    dispositions = iter([Disposition.DONE, Disposition.LINGER, Disposition.DONE])

    with pytest.raises(Stopped):
        server(acceptor, serve=lambda _: next(dispositions), expire=lambda: None).run()

    assert acceptor.lingering == [peers[1]]


def test_what_is_due_is_done_before_each_wait(peers: list[PendingPeer]) -> None:
    """And says until when nothing else is due."""
    due = iter([3.0, None, 7.0])
    acceptor = FakeAcceptor(peers[:1], [])

    with pytest.raises(Stopped):
        server(acceptor, serve=lambda _: Disposition.DONE, expire=lambda: next(due)).run()

    assert acceptor.waited_until == [3.0, None, 7.0]


def test_a_pause_lets_nobody_in(peers: list[PendingPeer]) -> None:
    """Only what is watched is waited for, until the pause is over."""
    pauses = iter([True, True, False, False])
    acceptor = FakeAcceptor(peers[:1])
    served: list[str] = []

    def serve(peer: PendingPeer) -> Disposition:
        served.append(peer.address)
        return Disposition.DONE

    with pytest.raises(Stopped):
        server(acceptor, serve=serve, expire=lambda: 5.0, is_paused=lambda: next(pauses)).run()

    assert acceptor.watched_until == [5.0, 5.0]
    assert served == ["10.0.0.0"]


def test_closing_gives_up_the_port() -> None:
    """By closing the acceptor, which has it."""
    acceptor = FakeAcceptor()

    server(acceptor, serve=lambda _: Disposition.DONE, expire=lambda: None).close(0.0)

    assert acceptor.closed
