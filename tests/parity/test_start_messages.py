"""What is said at the start: DCMTK's storescp and ours use the same words."""

from pathlib import Path

import pytest

from tests.peers.requestor import VERIFICATION, Context, Requestor
from tests.peers.servers import dcmtk, ours

pytestmark = pytest.mark.interop


@pytest.mark.parametrize("size", [4097, 4099, 131071])
def test_an_odd_pdu_size(size: int, tmp_path: Path) -> None:
    """The warning, and the size that is offered instead; the reference repeats it for every peer."""
    seen = []
    for name, run in (("ours", ours), ("dcmtk", dcmtk)):
        directory = tmp_path / name
        directory.mkdir()
        with run(directory, ["-pdu", str(size)]) as server, Requestor(server.port) as peer:
            peer.associate([Context(1, VERIFICATION, ("1.2.840.10008.1.2",))])
            seen.append((set(server.errors().splitlines()), peer.answer.maximum_length))
            peer.release()

    assert seen[0] == seen[1]
    assert seen[0][0] == {f"W: ASSOC: PDV receive length {size} is odd (using {size - 1})"}
