"""Odd data that can be read: what DCMTK's storescp says of the data sets that the tests of ours use."""

from pathlib import Path

import pytest

from tests.dataset.test_warnings_of_the_reference import CASES
from tests.peers.requestor import CT_IMAGE_STORAGE, Context, Requestor
from tests.peers.servers import dcmtk, dcmtk_version

pytestmark = pytest.mark.interop


def test_the_reference_says_the_same(tmp_path: Path) -> None:
    """The warnings that are expected of ours are those of the reference."""
    syntaxes = sorted({case.transfer_syntax for case in CASES})
    contexts = [
        Context(2 * number + 1, CT_IMAGE_STORAGE, (syntax,))
        for number, syntax in enumerate(syntaxes)
    ]
    expected = {case.name: list(case.warnings) for case in CASES}

    found = {}
    with dcmtk(tmp_path, ["+xa", "-v"]) as server, Requestor(server.port) as peer:
        peer.associate(contexts)
        for case in CASES:
            before = len(server.errors())
            number = 2 * syntaxes.index(case.transfer_syntax) + 1
            response = peer.store(number, CT_IMAGE_STORAGE, "1.2.3.4.5", case.data)
            assert response.outcome == "0000", case.name
            server.take_files()
            lines = server.errors()[before:].splitlines()
            found[case.name] = [line[3:] for line in lines if line.startswith("W: ")]
        peer.release()

    if dcmtk_version() < (3, 7):
        for warnings in expected.values():
            warnings[:] = [
                line.removeprefix("DcmItem: ").replace("VR=UN", "VR UN")
                if "CP-246" in line
                else line
                for line in warnings
            ]
    assert found == expected
