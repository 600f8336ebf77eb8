"""`--config-file`: with DCMTK's own example file, and with others, DCMTK's storescp and ours accept the same."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from tests.parity.test_negotiation import ask, comparable, requests, results
from tests.peers import clients, samples
from tests.peers.servers import dcmtk, ours
from tests.peers.tools import require_tool

pytestmark = pytest.mark.interop

EXAMPLE = "/etc/dcmtk/storescp.cfg"
"""Comes with DCMTK, and uses most of what such a file can say."""


@pytest.mark.parametrize("name", ["Default", "AllDICOM"])
def test_the_example_of_the_reference(name: str, tmp_path: Path) -> None:
    """Whatever is proposed, its profiles give the same answers."""
    require_tool("storescp")
    assert Path(EXAMPLE).exists()
    options = ["-xf", EXAMPLE, name]
    with (
        ours(tmp_path / "ours", options) as mine,
        dcmtk(tmp_path / "dcmtk", options) as theirs,
        ThreadPoolExecutor(2) as pool,
    ):

        @settings(
            max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), database=None
        )
        @given(requests)
        def answers_are_equal(request: bytes) -> None:
            one, other = pool.map(lambda server: ask(server, request), (mine, theirs))

            assert comparable(other) == comparable(one)

        answers_are_equal()


@pytest.mark.parametrize("name", ["Default", "AllDICOM"])
def test_every_registered_uid(name: str, tmp_path: Path) -> None:
    """As an abstract syntax and as a transfer syntax: the file decides, and nothing else."""
    from pydicom._uid_dict import UID_dictionary

    little = "1.2.840.10008.1.2.1"
    verification = "1.2.840.10008.1.1"
    pairs = [(uid, little) for uid in sorted(UID_dictionary)]
    pairs += [
        (abstract, uid)
        for abstract in (verification, "1.2.840.10008.5.1.4.1.1.6.1")
        for uid, entry in sorted(UID_dictionary.items())
        if entry[1] == "Transfer Syntax" and uid != little
    ]
    options = ["-xf", EXAMPLE, name]
    with (
        ours(tmp_path / "ours", options) as mine,
        dcmtk(tmp_path / "dcmtk", options) as theirs,
        ThreadPoolExecutor(2) as pool,
    ):
        found, expected = pool.map(lambda server: results(server, pairs), (mine, theirs))

    assert expected == found
    assert list(found.values()).count(0) > 100


def test_objects_under_the_example(tmp_path: Path) -> None:
    """What the profile of everything lets in is stored: compressed and uncompressed objects of many classes."""
    paths = clients.write_files(samples.of_pydicom(), tmp_path / "sent")
    options = ["-xf", EXAMPLE, "AllDICOM"]

    with ours(tmp_path / "ours", options) as server:
        clients.dcmsend(server.port, paths)
        mine = sorted(server.files())
    with dcmtk(tmp_path / "dcmtk", options) as server:
        clients.dcmsend(server.port, paths)
        theirs = sorted(server.files())

    assert theirs == mine
    assert len(mine) > 20
