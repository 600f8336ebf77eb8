"""Time limits: a peer that stops is given up by DCMTK's storescp and by ours after the same time, with the same log.

Where we differ (docs/differences.md) the test says how.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.end_to_end.conversation import CONTEXTS, data_set, wait_until
from tests.peers.requestor import (
    ABORT,
    COMMAND,
    CT_IMAGE_STORAGE,
    LAST,
    P_DATA,
    Requestor,
    associate_request,
    message,
    p_data,
    pdv,
    store_command,
)
from tests.peers.servers import Server, dcmtk, ours

pytestmark = pytest.mark.interop

CLOSED = 0
DATA = data_set("1.2.3")
STORE = store_command(CT_IMAGE_STORAGE, "1.2.3")


def say_nothing(peer: Requestor) -> None:
    del peer


def begin_a_header(peer: Requestor) -> None:
    peer.send(b"\1\0\0")


def begin_a_request(peer: Requestor) -> None:
    peer.send(associate_request(CONTEXTS)[:80])


def associate(peer: Requestor) -> None:
    peer.associate(CONTEXTS)


def begin_a_pdu(peer: Requestor) -> None:
    peer.associate(CONTEXTS)
    peer.send(message(1, STORE, DATA)[:30])


def begin_an_object(peer: Requestor) -> None:
    peer.associate(CONTEXTS)
    peer.send(p_data(pdv(1, COMMAND | LAST, STORE)) + p_data(pdv(1, 0, DATA[:20])))


def begin_a_pdu_of_an_object(peer: Requestor) -> None:
    begin_an_object(peer)
    peer.send(p_data(pdv(1, LAST, DATA[20:]))[:-4])


def be_aborted(peer: Requestor) -> None:
    peer.associate(CONTEXTS)
    peer.send(b"\x47\0\0\0\0\4\0\0\0\0")
    assert peer.receive_pdu()[0] == ABORT


@dataclass(frozen=True)
class Seen:
    """What came back, after how many seconds, and what the server said."""

    kind: int
    seconds: float
    log: tuple[str, ...]


@dataclass(frozen=True)
class Case:
    """A peer that stops, and what of our reaction differs from the reference's: nothing, if not given."""

    options: str
    stop: Callable[[Requestor], None]
    seconds: float
    kind: int | None = None
    our_seconds: float | None = None
    our_last_lines: tuple[str, ...] | None = None
    """Lines that we log beyond those of the reference."""


CASES = {
    "-ta, silence": Case("-ta 1", say_nothing, 1),
    "-ta, header": Case("-ta 1", begin_a_header, 1),
    # Ours limits the whole request.
    "-ta and -ts, request": Case("-ta 1 -ts 2", begin_a_request, 2, our_seconds=1),
    "-ts, request": Case("-ts 1", begin_a_request, 1),
    # Ours tells the peer.
    "-ts, idle": Case("-ts 1", associate, 1, kind=ABORT),
    "-ts, within a PDU": Case("-ts 1", begin_a_pdu, 1),
    "-ts, within an object": Case("-ts 1", begin_an_object, 1),
    "-ts, within an object's PDU": Case("-ts 1", begin_a_pdu_of_an_object, 1),
    "-td beyond -ts": Case("-ts 1 -td 5", begin_an_object, 1),
    "-ta, after an abort": Case("-ta 1", be_aborted, 1),
}


@pytest.mark.parametrize("name", CASES)
def test_a_peer_that_stops(name: str, tmp_path: Path) -> None:
    """It is given up after the limit, told so or not, and the log says it."""
    case = CASES[name]
    options = ["-v", *case.options.split()]
    with (
        ours(tmp_path / "ours", options) as mine,
        dcmtk(tmp_path / "dcmtk", options) as theirs,
        ThreadPoolExecutor(2) as pool,
    ):
        found, expected = pool.map(lambda server: observe(server, case.stop), (mine, theirs))

    print(found, expected)
    assert case.seconds - 0.2 < expected.seconds < case.seconds + 2
    our_seconds = case.our_seconds or case.seconds
    assert our_seconds - 0.2 < found.seconds < our_seconds + 2
    assert found.kind == (expected.kind if case.kind is None else case.kind)
    assert found.log == expected.log
    assert not mine.files()


def observe(server: Server, stop: Callable[[Requestor], None]) -> Seen:
    """Let a peer stop and see what comes of it; nothing unfinished may stay."""
    with Requestor(server.port) as peer:
        stop(peer)
        began = time.monotonic()
        kind, _ = peer.receive_pdu()
        seconds = time.monotonic() - began
    with Requestor(server.port) as other:  # when it is served, the former one is done with
        other.associate(CONTEXTS)
        log = tuple(server.errors().splitlines())
        other.release()
    return Seen(kind, seconds, log)
