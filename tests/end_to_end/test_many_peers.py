"""Many peers at once: none is lost in the system's queue, those that are too many are told."""

import contextlib
import select
import socket
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.end_to_end.conversation import CONTEXTS, associated, many_descriptors, store
from tests.peers.requestor import ASSOCIATE_RJ, Requestor, associate_request, decode_answer
from tests.peers.servers import Server, ours

BURST = 2000
WAIT = 512
_REQUEST = associate_request(CONTEXTS)


def lost_connections() -> int:
    """Return how many connections the system has dropped because a queue was full (Linux)."""
    names, values = [
        line.split()
        for line in Path("/proc/net/netstat").read_text().splitlines()
        if line.startswith("TcpExt:")
    ]
    found = dict(zip(names, values, strict=True))
    return int(found["ListenOverflows"]) + int(found["ListenDrops"])


class Burst:
    """Peers that ask for an association, all at once."""

    def __init__(self, port: int, number: int) -> None:
        self.sockets: dict[int, socket.socket] = {}
        self.answers: dict[int, bytes] = {}
        self._asked: set[int] = set()
        self._poll = select.poll()
        for _ in range(number):
            peer = socket.socket()
            peer.setblocking(False)
            peer.connect_ex(("127.0.0.1", port))
            self.sockets[peer.fileno()] = peer
            self._poll.register(peer, select.POLLOUT)

    def run(self, answers: int, seconds: float) -> None:
        """Ask, and wait until so many are answered."""
        end = time.monotonic() + seconds
        while len(self.answers) < answers:
            assert time.monotonic() < end, (len(self._asked), len(self.answers))
            for descriptor, events in self._poll.poll(100):
                peer = self.sockets[descriptor]
                if descriptor not in self._asked and events & select.POLLOUT:
                    peer.send(_REQUEST)
                    self._asked.add(descriptor)
                    self._poll.modify(descriptor, select.POLLIN)
                elif events & select.POLLIN:
                    self.answers[descriptor] = peer.recv(1 << 16)
                    self._poll.unregister(descriptor)

    @property
    def are_all_connected(self) -> bool:
        return len(self._asked) == len(self.sockets)

    def kinds(self) -> Counter[tuple[int, tuple[int, ...]]]:
        """Return how many answers were of a kind: type of the PDU, and the fields of a rejection."""
        found: Counter[tuple[int, tuple[int, ...]]] = Counter()
        for answer in self.answers.values():
            decoded = decode_answer(answer[0], answer[6:]) if answer else None
            found[(0, ()) if decoded is None else (decoded.kind, decoded.fields)] += 1
        return found

    def close(self) -> None:
        for peer in self.sockets.values():
            peer.close()


def test_a_burst_is_answered(tmp_path: Path) -> None:
    """Of 2,000 peers while the only worker is busy 512 wait, the others get A-ASSOCIATE-RJ 2, 3, 2; no SYN is lost."""
    with (
        many_descriptors(BURST),
        ours(tmp_path / "out", ["--workers", "1"]) as server,
        associated(server) as served,
    ):
        assert store(served, "1.1") == "0000"
        before = lost_connections()
        burst = Burst(server.port, BURST)
        try:
            burst.run(BURST - WAIT, 20)

            assert burst.kinds() == {(ASSOCIATE_RJ, (2, 3, 2)): BURST - WAIT}
            assert burst.are_all_connected
            assert lost_connections() == before
            assert store(served, "1.2") == "0000"
        finally:
            burst.close()
        served.release()
        assert is_served_again(server)


def is_served_again(server: Server) -> bool:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        with contextlib.suppress(OSError), Requestor(server.port) as peer:
            if peer.exchange(_REQUEST).kind == 2:
                return True
    return False


@pytest.mark.parametrize("mode", [[], ["--fork", "--max-associations", "2"]], ids=["one", "fork"])
def test_a_burst_of_short_associations_is_served(tmp_path: Path, mode: list[str]) -> None:
    """One after the other: as many as are asked for at once, up to what may wait, are accepted."""
    number = 400
    with many_descriptors(BURST), ours(tmp_path / "out", mode) as server:
        before = lost_connections()
        burst = Burst(server.port, number)
        try:
            end = time.monotonic() + 30
            while len(burst.answers) < number and time.monotonic() < end:
                with contextlib.suppress(AssertionError):
                    burst.run(min(number, len(burst.answers) + 1), 1)
                for descriptor in list(burst.answers):
                    burst.sockets[descriptor].close()

            assert {kind for kind, _ in burst.kinds()} == {2}
            assert lost_connections() == before
        finally:
            burst.close()
