"""`--log-json`: whoever gathers standard output and standard error in one file has JSON throughout."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.end_to_end.conversation import wait_until
from tests.peers.dicom import EXPLICIT_LITTLE, IMPLICIT_LITTLE, Syntax
from tests.peers.requestor import CT_IMAGE_STORAGE, VERIFICATION, Context, Requestor, uid
from tests.peers.servers import ours

CONTEXTS = (
    Context(1, VERIFICATION, (IMPLICIT_LITTLE,)),
    Context(3, CT_IMAGE_STORAGE, (EXPLICIT_LITTLE,)),
)
EXPLICIT = Syntax()
READABLE = (
    EXPLICIT.element(0x00080016, "UI", uid(CT_IMAGE_STORAGE))
    + EXPLICIT.element(0x00080018, "UI", uid("1.2.3"))
    + EXPLICIT.element(0x0020000D, "UI", b"1.2 ")
)


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["-v"],
        ["-d"],
        ["-v", "--fork"],
        ["-v", "--workers", "2"],
        ["-v", "--parallel-studies", "-su", "study"],
        ["-v", "--http", "0"],
        ["-v", "--arguments"],
        ["-v", "-pdu", "4097"],
    ],
    ids=" ".join,
)
def test_everything_is_json(options: Sequence[str], tmp_path: Path) -> None:
    """Objects, an echo, what cannot be read and what is no DICOM: every line of both streams is an object."""
    with ours(tmp_path, ["--log-json", *options]) as server:
        with Requestor(server.port) as peer:
            peer.associate(CONTEXTS)
            peer.echo(1)
            for data in (READABLE, READABLE, b"no data set!"):
                peer.store(3, CT_IMAGE_STORAGE, "1.2.3", data)
        with Requestor(server.port) as browser:
            browser.send(b"GET / HTTP/1.1\r\n\r\n")
            browser.receive_pdu()
        wait_until(lambda: "HTTP" in server.errors())
        server.stop()

        lines = [*server.output().splitlines(), *server.errors().splitlines()]
        assert all(isinstance(json.loads(line), dict) for line in lines)
        assert len(lines) > 2
