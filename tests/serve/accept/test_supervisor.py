"""The supervisor's turn, with a handler that keeps what it hears and workers that are the other ends of socket pairs."""

import logging
import os
import pickle
import select
import socket
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from storescp.serve.accept import supervisor as supervisor_module
from storescp.serve.accept.acceptor import Disposition, PendingPeer
from storescp.serve.accept.settings import WorkerSettings
from storescp.serve.accept.supervisor import Supervisor
from storescp.serve.accept.worker import DONE, LINGER, Passed
from storescp.serve.process.signals import Signals, Stopped
from storescp.upper_layer.admission import Admission
from storescp.upper_layer.pdu import AAssociateRJ

FIRST_PID = 1 << 30  # beyond every system's largest
ADMISSION = Admission(open_associations=3)


class FakeReader:
    """The reader of a peer: keeps what is sent, and whether it was closed."""

    events = select.POLLIN
    is_private = False

    def __init__(self, connected: socket.socket) -> None:
        self.connected = connected
        self.sent = b""
        self.closed = False

    def send_last(self, data: bytes) -> None:
        self.sent += data

    def close(self) -> None:
        self.closed = True
        self.connected.close()


class FakeAcceptor:
    """Gives the peers of each turn; after the last one the program is asked to stop."""

    def __init__(self) -> None:
        self.turns: list[Callable[[], list[PendingPeer]]] = []
        self.lingering: list[PendingPeer] = []
        self.unread = True
        self.accepting: list[bool] = []
        self.waited_until: list[float | None] = []
        self.closed = False

    def wait(self, until: float | None, *, accepting: bool, others: Mapping[int, int]) -> set[int]:
        self.waited_until.append(until)
        self.accepting.append(accepting)
        if not self.turns:
            raise Stopped(15)
        self._peers = self.turns.pop(0)()
        poll = select.poll()
        for descriptor, events in others.items():
            poll.register(descriptor, events)
        return {descriptor for descriptor, _ in poll.poll(0)}

    def asking(self, _: set[int]) -> Iterator[PendingPeer]:
        yield from self._peers

    def asks(self, _: PendingPeer) -> bool:
        return self.unread

    def linger(self, peer: PendingPeer) -> None:
        self.lingering.append(peer)

    def close(self) -> None:
        self.closed = True


class FakeHandler:
    """Admits everybody on the same terms, and keeps what it hears."""

    def __init__(self) -> None:
        self.left = 0
        self.rejected: list[tuple[str, AAssociateRJ]] = []
        self.lost: list[int] = []

    def admit(self, _: str) -> tuple[Admission, Callable[[], None]]:
        return ADMISSION, self._leave

    def _leave(self) -> None:
        self.left += 1

    def rejects(self, address: str, rejection: AAssociateRJ) -> None:
        self.rejected.append((address, rejection))

    def worker_lost(self, pid: int) -> None:
        self.lost.append(pid)

    def learn_name(self, address: str, name: str) -> None:
        raise AssertionError(f"nobody looked up {name} of {address}")


class FakeChildren:
    """The children of the process: known, and never ended."""

    def __init__(self) -> None:
        self.pids: list[int] = []

    def add(self, pid: int, _: Callable[[int], None]) -> None:
        self.pids.append(pid)


class Scene:
    """A supervisor and all that it meets."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.acceptor, self.handler, self.children = FakeAcceptor(), FakeHandler(), FakeChildren()
        self.now = 100.0
        self.controls: list[socket.socket] = []
        self.peers: list[PendingPeer] = []
        self.readers: list[FakeReader] = []
        self._clients: list[socket.socket] = []
        self._ours: list[socket.socket] = []
        self.fork_error: OSError | None = None
        make_pair = socket.socketpair

        def pair(*arguments: Any) -> tuple[socket.socket, socket.socket]:
            ours, theirs = make_pair(*arguments)
            if arguments[1:] == (socket.SOCK_SEQPACKET,):
                self.controls.append(theirs.dup())
                self._ours.append(ours)
            return ours, theirs

        def fork() -> int:
            if self.fork_error is not None:
                self.controls.pop().close()
                raise self.fork_error
            return FIRST_PID + len(self.children.pids)

        monkeypatch.setattr(socket, "socketpair", pair)
        monkeypatch.setattr(supervisor_module, "fork_flushed", fork)

    def peer(self, address: str = "10.0.0.1") -> PendingPeer:
        """Return a peer whose whole request is there."""
        client, connected = socket.socketpair()
        self._clients.append(client)
        reader: Any = FakeReader(connected)
        self.readers.append(reader)
        self.peers.append(PendingPeer(connected, address, reader))
        return self.peers[-1]

    def run(self, settings: WorkerSettings, *turns: Callable[[], list[PendingPeer]]) -> Supervisor:
        """Have a new supervisor take these turns."""
        acceptor: Any = self.acceptor
        handler: Any = self.handler
        children: Any = self.children
        supervisor = Supervisor(
            acceptor,
            Signals(),
            children,
            settings,
            handler,
            step=lambda: None,
            next_step=lambda: None,
            clock=lambda: self.now,
        )
        return self.go_on(supervisor, *turns)

    def go_on(self, supervisor: Supervisor, *turns: Callable[[], list[PendingPeer]]) -> Supervisor:
        self.acceptor.turns = list(turns)
        with pytest.raises(Stopped):
            supervisor.run()
        return supervisor

    def passed(self, worker: int) -> tuple[Passed, int]:
        """Return what a worker was passed: the message, and the inode of the connection."""
        message, descriptors, _, _ = socket.recv_fds(self.controls[worker], 1 << 20, 1)
        inode = os.fstat(descriptors[0]).st_ino
        os.close(descriptors[0])
        return pickle.loads(message), inode

    def close(self) -> None:
        for each in (
            *self.controls,
            *self._ours,
            *self._clients,
            *(peer.connected for peer in self.peers),
        ):
            each.close()


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    scene = Scene(monkeypatch)
    yield scene
    scene.close()


def none() -> list[PendingPeer]:
    return []


def test_workers_are_there_from_the_start(scene: Scene) -> None:
    """As many as were asked for, before anybody comes."""
    scene.run(WorkerSettings(3), none)

    assert len(scene.children.pids) == 3


def test_a_peer_goes_to_a_free_worker(scene: Scene) -> None:
    """With its address and the terms of its admission; the connection itself goes as a descriptor."""
    peer = scene.peer("10.0.0.7")

    scene.run(WorkerSettings(1), lambda: [peer])

    passed, inode = scene.passed(0)
    assert passed == Passed("10.0.0.7", ADMISSION)
    assert inode == os.fstat(peer.connected.fileno()).st_ino


@pytest.mark.parametrize(
    ("word", "disposition"), [(DONE, Disposition.DONE), (LINGER, Disposition.LINGER)]
)
def test_a_worker_is_done(word: bytes, disposition: Disposition, scene: Scene) -> None:
    """The supervisor closes its own descriptor, or waits for the peer to close; the worker serves the next peer."""
    first, second = scene.peer(), scene.peer()
    supervisor = scene.run(WorkerSettings(1), lambda: [first, second])
    assert supervisor.asking("10.0.0.1") == 1
    scene.passed(0)

    scene.controls[0].send(word)
    scene.go_on(supervisor, none)

    assert scene.handler.left == 1
    assert scene.readers[0].closed is (disposition is Disposition.DONE)
    assert (scene.acceptor.lingering == [first]) is (disposition is Disposition.LINGER)
    assert scene.passed(0)[1] == os.fstat(second.connected.fileno()).st_ino
    assert supervisor.asking("10.0.0.1") == 0


def test_surplus_peers_are_rejected(scene: Scene) -> None:
    """With A-ASSOCIATE-RJ, transient, temporary congestion, through what reads their requests; then they are to close."""
    first, second = scene.peer(), scene.peer("10.0.0.2")

    scene.run(WorkerSettings(1, queue_limit=0), lambda: [first, second])

    assert scene.readers[0].sent == b""
    assert scene.readers[1].sent == bytes.fromhex("03 00 00 00 00 04 00 02 03 01")
    [(address, rejection)] = scene.handler.rejected
    assert address == "10.0.0.2"
    assert [note.text for note in rejection.notes] == [
        "Association Rejected: 1 associations are served and 0 peers wait"
    ]
    assert scene.acceptor.lingering == [second]


def test_a_peer_that_waits_may_go(scene: Scene) -> None:
    """One that has closed its connection is forgotten before a worker is free for it."""
    first, second = scene.peer(), scene.peer()
    supervisor = scene.run(WorkerSettings(1), lambda: [first, second])

    scene._clients[1].close()
    scene.go_on(supervisor, none)

    assert scene.readers[1].closed
    assert supervisor.asking("10.0.0.1") == 0


@pytest.mark.parametrize("unread", [True, False])
def test_a_worker_is_lost(scene: Scene, *, unread: bool) -> None:
    """Its peer goes to another worker if nobody has read of its request; otherwise it is closed."""
    scene.acceptor.unread = unread
    peer = scene.peer()
    supervisor = scene.run(WorkerSettings(1), lambda: [peer])
    scene.passed(0)

    scene.controls[0].close()
    scene.go_on(supervisor, none)
    started_at_once = len(scene.children.pids) - 1
    scene.now += 1.0
    scene.go_on(supervisor, none)

    assert scene.handler.lost == [FIRST_PID]
    assert started_at_once == 0  # it may be that none lives long
    assert len(scene.children.pids) == 2
    assert scene.handler.left == 1
    assert scene.readers[0].closed is not unread
    if unread:
        assert scene.passed(1)[0].address == "10.0.0.1"


def test_workers_on_demand(scene: Scene) -> None:
    """None is there before a peer is; the one that was at work last serves the next; after 30 s idle ones are dismissed."""
    first, second, third = scene.peer(), scene.peer(), scene.peer()
    supervisor = scene.run(WorkerSettings(None, on_demand=True), none, lambda: [first, second])
    assert len(scene.children.pids) == 2
    for worker in (0, 1):
        scene.passed(worker)
        scene.controls[worker].send(DONE)
        scene.now += 1
        scene.go_on(supervisor, none)

    scene.go_on(supervisor, lambda: [third])
    scene.passed(1)
    scene.now += 40
    scene.go_on(supervisor, none)

    assert len(scene.children.pids) == 2
    assert scene.controls[0].recv(1) == b""  # dismissed
    assert scene.handler.lost == []


def test_the_limit_of_associations(scene: Scene) -> None:
    """Where it is reached, peers are let in and wait: for a child, or to be told that they are too many."""
    first, second = scene.peer(), scene.peer()

    scene.run(WorkerSettings(1, on_demand=True), lambda: [first, second], none)

    assert scene.acceptor.accepting == [True, True, True]
    assert len(scene.children.pids) == 1


def test_no_room_for_another_process(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    """The peer is closed, the reason is in the log, and the supervisor goes on."""
    scene.fork_error = OSError(11, "Resource temporarily unavailable")
    peer, other = scene.peer(), scene.peer()

    with caplog.at_level(logging.ERROR, "dcmtk.apps.storescp"):
        supervisor = scene.run(WorkerSettings(None, on_demand=True), lambda: [peer])
        scene.fork_error = None
        scene.go_on(supervisor, lambda: [other])

    assert scene.readers[0].closed
    assert caplog.messages == [
        "Cannot create association sub-process: Resource temporarily unavailable"
    ]
    assert len(scene.children.pids) == 1


def test_closing(scene: Scene) -> None:
    """The port is given up, who waits is closed, and workers are waited for until they have ended."""
    first, second = scene.peer(), scene.peer()
    supervisor = scene.run(WorkerSettings(1), lambda: [first, second])
    scene.controls[0].close()

    supervisor.close(scene.now + 5)

    assert scene.acceptor.closed
    assert scene.readers[1].closed
    assert scene.handler.lost == [FIRST_PID]
