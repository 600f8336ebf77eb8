"""The user's dictionaries: messages of DCMTK's storescp and of ours name attributes as they do."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.peers.dicom import EXPLICIT_LITTLE, Syntax
from tests.peers.requestor import CT_IMAGE_STORAGE, Context, Requestor, uid
from tests.peers.servers import (
    Server,
    dcmtk,
    dcmtk_environment,
    our_environment,
    ours,
)

pytestmark = pytest.mark.interop

DICTIONARY = """
(0020,000D)\tUI\tStudyInstanceUID\t1\tDICOM
(0020,000E)\tUI\tTheSeries\t1\tDICOM
(0020,3100-31FF)\tUI\tManyOfThem\t1\tDICOM
(0021,1077)\tUI\tOfNobody\t1\tprivate
"""


def warnings(
    run: Callable[..., AbstractContextManager[Server]], directory: Path, environment: dict[str, str]
) -> list[str]:
    """Send a data set whose UIDs hold blanks; return what is said of it, sorted."""
    directory.mkdir()
    path = directory / "own.dic"
    path.write_text(DICTIONARY)
    # The reference needs a dictionary that knows the elements of commands.
    search_path = f"{dcmtk_environment()['DCMDICTPATH']}:{path}"
    syntax = Syntax()
    tags = (0x0020000D, 0x0020000E, 0x00203104, 0x00204000, 0x00211077, 0x00211078)
    data = (
        syntax.element(0x00080016, "UI", uid(CT_IMAGE_STORAGE))
        + syntax.element(0x00080018, "UI", uid("1.2.3.4"))
        + b"".join(syntax.element(tag, "UI", b"1.2 ") for tag in tags)
    )
    with (
        run(directory, ["-v"], environment={**environment, "DCMDICTPATH": search_path}) as server,
        Requestor(server.port) as peer,
    ):
        peer.associate([Context(1, CT_IMAGE_STORAGE, (EXPLICIT_LITTLE,))])
        assert peer.store(1, CT_IMAGE_STORAGE, "1.2.3.4", data).outcome == "0000"
        peer.release()
        return sorted(line for line in server.errors().splitlines() if line[0] in "WE")


def test_names_of_attributes(tmp_path: Path) -> None:
    """Standard, renamed, repeating, private and unknown attributes."""
    here = warnings(ours, tmp_path / "ours", our_environment())
    there = warnings(dcmtk, tmp_path / "dcmtk", dcmtk_environment())

    assert here == there
    names = [line.split()[3] for line in here]
    assert names == [
        "ImageComments",
        "ManyOfThem",
        "OfNobody",
        "StudyInstanceUID",
        "TheSeries",
        "Unknown",
    ]
