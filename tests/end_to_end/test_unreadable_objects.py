"""One object that cannot be read costs none of those behind it, whatever processes serve; everybody learns of it."""

import json
import struct
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.conversation import data_set, wait_until
from tests.peers.dicom import Syntax
from tests.peers.requestor import CT_IMAGE_STORAGE, P_DATA, Context, Requestor, Response
from tests.peers.servers import Server, free_port, ours

LITTLE, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
CONTEXTS = (
    Context(1, CT_IMAGE_STORAGE, (LITTLE,)),
    Context(3, CT_IMAGE_STORAGE, (IMPLICIT,)),
    Context(5, CT_IMAGE_STORAGE, (DEFLATED,)),
)
MODES = {
    "one process": [],
    "forking": ["--fork"],
    "workers": ["--workers", "2"],
    "studies side by side": ["--parallel-studies", "-su", "s"],
}
SYNTAX = Syntax()

UNREADABLE = {
    "an item where none is open": data_set("1.1") + SYNTAX.bare(0xFFFEE000, 0),
    "a value beyond the data": data_set("1.1") + SYNTAX.header(0x7FE00010, "OW", 1000) + bytes(10),
    "a sequence without its end": data_set("1.1")
    + SYNTAX.header(0x0040A730, "SQ", 0xFFFFFFFF)
    + SYNTAX.bare(0xFFFEE000, 0),
    "a VR of control characters": b"\x08\0\x05\0\1\2\2\0ab" + data_set("1.1"),
    "an undefined length of text": data_set("1.1")
    + b"\x10\0\x10\0UT\0\0\xff\xff\xff\xff"
    + bytes(30),
    "implicit VR": b"\x08\0\x16\0" + struct.pack("<I", 26) + b"1.2.840.10008.5.1.4.1.1.2\0" * 10,
    "more levels than are followed": b"".join(
        SYNTAX.header(0x0040A730, "SQ", 0xFFFFFFFF) + SYNTAX.bare(0xFFFEE000, 0xFFFFFFFF)
        for _ in range(100)
    ),
    "damaged at its begin, and long": SYNTAX.bare(0xFFFEE000, 0) + bytes(3_000_000),
}


@pytest.fixture(scope="module", params=MODES.values(), ids=list(MODES))
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """One server for all data sets."""
    options = ["+xd", *request.param]
    with ours(tmp_path_factory.mktemp("unreadable"), options) as running:
        yield running


def comment_of(response: Response) -> str:
    return response.elements.get(0x0902, b"").decode().strip()


@pytest.mark.parametrize("name", UNREADABLE)
def test_the_next_object_is_served(name: str, server: Server) -> None:
    """Status C000 with the reason in the Error Comment, no file; those in front and behind are stored."""
    with Requestor(server.port) as peer:
        peer.associate(CONTEXTS)
        before = peer.store(1, CT_IMAGE_STORAGE, "1.0", data_set("1.0"))
        broken = peer.store(1, CT_IMAGE_STORAGE, "1.1", UNREADABLE[name])
        behind = [
            peer.store(1, CT_IMAGE_STORAGE, f"1.2.{number}", data_set(f"1.2.{number}"))
            for number in range(6)
        ]
        peer.release()

    wait_until(lambda: len(server.files()) >= 7)
    files = server.take_files()
    assert [each.outcome for each in (before, broken, *behind)] == ["0000", "C000", *["0000"] * 6]
    assert broken.kind == P_DATA
    assert 0 < len(comment_of(broken)) <= 64
    assert comment_of(before) == ""
    assert len(files) == 7
    assert not any(name.endswith("CT.1.1") for name in files)


@pytest.mark.parametrize("size", [14, 100, 16_372])
def test_whatever_the_size_of_its_fragments(size: int, server: Server) -> None:
    """The mistake is met early or late in the object; its rest is read to the end."""
    data = UNREADABLE["damaged at its begin, and long"][: 200 * size]
    with Requestor(server.port) as peer:
        peer.associate(CONTEXTS)
        peer.store(1, CT_IMAGE_STORAGE, "1.1", data, pdv_size=size)
        behind = peer.store(1, CT_IMAGE_STORAGE, "1.2", data_set("1.2"))
        peer.release()

    wait_until(lambda: bool(server.files()))
    assert behind.outcome == "0000"
    assert len(server.take_files()) == 1


def test_a_deflated_stream_of_nonsense(server: Server) -> None:
    """A stream that cannot be inflated is an object that cannot be read."""
    with Requestor(server.port) as peer:
        peer.associate(CONTEXTS)
        broken = peer.store(5, CT_IMAGE_STORAGE, "1.1", b"\xff" * 1000)
        behind = peer.store(1, CT_IMAGE_STORAGE, "1.2", data_set("1.2"))
        peer.release()

    wait_until(lambda: bool(server.files()))
    assert [broken.outcome, behind.outcome] == ["C000", "0000"]
    assert comment_of(broken).startswith("cannot inflate the data set")
    assert len(server.take_files()) == 1


def test_an_object_in_vain_with_ignore(tmp_path: Path) -> None:
    """Where nothing is stored, what cannot be read is told all the same, as in DCMTK."""
    with ours(tmp_path, ["--ignore"]) as server, Requestor(server.port) as peer:
        peer.associate(CONTEXTS)
        broken = peer.store(1, CT_IMAGE_STORAGE, "1.1", UNREADABLE["a value beyond the data"])
        behind = peer.store(1, CT_IMAGE_STORAGE, "1.2", data_set("1.2"))
        peer.release()

    assert [broken.outcome, behind.outcome] == ["C000", "0000"]


def test_bit_preserving_reads_nothing(tmp_path: Path) -> None:
    """With `+B` bytes are bytes."""
    with ours(tmp_path, ["+B"]) as server:
        with Requestor(server.port) as peer:
            peer.associate(CONTEXTS)
            outcomes = [
                peer.store(1, CT_IMAGE_STORAGE, f"1.{number}", data).outcome
                for number, data in enumerate(UNREADABLE.values())
            ]
            peer.release()

        assert outcomes == ["0000"] * len(UNREADABLE)
        assert len(server.files()) == len(UNREADABLE)


@pytest.mark.parametrize("mode", [[], ["--fork"], ["--workers", "1"]], ids=" ".join)
def test_it_counts_as_refused_everywhere(mode: list[str], tmp_path: Path) -> None:
    """An event, the metrics, the page's state and the log tell of it; the association was released, not aborted."""
    events, port = tmp_path / "events", free_port()
    options = ["-v", "--events", str(events), "--http", str(port), *mode]
    with ours(tmp_path / "out", options) as server:
        with Requestor(server.port) as peer:
            peer.associate(CONTEXTS, calling=b"SCANNER")
            peer.store(1, CT_IMAGE_STORAGE, "1.1", UNREADABLE["a value beyond the data"])
            peer.store(1, CT_IMAGE_STORAGE, "1.2", data_set("1.2"))
            peer.release()
        wait_until(lambda: "association-released" in events.read_text())
        wait_until(lambda: "objects_refused_total" in read_page(port, "metrics"))
        wait_until(lambda: refused_total(read_page(port, "metrics")) == 1)
        metrics = read_page(port, "metrics")
        log = server.errors() + server.output()

    told = [json.loads(line) for line in events.read_text().splitlines()]
    names = [event["event"] for event in told if "association" in event]
    assert names == [
        "association-accepted",
        "object-refused",
        "object-stored",
        "association-released",
    ]
    [refused] = [event for event in told if event["event"] == "object-refused"]
    assert (refused["status"], refused["sop_instance_uid"]) == ("C000", "1.1")
    assert refused["calling_ae_title"] == "SCANNER"
    assert "Invalid stream. Send it again" in refused["why"]
    assert "--bit-preserving" not in refused["why"]
    assert refused_total(metrics) == 1
    assert "DIMSE receiveDataSetInMemory: dset->read() Failed (Invalid stream)" in log
    assert "Store SCP Failed: 0006:020d DIMSE Failed to receive message" in log
    assert "aborting association" not in log
    assert "Why: The object 1.1 of" in log


def read_page(port: int, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=10) as answer:
        text: Any = answer.read().decode()
    return str(text)


def refused_total(metrics: str) -> float:
    """Return the sum of the counters of refused objects."""
    return sum(
        float(line.rpartition(" ")[2])
        for line in metrics.splitlines()
        if line.startswith("storescp_objects_refused_total")
    )
