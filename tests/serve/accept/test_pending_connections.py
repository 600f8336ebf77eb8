"""The waiting room: who goes on waiting, and how long, and who gives way."""

import socket
from collections.abc import Iterator

import pytest

from storescp.serve.accept.pending_connections import PendingConnections
from storescp.serve.accept.request_reader import PlainRequestReader, Progress
from tests.end_to_end.conversation import CONTEXTS
from tests.peers.requestor import associate_request

REQUEST = associate_request(CONTEXTS)


class Reader(PlainRequestReader):
    """Makes the progress that it is told to."""

    def __init__(self, connected: socket.socket, *progress: Progress) -> None:
        super().__init__(connected, 5000)
        self._progress = iter(progress)

    def advance(self) -> Progress:
        return next(self._progress)


@pytest.fixture
def connected() -> Iterator[socket.socket]:
    with socket.socket() as unconnected:
        yield unconnected


def test_who_waits_longest_gives_way_but_not_who_speaks() -> None:
    """Those that are ready are spared; None if all of them are."""
    room = PendingConnections(lambda: 0.0, acse_timeout=30)
    waiting = [socket.socket() for _ in range(3)]
    for connected in waiting:
        room.add(connected, "10.1.2.3")
    numbers = [connected.fileno() for connected in waiting]

    assert room.oldest() == numbers[0]
    assert room.oldest(but=numbers[:2]) == numbers[2]
    assert room.oldest(but=numbers) is None
    assert room.give_way(numbers[0]).connected is waiting[0]
    assert [descriptor for descriptor, _ in room.descriptors()] == numbers[1:]
    for connected in waiting:
        connected.close()


@pytest.mark.parametrize(
    ("patience", "steps"),
    [
        (2, [(105, Progress.WAITING, 130), (105, Progress.BEGUN, 107)]),
        (60, [(105, Progress.BEGUN, 130)]),
        (None, [(105, Progress.BEGUN, 130)]),
        (
            60,
            [
                (101, Progress.HANDSHAKING, 161),
                (102, Progress.HANDSHAKING, 161),
                (150, Progress.SECURED, 180),
                (160, Progress.BEGUN, 180),
            ],
        ),
        (2, [(101, Progress.HANDSHAKING, 103), (102, Progress.SECURED, 132)]),
        (None, [(101, Progress.HANDSHAKING, 131)]),
    ],
    ids=["begun", "patient", "no limit", "TLS", "TLS, impatient", "TLS, no limit"],
)
def test_each_step_has_its_own_time(
    patience: float | None,
    steps: list[tuple[float, Progress, float]],
    connected: socket.socket,
) -> None:
    """A handshake has that of the socket once it has begun, a request that of ACSE anew; a receive never has more."""
    now = 100.0
    room = PendingConnections(lambda: now, acse_timeout=30, patience=patience)
    room.add(connected, "10.1.2.3", Reader(connected, *(progress for _, progress, _ in steps)))
    assert room.deadline() == 130

    for moment, _, end in steps:
        now = moment
        room.advance(connected.fileno())
        assert room.deadline() == end

    now = steps[-1][2]
    [expired] = room.expired()
    assert expired.connected is connected
    assert room.deadline() is None
