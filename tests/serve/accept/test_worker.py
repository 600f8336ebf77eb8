"""Workers as their supervisor sees them, the messages between the two, and the loop of a worker."""

import os
import pickle
import signal
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from storescp.serve.accept.acceptor import Disposition, PendingPeer
from storescp.serve.accept.worker import (
    DONE,
    LINGER,
    LONGEST_REPLY,
    Passed,
    Worker,
    WorkerLoop,
    tell,
)
from storescp.serve.process.signals import Signals, Stopped
from storescp.upper_layer.admission import Admission

ADMISSION = Admission(open_associations=2, address="10.0.0.1")


def test_what_a_worker_says_can_be_told_apart() -> None:
    """A letter each."""
    assert DONE != LINGER
    assert {len(DONE), len(LINGER)} == {1}


def test_a_word_reaches_the_supervisor() -> None:
    """As one message; False when there is nobody any more."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        assert tell(theirs, LINGER + b"host")
        assert ours.recv(100) == LINGER + b"host"
        ours.close()
        assert not tell(theirs, DONE)


def test_a_new_worker_has_not_served_anybody() -> None:
    """It has been free since it began."""
    with socket.socket() as control:
        worker = Worker(7, control, 5.0, 5.0)

        assert worker.is_new
        worker.free_since = 9.0
        assert not worker.is_new


def test_what_is_passed_survives_the_way() -> None:
    """Pickled by the supervisor, unpickled by its worker: the address and the terms of the admission."""
    passed = Passed("10.0.0.1", ADMISSION)

    assert pickle.loads(pickle.dumps(passed)) == passed


class FakeHandler:
    """Serves everybody at once, with the disposition that the test asks for, and records the calls."""

    def __init__(self, disposition: Disposition = Disposition.DONE) -> None:
        self.disposition = disposition
        self.begun = 0
        self.free = 0
        self.served: list[tuple[str, Admission | None]] = []
        self.seen_off: list[int] = []
        self.error: BaseException | None = None

    def begin_work(self) -> None:
        self.begun += 1

    def between_work(self) -> float | None:
        self.free += 1
        return None

    def reader_of(self, connected: socket.socket) -> Any:
        return f"reader of {connected.fileno()}"

    def work(self, peer: PendingPeer, admission: Admission | None) -> Disposition:
        if self.error is not None:
            raise self.error
        self.served.append((peer.address, admission))
        return self.disposition

    def name_of(self, address: str) -> str:
        return f"name-of-{address}" * 200

    def see_off(self, connected: socket.socket) -> None:
        self.seen_off.append(connected.fileno())


class Scene:
    """A worker's loop, the supervisor's end of its control socket, and connections with peers."""

    def __init__(self) -> None:
        self.supervisor, self.control = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.supervisor.settimeout(5)
        self.handler = FakeHandler()
        self.signals = Signals()
        self.pairs: list[socket.socket] = []

    def loop(self, *, reports_names: bool = False) -> WorkerLoop:
        handler: Any = self.handler
        return WorkerLoop(self.control, handler, self.signals, reports_names=reports_names)

    def peer(self, address: str = "10.0.0.1") -> PendingPeer:
        client, connected = socket.socketpair()
        self.pairs += (client, connected)
        reader: Any = None
        return PendingPeer(connected, address, reader)

    def pass_peer(self, address: str) -> None:
        """Do as the supervisor does: send the connection, and what goes with it."""
        connected = self.peer().connected
        passed = pickle.dumps(Passed(address, ADMISSION))
        socket.send_fds(self.supervisor, [passed], [connected.fileno()])

    def close(self) -> None:
        for each in (self.supervisor, self.control, *self.pairs):
            each.close()


@pytest.fixture
def scene() -> Iterator[Scene]:
    scene = Scene()
    yield scene
    scene.close()


@pytest.mark.parametrize(
    ("disposition", "word"), [(Disposition.DONE, DONE), (Disposition.LINGER, LINGER)]
)
def test_passed_peers_are_served_in_turn(
    disposition: Disposition, word: bytes, scene: Scene
) -> None:
    """On the terms that came with them; the supervisor hears of the end of each, and when it is gone the loop ends."""
    scene.handler.disposition = disposition
    scene.pass_peer("10.0.0.7")
    scene.pass_peer("10.0.0.8")
    scene.supervisor.shutdown(socket.SHUT_WR)

    scene.loop().run()

    assert scene.handler.served == [("10.0.0.7", ADMISSION), ("10.0.0.8", ADMISSION)]
    assert [scene.supervisor.recv(100) for _ in range(2)] == [word, word]
    assert scene.handler.free == 3  # before each message, and before the end


def test_an_inherited_peer_is_the_only_one(scene: Scene) -> None:
    """The loop ends after it; its connection is closed, and its name goes with the reply, cut to the longest one."""
    peer = scene.peer("10.0.0.9")
    scene.pass_peer("10.0.0.7")

    scene.loop(reports_names=True).run((peer, ADMISSION))

    assert scene.handler.served == [("10.0.0.9", ADMISSION)]
    assert peer.connected.fileno() == -1
    assert (
        scene.supervisor.recv(2 * LONGEST_REPLY)
        == (DONE + b"name-of-10.0.0.9" * 200)[:LONGEST_REPLY]
    )


def test_without_a_supervisor_the_worker_waits_for_the_close(scene: Scene) -> None:
    """Nobody else would."""
    scene.handler.disposition = Disposition.LINGER
    peer = scene.peer()
    descriptor = peer.connected.fileno()
    scene.supervisor.close()

    scene.loop().run((peer, None))

    assert scene.handler.seen_off == [descriptor]


def test_a_killed_supervisor_ends_the_loop(scene: Scene) -> None:
    """Also if it was killed before it read the last reply, which resets the control socket."""
    tell(scene.control, DONE)
    scene.supervisor.close()

    scene.loop().run()

    assert scene.handler.served == []


def test_a_request_to_stop_ends_the_wait(scene: Scene) -> None:
    """It may have come while the worker did not wait."""
    previous = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    scene.signals.install()
    try:
        os.kill(os.getpid(), signal.SIGTERM)

        with pytest.raises(Stopped):
            scene.loop().run()
    finally:
        signal.signal(signal.SIGTERM, previous[0])
        signal.signal(signal.SIGINT, previous[1])


@pytest.mark.parametrize(
    ("error", "status"),
    [(None, 0), (RuntimeError("bug"), 1), (Stopped(signal.SIGTERM), -signal.SIGTERM)],
)
def test_the_process_ends_as_the_loop_does(
    error: BaseException | None, status: int, scene: Scene
) -> None:
    """With 0, with 1 after an error that nobody expected, or by the signal; it never returns into the supervisor's code."""
    scene.handler.error = error
    peer = scene.peer()
    left, leaves = os.pipe()

    pid = os.fork()
    if pid == 0:
        try:
            scene.loop().run_and_exit(lambda: (os.write(leaves, b"x"), None)[1], (peer, None))
        finally:
            os._exit(99)
    os.close(leaves)
    _, ended = os.waitpid(pid, 0)

    assert os.waitstatus_to_exitcode(ended) == status
    assert os.read(left, 2) == b"x"
    os.close(left)
