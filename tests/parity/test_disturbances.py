"""`--sleep-…` and `--abort-…`: a peer is put to the same test by DCMTK's storescp and by ours."""

import re
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.end_to_end.conversation import CONTEXTS, data_set
from tests.parity.test_log_output import normalised, settle
from tests.peers.requestor import CT_IMAGE_STORAGE, P_DATA, Requestor
from tests.peers.servers import Server, dcmtk, ours

pytestmark = pytest.mark.interop


INNER_STATES = re.compile(
    r"(I: ABORT initiated \(due to command line options\)\n)"
    r"(?:I: ABORT initiated.*\n|E: (?:Store SCP Failed|DIMSE failure|0006:).*\n)*"
)
"""What the reference says of an abort of its own, and what follows in its inner state machine: we say the first line."""


@dataclass(frozen=True)
class Seen:
    """How each message was answered, and which files there are."""

    outcomes: list[str]
    files: list[str]
    log: dict[str, str]


def converse(server: Server, pdv_size: int) -> tuple[Seen, list[float]]:
    """Echo, store, echo, store, over a second association after an abort; also how long each took."""
    outcomes, seconds = [], []
    peer = Requestor(server.port)
    peer.associate(CONTEXTS)
    for number in range(4):
        began = time.monotonic()
        if number % 2:
            instance = f"1.2.{number}"
            data = data_set(instance)
            response = peer.store(1, CT_IMAGE_STORAGE, instance, data, pdv_size=pdv_size)
        else:
            response = peer.echo(3)
        seconds.append(time.monotonic() - began)
        outcomes.append(response.outcome)
        if response.kind != P_DATA:
            peer.close()
            peer = Requestor(server.port)
            peer.associate(CONTEXTS)
    peer.release()
    settle(server)
    log = normalised(server)
    log["stderr"] = INNER_STATES.sub(r"\1", log["stderr"])
    return Seen(outcomes, sorted(server.files()), log), seconds


def is_about(expected: float, seconds: float) -> bool:
    """Tell whether something took as long as expected, or somewhat longer on a busy machine; a sleep more shows."""
    return expected - 0.2 < seconds < expected + 0.95


@pytest.mark.parametrize(
    ("options", "pdv_size", "outcomes", "seconds"),
    [
        ("", 200, ["0000"] * 4, [0, 0, 0, 0]),
        ("--abort-after", 200, ["0000", "ABORT", "0000", "ABORT"], [0, 0, 0, 0]),
        ("--abort-after", 40, ["0000", "ABORT", "0000", "ABORT"], [0, 0, 0, 0]),
        ("--abort-during", 200, ["0000", "ABORT", "0000", "ABORT"], [0, 0, 0, 0]),
        ("--abort-during", 40, ["0000", "ABORT", "0000", "ABORT"], [0, 0, 0, 0]),
        ("--abort-during +B", 40, ["0000", "ABORT", "0000", "ABORT"], [0, 0, 0, 0]),
        ("--abort-after --ignore", 40, ["0000", "ABORT", "0000", "ABORT"], [0, 0, 0, 0]),
        ("--sleep-after 1", 200, ["0000"] * 4, [0, 0, 1, 0]),
        ("--sleep-during 1", 200, ["0000"] * 4, [0, 3, 0, 3]),
        ("--sleep-during 1 --abort-during", 200, ["0000", "ABORT", "0000", "ABORT"], [0, 1, 0, 1]),
        ("--sleep-during 1 --abort-after", 200, ["0000", "ABORT", "0000", "ABORT"], [0, 2, 0, 2]),
    ],
)
def test_disturbances(
    options: str, pdv_size: int, outcomes: list[str], seconds: list[int], tmp_path: Path
) -> None:
    """The same answers after the same time, the same files and the same log."""
    both = ["-v", *options.split()]
    with (
        ours(tmp_path / "ours", both) as mine,
        dcmtk(tmp_path / "dcmtk", both) as theirs,
        ThreadPoolExecutor(2) as pool,
    ):
        (found, our_seconds), (expected, their_seconds) = pool.map(
            lambda server: converse(server, pdv_size), (mine, theirs)
        )

    assert expected.log == found.log
    assert expected == found
    assert outcomes == found.outcomes
    assert all(map(is_about, seconds, our_seconds)), our_seconds
    assert all(map(is_about, seconds, their_seconds)), their_seconds


def test_sleeps_for_each_fragment(tmp_path: Path) -> None:
    """`--sleep-during` sleeps once before, once after each PDV, and once at the end."""
    data = data_set("1.2.3")
    half = len(data) // 4 * 2
    fragments = -(-len(data) // half)
    with (
        ours(tmp_path / "ours", ["--sleep-during", "1"]) as mine,
        dcmtk(tmp_path / "dcmtk", ["--sleep-during", "1"]) as theirs,
        ThreadPoolExecutor(2) as pool,
    ):

        def store(server: Server) -> float:
            with Requestor(server.port) as peer:
                peer.associate(CONTEXTS)
                began = time.monotonic()
                peer.store(1, CT_IMAGE_STORAGE, "1.2.3", data, pdv_size=half)
                return time.monotonic() - began

        found, expected = pool.map(store, (mine, theirs))

    assert is_about(fragments + 2, found)
    assert is_about(fragments + 2, expected)
