"""What is made ready for the next object while the peer prepares it: a file, after some objects, and a transcoder."""

import errno
import logging
import os
import shutil
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from storescp.dataset.encoding import Encoding
from storescp.dimse.command import CStoreRQ
from storescp.storage.files.instance_file import InstanceFile
from storescp.storage.naming.rules import Rules
from storescp.storage.reception import Outcome
from storescp.storage.settings import StorageSettings
from storescp.storage.store_scp import StoreSCP
from storescp.storage.studies.user_commands import PeerIdentity
from storescp.uids import TRANSFER_SYNTAXES
from tests.peers.dicom import Syntax
from tests.peers.requestor import CT_IMAGE_STORAGE
from tests.storage.system_calls import watched

EXPLICIT = "1.2.840.10008.1.2.1"
IMPLICIT = "1.2.840.10008.1.2"
BIG = "1.2.840.10008.1.2.2"
SYNTAXES = {EXPLICIT: Syntax(), IMPLICIT: Syntax(explicit=False), BIG: Syntax(">")}
MODES = pytest.mark.parametrize("bits", [False, True], ids=["normal", "bit-preserving"])


seconds = count()


def make(directory: Path, *, bits: bool = False, **rest: Any) -> StoreSCP:
    rules = Rules(directory=str(directory))
    storage = StorageSettings(rules, Encoding(), bit_preserving=bits, **rest)
    # Seconds pass between all that happens.
    return StoreSCP(storage, lambda _: None, clock=lambda: float(next(seconds)))


def receive(scp: StoreSCP, instance: str, uid: str = EXPLICIT) -> Outcome:
    """Do what a C-STORE does, and what follows its response."""
    syntax = SYNTAXES[uid]
    request = CStoreRQ(1, CT_IMAGE_STORAGE, instance)
    reception = scp.begin(request, TRANSFER_SYNTAXES[uid], PeerIdentity("PEER", "US", "10.1.2.3"))
    for tag, vr, value in (
        (0x00080016, "UI", CT_IMAGE_STORAGE),
        (0x00080018, "UI", instance),
        (0x00100010, "PN", "Doe^Jane"),
    ):
        reception.feed(memoryview(syntax.element(tag, vr, value)))
    outcome = reception.finish()
    scp.prepare()
    return outcome


def receive_many(scp: StoreSCP, times: int = 20) -> None:
    for number in range(times):
        assert receive(scp, f"1.{number}").status == 0


def hidden(directory: Path) -> list[Path]:
    return list(directory.glob(".storescp-*/*"))


@MODES
def test_a_row_of_objects(tmp_path: Path, *, bits: bool) -> None:
    """One file is ready as long as the association lasts, none before it has brought some objects, and none after."""
    scp = make(tmp_path, bits=bits)
    receive_many(scp, 7)
    assert not hidden(tmp_path)

    receive_many(scp)
    (ready,) = hidden(tmp_path)
    assert ready.stat().st_size == 0

    scp.put_away()
    assert not hidden(tmp_path)
    scp.end_association()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        f"CT.1.{number}" for number in range(20)
    )
    receive_many(scp, 7)
    assert not hidden(tmp_path)
    scp.close()


def test_the_end_of_the_program(tmp_path: Path) -> None:
    """It takes the file along."""
    scp = make(tmp_path)
    receive_many(scp)
    scp.close()

    assert len(list(tmp_path.iterdir())) == 20


def test_a_file_just_made_is_not_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it is there is asked once some time has passed."""
    asked: list[object] = []

    def is_there(file: object) -> bool:
        asked.append(file)
        return True

    monkeypatch.setattr(InstanceFile, "is_there", property(is_there))
    scp = make(tmp_path)
    scp._supply.clock = lambda: 5.0
    receive_many(scp)
    assert not asked

    scp._supply.clock = lambda: 5.002
    receive_many(scp, 1)
    assert len(asked) == 1
    scp.close()


@MODES
def test_a_directory_that_is_removed(tmp_path: Path, *, bits: bool) -> None:
    """The file is gone with it: the object fails as long as the directory does, and only so long."""
    place = tmp_path / "out"
    place.mkdir()
    scp = make(place, bits=bits)
    receive_many(scp)
    shutil.rmtree(place)
    assert receive(scp, "2.1").status == 0xA700
    place.mkdir()
    assert receive(scp, "2.2").status == 0

    receive_many(scp)
    shutil.rmtree(place)
    place.mkdir()
    assert receive(scp, "2.3").status == 0
    scp.close()
    assert [path.name for path in place.iterdir()] == ["CT.2.3"]


def test_a_file_of_which_nothing_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a network file system has it whose server has lost it: another one is made."""
    scp = make(tmp_path)
    receive_many(scp)
    (ready,) = hidden(tmp_path)

    def stale(_: int) -> os.stat_result:
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fstat", stale)
        assert receive(scp, "2.1").status == 0
    assert ready not in hidden(tmp_path)
    scp.close()
    assert len(list(tmp_path.iterdir())) == 21


def test_free_space_counts_when_the_object_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not when its file was made."""
    scp = make(tmp_path, reserve=1)
    receive_many(scp)
    free = os.statvfs(tmp_path)
    full = os.statvfs_result((*free[:4], 0, *free[5:]))
    with monkeypatch.context() as patch:
        patch.setattr(os, "fstatvfs", lambda _: full)
        assert receive(scp, "2.1").status == 0xA700
    assert not hidden(tmp_path)
    assert receive(scp, "2.1").status == 0
    scp.close()


def test_trouble_is_told_to_whom_it_concerns(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A file that cannot be made ready is nobody's business, unless the next object still finds it so."""
    caplog.set_level(logging.INFO, "dcmtk.apps.storescp")
    scp = make(tmp_path)
    receive_many(scp, 7)
    caplog.clear()

    def before(_: int, name: str, arguments: tuple[Any, ...]) -> None:
        if name == "open" and str(arguments[0]).endswith(".part") and trouble:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    trouble: list[bool] = []
    with watched(before):
        reception = scp.begin(
            CStoreRQ(1, CT_IMAGE_STORAGE, "2.1"),
            TRANSFER_SYNTAXES[EXPLICIT],
            PeerIdentity("", "", ""),
        )
        reception.discard()
        trouble.append(True)
        scp.prepare()
        assert not caplog.messages
        assert receive(scp, "2.2").status == 0xA700
        assert caplog.messages == [
            f"cannot write DICOM file: {tmp_path}/CT.2.2: Too many open files"
        ]
    assert receive(scp, "2.2").status == 0
    scp.close()


@pytest.mark.parametrize(
    "uids",
    [
        [EXPLICIT, IMPLICIT, EXPLICIT],
        [IMPLICIT, IMPLICIT, BIG, BIG, EXPLICIT],
        [EXPLICIT] * 5 + [IMPLICIT] * 5,
    ],
)
def test_another_transfer_syntax(tmp_path: Path, uids: list[str]) -> None:
    """What was made for one is not taken for another: each file is what a new receiver would make of it."""
    for name in ("long", "new"):
        (tmp_path / name).mkdir()
    long = make(tmp_path / "long")
    for number, uid in enumerate(uids * 4):
        new = make(tmp_path / "new")
        for scp in (long, new):
            assert receive(scp, f"1.{number}", uid).status == 0
        new.close()
        name = f"CT.1.{number}"
        assert (tmp_path / "long" / name).read_bytes() == (tmp_path / "new" / name).read_bytes()
    long.close()


def test_whoever_stores_nothing_needs_no_file(tmp_path: Path) -> None:
    """`--ignore`."""
    scp = make(tmp_path, ignore=True)
    receive_many(scp)

    assert not list(tmp_path.iterdir())
    scp.close()
