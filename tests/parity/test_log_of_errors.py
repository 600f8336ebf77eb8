"""What a person sees of peers that do wrong: DCMTK's storescp and ours say the same of the same conversations."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.end_to_end.conversation import wait_until
from tests.parity.test_statuses import CASES, CONTEXTS, MISREAD, converse
from tests.peers.requestor import Requestor
from tests.peers.servers import Server, dcmtk, dcmtk_version, ours

pytestmark = pytest.mark.interop

INNER = re.compile(r"[EWI]: Why: |E: Dcm|W: (DcmItem: )?Found element")
"""Lines of the reference's parser about where it stood when it met a mistake, and ours that say what to do."""

NOT_SERVED = "E: Expected C-ECHO or C-STORE request but received DIMSE command 0x{:04x}"
COMMANDS = (0x0010, 0x0020, 0x0021, 0x0100, 0x0110, 0x0120, 0x0130, 0x0150)

OTHERWISE = {
    # Which of two mistakes is named.
    "odd command fragment": "DIMSE: Odd Fragment Length: 5",
    "instance UID with odd letters": "DIMSE: Odd Fragment Length: 105",
    "data on another context": "DIMSE: Presentation Contexts of Command and Data Differ",
    "data while a command is expected": "DIMSE: Command PDV Expected",
    "data within a command": "DIMSE: Command PDV Expected",
    "garbage for a command": "0001:0004 Invalid stream",
    # 3.6.7 looks for elements of commands before it refuses them.
    **{f"command {number:04X}": NOT_SERVED.format(number) for number in COMMANDS},
    **{f"command {number:04X} with data": NOT_SERVED.format(number) for number in COMMANDS[2:]},
    "command 0FFF with data": NOT_SERVED.format(0x0FFF),
    # Where the reference says "Normal".
    "second request": "Unexpected A-ASSOCIATE-RQ PDU",
    "second request within data": "Unexpected A-ASSOCIATE-RQ PDU",
    "A-ASSOCIATE-AC": "Unexpected A-ASSOCIATE-AC PDU",
    "A-ASSOCIATE-RJ": "Unexpected A-ASSOCIATE-RJ PDU",
    "A-RELEASE-RP": "Unexpected A-RELEASE-RP PDU",
    # A data set that is no data set.
    "garbage": "DIMSE receiveDataSetInMemory: dset->read() Failed",
    "in implicit VR": "DIMSE receiveDataSetInMemory: dset->read() Failed",
    "value cut off": "DIMSE receiveDataSetInMemory: dset->read() Failed",
    "empty data set": "the data set is empty",
    "UIDs that are LO": "E: bad DICOM file: DIRECTORY/CT.1.2.3.4.5",
    "blanks in the UID": "contains one or more space characters, which were removed",
}
"""Deliberate differences (docs/differences.md): what we say."""

LATER = {
    "type 0": ((3, 7), "0006:0321 Unrecognized PDU type: 00"),
    "unknown type": ((3, 7), "0006:0321 Unrecognized PDU type: 08"),
    "PDV beyond its PDU": ((3, 6, 9), "0006:0308 PDV with invalid length 100 encountered"),
}
"""Where DCMTK says what we say only since a version: that, and what we say."""


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, list[str]], ...]:
    """Hold all conversations with both servers; what was logged of each, by its name."""
    directory = tmp_path_factory.mktemp("logs")
    with (
        ours(directory / "ours", ["-v"]) as mine,
        dcmtk(directory / "dcmtk", ["-v"]) as theirs,
        ThreadPoolExecutor(2) as pool,
    ):
        return tuple(pool.map(lambda server: dict(_logged(server)), (mine, theirs)))


def _logged(server: Server) -> Iterator[tuple[str, list[str]]]:
    for name in CASES:
        before = len(server.errors())
        converse(server, name)
        with Requestor(server.port) as peer:  # when it is served, all was said of the former one
            peer.associate(CONTEXTS)
            peer.release()
        wait_until(lambda: server.errors().endswith("Association Release\n"))
        text = server.errors()[before:].replace(str(server.directory), "DIRECTORY")
        yield name, [line for line in text.splitlines() if not INNER.match(line)]


@pytest.mark.parametrize("name", CASES)
def test_same_log(name: str, logs: tuple[dict[str, list[str]], ...]) -> None:
    """Line by line, but for the differences that are meant."""
    mine, theirs = (each[name] for each in logs)

    if name in MISREAD:
        assert not [line for line in mine if line.startswith(("E:", "W:"))]
    elif name in OTHERWISE:
        assert mine != theirs
        assert OTHERWISE[name] in "\n".join(mine)
    elif name in LATER and dcmtk_version() < LATER[name][0]:
        assert mine != theirs
        assert LATER[name][1] in "\n".join(mine)
    else:
        assert theirs == mine
